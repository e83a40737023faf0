//! Training logs of other programs in, and records out to them: histories as JSON, tables, notebooks,
//! what programs print, TensorBoard's event files, and MLflow's file store.
//!
//! In the order in which one meets them:
//!
//! - [`read_logs`] and [`read_log`]: the trainings in a file, told apart by its content, as
//!   [`NamedLog`]s, which also say what was passed over.
//! - [`export`]: [`ExportedRun`]s in a [`Format`].
//!
//! A log is a [`thaw_spec::TrainingLog`]: metrics by epoch, losses in nats, accuracies as fractions
//! of 1, durations in seconds.
//!
//! ```
//! use thaw_exchange::{ExportedRun, Format, export, read_log};
//! use thaw_spec::{Metric, TrainingLog};
//!
//! let curve = (Metric::ValidationAccuracy, vec![0.81, 0.84]);
//! let run = ExportedRun {
//!     id: "0123456789abcdef".to_owned(),
//!     name: "dropout=0.5 seed=0".to_owned(),
//!     levels: vec![("dropout".to_owned(), "0.5".to_owned())],
//!     seed: 0,
//!     parameters: Vec::new(),
//!     status: "completed".to_owned(),
//!     started_unix_seconds: 0,
//!     log: TrainingLog::new([curve].into(), vec![1.5, 1.5])?,
//!     drift: vec![0.0, 0.0],
//! };
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("runs.csv");
//! export("example", std::slice::from_ref(&run), "csv".parse::<Format>()?, &path)?;
//! // What was written can be read again.
//! assert_eq!(read_log(&path, "dropout=0.5 seed=0")?, run.log);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod log;
mod name;
mod read;
mod tensorboard;
mod write;

pub use error::ExchangeError;
pub use log::{NamedLog, number_ranges};
pub use read::{ReadLogs, read_log, read_log_bytes, read_logs};
pub use write::{ExportedRun, Format, export};
