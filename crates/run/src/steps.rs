//! One step of a plan, from its beginning to its end: artifacts are made, cells are claimed, trained
//! and recorded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use thaw_analysis::{CellState, Failure, ResultsFolder};
use thaw_spec::{Cell, CostFacts, EpochRecord, Outcome, Prediction, RecordSink, SinkError, Step};
use thaw_store::{Claim, Claimed, Owner, now_unix_seconds};
use thaw_train::{Stop, TrainError};

use crate::{Artifact, Ending, Event, Executor, Observer, RunError};

/// A step with what is told of it when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// Number in the plan.
    pub(crate) number: usize,
    pub(crate) step: &'a Step,
    /// Images that it goes over.
    pub(crate) images: u64,
    /// Its estimated share of all work, from 0 to 1.
    pub(crate) share: f64,
}

/// What another worker makes or trains is looked for this often.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// What became of a step.
#[derive(Debug)]
pub enum StepEnd {
    /// It ended; what it makes is there.
    Ended(Ending),
    /// A living worker has claimed it.
    Elsewhere(Owner),
}

/// What steps are run with.
#[derive(Clone, Copy)]
pub(crate) struct Steps<'a> {
    pub(crate) executor: &'a dyn Executor,
    pub(crate) folder: &'a ResultsFolder,
    pub(crate) observer: &'a dyn Observer,
    /// Whether cells are trained that are complete already.
    pub(crate) repeat: bool,
    /// How long an artifact that another worker makes is waited for.
    pub(crate) patience: Duration,
    /// Asks not to begin another step.
    pub(crate) stop: &'a Stop,
}

impl Steps<'_> {
    /// Runs a step on the threads of the caller.
    pub(crate) fn run(&self, item: &Item<'_>) -> Result<StepEnd, RunError> {
        if self.stop.is_requested() {
            return Err(RunError::Stopped);
        }
        match item.step {
            Step::Fit(cell) => self.fit(item, cell),
            Step::Decode { .. } | Step::Extract(_) => self.make(item),
        }
    }

    fn start(&self, item: &Item<'_>) {
        let Item { number, step, images, share } = *item;
        self.observer.event(&Event::Started { number, step, images, share });
    }

    fn end(&self, item: &Item<'_>, ending: Ending) -> Ending {
        self.observer.event(&Event::Ended { number: item.number, ending });
        ending
    }

    fn advance(&self, number: usize, images: u64) {
        self.observer.event(&Event::Advanced { number, images });
    }

    fn make(&self, item: &Item<'_>) -> Result<StepEnd, RunError> {
        self.start(item);
        let start = Instant::now();
        let advance = |images| self.advance(item.number, images);
        loop {
            if self.stop.is_requested() {
                return Err(RunError::Stopped);
            }
            let (ending, remark) = match caught(|| self.executor.make(item.step, &advance))? {
                Artifact::Made(remark) => (Ending::Made, remark),
                Artifact::Kept(remark) => (Ending::Kept, remark),
                Artifact::Elsewhere(owner) if start.elapsed() >= self.patience => {
                    return Ok(StepEnd::Elsewhere(owner));
                }
                Artifact::Elsewhere(_) => {
                    std::thread::sleep(POLL);
                    continue;
                }
            };
            if let Some(remark) = remark {
                self.observer.event(&Event::Remark { number: item.number, remark: &remark });
            }
            return Ok(StepEnd::Ended(self.end(item, ending)));
        }
    }

    /// Trains a cell, unless another worker does or did.
    fn fit(&self, item: &Item<'_>, cell: &Cell) -> Result<StepEnd, RunError> {
        let is_complete = || -> Result<bool, RunError> {
            Ok(!self.repeat && self.folder.state(cell)? == CellState::Complete)
        };
        let kept = || {
            self.start(item);
            Ok(StepEnd::Ended(self.end(item, Ending::Kept)))
        };
        // What others have done needs no claim.
        if is_complete()? {
            return kept();
        }
        let claim = match self.folder.claim(&cell.id())? {
            Claimed::Ours(claim) => claim,
            Claimed::Theirs(owner) => return Ok(StepEnd::Elsewhere(owner)),
        };
        // It may have been done since.
        if is_complete()? {
            return kept();
        }
        self.start(item);
        let trained = caught(|| self.train(item.number, cell, &claim));
        if claim.is_lost() {
            // What another worker makes of it counts, or has made; where it died too, it is begun again.
            drop(claim);
            return match self.folder.claimed_by(&cell.id())? {
                Some(owner) => Ok(StepEnd::Elsewhere(owner)),
                None => self.fit(item, cell),
            };
        }
        let ending = match &trained {
            Ok(outcome) => Ending::Trained(outcome.status),
            Err(RunError::Stopped) => Ending::Stopped,
            Err(error) => {
                fail(self.folder, cell, error);
                Ending::Failed
            }
        };
        drop(claim);
        self.end(item, ending);
        trained.map(|_| StepEnd::Ended(ending))
    }

    /// Runs one cell from its manifest to its outcome.
    fn train(&self, number: usize, cell: &Cell, claim: &Claim) -> Result<Outcome, RunError> {
        let manifest = self.executor.manifest(cell)?;
        is_still_ours(claim).map_err(TrainError::from)?;
        let mut records = self.folder.begin(&manifest)?;
        let mut sink = Observed { records: &mut records, observer: self.observer, number, claim };
        let mut outcome =
            self.executor.fit(cell, &mut sink, &|images| self.advance(number, images))?;
        is_still_ours(claim).map_err(TrainError::from)?;
        outcome.records = records.hashes().clone();
        self.folder.finish(&cell.id(), &outcome)?;
        self.executor.forget(cell)?;
        Ok(outcome)
    }
}

