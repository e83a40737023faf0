//! Training logs, told apart by their content.

mod history;
mod printed;
mod table;
mod tensorboard;

use std::path::Path;

use thaw_spec::TrainingLog;

use crate::tensorboard::is_event_file;
use crate::{ExchangeError, NamedLog};

/// Reads every training in a file, or in a folder of TensorBoard's.
///
/// A file is understood as Keras' `history` in JSON, as CSV with a heading (Keras' `CSVLogger`,
/// `thaw export`), as TensorBoard's event file, or as text that Keras printed. Metrics may have any
/// usual name, such as `val_acc`, `validation_accuracy` or `Accuracy/val`.
///
/// # Errors
/// When it cannot be read or holds no training.
pub fn read_logs(path: &Path) -> Result<Vec<NamedLog>, ExchangeError> {
    let malformed = |reason: String| ExchangeError::malformed(path, reason);
    let is_folder = std::fs::metadata(path).map_err(ExchangeError::unreadable(path))?.is_dir();
    if is_folder {
        return tensorboard::read_folder(path);
    }
    let bytes = std::fs::read(path).map_err(ExchangeError::unreadable(path))?;
    if is_event_file(&bytes) {
        return tensorboard::read_file(path, &bytes);
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        malformed("is neither text nor one of TensorBoard's event files".to_owned())
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let logs = match text.trim_start().chars().next() {
        Some('{' | '[') => history::read(text),
        _ if table::is_table(text) => table::read(text),
        _ => printed::read(text),
    };
    logs.map_err(malformed)
}

/// Number of runs that an error names when the file has no run of the name asked for.
const NAMED: usize = 4;

/// Reads one training out of a file that may hold several.
///
/// # Errors
/// When the file cannot be read, or there is no such training in it.
pub fn read_log(path: &Path, run: &str) -> Result<TrainingLog, ExchangeError> {
    let mut logs = read_logs(path)?;
    match logs.iter().position(|log| log.name == run) {
        Some(place) => Ok(logs.swap_remove(place).log),
        None => {
            let names: Vec<String> =
                logs.iter().take(NAMED).map(|log| format!("`{}`", log.name)).collect();
            let more = if logs.len() > NAMED {
                format!(" and {} more", logs.len() - NAMED)
            } else {
                String::new()
            };
            Err(ExchangeError::malformed(
                path,
                format!("there is no run `{run}`, only {}{more}", names.join(", ")),
            ))
        }
    }
}
