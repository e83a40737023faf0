//! The training loop.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant;

use candle_core::{Device, Tensor, Var};
use thaw_data::{Purpose, Stream};
use thaw_model::{
    Base, Freezing, Gradients, Head, Loss, Mode, Optimizer, Weights, audit, audit_phase, drift,
};
use thaw_spec::{
    Carried, Cell, Course, EpochRecord, Outcome, Phase, PhaseAudit, Prediction, Procedure,
    RecordSink, Split, SplitRecord, ValidationSampling,
};

use crate::TrainError;
use crate::activations::{FeaturesOfBatches, ImageVersion, SplitData};
use crate::checkpoint::{BegunEpoch, Checkpoint, CheckpointPolicy, Checkpoints, CompletedEpochs};
use crate::process::peak_memory_bytes;
use crate::validation::seen_in_validation_pass;

/// Data that a cell is trained and evaluated on.
#[derive(Debug)]
pub struct FitData {
    /// Data of each phase.
    pub phases: Vec<PhaseData>,
    /// Device that trains the cell.
    pub device: Device,
}

/// Data of one phase.
#[derive(Debug)]
pub struct PhaseData {
    /// Images that the weights are fitted to.
    pub train: SplitData,
    /// Splits that are evaluated after epochs of the phase: after each, unless the procedure says
    /// otherwise.
    pub evaluation: Vec<(Split, SplitData)>,
}

/// Trains a cell from its checkpoint, or from the start, to its last epoch. Each epoch's record
/// goes to `sink`; `progress` is told how many training images were shown (first those of epochs
/// that a checkpoint brings along).
///
/// # Errors
/// When data or weights do not fit, the loss diverges, or records or checkpoints cannot be written.
///
/// # Example
/// A base that was declared frozen, trained honestly and as Keras before 2.1.0 did it:
///
/// ```
/// use thaw_data::{Dataset, OnUnreadable, Pixels, Synthetic};
/// use thaw_model::Weights;
/// use thaw_spec::{
///     Architecture, DatasetSource, EpochRecord, Experiment, Inputs, RecordSink, RunStatus,
///     SinkError, Split,
/// };
/// use thaw_train::{FitData, PhaseData, SplitData, fit};
///
/// /// Keeps records in memory.
/// #[derive(Default)]
/// struct Records(Vec<EpochRecord>);
///
/// impl RecordSink for Records {
///     fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
///         self.0 = resumed.to_vec();
///         Ok(())
///     }
///
///     fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
///         self.0.push(record.clone());
///         Ok(())
///     }
/// }
///
/// let text = r#"
/// name = "example"
/// seeds = [0]
/// dataset = { source = "synthetic", train = 8, validation = 4, test = 0 }
/// base = { architecture = "mini_vgg" }
/// procedure = { image_size = 32, epochs = 2, batch_size = 4 }
/// matrix = { optimizer_collects = ["unfrozen", "everything"] }
/// "#;
/// let experiment = Experiment::parse("example.toml", text)?;
/// let DatasetSource::Synthetic(pictures) = experiment.dataset else { unreachable!() };
/// let dataset = Synthetic::new(pictures);
/// let weights = Weights::shipped(Architecture::MiniVgg).expect("they come with thaw")?;
/// let inputs = Inputs {
///     dataset: dataset.content_hash()?,
///     weights: weights.hash.clone(),
///     classes: dataset.classes().to_vec(),
/// };
///
/// let folder = tempfile::tempdir()?;
/// let mut statuses = Vec::new();
/// for cell in experiment.cells(&inputs) {
///     let procedure = &cell.procedure;
///     let split = |split: Split| -> Result<SplitData, thaw_data::DataError> {
///         let path = folder.path().join(split.name());
///         let (size, filter) = (procedure.image_size, procedure.resize);
///         let refuse = OnUnreadable::Refuse;
///         Pixels::prepare(&dataset, split, size, filter, refuse, &path, &|_| {})?;
///         Ok(SplitData { pixels: Pixels::open(&path, refuse)?, stored: None })
///     };
///     let phase = PhaseData {
///         train: split(Split::Train)?,
///         evaluation: vec![(Split::Validation, split(Split::Validation)?)],
///     };
///     let data = FitData { phases: vec![phase], device: candle_core::Device::Cpu };
///     let mut records = Records::default();
///     let outcome = fit(&cell, &weights, &data, None, &mut records, &|_| {})?;
///     assert_eq!(records.0.len(), 2);
///     statuses.push(outcome.status);
/// }
/// assert_eq!(statuses, [RunStatus::Completed, RunStatus::Thawed]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fit(
    cell: &Cell,
    weights: &Weights,
    data: &FitData,
    checkpoints: Option<&CheckpointPolicy>,
    sink: &mut dyn RecordSink,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, TrainError> {
    let epochs = cell.procedure.total_epochs();
    let mut run = Run::new(cell, weights, data)?;
    let id = cell.id();
    let mut checkpoints = Checkpoints::new(checkpoints, &id);
    let (mut completed, mut begun) = (CompletedEpochs::default(), None);
    match checkpoints.found().and_then(|found| run.go_on_from(found)) {
        Ok(found) => (completed, begun) = found,
        // What can be computed again is no reason to give up.
        Err(damaged @ TrainError::Checkpoint { .. }) => {
            sink.remark(&damaged.to_string());
            run = Run::new(cell, weights, data)?;
        }
        Err(error) => return Err(error),
    }
    sink.begin(&completed.records)?;
    // Decoding and reading weights left some.
    thaw_model::give_back_freed_memory();
    let mut diverged = None;
    let shown = begun.map_or(0, |begun: BegunEpoch| begun.train.count);
    progress((completed.records.len() * run.data().train.pixels.len()) as u64 + shown);
    for epoch in completed.records.len()..epochs {
        if epoch == run.phase.epochs().end {
            completed.phases.push(run.audit_phase()?);
            run.enter_next_phase()?;
        }
        run.schedule(epoch, &completed.records)?;
        let begun = begun.take().unwrap_or_else(|| run.begin());
        let after_batch = &mut |run: &Run<'_>, begun: &dyn Fn() -> BegunEpoch| {
            checkpoints.after_batch(run, &completed, begun)
        };
        let (record, predictions) = match run.epoch(epoch, begun, after_batch, progress) {
            Err(TrainError::Diverged { .. }) => {
                diverged = Some(epoch);
                break;
            }
            trained => trained?,
        };
        sink.epoch(&record)?;
        if epoch + 1 == epochs {
            sink.predictions(&predictions)?;
        }
        completed.records.push(record);
        if epoch + 1 < epochs {
            checkpoints.after_epoch(&run, &completed)?;
        }
    }
    if run.phases.len() > 1 {
        completed.phases.push(run.audit_phase()?);
    }
    // Declared frozen is what every phase declares.
    let declared = run.phases.iter().map(Run::declared_blocks).min().unwrap_or(0);
    let audit = audit(&run.base, declared)?;
    Ok(match diverged {
        None => Outcome::new(epochs, audit, completed.phases),
        Some(epoch) => Outcome::diverged(epoch, audit, completed.phases),
    })
}

