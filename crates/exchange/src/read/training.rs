//! One model of a training behind all formats: numbered epochs with values by name. A reader tells
//! what its file tells, in the order of the file; what becomes of repeated numbers, of values of
//! batches and of lone evaluations is decided here. Identity comes from numbers and names, never
//! from position, and what is not taken is named.

use std::collections::{BTreeMap, BTreeSet};

use thaw_spec::{Metric, Split, TrainingLog};

use crate::NamedLog;
use crate::log::number_ranges;
use crate::name::{Name, Quantity, metric, name};

/// A training that is being told.
#[derive(Debug, Default)]
pub(super) struct Training {
    pub(super) name: String,
    total: Option<u64>,
    current: Option<i64>,
    epochs: BTreeMap<i64, Epoch>,
    /// Names in the order in which they came.
    columns: Vec<String>,
    repeated: BTreeSet<i64>,
    /// Epochs at which a column holds what is no number.
    no_numbers: BTreeMap<String, BTreeSet<i64>>,
    pub(super) remarks: Vec<String>,
}

/// The largest number of an epoch; a time in seconds since 1970 is larger.
const LARGEST: u64 = 1_000_000_000;

/// Values by name, each as often as it was told.
#[derive(Debug, Default)]
struct Epoch {
    values: BTreeMap<String, Vec<f64>>,
    seconds: Option<f64>,
}

/// What a value does to one of the same name and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Takes its place: the line was drawn again.
    Replaces,
    /// Stands beside it.
    Adds,
}

impl Training {
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Whether an epoch of this number, of so many if that is known, begins another training:
    /// the first number comes again, or the total is another.
    pub(super) fn ends_before(&self, number: i64, total: Option<u64>) -> bool {
        let Some(current) = self.current else { return false };
        let another_total = self.total.is_some() && total.is_some() && self.total != total;
        let first = self.epochs.keys().next();
        another_total || (number < current && first == Some(&number))
    }

    /// Begins an epoch, or goes on with it. One that is begun again after another was run again: what it
    /// had is forgotten.
    pub(super) fn enter(&mut self, number: i64, total: Option<u64>) {
        if number.unsigned_abs() > LARGEST {
            self.current = None;
            let remark = "an epoch has a number that none can have: passed over".to_owned();
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
            return;
        }
        self.total = self.total.or(total);
        if self.current != Some(number) && self.epochs.contains_key(&number) {
            self.repeated.insert(number);
            self.epochs.remove(&number);
        }
        self.current = Some(number);
        self.epochs.entry(number).or_default();
    }

    /// Tells a value of the epoch that was entered last.
    pub(super) fn put(&mut self, column: &str, value: f64, again: Again) {
        self.column(column);
        if !value.is_finite() {
            let numbers = self.no_numbers.entry(column.to_owned()).or_default();
            numbers.extend(self.current);
            return;
        }
        let Some(epoch) = self.current.and_then(|current| self.epochs.get_mut(&current)) else {
            return;
        };
        let values = epoch.values.entry(column.to_owned()).or_default();
        if again == Again::Replaces {
            values.clear();
        }
        values.push(value);
    }

    /// Names a column, whether or not it has a value.
    pub(super) fn column(&mut self, column: &str) {
        if !self.columns.iter().any(|known| known == column) {
            self.columns.push(column.to_owned());
        }
    }

    pub(super) fn put_seconds(&mut self, seconds: f64) {
        if let Some(epoch) = self.current.and_then(|current| self.epochs.get_mut(&current)) {
            epoch.seconds = Some(seconds);
        }
    }

    pub(super) fn has_epochs(&self) -> bool {
        !self.epochs.is_empty()
    }

    /// Number of the epoch that was entered last.
    pub(super) fn current(&self) -> Option<i64> {
        self.current
    }

    /// Whether the current epoch has a value of this name.
    pub(super) fn has(&self, column: &str) -> bool {
        self.values_of_current().is_some_and(|values| values.contains_key(column))
    }

    /// Whether the current epoch has a validation metric.
    pub(super) fn is_validated(&self) -> bool {
        self.values_of_current()
            .is_some_and(|values| values.keys().any(|column| is_of_validation(column)))
    }

    fn values_of_current(&self) -> Option<&BTreeMap<String, Vec<f64>>> {
        self.current.and_then(|current| self.epochs.get(&current)).map(|epoch| &epoch.values)
    }

