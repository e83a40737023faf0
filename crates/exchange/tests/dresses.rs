//! Whatever dress a training's numbers are in: if it is accepted, they are the same.

use std::fs;

use proptest::prelude::*;
use thaw_exchange::read_logs;
use thaw_spec::Metric;

/// A training: accuracy, loss, validation accuracy and loss of each epoch, with four digits.
type Numbers = Vec<[f64; 4]>;

const METRICS: [Metric; 4] =
    [Metric::TrainAccuracy, Metric::TrainLoss, Metric::ValidationAccuracy, Metric::ValidationLoss];

fn numbers() -> impl Strategy<Value = Numbers> {
    let ten_thousandths = |most: u32| (1..most).prop_map(|number| f64::from(number) / 10_000.0);
    let row = [
        ten_thousandths(10_000),
        ten_thousandths(30_000),
        ten_thousandths(10_000),
        ten_thousandths(30_000),
    ];
    prop::collection::vec(row, 3..12)
}

/// How a text is dressed: each member is chosen for itself.
#[derive(Clone, Debug)]
struct Dress {
    heading: usize,
    /// Whether headings stand behind the metrics.
    behind: bool,
    /// Whether a sentence about each epoch stands behind it.
    mentioned: bool,
    line: usize,
    prefix: usize,
    redrawn: bool,
    tail: bool,
    carriage_returns: bool,
    byte_order_mark: usize,
    /// An epoch that is told without its metrics, if there are so many.
    bare: Option<usize>,
    evaluated: bool,
}

prop_compose! {
    fn dress()(
        heading in 0usize..6, behind: bool, mentioned: bool, line in 0usize..6, prefix in 0usize..5, redrawn: bool, tail: bool, carriage_returns: bool,
        byte_order_mark in 0usize..4, bare in prop::option::of(0usize..12), evaluated: bool,
    ) -> Dress {
        Dress { heading, behind, mentioned, line, prefix, redrawn, tail, carriage_returns, byte_order_mark, bare, evaluated }
    }
}

impl Dress {
    fn text(&self, numbers: &Numbers) -> String {
        let total = numbers.len();
        let mut lines = Vec::new();
        // Without metrics before the first heading, it must be before them.
        let behind = self.behind && self.bare != Some(0) && self.bare != Some(total - 1);
        for (epoch, row) in numbers.iter().enumerate() {
            let last = total - 1;
            if behind && self.bare != Some(epoch) {
                lines.extend(self.metrics(*row));
            }
            lines.push(match self.heading {
                0 => format!("Epoch {}/{total}", epoch + 1),
                1 => format!("Epoch {epoch}/{last}"),
                2 => format!("Epoch [{}/{total}]", epoch + 1),
                3 => format!("Epoch: {}", epoch + 1),
                4 if behind => format!("Epoch {} finished in 12.5s", epoch + 1),
                4 => format!("Starting epoch {}", epoch + 1),
                _ => format!("=== Epoch {} of {total} ===", epoch + 1),
            });
            if !behind && self.bare != Some(epoch) {
                lines.extend(self.metrics(*row));
            }
            if self.mentioned {
                lines.push(format!(
                    "Epoch {}: val_loss improved from inf to 0.12345, saving model to best.h5",
                    epoch.max(1)
                ));
            }
        }
        if self.evaluated && self.line == 0 && !behind {
            lines.push("40/40 [====] - 1s - loss: 0.2103 - acc: 0.9369".to_owned());
        }
        let prefixed = lines.into_iter().map(|line| match self.prefix {
            0 => line,
            1 => format!("2024-05-01 12:00:00,123 INFO {line}"),
            2 => format!("2024-05-01T12:00:00.123456789Z stdout F {line}"),
            3 => format!("[12:00:00] {line}"),
            _ => format!("trainer-1  | {line}"),
        });
        let end = if self.carriage_returns { "\r\n" } else { "\n" };
        prefixed.collect::<Vec<String>>().join(end) + end
    }

    fn metrics(&self, [acc, loss, val_acc, val_loss]: [f64; 4]) -> Vec<String> {
        match self.line {
            0 => {
                let begun = if self.redrawn {
                    format!(" 20/100 [>...] - ETA: 4s - loss: {:.4} - acc: 0.1234\r", loss + 1.0)
                } else {
                    String::new()
                };
                let tail = if self.tail { ": 7s - loss: 0.62 - ETA: 4s - los" } else { "" };
                vec![format!(
                    "{begun}100/100 [====] - 7s 70ms/step - loss: {loss:.4} - acc: {acc:.4} - val_loss: {val_loss:.4} - val_acc: {val_acc:.4}{tail}"
                )]
            }
            1 => vec![
                format!("train Loss: {loss:.4} Acc: {acc:.4}"),
                format!("val Loss: {val_loss:.4} Acc: {val_acc:.4}"),
            ],
            2 => vec![format!(
                "train_loss={loss:.4} train_acc={acc:.4} val_loss={val_loss:.4} val_acc={val_acc:.4} lr=1e-3"
            )],
            3 => vec![format!(
                "Training Loss: {loss:.4}\tTraining Accuracy: {:.2}%\tValidation Loss: {val_loss:.4}\tValidation Accuracy: {:.2}%",
                acc * 100.0,
                val_acc * 100.0
            )],
            4 => vec![
                "Training...".to_owned(),
                format!("loss: {loss:.4} accuracy: {acc:.4}"),
                "Validation Results:".to_owned(),
                format!("loss: {val_loss:.4} accuracy: {val_acc:.4}"),
            ],
            _ => vec![format!(
                "{{'loss': {loss:.4}, 'accuracy': {acc:.4}, 'eval_loss': {val_loss:.4}, 'eval_accuracy': {val_acc:.4}}}"
            )],
        }
    }

