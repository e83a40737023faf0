//! The gap between two procedures, divided over the factors in which they differ.
//!
//! Every combination of the two procedures' levels is a cell of the sub-matrix between them. A
//! factor's share is the mean, over all orders in which the factors can be changed one after the
//! other, of what its change does: Shapley's value (Shapley 1953), exact for up to
//! [`MAXIMAL_FACTORS`] factors. Some combinations cannot exist (cached features cannot be
//! augmented); then only the orders count that pass through cells that can, as Faigle & Kern (1992)
//! do it for precedence constraints. Along each order the changes add up to the gap, so the shares
//! do, too.

use thaw_spec::{Metric, Selector, Statistic};

use crate::estimate::{Estimate, Sample, reduce};
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
    let cells: Vec<Option<&ProcedureRuns>> = (0..1usize << differing.len())
        .map(|changed| {
            let mut levels = from.levels.clone();
            for (bit, &factor) in differing.iter().enumerate() {
                if changed >> bit & 1 == 1 {
                    levels[factor].1.clone_from(&to.levels[factor].1);
                }
            }
            results.procedures.iter().find(|procedure| procedure.levels == levels)
        })
        .collect();
    let orders = Orders::through(&cells.iter().map(Option::is_some).collect::<Vec<_>>());
    if orders.count() == 0 {
        return Err(AttributionError::NoWay);
    }
    // A cell that no order passes through is not needed.
    let needed = |subset: usize| orders.before[subset] > 0 && orders.after[subset] > 0;
    let needed_cells: Vec<(usize, &ProcedureRuns)> = cells
        .iter()
        .enumerate()
        .filter(|(subset, _)| needed(*subset))
        .filter_map(|(subset, cell)| Some((subset, (*cell)?)))
        .collect();
    let missing: Vec<_> = needed_cells
        .iter()
        .filter(|(_, cell)| cell.runs.len() < cell.planned_seeds)
        .map(|(_, cell)| cell.levels.clone())
        .collect();
    if !missing.is_empty() {
        return Err(AttributionError::Missing(missing));
    }
    let of_seed = |cell: &ProcedureRuns, seed: u64| {
        let run = cell.runs.iter().find(|run| run.cell().seed == seed)?;
        reduce(statistic, metric, &run.curve(metric))
    };
    let candidates = from.runs.iter().map(|run| run.cell().seed);
    let seeds: Vec<u64> = candidates
        .filter(|&seed| needed_cells.iter().all(|(_, cell)| of_seed(cell, seed).is_some()))
        .collect();
    let mut values = vec![None; cells.len()];
    for (subset, cell) in &needed_cells {
        values[*subset] = Some(seeds.iter().filter_map(|&seed| of_seed(cell, seed)).collect());
    }
    let names = differing.iter().map(|&factor| {
        let (name, level) = &from.levels[factor];
        (name.clone(), level.clone(), to.levels[factor].1.clone())
    });
    divide(&names.collect::<Vec<_>>(), &values, seeds)
        .ok_or_else(|| AttributionError::NoNumber(format!("{metric}")))
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

/// The orders of changes, counted by the subsets of factors that they pass through (bit = factor
/// changed).
struct Orders {
    /// Ways from nothing changed to this subset.
    before: Vec<u64>,
    /// Ways from this subset to everything changed.
    after: Vec<u64>,
}

impl Orders {
    fn through(exists: &[bool]) -> Self {
        let everything = exists.len() - 1;
        let factors = exists.len().trailing_zeros();
        let mut before = vec![0; exists.len()];
        before[0] = u64::from(exists[0]);
        for subset in (1..exists.len()).filter(|&subset| exists[subset]) {
            before[subset] = (0..factors)
                .filter(|bit| subset >> bit & 1 == 1)
                .map(|bit| before[subset & !(1 << bit)])
                .sum();
        }
        let mut after = vec![0; exists.len()];
        after[everything] = u64::from(exists[everything]);
        for subset in (0..everything).rev().filter(|&subset| exists[subset]) {
            after[subset] = (0..factors)
                .filter(|bit| subset >> bit & 1 == 0)
                .map(|bit| after[subset | 1 << bit])
                .sum();
        }
        Self { before, after }
    }

    fn count(&self) -> u64 {
        self.after[0]
    }
}

