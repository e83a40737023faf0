//! What can be wrong with weights and shapes.

use std::path::PathBuf;

/// A weights file that does not fit, or an operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("{}: cannot read the weights: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file, and what was expected.
        reason: String,
    },
    /// Images are too small for the base.
    #[error("images of {size}×{size} pixels vanish in {base}: {reason}; set a larger image_size")]
    TooSmall {
        /// Side of the images in pixels.
        size: usize,
        /// The base.
        base: String,
        /// The block in which they vanish.
        reason: String,
    },
    /// Activations that a layer cannot take.
    #[error("activations of {height}×{width}×{channels} do not fit {layer}")]
    Shape {
        /// Rows of the activations.
        height: usize,
        /// Columns of the activations.
        width: usize,
        /// Channels of the activations.
        channels: usize,
        /// The layer.
        layer: String,
    },
    /// A batch that cannot be normalised by its own statistics.
    #[error(
        "`{layer}` cannot normalise a batch of one image of 1×1 by its own mean and variance; set a batch_size that leaves no image over, or a larger image_size"
    )]
    SingleValue {
        /// The layer.
        layer: String,
    },
    /// A base whose output cannot be multiplied by changing its weights.
    #[error(
        "the features of {base} cannot be multiplied by a factor within its weights, as pretraining does in the end; pretrain a base that ends in a convolution with ReLU"
    )]
    Unscalable {
        /// The base.
        base: String,
    },
    /// An operation of Candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
