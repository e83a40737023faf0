//! Single runs: the number that one gives, and the runs of two procedures with equal seeds.

use thaw_spec::{Metric, Statistic};

use crate::estimate::{Sample, reduce};
use crate::results::{CellRun, ProcedureRuns};

impl CellRun {
    /// A metric's curve as one number; nothing when the metric's split was not evaluated.
    pub fn value(&self, metric: Metric, statistic: Statistic) -> Option<f64> {
        reduce(statistic, metric, &self.curve(metric))
    }
}

impl ProcedureRuns {
    /// The run with a seed, if it is complete.
    pub fn run_with_seed(&self, seed: u64) -> Option<&CellRun> {
        self.runs.iter().find(|run| run.cell().seed == seed)
    }

    /// The number of the run with a seed, if the run is complete and has the number.
    pub(crate) fn value_with_seed(
        &self,
        seed: u64,
        metric: Metric,
        statistic: Statistic,
    ) -> Option<f64> {
        self.run_with_seed(seed)?.value(metric, statistic)
    }

    /// The runs of this procedure and another with equal seeds, in the order of this procedure's
    /// runs. Such runs share all their random streams.
    pub fn paired_with<'a>(&'a self, other: &'a Self) -> Vec<(&'a CellRun, &'a CellRun)> {
        let pair = |run: &'a CellRun| Some((run, other.run_with_seed(run.cell().seed)?));
        self.runs.iter().filter_map(pair).collect()
    }
}

/// The sample of these values; nothing when there is none, or one is missing or not finite.
pub(crate) fn complete_sample(values: impl Iterator<Item = Option<f64>>) -> Option<Sample> {
    values.collect::<Option<Vec<f64>>>().and_then(Sample::new)
}

/// The differences `second − first` of a number between paired runs; nothing without a pair, or
/// when a run lacks the number.
pub(crate) fn paired_differences(
    pairs: &[(&CellRun, &CellRun)],
    metric: Metric,
    statistic: Statistic,
) -> Option<Sample> {
    complete_sample(pairs.iter().map(|(first, second)| {
        Some(second.value(metric, statistic)? - first.value(metric, statistic)?)
    }))
}
