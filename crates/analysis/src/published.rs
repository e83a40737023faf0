//! Curves from the literature.

use std::path::Path;

use serde::Deserialize;
use thaw_spec::Metric;

use crate::AnalysisError;

/// One published training run, by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishedRun {
    loss: Vec<f64>,
    accuracy: Vec<f64>,
    validation_loss: Vec<f64>,
    validation_accuracy: Vec<f64>,
}

impl PublishedRun {
    /// A metric by epoch; empty for the test split, which nobody published.
    pub fn curve(&self, metric: Metric) -> &[f64] {
        match metric {
            Metric::TrainAccuracy => &self.accuracy,
            Metric::TrainLoss => &self.loss,
            Metric::ValidationAccuracy => &self.validation_accuracy,
            Metric::ValidationLoss => &self.validation_loss,
            Metric::TestAccuracy | Metric::TestLoss => &[],
        }
    }
}

#[derive(Deserialize)]
struct Line {
    run: String,
    epoch: usize,
    loss: f64,
    acc: f64,
    val_loss: f64,
    val_acc: f64,
}

/// Reads one run of a CSV file with the columns `run, epoch, loss, acc, val_loss, val_acc`, epochs counted from 1 in order.
///
/// # Errors
/// When the file cannot be read, a line is malformed, or there is no such run.
pub fn read_published(path: &Path, run: &str) -> Result<PublishedRun, AnalysisError> {
    let malformed = |reason: String| AnalysisError::Malformed { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(AnalysisError::io(path, "cannot read the published curve"))?;
    let mut published = PublishedRun::default();
    for line in csv::Reader::from_reader(file).deserialize::<Line>() {
        let line = line.map_err(|error| malformed(error.to_string()))?;
        if line.run != run {
            continue;
        }
        if line.epoch != published.loss.len() + 1 {
            return Err(malformed(format!("epoch {} of `{run}` is not where epoch {} should be", line.epoch, published.loss.len() + 1)));
        }
        published.loss.push(line.loss);
        published.accuracy.push(line.acc);
        published.validation_loss.push(line.val_loss);
        published.validation_accuracy.push(line.val_acc);
    }
    if published.loss.is_empty() {
        return Err(malformed(format!("there is no run `{run}`")));
    }
    Ok(published)
}
