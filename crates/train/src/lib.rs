//! One step of a plan: computing activations at a freeze boundary, and training a cell.
//!
//! There is one training loop for all regimes. Its two inputs are the activations at the freeze
//! boundary, stored or computed, and the variables above it; "cached", "frozen end to end",
//! "accidentally unfrozen" and "fine-tuned" differ in nothing else.
//!
//! In the order in which one meets them:
//!
//! - [`extract`] runs a split through the frozen blocks; [`StoredActivations`] maps the result,
//!   `[variants, images, height, width, channels]`. An [`ExtractionPolicy`] says how an interrupted one
//!   goes on.
//! - [`SplitData`]: the decoded images of a split, with stored activations or without.
//!   [`PhaseData`] and [`FitData`] gather what a cell sees.
//! - [`fit`] trains a cell to its last epoch. Records go to a [`thaw_spec::RecordSink`], and a
//!   [`CheckpointPolicy`] says how an interrupted run goes on.
//! - [`pretrain`] makes weights with the same loop.
//!
//! See [`fit`] for an example.

mod activations;
mod checkpoint;
mod error;
mod memory;
mod pretraining;
mod process;
mod stop;
mod trainer;
mod validation;

pub use activations::{ExtractionPolicy, SplitData, StoredActivations, extract};
pub use checkpoint::{CheckpointPolicy, SharedCheckpoint};
pub use error::TrainError;
pub use memory::{extract_memory_bytes, fit_memory_bytes};
pub use pretraining::{FEATURE_SCALE, pretrain};
pub use process::peak_memory_bytes;
pub use stop::Stop;
pub use trainer::{FitData, PhaseData, fit};
