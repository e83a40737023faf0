//! The vocabulary of thaw: what a person writes down, what it means, what has to be computed, what
//! comes back, and what is expected of it.
//!
//! Everything here is pure: no file is read, no clock is asked, nothing is drawn at random. So
//! plans, identities and messages are tested without an image.
//!
//! In the order in which one meets them:
//!
//! - [`Experiment`]: an experiment file, read by [`Experiment::parse`]. Its matrix yields
//!   procedures.
//! - [`Procedure`]: every setting of a training except the seed, nothing left to a default.
//!   [`Profile`] says what a library makes of the same arguments.
//! - [`Cell`]: a procedure on given [`Inputs`] with one seed. Its [`CellId`] names its records.
//! - [`Plan`]: the [`Step`]s that the cells need, each shared [`Extraction`] once.
//! - [`EpochRecord`] and [`Prediction`], taken by a [`RecordSink`], and the [`Outcome`] with the
//!   audit of freezing.
//! - [`Expectations`]: what a check compares results with.
//!
//! Losses are in nats, accuracies are fractions of 1, durations are in seconds.
//!
//! The id of a cell ([`Cell::id`]) is the beginning of the SHA-256 of its serialised procedure,
//! inputs and seed. The order of fields, their names and `skip_serializing_if` are part of it: to
//! change them is to rename every cell.
//!
//! See [`Experiment::parse`] and [`Cell::id`] for examples.

mod augmentation;
mod base;
mod batch_norm;
mod cell;
mod dataset;
mod entries;
mod error;
mod evaluation;
mod expectation;
mod experiment;
mod extraction;
mod file_kind;
mod hash;
mod initializer;
mod labels;
mod launcher;
mod log;
mod manifest;
mod matrix;
mod metric;
mod optimizer;
mod outcome;
mod phase;
mod place;
mod plan;
mod preprocessing;
mod procedure;
mod profile;
mod record;
mod regime;
mod sampling;
mod selector;
mod settings;
mod text;

pub use augmentation::{
    AffineRanges, Augmentation, AugmentationSetting, Interpolation, Resampling, ShearUnit,
    TransformCenter,
};
pub use base::{Architecture, ConvolutionAlgorithm};
pub use batch_norm::{FrozenStatistics, MovingAverage, MovingStatistics, MovingVariance};
pub use cell::{Cell, CellId, Inputs, ProcedureId, label};
pub use dataset::{DatasetSource, SyntheticDataset, SyntheticTask};
pub use error::{Contradiction, Location, SpecError, UnknownName};
pub use evaluation::EvaluateTest;
pub use expectation::{
    Band, BandProvenance, Expectations, ExpectedStatus, PerSeed, Relation, RelationKind, Verdict,
    VerdictKind,
};
pub use experiment::{Experiment, PublishedCurve, Rung};
pub use extraction::{ARITHMETIC, Extraction, Sharing, Variants};
pub use file_kind::FileKind;
pub use hash::ContentHash;
pub use initializer::Initializer;
pub use labels::Labels;
pub use launcher::{LauncherSettings, SlurmSettings, StepKind, StepResources};
pub use log::{TrainingLog, TrainingLogError};
pub use manifest::{CellManifest, Environment, TrainingActivations, skipped_in_words};
pub use metric::{Metric, Statistic};
pub use optimizer::{
    Adam, BiasCorrection, ClipNormOf, Clipping, Course, EpsilonPosition, MomentumForm, Optimizer,
    RmsProp, Schedule, Sgd, WeightDecayForm,
};
pub use outcome::{BaseTraining, Outcome, PhaseAudit, RunStatus, TensorAudit, TensorRole};
pub use phase::{Carried, LaterPhase, Phase};
pub use plan::{BaseCosts, Cost, CostFacts, Plan, SplitCounts, Step, decoded_key};
pub use preprocessing::{ChannelOrder, Preprocessing, PreprocessingName, Resize};
pub use procedure::Procedure;
pub use profile::Profile;
pub use record::{
    DriftSummary, EpochRecord, Prediction, RecordSink, SinkError, Split, SplitRecord, TensorDrift,
};
pub use regime::{Cache, FreezeBoundary, FreezeBy, NestedFreeze, OptimizerCollects, Pooling};
pub use sampling::ValidationSampling;
pub use selector::{Selector, SelectorError};
pub use text::{file_names, is_hidden, shell_word, visible, visible_json};
