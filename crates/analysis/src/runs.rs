//! Single runs: the number that one gives, and the runs of two procedures with equal seeds.

use std::collections::BTreeMap;

use thaw_spec::{Metric, RunStatus, Statistic};

use crate::estimate::reduce;
use crate::results::{CellRun, ProcedureRuns};

impl CellRun {
    /// A metric's curve as one number; nothing when the metric's split was not evaluated, or not in
    /// the epochs that the [statistic](thaw_spec::Procedure::has_statistic) is made from.
    pub fn value(&self, metric: Metric, statistic: Statistic) -> Option<f64> {
        if !self.cell().procedure.has_statistic(metric, statistic) {
            return None;
        }
        reduce(statistic, metric, &self.curve(metric))
    }

    /// The first epoch, from 1, in which a metric is not finite: the run diverged.
    pub fn diverged(&self, metric: Metric) -> Option<usize> {
        let place = self.curve(metric).iter().position(|value| !value.is_finite())?;
        let epoch = *self.epochs_of(metric).get(place)?;
        // It may be evaluated in later epochs alone.
        Some(match self.outcome.status {
            RunStatus::Diverged => epoch.min(self.outcome.epochs + 1),
            RunStatus::Completed | RunStatus::Thawed => epoch,
        })
    }

    /// Whether all curves of both runs, of every split, are finite and equal to the last bit: in every
    /// epoch, but where one evaluates after the last epoch alone, in that epoch. Accuracies count
    /// images and may agree by chance; losses do not.
    pub fn equals(&self, other: &Self) -> bool {
        let equal = |metric: Metric| {
            let [one, another] = [self, other].map(|run| {
                run.epochs_of(metric).into_iter().zip(run.curve(metric)).collect::<BTreeMap<_, _>>()
            });
            let has_all =
                |run: &Self| !run.cell().procedure.evaluates_last_epoch_only(metric.split());
            let same_epochs = one.keys().eq(another.keys());
            let same_end = one.keys().last() == another.keys().last();
            let compared = if has_all(self) && has_all(other) { same_epochs } else { same_end };
            let mut shared = one.iter().filter_map(|(epoch, a)| Some((a, another.get(epoch)?)));
            compared && shared.all(|(a, b)| a.is_finite() && a.to_bits() == b.to_bits())
        };
        !self.curve(Metric::TrainLoss).is_empty() && Metric::ALL.into_iter().all(equal)
    }
}

impl ProcedureRuns {
    /// Whether every run evaluated its images in the epochs that a statistic of a metric is made from.
    pub fn has_statistic(&self, metric: Metric, statistic: Statistic) -> bool {
        self.runs.iter().all(|run| run.cell().procedure.has_statistic(metric, statistic))
    }

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
