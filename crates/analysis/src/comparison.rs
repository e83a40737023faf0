//! Two runs of one cell, compared to the last bit.

use polars::prelude::{AnyValue, DataFrame, PolarsError};
use thaw_spec::{CellId, Outcome};

use crate::schema::{KEYS, TIMES};
use crate::sink::{DRIFT, EPOCHS, PREDICTIONS};
use crate::store::key;
use crate::{AnalysisError, ResultsFolder};

/// What two runs of a cell have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Number of values that were compared.
    pub values: usize,
    /// Number of those that differ.
    pub different: usize,
    /// What differs, of each file the first place.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    /// Compares two files; columns of times and memory are left out.
    fn frames(
        &mut self,
        file: &str,
        one: Option<&DataFrame>,
        other: Option<&DataFrame>,
    ) -> Result<(), PolarsError> {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => return Ok(()),
            (first, _) => {
                let place = if first.is_some() { "first" } else { "second" };
                self.differences.push(format!("{file}: only the {place} run has it"));
                return Ok(());
            }
        };
        let names = |frame: &DataFrame| -> Vec<String> {
            frame.get_column_names().iter().map(|name| name.to_string()).collect()
        };
        if names(one) != names(other) || one.height() != other.height() {
            self.differences.push(format!(
                "{file}: {} rows of {} columns, and {} rows of {} columns",
                one.height(),
                one.width(),
                other.height(),
                other.width()
            ));
            return Ok(());
        }
        let mut first = None;
        for name in names(one).iter().filter(|name| !TIMES.contains(&name.as_str())) {
            let (column, another) = (one.column(name)?, other.column(name)?);
            for row in 0..one.height() {
                let (value, against) = (column.get(row)?, another.get(row)?);
                self.values += 1;
                if !is_same(&value, &against) {
                    self.different += 1;
                    if first.is_none() {
                        let place = place(one, row)?;
                        first = Some(format!("{file}: {name}{place}: {value} and {against}"));
                    }
                }
            }
        }
        self.differences.extend(first);
        Ok(())
    }

    /// Compares how two runs ended, the hashes of their files left out: these hold times too.
    fn outcomes(&mut self, one: Option<&Outcome>, other: Option<&Outcome>) {
        let said = |outcome: Option<&Outcome>| {
            outcome.map(|outcome| Outcome { records: Default::default(), ..outcome.clone() })
        };
        self.values += one.map_or(0, |outcome| outcome.audit.len());
        if said(one) != said(other) {
            self.different += 1;
            let words = |outcome: Option<&Outcome>| {
                outcome.map_or_else(
                    || "not ended".to_owned(),
                    |outcome| {
                        let moved = outcome.audit.iter().filter(|tensor| tensor.moved).count();
                        format!(
                            "{} with {} epochs, {moved} of {} tensors moved",
                            outcome.status,
                            outcome.epochs,
                            outcome.audit.len()
                        )
                    },
                )
            };
            self.differences.push(format!("outcome.json: {}; and {}", words(one), words(other)));
        }
    }
}

/// Compares what two folders hold of a cell, to the last bit: losses, accuracies, drift, audit and what
/// is said of each image. Times and memory differ always and are left out.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn compare_records(
    one: &ResultsFolder,
    other: &ResultsFolder,
    id: &CellId,
) -> Result<Comparison, AnalysisError> {
    let mut comparison = Comparison::default();
    comparison.outcomes(one.outcome(id)?.as_ref(), other.outcome(id)?.as_ref());
    for file in [EPOCHS, DRIFT, PREDICTIONS] {
        let frames = (one.frame(id, file)?, other.frame(id, file)?);
        comparison
            .frames(file, frames.0.as_ref(), frames.1.as_ref())
            .map_err(AnalysisError::parquet(&one.store.place(&key(id, file)), "compare"))?;
    }
    Ok(comparison)
}

/// Whether two values have the same bits.
fn is_same(one: &AnyValue<'_>, other: &AnyValue<'_>) -> bool {
    match (one, other) {
        (AnyValue::Float64(one), AnyValue::Float64(other)) => one.to_bits() == other.to_bits(),
        (AnyValue::Float32(one), AnyValue::Float32(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

/// Where a row is, in words: by the columns that name its epoch, split, tensor or image.
fn place(frame: &DataFrame, row: usize) -> Result<String, PolarsError> {
    let mut words = String::new();
    for name in KEYS {
        if let Ok(column) = frame.column(name) {
            let value = column.get(row)?;
            words.push_str(&format!(", {name} {}", value.to_string().trim_matches('"')));
        }
    }
    Ok(words)
}
