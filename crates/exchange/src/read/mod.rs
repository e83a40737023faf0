//! Training logs, told apart by their content.

mod comma;
mod duration;
mod layout;
mod line;
mod notebook;
mod printed;
mod records;
mod survey;
mod table;
mod tensorboard;
mod training;
mod transcript;

use std::path::Path;

use regex::Regex;
use thaw_spec::{FileKind, TrainingLog};

use self::table::Sheets;
use self::training::{Training, resolve_all};
use crate::tensorboard::is_event_file;
use crate::{ExchangeError, NamedLog};

/// What a file or folder of logs holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadLogs {
    /// The trainings that were understood, at least one.
    pub trainings: Vec<NamedLog>,
    /// The others by name, each with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// Reads every training in a file, or in a folder of TensorBoard's.
///
/// A file is understood as JSON (Keras' `history`, pandas' and Hugging Face's shapes, an object for each
/// line), as what Python prints of a dictionary, as a table with a heading (Keras' `CSVLogger`,
/// Lightning, fastai, `thaw export`), as a notebook, as TensorBoard's event file, or as text that a
/// program printed while it trained. Metrics may have any usual name, such as `val_acc`,
/// `validation_accuracy` or `Accuracy/val`.
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
/// let logs = read_logs(&path)?.trainings;
/// assert_eq!(logs.len(), 1);
/// assert_eq!(logs[0].log.curve(Metric::ValidationAccuracy), [0.80, 0.83]);
/// assert!(logs[0].log.curve(Metric::ValidationLoss).is_empty());
/// assert_eq!(logs[0].passed_over, ["lr"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_logs(path: &Path) -> Result<ReadLogs, ExchangeError> {
    let is_folder = std::fs::metadata(path).map_err(ExchangeError::unreadable(path))?.is_dir();
    if is_folder {
        return resolved(path, tensorboard::read_folder(path)?);
    }
    read_log_bytes(path, &std::fs::read(path).map_err(ExchangeError::unreadable(path))?)
}

/// Reads every training in a file in memory as [`read_logs`] does; `path` is only used in messages.
///
/// # Errors
/// As [`read_logs`].
pub fn read_log_bytes(path: &Path, bytes: &[u8]) -> Result<ReadLogs, ExchangeError> {
    if is_event_file(bytes) {
        return resolved(path, tensorboard::read_file(path, bytes)?);
    }
    let found = text_of(bytes).map_or_else(|| Err(UNKNOWN.to_owned()), |text| of_text(&text));
    let trainings = found.map_err(|reason| {
        let reason = FileKind::of(bytes)
            .map_or(reason, |kind| format!("is {kind}, not a training log; {}", remedy(kind)));
        ExchangeError::malformed(path, reason)
    })?;
    resolved(path, trainings)
}

/// The logs that trainings resolve to, at least one.
fn resolved(path: &Path, trainings: Vec<Training>) -> Result<ReadLogs, ExchangeError> {
    let logs = resolve_all(trainings);
    if !logs.trainings.is_empty() {
        return Ok(logs);
    }
    let reason = match logs.unreadable.first() {
        Some((name, reason)) if name.is_empty() => reason.clone(),
        Some((name, reason)) => format!("run `{name}`: {reason}"),
        None => UNKNOWN.to_owned(),
    };
    Err(ExchangeError::malformed(path, reason))
}

const UNKNOWN: &str = "is no training log: expected Keras' history as JSON, CSV with a heading such as `epoch,loss,val_acc`, TensorBoard's events, \
                       a notebook, or what a program prints while it trains";

/// What to do about a file that is no log.
fn remedy(kind: FileKind) -> &'static str {
    match kind {
        FileKind::GitLfsPointer => "fetch the file itself with `git lfs pull`",
        FileKind::Gzip | FileKind::Zip => "unpack it first",
        FileKind::Pickle => {
            "it is not opened, since that would run what is in it; load it in Python and write it with `json.dump`"
        }
        FileKind::Numpy => "load it in Python and write it with `json.dump`",
        FileKind::Database => "take the run out of it as CSV or JSON",
        FileKind::Parquet => "write it as CSV",
        FileKind::Hdf5 | FileKind::Safetensors | FileKind::Onnx | FileKind::Gguf => {
            "`thaw audit` reads weights; a log is what was printed or recorded during the training"
        }
        _ => "give the log itself: history as JSON, CSV, TensorBoard's events, or what was printed",
    }
}

