//! The gap between two procedures, divided over the factors in which they differ.
//!
//! Every combination of the two procedures' levels is a cell of the sub-matrix between them. A
//! factor's share is the mean, over all orders in which the factors can be changed one after the
//! other, of what its change does: Shapley's value (Shapley 1953), exact for up to
//! [`MAXIMAL_FACTORS`] factors. Some combinations cannot exist (cached features cannot be
//! augmented); then only the orders count that pass through cells that can, as Faigle & Kern (1992)
//! do it for precedence constraints. Along each order the changes add up to the gap, so the shares
//! do, too.

mod division;
mod subset;

use thaw_spec::{Metric, Selector, Statistic};

use self::division::{FactorChange, divide};
use self::subset::{Orders, Subset};
use crate::estimate::{Estimate, Sample};
use crate::results::{ProcedureRuns, Results};

/// Largest number of differing factors that a gap is divided over (2⁸ cells).
pub const MAXIMAL_FACTORS: usize = 8;

/// A factor in which two procedures differ, and what changing it contributes to the gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Name of the factor.
    pub factor: String,
    /// The factor's level in the procedure that the gap starts from.
    pub from: String,
    /// The factor's level in the procedure that the gap leads to.
    pub to: String,
    /// The factor's part of the gap, by seed.
    pub share: Sample,
    /// Main effect of the factor, by seed: the change it makes on average over all combinations of
    /// the other factors' levels with which both cells exist, each counted once (Fisher, *The
    /// Design of Experiments*, 1935). Main effects need not add up to the gap.
    pub main_effect: Sample,
    /// Effect of changing the factor before all others, by seed, where that cell can exist.
    pub first: Option<Sample>,
    /// Effect of changing the factor after all others, by seed, where that cell can exist.
    pub last: Option<Sample>,
}

/// Excess of the effect of two changes together over the sum of their single effects, on average
/// over the combinations of the other factors' levels with which all four cells exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// Names of the two factors.
    pub factors: [String; 2],
    /// Second difference, by seed.
    pub effect: Sample,
}

/// A gap between two procedures, divided over the factors in which they differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The seeds that every cell of the sub-matrix has run with.
    pub seeds: Vec<u64>,
    /// The number of the procedure that the gap starts from, by seed.
    pub from: Sample,
    /// The number of the procedure that the gap leads to, by seed.
    pub to: Sample,
    /// Difference `to − from`, by seed.
    pub gap: Sample,
    /// Shares of the differing factors, in the order of the matrix.
    pub shares: Vec<Share>,
    /// Interactions of the pairs of factors of which all four combinations exist with some levels
    /// of the others; largest first.
    pub interactions: Vec<Interaction>,
    /// Number of orders of change that pass through existing cells, and of all orders.
    pub orders: [u64; 2],
}

/// Why a gap cannot be divided.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttributionError {
    /// A selector does not choose one procedure.
    #[error("`{selector}` chooses {count} procedures; name the levels of exactly one")]
    NotOne {
        /// The selector as given.
        selector: String,
        /// Number of procedures that it chooses.
        count: usize,
    },
    /// The two procedures have the same levels.
    #[error("the two procedures are the same")]
    Same,
    /// More factors differ than [`MAXIMAL_FACTORS`].
    #[error(
        "the procedures differ in {count} factors, and at most {MAXIMAL_FACTORS} can be told apart"
    )]
    TooMany {
        /// Number of differing factors.
        count: usize,
    },
    /// Cells of the sub-matrix have not run.
    #[error("{} of the cells between the two procedures have not run", .0.len())]
    Missing(Vec<Vec<(String, String)>>),
    /// Every order of changes passes through a cell that cannot exist.
    #[error(
        "no order of single changes leads from the one procedure to the other: every way passes through a cell that the experiment excludes"
    )]
    NoWay,
    /// The cells have no seed in common, or lack the metric asked for.
    #[error("the cells between the two procedures have no {0} for a seed that all of them share")]
    NoNumber(String),
}

