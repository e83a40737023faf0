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

use thaw_spec::Selector;

use self::division::{Contrast, effects, second_differences};
use self::subset::{Orders, Subset};
use crate::equality::Around;
use crate::estimate::{Estimate, holm};
use crate::measurements::Measurements;
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
    /// The factor's part of the gap.
    pub share: Estimate,
    /// P-value of the share, adjusted for the number of shares (Holm 1979).
    pub p_value: Option<f64>,
    /// Main effect of the factor: the change it makes on average over all combinations of the other
    /// factors' levels with which both cells exist and have run, each counted once (Fisher, *The
    /// Design of Experiments*, 1935). Main effects need not add up to the gap.
    pub main_effect: Estimate,
    /// Number of combinations that the main effect is a mean over.
    pub combinations: usize,
    /// Effect of changing the factor before all others, where that cell can exist and has run.
    pub first: Option<Estimate>,
    /// Effect of changing the factor after all others, where that cell can exist and has run.
    pub last: Option<Estimate>,
}

/// Excess of the effect of two changes together over the sum of their single effects, on average
/// over the combinations of the other factors' levels with which all four cells exist and have run.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// Names of the two factors.
    pub factors: [String; 2],
    /// Second difference.
    pub effect: Estimate,
    /// Number of combinations that it is a mean over.
    pub combinations: usize,
}

/// Two levels of a factor that are one, because their runs are equal to the last bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualLevels {
    /// Name of the factor.
    pub factor: String,
    /// The two levels.
    pub levels: [String; 2],
    /// Number of pairs of procedures that differ in these levels alone and are equal.
    pub pairs: usize,
}

/// A gap between two procedures, divided over the factors in which they differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The seeds that every cell on the way from the one procedure to the other has run with.
    pub seeds: Vec<u64>,
    /// The number of the procedure that the gap starts from.
    pub from: Estimate,
    /// The number of the procedure that the gap leads to.
    pub to: Estimate,
    /// Difference `to − from`.
    pub gap: Estimate,
    /// Shares of the differing factors, in the order of the matrix. A factor whose two levels are
    /// equal has none.
    pub shares: Vec<Share>,
    /// Interactions of the pairs of factors of which all four combinations exist with some levels
    /// of the others; largest first.
    pub interactions: Vec<Interaction>,
    /// Number of orders of change that pass through existing cells, and of all orders.
    pub orders: [u64; 2],
    /// Levels that were taken for one.
    pub equal_levels: Vec<EqualLevels>,
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
    /// The two procedures differ in levels that are equal to the last bit, and in nothing else.
    #[error("the two procedures are equal to the last bit, so there is no gap")]
    Equal,
    /// More factors differ than [`MAXIMAL_FACTORS`].
    #[error(
        "the procedures differ in {count} factors, and at most {MAXIMAL_FACTORS} can be told apart"
    )]
    TooMany {
        /// Number of differing factors.
        count: usize,
    },
    /// Cells of the sub-matrix have not run with all their seeds.
    #[error("{}", missing_in_words(cells.len(), seeds))]
    Missing {
        /// Their levels.
        cells: Vec<Vec<(String, String)>>,
        /// The seeds that all cells of the sub-matrix have run with.
        seeds: Vec<u64>,
    },
    /// Every order of changes passes through a cell that cannot exist.
    #[error(
        "no order of single changes leads from the one procedure to the other: every way passes through a cell that the experiment excludes"
    )]
    NoWay,
    /// A metric of a run is not finite.
    #[error(
        "the {metric} of `{cell}` seed {seed} is not finite: the run diverged, and no gap can be divided"
    )]
    Diverged {
        /// Metric that was asked for.
        metric: String,
        /// Levels of the cell.
        cell: String,
        /// Seed of the run.
        seed: u64,
    },
    /// The cells have no seed in common, or lack the metric asked for.
    #[error("the cells between the two procedures have no {0} for a seed that all of them share")]
    NoNumber(String),
}

fn missing_in_words(cells: usize, seeds: &[u64]) -> String {
    let (have, their) = if cells == 1 { ("has", "its") } else { ("have", "their") };
    let instead = match seeds {
        [] => String::new(),
        seeds => {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            format!("; `--seeds {}` takes those that all of them have run with", seeds.join(","))
        }
    };
    format!(
        "{cells} of the cells between the two procedures {have} not run with all {their} seeds{instead}"
    )
}

