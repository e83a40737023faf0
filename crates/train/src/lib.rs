//! One step of a plan: computing activations at a freeze boundary, and training a cell.
//!
//! There is one training loop for all regimes. Its two inputs are the activations at the freeze
//! boundary, stored or computed, and the variables above it; "cached", "frozen end to end",
//! "accidentally unfrozen" and "fine-tuned" differ in nothing else.

mod activations;
mod checkpoint;
mod error;
mod memory;
mod pretraining;
mod process;
mod trainer;

pub use activations::{SplitData, StoredActivations, extract};
pub use checkpoint::CheckpointPolicy;
pub use error::TrainError;
pub use memory::fit_memory_bytes;
pub use pretraining::{FEATURE_SCALE, pretrain};
pub use process::peak_memory_bytes;
pub use trainer::{FitData, PhaseData, fit};
