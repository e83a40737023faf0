//! What a person expects of results, as `*.expected.toml` says it, and what a check answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Location, Metric, RunStatus, Selector, SpecError, Statistic};

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
    /// The value of each seed from which the band was derived, when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_seed: Option<PerSeed>,
}

/// Recorded values: a run with the same seed is the same run, and must give the same number but for
/// rounding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerSeed {
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Their values.
    pub values: Vec<f64>,
    /// Largest absolute difference of one seed's value that passes.
    pub tolerance: f64,
}

/// Where recorded bands come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandProvenance {
    /// Who recorded them.
    pub creator: String,
    /// When, as year-month-day.
    pub date: String,
    /// The commit of thaw that ran the cells; several if they differ.
    pub commit: String,
    /// The machine that ran them.
    pub machine: String,
}

/// What kind of relation is expected between two procedures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RelationKind {
    /// The curves of equal seeds differ nowhere by more than `tolerance`.
    EqualCurve {
        /// Largest absolute difference that passes; 0 for bit-equal curves.
        tolerance: f64,
    },
    /// `left`'s confidence interval lies wholly above `right`'s.
    IntervalAbove {
        /// How a curve becomes a number.
        statistic: Statistic,
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
#[serde(try_from = "TypedRelation")]
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

/// A relation as typed: the keys of every kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRelation {
    kind: TypedKind,
    left: Selector,
    right: Selector,
    metric: Metric,
    statistic: Option<Statistic>,
    margin: Option<f64>,
    tolerance: Option<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TypedKind {
    EqualCurve,
    IntervalAbove,
    GreaterByAtLeast,
}

impl TryFrom<TypedRelation> for Relation {
    type Error = &'static str;

    fn try_from(typed: TypedRelation) -> Result<Self, Self::Error> {
        let TypedRelation { kind, left, right, metric, statistic, margin, tolerance } = typed;
        let kind = match (kind, statistic, margin, tolerance) {
            (TypedKind::EqualCurve, None, None, tolerance) => {
                RelationKind::EqualCurve { tolerance: tolerance.unwrap_or(0.0) }
            }
            (TypedKind::IntervalAbove, Some(statistic), None, None) => {
                RelationKind::IntervalAbove { statistic }
            }
            (TypedKind::GreaterByAtLeast, Some(statistic), Some(margin), None) => {
                RelationKind::GreaterByAtLeast { statistic, margin }
            }
            (TypedKind::EqualCurve, ..) => {
                return Err(
                    "kind = \"equal_curve\" has a `tolerance`, and no `statistic` or `margin`",
                );
            }
            (TypedKind::IntervalAbove, ..) => {
                return Err(
                    "kind = \"interval_above\" has a `statistic`, and no `margin` or `tolerance`",
                );
            }
            (TypedKind::GreaterByAtLeast, ..) => {
                return Err(
                    "kind = \"greater_by_at_least\" has a `statistic` and a `margin`, and no `tolerance`",
                );
            }
        };
        Ok(Self { left, right, metric, kind })
    }
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
    /// Where the bands come from, when they were recorded.
    #[serde(default, rename = "recorded", skip_serializing_if = "Option::is_none")]
    pub provenance: Option<BandProvenance>,
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

    /// The text of an expectation file with its bands replaced by newly recorded ones. Everything
    /// else, comments included, stays; comments that stand above a band go with it.
    ///
    /// # Errors
    /// When the text is not TOML.
    pub fn with_bands(
        file: &str,
        text: &str,
        provenance: &BandProvenance,
        bands: &[Band],
    ) -> Result<String, SpecError> {
        let syntax = |error: toml_edit::TomlError| {
            let location = Location::in_text(file, text, error.span().map_or(0, |span| span.start));
            SpecError::Syntax { location, message: error.message().to_owned() }
        };
        let mut document: toml_edit::DocumentMut = text.parse().map_err(syntax)?;
        document.remove("band");
        document.remove("recorded");
        let mut text = document.to_string().trim_end().to_owned();
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        let BandProvenance { creator, date, commit, machine } = provenance;
        let entries =
            [("creator", creator), ("date", date), ("commit", commit), ("machine", machine)];
        let entries: String =
            entries.map(|(key, value)| format!("{key} = {}\n", quoted(value))).concat();
        text.push_str(&format!(
            "\n\n# Written by `thaw check --update`; docs/experiment-file.md says how bands follow from the values.\n[recorded]\n{entries}"
        ));
        for band in bands {
            let selector = band.selector.to_toml();
            let (metric, statistic, lower, upper) =
                (band.metric.key(), band.statistic, band.lower, band.upper);
            text.push_str(&format!(
                "\n[[band]]\nwhere = {selector}\nmetric = \"{metric}\"\nstatistic = \"{statistic}\"\nlower = {lower:?}\nupper = {upper:?}\n"
            ));
            if let Some(PerSeed { seeds, values, tolerance }) = &band.per_seed {
                text.push_str(&format!("per_seed = {{ seeds = {seeds:?}, values = {values:?}, tolerance = {tolerance:?} }}\n"));
            }
        }
        Ok(text)
    }

    /// Refuses selectors that name factors or levels nobody has.
    ///
    /// # Errors
    /// Names what is unknown and what is allowed.
    pub fn check_selectors(&self, known: &[(String, Vec<String>)]) -> Result<(), String> {
        let bands = self.bands.iter().map(|band| &band.selector);
        let relations =
            self.relations.iter().flat_map(|relation| [&relation.left, &relation.right]);
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
