//! Steps on threads of this process.

use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use thaw_spec::Cell;

use super::{CellFailure, Launcher, Work};
use crate::schedule::{Hands, Schedule};
use crate::steps::{Item, StepEnd, Steps};
use crate::{Executor, Observer, RunError};

/// Executes plans on threads of this process.
#[derive(Clone, Copy)]
pub struct Threads<'a> {
    /// Does the work of the steps.
    pub executor: &'a dyn Executor,
}

impl Launcher for Threads<'_> {
    fn launch(
        &self,
        work: &Work<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<CellFailure>, RunError> {
        let Work { plan, facts, folder, limits, stop } = *work;
        let (executor, repeat) = (self.executor, limits.repeat);
        let steps = Steps { executor, folder, observer, repeat, patience: Duration::MAX, stop };
        Schedule { plan, facts, limits, observer, hands: &steps }.execute()
    }
}

impl Hands for Steps<'_> {
    type Slot = ThreadPool;

    fn slots(&self, jobs: usize, threads: usize) -> Result<Vec<ThreadPool>, RunError> {
        let start = |_| ThreadPoolBuilder::new().num_threads(threads).build();
        (0..jobs).map(start).collect::<Result<_, _>>().map_err(|error| RunError::Threads {
            threads,
            jobs,
            reason: error.to_string(),
        })
    }

    fn run(&self, pool: &ThreadPool, item: &Item<'_>) -> Result<StepEnd, RunError> {
        pool.install(|| Steps::run(self, item))
    }

    fn memory_bytes(&self, cell: &Cell) -> Result<u64, RunError> {
        self.executor.memory_bytes(cell)
    }
}
