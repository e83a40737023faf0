//! What people call their metrics.

use thaw_spec::{Metric, Split};

/// Quantity in a column, a key or a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// A metric by epoch.
    Metric(Metric),
    /// Durations of epochs in seconds.
    Seconds,
}

const VALIDATION: [&str; 5] = ["val", "valid", "validation", "eval", "dev"];
const TEST: [&str; 1] = ["test"];
const ACCURACY: [&str; 2] = ["acc", "accuracy"];
const LOSS: [&str; 1] = ["loss"];
const SECONDS: [&str; 3] = ["seconds", "time", "duration"];

/// Words that a metric's name may have besides the split's and the quantity's.
const FILLERS: [&str; 12] = [
    "epoch",
    "train",
    "training",
    "binary",
    "categorical",
    "sparse",
    "crossentropy",
    "mean",
    "average",
    "avg",
    "metric",
    "metrics",
];

/// Understands names such as `val_acc`, `epoch_loss`, `Accuracy/validation` or `binary_accuracy`;
/// nothing for names with other words, such as `loss_clip` or `batch_loss`, which may mean
/// anything.
pub(crate) fn quantity(name: &str) -> Option<Quantity> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let known = [&FILLERS[..], &VALIDATION, &TEST, &ACCURACY, &LOSS, &SECONDS].concat();
    if words.iter().any(|word| !known.contains(word)) {
        return None;
    }
    let split = if has(&VALIDATION) {
        Split::Validation
    } else if has(&TEST) {
        Split::Test
    } else {
        Split::Train
    };
    if has(&ACCURACY) != has(&LOSS) {
        let metric = Metric::of(split, has(&ACCURACY));
        return Some(Quantity::Metric(metric));
    }
    has(&SECONDS).then_some(Quantity::Seconds)
}

/// Name of a metric in Keras' `history`, which exports use.
pub(crate) fn keras_name(metric: Metric) -> &'static str {
    match metric {
        Metric::TrainAccuracy => "acc",
        Metric::TrainLoss => "loss",
        Metric::ValidationAccuracy => "val_acc",
        Metric::ValidationLoss => "val_loss",
        Metric::TestAccuracy => "test_acc",
        Metric::TestLoss => "test_loss",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_as_people_write_them() {
        let metric = |name: &str| match quantity(name) {
            Some(Quantity::Metric(metric)) => Some(metric),
            _ => None,
        };
        for name in [
            "acc",
            "accuracy",
            "binary_accuracy",
            "train_acc",
            "Accuracy/train",
            "epoch_accuracy",
            "train/epoch_acc",
        ] {
            assert_eq!(metric(name), Some(Metric::TrainAccuracy), "{name}");
        }
        for name in
            ["val_loss", "valid_loss", "Loss/validation", "validation/epoch_loss", "eval-loss"]
        {
            assert_eq!(metric(name), Some(Metric::ValidationLoss), "{name}");
        }
        assert_eq!(metric("test_acc"), Some(Metric::TestAccuracy));
        for name in [
            "epoch",
            "lr",
            "epoch_learning_rate",
            "evaluation_loss_vs_iterations",
            "batch_loss",
            "loss_clip",
            "run",
            "",
        ] {
            assert_eq!(quantity(name), None, "{name}");
        }
        assert_eq!(quantity("seconds"), Some(Quantity::Seconds));
        for each in Metric::ALL {
            assert_eq!((metric(keras_name(each)), metric(each.key())), (Some(each), Some(each)));
        }
    }
}
