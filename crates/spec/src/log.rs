//! A training as its log tells it, whoever trained.

use std::collections::BTreeMap;

use crate::Metric;

/// Metrics of a training by epoch, as far as its log has them; at least one metric and one epoch,
/// all values finite.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingLog {
    curves: BTreeMap<Metric, Curve>,
    seconds: Vec<f64>,
}

/// A metric at the epochs that have it, in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Curve {
    epochs: Vec<usize>,
    values: Vec<f64>,
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
    /// Accuracies as in [`TrainingLog::by_epoch`]. A last epoch that only some of the metrics
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
        let numbered = |curve: Vec<f64>| (1..).zip(curve).take(shortest).collect();
        Self::by_epoch(
            curves.into_iter().map(|(metric, curve)| (metric, numbered(curve))).collect(),
            seconds,
        )
    }

    /// A log of metrics that need not have a value at every epoch, by the epoch's number, counted
    /// from 1; durations as in [`TrainingLog::new`].
    ///
    /// Accuracies are taken for percentages if one is above 1.5. What exceeds 1 by no more than
    /// 0.0001, as sums of rounded numbers do, is 1.
    ///
    /// # Errors
    /// Says which curve cannot be used and why.
    pub fn by_epoch(
        curves: BTreeMap<Metric, BTreeMap<usize, f64>>,
        seconds: Vec<f64>,
    ) -> Result<Self, TrainingLogError> {
        let mut checked = BTreeMap::new();
        for (metric, curve) in curves.into_iter().filter(|(_, curve)| !curve.is_empty()) {
            if let Some((&epoch, &value)) = curve.iter().find(|(_, value)| !value.is_finite()) {
                return Err(TrainingLogError::NotANumber { metric, epoch, value });
            }
            let is_percentage = metric.is_accuracy() && curve.values().any(|value| *value > 1.5);
            let scale = if is_percentage { 100.0 } else { 1.0 };
            let allowed = if metric.is_accuracy() { 0.0..=1.0 } else { 0.0..=f64::MAX };
            let rounded = |value: f64| match value / scale {
                value if metric.is_accuracy() && (1.0..=1.0001).contains(&value) => 1.0,
                value => value,
            };
            let (epochs, values): (Vec<usize>, Vec<f64>) =
                curve.into_iter().map(|(epoch, value)| (epoch, rounded(value))).unzip();
            if let Some(place) = values.iter().position(|value| !allowed.contains(value)) {
                let (epoch, value) = (epochs[place], values[place]);
                return Err(TrainingLogError::OutOfRange { metric, epoch, value });
            }
            checked.insert(metric, Curve { epochs, values });
        }
        if checked.is_empty() {
            return Err(TrainingLogError::Empty);
        }
        Ok(Self { curves: checked, seconds })
    }

    /// A metric at its [`epochs`](Self::epochs_of); empty when the log does not have it.
    pub fn curve(&self, metric: Metric) -> &[f64] {
        self.curves.get(&metric).map_or(&[], |curve| &curve.values)
    }

    /// Numbers of the epochs that have a value of a metric, counted from 1, in ascending order.
    pub fn epochs_of(&self, metric: Metric) -> &[usize] {
        self.curves.get(&metric).map_or(&[], |curve| &curve.epochs)
    }

    /// The value of a metric at an epoch, counted from 1.
    pub fn at(&self, metric: Metric, epoch: usize) -> Option<f64> {
        let curve = self.curves.get(&metric)?;
        let place = curve.epochs.binary_search(&epoch).ok()?;
        curve.values.get(place).copied()
    }

    /// Metrics that the log has.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.curves.keys().copied()
    }

    /// Number of the last epoch that has a value.
    pub fn epochs(&self) -> usize {
        self.curves.values().filter_map(|curve| curve.epochs.last()).max().copied().unwrap_or(0)
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
        // Sums of rounded numbers; a number that is neither a fraction nor a percentage.
        let sums = log(&[0.57, 1.000_000_1], &[0.7, 0.6]).expect("a log");
        assert_eq!(sums.curve(Metric::ValidationAccuracy), [0.57, 1.0]);
        assert!(refused(&[0.5, 1.2], &[0.7, 0.6]).contains("epoch 2 is 1.2, which cannot be"));
        assert!(refused(&[0.5, 1.5], &[0.7, 0.6]).contains("epoch 2 is 1.5, which cannot be"));
        // Validated every other epoch.
        let curves = [
            (Metric::TrainLoss, [(1, 0.7), (2, 0.6), (3, 0.5), (4, 0.4)].into()),
            (Metric::ValidationAccuracy, [(2, 80.0), (4, 90.0)].into()),
        ];
        let sparse = TrainingLog::by_epoch(curves.into(), vec![8.0, 7.5]).expect("a log");
        assert_eq!(sparse.seconds(), [8.0, 7.5]);
        let validation = Metric::ValidationAccuracy;
        assert_eq!(sparse.epochs_of(validation), [2, 4]);
        assert_eq!((sparse.curve(validation), sparse.epochs()), (&[0.8, 0.9][..], 4));
        assert_eq!(
            [1, 2, 4, 5].map(|epoch| sparse.at(validation, epoch)),
            [None, Some(0.8), Some(0.9), None]
        );
        assert_eq!(sparse.at(Metric::TestLoss, 1), None);
    }
}