/// Records why a cell failed. Where that is impossible too, what stopped the cell is said all the same.
pub(crate) fn fail(folder: &ResultsFolder, cell: &Cell, error: &RunError) {
    let failure = Failure { reason: error.to_string(), at_unix_seconds: now_unix_seconds() };
    let _ = folder.fail(&cell.id(), &failure);
}

/// What a step returns; a panic in it is an error, so that the others go on.
fn caught<T>(step: impl FnOnce() -> Result<T, RunError>) -> Result<T, RunError> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(RunError::Panicked { message: message.unwrap_or_else(|| "a panic".to_owned()) })
    })
}

/// Images that a step goes over.
pub(crate) fn images(step: &Step, facts: &CostFacts) -> u64 {
    match step {
        Step::Decode { split, .. } => facts.images.of(*split),
        Step::Extract(extraction) => {
            facts.images.of(extraction.split) * extraction.variants.count() as u64
        }
        Step::Fit(cell) => facts.images.train * cell.procedure.total_epochs() as u64,
    }
}

/// Keeps records, and tells their epochs.
struct Observed<'a> {
    records: &'a mut dyn RecordSink,
    observer: &'a dyn Observer,
    number: usize,
    claim: &'a Claim,
}

/// Refuses to record what another worker has taken over.
fn is_still_ours(claim: &Claim) -> Result<(), SinkError> {
    if claim.is_lost() {
        let reason = "another worker has taken the cell over, because this one did not renew its claim for two minutes";
        return Err(SinkError(reason.into()));
    }
    Ok(())
}

impl RecordSink for Observed<'_> {
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        is_still_ours(self.claim)?;
        self.records.begin(resumed)?;
        if let Some(last) = resumed.last() {
            self.observer.event(&Event::Resumed { number: self.number, last });
        }
        Ok(())
    }

    fn remark(&mut self, remark: &str) {
        self.observer.event(&Event::Remark { number: self.number, remark });
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        is_still_ours(self.claim)?;
        self.records.epoch(record)?;
        self.observer.event(&Event::Epoch { number: self.number, record });
        Ok(())
    }

    fn predictions(&mut self, predictions: &[Prediction]) -> Result<(), SinkError> {
        is_still_ours(self.claim)?;
        self.records.predictions(predictions)
    }
}
