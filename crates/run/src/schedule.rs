//! The order of work: artifacts one after the other, cells side by side.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use thaw_analysis::{CellState, Failure, ResultsFolder};
use thaw_spec::{
    Cell, Cost, CostFacts, EpochRecord, Outcome, Plan, Prediction, RecordSink, SinkError, Step,
};
use thaw_store::{Claimed, now_unix_seconds};

use crate::{Artifact, Ending, Event, Executor, Observer, RunError};

/// What cells that train side by side have to share.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads of all of them.
    pub threads: usize,
    /// Cells at the same time; as many as threads and memory allow where nothing is said.
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
            memory_bytes: available_memory_bytes(),
            repeat: false,
        }
    }
}

/// A cell that failed.
#[derive(Debug)]
pub struct CellFailure {
    /// The cell.
    pub cell: Cell,
    /// Why.
    pub error: RunError,
}

/// What a run works with.
struct Run<'a> {
    plan: &'a Plan,
    facts: &'a CostFacts,
    executor: &'a dyn Executor,
    folder: &'a ResultsFolder,
    limits: &'a Limits,
    observer: &'a dyn Observer,
    /// Work of the whole plan.
    total: f64,
}

/// Executes a plan and writes the records of its cells into a folder. Artifacts are made one after
/// the other, each with all threads; cells between two artifacts are trained side by side. A cell
/// that fails, even by a panic, does not stop the others; those that failed are returned. Several
/// workers may execute plans into one folder: each cell is claimed by one of them, and the others wait
/// for it at the end.
///
/// # Errors
/// When an artifact cannot be made, or threads cannot be started.
pub fn execute(
    plan: &Plan,
    facts: &CostFacts,
    executor: &dyn Executor,
    folder: &ResultsFolder,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Vec<CellFailure>, RunError> {
    let total = plan.steps.iter().map(|step| work(&plan.cost(step, facts))).sum();
    Run { plan, facts, executor, folder, limits, observer, total }.execute()
}

/// Estimated work in multiply-adds. Forward and backward together cost about three forward passes; the
/// head's memory traffic makes its steps dear for their arithmetic.
fn work(cost: &Cost) -> f64 {
    (cost.forward_multiply_adds + 3 * cost.trained_multiply_adds + 8 * cost.head_multiply_adds)
        as f64
        + cost.decoded_images as f64 * 1e8
}

impl Run<'_> {
    fn execute(&self) -> Result<Vec<CellFailure>, RunError> {
        let mut failures = Vec::new();
        let mut steps = self.plan.steps.iter().enumerate().peekable();
        while let Some((number, step)) = steps.next() {
            let Step::Fit(first) = step else {
                self.start(number, step);
                let artifact = self.executor.make(step, &|images| self.advance(number, images))?;
                let ending = match artifact {
                    Artifact::Made => Ending::Made,
                    Artifact::Kept => Ending::Kept,
                };
                self.observer.event(&Event::Ended { number, ending });
                continue;
            };
            let mut batch = vec![(number, step, first)];
            while let Some((number, step)) = steps.next_if(|(_, step)| matches!(step, Step::Fit(_)))
            {
                if let Step::Fit(cell) = step {
                    batch.push((number, step, cell));
                }
            }
            failures.extend(self.train_side_by_side(&batch)?);
        }
        Ok(failures)
    }

    fn start(&self, number: usize, step: &Step) {
        let share = work(&self.plan.cost(step, self.facts)) / self.total.max(1.0);
        let images = images(step, self.facts);
        self.observer.event(&Event::Started { number, step, images, share });
    }

    fn advance(&self, number: usize, images: u64) {
        self.observer.event(&Event::Advanced { number, images });
    }

    /// Trains cells on workers with equal shares of the threads; returns what failed.
    fn train_side_by_side(
        &self,
        batch: &[(usize, &Step, &Cell)],
    ) -> Result<Vec<CellFailure>, RunError> {
        let memory = batch.iter().map(|(_, _, cell)| self.executor.memory_bytes(cell));
        let largest = memory.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(1);
        // A fifth of the memory is left to the system's file cache, from which activations are read.
        let by_memory = self
            .limits
            .memory_bytes
            .map_or(usize::MAX, |bytes| (bytes / 5 * 4 / largest.max(1)) as usize);
        let jobs = self.limits.jobs.unwrap_or(self.limits.threads.min(by_memory));
        let jobs = jobs.clamp(1, batch.len());
        let pools = start_pools(jobs, (self.limits.threads / jobs).max(1))?;
        let queue =
            Mutex::new(Queue { todo: batch.iter().copied().collect(), elsewhere: VecDeque::new() });
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for pool in &pools {
                scope.spawn(|| {
                    while let Some((item, is_waited_for)) = next(&queue) {
                        match self.attempt(item, is_waited_for, pool) {
                            Attempt::Ended => {}
                            Attempt::Elsewhere => {
                                locked(&queue).elsewhere.push_back(item);
                                if is_waited_for {
                                    std::thread::sleep(POLL);
                                }
                            }
                            Attempt::Failed(failure) => locked(&failures).push(*failure),
                        }
                    }
                });
            }
        });
        Ok(failures.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trains a cell, unless another worker does or did.
    fn attempt(&self, item: Item<'_>, is_waited_for: bool, pool: &ThreadPool) -> Attempt {
        let (number, step, cell) = item;
        let fail = |error| Attempt::Failed(Box::new(CellFailure { cell: cell.clone(), error }));
        let claim = match self.folder.claim(&cell.id()) {
            Ok(Claimed::Ours(claim)) => claim,
            Ok(Claimed::Theirs(owner)) => {
                if !is_waited_for {
                    self.observer.event(&Event::Elsewhere { number, step, owner: &owner });
                }
                return Attempt::Elsewhere;
            }
            Err(error) => return fail(error.into()),
        };
        let is_complete = match self.folder.state(cell) {
            Ok(state) => state == CellState::Complete && !self.limits.repeat,
            Err(error) => return fail(error.into()),
        };
        self.start(number, step);
        if is_complete {
            self.observer.event(&Event::Ended { number, ending: Ending::Kept });
            return Attempt::Ended;
        }
        let trained = caught(|| pool.install(|| self.train(number, cell)));
        let (ending, attempt) = match trained {
            Ok(outcome) => (Ending::Trained(outcome.status), Attempt::Ended),
            Err(error) => {
                let failure =
                    Failure { reason: error.to_string(), at_unix_seconds: now_unix_seconds() };
                // What stopped the cell is said either way.
                let _ = self.folder.fail(&cell.id(), &failure);
                (Ending::Failed, fail(error))
            }
        };
        drop(claim);
        self.observer.event(&Event::Ended { number, ending });
        attempt
    }

    /// Runs one cell from its manifest to its outcome.
    fn train(&self, number: usize, cell: &Cell) -> Result<Outcome, RunError> {
        let mut records = self.folder.begin(&self.executor.manifest(cell)?)?;
        let mut sink = Observed { records: &mut records, observer: self.observer, number };
        let outcome = self.executor.fit(cell, &mut sink, &|images| self.advance(number, images))?;
        self.folder.finish(&cell.id(), &outcome)?;
        self.executor.forget(cell)?;
        Ok(outcome)
    }
}

