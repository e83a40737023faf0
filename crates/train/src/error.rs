//! What can go wrong while a step is executed.

use std::path::PathBuf;

use thaw_data::DataError;
use thaw_model::ModelError;
use thaw_spec::SinkError;
use thaw_store::StoreError;

/// A step of a plan that failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Images or artifacts cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Weights or shapes do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The records could not be kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The loss is not a finite number any more.
    #[error("the loss became {loss} in epoch {epoch}; a smaller learning_rate may help")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Sum of the losses of the epoch.
        loss: f64,
    },
    /// Somebody asked to stop; what was done is in the checkpoint.
    #[error("stopped")]
    Stopped,
    /// A checkpoint cannot be copied to or from the store that workers share.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A learning rate follows the validation loss, and nothing is validated.
    #[error(
        "schedule = \"plateau\" follows the validation loss, and there are no validation images; add some, or choose another schedule"
    )]
    NothingToValidate,
    /// A checkpoint cannot be read.
    #[error("{}: cannot read the checkpoint: {source}", path.display())]
    UnreadableCheckpoint {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A checkpoint cannot be written.
    #[error("{}: {action}: {source}", path.display())]
    UnwritableCheckpoint {
        /// The file.
        path: PathBuf,
        /// The action that failed, such as `cannot write the checkpoint`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A checkpoint is damaged, or not one of this cell.
    #[error("{}: the checkpoint cannot be used ({reason}), so the cell starts over", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The reason, in words.
        reason: String,
    },
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(ModelError::Candle(error))
    }
}
