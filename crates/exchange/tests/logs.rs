//! Logs as the real Keras and PyTorch write them, by `tools/golden/training_logs.py`: each must
//! tell what `history.json` tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thaw_exchange::{ExportedRun, Format, NamedLog, export, read_log, read_logs};
use thaw_spec::{Metric, TrainingLog};

const KERAS: [&str; 4] = ["keras-2.0.8", "keras-2.1.3", "keras-2.2", "keras-3"];
const METRICS: [(Metric, &str); 4] = [
    (Metric::TrainAccuracy, "acc"),
    (Metric::TrainLoss, "loss"),
    (Metric::ValidationAccuracy, "val_acc"),
    (Metric::ValidationLoss, "val_loss"),
];

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

#[track_caller]
fn only(path: &Path) -> TrainingLog {
    let mut logs = read_logs(path).unwrap_or_else(|error| panic!("{error}")).trainings;
    assert_eq!(logs.len(), 1, "{}", path.display());
    logs.remove(0).log
}

/// The numbers as Python wrote them, read without thaw's reader.
fn truth(path: &Path) -> BTreeMap<String, Vec<f64>> {
    serde_json::from_slice(&fs::read(path).expect("a history")).expect("lists of numbers")
}

#[track_caller]
fn assert_tells(log: &TrainingLog, history: &Path, tolerance: f64) {
    let truth = truth(history);
    assert_eq!(log.epochs(), 4);
    for (metric, name) in METRICS {
        assert_eq!(log.curve(metric).len(), 4, "{metric}");
        for (read, written) in log.curve(metric).iter().zip(&truth[name]) {
            assert!((read - written).abs() <= tolerance, "{metric}: {read} against {written}");
        }
    }
}

#[test]
fn every_log_of_every_keras_tells_the_same() {
    for keras in KERAS {
        let folder = fixtures(keras);
        let history = folder.join("history.json");
        assert_tells(&only(&history), &history, 0.0);
        assert_tells(&only(&folder.join("log.csv")), &history, 0.0);
        // Printed with four digits.
        assert_tells(&only(&folder.join("printed.txt")), &history, 0.5001e-4);
        assert_tells(
            &only(&folder.join("printed-lines.txt")),
            &folder.join("printed-lines.json"),
            0.5001e-4,
        );
        assert_eq!(only(&folder.join("printed.txt")).seconds().len(), 4);
        // Written as 32-bit numbers; Keras 3 has a file for each split.
        let board = only(&folder.join("tensorboard"));
        assert_tells(&board, &history, 1e-7);
        assert_eq!(board.seconds().len(), 3, "differences of four ends");
        assert!(
            board.seconds().iter().all(|seconds| (0.0..10.0).contains(seconds)),
            "{:?}",
            board.seconds()
        );
    }
}

#[test]
fn a_log_of_pytorchs_writer_is_read_as_a_folder_and_as_a_file() {
    let folder = fixtures("torch");
    assert_tells(&only(&folder.join("tensorboard")), &folder.join("history.json"), 1e-7);
    let file = fs::read_dir(folder.join("tensorboard"))
        .expect("a folder")
        .next()
        .expect("a file")
        .expect("it is there")
        .path();
    assert_tells(&only(&file), &folder.join("history.json"), 1e-7);
    // A file that is still being written ends in the middle of a record; its last epoch is left
    // out.
    let bytes = fs::read(&file).expect("bytes");
    let desk = TempDir::new().expect("a folder");
    let torn = desk.path().join("events.out.tfevents.1");
    fs::write(&torn, &bytes[..bytes.len() - 5]).expect("written");
    assert_eq!(only(&torn).epochs(), 3);
    // One bit that flipped is noticed.
    let mut damaged = bytes;
    damaged[200] ^= 1;
    fs::write(&torn, damaged).expect("written");
    assert!(read_logs(&torn).expect_err("damaged").to_string().contains("is damaged after"));
}

