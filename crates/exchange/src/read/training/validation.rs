//! Which epochs a validation is of, and which metrics are of validation.

use std::collections::BTreeSet;

use thaw_spec::Split;

use super::Training;
use super::resolve::Told;
use crate::log::number_ranges;
use crate::name::{Name, Quantity, name};

impl Training {
    /// Whether an accuracy whose name states no split is that of validation: two losses state theirs,
    /// and no accuracy does.
    pub(super) fn has_unstated_validation(&self) -> bool {
        let stated = |accuracy: bool| {
            let names = self.columns.iter().filter_map(move |column| {
                let Name { quantity: Quantity::Metric(metric), split, .. } = name(column)? else {
                    return None;
                };
                (split.is_some() && metric.is_accuracy() == accuracy && self.count(column) > 0)
                    .then_some(metric.split())
            });
            names.collect::<Vec<_>>()
        };
        let losses = stated(false);
        losses.contains(&Split::Train)
            && losses.contains(&Split::Validation)
            && stated(true).is_empty()
    }

    /// Drops validation metrics that a bar goes on to show at epochs without validation.
    pub(super) fn drop_unchanged_validation(&mut self, curves: &mut [Told]) {
        let is_validation = |told: &Told| told.metric.split() == Split::Validation;
        let numbers: Vec<i64> = self.epochs.keys().copied().collect();
        let unchanged: BTreeSet<i64> = numbers
            .windows(2)
            .filter(|pair| {
                let of_validation = curves.iter().filter(|told| is_validation(told));
                let mut values = of_validation
                    .map(|told| (told.values.get(&pair[0]), told.values.get(&pair[1])));
                values.clone().next().is_some()
                    && values.all(|(before, after)| before.is_some() && before == after)
            })
            .map(|pair| pair[1])
            .collect();
        if unchanged.is_empty() {
            return;
        }
        for told in curves.iter_mut().filter(|told| is_validation(told)) {
            told.values.retain(|number, _| !unchanged.contains(number));
        }
        let first = numbers.first().copied().unwrap_or(1).min(1);
        let counted: Vec<usize> = unchanged
            .iter()
            .filter_map(|number| usize::try_from(number - first + 1).ok())
            .collect();
        self.remarks.push(format!(
            "at the epochs {} the bar shows the validation of an epoch before: passed over",
            number_ranges(&counted)
        ));
    }

    /// Whether a validation metric stands at every epoch but the first.
    pub(super) fn begins_one_late(&self, told: &Told) -> bool {
        told.metric.split() == Split::Validation
            && self.epochs.len() > 1
            && self.epochs.keys().skip(1).eq(told.values.keys())
    }
}
