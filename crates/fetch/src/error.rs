//! What can go wrong on the way.

use std::path::{Path, PathBuf};

use crate::address::{shown, without_secret};

/// A download or an unpacking that failed. Addresses are without the user and the password that they
/// may hold.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server cannot be reached.
    #[error("{url}: cannot be reached ({reason})")]
    Unreachable {
        /// The address.
        url: String,
        /// The error of the connection, in words.
        reason: String,
    },
    /// The server answers with a status other than success.
    #[error("{url}: the server answers {status}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server does not name the checksum by which what it serves would be checked.
    #[error(
        "{url}: names no checksum in the header `X-Linked-ETag`, as the Hugging Face hub does, so that the file could not be checked"
    )]
    NoChecksum {
        /// The address.
        url: String,
    },
    /// The connection broke again and again.
    #[error(
        "{url}: the connection broke {attempts} times in a row, last after {bytes} bytes ({reason}); run the command again to go on from there"
    )]
    Interrupted {
        /// The address.
        url: String,
        /// Number of attempts in a row without progress.
        attempts: u32,
        /// Number of bytes received before.
        bytes: u64,
        /// The error of the last attempt, in words.
        reason: String,
    },
    /// Another process downloads the same file.
    #[error("{}: another process downloads it; wait until it has ended", path.display())]
    Busy {
        /// What has arrived of the file.
        path: PathBuf,
    },
    /// The downloaded file has another checksum than the catalogue says.
    #[error(
        "{url}: serves another file: expected {expected}, got {actual}; nothing of it was kept"
    )]
    WrongContent {
        /// The address.
        url: String,
        /// The checksum of the catalogue.
        expected: String,
        /// The checksum of the downloaded file.
        actual: String,
    },
    /// A file that is already there has another checksum than the catalogue says.
    #[error("{}: is another file: expected {expected}, got {actual}; remove it and run the command again", path.display())]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// The checksum of the catalogue.
        expected: String,
        /// The checksum of the file, or `an empty file`.
        actual: String,
    },
    /// What is there is no file.
    #[error("{}: is {kind}, not a file", path.display())]
    NotAFile {
        /// The path at which a file is expected.
        path: PathBuf,
        /// What is there, such as `a folder`.
        kind: &'static str,
    },
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
    /// An archive is damaged, incomplete or not to be trusted.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl FetchError {
    pub(crate) fn unreachable(url: &str, error: &ureq::Error) -> Self {
        Self::Unreachable { url: shown(url), reason: without_secret(&error.to_string(), url) }
    }

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
}
