//! The numbers that are recorded for each epoch, and how their curves are reduced.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Split, UnknownName};

/// A number recorded for each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Fraction of training images classified correctly during the epoch.
    TrainAccuracy,
    /// Mean loss of the training images during the epoch, in nats.
    TrainLoss,
    /// Fraction of validation images classified correctly after the epoch.
    ValidationAccuracy,
    /// Mean loss of the validation images after the epoch, in nats.
    ValidationLoss,
    /// Fraction of test images classified correctly after the epoch.
    TestAccuracy,
    /// Mean loss of the test images after the epoch, in nats.
    TestLoss,
}

impl Metric {
    /// All metrics, in the order of the splits.
    pub const ALL: [Self; 6] = [
        Self::TrainAccuracy,
        Self::TrainLoss,
        Self::ValidationAccuracy,
        Self::ValidationLoss,
        Self::TestAccuracy,
        Self::TestLoss,
    ];

    /// The accuracy or the loss of a split.
    pub fn of(split: Split, is_accuracy: bool) -> Self {
        match (split, is_accuracy) {
            (Split::Train, true) => Self::TrainAccuracy,
            (Split::Train, false) => Self::TrainLoss,
            (Split::Validation, true) => Self::ValidationAccuracy,
            (Split::Validation, false) => Self::ValidationLoss,
            (Split::Test, true) => Self::TestAccuracy,
            (Split::Test, false) => Self::TestLoss,
        }
    }

    /// Split that the metric is measured on.
    pub fn split(self) -> Split {
        match self {
            Self::TrainAccuracy | Self::TrainLoss => Split::Train,
            Self::ValidationAccuracy | Self::ValidationLoss => Split::Validation,
            Self::TestAccuracy | Self::TestLoss => Split::Test,
        }
    }

    /// Name in files, such as `validation_accuracy`.
    pub fn key(self) -> &'static str {
        match self {
            Self::TrainAccuracy => "train_accuracy",
            Self::TrainLoss => "train_loss",
            Self::ValidationAccuracy => "validation_accuracy",
            Self::ValidationLoss => "validation_loss",
            Self::TestAccuracy => "test_accuracy",
            Self::TestLoss => "test_loss",
        }
    }

    /// Whether the metric is an accuracy, of which more is better.
    pub fn is_accuracy(self) -> bool {
        matches!(self, Self::TrainAccuracy | Self::ValidationAccuracy | Self::TestAccuracy)
    }
}

impl FromStr for Metric {
    type Err = UnknownName;

    /// The metric with a key.
    fn from_str(key: &str) -> Result<Self, UnknownName> {
        UnknownName::find("metric", key, &Self::ALL, Self::key)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}",
            self.split(),
            if self.is_accuracy() { "accuracy" } else { "loss" }
        )
    }
}

/// Statistic that reduces a curve to one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Value of the last epoch.
    Final,
    /// Value of the best epoch: the highest accuracy, the lowest loss. Optimistic, since the split
    /// chose the epoch.
    Best,
    /// Mean over this many last epochs, at least one.
    Last(usize),
}

impl fmt::Display for Statistic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Final => formatter.write_str("final"),
            Self::Best => formatter.write_str("best"),
            Self::Last(epochs) => write!(formatter, "last_{epochs}"),
        }
    }
}

impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Statistic {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "final" => Ok(Self::Final),
            "best" => Ok(Self::Best),
            other => match other.strip_prefix("last_").and_then(|epochs| epochs.parse().ok()) {
                Some(epochs) if epochs >= 1 => Ok(Self::Last(epochs)),
                _ => Err(UnknownName::new(
                    "statistic",
                    other,
                    "`final`, `best` or `last_1`, `last_2`, …",
                )),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Statistic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
