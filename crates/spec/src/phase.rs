//! Phases: a procedure that compiles its model again, freezes something else and goes on training,
//! as fine-tuning does.

use serde::{Deserialize, Serialize};

use crate::batch_norm::FrozenStatisticsSetting;
use crate::error::Contradiction;
use crate::optimizer::{Optimizer, OptimizerName, ScheduleName};
use crate::settings::{Settings, set};
use crate::{
    Architecture, AugmentationSetting, Cache, EvaluateTest, FreezeBoundary, FreezeBy,
    FrozenStatistics, OptimizerCollects, Procedure,
};

/// Treatment, at the start of a phase, of what the phase before it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// The phase goes on with it.
    Kept,
    /// The phase starts with a new one.
    Fresh,
}

/// A phase after the first, with every setting resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaterPhase {
    /// Procedure of the phase.
    pub procedure: Procedure,
    /// Whether the phase trains the head of the phase before, or one with new random weights.
    pub head: Carried,
    /// Whether the phase keeps the optimizer's running means, or starts with zeros, as after
    /// `compile()`.
    pub optimizer_state: Carried,
}

/// A phase in its place among the others.
#[derive(Clone, Copy, Debug)]
pub struct Phase<'a> {
    /// Position, counted from 0.
    pub number: usize,
    /// Number of epochs of all phases before it.
    pub first_epoch: usize,
    /// Procedure of the phase; for the first phase this is the whole procedure.
    pub procedure: &'a Procedure,
    /// Number of leading blocks of the base of which neither this phase nor one before it moves a
    /// tensor: in evaluation their activations are those of the weights file.
    pub untouched_blocks: usize,
    /// Whether the phase trains the head of the phase before, or a new one.
    pub head: Carried,
    /// Whether the phase keeps the optimizer's state of the phase before.
    pub optimizer_state: Carried,
}

impl Phase<'_> {
    /// The epochs of the phase, counted from 0 over all phases.
    pub fn epochs(&self) -> std::ops::Range<usize> {
        self.first_epoch..self.first_epoch.saturating_add(self.procedure.epochs)
    }
}

impl Procedure {
    /// The phases in their order; one for a procedure that compiles its model once.
    pub fn phases(&self) -> Vec<Phase<'_>> {
        let first = (self, Carried::Fresh, Carried::Fresh);
        let later = self
            .later_phases
            .iter()
            .map(|later| (&later.procedure, later.head, later.optimizer_state));
        let (mut first_epoch, mut untouched_blocks) = (0, usize::MAX);
        let placed = std::iter::once(first).chain(later).enumerate().map(
            |(number, (procedure, head, optimizer_state))| {
                let untouched = match procedure.frozen_statistics {
                    FrozenStatistics::Kept | FrozenStatistics::Batch => procedure.frozen_blocks(),
                    FrozenStatistics::Moving => 0,
                };
                untouched_blocks = untouched_blocks.min(untouched);
                let phase = Phase {
                    number,
                    first_epoch,
                    procedure,
                    untouched_blocks,
                    head,
                    optimizer_state,
                };
                first_epoch = first_epoch.saturating_add(procedure.epochs);
                phase
            },
        );
        placed.collect()
    }

    /// Number of passes over the training images in all phases.
    pub fn total_epochs(&self) -> usize {
        let later = self.later_phases.iter().map(|later| later.procedure.epochs);
        // A record may hold any number.
        later.fold(self.epochs, usize::saturating_add)
    }
}

/// A `[[phase]]` as typed: what it does differently from `[procedure]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhaseSettings {
    epochs: Option<usize>,
    freeze: Option<FreezeBoundary>,
    freeze_by: Option<FreezeBy>,
    optimizer_collects: Option<OptimizerCollects>,
    frozen_statistics: Option<FrozenStatisticsSetting>,
    cache: Option<Cache>,
    variants: Option<usize>,
    augmentation: Option<AugmentationSetting>,
    dropout: Option<f64>,
    optimizer: Option<OptimizerName>,
    learning_rate: Option<f64>,
    momentum: Option<f64>,
    weight_decay: Option<f64>,
    schedule: Option<ScheduleName>,
    warmup_epochs: Option<usize>,
    batch_size: Option<usize>,
    head: Option<Carried>,
    optimizer_state: Option<Carried>,
}

impl PhaseSettings {
    /// The settings of the phase, to be laid over those of the procedure.
    fn settings(&self) -> Settings {
        Settings {
            epochs: self.epochs,
            freeze: self.freeze,
            freeze_by: self.freeze_by,
            optimizer_collects: self.optimizer_collects,
            frozen_statistics: self.frozen_statistics,
            cache: self.cache,
            variants: self.variants,
            augmentation: self.augmentation,
            dropout: self.dropout,
            optimizer: self.optimizer,
            learning_rate: self.learning_rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            schedule: self.schedule,
            warmup_epochs: self.warmup_epochs,
            batch_size: self.batch_size,
            ..Settings::default()
        }
    }
}

