//! The vocabulary of thaw: what a person writes down ([`Experiment`]), what it means ([`Cell`]),
//! what has to be computed ([`Plan`]), what comes back ([`EpochRecord`], [`Outcome`]) and what is
//! expected of it ([`Expectations`]).
//!
//! Everything here is pure: no file is read, no clock is asked, nothing is drawn at random.

mod augmentation;
mod base;
mod cell;
mod dataset;
mod error;
mod expectation;
mod experiment;
mod hash;
mod initializer;
mod log;
mod manifest;
mod matrix;
mod metric;
mod optimizer;
mod outcome;
mod phase;
mod plan;
mod preprocessing;
mod procedure;
mod profile;
mod record;
mod regime;
mod sampling;
mod selector;
mod settings;

pub use augmentation::{
    AffineRanges, Augmentation, AugmentationSetting, Interpolation, Resampling, ShearUnit,
    TransformCenter,
};
pub use base::{Architecture, ConvolutionAlgorithm};
pub use cell::{Cell, CellId, Inputs, ProcedureId};
pub use dataset::{DatasetSource, SyntheticDataset, SyntheticTask};
pub use error::{Contradiction, Location, SpecError, UnknownName};
pub use expectation::{
    Band, BandProvenance, Expectations, ExpectedStatus, PerSeed, Relation, RelationKind, Verdict,
    VerdictKind,
};
pub use experiment::{Experiment, PublishedCurve, Rung};
pub use hash::ContentHash;
pub use initializer::Initializer;
pub use log::{TrainingLog, TrainingLogError};
pub use manifest::{CellManifest, Environment, TrainingActivations};
pub use metric::{Metric, Statistic};
pub use optimizer::{EpsilonPosition, Optimizer};
pub use outcome::{Outcome, PhaseAudit, RunStatus, TensorAudit};
pub use phase::{Carried, LaterPhase, Phase};
pub use plan::{Cost, CostFacts, Extraction, Plan, Sharing, SplitCounts, Step, Variants};
pub use preprocessing::{ChannelOrder, Preprocessing, PreprocessingName, Resize};
pub use procedure::Procedure;
pub use profile::Profile;
pub use record::{
    DriftSummary, EpochRecord, Prediction, RecordSink, SinkError, Split, SplitRecord, TensorDrift,
};
pub use regime::{Cache, FreezeBoundary, FreezeBy, NestedFreeze, OptimizerCollects};
pub use sampling::ValidationSampling;
pub use selector::{Selector, SelectorError};