/// What changes while a cell is trained, and what it is trained with.
pub(crate) struct Run<'a> {
    cell: &'a Cell,
    phases: Vec<Phase<'a>>,
    /// The present phase.
    pub(crate) phase: Phase<'a>,
    all_data: &'a FitData,
    pub(crate) base: Base,
    /// Once a training pass has made them, where the present phase keeps them.
    features_of_batches: Option<FeaturesOfBatches>,
    pub(crate) head: Head,
    loss: Loss,
    pub(crate) variables: Vec<(String, Var)>,
    pub(crate) optimizer: Optimizer,
    pub(crate) device: Device,
}

/// Is told that a batch has ended, with what has been done of the epoch; may end it by an error.
pub(crate) type AfterBatch<'f> =
    &'f mut dyn FnMut(&Run<'_>, &dyn Fn() -> BegunEpoch) -> Result<(), TrainError>;

/// Images evaluated together.
const EVALUATION_BATCH: usize = 50;

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
    fn go_on_from(
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
    fn enter_next_phase(&mut self) -> Result<(), TrainError> {
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
    fn schedule(&mut self, epoch: usize, records: &[EpochRecord]) -> Result<(), TrainError> {
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
    fn audit_phase(&self) -> Result<PhaseAudit, TrainError> {
        let audit = audit_phase(&self.base, Self::declared_blocks(&self.phase))?;
        Ok(PhaseAudit { epochs: self.phase.procedure.epochs, audit })
    }

    /// Number of leading blocks that a phase declares frozen.
    fn declared_blocks(phase: &Phase<'_>) -> usize {
        phase.procedure.freeze.frozen_blocks(phase.procedure.architecture.blocks())
    }

    /// Data of the present phase.
    fn data(&self) -> &'a PhaseData {
        &self.all_data.phases[self.phase.number]
    }

    /// An epoch of the present phase before its first batch.
    pub(crate) fn begin(&self) -> BegunEpoch {
        let train = empty_record(Split::Train, &self.data().train);
        BegunEpoch { train, training_seconds: 0.0, seconds: 0.0 }
    }

    /// Trains for one epoch, counted from 0, from where it had begun, and evaluates: the record, and
    /// what the model says about each evaluated image.
    pub(crate) fn epoch(
        &mut self,
        epoch: usize,
        begun: BegunEpoch,
        after_batch: AfterBatch<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(EpochRecord, Vec<Prediction>), TrainError> {
        let start = Instant::now();
        let train = self.train(epoch, begun, after_batch, progress)?;
        let training_seconds = begun.training_seconds + start.elapsed().as_secs_f64();
        let so_far = || BegunEpoch {
            train,
            training_seconds,
            seconds: begun.seconds + start.elapsed().as_secs_f64(),
        };
        self.base.give_back_memory();
        let mut splits = vec![train];
        let mut predictions = Vec::new();
        let evaluated = self.data().evaluation.iter();
        let now = |split: Split| self.cell.procedure.evaluates_after(split, epoch);
        for (split, data) in evaluated.filter(|(split, _)| now(*split)) {
            let of_split = self.predict(*split, data, &mut || after_batch(self, &so_far))?;
            splits.push(self.evaluate(epoch, *split, &of_split));
            predictions.extend(of_split);
        }
        self.base.give_back_memory();
        // The last step may have led the weights where the loss has no value.
        if let Some(record) = splits.iter().find(|record| !record.loss_sum.is_finite()) {
            return Err(TrainError::Diverged { epoch: epoch + 1, loss: record.loss_sum });
        }
        let (drift, tensor_drifts) = drift(&self.base)?;
        let record = EpochRecord {
            epoch: epoch + 1,
            images_per_second: train.count as f64 / training_seconds,
            splits,
            drift,
            tensor_drifts,
            seconds: begun.seconds + start.elapsed().as_secs_f64(),
            peak_memory_bytes: peak_memory_bytes(),
        };
        Ok((record, predictions))
    }

    /// Shows every training image once, in batches of a random order; the last batch takes what is
    /// left. Those of the batches that it had begun with were shown before.
    fn train(
        &mut self,
        epoch: usize,
        begun: BegunEpoch,
        after_batch: AfterBatch<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<SplitRecord, TrainError> {
        let (procedure, data) = (self.phase.procedure, &self.data().train);
        if procedure.keeps_features_of_batches() && self.features_of_batches.is_none() {
            let epoch = self.phase.first_epoch;
            let version = ImageVersion::Training { seed: self.cell.seed, epoch };
            let features = FeaturesOfBatches::extract(
                data,
                &self.base,
                procedure,
                &self.order(epoch),
                version,
            )?;
            self.features_of_batches = Some(features);
        }
        let beginning = Instant::now();
        let mut record = begun.train;
        let order = self.order(epoch);
        for images in order[begun.train.count as usize..].chunks(procedure.batch_size) {
            let version = ImageVersion::Training { seed: self.cell.seed, epoch };
            let boundary = match &self.features_of_batches {
                Some(features) => features.batch(images, &self.device)?,
                None => data.boundary(&self.base, procedure, images, version, &self.device)?,
            };
            // Variables may lie below what gradients go through.
            let blocks = self.variable_blocks();
            let start = procedure.blocks_without_gradients().max(blocks.start);
            let boundary = self.base.forward_in_training(&boundary, blocks.start..start)?;
            let (features, tape) = self.base.forward_on_tape(&boundary, start..blocks.end)?;
            let (logits, head_tape) =
                self.head.forward_on_tape(&features, self.dropout_mask(images, epoch)?.as_ref())?;
            let labels = labels(data, images);
            let losses = self.loss.per_image(&logits, &labels, procedure.loss_clip)?;
            let mut gradients = Gradients::of(&losses.mean_all()?)?;
            head_tape.backward(&mut gradients)?;
            tape.backward(&mut gradients)?;
            for parameter in self.base.parameters().iter().filter(|known| known.block < start) {
                if let Some(variable) = parameter.trained() {
                    gradients.insert_zeros(variable)?;
                }
            }
            self.optimizer.apply(&gradients)?;
            add(&mut record, &losses.to_vec1()?, &self.loss.predicted(&logits)?, &labels);
            progress(images.len() as u64);
            // No checkpoint holds what no run can go on from.
            if !record.loss_sum.is_finite() {
                return Err(TrainError::Diverged { epoch: epoch + 1, loss: record.loss_sum });
            }
            after_batch(self, &|| {
                let seconds = beginning.elapsed().as_secs_f64();
                BegunEpoch {
                    train: record,
                    training_seconds: begun.training_seconds + seconds,
                    seconds: begun.seconds + seconds,
                }
            })?;
        }
        Ok(record)
    }

    /// The order in which an epoch shows the training images.
    fn order(&self, epoch: usize) -> Vec<usize> {
        let images = self.data().train.pixels.len();
        if self.phase.procedure.shuffle {
            Stream::new(self.cell.seed, Purpose::Shuffle, epoch, 0).permutation(images)
        } else {
            (0..images).collect()
        }
    }

    /// Predictions of the present model for each image of a split.
    fn predict(
        &self,
        split: Split,
        data: &SplitData,
        after_batch: &mut dyn FnMut() -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let mut predictions = Vec::with_capacity(data.pixels.len());
        let all: Vec<usize> = (0..data.pixels.len()).collect();
        for images in all.chunks(EVALUATION_BATCH) {
            let boundary = data.boundary(
                &self.base,
                self.phase.procedure,
                images,
                ImageVersion::Plain,
                &self.device,
            )?;
            let features = self.base.forward(&boundary, self.variable_blocks())?;
            let logits = self.head.forward(&features, None, Mode::Evaluation)?;
            let labels = labels(data, images);
            let losses: Vec<f32> =
                self.loss.per_image(&logits, &labels, self.phase.procedure.loss_clip)?.to_vec1()?;
            let predicted = images
                .iter()
                .zip(labels)
                .zip(self.loss.predicted(&logits)?.into_iter().zip(losses));
            predictions.extend(predicted.map(|((&image, label), (predicted, loss))| Prediction {
                split,
                image: image as u32,
                label,
                predicted,
                loss,
            }));
            after_batch()?;
        }
        Ok(predictions)
    }

    /// The record of a split from what is said about each of its images; the procedure may look at
    /// some of them twice and at others not.
    fn evaluate(&self, epoch: usize, split: Split, predictions: &[Prediction]) -> SplitRecord {
        let procedure = self.phase.procedure;
        let seen = match (split, procedure.validation_sampling) {
            (Split::Validation, ValidationSampling::PrefetchedAway) => seen_in_validation_pass(
                predictions.len(),
                procedure.batch_size,
                self.cell.seed,
                epoch,
            ),
            _ => (0..predictions.len()).collect(),
        };
        let of_seen = || seen.iter().map(|&image| &predictions[image]);
        SplitRecord {
            split,
            loss_sum: of_seen().map(|prediction| f64::from(prediction.loss)).sum(),
            correct: of_seen().filter(|prediction| prediction.is_correct()).count() as u64,
            count: seen.len() as u64,
            distinct_images: seen.iter().collect::<BTreeSet<_>>().len() as u64,
        }
    }

    /// The blocks behind the freeze boundary.
    fn variable_blocks(&self) -> Range<usize> {
        let procedure = self.phase.procedure;
        procedure.frozen_blocks()..procedure.architecture.blocks()
    }

    /// `[images, units]` of 0 for dropped units and 1 / (1 − rate) for the others. Each
    /// image has a stream of its own, so its mask does not depend on the batch it is in.
    fn dropout_mask(&self, images: &[usize], epoch: usize) -> Result<Option<Tensor>, TrainError> {
        let (rate, units) = (self.phase.procedure.dropout, self.head.units());
        if rate == 0.0 {
            return Ok(None);
        }
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mask: Vec<f32> = images
            .iter()
            .flat_map(|&image| {
                let mut stream = Stream::new(self.cell.seed, Purpose::Dropout, epoch, image);
                (0..units).map(move |_| if stream.unit() < rate { 0.0 } else { kept })
            })
            .collect();
        Ok(Some(Tensor::from_vec(mask, (images.len(), units), &self.device)?))
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

/// Adds a batch to a record.
fn add(record: &mut SplitRecord, losses: &[f32], predicted: &[u32], labels: &[u32]) {
    record.loss_sum += losses.iter().copied().map(f64::from).sum::<f64>();
    record.correct +=
        predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count() as u64;
    record.count += labels.len() as u64;
}

fn empty_record(split: Split, data: &SplitData) -> SplitRecord {
    SplitRecord {
        split,
        loss_sum: 0.0,
        correct: 0,
        count: 0,
        distinct_images: data.pixels.len() as u64,
    }
}

fn labels(data: &SplitData, images: &[usize]) -> Vec<u32> {
    images.iter().map(|&image| data.pixels.labels()[image]).collect()
}