/// Divides the difference between the last and the first entry of `values`, which holds a number
/// per seed for each subset of changed factors that exists. Nothing when a number is missing.
fn divide(
    factors: &[(String, String, String)],
    values: &[Option<Vec<f64>>],
    seeds: Vec<u64>,
) -> Option<Attribution> {
    let everything = values.len() - 1;
    let orders = Orders::through(&values.iter().map(Option::is_some).collect::<Vec<_>>());
    let difference = |to: usize, from: usize| -> Option<Vec<f64>> {
        let pairs = values[to].as_ref()?.iter().zip(values[from].as_ref()?);
        Some(pairs.map(|(to, from)| to - from).collect())
    };
    let sample = |difference: Option<Vec<f64>>| difference.and_then(Sample::new);
    let mut shares = Vec::new();
    for (bit, (factor, from, to)) in factors.iter().enumerate() {
        let own = 1 << bit;
        let without = (0..values.len()).filter(|subset| subset & own == 0);
        let changes: Vec<(usize, Vec<f64>)> = without
            .filter_map(|subset| Some((subset, difference(subset | own, subset)?)))
            .collect();
        let weighted = |weight: &dyn Fn(usize) -> f64| -> Option<Sample> {
            Sample::new(
                (0..seeds.len())
                    .map(|seed| {
                        changes.iter().map(|(subset, change)| weight(*subset) * change[seed]).sum()
                    })
                    .collect(),
            )
        };
        let passing = |subset: usize| {
            (orders.before[subset] * orders.after[subset | own]) as f64 / orders.count() as f64
        };
        shares.push(Share {
            factor: factor.clone(),
            from: from.clone(),
            to: to.clone(),
            share: weighted(&passing)?,
            main_effect: weighted(&|_| 1.0 / changes.len() as f64)?,
            first: sample(difference(own, 0)),
            last: sample(difference(everything, everything & !own)),
        });
    }
    let mut interactions = Vec::new();
    for first in 0..factors.len() {
        for second in first + 1..factors.len() {
            let both = 1 << first | 1 << second;
            let without = (0..values.len()).filter(|subset| subset & both == 0);
            let squares: Vec<(Vec<f64>, Vec<f64>)> = without
                .filter_map(|subset| {
                    let together = difference(subset | both, subset | 1 << first)?;
                    Some((together, difference(subset | 1 << second, subset)?))
                })
                .collect();
            let of_seed = |seed: usize| {
                squares.iter().map(|(together, alone)| together[seed] - alone[seed]).sum::<f64>()
            };
            if !squares.is_empty() {
                let effect = Sample::new(
                    (0..seeds.len()).map(|seed| of_seed(seed) / squares.len() as f64).collect(),
                )?;
                interactions.push(Interaction {
                    factors: [factors[first].0.clone(), factors[second].0.clone()],
                    effect,
                });
            }
        }
    }
    let size = |interaction: &Interaction| interaction.effect.estimate().mean.abs();
    interactions.sort_by(|a, b| size(b).total_cmp(&size(a)));
    Some(Attribution {
        seeds,
        from: Sample::new(values[0].clone()?)?,
        to: Sample::new(values[everything].clone()?)?,
        gap: sample(difference(everything, 0))?,
        shares,
        interactions,
        orders: [orders.count(), (1..=factors.len() as u64).product()],
    })
}