/// A cell that is to be trained, with its step and the step's number.
type Item<'a> = (usize, &'a Step, &'a Cell);

/// Cells that are to be trained, and those that another worker trains.
struct Queue<'a> {
    todo: VecDeque<Item<'a>>,
    elsewhere: VecDeque<Item<'a>>,
}

/// What became of a cell.
enum Attempt {
    Ended,
    Elsewhere,
    Failed(Box<CellFailure>),
}

/// Cells of other workers are looked at this often.
const POLL: Duration = Duration::from_secs(1);

/// The next cell, and whether it was another worker's when it was looked at before. Those of others
/// come last: they may fail, or their worker may die.
fn next<'a>(queue: &Mutex<Queue<'a>>) -> Option<(Item<'a>, bool)> {
    let mut queue = locked(queue);
    let own = queue.todo.pop_front().map(|item| (item, false));
    own.or_else(|| queue.elsewhere.pop_front().map(|item| (item, true)))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a cell returns; a panic in it is an error, so that the others go on.
fn caught<T>(cell: impl FnOnce() -> Result<T, RunError>) -> Result<T, RunError> {
    catch_unwind(AssertUnwindSafe(cell)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(RunError::Panicked { message: message.unwrap_or_else(|| "a panic".to_owned()) })
    })
}

/// Images that a step goes over.
fn images(step: &Step, facts: &CostFacts) -> u64 {
    match step {
        Step::Decode { split, .. } => facts.images.of(*split),
        Step::Extract(extraction) => {
            facts.images.of(extraction.split) * extraction.variants.count() as u64
        }
        Step::Fit(cell) => facts.images.train * cell.procedure.total_epochs() as u64,
    }
}

/// Starts the threads of all workers before the first cell runs, so that a system that refuses them
/// is heard of.
fn start_pools(jobs: usize, threads: usize) -> Result<Vec<ThreadPool>, RunError> {
    let start = |_| ThreadPoolBuilder::new().num_threads(threads).build();
    (0..jobs).map(start).collect::<Result<_, _>>().map_err(|error| RunError::Threads {
        threads,
        jobs,
        reason: error.to_string(),
    })
}

/// Memory that is free, where the system tells (Linux).
fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Keeps records, and tells their epochs.
struct Observed<'a> {
    records: &'a mut dyn RecordSink,
    observer: &'a dyn Observer,
    number: usize,
}

impl RecordSink for Observed<'_> {
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        self.records.begin(resumed)?;
        if let Some(last) = resumed.last() {
            self.observer.event(&Event::Resumed { number: self.number, last });
        }
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        self.records.epoch(record)?;
        self.observer.event(&Event::Epoch { number: self.number, record });
        Ok(())
    }

    fn predictions(&mut self, predictions: &[Prediction]) -> Result<(), SinkError> {
        self.records.predictions(predictions)
    }
}
