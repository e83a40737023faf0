//! What can go wrong while drawing.

/// A picture that could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The plotting library cannot draw the picture.
    #[error("the picture `{name}` cannot be drawn: {reason}")]
    Drawing {
        /// The picture.
        name: String,
        /// The error of plotters, in words.
        reason: String,
    },
    /// A picture cannot be drawn where temporary files lie.
    #[error("the picture `{name}` cannot be drawn in the folder of temporary files: {source}")]
    Io {
        /// The picture.
        name: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
}