impl Attribution {
    /// The estimates of the shares; their means add up to the gap's.
    pub fn estimates(&self) -> Vec<Estimate> {
        self.shares.iter().map(|share| share.share.estimate()).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    fn factors(count: usize) -> Vec<(String, String, String)> {
        (0..count).map(|number| (format!("f{number}"), "a".to_owned(), "b".to_owned())).collect()
    }

    fn means(attribution: &Attribution) -> Vec<f64> {
        attribution.estimates().iter().map(|estimate| estimate.mean).collect()
    }

    fn main_effects(attribution: &Attribution) -> Vec<f64> {
        attribution.shares.iter().map(|share| share.main_effect.estimate().mean).collect()
    }

    #[test]
    fn shares_are_shapleys_values_and_add_up() {
        // The glove game: one left glove (f0), two right ones (f1, f2), a pair is worth 1.
        // Shapley's values are 2/3, 1/6, 1/6.
        let worth = |subset: usize| f64::from(u8::from(subset & 1 == 1 && subset & 6 != 0));
        let values: Vec<_> = (0..8).map(|subset| Some(vec![worth(subset)])).collect();
        let attribution = divide(&factors(3), &values, vec![0]).expect("numbers");
        let expected = [2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0];
        assert!(
            means(&attribution)
                .iter()
                .zip(expected)
                .all(|(share, expected)| (share - expected).abs() < 1e-12)
        );
        // Of four combinations of the others, the left glove makes a pair in three, a right one in
        // the one where it is the only right one.
        assert_eq!(main_effects(&attribution), [0.75, 0.25, 0.25]);
        assert_eq!(attribution.orders, [6, 6]);
        assert_eq!(
            attribution.shares[0].first.as_ref().map(|sample| sample.values()[0]),
            Some(0.0)
        );
        assert_eq!(attribution.shares[0].last.as_ref().map(|sample| sample.values()[0]), Some(1.0));
        // The two right gloves stand in for each other: together they do less than each alone,
        // where there is a left one.
        let last = attribution
            .interactions
            .iter()
            .find(|interaction| interaction.factors == ["f1", "f2"])
            .expect("both");
        assert_eq!(last.effect.values(), [-0.5]);
        // Without the cell of the right gloves alone, what is left is the combination with the left
        // glove.
        let values: Vec<_> =
            (0..8).map(|subset| (subset != 6).then(|| vec![worth(subset)])).collect();
        let attribution = divide(&factors(3), &values, vec![0]).expect("numbers");
        let rights = attribution
            .interactions
            .iter()
            .find(|interaction| interaction.factors == ["f1", "f2"])
            .expect("with the left one");
        assert_eq!((rights.effect.values(), attribution.orders), (&[-1.0][..], [4, 6]));
    }

    #[test]
    fn orders_through_cells_that_cannot_exist_do_not_count() {
        // As in the book: cached (no augmentation possible) to end to end with augmentation. The
        // regime must change first.
        let values = vec![Some(vec![0.90]), Some(vec![0.91]), None, Some(vec![0.96])];
        let attribution = divide(&factors(2), &values, vec![0]).expect("numbers");
        assert_eq!(attribution.orders, [1, 2]);
        assert!(
            (means(&attribution)[0] - 0.01).abs() < 1e-12
                && (means(&attribution)[1] - 0.05).abs() < 1e-12
        );
        assert!(attribution.shares[1].first.is_none() && attribution.interactions.is_empty());
        assert_eq!(
            main_effects(&attribution),
            means(&attribution),
            "each factor has one pair of cells"
        );
        assert_eq!(Orders::through(&[true, false, false, true]).count(), 0);
    }

    #[test]
    fn eight_factors_add_up_to_the_gap_for_every_seed() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut unit = || random.next_u64() as f64 / u64::MAX as f64;
        let values: Vec<_> = (0..256).map(|_| Some(vec![unit(), unit(), unit()])).collect();
        let attribution = divide(&factors(8), &values, vec![0, 1, 2]).expect("numbers");
        for seed in 0..3 {
            let sum: f64 = attribution.shares.iter().map(|share| share.share.values()[seed]).sum();
            assert!((sum - attribution.gap.values()[seed]).abs() < 1e-12);
        }
        assert_eq!(attribution.orders, [40_320, 40_320]);
    }

    /// How often Student's and the bootstrap's intervals contain a factor's true share, over
    /// simulated matrices of three factors with additive effects, an interaction, and one factor
    /// that does nothing; independent normal noise for every cell and seed.
    fn coverage(seeds: usize, simulations: u64) -> [f64; 2] {
        let truth = |subset: usize| {
            0.7 + if subset & 1 == 1 { 0.05 } else { 0.0 }
                + if subset & 3 == 3 { 0.04 } else { 0.0 }
        };
        // Shapley: the first factor 0.05 and half of the interaction, the second the other half,
        // the third nothing.
        let expected = [0.07, 0.02, 0.0];
        let (mut hits, mut total) = ([0u32; 2], 0u32);
        for simulation in 0..simulations {
            let mut random = ChaCha8Rng::seed_from_u64(simulation);
            let mut unit = || (random.next_u64() as f64 + 0.5) / u64::MAX as f64;
            // Box & Muller (1958).
            let mut normal =
                || (-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
            let values: Vec<_> = (0..8)
                .map(|subset| Some((0..seeds).map(|_| truth(subset) + 0.01 * normal()).collect()))
                .collect();
            let attribution =
                divide(&factors(3), &values, (0..seeds as u64).collect()).expect("numbers");
            for (share, expected) in attribution.shares.iter().zip(expected) {
                let holds = |(low, high): (f64, f64)| u32::from((low..=high).contains(&expected));
                hits[0] += share.share.estimate().interval.map_or(0, holds);
                hits[1] += share.share.bootstrap().map_or(0, holds);
                total += 1;
            }
        }
        hits.map(|hits| f64::from(hits) / f64::from(total))
    }

    #[test]
    fn intervals_cover_the_truth_at_their_stated_rate() {
        // 3,000 intervals of 1,000 independent simulations: five standard errors of a rate of 0.95
        // are at most 0.034.
        let [student, bootstrap] = coverage(3, 1_000);
        assert!((student - 0.95).abs() < 0.02, "{student}");
        // With three seeds the bootstrap knows only three numbers, and its interval is too narrow:
        // why thaw states Student's.
        assert!(bootstrap < 0.85, "{bootstrap}");
        let [student, bootstrap] = coverage(20, 150);
        assert!((student - 0.95).abs() < 0.034, "{student}");
        assert!((bootstrap - 0.93).abs() < 0.04, "{bootstrap}");
    }
}
