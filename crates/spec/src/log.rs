//! A training as its log tells it, whoever trained.

use std::collections::BTreeMap;

use crate::Metric;

/// Metrics of a training by epoch, as far as its log has them; at least one metric and one epoch,
/// all values finite.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingLog {
    curves: BTreeMap<Metric, Vec<f64>>,
    seconds: Vec<f64>,
}

/// Curves that cannot be a training's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainingLogError {
    /// There is no curve with an epoch.
    #[error("there is no accuracy and no loss in it")]
    Empty,
    /// The curves differ by more than one epoch in length.
    #[error(
        "its metrics have different numbers of epochs ({}); one value per epoch is needed",
        in_words(lengths)
    )]
    DifferentLengths {
        /// Number of epochs of each metric.
        lengths: Vec<(Metric, usize)>,
    },
    /// A value is not finite.
    #[error("{metric} of epoch {epoch} is {value}, not a number")]
    NotANumber {
        /// The metric.
        metric: Metric,
        /// Number of the epoch, counted from 1.
        epoch: usize,
        /// The value.
        value: f64,
    },
    /// A value is none that the metric can have.
    #[error("{metric} of epoch {epoch} is {value}, which cannot be")]
    OutOfRange {
        /// The metric.
        metric: Metric,
        /// Number of the epoch, counted from 1.
        epoch: usize,
        /// The value.
        value: f64,
    },
}

fn in_words(lengths: &[(Metric, usize)]) -> String {
    let words = lengths.iter().map(|(metric, length)| format!("{metric} {length}"));
    words.collect::<Vec<_>>().join(", ")
}

impl TrainingLog {
    /// A log of the given curves and, where they are known, the durations of the epochs in seconds.
    ///
    /// Accuracies above 1 are taken for percentages. A last epoch that only some of the metrics
    /// have is left out: there the log broke off.
    ///
    /// # Errors
    /// Says which curve cannot be used and why.
    pub fn new(
        mut curves: BTreeMap<Metric, Vec<f64>>,
        seconds: Vec<f64>,
    ) -> Result<Self, TrainingLogError> {
        curves.retain(|_, curve| !curve.is_empty());
        let (Some(shortest), Some(longest)) =
            (curves.values().map(Vec::len).min(), curves.values().map(Vec::len).max())
        else {
            return Err(TrainingLogError::Empty);
        };
        if longest > shortest + 1 {
            let lengths = curves.iter().map(|(metric, curve)| (*metric, curve.len()));
            return Err(TrainingLogError::DifferentLengths { lengths: lengths.collect() });
        }
        for (metric, curve) in &mut curves {
            curve.truncate(shortest);
            if let Some(place) = curve.iter().position(|value| !value.is_finite()) {
                return Err(TrainingLogError::NotANumber {
                    metric: *metric,
                    epoch: place + 1,
                    value: curve[place],
                });
            }
            if metric.is_accuracy() && curve.iter().any(|value| *value > 1.0) {
                curve.iter_mut().for_each(|value| *value /= 100.0);
            }
            let allowed = if metric.is_accuracy() { 0.0..=1.0 } else { 0.0..=f64::MAX };
            if let Some(place) = curve.iter().position(|value| !allowed.contains(value)) {
                return Err(TrainingLogError::OutOfRange {
                    metric: *metric,
                    epoch: place + 1,
                    value: curve[place],
                });
            }
        }
        Ok(Self { curves, seconds })
    }

    /// A metric by epoch; empty when the log does not have it.
    pub fn curve(&self, metric: Metric) -> &[f64] {
        self.curves.get(&metric).map_or(&[], Vec::as_slice)
    }

    /// Metrics that the log has.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.curves.keys().copied()
    }

    /// Number of epochs.
    pub fn epochs(&self) -> usize {
        self.curves.values().next().map_or(0, Vec::len)
    }

    /// Durations of epochs in seconds, as many as are known.
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_made_of_curves_that_can_be() {
        let log = |accuracy: &[f64], loss: &[f64]| {
            TrainingLog::new(
                [
                    (Metric::ValidationAccuracy, accuracy.to_vec()),
                    (Metric::TrainLoss, loss.to_vec()),
                ]
                .into(),
                Vec::new(),
            )
        };
        let percentages =
            log(&[50.0, 75.0], &[0.7, 0.6, 0.5]).expect("a log that broke off in its third epoch");
        assert_eq!(
            (percentages.curve(Metric::ValidationAccuracy), percentages.epochs()),
            (&[0.5, 0.75][..], 2)
        );
        assert_eq!(percentages.curve(Metric::TrainAccuracy), &[] as &[f64]);
        let refused = |accuracy: &[f64], loss: &[f64]| {
            log(accuracy, loss).expect_err("it cannot be").to_string()
        };
        assert!(refused(&[], &[]).contains("no accuracy and no loss"));
        assert!(
            refused(&[0.5], &[0.7, 0.6, 0.5])
                .contains("different numbers of epochs (train loss 3, validation accuracy 1)")
        );
        assert!(refused(&[0.5, 0.5], &[0.7, f64::NAN]).contains("train loss of epoch 2 is NaN"));
        assert!(refused(&[0.5, -0.5], &[0.7, 0.6]).contains("validation accuracy of epoch 2"));
        assert!(refused(&[0.5, 0.5], &[0.7, -0.6]).contains("train loss of epoch 2 is -0.6"));
    }
}
