//! What can be wrong with results.

use std::path::{Path, PathBuf};

use polars::error::PolarsError;

/// Results that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// A file or folder cannot be read.
    #[error("{}: {action}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed, such as `cannot list`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{}: {action}: {source}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed, such as `cannot remove`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Another process holds the lock of a results folder.
    #[error("{}: another thaw is sweeping into this folder; wait for it to end", path.display())]
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
    pub(crate) fn unreadable(
        path: &Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, action, source }
    }

    pub(crate) fn unwritable(
        path: &Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unwritable { path, action, source }
    }

    pub(crate) fn parquet(path: &Path, action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, action, source }
    }
}
