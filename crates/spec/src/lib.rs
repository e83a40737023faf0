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
mod log;
mod matrix;
mod outcome;
mod phase;
mod plan;
mod procedure;
mod profile;
mod record;
mod regime;
mod selector;
mod settings;

pub use augmentation::{
    AffineRanges, Augmentation, AugmentationSetting, Interpolation, Resampling, ShearUnit,
    TransformCenter,
};
pub use base::{Architecture, ChannelOrder, Preprocessing, PreprocessingName};
pub use cell::{Cell, CellId, Inputs, ProcedureId};
pub use dataset::{DatasetSource, SyntheticDataset, SyntheticTask};
pub use error::{Location, SpecError};
pub use expectation::{
    Band, BandProvenance, Expectations, ExpectedStatus, Metric, PerSeed, Relation, RelationKind,
    Statistic, Verdict, VerdictKind,
};
pub use experiment::{Experiment, PublishedCurve, Rung};
pub use hash::ContentHash;
pub use log::TrainingLog;
pub use outcome::{
    CellManifest, Environment, Outcome, PhaseAudit, RunStatus, TensorAudit, TrainingActivations,
};
pub use phase::{Carried, LaterPhase, Phase};
pub use plan::{Cost, CostFacts, Extraction, Plan, Sharing, SplitCounts, Step, Variants};
pub use procedure::{
    Contradiction, ConvolutionAlgorithm, EpsilonPosition, Optimizer, Procedure, Resize,
};
pub use profile::{Initializer, Profile, ValidationSampling};
pub use record::{
    DriftSummary, EpochRecord, Prediction, RecordSink, SinkError, Split, SplitRecord, TensorDrift,
};
pub use regime::{Cache, FreezeBoundary, FreezeBy, NestedFreeze, OptimizerCollects};
pub use selector::Selector;
