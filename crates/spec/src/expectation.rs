//! What a person expects of results, as `*.expected.toml` says it, and what a check answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Location, Metric, RunStatus, Selector, SelectorError, SpecError, Statistic};

/// Expectation that the mean over seeds lies between two numbers, of which the first is no larger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TypedBand")]
pub struct Band {
    /// Procedures that are checked, each by itself.
    #[serde(rename = "where", default)]
    pub selector: Selector,
    /// Metric that the band constrains.
    pub metric: Metric,
    /// Statistic that reduces a curve to one number.
    pub statistic: Statistic,
    /// Smallest mean that passes.
    pub lower: f64,
    /// Largest mean that passes.
    pub upper: f64,
    /// Value of each seed from which the band was derived, when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_seed: Option<PerSeed>,
}

/// A band as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedBand {
    #[serde(rename = "where", default)]
    selector: Selector,
    metric: Metric,
    statistic: Statistic,
    lower: f64,
    upper: f64,
    per_seed: Option<PerSeed>,
}

impl TryFrom<TypedBand> for Band {
    type Error = &'static str;

    fn try_from(typed: TypedBand) -> Result<Self, Self::Error> {
        let TypedBand { selector, metric, statistic, lower, upper, per_seed } = typed;
        if lower > upper || lower.is_nan() || upper.is_nan() {
            return Err(
                "`lower` and `upper` of a band are numbers, `lower` no larger than `upper`",
            );
        }
        Ok(Self { selector, metric, statistic, lower, upper, per_seed })
    }
}

/// Recorded values by seed: a run with the same seed is the same run, and must give the same number
/// but for rounding. There is a value for each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TypedPerSeed")]
pub struct PerSeed {
    /// Seeds of the recorded runs.
    pub seeds: Vec<u64>,
    /// Values of the recorded runs, in the order of the seeds.
    pub values: Vec<f64>,
    /// Largest absolute difference of one seed's value that passes.
    pub tolerance: f64,
}

/// Recorded values as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPerSeed {
    seeds: Vec<u64>,
    values: Vec<f64>,
    tolerance: f64,
}

impl TryFrom<TypedPerSeed> for PerSeed {
    type Error = &'static str;

    fn try_from(typed: TypedPerSeed) -> Result<Self, Self::Error> {
        let TypedPerSeed { seeds, values, tolerance } = typed;
        if seeds.len() != values.len() {
            return Err(
                "`seeds` and `values` of `per_seed` are lists of one length, a value for each seed",
            );
        }
        // Nothing differs from a value that is no number, nor by more than such a tolerance.
        if !values.iter().all(|value| value.is_finite()) {
            return Err("`values` of `per_seed` are finite numbers");
        }
        if !is_tolerance(tolerance) {
            return Err("`tolerance` of `per_seed` is a finite number of 0 or more");
        }
        if seeds.iter().enumerate().any(|(place, seed)| seeds[..place].contains(seed)) {
            return Err("`seeds` of `per_seed` are listed once each");
        }
        Ok(Self { seeds, values, tolerance })
    }
}

/// Whether a number is finite, and 0 or more.
fn is_tolerance(number: f64) -> bool {
    number.is_finite() && number >= 0.0
}

/// Provenance of recorded bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandProvenance {
    /// Person or program that recorded the bands.
    pub creator: String,
    /// Date of the recording, as year-month-day.
    pub date: String,
    /// Commit of thaw that ran the cells; several, with commas between, if they differ.
    pub commit: String,
    /// Machine that ran the cells.
    pub machine: String,
}

/// Kind of an expected relation between two procedures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RelationKind {
    /// At no epoch do the curves of equal seeds differ by more than `tolerance`.
    EqualCurve {
        /// Largest absolute difference that passes; 0 for bit-equal curves.
        tolerance: f64,
    },
    /// The whole confidence interval of the differences `left − right` between runs of equal seeds
    /// lies above 0.
    IntervalAbove {
        /// Statistic that reduces a curve to one number.
        statistic: Statistic,
    },
    /// The whole confidence interval of the differences `left − right` between runs of equal seeds
    /// lies at or above `margin`.
    GreaterByAtLeast {
        /// Statistic that reduces a curve to one number.
        statistic: Statistic,
        /// Least difference, in units of the metric.
        margin: f64,
    },
}

/// Expected relation between two procedures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TypedRelation")]
pub struct Relation {
    /// Selector of the left procedure.
    pub left: Selector,
    /// Selector of the right procedure.
    pub right: Selector,
    /// Metric that is compared.
    pub metric: Metric,
    /// Kind of the relation, with its numbers.
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
        if tolerance.is_some_and(|tolerance| !is_tolerance(tolerance)) {
            return Err("`tolerance` of a relation is a finite number of 0 or more");
        }
        if margin.is_some_and(|margin| !margin.is_finite()) {
            return Err("`margin` of a relation is a finite number");
        }
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

/// Expected outcome of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedStatus {
    /// Procedures that are checked, each by itself.
    #[serde(rename = "where", default)]
    pub selector: Selector,
    /// Status that every seed must have.
    pub status: RunStatus,
}

/// The content of a `*.expected.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Provenance of the bands, when they were recorded.
    #[serde(default, rename = "recorded", skip_serializing_if = "Option::is_none")]
    pub provenance: Option<BandProvenance>,
    /// Bands on means over seeds.
    #[serde(default, rename = "band")]
    pub bands: Vec<Band>,
    /// Relations between procedures.
    #[serde(default, rename = "relation")]
    pub relations: Vec<Relation>,
    /// Expected outcomes of the audit.
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
    pub fn check_selectors(&self, known: &[(String, Vec<String>)]) -> Result<(), SelectorError> {
        let bands = self.bands.iter().map(|band| &band.selector);
        let relations =
            self.relations.iter().flat_map(|relation| [&relation.left, &relation.right]);
        let audits = self.audits.iter().map(|audit| &audit.selector);
        bands.chain(relations).chain(audits).try_for_each(|selector| selector.check(known))
    }

    /// The bands and audits that speak of some procedures, and the relations between two of them.
    #[must_use]
    pub fn about(self, is_one: impl Fn(&Selector) -> bool) -> Self {
        let Self { provenance, mut bands, mut relations, mut audits } = self;
        bands.retain(|band| is_one(&band.selector));
        relations.retain(|relation| is_one(&relation.left) && is_one(&relation.right));
        audits.retain(|audit| is_one(&audit.selector));
        Self { provenance, bands, relations, audits }
    }

    /// Number of expectations.
    pub fn len(&self) -> usize {
        self.bands.len() + self.relations.len() + self.audits.len()
    }

    /// Whether there is no expectation.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// The results are as expected.
    Pass,
    /// There are too few runs to tell.
    Inconclusive,
    /// The runs do not exist.
    Missing,
    /// The results are not as expected.
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

/// Verdict on one expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Outcome of the check.
    pub kind: VerdictKind,
    /// The expectation, and the cells that it is about.
    pub subject: String,
    /// The numbers that decided.
    pub reason: String,
}
