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

    /// The procedures that share every level that two procedures share.
    pub(crate) fn around(&self, one: &ProcedureRuns, other: &ProcedureRuns) -> Vec<&ProcedureRuns> {
        let shares = |procedure: &&ProcedureRuns| {
            let ends = one.levels.iter().zip(&other.levels);
            ends.zip(&procedure.levels).all(|((one, other), level)| one != other || one == level)
        };
        self.procedures.iter().filter(shares).collect()
    }
}

/// In how many pairs of some procedures two levels of a factor are all that differs, and the runs are
/// equal to the last bit: nothing when there is no such pair, or one that is not equal.
pub(crate) fn equal_pairs(
    procedures: &[&ProcedureRuns],
    factor: usize,
    one: &str,
    other: &str,
) -> Option<usize> {
    let mut count = 0;
    for first in procedures.iter().filter(|first| first.levels[factor].1 == one) {
        let second = procedures
            .iter()
            .find(|second| second.levels[factor].1 == other && first.differs_in_one_factor(second));
        let Some(second) = second else { continue };
        if first.paired_with(second).is_empty() {
            continue;
        }
        if !first.equals(second) {
            return None;
        }
        count += 1;
    }
    (count > 0).then_some(count)
}
