//! Who does the steps of a plan: threads of this process, processes of their own, or a cluster.

mod memory;
mod message;
mod processes;
mod slurm;
mod threads;

use std::time::Duration;

use thaw_analysis::ResultsFolder;
use thaw_spec::{Cell, CostFacts, Plan};
use thaw_train::Stop;

use crate::{Executor, Observer, RunError};

pub(crate) use memory::memory_bytes;
pub use memory::refuse_what_cannot_fit;
pub use message::Messages;
pub use processes::Processes;
pub use slurm::{SLURM_CPUS, Slurm, refuse_a_second_time};
pub use threads::Threads;

/// What cells that train side by side have to share.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads of all of them.
    pub threads: usize,
    /// Cells at the same time. Where nothing is said: as many as threads and memory allow, and where
    /// that would leave threads idle, one after the other with all threads.
    pub jobs: Option<usize>,
    /// Memory that is free, where that is known.
    pub memory_bytes: Option<u64>,
    /// Whether cells of the plan are run that are complete already.
    pub repeat: bool,
}

impl Limits {
    /// All threads and what memory is free now.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self {
            threads: rayon::current_num_threads(),
            jobs: None,
            memory_bytes: memory::available_bytes(),
            repeat: false,
        }
    }

    /// The same for one cell at a time with all memory of this machine, free or not.
    #[must_use]
    pub fn with_all_memory(self) -> Self {
        Self { jobs: Some(1), memory_bytes: memory::total_bytes(), ..self }
    }
}

/// The option of a worker that says how far apart its checkpoints are at least; none where that is the
/// usual.
fn checkpoint_option(interval: Option<Duration>) -> Option<String> {
    let written = |interval: Duration| {
        format!("--checkpoint-every={}s{}ms", interval.as_secs(), interval.subsec_millis())
    };
    interval.map(written)
}

/// A cell that failed.
#[derive(Debug)]
pub struct CellFailure {
    /// The cell.
    pub cell: Cell,
    /// Why.
    pub error: RunError,
}

/// A plan, and what its execution has to keep to.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What its costs rest on.
    pub facts: &'a CostFacts,
    /// Where records are written.
    pub folder: &'a ResultsFolder,
    /// What cells side by side have to share.
    pub limits: &'a Limits,
    /// Asks to end at the end of a batch.
    pub stop: &'a Stop,
}

/// Executes plans.
pub trait Launcher {
    /// Executes a plan and writes the records of its cells. Artifacts are made before what needs them.
    /// A cell that fails, even by a panic, does not stop the others; those that failed are returned.
    /// Several workers may execute plans into one folder: each cell is claimed by one of them, and the
    /// others wait for it at the end. One that hands the steps to a scheduler does not wait for them: it
    /// tells what it [submitted](crate::Event::Submitted), and no cell has failed yet.
    ///
    /// # Errors
    /// When an artifact cannot be made, threads or processes cannot be started, or somebody asked to
    /// stop.
    fn launch(
        &self,
        work: &Work<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<CellFailure>, RunError>;
}

/// Executes a plan with [`Threads`].
///
/// # Errors
/// As [`Launcher::launch`].
pub fn execute(
    plan: &Plan,
    facts: &CostFacts,
    executor: &dyn Executor,
    folder: &ResultsFolder,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Vec<CellFailure>, RunError> {
    let stop = &Stop::default();
    Threads { executor }.launch(&Work { plan, facts, folder, limits, stop }, observer)
}
