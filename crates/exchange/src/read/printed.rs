//! What Keras prints while it trains: `Epoch 3/30`, then a line with the metrics, redrawn by
//! backspaces or carriage returns as batches pass.

use crate::NamedLog;
use crate::log::assemble;
use crate::name::{Quantity, quantity};

/// One epoch: its metrics by name, and its duration.
#[derive(Default)]
struct Epoch {
    metrics: Vec<(String, f64)>,
    seconds: Option<f64>,
}

pub(super) fn read(text: &str) -> Result<Vec<NamedLog>, String> {
    let plain = anstream::adapter::strip_str(text).to_string();
    let mut trainings: Vec<Vec<Epoch>> = Vec::new();
    let mut headed = false;
    for piece in plain.split(['\n', '\r', '\u{8}']).map(str::trim).filter(|piece| !piece.is_empty())
    {
        if let Some(number) = heading(piece) {
            headed = true;
            if number == 1 || trainings.is_empty() {
                trainings.push(Vec::new());
            }
            trainings.last_mut().into_iter().for_each(|epochs| epochs.push(Epoch::default()));
        } else if let Some(epoch) = progress(piece) {
            if trainings.is_empty() {
                trainings.push(Vec::new());
            }
            let Some(epochs) = trainings.last_mut() else { continue };
            match epochs.last_mut().filter(|_| headed) {
                // The line is drawn again with every batch; the last one counts.
                Some(last) => *last = epoch,
                None => epochs.push(epoch),
            }
        }
    }
    let several = trainings.len() > 1;
    let named = |(number, epochs): (usize, Vec<Epoch>)| {
        training(&if several { number.to_string() } else { String::new() }, &epochs)
    };
    let logs: Vec<NamedLog> = (1..).zip(trainings).map(named).collect::<Result<_, _>>()?;
    if logs.is_empty() {
        return Err("is no training log: expected Keras' history as JSON, CSV with a heading such as `epoch,loss,val_acc`, TensorBoard's events, or \
                    what Keras prints"
            .to_owned());
    }
    Ok(logs)
}

/// The number in `Epoch 3/30`.
fn heading(piece: &str) -> Option<usize> {
    let (number, of) = piece.strip_prefix("Epoch ")?.split_once('/')?;
    of.parse::<usize>().ok()?;
    number.parse().ok()
}

/// The metrics in `63/63 [====] - 20s 317ms/step - loss: 0.6 - val_acc: 0.8`, in the forms of Keras
/// 2.0 to 3.
fn progress(piece: &str) -> Option<Epoch> {
    let mut epoch = Epoch::default();
    for item in piece.split(" - ") {
        match item.split_once(": ") {
            Some((name, value))
                if quantity(name).is_some_and(|quantity| quantity != Quantity::Seconds) =>
            {
                epoch.metrics.push((name.to_owned(), value.trim().parse().ok()?));
            }
            _ => {
                epoch.seconds = epoch.seconds.or_else(|| item.split_whitespace().find_map(duration))
            }
        }
    }
    (!epoch.metrics.is_empty()).then_some(epoch)
}

/// `20s`; not `317ms/step`.
fn duration(word: &str) -> Option<f64> {
    word.strip_suffix('s')?.parse().ok()
}

fn training(name: &str, epochs: &[Epoch]) -> Result<NamedLog, String> {
    let names: Vec<&String> = epochs
        .iter()
        .flat_map(|epoch| epoch.metrics.iter().map(|(name, _)| name))
        .fold(Vec::new(), |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        });
    // An interrupted training has training metrics of its last epoch and none of its validation.
    let value = |epoch: &Epoch, wanted: &str| {
        epoch.metrics.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value)
    };
    let mut columns: Vec<(String, Vec<f64>)> = names
        .into_iter()
        .map(|name| (name.clone(), epochs.iter().filter_map(|epoch| value(epoch, name)).collect()))
        .collect();
    columns.push(("seconds".to_owned(), epochs.iter().filter_map(|epoch| epoch.seconds).collect()));
    assemble(name, columns)
}
