//! The way from one procedure to another, one change at a time, and what each change does to the
//! accuracy.

use thaw_spec::{Metric, Rung, Statistic};

use crate::estimate::{Estimate, Sample, reduce};
use crate::results::{CellRun, ProcedureRuns, Results};

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
    let mut steps = Vec::new();
    for rung in ladder {
        let Some(procedure) = results.select(&rung.selector).next() else { continue };
        let pairs = before.map(|before| seed_pairs(before, procedure)).unwrap_or_default();
        let number = |run: &CellRun| reduce(statistic, metric, &run.curve(metric));
        let differences = pairs.iter().map(|(from, to)| Some(number(to)? - number(from)?));
        // Accuracies count images and may agree by chance; losses do not.
        let same = |(from, to): &(&CellRun, &CellRun)| {
            [metric, Metric::ValidationLoss]
                .into_iter()
                .all(|metric| from.curve(metric) == to.curve(metric))
        };
        let differences = differences.collect::<Option<Vec<f64>>>().and_then(Sample::new);
        steps.push(MeasuredRung {
            label: rung.label.clone(),
            estimate: procedure.sample(metric, statistic).map(|sample| sample.estimate()),
            equal: !pairs.is_empty() && pairs.iter().all(same),
            differences,
        });
        before = Some(procedure);
    }
    steps
}

/// The runs with equal seeds.
fn seed_pairs<'a>(
    from: &'a ProcedureRuns,
    to: &'a ProcedureRuns,
) -> Vec<(&'a CellRun, &'a CellRun)> {
    let twin = |seed: u64| to.runs.iter().find(|run| run.cell().seed == seed);
    from.runs.iter().filter_map(|run| Some((run, twin(run.cell().seed)?))).collect()
}