    /// The log that was told, with what is passed over.
    pub(super) fn resolve(mut self) -> Result<NamedLog, String> {
        let mut curves = BTreeMap::new();
        let mut seconds = BTreeMap::new();
        let mut passed_over = Vec::new();
        let of_validation = self.unstated_validation();
        for column in std::mem::take(&mut self.columns) {
            match name(&column) {
                Some(Name { quantity: Quantity::Metric(metric), is_error, states_split }) => {
                    let metric = if !states_split && of_validation.contains(&metric) {
                        // Nobody who says `train_loss` says `accuracy` for that of training.
                        let metric = Metric::of(Split::Validation, metric.is_accuracy());
                        self.remarks.push(format!("`{column}` is taken for the {metric}, since other columns name training"));
                        metric
                    } else {
                        metric
                    };
                    let Some(mut values) = self.single_values(&column) else {
                        passed_over.push(column);
                        continue;
                    };
                    if is_error {
                        let whole =
                            if values.values().any(|error| *error > 1.0) { 100.0 } else { 1.0 };
                        values.values_mut().for_each(|error| *error = whole - *error);
                    }
                    curves.entry(metric).or_insert_with(Vec::new).push((column, values));
                }
                Some(Name { quantity: Quantity::Seconds, .. }) => {
                    seconds = self.durations(&column);
                    if seconds.is_empty() {
                        passed_over.push(column);
                    }
                }
                None => passed_over.push(column),
            }
        }
        for (number, epoch) in &self.epochs {
            seconds.extend(epoch.seconds.map(|seconds| (*number, seconds)));
        }
        let mut chosen = BTreeMap::new();
        for (metric, columns) in curves {
            if let Some((column, values)) = self.one_of(metric, columns, &mut passed_over)? {
                chosen.insert(metric, (column, values));
            }
        }
        self.drop_lone(&mut chosen);
        let first = self.first_number(&mut chosen);
        self.drop_broken_off(&mut chosen, first);
        self.name_gaps(&chosen, first);
        let curves = chosen.into_iter().map(|(metric, (_, values))| {
            let values = values.into_iter().filter_map(|(number, value)| {
                Some((usize::try_from(number - first + 1).ok()?, value))
            });
            (metric, values.collect())
        });
        let log = TrainingLog::by_epoch(curves.collect(), seconds.into_values().collect())
            .map_err(|error| {
                let passed_over = if passed_over.is_empty() {
                    String::new()
                } else {
                    format!(", only `{}`", passed_over.join("`, `"))
                };
                let remarks = self.remarks.iter().map(|remark| format!("; {remark}"));
                format!("{error}{passed_over}{}", remarks.collect::<String>())
            })?;
        Ok(NamedLog { name: self.name, log, passed_over, remarks: self.remarks })
    }

    /// Where a column with several epochs names training itself: the metrics that are of validation
    /// if their names do not say so, since no other column names those.
    fn unstated_validation(&self) -> Vec<Metric> {
        let metrics: Vec<(Metric, bool, usize)> = self
            .columns
            .iter()
            .filter_map(|column| {
                let Name { quantity: Quantity::Metric(metric), states_split, .. } = name(column)?
                else {
                    return None;
                };
                Some((metric, states_split, self.count(column)))
            })
            .collect();
        let most = metrics.iter().map(|(_, _, count)| *count).max().unwrap_or(0);
        let names_training = metrics.iter().any(|(metric, states_split, count)| {
            *states_split && metric.split() == Split::Train && *count * 2 > most
        });
        let lacks = |accuracy: &bool| {
            let validation = Metric::of(Split::Validation, *accuracy);
            metrics.iter().all(|(metric, ..)| *metric != validation)
        };
        let unstated =
            [true, false].into_iter().filter(|accuracy| names_training && lacks(accuracy));
        unstated.map(|accuracy| Metric::of(Split::Train, accuracy)).collect()
    }

    /// Number of epochs that have a value of a column.
    fn count(&self, column: &str) -> usize {
        self.epochs.values().filter(|epoch| epoch.values.contains_key(column)).count()
    }

