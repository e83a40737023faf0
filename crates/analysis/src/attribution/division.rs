//! The arithmetic of a division: shares, main effects and interactions as weighted sums of the cells
//! between two procedures.

use super::subset::{Orders, Subset};

/// Weights of the cells, by [`Subset::index`], whose sum is a share, an effect or an interaction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contrast(pub(super) Vec<f64>);

impl Contrast {
    /// A sum of differences `to − from`, each with a weight.
    fn of(cells: usize, differences: impl IntoIterator<Item = (Subset, Subset, f64)>) -> Self {
        let mut weights = vec![0.0; cells];
        for (to, from, weight) in differences {
            weights[to.index()] += weight;
            weights[from.index()] -= weight;
        }
        Self(weights)
    }
}

/// What is asked of one factor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effects {
    pub(super) share: Contrast,
    pub(super) main_effect: Contrast,
    /// Number of combinations of the other factors that the main effect is a mean over.
    pub(super) combinations: usize,
    pub(super) first: Option<Contrast>,
    pub(super) last: Option<Contrast>,
}

/// What is asked of two factors.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SecondDifference {
    pub(super) factors: [usize; 2],
    pub(super) contrast: Contrast,
    /// Number of combinations of the other factors that it is a mean over.
    pub(super) combinations: usize,
}

/// The effects of each factor, where `exists` says by [`Subset::index`] which cells there are.
pub(super) fn effects(exists: &[bool], orders: &Orders, factors: usize) -> Vec<Effects> {
    let there = |subset: Subset| exists[subset.index()];
    let all = Subset::full(factors);
    let change = |from: Subset, factor: usize| {
        let to = from.with(factor);
        (there(from) && there(to)).then(|| Contrast::of(exists.len(), [(to, from, 1.0)]))
    };
    (0..factors)
        .map(|factor| {
            let changes: Vec<(Subset, Subset)> = Subset::all(factors)
                .filter(|subset| !subset.contains(factor))
                .map(|subset| (subset.with(factor), subset))
                .filter(|(to, from)| there(*to) && there(*from))
                .collect();
            let in_orders =
                changes.iter().map(|&(to, from)| (to, from, orders.share_of_change(from, factor)));
            let each = 1.0 / changes.len() as f64;
            Effects {
                share: Contrast::of(exists.len(), in_orders),
                main_effect: Contrast::of(
                    exists.len(),
                    changes.iter().map(|&(to, from)| (to, from, each)),
                ),
                combinations: changes.len(),
                first: change(Subset::EMPTY, factor),
                last: change(all.without(factor), factor),
            }
        })
        .collect()
}

