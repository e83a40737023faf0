//! What a worker process tells the one that started it: a JSON object on each line of standard output.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thaw_spec::EpochRecord;
use thaw_store::Owner;

use crate::{Ending, Event, Observer};

/// An event of one step, which both sides know.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    Started,
    Elsewhere(Owner),
    Advanced(u64),
    Resumed(EpochRecord),
    Remark(String),
    Epoch(EpochRecord),
    Ended(Ending),
    /// Somebody asked to stop.
    Stopped,
    /// Why the step failed.
    Failed(String),
}

/// Writes what happens in a step for the process that started this one.
pub struct Messages<W> {
    output: Mutex<W>,
}

impl<W: Write> Messages<W> {
    /// Messages on an output.
    pub fn on(output: W) -> Self {
        Self { output: Mutex::new(output) }
    }

    /// Another worker has claimed the step.
    pub fn elsewhere(&self, owner: &Owner) {
        self.send(&Message::Elsewhere(owner.clone()));
    }

    /// Somebody asked to stop.
    pub fn stopped(&self) {
        self.send(&Message::Stopped);
    }

    /// The step failed.
    pub fn failed(&self, reason: &str) {
        self.send(&Message::Failed(reason.to_owned()));
    }

    fn send(&self, message: &Message) {
        let mut line = serde_json::to_vec(message).expect("names and numbers");
        line.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // Where nobody listens any more, the process ends soon.
        let _ = output.write_all(&line).and_then(|()| output.flush());
    }
}

impl<W: Write + Send> Observer for Messages<W> {
    fn event(&self, event: &Event<'_>) {
        let message = match *event {
            Event::Started { .. } => Message::Started,
            Event::Elsewhere { owner, .. } => Message::Elsewhere(owner.clone()),
            Event::Advanced { images, .. } => Message::Advanced(images),
            Event::Remark { remark, .. } => Message::Remark(remark.to_owned()),
            Event::Resumed { last, .. } => Message::Resumed(last.clone()),
            Event::Epoch { record, .. } => Message::Epoch(record.clone()),
            Event::Ended { ending, .. } => Message::Ended(ending),
            // A worker hands nothing on.
            Event::Submitted { .. } => return,
        };
        self.send(&message);
    }
}
