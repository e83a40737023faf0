//! What can go wrong while drawing.

use std::path::PathBuf;

/// A picture that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The plotting library cannot draw the picture.
    #[error("{}: cannot draw: {reason}", path.display())]
    Drawing {
        /// The picture, without its extension.
        path: PathBuf,
        /// The error of plotters, in words.
        reason: String,
    },
    /// A picture cannot be written.
    #[error("{}: cannot write the picture: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}
