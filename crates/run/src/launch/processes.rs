//! Steps in processes of their own, so that none can take the others along.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thaw_spec::{Cell, Step};
use thaw_store::Owner;
use thaw_train::fit_memory_bytes;

use super::message::Message;
use super::{CellFailure, Launcher, Work, checkpoint_option};
use crate::schedule::{Hands, Schedule};
use crate::steps::{Item, StepEnd, fail};
use crate::{Ending, Event, Observer, RunError};

/// Whether somebody asked to stop is looked at this often.
const LOOK: Duration = Duration::from_millis(100);

/// Executes each step of a plan by `PROGRAM worker PLAN --step ID --threads N --attached`.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The program, which is thaw.
    pub program: PathBuf,
    /// The file of the plan.
    pub plan_file: PathBuf,
    /// Where the cache is in an object store: the folder of copies.
    pub local_cache: PathBuf,
    /// Least time between two checkpoints of a cell, where it is not the usual.
    pub checkpoint_interval: Option<Duration>,
    /// How often a step is tried again that failed or whose process died.
    pub retries: usize,
}

impl Launcher for Processes {
    fn launch(
        &self,
        work: &Work<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<CellFailure>, RunError> {
        let Work { plan, facts, limits, .. } = *work;
        let hands = Parent { processes: self, work, observer };
        Schedule { plan, facts, limits, observer, hands: &hands }.execute()
    }
}

/// The process that starts the others.
struct Parent<'a> {
    processes: &'a Processes,
    work: &'a Work<'a>,
    observer: &'a dyn Observer,
}

/// What a worker said last.
enum Last {
    Nothing,
    Ended(Ending),
    Elsewhere(Owner),
    Stopped,
    Failed(String),
}

/// A worker that does not outlive its parent's interest.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It is gone already, unless this process gives up.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Parent<'_> {
    /// Runs a step in a process.
    fn attempt(&self, threads: usize, item: &Item<'_>) -> Result<StepEnd, RunError> {
        let Processes { program, plan_file, local_cache, .. } = self.processes;
        let failed = |reason: String| RunError::Worker { reason, code: None };
        let worker = Command::new(program)
            .arg("worker")
            .arg(plan_file)
            .arg("--local-cache")
            .arg(local_cache)
            .args(checkpoint_option(self.processes.checkpoint_interval))
            .args(["--step", &item.step.id(), "--threads", &threads.to_string(), "--attached"])
            // It ends when this is closed, as it is when this process ends, however it ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("{} cannot be started: {error}", program.display())))?;
        let mut worker = Worker(worker);
        let (input, output) = (worker.0.stdin.take(), worker.0.stdout.take());
        let is_over = AtomicBool::new(false);
        let (has_started, last) = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && !self.work.stop.is_requested() {
                    std::thread::sleep(LOOK);
                }
                // From this it knows that it has to end.
                drop(input);
            });
            let heard = output.map_or((false, Last::Nothing), |output| self.listen(item, output));
            is_over.store(true, Ordering::Relaxed);
            heard
        });
        let status = worker.0.wait().map_err(|error| failed(error.to_string()))?;
        match last {
            Last::Elsewhere(owner) => Ok(StepEnd::Elsewhere(owner)),
            Last::Ended(ending) if status.success() => Ok(StepEnd::Ended(ending)),
            Last::Stopped => Err(RunError::Stopped),
            // It did not reach the end of a batch in time.
            Last::Nothing if self.work.stop.is_requested() => Err(RunError::Stopped),
            Last::Failed(reason) => {
                let error = RunError::Worker { reason, code: status.code() };
                if !has_started {
                    self.record(item, &error);
                }
                Err(error)
            }
            Last::Ended(_) | Last::Nothing => {
                let reason = match item.step {
                    Step::Fit(_) => {
                        let what =
                            "the next sweep goes on from its last checkpoint, if it wrote one";
                        format!("{}; {what}", died(status))
                    }
                    Step::Extract(_) => {
                        let what = "the next sweep goes on from what it had noted, if anything";
                        format!("{}: {}; {what}", item.step.id(), died(status))
                    }
                    Step::Decode { .. } => format!("{}: {}", item.step.id(), died(status)),
                };
                let error = RunError::Worker { reason, code: None };
                self.record(item, &error);
                Err(error)
            }
        }
    }

    /// Records why a cell failed whose worker could not say so itself.
    fn record(&self, item: &Item<'_>, error: &RunError) {
        if let Step::Fit(cell) = item.step {
            fail(self.work.folder, cell, error);
        }
    }

    /// Passes on what a worker says, until it says no more; whether it began, and what it said last.
    fn listen(&self, item: &Item<'_>, output: impl Read) -> (bool, Last) {
        let Item { number, step, images, share } = *item;
        let (mut has_started, mut last) = (false, Last::Nothing);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str(&line) else { continue };
            match message {
                Message::Started => {
                    has_started = true;
                    self.observer.event(&Event::Started { number, step, images, share });
                }
                Message::Advanced(images) => {
                    self.observer.event(&Event::Advanced { number, images });
                }
                Message::Remark(remark) => {
                    self.observer.event(&Event::Remark { number, remark: &remark });
                }
                Message::Resumed(last) => {
                    self.observer.event(&Event::Resumed { number, last: &last });
                }
                Message::Epoch(record) => {
                    self.observer.event(&Event::Epoch { number, record: &record });
                }
                // Told once the process has ended well.
                Message::Ended(ending) => last = Last::Ended(ending),
                Message::Stopped => last = Last::Stopped,
                Message::Elsewhere(owner) => last = Last::Elsewhere(owner),
                Message::Failed(reason) => last = Last::Failed(reason),
            }
        }
        (has_started, last)
    }
}

impl Hands for Parent<'_> {
    type Slot = usize;

    fn slots(&self, jobs: usize, threads: usize) -> Result<Vec<usize>, RunError> {
        Ok(vec![threads; jobs])
    }

    fn run(&self, threads: &usize, item: &Item<'_>) -> Result<StepEnd, RunError> {
        if self.work.stop.is_requested() {
            return Err(RunError::Stopped);
        }
        // Seen from here, a cell of another worker needs no process.
        if let Step::Fit(cell) = item.step
            && let Some(owner) = self.work.folder.claimed_by(&cell.id())?
        {
            return Ok(StepEnd::Elsewhere(owner));
        }
        let mut end = self.attempt(*threads, item);
        for _ in 0..self.processes.retries {
            if matches!(end, Ok(_) | Err(RunError::Stopped)) {
                break;
            }
            end = self.attempt(*threads, item);
        }
        let ending = match &end {
            Ok(StepEnd::Ended(ending)) => Some(*ending),
            Ok(StepEnd::Elsewhere(_)) => None,
            Err(RunError::Stopped) => Some(Ending::Stopped),
            Err(_) => Some(Ending::Failed),
        };
        if let Some(ending) = ending {
            self.observer.event(&Event::Ended { number: item.number, ending });
        }
        end
    }

    fn memory_bytes(&self, cell: &Cell) -> Result<u64, RunError> {
        Ok(fit_memory_bytes(cell, self.work.facts.images.train)?)
    }
}

/// Why a process ended that said nothing of it.
fn died(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        const KILL: i32 = 9;
        match status.signal() {
            Some(KILL) => {
                return "its process was killed (signal 9), as the system does when memory is short".to_owned();
            }
            Some(signal) => return format!("its process was ended by signal {signal}"),
            None => {}
        }
    }
    format!("its process ended without a word ({status})")
}
