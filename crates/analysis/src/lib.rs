//! What results say: records in and out of Parquet, curves, estimates with confidence intervals,
//! and verdicts on expectations.

mod attribution;
mod bands;
mod check;
mod diagnosis;
mod error;
mod estimate;
mod ladder;
mod mcnemar;
mod power;
mod results;
mod runs;
mod schema;
mod sink;
mod store;
mod variants;

pub use attribution::{
    Attribution, AttributionError, Interaction, MAXIMAL_FACTORS, Share, attribute,
};
pub use bands::derive_bands;
pub use check::check;
pub use diagnosis::{
    Answer, Candidate, Classifier, Diagnosis, DiagnosisError, HeldOutResult, Pace, Score, Work,
    pace, typical_seconds,
};
pub use error::AnalysisError;
pub use estimate::{Estimate, Sample};
pub use ladder::{MeasuredRung, evaluate_ladder};
pub use mcnemar::{McNemar, mcnemar};
pub use power::{power, smallest_shift};
pub use results::{CellRun, ProcedureRuns, Results};
pub use schema::SCHEMA_VERSION;
pub use sink::ParquetSink;
pub use store::{CellState, DriftCurve, FolderLock, ResultsFolder};
pub use variants::{VariantSeries, variant_series};
