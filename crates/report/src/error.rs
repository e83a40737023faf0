//! What can go wrong while drawing.

use std::path::PathBuf;

/// A picture that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// plotters refuses.
    #[error("{}: cannot draw: {reason}", path.display())]
    Drawing {
        /// The picture, without its extension.
        path: PathBuf,
        /// What plotters says.
        reason: String,
    },
    /// The system refuses to write.
    #[error("{}: cannot write the picture: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
