//! Errors, and the exit codes that scripts see.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser as _;
use serde_json::json;
use thaw_analysis::{AnalysisError, DiagnosisError};
use thaw_data::DataError;
use thaw_exchange::ExchangeError;
use thaw_fetch::FetchError;
use thaw_model::ModelError;
use thaw_report::ReportError;
use thaw_run::RunError;
use thaw_spec::{SpecError, is_hidden, visible};
use thaw_store::StoreError;
use thaw_train::TrainError;

use crate::arguments::Arguments;
use crate::signals;
use crate::terminal::{LogFormat, finish_output, log_format, print_event, remember, say_on_stderr};

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("{message}")]
    Usage { message: String },
    #[error("stopped; the same command without --force goes on from here{}", left(*not_begun))]
    Stopped { not_begun: usize },
    #[error("{message}")]
    Claimed { message: String },
    #[error("{message}")]
    Exists { message: String },
    #[error("{message}")]
    NoFolder { message: String },
    #[error("{message}")]
    Expectations { message: String },
    #[error("{}: cannot read the file: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: cannot write the file: {source}", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("standard output: cannot be written: {source}")]
    Output { source: std::io::Error },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    #[error("{}: {source}", subject.display())]
    Diagnosis { subject: PathBuf, source: DiagnosisError },
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("{source}; {remedy}")]
    Network { source: FetchError, remedy: String },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Run(RunError),
    #[error("{}", .0.join("\n"))]
    Cells(Vec<String>),
    #[error("{}", .0.join("\n"))]
    Damaged(Vec<String>),
}

/// Every expectation is met; everything asked for was done.
pub(crate) const SUCCESS: u8 = 0;
/// An expectation is not met.
pub(crate) const FAILED: u8 = 1;
/// The runs cannot tell, or are missing.
pub(crate) const CANNOT_TELL: u8 = 2;
// The others are those of sysexits.h.
const USAGE: u8 = 64;
pub(crate) const DATA: u8 = 65;
const NO_INPUT: u8 = 66;
const UNAVAILABLE: u8 = 69;
/// A cell failed, or the program did.
pub(crate) const SOFTWARE: u8 = 70;
const CANNOT_CREATE: u8 = 73;
const TRY_AGAIN: u8 = 75;
const CONFIGURATION: u8 = 78;

/// Whether the command has --skip-unreadable-images.
static CAN_SKIP_IMAGES: OnceLock<bool> = OnceLock::new();

/// Says once, before anything can fail, whether the command has --skip-unreadable-images: only then it
/// is advised.
pub(crate) fn set_can_skip_images(can_skip: bool) {
    CAN_SKIP_IMAGES.get_or_init(|| can_skip);
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Analysis(error.into())
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Data(error) => Self::Data(error),
            RunError::Model(error) => Self::Model(error),
            RunError::Train(error) => Self::Train(error),
            RunError::Analysis(error) => Self::Analysis(error),
            RunError::Unreadable { path, source } => Self::Unreadable { path, source },
            RunError::Unwritable { path, source } => Self::Unwritable { path, source },
            error => Self::Run(error),
        }
    }
}

