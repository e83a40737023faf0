//! One model of a training behind all formats: numbered epochs with values by name. A reader tells
//! what its file tells, in the order of the file; what becomes of repeated numbers, of values of
//! batches and of lone evaluations is decided here. Identity comes from numbers and names, never
//! from position, and what is not taken is named.

mod phases;
mod resolve;
mod scale;
mod validation;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use csv::StringRecord;
use thaw_spec::Split;

pub(super) use self::phases::number;
pub(super) use self::resolve::resolve_all;
use super::line::Pair;
use crate::name::{is_split, metric};

/// A training that is being told.
#[derive(Debug, Default)]
pub(in crate::read) struct Training {
    pub(in crate::read) name: String,
    total: Option<u64>,
    current: Option<i64>,
    epochs: BTreeMap<i64, Epoch>,
    /// Names in the order in which they came.
    columns: Vec<String>,
    known: HashSet<String>,
    /// Columns with a percent sign.
    in_percent: BTreeSet<String>,
    /// What an epoch had that is told again.
    before: Option<(i64, Epoch)>,
    /// Epochs that are mentioned again, with less than they had.
    mentioned: BTreeSet<i64>,
    refusal: Option<String>,
    /// Epochs behind which lines are evaluations, by their names.
    evaluated: BTreeMap<String, BTreeSet<i64>>,
    /// Whether bars tell it, which may show the validation of the epoch before.
    pub(in crate::read) shows_bars: bool,
    /// Whether no epoch has a number, so that rows or lines are counted.
    pub(in crate::read) counts_rows: bool,
    repeated: BTreeSet<i64>,
    /// Epochs at which a column holds what is no number.
    no_numbers: BTreeMap<String, BTreeSet<i64>>,
    pub(in crate::read) remarks: Vec<String>,
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
pub(in crate::read) enum Again {
    /// Takes its place: the line was drawn again.
    Replaces,
    /// Stands beside it.
    Adds,
}

impl Training {
    pub(in crate::read) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Whether an epoch of this number, of so many if that is known, begins another training:
    /// the first number comes again or a lower one, or the total is another.
    pub(in crate::read) fn ends_before(&self, number: i64, total: Option<u64>) -> bool {
        let Some(current) = self.current else { return false };
        let another_total = self.total.is_some() && total.is_some() && self.total != total;
        let first = self.epochs.keys().next();
        another_total || (number < current && first.is_some_and(|first| number <= *first))
    }

    /// Begins an epoch, or goes on with it. One that is begun again after another, and told with all
    /// that it had, was run again: its later values count.
    pub(in crate::read) fn enter(&mut self, number: i64, total: Option<u64>) {
        if number < 0 {
            self.current = None;
            let remark = "an epoch below 0 was evaluated before the first: passed over".to_owned();
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
            return;
        }
        if number.unsigned_abs() > LARGEST {
            self.current = None;
            let remark = "an epoch has a number that none can have: passed over".to_owned();
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
            return;
        }
        self.total = self.total.or(total);
        if self.current != Some(number) {
            self.settle();
            self.before = self.epochs.remove(&number).map(|epoch| (number, epoch));
        }
        self.current = Some(number);
        self.epochs.entry(number).or_default();
    }

    /// Decides between what an epoch had and what was told of it again.
    fn settle(&mut self) {
        let Some((number, before)) = self.before.take() else { return };
        let Some(after) = self.epochs.get_mut(&number) else { return };
        let is_metric = |column: &&String| metric(column).is_some();
        let mut had = before.values.keys().filter(is_metric);
        if had.clone().all(|column| !after.values.contains_key(column)) {
            // The other half of it, or nothing.
            after.values.extend(before.values);
            after.seconds = after.seconds.or(before.seconds);
        } else if had.all(|column| after.values.contains_key(column)) {
            self.repeated.insert(number);
        } else {
            *after = before;
            self.mentioned.insert(number);
        }
    }

    /// Ends the current epoch: what follows belongs to none.
    pub(in crate::read) fn leave(&mut self) {
        self.settle();
        self.current = None;
    }

    /// Makes the training unreadable, for a reason.
    pub(in crate::read) fn refuse(&mut self, reason: &str) {
        self.refusal = Some(reason.to_owned());
    }

    /// Says that a line with these columns, behind those of the current epoch, was an evaluation.
    pub(in crate::read) fn evaluates<'a>(&mut self, columns: impl Iterator<Item = &'a String>) {
        self.evaluated.entry(quoted(columns)).or_default().extend(self.current);
    }

    /// Says that a column's values are percentages.
    pub(in crate::read) fn is_in_percent(&mut self, column: &str) {
        if !self.in_percent.contains(column) {
            self.in_percent.insert(column.to_owned());
        }
    }

