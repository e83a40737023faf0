//! Why an experiment cannot be run.

use std::path::PathBuf;

use thaw_analysis::AnalysisError;
use thaw_data::DataError;
use thaw_model::ModelError;
use thaw_store::StoreError;
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
    /// A step needs more memory than it may use.
    #[error(
        "`{step}` needs about {} of memory{}, and {} may be used; {remedy} needs less",
        mebibytes(*needed), if *jobs > 1 { format!(" for each of {jobs} jobs") } else { String::new() }, mebibytes(*allowed)
    )]
    Memory {
        /// The step in words.
        step: String,
        /// What it needs, in bytes.
        needed: u64,
        /// So many at the same time.
        jobs: usize,
        /// What may be used, in bytes.
        allowed: u64,
        /// What needs less, in words.
        remedy: &'static str,
    },
    /// A training.
    #[error(transparent)]
    Train(TrainError),
    /// The records.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// The place of the cache or of the results.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the cache cannot be written or removed.
    #[error("{}: cannot write the file: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("{}: cannot read the file: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is no plan that this program can execute.
    #[error("{}: {reason}", path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// Why, and what to do about it.
        reason: String,
    },
    /// A plan has no such step.
    #[error("the plan of {experiment} has no step `{step}`; it has {count}, numbered from 0")]
    Step {
        /// What was asked for.
        step: String,
        /// Number of steps.
        count: usize,
        /// Name of the experiment.
        experiment: String,
    },
    /// A step was run before one that it needs.
    #[error("{step}: `{needed}` has to be run first")]
    Needs {
        /// The step.
        step: String,
        /// The step that it needs.
        needed: String,
    },
    /// Images or weights are not those that a plan was made for.
    #[error(
        "{subject}: this is not what the plan was made for (its hash is another); make the plan again, or give the worker what it was made for"
    )]
    OtherInputs {
        /// The images or the weights.
        subject: String,
    },
    /// A worker process failed.
    #[error("{reason}")]
    Worker {
        /// Why.
        reason: String,
        /// Its exit code, where it ended by itself.
        code: Option<i32>,
    },
    /// A scheduler cannot be reached, or refuses.
    #[error("{reason}")]
    Scheduler {
        /// What it says, and what to do about it.
        reason: String,
    },
    /// Jobs for the same results are in a scheduler's queue.
    #[error(
        "the queue has jobs of this experiment already ({jobs}); wait until they have ended, or cancel them with `scancel --name {name}`"
    )]
    InTheQueue {
        /// The jobs.
        jobs: String,
        /// The name that all of them have.
        name: String,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
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

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

impl From<TrainError> for RunError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Stopped => Self::Stopped,
            error => Self::Train(error),
        }
    }
}