    /// A column's values, where each epoch has one. Several in each are of batches; several in the
    /// last alone begin with its own.
    fn single_values(&mut self, column: &str) -> Option<BTreeMap<i64, f64>> {
        let all: Vec<(i64, &Vec<f64>)> = self
            .epochs
            .iter()
            .filter_map(|(number, epoch)| Some((*number, epoch.values.get(column)?)))
            .collect();
        let last = all.last()?.0;
        let is_several = |values: &Vec<f64>| values.len() > 1;
        let first_values = all.iter().map(|(number, values)| (*number, values[0])).collect();
        if all
            .iter()
            .any(|(number, values)| is_several(values) && (*number != last || all.len() == 1))
        {
            self.remarks.push(format!(
                "`{column}` has several values in an epoch, so they are of batches: passed over"
            ));
            return None;
        }
        if all.iter().any(|(_, values)| is_several(values)) {
            self.remarks.push(format!(
                "`{column}` stands once more after the last epoch: the first is taken"
            ));
        }
        Some(first_values)
    }

    /// Durations of epochs in a column that may count from the start.
    fn durations(&mut self, column: &str) -> BTreeMap<i64, f64> {
        let values = self.single_values(column).unwrap_or_default();
        let in_order: Vec<f64> = values.values().copied().collect();
        let (Some(first), Some(last)) = (in_order.first(), in_order.last()) else { return values };
        let only_grows = in_order.len() > 2 && in_order.windows(2).all(|pair| pair[0] < pair[1]);
        if !only_grows {
            return values;
        }
        // After n epochs of one length the clock shows n times what it showed after the first.
        if *last >= first * (in_order.len() as f64 + 1.0) / 2.0 {
            self.remarks
                .push(format!("`{column}` counts from the start: its differences are taken"));
            let numbers: Vec<i64> = values.keys().copied().collect();
            numbers[1..]
                .iter()
                .copied()
                .zip(in_order.windows(2).map(|pair| pair[1] - pair[0]))
                .collect()
        } else if column.to_lowercase().contains("epoch") || !column.to_lowercase().contains("time")
        {
            values
        } else {
            self.remarks
                .push(format!("`{column}` only grows, so it may count from the start: not used"));
            BTreeMap::new()
        }
    }

    /// The one column of several with the same meaning: those with equal values are one, and a lone
    /// value beside a curve is an evaluation.
    fn one_of(
        &mut self,
        metric: Metric,
        mut columns: Vec<Column>,
        passed_over: &mut Vec<String>,
    ) -> Result<Option<Column>, String> {
        let most = columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        columns.retain(|(column, values)| {
            let is_curve = values.len() > 1 || most == 1;
            if !is_curve {
                self.remarks.push(format!(
                    "`{column}` stands there once, beside a curve of the {metric}: passed over"
                ));
            }
            is_curve
        });
        let mut chosen = columns.into_iter();
        let Some(first) = chosen.next() else { return Ok(None) };
        for (column, values) in chosen {
            let differs = values.iter().any(|(number, value)| {
                first.1.get(number).is_some_and(|other| other.to_bits() != value.to_bits())
            });
            if differs || values.len() > first.1.len() {
                return Err(format!(
                    "`{}` and `{column}` both look like {metric}; keep one of them",
                    first.0
                ));
            }
            passed_over.push(column);
        }
        Ok(Some(first))
    }

    /// A metric with a single value in a training of several epochs is an evaluation after it.
    fn drop_lone(&mut self, curves: &mut BTreeMap<Metric, Column>) {
        let most = curves.values().map(|(_, values)| values.len()).max().unwrap_or(0);
        curves.retain(|_, (column, values)| {
            let is_curve = values.len() > 1 || most < 3;
            if !is_curve {
                let number = values.keys().next().copied().unwrap_or_default();
                self.remarks
                    .push(format!("`{column}` stands there once, at epoch {number}: passed over"));
            }
            is_curve
        });
    }

    /// The number that the first epoch has where a training is told from its start: 0 or 1. What was
    /// evaluated before the first epoch is none.
    fn first_number(&mut self, curves: &mut BTreeMap<Metric, Column>) -> i64 {
        let starts_at_zero = |split: Option<Split>| {
            curves.iter().any(|(metric, (_, values))| {
                split.is_none_or(|split| metric.split() == split) && values.contains_key(&0)
            })
        };
        let trains = curves.keys().any(|metric| metric.split() == Split::Train);
        if !starts_at_zero(None) && !self.epochs.contains_key(&0) {
            return 1;
        }
        if trains && starts_at_zero(None) && !starts_at_zero(Some(Split::Train)) {
            self.remarks.push(
                "epoch 0 has no training, so it was evaluated before the first: passed over"
                    .to_owned(),
            );
            curves.values_mut().for_each(|(_, values)| {
                values.remove(&0);
            });
            self.epochs.remove(&0);
            return 1;
        }
        0
    }

