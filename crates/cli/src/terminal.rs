//! What the program says: results on standard output, everything else on standard error.
//!
//! Names and messages come from files, file names and servers. Here they are made harmless, so that
//! nobody else has to: each text is one line, and what would command a terminal stands there as an
//! escape.

use std::io::{self, ErrorKind, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use clap::ValueEnum;
use serde_json::{Value, json};
use thaw_spec::{visible, visible_json};

use crate::error::CliError;

/// The form of what is said on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Sentences and bars, for people
    #[default]
    Text,
    /// A JSON object per line, for machines
    Json,
}

static LOG_FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Chooses the log format, once, before anything is said.
pub(crate) fn set_log_format(format: LogFormat) {
    LOG_FORMAT.get_or_init(|| format);
}

/// The log format; text unless another was chosen.
pub(crate) fn log_format() -> LogFormat {
    LOG_FORMAT.get().copied().unwrap_or_default()
}

/// Why standard output could not be written, the first time.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

fn failure() -> MutexGuard<'static, Option<io::Error>> {
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers why standard output could not be written; the first reason counts.
pub(crate) fn remember(written: io::Result<()>) {
    if let Err(error) = written {
        failure().get_or_insert(error);
    }
}

/// Whether all that was said so far could be written. What loops until something happens elsewhere ends
/// where nobody hears of it.
pub(crate) fn is_heard() -> bool {
    failure().is_none()
}

/// Flushes standard output, and tells why not all of it could be written. A reader who left early, as
/// `head` does, is no error.
pub(crate) fn finish_output() -> Result<(), CliError> {
    if is_heard() {
        remember(io::stdout().flush());
    }
    match failure().take() {
        Some(source) if source.kind() != ErrorKind::BrokenPipe => Err(CliError::Output { source }),
        _ => Ok(()),
    }
}

/// The command's result as it is. Behind what could not be written nothing more is, for the rest would be
/// taken for the whole.
pub(crate) fn print(bytes: &[u8]) {
    if is_heard() {
        remember(io::stdout().write_all(bytes));
    }
}

/// A line of the command's result.
pub(crate) fn say(line: &str) {
    print(format!("{}\n", visible(line)).as_bytes());
}

/// Lines of the command's result.
pub(crate) fn say_lines<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) {
    lines.into_iter().for_each(|line| say(line.as_ref()));
}

/// The command's result as JSON, for machines: on one line, or on several.
pub(crate) fn say_json(value: &Value, is_on_one_line: bool) {
    let document = if is_on_one_line { value.to_string() } else { format!("{value:#}") };
    print(format!("{}\n", visible_json(&document)).as_bytes());
}

/// A message for the person at the terminal.
pub(crate) fn say_on_stderr(line: &str) {
    match log_format() {
        LogFormat::Text => write_line(&visible(line)),
        LogFormat::Json => print_event("message", json!({ "text": line })),
    }
}

/// A JSON object on a line of standard error: `event` and the given fields.
pub(crate) fn print_event(event: &str, fields: Value) {
    let mut object = serde_json::Map::from_iter([("event".to_owned(), json!(event))]);
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    write_line(&visible_json(&Value::Object(object).to_string()));
}

/// Nothing can be done about a closed terminal.
fn write_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
