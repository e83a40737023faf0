//! After which epochs which images are evaluated.

use serde::{Deserialize, Serialize};

use crate::{Metric, Phase, Procedure, Split, Statistic};

/// The epochs after which the test images are evaluated. Validation images are evaluated after every
/// epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluateTest {
    /// Every epoch.
    #[default]
    EveryEpoch,
    /// The last epoch, of all phases.
    LastEpoch,
}

impl Procedure {
    /// Whether the images of a split are evaluated after the last epoch alone.
    pub fn evaluates_last_epoch_only(&self, split: Split) -> bool {
        match (split, self.evaluate_test) {
            (Split::Test, EvaluateTest::LastEpoch) => self.total_epochs() > 1,
            (Split::Test, EvaluateTest::EveryEpoch) | (Split::Train | Split::Validation, _) => {
                false
            }
        }
    }

    /// Whether the images of a split are evaluated after an epoch, counted from 0 over all phases.
    pub fn evaluates_after(&self, split: Split, epoch: usize) -> bool {
        !self.evaluates_last_epoch_only(split) || epoch.saturating_add(1) == self.total_epochs()
    }

    /// Number of epochs of a phase after which the images of a split are evaluated.
    pub fn evaluations_in(&self, phase: &Phase<'_>, split: Split) -> usize {
        if !self.evaluates_last_epoch_only(split) {
            return phase.procedure.epochs;
        }
        usize::from(phase.epochs().end == self.total_epochs())
    }

    /// Whether the curve of a metric has what a statistic is made from. Of a curve with the last
    /// epoch alone that is the last epoch: it has no best epoch, and no mean over several.
    pub fn has_statistic(&self, metric: Metric, statistic: Statistic) -> bool {
        match statistic {
            Statistic::Final | Statistic::Last(1) => true,
            Statistic::Best | Statistic::Last(_) => !self.evaluates_last_epoch_only(metric.split()),
        }
    }
}