/// A file's text, whichever of Unicode's encodings it has; of others, what is ASCII in it.
fn text_of(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        Some(String::from_utf16_lossy(&units))
    };
    match bytes {
        [0xFF, 0xFE, text @ ..] => wide(text, u16::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => wide(text, u16::from_be_bytes),
        // Without a mark, two signs of ASCII tell.
        [1..0x80, 0, 1..0x80, 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, 1..0x80, 0, 1..0x80, ..] => wide(bytes, u16::from_be_bytes),
        _ if bytes.contains(&0) => None,
        _ => Some(String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_owned()),
    }
}

/// The trainings that a text tells, in whatever dress.
fn of_text(text: &str) -> Result<Vec<Training>, String> {
    let text = anstream::adapter::strip_str(text).to_string();
    let start = text.trim_start();
    let reason = if start.starts_with(['{', '[']) || start.starts_with("defaultdict(") {
        if start.contains("\"nbformat\"")
            && let Ok(value) = serde_json::from_str(start)
            && notebook::is_notebook(&value)
        {
            let trainings = notebook::trainings(&value);
            return if trainings.is_empty() {
                Err("is a notebook in whose outputs no training is told".to_owned())
            } else {
                Ok(trainings)
            };
        }
        match records::trainings(start) {
            Ok(trainings) => return Ok(trainings),
            // Lines may begin with a time or a level in brackets, or be dictionaries between others.
            Err(reason) if is_json(start) => Some(reason),
            Err(_) => None,
        }
    } else if let Some(sheets) = Sheets::of(&text) {
        match sheets.trainings("") {
            Ok(trainings) => return Ok(trainings),
            Err(reason) => Some(reason),
        }
    } else {
        download(start).map(str::to_owned)
    };
    let may_lack_headings = reason.is_none() && FileKind::of(text.as_bytes()).is_none();
    let mut printed = printed::trainings(&text, "", may_lack_headings);
    if let Some(last) = printed.last_mut() {
        if let Some(reason) = reason {
            last.remarks.push(format!("what stands before it is not understood: {reason}"));
        } else if Sheets::stand_in(&text) {
            last.remarks.push(
                "a table stands there too: passed over; give it in a file of its own".to_owned(),
            );
        }
        return Ok(printed);
    }
    if reason.is_none()
        && let Some(sheets) = Sheets::within(&text)
    {
        return sheets.trainings("");
    }
    Err(reason.unwrap_or_else(|| UNKNOWN.to_owned()))
}

/// Whether a text that begins with a bracket is meant for JSON, or for a dictionary of Python.
fn is_json(text: &str) -> bool {
    let inner = text.trim_start_matches(['{', '[', ' ', '\n', '\r', '\t']);
    let number =
        inner.trim_start_matches(|sign: char| sign.is_ascii_digit() || "+-.eE".contains(sign));
    inner.is_empty()
        || inner.starts_with(['"', '\'', '}', ']'])
        || number.len() < inner.len()
            && number.trim_start().starts_with([',', ']'])
            && !number.contains('\n')
        || text.starts_with("defaultdict(")
}

/// What pages for experiments hand out for single metrics, which say nothing of epochs.
fn download(text: &str) -> Option<&'static str> {
    let heading = text.lines().next()?.replace('"', "");
    if heading.trim() == "Wall time,Step,Value" {
        return Some(
            "is one tag as TensorBoard's page hands it out, which names no metric; give the folder with its event files",
        );
    }
    heading.contains("__MIN").then_some(
        "is a panel as Weights & Biases hands it out, of a single metric; export the run's history with its `epoch`",
    )
}

/// A regular expression of a reader.
#[expect(clippy::expect_used, reason = "constants; the tests compile every one of them")]
fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a regular expression")
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
    Ok(read_logs(path)?.take(path, run)?.log)
}

impl ReadLogs {
    /// The training of a name.
    ///
    /// # Errors
    /// When there is none in the file at `path`, or it was not understood.
    pub fn take(mut self, path: &Path, run: &str) -> Result<NamedLog, ExchangeError> {
        if let Some(place) = self.trainings.iter().position(|log| log.name == run) {
            return Ok(self.trainings.swap_remove(place));
        }
        if let Some((_, reason)) = self.unreadable.iter().find(|(name, _)| name == run) {
            return Err(ExchangeError::malformed(path, reason.clone()));
        }
        let names: Vec<String> =
            self.trainings.iter().take(NAMED).map(|log| format!("`{}`", log.name)).collect();
        let more = if self.trainings.len() > NAMED {
            format!(" and {} more", self.trainings.len() - NAMED)
        } else {
            String::new()
        };
        Err(ExchangeError::malformed(
            path,
            format!("there is no run `{run}`, only {}{more}", names.join(", ")),
        ))
    }
}
