//! What people call their metrics.

use thaw_spec::{Metric, Split};

/// Quantity in a column, a key or a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// A metric by epoch.
    Metric(Metric),
    /// Durations in seconds, of epochs or of a split's part of them.
    Seconds,
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) quantity: Quantity,
    /// The images that the name says it is about. A metric is of training where it does not.
    pub(crate) split: Option<Split>,
    /// Whether it is the share of wrong answers, 1 less the accuracy.
    pub(crate) is_error: bool,
}

const TRAIN: [&str; 4] = ["train", "training", "trn", "tr"];
const VALIDATION: [&str; 8] =
    ["val", "valid", "validation", "validating", "eval", "evaluation", "evaluating", "dev"];
const TEST: [&str; 2] = ["test", "testing"];
const ACCURACY: [&str; 10] = [
    "acc",
    "accs",
    "accuracy",
    "accuracies",
    "acc1",
    "accuracy1",
    "accuracy01",
    "top1",
    "prec1",
    "error",
];
const ERROR: [&str; 1] = ["error"];
const LOSS: [&str; 2] = ["loss", "losses"];
const PLURALS: [&str; 3] = ["accs", "accuracies", "losses"];
const SECONDS: [&str; 3] = ["seconds", "time", "duration"];

/// Words that a metric's name may have besides the split's and the quantity's.
const FILLERS: [&str; 20] = [
    "epoch",
    "binary",
    "categorical",
    "sparse",
    "crossentropy",
    "mean",
    "average",
    "avg",
    "metric",
    "metrics",
    "rate",
    "score",
    "set",
    "on",
    "the",
    "1",
    "top",
    "pct",
    "percent",
    "s",
];

/// Understands names such as `val_acc`, `epoch_loss`, `Accuracy/validation` or `binary_accuracy`;
/// nothing for names with other words, such as `loss_clip` or `batch_loss`, which may mean
/// anything.
pub(crate) fn name(name: &str) -> Option<Name> {
    // `Prec@1` of PyTorch's example for ImageNet; precision is another quantity.
    let lower = lower_words(name).replace("prec@1", "prec1");
    let words: Vec<&str> = lower
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    // `1-acc` is what accuracy is not.
    if lower.starts_with("1-") || lower.starts_with("1 -") {
        return None;
    }
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let known = |word: &str| {
        let lists = [&FILLERS[..], &TRAIN, &VALIDATION, &TEST, &ACCURACY, &LOSS, &SECONDS];
        lists.iter().any(|words| words.contains(&word))
    };
    // `learning_rate` has an unknown word; a bare `error` may be any.
    if words.iter().any(|word| !known(word)) || (has(&ERROR) && !has(&["rate", "top1"])) {
        return None;
    }
    // The first of several losses is not the loss.
    if has(&LOSS) && words.contains(&"1") {
        return None;
    }
    let splits =
        [(&TRAIN[..], Split::Train), (&VALIDATION, Split::Validation), (&TEST, Split::Test)];
    let mut stated = splits.into_iter().filter(|(words, _)| has(words)).map(|(_, split)| split);
    let split = stated.next();
    // `train/val loss` is neither.
    if stated.next().is_some() {
        return None;
    }
    let quantity = if has(&ACCURACY) != has(&LOSS) {
        Quantity::Metric(Metric::of(split.unwrap_or(Split::Train), has(&ACCURACY)))
    } else if has(&SECONDS) {
        Quantity::Seconds
    } else {
        return None;
    };
    Some(Name { quantity, split, is_error: has(&ERROR) })
}

/// A name in lower case, with the words of `valLoss` apart.
fn lower_words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 2);
    let mut was_lower = false;
    for character in name.chars() {
        if was_lower && character.is_uppercase() {
            words.push(' ');
        }
        was_lower = character.is_lowercase();
        words.extend(character.to_lowercase());
    }
    words
}

/// The metric that a name means, if it means one.
pub(crate) fn metric(column: &str) -> Option<Metric> {
    match name(column)?.quantity {
        Quantity::Metric(metric) => Some(metric),
        Quantity::Seconds => None,
    }
}

/// Whether a name is in the plural, as that of a list by batch or by epoch.
pub(crate) fn is_plural(column: &str) -> bool {
    let lower = lower_words(column);
    let mut words = lower.split(|sign: char| !sign.is_alphanumeric());
    words.any(|word| PLURALS.contains(&word))
}

/// Whether a name means a duration.
pub(crate) fn is_duration(column: &str) -> bool {
    name(column).is_some_and(|name| name.quantity == Quantity::Seconds)
}

/// Whether a phrase of a few words, which is none of the names that are understood, is about a
/// metric: `EMA val acc`.
pub(crate) fn mentions_metric(phrase: &str) -> bool {
    let lower = lower_words(phrase);
    let words = || lower.split(|character: char| !character.is_alphanumeric());
    words().any(|word| ACCURACY.contains(&word) || LOSS.contains(&word))
        && !words().any(|word| ["from", "to", "of", "for", "than", "at"].contains(&word))
        && lower.split_whitespace().count() < 5
        && metric(phrase).is_none()
}

/// Whether a name says that its values are percentages: `val_acc (%)`.
pub(crate) fn states_percent(name: &str) -> bool {
    let lower = name.to_lowercase();
    let mut words = lower.split(|character: char| !character.is_alphanumeric());
    lower.contains('%') || words.any(|word| word == "pct" || word == "percent")
}

/// Whether a word alone names a split, as in `train Loss: 0.5`.
pub(crate) fn is_split(word: &str) -> bool {
    let word = word.to_lowercase();
    [&TRAIN[..], &VALIDATION, &TEST].iter().any(|words| words.contains(&word.as_str()))
}

/// The name of a metric with the split that stands elsewhere, if it does not state one itself.
pub(crate) fn of_split(column: &str, split: Option<&str>) -> String {
    match (split, name(column)) {
        (Some(split), Some(Name { split: None, quantity: Quantity::Metric(_), .. })) => {
            format!("{split} {column}")
        }
        _ => column.to_owned(),
    }
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
        for name in [
            "acc",
            "accuracy",
            "binary_accuracy",
            "train_acc",
            "Accuracy/train",
            "epoch_accuracy",
            "train/epoch_acc",
            "trainAcc",
            "train_accs",
            "accuracies",
        ] {
            assert_eq!(metric(name), Some(Metric::TrainAccuracy), "{name}");
        }
        for name in [
            "val_loss",
            "valid_loss",
            "Loss/validation",
            "validation/epoch_loss",
            "eval-loss",
            "val_losses",
        ] {
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
            "accuracy_top5",
            "Acc@5",
            "learning_rate",
            "train/val loss",
            "1-acc",
            "error",
            "run",
            "",
        ] {
            assert_eq!(super::name(name), None, "{name}");
        }
        assert!(is_duration("seconds") && is_duration("val_time"));
        for accuracy in ["eval_top1", "metrics/accuracy_top1", "Acc@1", "valid acc1", "accuracy_1"]
        {
            assert!(metric(accuracy).is_some_and(Metric::is_accuracy), "{accuracy}");
        }
        let error = name("error_rate").expect("fastai's");
        assert!(error.is_error && error.split.is_none());
        for each in Metric::ALL {
            assert_eq!((metric(keras_name(each)), metric(each.key())), (Some(each), Some(each)));
        }
    }
}