/// What two changes do together more than each alone, on average over the combinations of the others
/// with which all four cells exist; for each pair of factors that has such a combination.
pub(super) fn second_differences(exists: &[bool], factors: usize) -> Vec<SecondDifference> {
    let pairs =
        (0..factors).flat_map(|first| (first + 1..factors).map(move |second| [first, second]));
    pairs
        .filter_map(|[first, second]| {
            let combinations: Vec<Subset> = Subset::all(factors)
                .filter(|subset| !subset.contains(first) && !subset.contains(second))
                .filter(|subset| {
                    [
                        *subset,
                        subset.with(first),
                        subset.with(second),
                        subset.with(first).with(second),
                    ]
                    .iter()
                    .all(|subset| exists[subset.index()])
                })
                .collect();
            let each = 1.0 / combinations.len() as f64;
            let differences = combinations.iter().flat_map(|subset| {
                let after_first = subset.with(first);
                [
                    (after_first.with(second), after_first, each),
                    (subset.with(second), *subset, -each),
                ]
            });
            (!combinations.is_empty()).then(|| SecondDifference {
                factors: [first, second],
                contrast: Contrast::of(exists.len(), differences),
                combinations: combinations.len(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(contrast: &Contrast, values: &[f64]) -> f64 {
        contrast.0.iter().zip(values).map(|(weight, value)| weight * value).sum()
    }

    fn divided(exists: &[bool], factors: usize) -> Vec<Effects> {
        effects(exists, &Orders::through(exists), factors)
    }

    #[test]
    fn shares_are_shapleys_values_and_add_up() {
        // The glove game: one left glove (0), two right ones (1, 2), a pair is worth 1.
        // Shapley's values are 2/3, 1/6, 1/6.
        let worth: Vec<f64> = (0..8usize)
            .map(|subset| f64::from(u8::from(subset & 1 == 1 && subset & 6 != 0)))
            .collect();
        let gloves = divided(&[true; 8], 3);
        for (glove, expected) in gloves.iter().zip([2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0]) {
            assert!((sum(&glove.share, &worth) - expected).abs() < 1e-12);
        }
        // Of four combinations of the others, the left glove makes a pair in three, a right one in
        // the one where it is the only right one.
        for (glove, expected) in gloves.iter().zip([0.75, 0.25, 0.25]) {
            assert_eq!((sum(&glove.main_effect, &worth), glove.combinations), (expected, 4));
        }
        let alone = |contrast: &Option<Contrast>| contrast.as_ref().map(|it| sum(it, &worth));
        assert_eq!((alone(&gloves[0].first), alone(&gloves[0].last)), (Some(0.0), Some(1.0)));
        // The two right gloves stand in for each other: together they do less than each alone,
        // where there is a left one.
        let rights = |exists: &[bool]| {
            let all = second_differences(exists, 3);
            let both = all.into_iter().find(|pair| pair.factors == [1, 2]).expect("both");
            (sum(&both.contrast, &worth), both.combinations)
        };
        assert_eq!(rights(&[true; 8]), (-0.5, 2));
        // Without the cell of the right gloves alone, what is left is the combination with the left
        // glove.
        let mut exists = [true; 8];
        exists[6] = false;
        assert_eq!(rights(&exists), (-1.0, 1));
    }

    #[test]
    fn orders_through_cells_that_cannot_exist_do_not_count() {
        // As in the book: cached (no augmentation possible) to end to end with augmentation. The
        // regime must change first.
        let changes = divided(&[true, true, false, true], 2);
        let values = [0.90, 0.91, f64::INFINITY, 0.96];
        let finite = |contrast: &Contrast| {
            assert_eq!(contrast.0[2], 0.0, "a cell that does not exist has no weight");
            sum(&Contrast(contrast.0.clone()), &values.map(|value: f64| value.min(1.0)))
        };
        assert!((finite(&changes[0].share) - 0.01).abs() < 1e-12);
        assert!((finite(&changes[1].share) - 0.05).abs() < 1e-12);
        assert!(changes[1].first.is_none());
        assert!(second_differences(&[true, true, false, true], 2).is_empty());
        assert_eq!(changes[0].main_effect, changes[0].share, "each factor has one pair of cells");
    }

    #[test]
    fn cells_off_every_order_count_for_all_but_the_shares() {
        // By bits, the first factor lowest: the third alone leads nowhere.
        let existing = |sets: &[usize]| (0..8).map(|set| sets.contains(&set)).collect::<Vec<_>>();
        let (on, with) = (existing(&[0, 1, 3, 7]), existing(&[0, 1, 3, 4, 7]));
        let values = [0.5, 0.5, 0.0, 0.625, 0.25, 0.0, 0.0, 0.875];
        let [before, after] = [on, with].map(|exists| divided(&exists, 3));
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.share, after.share);
        }
        let third = |effects: &[Effects]| {
            let first = effects[2].first.as_ref().map(|first| sum(first, &values));
            (effects[2].combinations, sum(&effects[2].main_effect, &values), first)
        };
        assert_eq!(third(&before), (1, 0.25, None));
        assert_eq!(third(&after), (2, 0.0, Some(-0.25)));
    }

    #[test]
    fn the_shares_of_eight_factors_add_up_to_the_gap() {
        let mut total = vec![0.0; 256];
        for change in divided(&[true; 256], 8) {
            total.iter_mut().zip(&change.share.0).for_each(|(sum, weight)| *sum += weight);
        }
        assert!((total[255] - 1.0).abs() < 1e-12 && (total[0] + 1.0).abs() < 1e-12);
        assert!(total[1..255].iter().all(|weight| weight.abs() < 1e-12));
    }
}