    /// Leaves out a last epoch that lacks what every other epoch has: there the log broke off.
    fn drop_broken_off(&mut self, curves: &mut BTreeMap<Metric, Column>, first: i64) {
        let Some(last) =
            curves.values().filter_map(|(_, values)| values.keys().last()).max().copied()
        else {
            return;
        };
        let before: BTreeSet<i64> = curves
            .values()
            .flat_map(|(_, values)| values.keys().copied())
            .filter(|number| *number < last)
            .collect();
        let lacks = |(_, values): &Column| {
            !before.is_empty()
                && !values.contains_key(&last)
                && before.iter().all(|number| values.contains_key(number))
        };
        if let Some((column, _)) = curves.values().find(|column| lacks(column)) {
            self.remarks.push(format!(
                "epoch {} broke off before `{column}`: passed over",
                last - first + 1
            ));
            curves.values_mut().for_each(|(_, values)| {
                values.remove(&last);
            });
            self.epochs.remove(&last);
        }
    }

    /// Names the epochs that were run again, that have no metric, and that are missing.
    fn name_gaps(&mut self, curves: &BTreeMap<Metric, Column>, first: i64) {
        let counted = |numbers: Vec<i64>| -> Vec<usize> {
            numbers
                .into_iter()
                .filter_map(|number| usize::try_from(number - first + 1).ok())
                .collect()
        };
        let has_metric =
            |number: &i64| curves.values().any(|(_, values)| values.contains_key(number));
        let bare: Vec<i64> =
            self.epochs.keys().copied().filter(|number| !has_metric(number)).collect();
        let known = self.epochs.keys().copied();
        let missing = match (self.epochs.keys().next(), self.epochs.keys().last()) {
            (Some(start), Some(end)) if end - start < 100_000 => {
                let known: BTreeSet<i64> = known.collect();
                (*start..=*end).filter(|number| !known.contains(number)).collect()
            }
            _ => Vec::new(),
        };
        let repeated: Vec<i64> = self.repeated.iter().copied().collect();
        for (numbers, what) in [
            (repeated, "stand there again: the later values are taken"),
            (bare, "have no metrics"),
            (missing, "are not in the log"),
        ] {
            let numbers = counted(numbers);
            if !numbers.is_empty() {
                self.remarks.push(format!("epochs {} {what}", number_ranges(&numbers)));
            }
        }
        for (column, numbers) in std::mem::take(&mut self.no_numbers) {
            if name(&column).is_some() {
                let numbers = number_ranges(&counted(numbers.into_iter().collect()));
                self.remarks.push(format!("`{column}` is no number at the epochs {numbers}"));
            }
        }
        if let Some(start) = curves
            .values()
            .filter_map(|(_, values)| values.keys().next())
            .min()
            .filter(|start| **start > first)
        {
            self.remarks.push(format!("it begins with epoch {start}, counted from {first}"));
        }
    }
}

/// Values by the number of the epoch, with the column's name.
type Column = (String, BTreeMap<i64, f64>);

pub(super) fn is_of_validation(column: &str) -> bool {
    metric(column).is_some_and(|metric| metric.split() == Split::Validation)
}

/// Trainings by their names; those that hold nothing are told apart from the logs.
pub(super) fn resolve_all(trainings: Vec<Training>) -> crate::ReadLogs {
    let mut logs = crate::ReadLogs::default();
    for training in trainings {
        let name = training.name.clone();
        match training.resolve() {
            Ok(log) => logs.trainings.push(log),
            Err(reason) => logs.unreadable.push((name, reason)),
        }
    }
    logs
}

/// Numbers the trainings of one place, where there are several.
pub(super) fn number(trainings: &mut [Training], place: &str) {
    let several = trainings.len() > 1;
    for (number, training) in (1..).zip(trainings) {
        training.name = match (place, several) {
            (place, false) => place.to_owned(),
            ("", true) => number.to_string(),
            (place, true) => format!("{place}, {number}"),
        };
    }
}
