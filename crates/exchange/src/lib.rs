//! Training logs of other programs in, and records out to them: Keras' history as JSON, CSV, the
//! text Keras prints, TensorBoard's event files, and MLflow's file store.

mod error;
mod log;
mod name;
mod read;
mod tensorboard;
mod write;

pub use error::ExchangeError;
pub use log::NamedLog;
pub use read::{read_log, read_logs};
pub use write::{ExportedRun, Format, export};
