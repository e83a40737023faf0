//! A run of a cell: its model, its optimizer, and the phase that it is in.

use candle_core::{Device, Var};
use thaw_data::{Purpose, Stream};
use thaw_model::{Base, Freezing, Head, Loss, Optimizer, Weights, audit_phase};
use thaw_spec::{
    Carried, Cell, Course, EpochRecord, Phase, PhaseAudit, Procedure, Split, SplitRecord,
};

use super::{FitData, PhaseData};
use crate::TrainError;
use crate::activations::FeaturesOfBatches;
use crate::checkpoint::{BegunEpoch, Checkpoint, CompletedEpochs};

/// What changes while a cell is trained, and what it is trained with.
pub(crate) struct Run<'a> {
    pub(super) cell: &'a Cell,
    pub(super) phases: Vec<Phase<'a>>,
    /// The present phase.
    pub(crate) phase: Phase<'a>,
    pub(super) all_data: &'a FitData,
    pub(crate) base: Base,
    /// Once a training pass has made them, where the present phase keeps them.
    pub(super) features_of_batches: Option<FeaturesOfBatches>,
    pub(crate) head: Head,
    pub(super) loss: Loss,
    pub(crate) variables: Vec<(String, Var)>,
    pub(crate) optimizer: Optimizer,
    pub(crate) device: Device,
}

impl<'a> Run<'a> {
    /// The first phase before its first step.
    pub(crate) fn new(
        cell: &'a Cell,
        weights: &Weights,
        data: &'a FitData,
    ) -> Result<Self, TrainError> {
        let procedure = &cell.procedure;
        let device = data.device.clone();
        let base =
            Base::new(procedure.architecture, procedure.convolution, weights, procedure, &device)?;
        let phases = procedure.phases();
        let head = new_head(cell, 0, &device)?;
        let variables = variables(&base, &head);
        let optimizer = optimizer(&variables, procedure)?;
        let loss = Loss::for_classes(cell.inputs.classes.len());
        Ok(Self {
            cell,
            phase: phases[0],
            phases,
            all_data: data,
            base,
            features_of_batches: None,
            head,
            loss,
            variables,
            optimizer,
            device,
        })
    }

    /// Takes the values of a checkpoint, if there is one; returns what had been done until then.
    pub(super) fn go_on_from(
        &mut self,
        checkpoint: Option<Checkpoint<'_>>,
    ) -> Result<(CompletedEpochs, Option<BegunEpoch>), TrainError> {
        let Some(checkpoint) = checkpoint else { return Ok(Default::default()) };
        let finished = checkpoint.completed.records.len();
        if finished >= self.cell.procedure.total_epochs() {
            return Err(checkpoint.damaged("it holds more epochs than the cell has"));
        }
        while self.phase.epochs().end < finished + usize::from(checkpoint.begun.is_some()) {
            self.enter_next_phase()?;
        }
        checkpoint.restore(self)?;
        let shown = checkpoint.begun.map_or(0, |begun| begun.train.count as usize);
        self.count_updates(finished, shown);
        Ok((checkpoint.completed, checkpoint.begun))
    }

    /// Compiles the model again, as the next phase says: other blocks are variable, and head and
    /// optimizer go on or start anew.
    pub(super) fn enter_next_phase(&mut self) -> Result<(), TrainError> {
        self.phase = self.phases[self.phase.number + 1];
        let procedure = self.phase.procedure;
        self.base.refreeze(procedure)?;
        self.features_of_batches = None;
        if self.phase.head == Carried::Fresh {
            self.head = new_head(self.cell, self.phase.number, &self.device)?;
        }
        let before: Vec<(String, Var)> =
            std::mem::replace(&mut self.variables, variables(&self.base, &self.head));
        let kept = self.optimizer.state()?;
        self.optimizer = optimizer(&self.variables, procedure)?;
        if self.phase.optimizer_state == Carried::Kept {
            let mut state = self.optimizer.state()?;
            state.steps = kept.steps;
            for ((name, _), values) in self.variables.iter().zip(&mut state.values) {
                // What a new head's weights would go on with belongs to weights that are gone.
                let keeps_weights = self.phase.head == Carried::Kept
                    || !self.head.variables().iter().any(|(of_head, _)| of_head == name);
                if let (true, Some(place)) =
                    (keeps_weights, before.iter().position(|(old, _)| old == name))
                {
                    values.clone_from(&kept.values[place]);
                }
            }
            self.optimizer.restore(state)?;
        }
        Ok(())
    }

