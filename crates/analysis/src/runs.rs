//! Single runs: the number that one gives, and the runs of two procedures with equal seeds.

use thaw_spec::{Metric, Statistic};

use crate::estimate::reduce;
use crate::results::{CellRun, ProcedureRuns};

impl CellRun {
    /// A metric's curve as one number; nothing when the metric's split was not evaluated.
    pub fn value(&self, metric: Metric, statistic: Statistic) -> Option<f64> {
        reduce(statistic, metric, &self.curve(metric))
    }

    /// The first epoch, from 1, in which a metric is not finite: the run diverged.
    pub fn diverged(&self, metric: Metric) -> Option<usize> {
        self.curve(metric).iter().position(|value| !value.is_finite()).map(|place| place + 1)
    }

    /// Whether all curves of both runs, of every split, are finite and equal to the last bit.
    /// Accuracies count images and may agree by chance; losses do not.
    pub fn equals(&self, other: &Self) -> bool {
        let equal = |metric: Metric| {
            let (one, another) = (self.curve(metric), other.curve(metric));
            one.len() == another.len()
                && one
                    .iter()
                    .zip(&another)
                    .all(|(a, b)| a.is_finite() && a.to_bits() == b.to_bits())
        };
        !self.curve(Metric::TrainLoss).is_empty() && Metric::ALL.into_iter().all(equal)
    }
}

impl ProcedureRuns {
    /// Seed and epoch of the first run in which a metric is not finite.
    pub fn diverged(&self, metric: Metric) -> Option<(u64, usize)> {
        self.runs.iter().find_map(|run| Some((run.cell().seed, run.diverged(metric)?)))
    }

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
