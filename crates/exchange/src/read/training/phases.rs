//! Several trainings that one place tells, and one that is told in two passes.

use std::collections::BTreeSet;

use thaw_spec::Metric;

use super::{Again, Epoch, Training};
use crate::name::metric;

/// The trainings of one place: what was told of one in two passes is put together, phases are told
/// apart, and several are numbered.
pub(in crate::read) fn number(trainings: Vec<Training>, place: &str) -> Vec<Training> {
    let mut whole: Vec<Training> = Vec::new();
    for training in trainings {
        match whole.last_mut() {
            Some(last) if last.is_completed_by(&training) => last.complete(training),
            _ => whole.push(training),
        }
    }
    let mut trainings: Vec<Training> = whole.into_iter().flat_map(Training::phases).collect();
    let several = trainings.len() > 1;
    for (number, training) in (1..).zip(&mut trainings) {
        training.name = match (place, several) {
            (place, false) => place.to_owned(),
            ("", true) => number.to_string(),
            (place, true) => format!("{place}, {number}"),
        };
    }
    trainings
}

impl Training {
    fn metrics(&self) -> BTreeSet<Metric> {
        let told = self.columns.iter().filter(|column| self.count(column) > 0);
        told.filter_map(|column| metric(column)).collect()
    }

    /// Whether another tells other metrics of the same epochs.
    fn is_completed_by(&self, other: &Self) -> bool {
        self.epochs.len() > 1
            && self.epochs.keys().eq(other.epochs.keys())
            && self.metrics().is_disjoint(&other.metrics())
    }

    fn complete(&mut self, other: Self) {
        self.settle();
        other.columns.iter().for_each(|column| self.column(column));
        for (number, epoch) in other.epochs {
            self.epochs.entry(number).or_default().values.extend(epoch.values);
        }
        self.in_percent.extend(other.in_percent);
        self.remarks.extend(other.remarks);
        self.remarks.push("its metrics stand there in two passes over the epochs".to_owned());
    }

    /// Phases of which the first have one epoch: every metric stands in the first epoch as often as
    /// there are phases, and once in every other.
    fn phases(mut self) -> Vec<Self> {
        self.settle();
        let mut epochs = self.epochs.iter();
        let (Some((first, of_first)), Some((second, of_second))) = (epochs.next(), epochs.next())
        else {
            return vec![self];
        };
        if *second != first + 1 {
            return vec![self];
        }
        let is_metric = |(column, _): &(&String, &Vec<f64>)| metric(column).is_some();
        let counts: BTreeSet<usize> =
            of_first.values.iter().filter(is_metric).map(|(_, values)| values.len()).collect();
        let columns = |epoch: &Epoch| -> BTreeSet<String> {
            epoch.values.iter().filter(is_metric).map(|(column, _)| column.clone()).collect()
        };
        let is_once = |epoch: &Epoch| {
            epoch.values.iter().filter(is_metric).all(|(_, values)| values.len() == 1)
        };
        let others_are_once = self.epochs.values().skip(1).all(is_once);
        let phases = counts.first().copied().unwrap_or(1);
        if counts.len() != 1
            || phases < 2
            || !others_are_once
            || columns(of_first) != columns(of_second)
        {
            return vec![self];
        }
        let first = *first;
        let mut earlier = Vec::new();
        for phase in 0..phases - 1 {
            let mut training = Self::default();
            training.enter(first, None);
            for (column, values) in self.epochs[&first].values.iter().filter(is_metric) {
                training.put(column, values[phase], Again::Adds);
            }
            training.in_percent.clone_from(&self.in_percent);
            training
                .remarks
                .push("it has a single epoch, and another training begins behind it".to_owned());
            earlier.push(training);
        }
        if let Some(epoch) = self.epochs.get_mut(&first) {
            for values in epoch.values.values_mut().filter(|values| values.len() == phases) {
                values.drain(..phases - 1);
            }
        }
        earlier.push(self);
        earlier
    }
}
