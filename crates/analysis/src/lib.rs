//! What results say: records in and out of Parquet, curves, estimates with confidence intervals,
//! and verdicts on expectations.

mod attribution;
mod check;
mod diagnosis;
mod error;
mod estimate;
mod ladder;
mod mcnemar;
mod power;
mod record;
mod results;
mod schema;
mod sink;
mod store;
mod variants;

pub use attribution::{
    Attribution, AttributionError, Interaction, MAXIMAL_FACTORS, Share, attribute,
};
pub use check::check;
pub use diagnosis::{
    Answer, Candidate, Diagnosis, DiagnosisError, Examiner, Pace, Suspicion, Trial, Work, pace,
    typical_seconds,
};
pub use error::AnalysisError;
pub use estimate::{Estimate, Sample};
pub use ladder::{Step, climb};
pub use mcnemar::{McNemar, mcnemar};
pub use power::{power, smallest_shift};
pub use record::record;
pub use results::{CellRun, ProcedureRuns, Results};
pub use schema::SCHEMA_VERSION;
pub use sink::ParquetSink;
pub use store::{CellState, Claim, DriftCurve, ResultsFolder};
pub use variants::{VariantSeries, variant_series};