/// Divides the gap in a number between two procedures.
///
/// Levels whose runs are equal to the last bit are one level: a factor that does nothing has no part
/// in the orders of change, so it cannot move the shares of the others (one of Shapley's axioms), and
/// a cell that the experiment excludes is represented by its equal. Only pairs between the two
/// procedures speak for it, and all of them: what is equal in one library may differ in another.
///
/// # Errors
/// When a selector is not exactly one procedure's, cells are missing, a run diverged, or no order of
/// changes can be followed.
///
/// # Example
/// ```
/// use thaw_analysis::{Measurements, Results, ResultsFolder, attribute};
/// use thaw_spec::{Experiment, Metric, Selector, Statistic};
///
/// // The committed results of the miniature.
/// let text = std::fs::read_to_string("../../experiments/miniature.toml")?;
/// let experiment = Experiment::parse("miniature.toml", &text)?;
/// let folder = ResultsFolder::new("../../results/miniature".into());
/// let results = Results::read(&folder, &experiment)?;
/// let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
/// let levels = |regime, preprocessing| {
///     Selector::from_arguments(&[regime, "augmentation=none", preprocessing, "dropout=0.0"])
/// };
/// let gap = attribute(
///     &accuracy,
///     &levels("regime=cached", "preprocessing=rescale")?,
///     &levels("regime=accidentally_unfrozen", "preprocessing=caffe")?,
/// )?;
/// let factors: Vec<&str> = gap.shares.iter().map(|share| share.factor.as_str()).collect();
/// assert_eq!(factors, ["regime", "preprocessing"]);
/// // The shares add up to the gap.
/// let sum: f64 = gap.shares.iter().map(|share| share.share.mean).sum();
/// assert!((sum - gap.gap.mean).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn attribute(
    measurements: &Measurements<'_>,
    from: &Selector,
    to: &Selector,
) -> Result<Attribution, AttributionError> {
    let results = measurements.results();
    let (from, to) = (exactly_one(results, from)?, exactly_one(results, to)?);
    let around = results.around(from, to);
    let mut equal_levels = Vec::new();
    let mut changes = Vec::new();
    for factor in (0..from.levels.len()).filter(|&factor| from.levels[factor] != to.levels[factor])
    {
        match around.equal_pairs(factor, &from.levels[factor].1, &to.levels[factor].1) {
            Some(pairs) => equal_levels.push(EqualLevels {
                factor: from.levels[factor].0.clone(),
                levels: [from.levels[factor].1.clone(), to.levels[factor].1.clone()],
                pairs,
            }),
            None => changes.push(factor),
        }
    }
    match changes.len() {
        0 if equal_levels.is_empty() => return Err(AttributionError::Same),
        0 => return Err(AttributionError::Equal),
        count if count > MAXIMAL_FACTORS => return Err(AttributionError::TooMany { count }),
        _ => {}
    }
    let cells = cells_between(&around, &changes, &mut equal_levels);
    let orders = Orders::through(&cells.iter().map(Option::is_some).collect::<Vec<_>>());
    if orders.count() == 0 {
        return Err(AttributionError::NoWay);
    }
    // A cell that no order passes through is not needed.
    let needed: Vec<&ProcedureRuns> = Subset::all(changes.len())
        .filter(|subset| orders.pass_through(*subset))
        .filter_map(|subset| cells[subset.index()])
        .collect();
    let is_shared = |seed: &u64| needed.iter().all(|cell| cell.run_with_seed(*seed).is_some());
    let seeds: Vec<u64> = from.runs.iter().map(|run| run.cell().seed).filter(is_shared).collect();
    let incomplete = needed.iter().filter(|cell| !cell.is_complete());
    let missing: Vec<_> = incomplete.map(|cell| cell.levels.clone()).collect();
    if !missing.is_empty() {
        return Err(AttributionError::Missing { cells: missing, seeds });
    }
    for cell in &needed {
        if let Some((seed, _)) = cell.diverged(measurements.metric()) {
            let (metric, cell) = (measurements.metric().to_string(), cell.label());
            return Err(AttributionError::Diverged { metric, cell, seed });
        }
    }
    // Where it has run it says something of its factors all the same.
    let counts = |subset: Subset, cell: &ProcedureRuns| {
        orders.pass_through(subset) || has_number(measurements, cell, from, &seeds)
    };
    let cells: Vec<Option<&ProcedureRuns>> = Subset::all(changes.len())
        .map(|subset| cells[subset.index()].filter(|cell| counts(subset, cell)))
        .collect();
    Division { measurements, cells, seeds, changes, from, to }
        .attribution(&orders, equal_levels)
        .ok_or_else(|| AttributionError::NoNumber(measurements.metric().to_string()))
}

/// Whether all planned runs of a procedure have ended, none diverged, and those with these seeds have
/// the number, and say of each image what those of `from` say.
fn has_number(
    measurements: &Measurements<'_>,
    procedure: &ProcedureRuns,
    from: &ProcedureRuns,
    seeds: &[u64],
) -> bool {
    let (metric, statistic) = (measurements.metric(), measurements.statistic());
    let value = |seed: &u64| procedure.value_with_seed(*seed, metric, statistic);
    let images = |procedure: &ProcedureRuns, seed: &u64| {
        procedure.run_with_seed(*seed).is_some_and(|run| measurements.outcomes(run).is_some())
    };
    procedure.is_complete()
        && procedure.diverged(metric).is_none()
        && seeds
            .iter()
            .all(|seed| value(seed).is_some() && (images(procedure, seed) || !images(from, seed)))
}

/// The cells between two procedures, and the factors that change on the way.
struct Division<'a> {
    measurements: &'a Measurements<'a>,
    /// By [`Subset::index`].
    cells: Vec<Option<&'a ProcedureRuns>>,
    /// The seeds that all cells have run with.
    seeds: Vec<u64>,
    /// Places of the factors among the levels.
    changes: Vec<usize>,
    from: &'a ProcedureRuns,
    to: &'a ProcedureRuns,
}