/// Divides the gap in a number between two procedures.
///
/// # Errors
/// When a selector is not exactly one procedure's, cells are missing, or no order of changes can be
/// followed.
///
/// # Example
/// ```
/// use thaw_analysis::{Results, ResultsFolder, attribute};
/// use thaw_spec::{Experiment, Metric, Selector, Statistic};
///
/// // The committed results of the miniature.
/// let text = std::fs::read_to_string("../../experiments/miniature.toml")?;
/// let experiment = Experiment::parse("miniature.toml", &text)?;
/// let folder = ResultsFolder::new("../../results/miniature".into());
/// let results = Results::read(&folder, &experiment)?;
/// let levels = |regime, preprocessing| {
///     Selector::from_arguments(&[regime, "augmentation=none", preprocessing, "dropout=0.0"])
/// };
/// let gap = attribute(
///     &results,
///     &levels("regime=cached", "preprocessing=rescale")?,
///     &levels("regime=accidentally_unfrozen", "preprocessing=caffe")?,
///     Metric::ValidationAccuracy,
///     Statistic::Final,
/// )?;
/// let factors: Vec<&str> = gap.shares.iter().map(|share| share.factor.as_str()).collect();
/// assert_eq!(factors, ["regime", "preprocessing"]);
/// // The shares add up to the gap.
/// let sum: f64 = gap.estimates().iter().map(|share| share.mean).sum();
/// assert!((sum - gap.gap.estimate().mean).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn attribute(
    results: &Results,
    from: &Selector,
    to: &Selector,
    metric: Metric,
    statistic: Statistic,
) -> Result<Attribution, AttributionError> {
    let (from, to) = (exactly_one(results, from)?, exactly_one(results, to)?);
    let differing: Vec<usize> =
        (0..from.levels.len()).filter(|&factor| from.levels[factor] != to.levels[factor]).collect();
    match differing.len() {
        0 => return Err(AttributionError::Same),
        count if count > MAXIMAL_FACTORS => return Err(AttributionError::TooMany { count }),
        _ => {}
    }
    let cells = cells_between(results, from, to, &differing);
    let orders = Orders::through(&cells.iter().map(Option::is_some).collect::<Vec<_>>());
    if orders.count() == 0 {
        return Err(AttributionError::NoWay);
    }
    // A cell that no order passes through is not needed.
    let needed: Vec<(Subset, &ProcedureRuns)> = Subset::all(differing.len())
        .filter(|subset| orders.pass_through(*subset))
        .filter_map(|subset| Some((subset, cells[subset.index()]?)))
        .collect();
    let missing: Vec<_> = needed
        .iter()
        .filter(|(_, cell)| cell.runs.len() < cell.planned_seeds)
        .map(|(_, cell)| cell.levels.clone())
        .collect();
    if !missing.is_empty() {
        return Err(AttributionError::Missing(missing));
    }
    // The seeds with which every needed cell has the number.
    let mut seeds: Vec<u64> = from.runs.iter().map(|run| run.cell().seed).collect();
    for (_, cell) in &needed {
        seeds.retain(|&seed| cell.value_with_seed(seed, metric, statistic).is_some());
    }
    let mut values = vec![None; cells.len()];
    for (subset, cell) in &needed {
        let by_seed =
            seeds.iter().filter_map(|&seed| cell.value_with_seed(seed, metric, statistic));
        values[subset.index()] = Some(by_seed.collect());
    }
    let changes: Vec<FactorChange> = differing
        .iter()
        .map(|&factor| FactorChange {
            factor: from.levels[factor].0.clone(),
            from: from.levels[factor].1.clone(),
            to: to.levels[factor].1.clone(),
        })
        .collect();
    divide(&changes, &values, seeds).ok_or_else(|| AttributionError::NoNumber(metric.to_string()))
}

fn exactly_one<'a>(
    results: &'a Results,
    selector: &Selector,
) -> Result<&'a ProcedureRuns, AttributionError> {
    let chosen: Vec<&ProcedureRuns> = results.select(selector).collect();
    match chosen[..] {
        [one] => Ok(one),
        _ => Err(AttributionError::NotOne { selector: selector.to_string(), count: chosen.len() }),
    }
}

/// The cell of each set of changes, by [`Subset::index`]: the levels of `to` where a factor is
/// changed, those of `from` elsewhere. Nothing for a cell that the experiment does not have.
fn cells_between<'a>(
    results: &'a Results,
    from: &ProcedureRuns,
    to: &ProcedureRuns,
    differing: &[usize],
) -> Vec<Option<&'a ProcedureRuns>> {
    let mut cells = Vec::new();
    for subset in Subset::all(differing.len()) {
        let mut levels = from.levels.clone();
        for (place, &factor) in differing.iter().enumerate() {
            if subset.contains(place) {
                levels[factor].1.clone_from(&to.levels[factor].1);
            }
        }
        cells.push(results.procedures.iter().find(|procedure| procedure.levels == levels));
    }
    cells
}

impl Attribution {
    /// The estimates of the shares; their means add up to the gap's.
    pub fn estimates(&self) -> Vec<Estimate> {
        self.shares.iter().map(|share| share.share.estimate()).collect()
    }
}