    /// Sets the learning rate of an epoch, counted from 0, by the records of all epochs before it.
    pub(super) fn schedule(
        &mut self,
        epoch: usize,
        records: &[EpochRecord],
    ) -> Result<(), TrainError> {
        let procedure = self.phase.procedure;
        let losses: Vec<f64> = records[self.phase.first_epoch.min(records.len())..]
            .iter()
            .filter_map(|record| {
                record.splits.iter().find(|record| record.split == Split::Validation)
            })
            .map(SplitRecord::loss)
            .collect();
        let place = epoch - self.phase.first_epoch;
        if matches!(procedure.schedule.course, Course::Plateau { .. }) && losses.len() < place {
            return Err(TrainError::NothingToValidate);
        }
        let factor = procedure.schedule.factor(place, procedure.epochs, &losses);
        self.optimizer.set_learning_rate(procedure.optimizer.learning_rate() * factor);
        Ok(())
    }

    /// Tells the base how often the statistics of each block moved in the first epochs, and in the
    /// batches of so many images of the next.
    fn count_updates(&self, epochs: usize, shown: usize) {
        for block in 0..self.cell.procedure.architecture.blocks() {
            let in_phase = |(phase, data): (&Phase<'_>, &PhaseData)| {
                let finished = phase.epochs().filter(|epoch| *epoch < epochs).count();
                let batches = data.train.pixels.len().div_ceil(phase.procedure.batch_size);
                let moves = Freezing::from(phase.procedure).moves_statistics(block);
                let begun = if phase.epochs().contains(&epochs) {
                    shown.div_ceil(phase.procedure.batch_size)
                } else {
                    0
                };
                if moves { finished * batches + begun } else { 0 }
            };
            let updates = self.phases.iter().zip(&self.all_data.phases).map(in_phase).sum();
            self.base.set_updates(block, updates);
        }
    }

    /// Audit of the present phase so far.
    pub(super) fn audit_phase(&self) -> Result<PhaseAudit, TrainError> {
        let audit = audit_phase(&self.base, Self::declared_blocks(&self.phase))?;
        Ok(PhaseAudit { epochs: self.phase.procedure.epochs, audit })
    }

    /// Number of leading blocks that a phase declares frozen.
    pub(super) fn declared_blocks(phase: &Phase<'_>) -> usize {
        phase.procedure.freeze.frozen_blocks(phase.procedure.architecture.blocks())
    }

    /// Data of the present phase.
    pub(super) fn data(&self) -> &'a PhaseData {
        &self.all_data.phases[self.phase.number]
    }
}

/// A head with the random weights that belong to a phase.
fn new_head(cell: &Cell, phase: usize, device: &Device) -> Result<Head, TrainError> {
    let procedure = &cell.procedure;
    let shapes = thaw_model::shapes(procedure.architecture, procedure.image_size)?;
    let inputs =
        shapes.last().map_or(0, |block| procedure.head_inputs(block.floats(), block.channels));
    let draw = |tensor: usize| {
        let mut stream = Stream::new(cell.seed, Purpose::Initialize, phase, tensor);
        move || stream.unit()
    };
    let loss = Loss::for_classes(cell.inputs.classes.len());
    let (units, initializer) = (procedure.hidden_units, procedure.initializer);
    let mut head = Head::new(inputs, units, loss, initializer, draw, device)?;
    head.pooling = procedure.pooling;
    Ok(head)
}

/// Variables that the optimizer holds, with names, in a fixed order.
fn variables(base: &Base, head: &Head) -> Vec<(String, Var)> {
    let of_base = base
        .parameters()
        .iter()
        .filter_map(|parameter| Some((parameter.name.clone(), parameter.trained()?.clone())));
    let of_head =
        head.variables().into_iter().map(|(name, variable)| (name.to_owned(), variable.clone()));
    of_base.chain(of_head).collect()
}

fn optimizer(variables: &[(String, Var)], procedure: &Procedure) -> Result<Optimizer, TrainError> {
    let variables = variables.iter().map(|(_, variable)| variable.clone()).collect();
    Ok(Optimizer::new(variables, procedure.optimizer)?.clipped(procedure.clipping))
}
