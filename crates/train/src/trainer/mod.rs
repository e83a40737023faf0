//! The training loop.

mod epoch;
mod run;

use candle_core::Device;
use thaw_model::{Weights, audit};
use thaw_spec::{Cell, Outcome, RecordSink, Split};

pub(crate) use self::run::Run;
use crate::TrainError;
use crate::activations::SplitData;
use crate::checkpoint::{BegunEpoch, CheckpointPolicy, Checkpoints, CompletedEpochs};

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
