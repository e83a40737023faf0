//! Sets of changed factors, and the orders in which the factors can be changed.

/// A set of changed factors, which are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subset(usize);

impl Subset {
    /// No factor.
    pub(super) const EMPTY: Self = Self(0);

    /// Every factor of this many.
    pub(super) fn full(factors: usize) -> Self {
        Self((1 << factors) - 1)
    }

    /// All sets of this many factors, each after the sets that it contains.
    pub(super) fn all(factors: usize) -> impl DoubleEndedIterator<Item = Self> {
        (0..1 << factors).map(Self)
    }

    /// The position among [`Subset::all`].
    pub(super) fn index(self) -> usize {
        self.0
    }

    pub(super) fn contains(self, factor: usize) -> bool {
        self.0 >> factor & 1 == 1
    }

    pub(super) fn with(self, factor: usize) -> Self {
        Self(self.0 | 1 << factor)
    }

    pub(super) fn without(self, factor: usize) -> Self {
        Self(self.0 & !(1 << factor))
    }
}

/// The orders of changes, counted by the sets of changed factors that they pass through.
pub(super) struct Orders {
    factors: usize,
    /// Number of ways from no change to each set.
    to: Vec<u64>,
    /// Number of ways from each set to all changes.
    from: Vec<u64>,
}

impl Orders {
    /// Counts the orders through the sets whose cells exist, given by [`Subset::index`].
    pub(super) fn through(exists: &[bool]) -> Self {
        let factors = exists.len().trailing_zeros() as usize;
        let existing = || Subset::all(factors).filter(|subset| exists[subset.index()]);
        let mut to = vec![0; exists.len()];
        for subset in existing() {
            to[subset.index()] = if subset == Subset::EMPTY {
                1
            } else {
                (0..factors)
                    .filter(|&factor| subset.contains(factor))
                    .map(|factor| to[subset.without(factor).index()])
                    .sum()
            };
        }
        let mut from = vec![0; exists.len()];
        for subset in existing().rev() {
            from[subset.index()] = if subset == Subset::full(factors) {
                1
            } else {
                (0..factors)
                    .filter(|&factor| !subset.contains(factor))
                    .map(|factor| from[subset.with(factor).index()])
                    .sum()
            };
        }
        Self { factors, to, from }
    }

    /// Number of orders.
    pub(super) fn count(&self) -> u64 {
        self.from[Subset::EMPTY.index()]
    }

    /// Number of all orders of the factors, whether their cells exist or not.
    pub(super) fn count_of_all(&self) -> u64 {
        (1..=self.factors as u64).product()
    }

    /// Whether an order passes through a set.
    pub(super) fn pass_through(&self, subset: Subset) -> bool {
        self.to[subset.index()] > 0 && self.from[subset.index()] > 0
    }

    /// The share of the orders in which `factor` is changed right after the factors of `subset`.
    pub(super) fn share_of_change(&self, subset: Subset, factor: usize) -> f64 {
        (self.to[subset.index()] * self.from[subset.with(factor).index()]) as f64
            / self.count() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_cell_between_there_is_no_order() {
        assert_eq!(Orders::through(&[true, false, false, true]).count(), 0);
    }

    #[test]
    fn orders_are_counted_by_the_sets_they_pass_through() {
        // Of three factors, the second cannot be changed first.
        let mut exists = [true; 8];
        exists[Subset::EMPTY.with(1).index()] = false;
        let orders = Orders::through(&exists);
        assert_eq!((orders.count(), orders.count_of_all()), (4, 6));
        assert!(!orders.pass_through(Subset::EMPTY.with(1)));
        assert_eq!(orders.share_of_change(Subset::EMPTY, 0), 0.5);
        assert_eq!(orders.share_of_change(Subset::full(3).without(0), 0), 0.25);
    }

    #[test]
    fn an_order_passes_through_what_can_be_reached_and_left() {
        assert_eq!(Subset::full(3).with(1), Subset::full(3));
        // By bits, the first factor lowest: the third alone leads nowhere, and the last two together
        // come from nowhere.
        for existing in [[0, 1, 3, 4, 7], [0, 1, 3, 6, 7]] {
            let exists: Vec<bool> = (0..8).map(|set| existing.contains(&set)).collect();
            let orders = Orders::through(&exists);
            let passed: Vec<usize> = Subset::all(3)
                .filter(|subset| orders.pass_through(*subset))
                .map(Subset::index)
                .collect();
            assert_eq!(passed, [0, 1, 3, 7]);
        }
    }
}
