//! What can be wrong with results.

use std::path::{Path, PathBuf};

use polars::error::PolarsError;

/// Results that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The system refuses to read or write.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process writes there.
    #[error("{}: another thaw is sweeping into this folder; wait for it to end, or choose another by --results", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not what thaw writes.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Parquet refuses.
    #[error("{}: cannot {action} Parquet: {source}", path.display())]
    Parquet {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// What Polars says.
        source: PolarsError,
    },
}

impl AnalysisError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn parquet(path: &Path, action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, action, source }
    }
}
