//! A cell's outcome, written after its last epoch: how the run ended, and the audit of its freezing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ContentHash;

/// What a tensor of a base is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorRole {
    /// It has a gradient, and an optimizer may hold it.
    #[default]
    Weight,
    /// It sums up the batches that were seen in training, as a moving mean does; no optimizer holds
    /// it.
    Statistic,
}

impl TensorRole {
    fn is_weight(&self) -> bool {
        *self == Self::Weight
    }
}

/// Freezing of one tensor, seen from three sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorAudit {
    /// Name in the weights file.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "TensorRole::is_weight")]
    pub role: TensorRole,
    /// Number of elements.
    pub elements: u64,
    /// Whether it lies below the declared freeze boundary; over several phases, below that of all
    /// of them.
    pub declared_frozen: bool,
    /// Whether the optimizer holds it; over several phases, whether it did in any of them.
    pub collected: bool,
    /// Whether at least one bit of it changed.
    pub moved: bool,
    /// ‖w − w₀‖₂ / ‖w₀‖₂, from the start of the run or of the phase; infinite where the tensor holds
    /// numbers that are not finite, as after a run that diverged. JSON has no such number: there it is
    /// `null`.
    #[serde(deserialize_with = "infinite_where_null")]
    pub relative_drift: f64,
}

fn infinite_where_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

impl TensorAudit {
    /// Whether it was declared frozen and yet moved.
    pub fn thawed(&self) -> bool {
        self.declared_frozen && self.moved
    }

    /// Whether it moved and no optimizer held it, as a moving statistic does.
    pub fn moved_without_optimizer(&self) -> bool {
        self.moved && !self.collected
    }
}

/// Verdict of the audit on a complete run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// All epochs ran, and what was declared frozen stayed so.
    Completed,
    /// All epochs ran, and a tensor that was declared frozen moved.
    Thawed,
    /// In the epoch behind the last that ran, a loss was not a finite number any more. The same would
    /// come of it again.
    Diverged,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Completed => "completed",
            Self::Thawed => "thawed",
            Self::Diverged => "diverged",
        })
    }
}

/// How much of a base is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BaseTraining {
    /// The optimizer holds no weight of it.
    Frozen,
    /// The optimizer holds some of its weights, or holds them in some of the epochs.
    Partial,
    /// The optimizer holds all of its weights in all epochs.
    Whole,
}

/// `outcome.json`: how a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Verdict of the audit.
    pub status: RunStatus,
    /// Number of epochs that ran.
    pub epochs: usize,
    /// Every tensor of the base, in the order of its layers, from the start of the run to its end.
    pub audit: Vec<TensorAudit>,
    /// Audit of each phase by itself, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseAudit>,
    /// SHA-256 of the run's other records by the names of their files, so that a flipped bit is found.
    /// Older versions wrote none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub records: BTreeMap<String, ContentHash>,
}

/// Audit of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseAudit {
    /// Number of epochs of the phase.
    pub epochs: usize,
    /// Every tensor of the base, in the order of its layers, from the start of the phase to its
    /// end.
    pub audit: Vec<TensorAudit>,
}

impl Outcome {
    /// Judges the audit of a run, and of its phases where there are several.
    pub fn new(epochs: usize, audit: Vec<TensorAudit>, phases: Vec<PhaseAudit>) -> Self {
        let mut all = phases.iter().flat_map(|phase| &phase.audit).chain(&audit);
        let status =
            if all.any(TensorAudit::thawed) { RunStatus::Thawed } else { RunStatus::Completed };
        Self { status, epochs, audit, phases, records: BTreeMap::new() }
    }

    /// The audit of a run that diverged behind so many epochs.
    #[must_use]
    pub fn diverged(epochs: usize, audit: Vec<TensorAudit>, phases: Vec<PhaseAudit>) -> Self {
        Self { status: RunStatus::Diverged, ..Self::new(epochs, audit, phases) }
    }

    /// Whether no more is to come of a run of so many epochs.
    #[must_use]
    pub fn is_final(&self, epochs: usize) -> bool {
        self.epochs == epochs || self.status == RunStatus::Diverged
    }

    /// Number of tensors that moved while they were declared frozen, in the whole run or in one of
    /// its phases.
    pub fn thawed_tensors(&self) -> usize {
        let all = self.phases.iter().flat_map(|phase| &phase.audit).chain(&self.audit);
        all.filter(|tensor| tensor.thawed())
            .map(|tensor| tensor.name.as_str())
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// Whether tensors moved while they were declared frozen, and the optimizer held none of them.
    pub fn thawed_without_optimizer(&self) -> bool {
        let all = self.phases.iter().flat_map(|phase| &phase.audit).chain(&self.audit);
        let mut thawed = all.filter(|tensor| tensor.thawed()).peekable();
        thawed.peek().is_some() && thawed.all(TensorAudit::moved_without_optimizer)
    }

    /// How much of the base is trained within the first `epochs` epochs.
    pub fn base_training_within(&self, epochs: usize) -> BaseTraining {
        let begin = self
            .phases
            .iter()
            .scan(0, |begin, phase| Some(std::mem::replace(begin, *begin + phase.epochs)));
        let phases = begin.zip(&self.phases).take_while(|(begin, _)| *begin < epochs);
        let audits: Vec<&[TensorAudit]> = if self.phases.is_empty() {
            vec![&self.audit]
        } else {
            phases.map(|(_, phase)| phase.audit.as_slice()).collect()
        };
        let weights = audits.into_iter().flatten().filter(|tensor| tensor.role.is_weight());
        let are_held: BTreeSet<bool> = weights.map(|tensor| tensor.collected).collect();
        match (are_held.contains(&true), are_held.contains(&false)) {
            (false, _) => BaseTraining::Frozen,
            (true, true) => BaseTraining::Partial,
            (true, false) => BaseTraining::Whole,
        }
    }
}
