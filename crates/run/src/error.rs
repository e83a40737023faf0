//! Why an experiment cannot be run.

use std::path::PathBuf;

use thaw_analysis::AnalysisError;
use thaw_data::DataError;
use thaw_model::ModelError;
use thaw_train::TrainError;

/// Why an experiment, or one of its cells, cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The images.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The base or its weights.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The records.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// A file of the cache cannot be written or removed.
    #[error("{}: cannot write the file: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The experiment has no cell.
    #[error("the experiment has no cell")]
    NoCell,
    /// The device is not there, or not for this program.
    #[error("{name}: {reason}")]
    Device {
        /// The device.
        name: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The system refuses threads.
    #[error("cannot start {threads} thread(s) for each of {jobs} cells ({reason})")]
    Threads {
        /// Threads of each cell.
        threads: usize,
        /// Cells side by side.
        jobs: usize,
        /// What the system says.
        reason: String,
    },
    /// The program failed within a cell.
    #[error("the program failed ({message}); please report it")]
    Panicked {
        /// What it said.
        message: String,
    },
}