#[test]
fn interrupted_percentages_and_several_trainings_are_understood() {
    let desk = TempDir::new().expect("a folder");
    let read = |name: &str, text: &str| {
        let path = desk.path().join(name);
        fs::write(&path, text).expect("written");
        read_logs(&path).map(|logs| logs.trainings).map_err(|error| error.to_string())
    };
    let two = "Epoch 1/2\n10/10 [==] - 72s - loss: 0.5 - acc: 0.7 - val_loss: 0.6 - val_acc: 0.8\nEpoch 2/2\n10/10 [==] - 71s 7s/step - loss: 0.4 - \
               acc: 0.8 - val_loss: 0.5 - val_acc: 0.9\nEpoch 1/2\n10/10 [==] - 33s - loss: 0.3 - acc: 0.9 - val_loss: 0.2 - val_acc: 0.95\nEpoch \
               2/2\n 5/10 [=>.] - ETA: 10s - loss: 0.2 - acc: 0.95";
    let logs = read("two.txt", two).expect("two trainings");
    assert_eq!(logs.iter().map(|log| log.name.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(
        (logs[0].log.seconds(), logs[0].log.curve(Metric::ValidationAccuracy)),
        (&[72.0, 71.0][..], &[0.8, 0.9][..])
    );
    assert_eq!(logs[1].log.epochs(), 1, "the second broke off");
    let path = desk.path().join("two.txt");
    assert_eq!(read_log(&path, "2").expect("the second").curve(Metric::TrainAccuracy), [0.9]);
    assert!(
        read_log(&path, "3")
            .expect_err("no third")
            .to_string()
            .contains("there is no run `3`, only `1`, `2`")
    );
    let percent = read("percent.csv", "epoch;train_acc;valid_acc;lr\n1;50;60;0.1\n2;75;80;0.1\n")
        .expect("percentages");
    assert_eq!(percent[0].log.curve(Metric::ValidationAccuracy), [0.6, 0.8]);
    for (name, text, expected) in [
        ("empty.txt", "", "is empty, not a training log"),
        // Found by fuzzing.
        ("blank.txt", "\u{c}\u{c}\n\u{c}\u{c}\ns", "is no training log"),
        ("prose.txt", "Dear reader,\nnothing was logged.\n", "is no training log"),
        ("list.json", "[1, 2]", "expected an object of lists"),
        ("broken.json", "{\"loss\": [1", "is no valid JSON"),
        ("words.json", "{\"loss\": [\"a\"]}", "`loss` is not a list of numbers"),
        ("none.json", "{\"lr\": [0.1]}", "no accuracy and no loss"),
        ("heading.csv", "epoch,loss\n", "no epochs"),
        (
            "word.csv",
            "epoch,loss\n1,0.5\n2,low\n",
            "row 2 under the heading: `low` in the column `loss`",
        ),
        (
            "comments.csv",
            "# one\n# two\n\nepoch,loss\n1,0.5\n2,low\n",
            "row 2 under the heading: `low` in the column `loss`",
        ),
        ("again.csv", "epoch,loss\n1,0.5\n1,0.4\n", "`loss` has several values in an epoch"),
        (
            "twice.csv",
            "epoch,acc,accuracy\n1,0.5,0.6\n",
            "`acc` and `accuracy` both look like train accuracy",
        ),
        ("nan.csv", "epoch,loss\n1,NaN\n2,NaN\n", "`loss` is no number at the epochs 1–2"),
    ] {
        let message = read(name, text).expect_err(name);
        assert!(message.contains(expected) && message.contains(name), "{message}");
    }
    assert!(
        read_logs(&desk.path().join("absent"))
            .expect_err("absent")
            .to_string()
            .contains("cannot read the training log")
    );
    let empty = TempDir::new().expect("a folder");
    assert!(
        read_logs(empty.path())
            .expect_err("empty")
            .to_string()
            .contains("without TensorBoard's event files")
    );
}

/// The split stands where each program puts it.
#[test]
fn a_metric_is_of_the_split_that_its_line_or_row_names() {
    let desk = TempDir::new().expect("a folder");
    let read = |text: &str| {
        let path = desk.path().join("log");
        fs::write(&path, text).expect("written");
        let mut logs = read_logs(&path).unwrap_or_else(|error| panic!("{error}")).trainings;
        logs.swap_remove(0).log
    };
    let curves = |log: &TrainingLog| -> Vec<(Metric, Vec<f64>)> {
        log.metrics().map(|metric| (metric, log.curve(metric).to_vec())).collect()
    };
    // PyTorch's example for MNIST: batches of the training images, then the test set.
    let mnist: String = (1..4)
        .map(|epoch| {
            format!(
                "Train Epoch: {epoch} [0/60000 (0%)]\tLoss: 2.3\nTrain Epoch: {epoch} [59520/60000 (99%)]\tLoss: 0.1\n\n\
                 Test set: Average loss: 0.0{epoch}, Accuracy: 98{epoch}0/10000 (98%)\n\n"
            )
        })
        .collect();
    let expected = [
        (Metric::TestAccuracy, vec![0.981, 0.982, 0.983]),
        (Metric::TestLoss, vec![0.01, 0.02, 0.03]),
    ];
    assert_eq!(curves(&read(&mnist)), expected);
    // OpenMMLab's log: a key `mode`.
    let mode = "{\"mode\": \"val\", \"epoch\": 1, \"accuracy_top-1\": 55.0}\n{\"mode\": \"val\", \"epoch\": 2, \"accuracy_top-1\": 65.0}\n";
    assert_eq!(curves(&read(mode)), [(Metric::ValidationAccuracy, vec![0.55, 0.65])]);
    // A column of splits, and a table that is drawn.
    let long = "epoch,split,loss\n1,train,0.9\n1,val,0.8\n2,train,0.7\n2,val,0.6\n";
    let expected = [(Metric::TrainLoss, vec![0.9, 0.7]), (Metric::ValidationLoss, vec![0.8, 0.6])];
    assert_eq!(curves(&read(long)), expected);
    let drawn = "+-------+---------+\n| epoch | val_acc |\n+-------+---------+\n|     1 |     0.5 |\n|     2 |     0.6 |\n+-------+---------+\n";
    assert_eq!(curves(&read(drawn)), [(Metric::ValidationAccuracy, vec![0.5, 0.6])]);
    // Headings of their own for either half of an epoch.
    let halves = "Train Epoch: 1 | loss 0.9 | acc 0.5\nVal Epoch: 1 | loss 0.8 | acc 0.6\n";
    assert_eq!(read(halves).metrics().count(), 4);
}

#[test]
fn a_number_in_a_name_is_no_value() {
    let of = |line: &str| {
        let lines: String = (1..=3).map(|epoch| format!("Epoch {epoch}\n{line}\n")).collect();
        let desk = TempDir::new().expect("a folder");
        fs::write(desk.path().join("x.log"), lines).expect("written");
        read_logs(&desk.path().join("x.log")).map(|logs| {
            let log = &logs.trainings[0].log;
            let curves = log.metrics().map(|metric| (metric, log.curve(metric)[0]));
            (curves.collect::<Vec<_>>(), logs.trainings[0].passed_over.clone())
        })
    };
    let accuracy = Metric::TrainAccuracy;
    let (read, passed_over) = of("Acc 1: 70.1%, Acc 5: 90.2%").expect("an accuracy");
    assert_eq!(read, [(accuracy, 0.701)]);
    assert_eq!(passed_over, ["Acc 5"]);
    let (read, _) = of("val top 1 acc: 0.70").expect("an accuracy");
    assert_eq!(read, [(Metric::ValidationAccuracy, 0.7)]);
    let (read, _) = of(" * Prec@1 62.5 Prec@5 90.1").expect("an accuracy");
    assert_eq!(read, [(Metric::ValidationAccuracy, 0.625)]);
    for other in
        ["Loss 1: 0.53 Loss 2: 0.41", "class 0 acc: 0.90 class 1 acc: 0.60", "top 5 acc: 0.97"]
    {
        let read = of(other).map(|(read, _)| read);
        assert!(read.is_err(), "{other}: {read:?}");
    }
}

#[test]
fn keys_that_are_epochs_are_taken_as_they_are() {
    let keyed = |first: u32| {
        let column = |values: [f64; 3]| -> serde_json::Map<String, serde_json::Value> {
            (first..).map(|key| key.to_string()).zip(values.map(Into::into)).collect()
        };
        let history = serde_json::json!({"loss": column([0.6, 0.5, 0.4]), "val_acc": column([0.8, 0.85, 0.9])});
        let desk = TempDir::new().expect("a folder");
        fs::write(desk.path().join("x.json"), history.to_string()).expect("written");
        let logs = read_logs(&desk.path().join("x.json")).expect("a log");
        logs.trainings[0].log.epochs_of(Metric::TrainLoss).to_vec()
    };
    assert_eq!(keyed(1), [1, 2, 3]);
    assert_eq!(keyed(0), [1, 2, 3]);
}

#[test]
fn a_run_whose_name_ends_as_a_split_does_is_a_run() {
    let metrics = [Metric::TrainAccuracy, Metric::TrainLoss];
    let run = ExportedRun {
        id: "0123".to_owned(),
        name: "run".to_owned(),
        levels: Vec::new(),
        seed: 0,
        parameters: Vec::new(),
        status: "completed".to_owned(),
        started_unix_seconds: 1_700_000_000,
        log: TrainingLog::new(
            metrics.map(|metric| (metric, vec![0.5, 0.6, 0.7])).into(),
            vec![1.0; 3],
        )
        .expect("a log"),
        drift: vec![0.0; 3],
    };
    let desk = TempDir::new().expect("a folder");
    let format = "tensorboard".parse::<Format>().expect("a format");
    for name in ["vgg_train", "resnet_train", "first_test"] {
        export("tiny", std::slice::from_ref(&run), format, &desk.path().join("made"))
            .expect("written");
        let events = walk(&desk.path().join("made"));
        fs::create_dir_all(desk.path().join("logs").join(name)).expect("a folder");
        for event in events.iter().filter(|path| path.to_string_lossy().contains("train")) {
            let file = event.file_name().expect("a name");
            fs::copy(event, desk.path().join("logs").join(name).join(file)).expect("copied");
        }
        fs::remove_dir_all(desk.path().join("made")).expect("removed");
    }
    let logs = read_logs(&desk.path().join("logs")).expect("logs").trainings;
    let names: Vec<&str> = logs.iter().map(|log| log.name.as_str()).collect();
    assert_eq!(names, ["first_test", "resnet_train", "vgg_train"]);
    for NamedLog { log, .. } in &logs {
        assert_eq!(log.metrics().collect::<Vec<_>>(), metrics);
    }
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn what_is_exported_can_be_read_again() {
    let runs: Vec<ExportedRun> = (0..2u32)
        .map(|seed| {
            let value = |epoch: u32, scale: f64| scale / f64::from(epoch + seed + 3);
            let curve = |scale: f64| (0..3).map(|epoch| value(epoch, scale)).collect::<Vec<f64>>();
            let metrics = Metric::ALL.into_iter().zip([0.5, 2.0, 0.75, 1.0, 0.25, 3.0]);
            ExportedRun {
                id: format!("{seed:016x}"),
                name: format!("regime=cached loss_clip=0.1 seed={seed}"),
                levels: vec![
                    ("regime".to_owned(), "cached".to_owned()),
                    ("loss_clip".to_owned(), "0.1".to_owned()),
                ],
                seed: u64::from(seed),
                parameters: vec![("learning_rate".to_owned(), "0.1".to_owned())],
                status: "completed".to_owned(),
                started_unix_seconds: 1_700_000_000,
                log: TrainingLog::new(
                    metrics.map(|(metric, scale)| (metric, curve(scale))).collect(),
                    vec![2.0, 2.5, 3.0],
                )
                .expect("a log"),
                drift: vec![0.0, 0.5, 1.0],
            }
        })
        .collect();
    let named = |name: &str| name.parse::<Format>().expect("a format");
    let desk = TempDir::new().expect("a folder");
    for (format, name, tolerance) in
        [("csv", "runs.csv", 0.0), ("json", "runs.json", 0.0), ("tensorboard", "board", 1e-7)]
    {
        let path = desk.path().join(name);
        export("tiny", &runs, named(format), &path).expect("written");
        let logs = read_logs(&path).expect("read again").trainings;
        assert_eq!(logs.len(), 2);
        for (NamedLog { name, log, .. }, run) in logs.iter().zip(&runs) {
            assert_eq!(
                name,
                &if format == "tensorboard" {
                    run.name.replace(' ', "_")
                } else {
                    run.name.clone()
                }
            );
            for metric in Metric::ALL {
                let pairs = log.curve(metric).iter().zip(run.log.curve(metric));
                assert!(
                    log.curve(metric).len() == 3
                        && pairs.clone().all(|(read, written)| (read - written).abs() <= tolerance),
                    "{metric}"
                );
            }
            let first = if format == "tensorboard" { 1 } else { 0 };
            assert_eq!(
                log.seconds(),
                &run.log.seconds()[first..],
                "the first epoch's beginning is not on TensorBoard's record"
            );
        }
    }
    // A folder that is there is left alone; a file is replaced.
    let refused = export("tiny", &runs, named("tensorboard"), &desk.path().join("board"))
        .expect_err("it exists");
    assert!(refused.to_string().contains("the folder exists"), "{refused}");
    export("tiny", &runs[..1], named("csv"), &desk.path().join("runs.csv")).expect("replaced");
    assert_eq!(read_logs(&desk.path().join("runs.csv")).expect("read again").trainings.len(), 1);
    export("tiny", &runs, named("mlflow"), &desk.path().join("mlruns")).expect("written");
    let run = desk.path().join("mlruns/1").join(&runs[1].id);
    assert_eq!(fs::read_to_string(run.join("params/learning_rate")).expect("a parameter"), "0.1");
    let metric = fs::read_to_string(run.join("metrics/validation_accuracy")).expect("a metric");
    assert_eq!(metric.lines().count(), 3);
    assert!(metric.starts_with("1700000002000 0.1875 1\n"), "{metric}");
    let left: Vec<_> = fs::read_dir(desk.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left.len(), 4, "nothing temporary is left: {left:?}");
}

#[test]
fn a_metric_that_was_evaluated_after_the_last_epoch_is_exported_at_that_epoch_alone() {
    let every = |value: f64| (1..=3).map(|epoch| (epoch, value / epoch as f64)).collect();
    let curves = [
        (Metric::TrainLoss, every(0.5)),
        (Metric::ValidationAccuracy, every(0.75)),
        (Metric::TestAccuracy, [(3, 0.625)].into()),
        (Metric::TestLoss, [(3, 0.25)].into()),
    ];
    let run = ExportedRun {
        id: "0123".to_owned(),
        name: "regime=thawed seed=0".to_owned(),
        levels: vec![("regime".to_owned(), "thawed".to_owned())],
        seed: 0,
        parameters: vec![("evaluate_test".to_owned(), "last_epoch".to_owned())],
        status: "thawed".to_owned(),
        started_unix_seconds: 1_700_000_000,
        log: TrainingLog::by_epoch(curves.into(), vec![2.0, 2.5, 3.0]).expect("a log"),
        drift: vec![0.0, 0.5, 1.0],
    };
    let desk = TempDir::new().expect("a folder");
    for (format, name) in
        [("csv", "runs.csv"), ("json", "runs.json"), ("tensorboard", "board"), ("mlflow", "mlruns")]
    {
        let path = desk.path().join(name);
        let runs = std::slice::from_ref(&run);
        export("tiny", runs, format.parse().expect("a format"), &path).expect("written");
    }
    let csv = fs::read_to_string(desk.path().join("runs.csv")).expect("a table");
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].contains("epoch,loss,val_acc,test_acc,test_loss,drift"), "{csv}");
    assert!(rows[1].contains(",1,0.5,0.75,,,0,"), "{csv}");
    assert!(rows[3].ends_with(",0.625,0.25,1,3"), "{csv}");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(desk.path().join("runs.json")).expect("a list"))
            .expect("JSON");
    assert_eq!(json[0]["history"]["test_acc"], serde_json::json!([null, null, 0.625]));
    let metrics = desk.path().join("mlruns/1/0123/metrics");
    let metric = |name: &str| fs::read_to_string(metrics.join(name)).expect("a metric");
    assert_eq!(metric("test_accuracy"), "1700000007500 0.625 3\n");
    assert_eq!(metric("validation_accuracy").lines().count(), 3);
    assert_eq!(metric("drift_maximum").lines().count(), 3);
    // Read again, a lone value is no curve, and is named.
    for name in ["runs.csv", "runs.json", "board"] {
        let logs = read_logs(&desk.path().join(name)).expect("read again").trainings;
        let NamedLog { log, remarks, .. } = &logs[0];
        assert_eq!(log.epochs_of(Metric::ValidationAccuracy), [1, 2, 3], "{name}");
        assert!(log.epochs_of(Metric::TestAccuracy).is_empty(), "{name}");
        let lone = remarks.iter().filter(|remark| remark.contains("stands there once, at epoch"));
        assert_eq!(lone.count(), 2, "{name}: {remarks:?}");
    }
}

