//! What can go wrong on the way.

use std::path::PathBuf;

/// Something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No server answers.
    #[error("{url}: cannot be reached ({reason})")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// The server answers something else.
    #[error("{url}: the server answers {status}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The connection broke again and again.
    #[error(
        "{url}: the connection broke {attempts} times in a row, last after {bytes} bytes ({reason}); run the command again to go on from there"
    )]
    Interrupted {
        /// The address.
        url: String,
        /// How often without getting any further.
        attempts: u32,
        /// How far it came.
        bytes: u64,
        /// What the system says.
        reason: String,
    },
    /// What came is something else.
    #[error("{url}: serves another file: expected {expected}, got {actual}; nothing was kept")]
    WrongContent {
        /// The address.
        url: String,
        /// What the catalogue says.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// What lies there is something else.
    #[error("{}: is another file: expected {expected}, got {actual}; remove it and run the command again", path.display())]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// What the catalogue says.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The system refuses to write.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The archive is not what it should be.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl FetchError {
    pub(crate) fn io(
        path: &std::path::Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}
