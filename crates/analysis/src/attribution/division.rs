//! The arithmetic of a division: shares, main effects and interactions from a number for each
//! combination of changes.

use super::subset::{Orders, Subset};
use super::{Attribution, Interaction, Share};
use crate::estimate::Sample;

/// A factor, and its levels in the two procedures.
#[derive(Clone, Debug)]
pub(super) struct FactorChange {
    pub(super) factor: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// A number per seed for each set of changed factors whose cell exists, by [`Subset::index`].
struct CellValues<'a> {
    values: &'a [Option<Vec<f64>>],
    factors: usize,
    seeds: usize,
}

impl CellValues<'_> {
    fn get(&self, subset: Subset) -> Option<&[f64]> {
        self.values[subset.index()].as_deref()
    }

    /// The difference between two cells, by seed; nothing when one of them does not exist.
    fn difference(&self, to: Subset, from: Subset) -> Option<Vec<f64>> {
        let pairs = self.get(to)?.iter().zip(self.get(from)?);
        Some(pairs.map(|(to, from)| to - from).collect())
    }

    fn sampled_difference(&self, to: Subset, from: Subset) -> Option<Sample> {
        self.difference(to, from).and_then(Sample::new)
    }

    /// The weighted sum of differences, by seed.
    fn weighted_sum(
        &self,
        differences: &[(Subset, Vec<f64>)],
        weight: impl Fn(Subset) -> f64,
    ) -> Option<Sample> {
        let sums = (0..self.seeds).map(|seed| {
            differences.iter().map(|(subset, difference)| weight(*subset) * difference[seed]).sum()
        });
        Sample::new(sums.collect())
    }
}

/// Divides the difference between the cell with all changes and the one with none over the changes.
/// Nothing when a number is missing.
pub(super) fn divide(
    changes: &[FactorChange],
    values: &[Option<Vec<f64>>],
    seeds: Vec<u64>,
) -> Option<Attribution> {
    let orders = Orders::through(&values.iter().map(Option::is_some).collect::<Vec<_>>());
    let values = CellValues { values, factors: changes.len(), seeds: seeds.len() };
    let all = Subset::full(changes.len());
    let shares = changes
        .iter()
        .enumerate()
        .map(|(factor, change)| share(&values, &orders, factor, change))
        .collect::<Option<_>>()?;
    Some(Attribution {
        from: Sample::new(values.get(Subset::EMPTY)?.to_vec())?,
        to: Sample::new(values.get(all)?.to_vec())?,
        gap: values.sampled_difference(all, Subset::EMPTY)?,
        shares,
        interactions: interactions(&values, changes)?,
        orders: [orders.count(), orders.count_of_all()],
        seeds,
    })
}

fn share(
    values: &CellValues<'_>,
    orders: &Orders,
    factor: usize,
    change: &FactorChange,
) -> Option<Share> {
    let effects: Vec<(Subset, Vec<f64>)> = Subset::all(values.factors)
        .filter(|subset| !subset.contains(factor))
        .filter_map(|subset| Some((subset, values.difference(subset.with(factor), subset)?)))
        .collect();
    let all = Subset::full(values.factors);
    Some(Share {
        factor: change.factor.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
        share: values.weighted_sum(&effects, |subset| orders.share_of_change(subset, factor))?,
        main_effect: values.weighted_sum(&effects, |_| 1.0 / effects.len() as f64)?,
        first: values.sampled_difference(Subset::EMPTY.with(factor), Subset::EMPTY),
        last: values.sampled_difference(all, all.without(factor)),
    })
}

/// The interactions of all pairs of factors that have one, largest first.
fn interactions(values: &CellValues<'_>, changes: &[FactorChange]) -> Option<Vec<Interaction>> {
    let mut interactions = Vec::new();
    for first in 0..values.factors {
        for second in first + 1..values.factors {
            let differences = second_differences(values, first, second);
            if differences.is_empty() {
                continue;
            }
            let count = differences.len() as f64;
            let means = (0..values.seeds).map(|seed| {
                differences.iter().map(|difference| difference[seed]).sum::<f64>() / count
            });
            interactions.push(Interaction {
                factors: [changes[first].factor.clone(), changes[second].factor.clone()],
                effect: Sample::new(means.collect())?,
            });
        }
    }
    interactions.sort_by(|a, b| size(b).total_cmp(&size(a)));
    Some(interactions)
}

/// What two changes do together more than each alone, by seed, for each combination of the others
/// with which all four cells exist.
fn second_differences(values: &CellValues<'_>, first: usize, second: usize) -> Vec<Vec<f64>> {
    Subset::all(values.factors)
        .filter(|subset| !subset.contains(first) && !subset.contains(second))
        .filter_map(|subset| {
            let after_first = subset.with(first);
            let together = values.difference(after_first.with(second), after_first)?;
            let alone = values.difference(subset.with(second), subset)?;
            Some(together.iter().zip(&alone).map(|(together, alone)| together - alone).collect())
        })
        .collect()
}

fn size(interaction: &Interaction) -> f64 {
    interaction.effect.estimate().mean.abs()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    fn factors(count: usize) -> Vec<FactorChange> {
        let change = |number: usize| FactorChange {
            factor: format!("f{number}"),
            from: "a".to_owned(),
            to: "b".to_owned(),
        };
        (0..count).map(change).collect()
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