/// What cannot be told beside the rest is named.
#[test]
fn what_is_passed_over_is_named() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/shapes");
    for (file, words) in [
        ("arrow.txt", "`val_loss` has two numbers"),
        ("batch.txt", "passed over: `Batch`, `Loss`"),
        ("bars-killed.txt", "what stands there is of the epoch before"),
        ("comma-or-thousands.txt", "`train loss` has a comma in its numbers"),
        ("csv-then-log.txt", "what stands before it is not understood"),
        ("cut.csv", "the log ends within the number of `val_acc`"),
        ("evaluated-before.txt", "before the first epoch stand `val loss`, `val acc`"),
        ("heading-behind.txt", "each epoch's values stand before its heading"),
        ("label-ema.txt", "passed over: `EMA val loss`, `EMA acc`"),
        ("log-then-table.txt", "a table stands there too"),
        ("mean-row.csv", "the row `mean` is no epoch"),
        ("mention-summary.txt", "epochs 6 are mentioned again with fewer values"),
        ("nan.json", "`loss` is no number at the epochs 8"),
        ("passes.txt", "in two passes over the epochs"),
        ("slash.txt", "`val_acc` has two numbers parted by a slash"),
        ("unstated-accuracy.txt", "`Acc` is taken for the validation accuracy"),
    ] {
        let logs = read_logs(&cases.join(file)).unwrap_or_else(|error| panic!("{error}"));
        let said = |log: &NamedLog| log.summary() + "; " + &log.remarks.join("; ");
        let said: Vec<String> = logs.trainings.iter().map(said).collect();
        assert!(said.join("\n").contains(words), "{file}: {said:?}");
    }
}

