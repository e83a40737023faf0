//! An executor that computes nothing: what every cell records is told by a script. For tests of what
//! stands around an executor — schedules, records, reports, verdicts — with exact numbers, in
//! milliseconds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use candle_core::Device;
use thaw_spec::{
    BaseCosts, Cell, CellManifest, CostFacts, DriftSummary, EpochRecord, Outcome, Prediction,
    RecordSink, Sharing, Split, SplitCounts, SplitRecord, Step, TensorAudit, TensorDrift,
    TensorRole, TrainingActivations,
};
use thaw_train::TrainError;

use crate::{Advance, Artifact, Executor, RunError, environment};

/// Right answers among a thousand validation images after an epoch, counted from 1.
type Script = Box<dyn Fn(&Cell, usize) -> Result<u64, RunError> + Send + Sync>;

/// Facts for plans whose cells are not computed: two thousand training images and a base of five blocks.
#[must_use]
pub fn cost_facts() -> CostFacts {
    CostFacts {
        images: SplitCounts { train: 2000, validation: 1000, test: 0 },
        sharing: Sharing::ByContent,
        room_bytes: None,
        bases: BTreeMap::from([(
            150,
            BaseCosts {
                block_multiply_adds: vec![1_000_000; 5],
                boundary_floats: vec![8192; 6],
                feature_channels: 512,
            },
        )]),
    }
}

/// Trains nothing and records what its script says.
pub struct ScriptedExecutor {
    script: Script,
    predictions: Vec<Prediction>,
    made: Mutex<Vec<Step>>,
    trained: Mutex<Vec<Cell>>,
}

impl ScriptedExecutor {
    /// An executor whose cells answer so many of a thousand validation images right after an epoch,
    /// counted from 1, or fail or diverge in it. Bases with no frozen block move a tensor.
    pub fn new(
        script: impl Fn(&Cell, usize) -> Result<u64, RunError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            script: Box::new(script),
            predictions: Vec::new(),
            made: Mutex::default(),
            trained: Mutex::default(),
        }
    }

    /// Lets every cell end with these predictions.
    #[must_use]
    pub fn with_predictions(mut self, predictions: Vec<Prediction>) -> Self {
        self.predictions = predictions;
        self
    }

    /// The artifacts that were made so far, in their order.
    pub fn made(&self) -> Vec<Step> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The cells that were trained to their end so far, in their order.
    pub fn trained(&self) -> Vec<Cell> {
        self.trained.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, cell: &Cell, epoch: usize) -> Result<EpochRecord, RunError> {
        let moves = cell.procedure.frozen_blocks() == 0;
        let correct = (self.script)(cell, epoch)?;
        let split = |split, count| SplitRecord {
            split,
            loss_sum: 0.3 * count as f64,
            correct: correct * count / 1000,
            count,
            distinct_images: count,
        };
        let drift = TensorDrift { tensor: TENSOR.to_owned(), relative: 0.001 * epoch as f64 };
        Ok(EpochRecord {
            tensor_drifts: if moves { vec![drift] } else { Vec::new() },
            epoch,
            splits: vec![split(Split::Train, 2000), split(Split::Validation, 1000)],
            drift: DriftSummary {
                tensors: 26,
                moved: if moves { 26 } else { 0 },
                maximum: if moves { 0.01 } else { 0.0 },
                mean: 0.0,
            },
            seconds: 1.0,
            images_per_second: 2000.0,
            peak_memory_bytes: None,
        })
    }
}

/// The tensor that every scripted base has.
const TENSOR: &str = "features.0.weight";

impl Executor for ScriptedExecutor {
    fn make(&self, step: &Step, advance: Advance<'_>) -> Result<Artifact, RunError> {
        advance(1);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(step.clone());
        Ok(Artifact::Made(None))
    }

    fn manifest(&self, cell: &Cell) -> Result<CellManifest, RunError> {
        Ok(CellManifest {
            experiment: "scripted".to_owned(),
            id: cell.id(),
            procedure_id: cell.procedure_id(),
            cell: cell.clone(),
            images: [20, 1000, 0],
            skipped_images: Vec::new(),
            passed_over_files: Vec::new(),
            training_activations: TrainingActivations::Stored,
            weights_file: "scripted.safetensors".to_owned(),
            weights_origin: None,
            weights_preprocessing: None,
            environment: environment(1, &Device::Cpu, cell.procedure.convolution),
        })
    }

    fn fit(
        &self,
        cell: &Cell,
        sink: &mut dyn RecordSink,
        _advance: Advance<'_>,
    ) -> Result<Outcome, RunError> {
        sink.begin(&[]).map_err(TrainError::from)?;
        let mut diverged = None;
        for epoch in 1..=cell.procedure.epochs {
            match self.record(cell, epoch) {
                Err(RunError::Train(TrainError::Diverged { .. })) => {
                    diverged = Some(epoch - 1);
                    break;
                }
                record => sink.epoch(&record?).map_err(TrainError::from)?,
            }
        }
        if diverged.is_none() {
            sink.predictions(&self.predictions).map_err(TrainError::from)?;
        }
        let moves = cell.procedure.frozen_blocks() == 0;
        let tensor = TensorAudit {
            name: TENSOR.to_owned(),
            role: TensorRole::Weight,
            elements: 1728,
            declared_frozen: true,
            collected: moves,
            moved: moves,
            relative_drift: 0.01,
        };
        self.trained.lock().unwrap_or_else(PoisonError::into_inner).push(cell.clone());
        Ok(match diverged {
            None => Outcome::new(cell.procedure.epochs, vec![tensor], Vec::new()),
            Some(epochs) => Outcome::diverged(epochs, vec![tensor], Vec::new()),
        })
    }

    fn forget(&self, _cell: &Cell) -> Result<(), RunError> {
        Ok(())
    }

    fn memory_bytes(&self, _cell: &Cell) -> Result<u64, RunError> {
        Ok(1 << 30)
    }
}