    fn bytes(&self, text: &str) -> Vec<u8> {
        let wide = |order: fn(u16) -> [u8; 2]| {
            ['\u{feff}']
                .into_iter()
                .chain(text.chars())
                .collect::<String>()
                .encode_utf16()
                .flat_map(order)
                .collect()
        };
        match self.byte_order_mark {
            0 => text.as_bytes().to_vec(),
            1 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            2 => wide(u16::to_le_bytes),
            _ => wide(u16::to_be_bytes),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_numbers_are_the_same_in_every_dress(numbers in numbers(), dress in dress()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.txt");
        let text = dress.text(&numbers);
        fs::write(&path, dress.bytes(&text)).expect("written");
        let logs = read_logs(&path).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(logs.trainings.len(), 1, "{}", text);
        let log = &logs.trainings[0].log;
        let kept: Vec<usize> = (0..numbers.len()).filter(|epoch| dress.bare != Some(*epoch)).collect();
        for (column, metric) in METRICS.into_iter().enumerate() {
            let expected: Vec<usize> = kept.iter().map(|epoch| epoch + 1).collect();
            prop_assert_eq!(log.epochs_of(metric), &expected[..], "{}", text);
            for (value, epoch) in log.curve(metric).iter().zip(&kept) {
                prop_assert!((value - numbers[*epoch][column]).abs() < 0.51e-4, "{} of epoch {}: {}\n{}", metric, epoch + 1, value, text);
            }
        }
    }

    #[test]
    fn tables_and_json_are_the_same_in_every_dress(
        numbers in numbers(), separator in 0usize..4, from in 0usize..2, blank in prop::option::of(1usize..12), extra: bool, shape in 0usize..5,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let comma = [",", ";", "\t", " | "][separator];
        let decimal = |value: f64| if separator == 1 { value.to_string().replace('.', ",") } else { value.to_string() };
        let kept = |epoch: usize| blank != Some(epoch);
        let names = ["acc", "loss", "val_acc", "val_loss"];
        let text = match shape {
            0 => {
                let mut lines = vec![["epoch", "acc", "loss", "val_acc", "val_loss"].join(comma) + if extra { comma } else { "" } + if extra { "lr" } else { "" }];
                for (epoch, row) in numbers.iter().enumerate() {
                    let cell = |column: usize| if kept(epoch) || column < 2 { decimal(row[column]) } else { String::new() };
                    let cells: Vec<String> = [(epoch + from).to_string()].into_iter().chain((0..4).map(cell)).chain(extra.then(|| "nan".to_owned())).collect();
                    lines.push(cells.join(comma));
                }
                lines.join("\n") + "\n"
            }
            _ => {
                let value = |epoch: usize, column: usize| if kept(epoch) || column < 2 { numbers[epoch][column].to_string() } else { "null".to_owned() };
                let object = |epoch: usize| {
                    let pairs: Vec<String> = names.iter().enumerate().map(|(column, name)| format!("\"{name}\": {}", value(epoch, column))).collect();
                    format!("{{\"epoch\": {}, {}}}", epoch + from, pairs.join(", "))
                };
                let lists = |item: &dyn Fn(usize, usize) -> String, open: &str, close: &str| -> String {
                    let columns: Vec<String> = (0..4).map(|column| format!("\"{}\": {open}{}{close}", names[column], (0..numbers.len()).map(|epoch| item(epoch, column)).collect::<Vec<_>>().join(", "))).collect();
                    format!("{{{}}}", columns.join(", "))
                };
                match shape {
                    1 => (0..numbers.len()).map(|epoch| object(epoch) + "\n").collect(),
                    2 => format!("[{}]", (0..numbers.len()).map(object).collect::<Vec<_>>().join(",")),
                    3 => lists(&value, "[", "]"),
                    _ => lists(&|epoch, column| format!("\"{epoch}\": {}", value(epoch, column)), "{", "}"),
                }
            }
        };
        fs::write(&path, &text).expect("written");
        let logs = read_logs(&path).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(logs.trainings.len(), 1, "{}", text);
        let log = &logs.trainings[0].log;
        for (column, metric) in METRICS.into_iter().enumerate() {
            // What the last epoch lacks is where the log broke off.
            let read: Vec<(usize, f64)> = log.epochs_of(metric).iter().copied().zip(log.curve(metric).iter().copied()).collect();
            let broke_off = blank == Some(numbers.len() - 1);
            let expected: Vec<(usize, f64)> = numbers.iter().enumerate().filter(|(epoch, _)| column < 2 || kept(*epoch)).filter(|(epoch, _)| !broke_off || *epoch + 1 < numbers.len()).map(|(epoch, row)| (epoch + 1, row[column])).collect();
            prop_assert_eq!(&read, &expected, "{} in\n{}", metric, text);
        }
    }
}
