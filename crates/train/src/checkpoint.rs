//! Checkpoints: everything a run needs to go on as if it had never stopped, in one safetensors
//! file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Tensor, Var};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use thaw_model::Parameter;
use thaw_spec::{ARITHMETIC, CellId, EpochRecord, PhaseAudit, SplitRecord};
use thaw_store::{Checksum, Store, UNKNOWN_CHECKSUM, write_whole};

use crate::trainer::Run;
use crate::{Stop, TrainError};

// Entries beside the tensors.
const CELL: &str = "cell";
const ARITHMETIC_OF: &str = "arithmetic";
const RECORDS: &str = "records";
/// Stands in the place of the records where an epoch had begun, so that a version that knows no such
/// checkpoints does not take one for the end of an epoch.
const RECORDS_BEFORE: &str = "records_before_begun";
const BEGUN: &str = "begun";
const PHASES: &str = "phases";
const STEPS: &str = "steps";
const CHECKSUM: &str = "checksum";

/// Path and interval of a run's checkpoints.
#[derive(Clone, Debug)]
pub struct CheckpointPolicy {
    /// Path of the file, which is removed when the run is complete.
    pub path: PathBuf,
    /// Least time between two checkpoints; an epoch that ends sooner goes without one. A crash
    /// costs only the time since the last.
    pub interval: Duration,
    /// Least time before a checkpoint within an epoch.
    pub interval_within_epochs: Duration,
    /// When this is requested, a checkpoint is written at the end of the batch, and the run stops.
    pub stop: Stop,
    /// Where each checkpoint is copied to, and where workers on other machines find it.
    pub shared: Option<SharedCheckpoint>,
}

/// A checkpoint in a store that workers share.
#[derive(Clone, Debug)]
pub struct SharedCheckpoint {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The checkpoint's key.
    pub key: String,
}

impl CheckpointPolicy {
    /// Checkpoints at the ends of epochs, at most so often, and every five minutes within long ones.
    #[must_use]
    pub fn new(path: PathBuf, interval: Duration) -> Self {
        Self {
            path,
            interval,
            interval_within_epochs: interval.max(Duration::from_secs(300)),
            stop: Stop::default(),
            shared: None,
        }
    }
}

/// Writes the checkpoints of one run as its policy says.
pub(crate) struct Checkpoints<'a> {
    policy: Option<&'a CheckpointPolicy>,
    cell: &'a CellId,
    last: Instant,
}

impl<'a> Checkpoints<'a> {
    pub(crate) fn new(policy: Option<&'a CheckpointPolicy>, cell: &'a CellId) -> Self {
        Self { policy, cell, last: Instant::now() }
    }

    /// The checkpoint that a run goes on from: that in the folder or that in the shared store, whichever
    /// is further; the same numbers come of both. Where there is none that is sound, a damaged one is the
    /// error [`TrainError::Checkpoint`].
    pub(crate) fn found(&self) -> Result<Option<Checkpoint<'a>>, TrainError> {
        let Some(policy) = self.policy else { return Ok(None) };
        let own = Checkpoint::read(&policy.path, self.cell);
        let shared = match &policy.shared {
            Some(SharedCheckpoint { store, key }) => store.get(key)?,
            None => None,
        };
        let Some(bytes) = shared else { return own };
        let shared = Checkpoint::parse(&policy.path, bytes, self.cell).map(Some);
        let progress = |found: &Result<Option<Checkpoint<'a>>, TrainError>| match found {
            Ok(Some(checkpoint)) => Some(checkpoint.progress()),
            Ok(None) | Err(_) => None,
        };
        if progress(&own) > progress(&shared) { own } else { shared }
    }

    /// An epoch has ended and is not the last.
    pub(crate) fn after_epoch(
        &mut self,
        run: &Run<'_>,
        completed: &CompletedEpochs,
    ) -> Result<(), TrainError> {
        match self.policy {
            Some(policy) if self.last.elapsed() >= policy.interval => {
                self.write(policy, run, completed, None)
            }
            _ => Ok(()),
        }
    }

    /// A batch has ended: the epoch goes on, unless somebody asked to stop.
    pub(crate) fn after_batch(
        &mut self,
        run: &Run<'_>,
        completed: &CompletedEpochs,
        begun: impl FnOnce() -> BegunEpoch,
    ) -> Result<(), TrainError> {
        let Some(policy) = self.policy else { return Ok(()) };
        let stops = policy.stop.is_requested();
        if stops || self.last.elapsed() >= policy.interval_within_epochs {
            self.write(policy, run, completed, Some(&begun()))?;
        }
        if stops { Err(TrainError::Stopped) } else { Ok(()) }
    }

    fn write(
        &mut self,
        policy: &CheckpointPolicy,
        run: &Run<'_>,
        completed: &CompletedEpochs,
        begun: Option<&BegunEpoch>,
    ) -> Result<(), TrainError> {
        // The tensors are copied for the file, which needs no activations meanwhile.
        run.base.give_back_memory();
        save(&policy.path, self.cell, run, completed, begun)?;
        if let Some(shared) = &policy.shared {
            shared.store.upload(&policy.path, &shared.key)?;
        }
        self.last = Instant::now();
        Ok(())
    }
}

