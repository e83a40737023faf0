//! What can be wrong with results.

use std::path::{Path, PathBuf};

use polars::error::PolarsError;

/// Results that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// A file or folder cannot be read or written.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed, such as `cannot write`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Another process holds the lock of a results folder.
    #[error("{}: another thaw is sweeping into this folder; wait for it to end, or choose another by --results", path.display())]
    Locked {
        /// The results folder.
        path: PathBuf,
    },
    /// A file is not what thaw writes.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// A Parquet file cannot be read or written.
    #[error("{}: cannot {action} Parquet: {source}", path.display())]
    Parquet {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed, such as `cannot write`.
        action: &'static str,
        /// The error of Polars.
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
