//! What happens while an experiment runs, told as it happens.

use serde::{Deserialize, Serialize};
use thaw_spec::{EpochRecord, RunStatus, Step};
use thaw_store::Owner;

/// Something that happened in a run. Steps are known by their number in the plan, counted from 0.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step begins.
    Started {
        /// Its number.
        number: usize,
        /// What it does.
        step: &'a Step,
        /// Images that it goes over, each as often as it does.
        images: u64,
        /// Its estimated share of all work, from 0 to 1.
        share: f64,
    },
    /// Another worker trains a cell; this one looks after it again at the end.
    Elsewhere {
        /// Number of its step.
        number: usize,
        /// The step.
        step: &'a Step,
        /// The worker.
        owner: &'a Owner,
    },
    /// Steps were handed to a scheduler.
    Submitted {
        /// The scheduler's name of the job.
        job: &'a str,
        /// Number of steps.
        steps: usize,
    },
    /// Images are done. A cell and an extraction begin with those of the run that they go on from; there
    /// may be none.
    Advanced {
        /// Number of the step.
        number: usize,
        /// How many images, since the last time.
        images: u64,
    },
    /// Something that a person should know of how a step goes.
    Remark {
        /// Number of the step.
        number: usize,
        /// A sentence.
        remark: &'a str,
    },
    /// An interrupted cell goes on from its checkpoint.
    Resumed {
        /// Number of the step.
        number: usize,
        /// The last epoch before.
        last: &'a EpochRecord,
    },
    /// An epoch of a cell ended.
    Epoch {
        /// Number of the step.
        number: usize,
        /// What it recorded.
        record: &'a EpochRecord,
    },
    /// A step ended.
    Ended {
        /// Number of the step.
        number: usize,
        /// How.
        ending: Ending,
    },
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// Its artifact was made.
    Made,
    /// Its artifact was there, or another worker trained its cell.
    Kept,
    /// Its cell was trained.
    Trained(RunStatus),
    /// Its cell failed; [`execute`](crate::execute) returns the reason.
    Failed,
    /// Somebody asked to stop; it goes on from here another time.
    Stopped,
}

/// Is told what happens, from several threads.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Is told, and says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