/// The name of what an optimizer keeps of a variable.
fn state_name(state: &str, variable: &str) -> String {
    format!("{state}.{variable}")
}

/// The name of what a tensor of the base was when the present phase began.
fn start_name(tensor: &str) -> String {
    format!("start.{tensor}")
}

/// A statistic that training moves.
fn moving(parameter: &Parameter) -> Option<&Var> {
    parameter.variable.as_ref().filter(|_| parameter.trained().is_none())
}

/// An epoch that had begun and not ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct BegunEpoch {
    /// What was recorded of the training images that it had shown, a whole number of batches.
    pub(crate) train: SplitRecord,
    /// How long it had trained.
    pub(crate) training_seconds: f64,
    /// How long it had taken altogether.
    pub(crate) seconds: f64,
}

/// Records and audits of the completed epochs, which stand in a checkpoint beside the tensors.
#[derive(Default)]
pub(crate) struct CompletedEpochs {
    /// The records of the finished epochs.
    pub(crate) records: Vec<EpochRecord>,
    /// The audits of the finished phases.
    pub(crate) phases: Vec<PhaseAudit>,
}

/// Writes variables, moving statistics, the optimizer's state, what earlier phases made of the base,
/// and the progress so far, under a temporary name first.
fn save(
    path: &Path,
    cell: &CellId,
    run: &Run<'_>,
    completed: &CompletedEpochs,
    begun: Option<&BegunEpoch>,
) -> Result<(), TrainError> {
    let io = |action: &'static str| {
        move |source: std::io::Error| TrainError::UnwritableCheckpoint {
            path: path.to_owned(),
            action,
            source,
        }
    };
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> =
        Vec::with_capacity(run.variables.len() * 2);
    let state = run.optimizer.state()?;
    for ((name, variable), values) in run.variables.iter().zip(state.values) {
        tensors.push((name.clone(), variable.dims().to_vec(), variable.flatten_all()?.to_vec1()?));
        for (state, values) in state.names.iter().zip(values) {
            tensors.push((state_name(state, name), variable.dims().to_vec(), values));
        }
    }
    for parameter in run.base.parameters() {
        if let Some(statistic) = moving(parameter) {
            let values = statistic.flatten_all()?.to_vec1()?;
            tensors.push((parameter.name.clone(), statistic.dims().to_vec(), values));
        }
        if let Some(start) = &parameter.carried {
            tensors.push((
                start_name(&parameter.name),
                start.dims().to_vec(),
                start.flatten_all()?.to_vec1()?,
            ));
        }
    }
    let views = tensors.iter().map(|(name, shape, values)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values))
            .expect("values fill their shape");
        (name, view)
    });
    let records = serde_json::to_string(&completed.records).expect("records are numbers");
    let phases = serde_json::to_string(&completed.phases).expect("audits are names and numbers");
    let of_records = if begun.is_some() { RECORDS_BEFORE } else { RECORDS };
    let mut metadata = HashMap::from([
        (CELL.to_owned(), cell.to_string()),
        (ARITHMETIC_OF.to_owned(), ARITHMETIC.to_string()),
        (of_records.to_owned(), records),
        (PHASES.to_owned(), phases),
        (STEPS.to_owned(), state.steps.to_string()),
        (CHECKSUM.to_owned(), UNKNOWN_CHECKSUM.to_owned()),
    ]);
    if let Some(begun) = begun {
        let begun = serde_json::to_string(begun).expect("a record is numbers");
        metadata.insert(BEGUN.to_owned(), begun);
    }
    let mut bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|error| damaged(path, error.to_string()))?;
    Checksum::seal(&mut bytes);
    write_whole(path, &bytes).map_err(io("cannot write the checkpoint"))
}

/// A checkpoint that was found.
pub(crate) struct Checkpoint<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
    /// Steps of the optimizer.
    steps: u64,
    pub(crate) completed: CompletedEpochs,
    /// The epoch behind them, if it had begun.
    pub(crate) begun: Option<BegunEpoch>,
}