/// Resolves a procedure of several phases, each over the same settings.
pub(crate) fn resolve(
    architecture: Architecture,
    settings: &Settings,
    phases: &[PhaseSettings],
) -> Result<Procedure, Contradiction> {
    let alone = |typed: &PhaseSettings| {
        let mut settings = Settings { phase: None, ..settings.clone() };
        settings.overlay(&typed.settings());
        settings
    };
    let mut resolved: Vec<LaterPhase> = Vec::with_capacity(phases.len());
    for (number, typed) in phases.iter().enumerate() {
        let in_phase = |contradiction: Contradiction| contradiction.of_phase(number);
        if number == 0 && (typed.head.is_some() || typed.optimizer_state.is_some()) {
            let reason = "`head` and `optimizer_state` say what is kept of the phase before, and the first phase has none";
            return Err(in_phase(Contradiction::new(reason.to_owned()).remedy("leave them out")));
        }
        let mut settings = alone(typed);
        if let Some(earlier) = resolved.iter().position(|earlier| {
            relies_on_what_is_trained(&earlier.procedure, &settings, architecture)
        }) && typed.cache.is_none()
        {
            let cached = resolved[earlier].procedure.frozen_blocks();
            let reason = format!(
                "it trains block {cached}, on whose activations the cache of phase {} relies",
                earlier + 1
            );
            let remedy = "set `cache` in this phase too: \"none\", or \"features\" to cache the blocks that it leaves frozen";
            return Err(in_phase(Contradiction::new(reason).remedy(remedy)));
        }
        // One variant an epoch means an epoch of this phase.
        let caches_variants = |typed: &PhaseSettings| alone(typed).cache == Some(Cache::Variants);
        if settings.cache != Some(Cache::Variants)
            && typed.variants.is_none()
            && phases.iter().any(caches_variants)
        {
            settings.variants = Some(0);
        }
        let mut procedure = Procedure::resolve(architecture, &settings).map_err(in_phase)?;
        // It is about the last epoch of all phases, and stands with the first.
        procedure.evaluate_test = EvaluateTest::default();
        let trained = resolved
            .iter()
            .position(|earlier| earlier.procedure.frozen_blocks() < procedure.frozen_blocks());
        // Features of batches are of the base as it then is.
        let caches_activations_of_the_file =
            procedure.cache != Cache::None && !procedure.keeps_features_of_batches();
        let moved = resolved
            .iter()
            .position(|earlier| earlier.procedure.frozen_statistics == FrozenStatistics::Moving);
        if let (Some(earlier), true) = (moved, caches_activations_of_the_file) {
            let reason = format!(
                "a cache holds activations of the weights file, but phase {} has moved the statistics of frozen blocks",
                earlier + 1
            );
            return Err(in_phase(Contradiction::new(reason).remedy(
                "set cache = \"none\" in this phase, or frozen_statistics = \"kept\" in the one before",
            )));
        }
        if let (Some(earlier), true) = (trained, caches_activations_of_the_file) {
            let first_trained = resolved[earlier].procedure.frozen_blocks() + 1;
            let reason = format!(
                "a cache holds activations of the weights file, but phase {} has trained block {first_trained} below this phase's freeze boundary",
                earlier + 1
            );
            return Err(in_phase(
                Contradiction::new(reason).remedy("set cache = \"none\" in this phase"),
            ));
        }
        if let (Some(Carried::Kept), Some(before)) = (typed.optimizer_state, resolved.last())
            && !procedure.optimizer.keeps_the_state_of(&before.procedure.optimizer)
        {
            let reason = "optimizer_state = \"kept\", but the optimizer of the phase before is another and keeps other numbers";
            return Err(in_phase(
                Contradiction::new(reason.to_owned()).remedy("leave out `optimizer_state`"),
            ));
        }
        if let (Some(Carried::Kept), Some(before)) = (typed.optimizer_state, resolved.last())
            && matches!(procedure.optimizer, Optimizer::Adam(_))
            && (typed.head == Some(Carried::Fresh)
                || procedure.frozen_blocks() < before.procedure.frozen_blocks())
        {
            let reason = "optimizer_state = \"kept\", but this phase trains what the phase before did not, and Adam would correct its moments for steps that they have not made";
            return Err(in_phase(
                Contradiction::new(reason.to_owned()).remedy("leave out `optimizer_state`"),
            ));
        }
        resolved.push(LaterPhase {
            procedure,
            head: typed.head.unwrap_or(Carried::Kept),
            optimizer_state: typed.optimizer_state.unwrap_or(Carried::Fresh),
        });
    }
    let mut phases = resolved.into_iter();
    let first = phases.next().expect("called with a phase").procedure;
    let mut whole = Procedure { later_phases: phases.collect(), ..first };
    if whole.total_epochs() > 1 {
        whole.evaluate_test = set("evaluate_test", &settings.evaluate_test)?;
    }
    Ok(whole)
}

/// Whether settings train a block whose activations an earlier phase caches.
fn relies_on_what_is_trained(
    earlier: &Procedure,
    settings: &Settings,
    architecture: Architecture,
) -> bool {
    let frozen = settings.freeze.map_or(0, |freeze| freeze.frozen_blocks(architecture.blocks()));
    earlier.cache != Cache::None && frozen < earlier.frozen_blocks()
}
