//! Errors, and the exit codes that scripts see.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use thaw_analysis::{AnalysisError, DiagnosisError};
use thaw_data::DataError;
use thaw_exchange::ExchangeError;
use thaw_fetch::FetchError;
use thaw_model::ModelError;
use thaw_report::ReportError;
use thaw_spec::SpecError;
use thaw_train::TrainError;

use crate::terminal::{LogFormat, log_format, print_event, say_on_stderr};

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("{message}")]
    Usage { message: String },
    #[error("{message}")]
    Exists { message: String },
    #[error("{}: cannot read the file: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: cannot write the file: {source}", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
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
    #[error("{}", .0.join("\n"))]
    Cells(Vec<String>),
}

/// Every expectation is met; everything asked for was done.
pub(crate) const SUCCESS: u8 = 0;
/// An expectation is not met.
pub(crate) const FAILED: u8 = 1;
/// The runs cannot tell, or are missing.
pub(crate) const CANNOT_TELL: u8 = 2;
// The others are those of sysexits.h.
const USAGE: u8 = 64;
const DATA: u8 = 65;
const NO_INPUT: u8 = 66;
const UNAVAILABLE: u8 = 69;
const SOFTWARE: u8 = 70;
const CANNOT_CREATE: u8 = 73;
const CONFIGURATION: u8 = 78;

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::Usage { .. } => USAGE,
            Self::Unreadable { .. }
            | Self::Data(DataError::MissingFolder { .. })
            | Self::Model(ModelError::Io { .. }) => NO_INPUT,
            Self::Exists { .. }
            | Self::Unwritable { .. }
            | Self::Data(DataError::Io { .. })
            | Self::Report(ReportError::Io { .. }) => CANNOT_CREATE,
            Self::Analysis(AnalysisError::Io { .. } | AnalysisError::Locked { .. })
            | Self::Train(TrainError::CheckpointIo { .. }) => CANNOT_CREATE,
            Self::Fetch(FetchError::Io { .. }) => CANNOT_CREATE,
            Self::Exchange(ExchangeError::Unreadable { .. }) => NO_INPUT,
            Self::Exchange(ExchangeError::Unwritable { .. }) => CANNOT_CREATE,
            Self::Network { .. } => UNAVAILABLE,
            Self::Fetch(_) | Self::Exchange(_) | Self::Diagnosis { .. } => DATA,
            Self::Spec(_) => CONFIGURATION,
            Self::Data(_) | Self::Model(_) | Self::Analysis(_) => DATA,
            Self::Train(
                TrainError::Data(_) | TrainError::Model(_) | TrainError::Checkpoint { .. },
            ) => DATA,
            Self::Train(_) | Self::Report(ReportError::Drawing { .. }) | Self::Cells(_) => SOFTWARE,
        }
    }

    /// Says what is wrong and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match log_format() {
            LogFormat::Text => say_on_stderr(&format!("thaw: {self}")),
            LogFormat::Json => {
                let fields = json!({ "text": self.to_string(), "exit_code": self.code() });
                print_event("error", fields);
            }
        }
        ExitCode::from(self.code())
    }
}

/// Shows help, a version, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done about a closed terminal.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { USAGE } else { SUCCESS })
}
