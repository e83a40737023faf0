//! What a training that was told becomes: one curve for each metric, and a sentence for all that is
//! not taken as it stands.

use std::collections::{BTreeMap, BTreeSet};

use thaw_spec::{Metric, Split, TrainingLog};

use super::{Training, quoted};
use crate::NamedLog;
use crate::log::number_ranges;
use crate::name::{Name, Quantity, is_duration, is_plural, name};

/// Trainings by their names; those that hold nothing are told apart from the logs.
pub(in crate::read) fn resolve_all(trainings: Vec<Training>) -> crate::ReadLogs {
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

impl Training {
    /// The log that was told, with what is passed over.
    pub(super) fn resolve(mut self) -> Result<NamedLog, String> {
        self.settle();
        if let Some(reason) = self.refusal {
            return Err(reason);
        }
        let mut curves = Vec::new();
        let mut passed_over = Vec::new();
        let (seconds, timed_by) = self.seconds();
        let moves = self.has_unstated_validation();
        for column in std::mem::take(&mut self.columns) {
            match name(&column) {
                Some(Name { quantity: Quantity::Metric(metric), is_error, split }) => {
                    let metric = if moves && split.is_none() && metric.is_accuracy() {
                        // Nobody who says `train_loss` and `valid_loss` says `accuracy` for that of training.
                        let metric = Metric::ValidationAccuracy;
                        self.remarks.push(format!("`{column}` is taken for the {metric}, since other columns name training"));
                        metric
                    } else {
                        metric
                    };
                    match self.single_values(&column) {
                        Some(values) => curves.push(Told { metric, column, values, is_error }),
                        None => passed_over.push(column),
                    }
                }
                Some(Name { quantity: Quantity::Seconds, .. }) if timed_by.contains(&column) => {}
                _ => passed_over.push(column),
            }
        }
        if self.counts_rows && self.is_told_in_turn(&curves) {
            return Err("training and validation stand in different rows, and no row names its epoch; add a column `epoch`".to_owned());
        }
        if self.shows_bars {
            curves.retain(|told| {
                let is_of_before = self.begins_one_late(told);
                if is_of_before {
                    self.remarks.push(format!("`{}` begins an epoch late, so the bar may show that of the epoch before: passed over", told.column));
                }
                !is_of_before
            });
            self.drop_unchanged_validation(&mut curves);
        }
        self.scale(&mut curves);
        let mut by_metric: BTreeMap<Metric, Vec<Column>> = BTreeMap::new();
        for Told { metric, column, values, .. } in curves {
            by_metric.entry(metric).or_default().push((column, values));
        }
        let mut chosen = BTreeMap::new();
        for (metric, columns) in by_metric {
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

    /// Whether no epoch has both a metric of training and one of validation, though the training has.
    fn is_told_in_turn(&self, curves: &[Told]) -> bool {
        let epochs = |is_train: bool| -> BTreeSet<i64> {
            let of_split =
                curves.iter().filter(|told| (told.metric.split() == Split::Train) == is_train);
            of_split.flat_map(|told| told.values.keys().copied()).collect()
        };
        let (train, others) = (epochs(true), epochs(false));
        !train.is_empty() && !others.is_empty() && train.is_disjoint(&others)
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

    /// Durations of epochs, with the columns that tell them: one that is about no split, or those of
    /// training and of the other splits together. Without any of training, those that have no name. A lone
    /// value is that of an evaluation.
    fn seconds(&mut self) -> (BTreeMap<i64, f64>, Vec<String>) {
        let lone = usize::from(self.epochs.len() > 1);
        let is_told = |column: &&String| is_duration(column) && self.count(column) > lone;
        let split = |column: &String| name(column).and_then(|name| name.split);
        let mut named: Vec<String> = self.columns.iter().filter(is_told).cloned().collect();
        named.sort_by_key(split);
        let unnamed = self.epochs.iter().map(|(number, epoch)| (*number, epoch.seconds));
        let unnamed: BTreeMap<i64, f64> =
            unnamed.filter_map(|(number, seconds)| Some((number, seconds?))).collect();
        let mut parts: BTreeMap<Option<Split>, Column> = BTreeMap::new();
        for column in named {
            let split = split(&column);
            if parts.contains_key(&None) || parts.contains_key(&split) {
                continue;
            }
            let values = self.durations(&column);
            if !values.is_empty() {
                parts.insert(split, (column, values));
            }
        }
        if let Some((column, seconds)) = parts.remove(&None) {
            return (seconds, vec![column]);
        }
        let Some((column, mut seconds)) = parts.remove(&Some(Split::Train)) else {
            return (unnamed, Vec::new());
        };
        let mut columns = vec![column];
        for (column, values) in parts.into_values() {
            for (number, seconds) in &mut seconds {
                *seconds += values.get(number).copied().unwrap_or(0.0);
            }
            columns.push(column);
        }
        let sum = if columns.len() > 1 { "the sum of" } else { "that of" };
        self.remarks.push(format!("an epoch's duration is {sum} {}", quoted(columns.iter())));
        (seconds, columns)
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
        // Beside `loss`, `losses` are those of batches.
        if !columns.iter().all(|(column, _)| is_plural(column)) {
            let by_batch = columns.extract_if(.., |(column, _)| is_plural(column));
            passed_over.extend(by_batch.map(|(column, _)| column));
        }
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
        curves.retain(|metric, (column, values)| {
            let may_be = most < 2 || most == 2 && metric.split() != Split::Test;
            let is_curve = values.len() > 1 || may_be;
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
        let is_no_number = |column: &String| {
            self.no_numbers.get(column).is_some_and(|epochs| epochs.contains(&last))
        };
        let lacks = |(column, values): &Column| {
            !before.is_empty()
                && !values.contains_key(&last)
                && !is_no_number(column)
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
        let all = |numbers: &BTreeSet<i64>| numbers.iter().copied().collect();
        for (numbers, what) in [
            (all(&self.repeated), "stand there again: the later values are taken"),
            (all(&self.mentioned), "are mentioned again with fewer values: the earlier are taken"),
            (bare, "have no metrics"),
        ] {
            let numbers = counted(numbers);
            if !numbers.is_empty() {
                self.remarks.push(format!("epochs {} {what}", number_ranges(&numbers)));
            }
        }
        let numbers: Vec<i64> = self.epochs.keys().map(|number| number - first + 1).collect();
        let missing: Vec<String> = numbers
            .windows(2)
            .filter(|pair| pair[1] > pair[0] + 1)
            .map(|pair| match (pair[0] + 1, pair[1] - 1) {
                (start, end) if start == end => start.to_string(),
                (start, end) => format!("{start}–{end}"),
            })
            .collect();
        if let (Some(total), Some(last)) =
            (self.total.and_then(|total| i64::try_from(total).ok()), numbers.last())
            && *last < total
            && self.epochs.len() > 1
        {
            self.remarks.push(format!("it ends at epoch {last} of {total}"));
        }
        if !missing.is_empty() {
            self.remarks.push(format!("epochs {} are not in the log", missing.join(", ")));
        }
        for (names, numbers) in std::mem::take(&mut self.evaluated) {
            let numbers = number_ranges(&counted(numbers.into_iter().collect()));
            self.remarks.push(format!(
                "lines with {names} behind those of the epochs {numbers} are evaluations: passed over"
            ));
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
            self.remarks
                .push(format!("it begins with epoch {start}, if its numbers count from {first}"));
        }
    }
}

/// A column that means a metric.
pub(super) struct Told {
    pub(super) metric: Metric,
    pub(super) column: String,
    pub(super) values: BTreeMap<i64, f64>,
    /// Whether it is the share of wrong answers.
    pub(super) is_error: bool,
}

/// Values by the number of the epoch, with the column's name.
type Column = (String, BTreeMap<i64, f64>);