/// A comma may part thousands or decimals; the other numbers of its column tell, in a table and in JSON.
#[test]
fn commas_are_read_as_the_rest_of_their_column_tells() {
    let desk = TempDir::new().expect("a folder");
    let read = |name: &str, text: &str| {
        let path = desk.path().join(name);
        fs::write(&path, text).expect("a log");
        read_logs(&path).map(|logs| logs.trainings[0].log.curve(Metric::TrainLoss).to_vec())
    };
    for (name, text) in [
        ("table.csv", "epoch;loss\n1;1,234\n2;0,98\n"),
        ("history.json", r#"{"loss": ["1,234", "0,98"]}"#),
        ("epochs.json", r#"[{"epoch": 1, "loss": "1,234"}, {"epoch": 2, "loss": "0,98"}]"#),
        ("index.json", r#"{"loss": {"0": "1,234", "1": "0,98"}}"#),
        ("split.json", r#"{"columns": ["epoch", "loss"], "data": [[1, "1,234"], [2, "0,98"]]}"#),
    ] {
        assert_eq!(read(name, text).expect(name), [1.234, 0.98], "{name}");
    }
    let thousands = r#"{"loss": ["1,234.5", "2,345"]}"#;
    assert_eq!(read("thousands.json", thousands).expect("a log"), [1234.5, 2345.0]);
    for (name, text) in [
        ("table.csv", "epoch;loss\n1;1,234\n2;2,345\n"),
        ("history.json", r#"{"loss": ["1,234", "2,345"]}"#),
        ("split.json", r#"{"columns": ["epoch", "loss"], "data": [[1, "1,234"], [2, "2,345"]]}"#),
    ] {
        let message = read(name, text).expect_err(name).to_string();
        assert!(message.contains("may have thousands or decimals behind its comma"), "{message}");
    }
}

/// What a text tells, or why it tells nothing.
fn read_text(text: &str) -> Result<NamedLog, String> {
    let desk = TempDir::new().expect("a folder");
    let path = desk.path().join("log");
    fs::write(&path, text).expect("written");
    let logs = read_logs(&path).map_err(|error| error.to_string())?;
    Ok(logs.trainings.into_iter().next().expect("a training"))
}

#[track_caller]
fn told(text: &str) -> NamedLog {
    read_text(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// As Hugging Face's trainer and Lightning write to Weights & Biases.
#[test]
fn an_epoch_is_that_of_its_column_whoever_keeps_it() {
    let halves = "_step,train/epoch,train/global_step,train/loss,eval/loss\n\
                  0,1,63,0.6,\n1,1,63,,0.8\n2,2,126,0.5,\n3,2,126,,0.7\n";
    let NamedLog { log, .. } = told(halves);
    assert_eq!(log.curve(Metric::TrainLoss), [0.6, 0.5]);
    assert_eq!(log.curve(Metric::ValidationLoss), [0.8, 0.7]);
    let steps = "_step,train/epoch,train/global_step,train/loss\n\
                 0,0.5,10,0.9\n1,1,20,0.8\n2,1.5,30,0.7\n3,2,40,0.6\n";
    let NamedLog { log, remarks, .. } = told(steps);
    assert_eq!(log.curve(Metric::TrainLoss), [0.8, 0.6]);
    assert!(remarks[0].contains("rows at no whole epoch have `train/loss`"), "{remarks:?}");
    let lines = "{\"train/epoch\": 2, \"train/loss\": 0.6, \"_step\": 63}\n\
                 {\"train/epoch\": 3, \"train/loss\": 0.5, \"_step\": 126}\n";
    assert_eq!(told(lines).log.epochs_of(Metric::TrainLoss), [2, 3]);
    for (text, step) in [
        ("trainer/global_step,train_loss\n10,0.6\n20,0.5\n", "trainer/global_step"),
        ("_step,train/global_step,loss\n0,10,0.6\n1,20,0.5\n", "train/global_step"),
        ("_step,train/global_step,loss\n0,10,0.6\n1,,0.5\n", "train/global_step"),
        (
            "[{\"_step\": 0, \"batch\": 10, \"loss\": 0.6}, {\"_step\": 1, \"batch\": 20, \"loss\": 0.5}]",
            "batch",
        ),
    ] {
        let message = read_text(text).expect_err(text);
        assert!(message.contains(&format!("`{step}` and no")), "{message}");
    }
    let counted = told("step,iteration,loss\n0,1,0.6\n1,2,0.5\n");
    assert_eq!(counted.log.curve(Metric::TrainLoss), [0.6, 0.5]);
}

#[test]
fn a_duration_is_read_as_a_whole() {
    let printed = |behind: &str| {
        let line = |epoch| format!("Epoch {epoch}/3 | loss: 0.{epoch} | val_loss: 0.7 {behind}\n");
        told(&(1..=3).map(line).collect::<String>())
    };
    for (behind, seconds) in [
        ("| time: 1m 40s", 100.0),
        ("elapsed 1h 2m 3s", 3723.0),
        ("time: 2 min 5 s", 125.0),
        (", time 1.5 min", 90.0),
        ("time: 500ms", 0.5),
        ("time: 1.5e2s", 150.0),
        ("time: 0:01:40", 100.0),
        ("time 100.0s: done", 100.0),
        ("time 100 lr 0.1", 100.0),
        ("train_time: 100.0s val_time: 8.0s", 108.0),
    ] {
        let NamedLog { log, .. } = printed(behind);
        assert_eq!(log.seconds(), [seconds; 3], "{behind}");
        assert_eq!(log.curve(Metric::TrainLoss), [0.1, 0.2, 0.3], "{behind}");
    }
    for behind in ["time: 350ms/step", "time: 5fortnights", "time: 2024-05-01"] {
        let NamedLog { log, remarks, .. } = printed(behind);
        let remarks = remarks.join("; ");
        assert!(log.seconds().is_empty(), "{behind}: {:?}", log.seconds());
        assert!(remarks.contains("`time` has a number or a unit that is not"), "{remarks}");
    }
    let comma = "Epoch 1 loss: 0,61 time: 1,5s\nEpoch 2 loss: 0,52 time: 2,5s\n";
    assert_eq!(told(comma).log.seconds(), [1.5, 2.5]);
}

#[test]
fn durations_of_training_and_validation_are_added() {
    let remark = "an epoch's duration is the sum of `train_time`, `val_time`";
    for (text, seconds, said) in [
        ("epoch,loss,train_time,val_time\n1,0.6,100,8\n2,0.5,90,9\n", [108.0, 99.0], true),
        (
            "{\"loss\": [0.6, 0.5], \"train_time\": [100, 90], \"val_time\": [8, 9]}",
            [108.0, 99.0],
            true,
        ),
        (
            "epoch,train_time,loss,epoch_time,val_time\n1,100,0.6,110,8\n2,90,0.5,100,9\n",
            [110.0, 100.0],
            false,
        ),
    ] {
        let NamedLog { log, remarks, passed_over, .. } = told(text);
        assert_eq!(log.seconds(), seconds, "{text}");
        assert_eq!(remarks.iter().any(|other| other == remark), said, "{text}: {remarks:?}");
        assert_eq!(passed_over.is_empty(), said, "{text}: {passed_over:?}");
    }
    let seldom = "epoch,loss,val_time,train_time\n1,0.6,8,100\n2,0.5,,90\n3,0.4,9,90\n";
    assert_eq!(told(seldom).log.seconds(), [108.0, 90.0, 99.0]);
    let trained = told("epoch,loss,train_time\n1,0.6,100\n2,0.5,90\n");
    assert_eq!(trained.log.seconds(), [100.0, 90.0]);
    assert_eq!(trained.remarks, ["an epoch's duration is that of `train_time`"]);
    // An evaluation behind the last epoch says how long it took, too.
    let keras = "Epoch 1/2\n9/9 - 20s - loss: 0.6 - val_loss: 0.7\n\
                 Epoch 2/2\n9/9 - 21s - loss: 0.5 - val_loss: 0.6\ntest loss: 0.6 time: 3\n";
    assert_eq!(told(keras).log.seconds(), [20.0, 21.0]);
    let alone = told("epoch,loss,val_time\n1,0.6,8\n2,0.5,9\n");
    assert!(alone.log.seconds().is_empty());
    assert_eq!(alone.passed_over, ["val_time"]);
}

#[test]
fn a_cell_that_is_no_duration_is_passed_over() {
    for (cell, seconds) in [
        ("100.3s", Some(100.3)),
        ("1m 40s", Some(100.0)),
        ("0 days 00:01:40", Some(100.0)),
        ("0:01:40", Some(100.0)),
        ("1 day, 0:01:40", Some(86_500.0)),
        ("1m40s", Some(100.0)),
        ("1m40", None),
        ("5 fortnights", None),
        ("2024-05-01 12:00:11", None),
        ("2024-05-01T12:00:11", None),
    ] {
        let row = |epoch| format!("{cell};{epoch};0.{epoch}\n");
        let rows: String = (1..=3).map(row).collect();
        let NamedLog { log, remarks, passed_over, .. } = told(&format!("time;epoch;loss\n{rows}"));
        assert_eq!(log.curve(Metric::TrainLoss), [0.1, 0.2, 0.3], "{cell}");
        assert_eq!(log.seconds(), vec![seconds; 3].into_iter().flatten().collect::<Vec<_>>());
        let is_named = remarks.iter().any(|remark| remark.contains("cells that are no durations"));
        assert_eq!((is_named, passed_over.len()), (seconds.is_none(), usize::from(is_named)));
    }
}

/// As `logging.basicConfig` and the usual formats write it.
#[test]
fn what_pythons_logging_puts_before_a_line_is_taken_off() {
    for prefix in [
        "INFO:root:",
        "INFO:__main__:",
        "CRITICAL:my.train:",
        "2024-05-01 12:00:00,123 - root - INFO - ",
        "2024-05-01 12:00:00,123 - my.train - WARNING - ",
        "2024-05-01 12:00:00,123 - train - INFO - ",
        "INFO - root - ",
        "INFO - ",
        "root: INFO: ",
        "root INFO: ",
        "root:INFO:",
        "INFO:train:",
        "INFO:",
    ] {
        let epoch = |number| {
            format!(
                "{prefix}Epoch {number}/3\n{prefix}train loss: 0.{number} acc: 0.5\n\
                 {prefix}val loss: 0.7 acc: 0.8\n"
            )
        };
        let NamedLog { log, .. } = told(&(1..=3).map(epoch).collect::<String>());
        assert_eq!(log.curve(Metric::TrainLoss), [0.1, 0.2, 0.3], "{prefix}");
        assert_eq!(log.curve(Metric::ValidationAccuracy), [0.8; 3], "{prefix}");
    }
    // A logger may be named after a split; a word behind the level may belong to what is said.
    let loggers = "INFO:src.train:Epoch 1\nINFO:src.train:loss: 0.6\nINFO:src.val:loss: 0.7\n\
                   INFO:src.train:Epoch 2\nINFO:src.train:loss: 0.5\nINFO:src.val:loss: 0.6\n";
    assert_eq!(told(loggers).log.curve(Metric::ValidationLoss), [0.7, 0.6]);
    let words = "INFO:Epoch: 1\nINFO:loss: 0.6\nINFO:best: val loss 0.5\n\
                 INFO:Epoch: 2\nINFO:loss: 0.5\nINFO:best: val loss 0.5\n";
    let NamedLog { log, .. } = told(words);
    assert_eq!(log.metrics().collect::<Vec<_>>(), [Metric::TrainLoss]);
}

#[test]
fn percentages_in_json_are_known_by_their_sign() {
    for text in [
        r#"[{"epoch": 1, "acc": "0.85%"}, {"epoch": 2, "acc": "1.25 %"}]"#,
        r#"{"acc": ["0.85%", "1.25%"]}"#,
        r#"{"acc": ["0,85 %", "1,25 %"]}"#,
        r#"{"acc": {"1": "0.85%", "2": "1.25%"}}"#,
        r#"{"columns": ["epoch", "acc"], "data": [[1, "0.85%"], [2, "1.25%"]]}"#,
    ] {
        assert_eq!(told(text).log.curve(Metric::TrainAccuracy), [0.0085, 0.0125], "{text}");
    }
    for text in [
        r#"[{"epoch": 1, "loss": 0.6, "acc": "high"}, {"epoch": 2, "loss": 0.5, "acc": "0.5"}]"#,
        r#"{"loss": [0.6, 0.5], "acc": ["high", "0.5"]}"#,
    ] {
        let NamedLog { log, remarks, .. } = told(text);
        assert_eq!(log.curve(Metric::TrainLoss), [0.6, 0.5]);
        assert!(remarks.contains(&"`acc` is no number at the epochs 1".to_owned()), "{remarks:?}");
    }
}

#[test]
fn lists_may_be_named_in_the_plural() {
    let lists = r#"{"train_losses": [0.6, 0.5], "val_accs": [0.7, 0.8], "accuracies": [0.5, 0.6]}"#;
    let NamedLog { log, passed_over, .. } = told(lists);
    assert_eq!(log.metrics().count(), 3);
    assert!(passed_over.is_empty(), "{passed_over:?}");
}

#[test]
fn text_is_read_whatever_ends_its_lines_and_however_wide_it_is() {
    let table = "epoch,loss\n1,0.6\n2,0.5\n3,0.4\n";
    let losses = |bytes: &[u8]| {
        let desk = TempDir::new().expect("a folder");
        let path = desk.path().join("log");
        fs::write(&path, bytes).expect("written");
        only(&path).curve(Metric::TrainLoss).to_vec()
    };
    let wide = |order: fn(u16) -> [u8; 2]| table.encode_utf16().flat_map(order).collect::<Vec<_>>();
    assert_eq!(losses(table.replace('\n', "\r").as_bytes()), [0.6, 0.5, 0.4]);
    assert_eq!(losses(&wide(u16::to_le_bytes)), [0.6, 0.5, 0.4]);
    assert_eq!(losses(&wide(u16::to_be_bytes)), [0.6, 0.5, 0.4]);
}

#[test]
fn an_object_that_was_cut_off_is_passed_over() {
    let lines = "{\"epoch\": 1, \"loss\": 0.6}\n{\"epoch\": 2, \"loss\": 0.5}\n{\"epoch\": 3, \"lo";
    let NamedLog { log, remarks, .. } = told(lines);
    assert_eq!(log.curve(Metric::TrainLoss), [0.6, 0.5]);
    assert_eq!(remarks, ["the log ends within a line: passed over"]);
}

#[test]
fn a_panel_of_weights_and_biases_is_named() {
    for column in ["Step", "epoch", "trainer/global_step"] {
        let text = format!(
            "\"{column}\",\"frozen - val_acc\",\"frozen - val_acc__MIN\",\"frozen - val_acc__MAX\"\n1,0.5,0.5,0.5\n"
        );
        let message = read_text(&text).expect_err("a panel");
        assert!(message.contains("is a panel as Weights & Biases hands it out"), "{message}");
    }
}

/// TensorBoard's event file of values by tag and step, each step a second after the one before.
fn event_file(tags: &[(&str, Vec<(u8, f32)>)]) -> Vec<u8> {
    let checksum = |bytes: &[u8]| {
        crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let framed = |data: &[u8]| {
        let length = (data.len() as u64).to_le_bytes();
        [&length[..], &checksum(&length), data, &checksum(data)].concat()
    };
    // Fields of `event.proto` and `summary.proto`, shorter than 128 bytes.
    let field = |number: u8, data: &[u8]| [&[number << 3 | 2, data.len() as u8], data].concat();
    let event = |tag: &str, step: u8, value: f32| {
        let value = [&field(1, tag.as_bytes())[..], &[2 << 3 | 5], &value.to_le_bytes()].concat();
        let time = f64::from(step).to_le_bytes();
        [&[1 << 3 | 1], &time[..], &[2 << 3, step], &field(5, &field(1, &value))].concat()
    };
    let events = tags.iter().flat_map(|(tag, values)| {
        values.iter().map(|(step, value)| framed(&event(tag, *step, *value)))
    });
    events.collect::<Vec<_>>().concat()
}

/// As Hugging Face's trainer writes it, with an evaluation every seven steps.
#[test]
fn an_epoch_that_a_tag_names_is_not_told_from_steps() {
    let desk = TempDir::new().expect("a folder");
    let path = desk.path().join("events.out.tfevents.1");
    let read = |tags: &[(&str, Vec<(u8, f32)>)]| {
        fs::write(&path, event_file(tags)).expect("written");
        read_logs(&path).unwrap_or_else(|error| panic!("{error}")).trainings.remove(0)
    };
    let steps = |every: u8| (1..=40).filter(move |step| step % every == 0);
    let curve = |every: u8| steps(every).map(|step| (step, 1.0 / f32::from(step))).collect();
    let epochs = (1..=40).map(|step| (step, f32::from(step) / 10.0)).collect();
    let named = read(&[("train/epoch", epochs), ("train/loss", curve(1)), ("eval/loss", curve(7))]);
    assert_eq!(named.log.epochs_of(Metric::TrainLoss), [1, 2, 3, 4]);
    assert!(named.log.epochs_of(Metric::ValidationLoss).is_empty());
    assert_eq!(named.log.seconds(), [10.0; 3]);
    let between = "5 values of `eval/loss` lie between epochs: passed over";
    assert!(named.remarks.iter().any(|remark| remark == between), "{:?}", named.remarks);
    let divided = read(&[("train/loss", curve(1)), ("eval/loss", curve(7))]);
    assert_eq!(divided.log.epochs_of(Metric::ValidationLoss), [1, 2, 3, 4, 5]);
    let said = "no tag names the epoch: 7 steps are taken for one";
    assert!(divided.remarks.iter().any(|remark| remark == said), "{:?}", divided.remarks);
    // What lies between epochs that are not told lasted longer than one.
    let seldom = [("epoch", vec![(1, 1.0), (2, 2.0), (9, 9.0)]), ("loss", curve(1))];
    assert_eq!(read(&seldom).log.seconds(), [1.0]);
}

#[test]
fn a_folder_whose_tags_are_of_other_splits_is_a_run() {
    let names = |folders: &[(&str, &[&str])]| {
        let desk = TempDir::new().expect("a folder");
        for (folder, tags) in folders {
            let curve = || vec![(1, 0.6), (2, 0.5), (3, 0.4)];
            let tags: Vec<_> = tags.iter().map(|tag| (*tag, curve())).collect();
            let folder = desk.path().join(folder);
            fs::create_dir(&folder).expect("made");
            fs::write(folder.join("events.out.tfevents.1"), event_file(&tags)).expect("written");
        }
        let logs = read_logs(desk.path()).unwrap_or_else(|error| panic!("{error}")).trainings;
        let named = logs.into_iter().map(|log| (log.name, log.log.metrics().count()));
        named.collect::<Vec<_>>()
    };
    let named = |name: &str| (name.to_owned(), 2);
    let both: &[&str] = &["Loss/train", "Loss/val"];
    assert_eq!(names(&[("train", both)]), [named("train")]);
    assert_eq!(names(&[("test", both), ("train", both)]), [named("test"), named("train")]);
    assert_eq!(names(&[("a_test", both), ("a_train", both)]), [named("a_test"), named("a_train")]);
    assert_eq!(names(&[("train", &["train/loss"]), ("val", &["loss"])]), [named("")]);
}

/// Labels of a message stand where the name of a logger may stand, and lists by batch beside those by epoch.
#[test]
fn what_only_looks_like_a_logger_a_counter_or_a_metric_is_none() {
    let desk = TempDir::new().expect("a folder");
    let read = |name: &str, text: &str| {
        let path = desk.path().join(name);
        fs::write(&path, text).expect("a log");
        let logs = read_logs(&path).unwrap_or_else(|error| panic!("{error}"));
        logs.trainings[0].log.curve(Metric::TrainLoss).to_vec()
    };
    let stamp = "2024-05-01 12:00:00,123 - INFO - ";
    let lines = |epoch: &dyn Fn(usize) -> String| (1..4).map(epoch).collect::<String>();
    let steps = lines(&|epoch| {
        format!(
            "{stamp}Epoch {epoch}/3\n{stamp}Step: 500 - loss: 0.9\n{stamp}loss: 0.{epoch} - val_loss: 0.7\n"
        )
    });
    assert_eq!(read("steps.log", &steps), [0.1, 0.2, 0.3]);
    let short = lines(&|epoch| format!("{stamp}Ep: {epoch}/3 - loss: 0.{epoch} - val_loss: 0.7\n"));
    assert_eq!(read("short.log", &short), [0.1, 0.2, 0.3]);
    let python =
        lines(&|epoch| format!("INFO:root:Epoch {epoch}/3 - loss: 0.{epoch} - acc: 0.7\n"));
    assert_eq!(read("python.log", &python), [0.1, 0.2, 0.3]);
    let batches = vec!["0.5"; 100].join(",");
    let history =
        format!(r#"{{"losses": [{batches}], "train_loss": [0.2, 0.1], "val_acc": [0.5, 0.6]}}"#);
    assert_eq!(read("history.json", &history), [0.2, 0.1]);
    let table = "step,loss,losses,batch\n0,0.2,9,32\n1,0.1,8,32\n";
    assert_eq!(read("table.csv", table), [0.2, 0.1]);
    let owned = "train/epoch,epoch,loss,val_loss\n1,1,0.2,\n,1,,0.3\n2,2,0.1,\n,2,,0.3\n";
    assert_eq!(read("owned.csv", owned), [0.2, 0.1]);
    assert_eq!(read("exponents.json", r#"{"loss": ["1,2e-01", "+9,8e-02"]}"#), [0.12, 0.098]);
}

/// Keras prints the epoch's own time; a time for validation beside it says nothing of the whole.
#[test]
fn an_unnamed_duration_stays_beside_that_of_validation() {
    let desk = TempDir::new().expect("a folder");
    let path = desk.path().join("keras.log");
    let line = |epoch: usize| {
        format!("Epoch {epoch}/3\n9/9 - 20s - loss: 0.{epoch} - val_loss: 0.7 - val_time: 3.0\n")
    };
    fs::write(&path, (1..4).map(line).collect::<String>()).expect("a log");
    assert_eq!(only(&path).seconds(), [20.0, 20.0, 20.0]);
    let line = |epoch: usize| format!("Epoch {epoch}/3: loss: 0.{epoch}, time: 12.5s/epoch\n");
    fs::write(&path, (1..4).map(line).collect::<String>()).expect("a log");
    assert_eq!(only(&path).seconds(), [12.5, 12.5, 12.5]);
}

#[test]
fn rows_before_the_first_whole_epoch_are_named() {
    let desk = TempDir::new().expect("a folder");
    let path = desk.path().join("log.csv");
    fs::write(&path, "epoch,loss\n0.9976,0.5532\n1.9976,0.5230\n3,0.8606\n").expect("a log");
    let logs = read_logs(&path).unwrap_or_else(|error| panic!("{error}")).trainings;
    let remarks = logs[0].remarks.join("; ");
    assert!(remarks.contains("rows at no whole epoch have `loss`"), "{remarks}");
}

/// As programs print that write the heading of each split before its row.
#[test]
fn any_number_of_tables_may_stand_under_each_other() {
    let desk = TempDir::new().expect("a folder");
    let path = desk.path().join("log.csv");
    let pair = |epoch| format!("epoch,loss\n{epoch},0.5\nepoch,acc\n{epoch},0.5\n");
    fs::write(&path, (1..=20_000).map(pair).collect::<String>()).expect("a log");
    let logs = read_logs(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(logs.trainings.len(), 40_000);
}

#[test]
fn brackets_within_brackets_without_end_are_refused_in_whatever_dress() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("history.json");
    // Brackets in texts and comments are none that end; the quotes make it no strict JSON.
    for (open, close) in [
        ("[", "]"),
        ("['a', \"]\", ", "]"),
        ("[/*]*/", "]"),
        ("[//]\n", "]"),
        ("{'}': ", "}"),
        ("['\\'', ", "]"),
        ("(", ")"),
    ] {
        for closes in [0, 30_000] {
            fs::write(&path, [&open.repeat(30_000), "'x'", &close.repeat(closes)].concat())
                .expect("written");
            let message = read_logs(&path).expect_err("nothing is told").to_string();
            assert!(message.contains("history.json"), "{message}");
        }
    }
    // As deep as anyone writes, it is read.
    fs::write(&path, "{'history': {'loss': [0.5, (0.25)], 'note': ['}', \"]\"]}}")
        .expect("written");
    assert_eq!(only(&path).curve(Metric::TrainLoss), [0.5, 0.25]);
}