    /// Drops the current epoch's validation metrics where they are those that stood beside its batches:
    /// they are of the epoch before, and its own were never told. At the end of a log some may have
    /// been drawn anew already.
    pub(in crate::read) fn drop_stale(&mut self, stale: &BTreeMap<String, f64>, is_end: bool) {
        let Some(number) = self.current else { return };
        let Some(epoch) = self.epochs.get_mut(&number) else { return };
        let stands = |(column, value): (&String, &f64)| {
            epoch.values.get(column).is_some_and(|values| values[..] == [*value])
        };
        let kept: BTreeSet<&String> =
            stale.iter().filter(|pair| stands(*pair)).map(|(column, _)| column).collect();
        if kept.is_empty() || !is_end && kept.len() < stale.len() {
            return;
        }
        // What stood with them is half of a line.
        epoch.values.retain(|column, _| !stale.contains_key(column));
        self.remarks.push(format!(
            "the validation of epoch {number} is not told: what stands there is of the epoch before"
        ));
    }

    /// Tells a value of the epoch that was entered last.
    pub(in crate::read) fn put(&mut self, column: &str, value: f64, again: Again) {
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

    /// Tells what a line says of the epoch that was entered last.
    pub(in crate::read) fn tell(&mut self, pairs: &[Pair], again: Again) {
        for Pair { column, value, is_percent, .. } in pairs {
            self.put(column, *value, again);
            if *is_percent {
                self.is_in_percent(column);
            }
        }
    }

    /// Names a column, whether or not it has a value.
    pub(in crate::read) fn column(&mut self, column: &str) {
        if !self.known.contains(column) {
            self.known.insert(column.to_owned());
            self.columns.push(column.to_owned());
        }
    }

    pub(in crate::read) fn put_seconds(&mut self, seconds: f64) {
        if let Some(epoch) = self.current.and_then(|current| self.epochs.get_mut(&current)) {
            epoch.seconds = Some(seconds);
        }
    }

    pub(in crate::read) fn has_epochs(&self) -> bool {
        !self.epochs.is_empty()
    }

    /// Number of the epoch that was entered last.
    pub(in crate::read) fn current(&self) -> Option<i64> {
        self.current
    }

    /// Whether the current epoch has a value of this name.
    pub(in crate::read) fn has(&self, column: &str) -> bool {
        self.values_of_current().is_some_and(|values| values.contains_key(column))
    }

    /// Number of epochs that have a value of a column.
    fn count(&self, column: &str) -> usize {
        self.epochs.values().filter(|epoch| epoch.values.contains_key(column)).count()
    }

    /// Whether the current epoch has a validation metric.
    pub(in crate::read) fn is_validated(&self) -> bool {
        self.values_of_current()
            .is_some_and(|values| values.keys().any(|column| is_of_validation(column)))
    }

    fn values_of_current(&self) -> Option<&BTreeMap<String, Vec<f64>>> {
        self.current.and_then(|current| self.epochs.get(&current)).map(|epoch| &epoch.values)
    }
}

pub(in crate::read) fn is_of_validation(column: &str) -> bool {
    metric(column).is_some_and(|metric| metric.split() == Split::Validation)
}

/// What a counter such as `Epoch` or `trainer/global_step` counts, whoever keeps it.
fn counted(column: &str) -> String {
    let column = column.trim_matches(['#', ' ', '"']);
    let owned = column
        .rsplit_once('/')
        .filter(|(owner, _)| is_split(owner) || ["trainer", "global"].contains(owner));
    owned.map_or(column, |(_, name)| name).to_lowercase()
}

/// Whether a name is that of the epoch's number.
pub(in crate::read) fn is_epoch(column: &str) -> bool {
    let name = counted(column).replace(['-', ' '], "_");
    [
        "epoch",
        "epochs",
        "epoch_number",
        "epoch_num",
        "epoch_no",
        "epoch_index",
        "epoch_idx",
        "epoche",
    ]
    .contains(&name.as_str())
}

/// The column of the epoch's number: `epoch` before `train/epoch`, whose cells may be empty where
/// validation stands.
pub(in crate::read) fn epoch_column(names: &StringRecord) -> Option<usize> {
    let is_its_own = |name: &str| is_epoch(name) && !name.contains('/');
    names.iter().position(is_its_own).or_else(|| names.iter().position(is_epoch))
}

/// Whether a name is that of a batch's number.
pub(in crate::read) fn is_step(column: &str) -> bool {
    ["step", "steps", "iter", "iteration", "iterations", "global_step", "batch"]
        .contains(&counted(column).trim_start_matches('_'))
}

/// Whether the numbers of steps count the rows that they stand in, from 0 or from 1.
pub(in crate::read) fn count_rows(steps: &[f64]) -> bool {
    let count_from =
        |first: f64| steps.iter().zip(0u32..).all(|(step, row)| *step == first + f64::from(row));
    count_from(0.0) || count_from(1.0)
}

/// The whole number of an epoch. Where no epoch is whole, as where the batches are accumulated over
/// steps that do not divide them, what lies within 0.02 of a whole number is that epoch.
pub(in crate::read) fn whole_epoch(number: f64, has_whole: bool) -> Option<i64> {
    let near = !has_whole && (number - number.round()).abs() <= 0.02 && number > 0.5;
    (number.fract() == 0.0 || near).then(|| number.round() as i64)
}

/// Names in the manner of messages: `` `loss`, `acc` ``.
pub(in crate::read) fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a column's values say which images a row is about.
pub(in crate::read) fn names_split(column: &str) -> bool {
    let name = column.trim().to_lowercase();
    ["split", "phase", "mode", "set", "subset", "dataset", "data", "stage", "partition"]
        .contains(&name.as_str())
}
