//! One training by name, put together from columns of numbers.

use std::collections::BTreeMap;

use thaw_spec::{Metric, TrainingLog};

use crate::name::{Quantity, quantity};

/// A training log with the name that it has in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedLog {
    /// Name of the run in the file; empty where the file holds a single run without a name.
    pub name: String,
    /// Metrics of the run.
    pub log: TrainingLog,
}

/// A training from columns with the names that people give them. Columns that are no metric are
/// passed over.
pub(crate) fn assemble(
    run: &str,
    columns: impl IntoIterator<Item = (String, Vec<f64>)>,
) -> Result<NamedLog, String> {
    let mut curves: BTreeMap<Metric, (String, Vec<f64>)> = BTreeMap::new();
    let mut seconds = Vec::new();
    for (name, values) in columns {
        match quantity(&name) {
            Some(Quantity::Metric(metric)) => {
                if let Some((other, _)) = curves.insert(metric, (name.clone(), values)) {
                    return Err(format!(
                        "`{other}` and `{name}` both look like {metric}; keep one of them"
                    ));
                }
            }
            Some(Quantity::Seconds) => seconds = values,
            None => {}
        }
    }
    let curves = curves.into_iter().map(|(metric, (_, values))| (metric, values)).collect();
    let log = TrainingLog::new(curves, seconds).map_err(|error| {
        if run.is_empty() { error.to_string() } else { format!("run `{run}`: {error}") }
    })?;
    Ok(NamedLog { name: run.to_owned(), log })
}
