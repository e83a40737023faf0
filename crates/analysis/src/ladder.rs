//! The way from one procedure to another, one change at a time, and what each change does to the
//! accuracy.

use thaw_spec::{Metric, Rung, Statistic};

use crate::estimate::{Estimate, Sample};
use crate::results::{CellRun, ProcedureRuns, Results};
use crate::runs::paired_differences;

/// A rung of the ladder with its measured number.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredRung {
    /// Change that leads to this rung, in a few words.
    pub label: String,
    /// Estimate of the number at this rung, when the procedure has run.
    pub estimate: Option<Estimate>,
    /// Differences from the rung before, between runs of equal seeds, when both have run.
    pub differences: Option<Sample>,
    /// Whether the curves of this rung and the rung before, validation loss included, are equal to
    /// the last bit for every seed they share.
    pub equal: bool,
}

impl MeasuredRung {
    /// The mean difference from the rung before.
    pub fn change(&self) -> Option<Estimate> {
        self.differences.as_ref().map(Sample::estimate)
    }
}

/// Estimates a number at each rung whose procedure exists, and its change from the rung before.
pub fn evaluate_ladder(
    ladder: &[Rung],
    results: &Results,
    metric: Metric,
    statistic: Statistic,
) -> Vec<MeasuredRung> {
    let mut before: Option<&ProcedureRuns> = None;
    let mut rungs = Vec::new();
    for rung in ladder {
        let Some(procedure) = results.select(&rung.selector).next() else { continue };
        let pairs = before.map(|before| before.paired_with(procedure)).unwrap_or_default();
        rungs.push(MeasuredRung {
            label: rung.label.clone(),
            estimate: procedure.sample(metric, statistic).map(|sample| sample.estimate()),
            equal: !pairs.is_empty()
                && pairs.iter().all(|(from, to)| have_equal_curves(from, to, metric)),
            differences: paired_differences(&pairs, metric, statistic),
        });
        before = Some(procedure);
    }
    rungs
}

/// Whether the curves of a metric and of the validation loss are equal to the last bit. Accuracies
/// count images and may agree by chance; losses do not.
fn have_equal_curves(first: &CellRun, second: &CellRun, metric: Metric) -> bool {
    [metric, Metric::ValidationLoss]
        .into_iter()
        .all(|metric| first.curve(metric) == second.curve(metric))
}