impl Division<'_> {
    /// Nothing when a number is missing.
    fn attribution(&self, orders: &Orders, equal_levels: Vec<EqualLevels>) -> Option<Attribution> {
        let exists: Vec<bool> = self.cells.iter().map(Option::is_some).collect();
        let all = Subset::full(self.changes.len());
        let mut gap = vec![0.0; self.cells.len()];
        (gap[Subset::EMPTY.index()], gap[all.index()]) = (-1.0, 1.0);
        let name = |place: usize| self.from.levels[self.changes[place]].0.clone();
        let mut shares: Vec<Share> = effects(&exists, orders, self.changes.len())
            .iter()
            .zip(&self.changes)
            .map(|(effects, &factor)| {
                let possible = |contrast: &Option<Contrast>| {
                    contrast.as_ref().map(|contrast| self.estimate(contrast))
                };
                Some(Share {
                    factor: self.from.levels[factor].0.clone(),
                    from: self.from.levels[factor].1.clone(),
                    to: self.to.levels[factor].1.clone(),
                    share: self.estimate(&effects.share)?,
                    p_value: None,
                    main_effect: self.estimate(&effects.main_effect)?,
                    combinations: effects.combinations,
                    first: possible(&effects.first).flatten(),
                    last: possible(&effects.last).flatten(),
                })
            })
            .collect::<Option<_>>()?;
        let p_values: Vec<Option<f64>> = shares.iter().map(|share| share.share.p_value()).collect();
        for (share, p_value) in shares.iter_mut().zip(holm(&p_values)) {
            share.p_value = p_value;
        }
        let mut interactions = second_differences(&exists, self.changes.len())
            .iter()
            .map(|pair| {
                Some(Interaction {
                    factors: pair.factors.map(name),
                    effect: self.estimate(&pair.contrast)?,
                    combinations: pair.combinations,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        interactions.sort_by(|a, b| b.effect.mean.abs().total_cmp(&a.effect.mean.abs()));
        Some(Attribution {
            seeds: self.seeds.clone(),
            from: self.level(Subset::EMPTY)?,
            to: self.level(all)?,
            gap: self.estimate(&Contrast(gap))?,
            shares,
            interactions,
            orders: [orders.count(), orders.count_of_all()],
            equal_levels,
        })
    }

    /// The number of a cell over the same seeds as the gap.
    fn level(&self, subset: Subset) -> Option<Estimate> {
        self.measurements.level_over(self.cells[subset.index()]?, &self.seeds)
    }

    /// A contrast over the seeds that all cells share, so that shares add up to the gap.
    fn estimate(&self, contrast: &Contrast) -> Option<Estimate> {
        let terms: Vec<(&ProcedureRuns, f64)> = self
            .cells
            .iter()
            .zip(&contrast.0)
            .filter(|(_, weight)| **weight != 0.0)
            .filter_map(|(cell, weight)| Some(((*cell)?, *weight)))
            .collect();
        self.measurements.contrast_over(&terms, &self.seeds)
    }
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
/// changed, those of `from` elsewhere. A cell that the experiment does not have is represented by one
/// that differs from it in equal levels alone, which are noted; nothing where there is none.
fn cells_between<'a>(
    around: &Around<'a>,
    changes: &[usize],
    equal_levels: &mut Vec<EqualLevels>,
) -> Vec<Option<&'a ProcedureRuns>> {
    let mut cells = Vec::new();
    for subset in Subset::all(changes.len()) {
        let mut levels = around.from.levels.clone();
        for (place, &factor) in changes.iter().enumerate() {
            if subset.contains(place) {
                levels[factor].1.clone_from(&around.to.levels[factor].1);
            }
        }
        let itself = around.procedures().find(|procedure| procedure.levels == levels);
        let represented = || {
            around.procedures().find_map(|procedure| {
                Some((procedure, levels_that_are_equal(around, &levels, &procedure.levels)?))
            })
        };
        let cell = itself.or_else(|| {
            let (procedure, equal) = represented()?;
            equal_levels.extend(equal);
            Some(procedure)
        });
        cells.push(cell);
    }
    equal_levels.sort_by(|a, b| (&a.factor, &a.levels).cmp(&(&b.factor, &b.levels)));
    equal_levels.dedup();
    cells
}

/// The levels in which two procedures differ, if all of them are equal.
fn levels_that_are_equal(
    around: &Around<'_>,
    wanted: &[(String, String)],
    found: &[(String, String)],
) -> Option<Vec<EqualLevels>> {
    let differing = (0..wanted.len()).filter(|&factor| wanted[factor] != found[factor]);
    differing
        .map(|factor| {
            let levels = [wanted[factor].1.clone(), found[factor].1.clone()];
            let pairs = around.equal_pairs(factor, &levels[0], &levels[1])?;
            Some(EqualLevels { factor: wanted[factor].0.clone(), levels, pairs })
        })
        .collect()
}