impl<'a> Checkpoint<'a> {
    /// Reads a cell's checkpoint, if there is one.
    fn read(path: &'a Path, cell: &CellId) -> Result<Option<Self>, TrainError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(TrainError::UnreadableCheckpoint { path: path.to_owned(), source });
            }
        };
        Self::parse(path, bytes, cell).map(Some)
    }

    /// A cell's checkpoint from its bytes, which lie at a path, or are copied there.
    fn parse(path: &'a Path, bytes: Vec<u8>, cell: &CellId) -> Result<Self, TrainError> {
        let (length, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, error.to_string()))?;
        // Versions that knew no checksums wrote none.
        if Checksum::is_right(&bytes, 8 + length) == Some(false) {
            return Err(damaged(path, "its bytes do not add up to its checksum".to_owned()));
        }
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get(CELL).map(String::as_str) != Some(cell.as_str()) {
            return Err(damaged(path, "it belongs to another cell".to_owned()));
        }
        // Versions of before did not write it.
        if metadata.get(ARITHMETIC_OF).is_some_and(|number| *number != ARITHMETIC.to_string()) {
            let reason = "a version of thaw wrote it whose numbers differ from this one's";
            return Err(damaged(path, reason.to_owned()));
        }
        let records = metadata.get(RECORDS).or_else(|| metadata.get(RECORDS_BEFORE));
        let records = records.and_then(|records| serde_json::from_str(records).ok());
        let records = records.ok_or_else(|| damaged(path, "it has no records".to_owned()))?;
        // Checkpoints from before there were phases have none.
        let phases = metadata
            .get(PHASES)
            .map_or(Some(Vec::new()), |phases| serde_json::from_str(phases).ok());
        let phases = phases
            .ok_or_else(|| damaged(path, "the audits of its phases cannot be read".to_owned()))?;
        // Nor did the optimizers of before count their steps: there was RMSprop alone.
        let steps = metadata.get(STEPS).map_or(Some(0), |steps| steps.parse().ok());
        let steps =
            steps.ok_or_else(|| damaged(path, "its number of steps is no number".to_owned()))?;
        let begun =
            metadata.get(BEGUN).map(|begun| serde_json::from_str(begun)).transpose().map_err(
                |error| damaged(path, format!("its begun epoch cannot be read: {error}")),
            )?;
        let completed = CompletedEpochs { records, phases };
        Ok(Self { path, bytes, steps, completed, begun })
    }

    /// How far it is: epochs, and images of the epoch behind them.
    fn progress(&self) -> (usize, u64) {
        (self.completed.records.len(), self.begun.map_or(0, |begun| begun.train.count))
    }

    /// The error of one that cannot be used.
    pub(crate) fn damaged(&self, reason: &str) -> TrainError {
        damaged(self.path, reason.to_owned())
    }

    /// Gives a run, which must be in the phase of the last epoch that had begun, the values it had.
    pub(crate) fn restore(&self, run: &mut Run<'_>) -> Result<(), TrainError> {
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|error| damaged(self.path, error.to_string()))?;
        let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>, TrainError> {
            let view =
                tensors.tensor(name).map_err(|error| damaged(self.path, error.to_string()))?;
            if view.shape() != shape || view.dtype() != Dtype::F32 {
                return Err(damaged(self.path, format!("`{name}` has another shape or type")));
            }
            Ok(view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect())
        };
        let carried = run
            .base
            .parameters()
            .iter()
            .filter_map(|parameter| Some((parameter.name.clone(), parameter.carried.clone()?)));
        for (name, old) in carried.collect::<Vec<_>>() {
            let start =
                Tensor::from_vec(read(&start_name(&name), old.dims())?, old.dims(), &run.device)?;
            run.base.restore_start(&name, start)?;
        }
        for parameter in run.base.parameters() {
            if let Some(statistic) = moving(parameter) {
                let values = read(&parameter.name, statistic.dims())?;
                statistic.set(&Tensor::from_vec(values, statistic.dims(), &run.device)?)?;
            }
        }
        let mut state = run.optimizer.state()?;
        state.steps = self.steps;
        state.values.clear();
        for (name, variable) in &run.variables {
            variable.set(&Tensor::from_vec(
                read(name, variable.dims())?,
                variable.dims(),
                &run.device,
            )?)?;
            let values = |state: &&str| read(&state_name(state, name), variable.dims());
            state.values.push(state.names.iter().map(values).collect::<Result<_, _>>()?);
        }
        run.optimizer.restore(state)?;
        Ok(())
    }
}

fn damaged(path: &Path, reason: String) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), reason }
}