impl CliError {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Run(RunError::Panicked { .. }) => SOFTWARE,
            Self::Stopped { .. } | Self::Run(RunError::Stopped) => signals::exit_code(),
            Self::Run(RunError::Store(error)) => store_code(error),
            Self::Run(RunError::Worker { code, .. }) => {
                code.and_then(|code| u8::try_from(code).ok()).unwrap_or(SOFTWARE)
            }
            Self::Run(RunError::Needs { .. }) => NO_INPUT,
            Self::Run(RunError::Scheduler { .. }) => UNAVAILABLE,
            Self::Run(RunError::InTheQueue { .. }) => TRY_AGAIN,
            Self::Run(RunError::Plan { .. } | RunError::OtherInputs { .. }) => DATA,
            Self::Usage { .. } | Self::Run(_) => USAGE,
            Self::NoFolder { .. } | Self::Unreadable { .. } => NO_INPUT,
            Self::Exists { .. } | Self::Unwritable { .. } | Self::Output { .. } => CANNOT_CREATE,
            Self::Claimed { .. } => TRY_AGAIN,
            Self::Spec(_) | Self::Expectations { .. } => CONFIGURATION,
            Self::Data(error) | Self::Train(TrainError::Data(error)) => data_code(error),
            Self::Model(error) | Self::Train(TrainError::Model(error)) => model_code(error),
            Self::Train(TrainError::UnreadableCheckpoint { .. }) => NO_INPUT,
            Self::Train(TrainError::UnwritableCheckpoint { .. }) => CANNOT_CREATE,
            Self::Train(TrainError::Checkpoint { .. }) => DATA,
            Self::Train(TrainError::Store(error)) => store_code(error),
            Self::Train(_) | Self::Cells(_) => SOFTWARE,
            Self::Analysis(AnalysisError::Unreadable { .. }) => NO_INPUT,
            Self::Analysis(AnalysisError::Unwritable { .. }) => CANNOT_CREATE,
            Self::Analysis(AnalysisError::Unreachable { .. }) => UNAVAILABLE,
            Self::Analysis(_) | Self::Diagnosis { .. } => DATA,
            Self::Exchange(ExchangeError::Unreadable { .. }) => NO_INPUT,
            Self::Exchange(ExchangeError::Unwritable { .. }) => CANNOT_CREATE,
            Self::Exchange(_) => DATA,
            Self::Report(ReportError::Io { .. }) => CANNOT_CREATE,
            Self::Report(ReportError::Drawing { .. }) => SOFTWARE,
            Self::Network { .. } => UNAVAILABLE,
            Self::Fetch(FetchError::Unreadable { .. }) => NO_INPUT,
            Self::Fetch(FetchError::Unwritable { .. }) => CANNOT_CREATE,
            Self::Fetch(FetchError::Busy { .. }) => TRY_AGAIN,
            Self::Fetch(_) | Self::Damaged(_) => DATA,
        }
    }

    /// What is wrong and how to go on. The libraries say the first; the flags are this program's.
    pub(crate) fn message(&self) -> String {
        if let Self::Run(RunError::Device { .. }) = self {
            return format!("--device {self}");
        }
        let remedy = match self {
            Self::Run(RunError::Threads { .. }) => "; give --threads or --jobs",
            Self::Run(RunError::Memory { jobs: 2.., .. }) => {
                ", and --jobs runs fewer cells at a time"
            }
            Self::Run(RunError::Stopped) => "; the same command goes on from here",
            Self::Analysis(AnalysisError::Unwritable { .. }) => "; choose another with --results",
            Self::Data(DataError::UnreadableImage { .. })
            | Self::Train(TrainError::Data(DataError::UnreadableImage { .. }))
                if CAN_SKIP_IMAGES.get() == Some(&true) =>
            {
                ", or continue without it with --skip-unreadable-images"
            }
            Self::Exchange(ExchangeError::Unwritable { source, .. })
            | Self::Fetch(FetchError::Unwritable { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                " or choose another with --output"
            }
            _ => "",
        };
        format!("{self}{remedy}")
    }

    /// Says what is wrong and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match log_format() {
            LogFormat::Text => {
                let lines = match self {
                    Self::Cells(lines) | Self::Damaged(lines) => lines.clone(),
                    _ => vec![self.message()],
                };
                for (place, line) in lines.iter().enumerate() {
                    say_on_stderr(&format!("{}{line}", if place == 0 { "thaw: " } else { "" }));
                }
            }
            LogFormat::Json => {
                let fields = json!({ "text": self.message(), "exit_code": self.code() });
                print_event("error", fields);
            }
        }
        ExitCode::from(self.code())
    }
}

/// How a command ends that has done what could be done: with its code, or with what is damaged, in
/// sentences.
pub(crate) fn unless_damaged(code: u8, damaged: Vec<String>) -> Result<ExitCode, CliError> {
    match damaged.is_empty() {
        true => Ok(ExitCode::from(code)),
        false => Err(CliError::Damaged(damaged)),
    }
}

/// What becomes of the cells that a sweep with --force had not begun.
fn left(not_begun: usize) -> String {
    match not_begun {
        0 => String::new(),
        count => format!(
            ", but {count} cell(s) were not begun and keep the records that they had; only --force runs these again, and all others with them"
        ),
    }
}

fn store_code(error: &StoreError) -> u8 {
    match error {
        StoreError::Unreadable { .. } => NO_INPUT,
        StoreError::Unwritable { .. } => CANNOT_CREATE,
        StoreError::Unreachable { .. } => UNAVAILABLE,
    }
}

fn data_code(error: &DataError) -> u8 {
    match error {
        DataError::MissingFolder { .. } | DataError::Unreadable { .. } => NO_INPUT,
        DataError::Unwritable { .. } => CANNOT_CREATE,
        _ => DATA,
    }
}

fn model_code(error: &ModelError) -> u8 {
    if matches!(error, ModelError::Io { .. }) { NO_INPUT } else { DATA }
}

/// Shows help, a version, or what is wrong with the command line.
pub(crate) fn usage(error: clap::Error) -> ExitCode {
    let is_harmless = |character: char| character == '\n' || !is_hidden(character);
    // The message quotes arguments, which are no lines of ours.
    let given: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let error = if given.iter().any(|argument| argument.contains(is_hidden)) {
        let shown = given.iter().map(|argument| visible(argument).into_owned());
        Arguments::try_parse_from(shown).err().unwrap_or(error)
    } else {
        error
    };
    let plain = error.render().to_string();
    let printed = if plain.chars().all(is_harmless) {
        error.print()
    } else {
        plain.trim_end().lines().for_each(say_on_stderr);
        Ok(())
    };
    // Nothing can be done about a closed terminal.
    if error.use_stderr() {
        return ExitCode::from(USAGE);
    }
    remember(printed);
    finish_output().map_or_else(|error| error.report(), |()| ExitCode::from(SUCCESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(writing: bool) -> DataError {
        let (path, action) = (PathBuf::from("x"), "cannot");
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        if writing {
            DataError::Unwritable { path, action, source }
        } else {
            DataError::Unreadable { path, action, source }
        }
    }

    #[test]
    fn what_cannot_be_read_is_missing_input_and_what_cannot_be_written_is_an_output() {
        assert_eq!(CliError::from(data(false)).code(), 66);
        assert_eq!(CliError::from(data(true)).code(), 73);
        // The same where a step of training meets it.
        assert_eq!(CliError::from(TrainError::Data(data(false))).code(), 66);
        assert_eq!(CliError::from(TrainError::Data(data(true))).code(), 73);
    }
}
