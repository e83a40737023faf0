//! What a person expects of results, as `*.expected.toml` says it, and what a check answers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{RunStatus, Selector, SpecError, Split};

/// A number recorded for each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The split it is measured on.
    pub fn split(self) -> Split {
        match self {
            Self::TrainAccuracy | Self::TrainLoss => Split::Train,
            Self::ValidationAccuracy | Self::ValidationLoss => Split::Validation,
            Self::TestAccuracy | Self::TestLoss => Split::Test,
        }
    }

    /// Whether more is better.
    pub fn is_accuracy(self) -> bool {
        matches!(self, Self::TrainAccuracy | Self::ValidationAccuracy | Self::TestAccuracy)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.split(), if self.is_accuracy() { "accuracy" } else { "loss" })
    }
}

/// How a curve becomes one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The last epoch's value.
    Final,
    /// The best epoch's value: the highest accuracy, the lowest loss. Optimistic, since the split chose the epoch.
    Best,
    /// The mean over this many last epochs.
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

impl<'de> Deserialize<'de> for Statistic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "final" => Ok(Self::Final),
            "best" => Ok(Self::Best),
            other => match other.strip_prefix("last_").and_then(|epochs| epochs.parse().ok()) {
                Some(epochs) if epochs >= 1 => Ok(Self::Last(epochs)),
                _ => Err(de::Error::custom(format!("unknown statistic `{other}`, expected `final`, `best` or `last_1`, `last_2`, …"))),
            },
        }
    }
}

/// The mean over seeds lies between two numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Which procedures; each is checked by itself.
    #[serde(rename = "where", default)]
    pub selector: Selector,
    /// Of what.
    pub metric: Metric,
    /// How a curve becomes a number.
    pub statistic: Statistic,
    /// Smallest mean that passes.
    pub lower: f64,
    /// Largest mean that passes.
    pub upper: f64,
}

/// What kind of relation is expected between two procedures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RelationKind {
    /// The curves of equal seeds differ nowhere by more than `tolerance`.
    EqualCurve {
        /// Largest absolute difference that passes; 0 for bit-equal curves.
        #[serde(default)]
        tolerance: f64,
    },
    /// `left` exceeds `right` by at least `margin`.
    GreaterByAtLeast {
        /// How a curve becomes a number.
        statistic: Statistic,
        /// In units of the metric.
        margin: f64,
    },
}

/// A relation between two procedures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// One procedure.
    pub left: Selector,
    /// The other.
    pub right: Selector,
    /// Of what.
    pub metric: Metric,
    /// What is expected.
    #[serde(flatten)]
    pub kind: RelationKind,
}

/// The audit ends so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedStatus {
    /// Which procedures; each is checked by itself.
    #[serde(rename = "where", default)]
    pub selector: Selector,
    /// The status every seed must have.
    pub status: RunStatus,
}

/// The content of a `*.expected.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Bands on means over seeds.
    #[serde(default, rename = "band")]
    pub bands: Vec<Band>,
    /// Relations between procedures.
    #[serde(default, rename = "relation")]
    pub relations: Vec<Relation>,
    /// What the audit must say.
    #[serde(default, rename = "audit")]
    pub audits: Vec<ExpectedStatus>,
}

impl Expectations {
    /// Reads expectations. `file` is only used in messages.
    ///
    /// # Errors
    /// Names the file, the line, the key and what is allowed there.
    pub fn parse(file: &str, text: &str) -> Result<Self, SpecError> {
        toml::from_str(text).map_err(|error| SpecError::from_toml(file, text, &error))
    }

    /// Refuses selectors that name factors or levels nobody has.
    ///
    /// # Errors
    /// Names what is unknown and what is allowed.
    pub fn check_selectors(&self, known: &[(String, Vec<String>)]) -> Result<(), String> {
        let bands = self.bands.iter().map(|band| &band.selector);
        let relations = self.relations.iter().flat_map(|relation| [&relation.left, &relation.right]);
        let audits = self.audits.iter().map(|audit| &audit.selector);
        bands.chain(relations).chain(audits).try_for_each(|selector| selector.check(known))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bands.len() + self.relations.len() + self.audits.len()
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// As expected.
    Pass,
    /// There are not enough runs to tell.
    Inconclusive,
    /// There are no such runs.
    Missing,
    /// Not as expected.
    Fail,
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Missing => "missing",
            Self::Fail => "fail",
        })
    }
}

/// The answer to one expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was found.
    pub kind: VerdictKind,
    /// Which expectation about which cells.
    pub subject: String,
    /// The numbers that decided.
    pub reason: String,
}
