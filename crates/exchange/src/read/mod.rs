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
///
/// # Example
/// ```
/// use thaw_exchange::read_logs;
/// use thaw_spec::Metric;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("history.json");
/// std::fs::write(&path, r#"{"acc": [0.71, 0.78], "val_acc": [0.80, 0.83], "lr": [1e-5, 1e-5]}"#)?;
/// let logs = read_logs(&path)?;
/// assert_eq!(logs.len(), 1);
/// assert_eq!(logs[0].log.curve(Metric::ValidationAccuracy), [0.80, 0.83]);
/// assert!(logs[0].log.curve(Metric::ValidationLoss).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// # Example
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("runs.csv");
/// std::fs::write(&path, "run,epoch,val_acc\nfrozen,1,0.80\nthawed,1,0.91\nthawed,2,0.95\n")?;
/// let log = thaw_exchange::read_log(&path, "thawed")?;
/// assert_eq!(log.curve(thaw_spec::Metric::ValidationAccuracy), [0.91, 0.95]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
