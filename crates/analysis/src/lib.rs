//! What results say: records in and out of Parquet, curves, estimates with confidence intervals,
//! and verdicts on expectations.
//!
//! In the order in which one meets them:
//!
//! - [`ResultsFolder`]: `cells/<cell>/` with manifest, records and outcome. [`ParquetSink`] writes
//!   the records of one cell.
//! - [`Results`]: the complete cells of an experiment, as [`ProcedureRuns`] of [`CellRun`]s.
//! - [`Measurements`]: one number of every run. [`Estimate`]: a mean over seeds, or a difference of
//!   such means, with 95 % intervals over seeds, and over seeds and images.
//! - [`check()`], [`check_only`]: verdicts on bands, relations and audits.
//! - [`wanted_differences`], [`PrecisionTarget`]: which seeds to run next, to make differences precise.
//! - [`evaluate_ladder`]: what each change of a ladder does. [`attribute`]: a gap, divided over factors.
//! - [`Classifier`]: which procedure a training log is of.
//!
//! Accuracies and their differences are fractions of 1, losses are in nats; percent and points are
//! made where they are shown. Differences are taken between runs of equal seeds.
//!
//! ```
//! use thaw_analysis::{Measurements, Results, ResultsFolder};
//! use thaw_spec::{Experiment, Metric, Selector, Statistic};
//!
//! // The committed results of the miniature.
//! let text = std::fs::read_to_string("../../experiments/miniature.toml")?;
//! let experiment = Experiment::parse("miniature.toml", &text)?;
//! let folder = ResultsFolder::new("../../results/miniature".into());
//! let results = Results::read(&folder, &experiment)?;
//! let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
//! let frozen = Selector::from_arguments(&["regime=frozen_end_to_end"])?;
//! for procedure in results.select(&frozen) {
//!     let estimate = accuracy.level(procedure).expect("it ran");
//!     assert!(estimate.count >= 3 && estimate.interval().is_some(), "with several seeds");
//!     assert!(!procedure.thawed());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribution;
mod bands;
mod check;
mod comparison;
mod diagnosis;
mod equality;
mod error;
mod estimate;
mod examination;
mod ladder;
mod mcnemar;
mod measurements;
mod parquet;
mod power;
mod precision;
mod prior;
mod range;
mod results;
mod runs;
mod schema;
mod sink;
mod store;
mod variants;

pub use attribution::{
    Attribution, AttributionError, EqualLevels, Interaction, MAXIMAL_FACTORS, Share, attribute,
};
pub use bands::derive_bands;
pub use check::{check, check_only};
pub use comparison::{Comparison, compare_records};
pub use diagnosis::{
    Answer, Candidate, Classifier, Diagnosis, DiagnosisError, HeldOutResult, Pace, Score, Work,
    pace, typical_seconds,
};
pub use error::AnalysisError;
pub use estimate::{Estimate, Sample, Uncertainty, holm};
pub use examination::{Damage, Examination};
pub use ladder::{MeasuredRung, diverged_in_words, evaluate_ladder};
pub use mcnemar::{McNemar, mcnemar};
pub use measurements::Measurements;
pub use power::smallest_difference;
pub use precision::{Addition, PrecisionTarget, WantedDifference, wanted_differences};
pub use results::{CellRun, ProcedureRuns, Results};
pub use schema::SCHEMA_VERSION;
pub use sink::ParquetSink;
pub use store::{CellState, DriftCurve, Failure, Recorded, ResultsFolder};
pub use variants::{VariantSeries, variant_series};
