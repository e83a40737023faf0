//! What can be wrong with results.

use std::path::{Path, PathBuf};

use polars::error::PolarsError;
use thaw_store::StoreError;

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
    /// An object store cannot be reached, or refuses.
    #[error("{}: {action}: {reason}", path.display())]
    Unreachable {
        /// Where it is.
        path: PathBuf,
        /// The action that failed, such as `cannot write`.
        action: &'static str,
        /// What the server says, or why it cannot be heard.
        reason: String,
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
    /// Whether a file is damaged, or cannot be read while others can.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Malformed { .. } | Self::Unreadable { .. } | Self::Parquet { action: "read", .. }
        )
    }

    pub(crate) fn parquet(path: &Path, action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, action, source }
    }
}

impl From<StoreError> for AnalysisError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable { place: path, action, source } => {
                Self::Unreadable { path, action, source }
            }
            StoreError::Unwritable { place: path, action, source } => {
                Self::Unwritable { path, action, source }
            }
            StoreError::Unreachable { place: path, action, reason } => {
                Self::Unreachable { path, action, reason }
            }
        }
    }
}
