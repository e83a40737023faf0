//! Procedures and levels that are equal to the last bit.

use crate::results::{ProcedureRuns, Results};

impl ProcedureRuns {
    /// Whether this procedure and another share a seed, and all curves of every seed that they share
    /// are equal to the last bit.
    pub fn equals(&self, other: &Self) -> bool {
        let pairs = self.paired_with(other);
        !pairs.is_empty() && pairs.iter().all(|(one, another)| one.equals(another))
    }

    /// Whether the levels of exactly one factor differ.
    pub(crate) fn differs_in_one_factor(&self, other: &Self) -> bool {
        self.levels.iter().zip(&other.levels).filter(|(one, another)| one != another).count() == 1
    }
}

impl Results {
    /// For each procedure the place of the first one that is equal to it, which may be its own.
    pub(crate) fn classes(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = Vec::new();
        for (place, procedure) in self.procedures.iter().enumerate() {
            let equal = (0..place).find(|&before| {
                classes[before] == before && self.procedures[before].equals(procedure)
            });
            classes.push(equal.unwrap_or(place));
        }
        classes
    }

    /// The procedures around a gap.
    pub(crate) fn around<'a>(
        &'a self,
        from: &'a ProcedureRuns,
        to: &'a ProcedureRuns,
    ) -> Around<'a> {
        let shares = |procedure: &&ProcedureRuns| {
            let ends = from.levels.iter().zip(&to.levels);
            ends.zip(&procedure.levels).all(|((from, to), level)| from != to || from == level)
        };
        Around { from, to, procedures: self.procedures.iter().filter(shares).collect() }
    }
}

/// The procedures that share every level that the two ends of a gap share.
pub(crate) struct Around<'a> {
    pub(crate) from: &'a ProcedureRuns,
    pub(crate) to: &'a ProcedureRuns,
    procedures: Vec<&'a ProcedureRuns>,
}

impl<'a> Around<'a> {
    pub(crate) fn procedures(&self) -> impl Iterator<Item = &'a ProcedureRuns> {
        self.procedures.iter().copied()
    }

    /// In how many pairs of procedures two levels of a factor are all that differs, and the runs are
    /// equal to the last bit. In all other factors a pair has levels of the two ends. Nothing when
    /// there is no such pair, or one that is not equal, or that has not run.
    pub(crate) fn equal_pairs(&self, factor: usize, one: &str, other: &str) -> Option<usize> {
        let is_between = |procedure: &&ProcedureRuns| {
            let levels = procedure.levels.iter().enumerate();
            levels.filter(|(place, _)| *place != factor).all(|(place, level)| {
                [self.from, self.to].iter().any(|end| end.levels[place] == *level)
            })
        };
        let between = || self.procedures().filter(is_between);
        let mut count = 0;
        for first in between().filter(|first| first.levels[factor].1 == one) {
            let second = between().find(|second| {
                second.levels[factor].1 == other && first.differs_in_one_factor(second)
            });
            let Some(second) = second else { continue };
            if !first.equals(second) {
                return None;
            }
            count += 1;
        }
        (count > 0).then_some(count)
    }
}
