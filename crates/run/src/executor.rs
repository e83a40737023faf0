//! Executing the steps of a plan: the real way, on images and weights. [`crate::scripted`] has another.

use std::path::Path;
use std::time::Duration;

use thaw_analysis::AnalysisError;
use thaw_data::Pixels;
use thaw_spec::{
    Cell, CellManifest, Extraction, Outcome, Phase, RecordSink, Split, Step, TrainingActivations,
};
use thaw_store::{Claimed, FolderStore, Owner, Store as _};
use thaw_train::{
    CheckpointPolicy, FitData, PhaseData, SplitData, StoredActivations, extract, fit,
    fit_memory_bytes,
};

use crate::artifacts::{activations_path, checkpoint_path, is_kept, kept_activations, pixels_path};
use crate::{RunError, RunInputs, provenance};

/// Told how many images are done.
pub type Advance<'a> = &'a (dyn Fn(u64) + Sync);

/// Whether an artifact had to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// It was made now.
    Made,
    /// It was there.
    Kept,
    /// A living worker is making it.
    Elsewhere(Owner),
}

/// Does what the steps of a plan say.
pub trait Executor: Sync {
    /// Makes the artifact of a step, unless it exists or another worker is making it.
    ///
    /// # Errors
    /// When images or weights cannot be read, or the artifact cannot be written.
    fn make(&self, step: &Step, advance: Advance<'_>) -> Result<Artifact, RunError>;
    /// What is written down about a cell before it runs.
    ///
    /// # Errors
    /// When the inputs cannot be described.
    fn manifest(&self, cell: &Cell) -> Result<CellManifest, RunError>;
    /// Trains a cell; tells `sink` its epochs and `advance` its images.
    ///
    /// # Errors
    /// When the training fails.
    fn fit(
        &self,
        cell: &Cell,
        sink: &mut dyn RecordSink,
        advance: Advance<'_>,
    ) -> Result<Outcome, RunError>;
    /// Forgets what an interrupted or earlier run of a cell left behind.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn forget(&self, cell: &Cell) -> Result<(), RunError>;
    /// Memory that training a cell needs, in bytes.
    ///
    /// # Errors
    /// When its base is not known.
    fn memory_bytes(&self, cell: &Cell) -> Result<u64, RunError>;
}

/// Checkpoints are written when an epoch ends and this long has passed since the last one.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// Executes on real images.
pub struct RealExecutor<'a> {
    inputs: &'a RunInputs,
    threads: usize,
}

impl<'a> RealExecutor<'a> {
    /// An executor that computes with so many threads.
    pub fn new(inputs: &'a RunInputs, threads: usize) -> Self {
        Self { inputs, threads }
    }

    fn pixels(&self, cell: &Cell, split: Split) -> Result<Pixels, RunError> {
        let path = pixels_path(&self.inputs.cache, cell, split);
        Ok(Pixels::open(&path, self.inputs.unreadable)?)
    }

    /// The cell as it is executed.
    fn executed(&self, cell: &Cell) -> Cell {
        let mut cell = cell.clone();
        if let Some(fault) = self.inputs.fault {
            fault.strike(&mut cell.procedure);
        }
        cell
    }

    /// What a cell sees of a split in a phase. Activations that no procedure demands are computed
    /// where there was no room for them.
    fn split(&self, cell: &Cell, phase: &Phase<'_>, split: Split) -> Result<SplitData, RunError> {
        let stored =
            Extraction::of(cell, phase, split, self.inputs.sharing).and_then(|extraction| {
                let kept = kept_activations(&self.inputs.cache, &extraction);
                let demanded = || {
                    extraction
                        .is_demanded(phase)
                        .then(|| activations_path(&self.inputs.cache, &extraction))
                };
                Some(StoredActivations::open(&extraction, &kept.or_else(demanded)?))
            });
        Ok(SplitData { pixels: self.pixels(cell, split)?, stored: stored.transpose()? })
    }

    /// Makes the artifact of a step unless it is there, or another worker with the same cache is making
    /// it for both.
    fn make_once(
        &self,
        step: &Step,
        path: &Path,
        advance: Advance<'_>,
    ) -> Result<Artifact, RunError> {
        let cache = &self.inputs.cache;
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into());
        let store = FolderStore::new(cache.clone());
        if is_kept(cache, step) {
            return Ok(Artifact::Kept);
        }
        match store.claim(&name).map_err(AnalysisError::from)? {
            Claimed::Theirs(owner) => Ok(Artifact::Elsewhere(owner)),
            Claimed::Ours(_claim) if is_kept(cache, step) => Ok(Artifact::Kept),
            Claimed::Ours(_claim) => {
                self.make_anew(step, path, advance)?;
                Ok(Artifact::Made)
            }
        }
    }

    /// Makes the artifact of a step.
    fn make_anew(&self, step: &Step, path: &Path, advance: Advance<'_>) -> Result<(), RunError> {
        match step {
            Step::Decode { cell, split } => {
                let RunInputs { dataset, unreadable, .. } = self.inputs;
                Pixels::prepare(
                    dataset.as_ref(),
                    *split,
                    cell.procedure.image_size,
                    cell.procedure.resize,
                    *unreadable,
                    path,
                    advance,
                )?;
            }
            Step::Extract(extraction) => {
                let base = self.inputs.base(extraction)?;
                let pixels = self.pixels(&extraction.cell, extraction.split)?;
                extract(extraction, &base, &pixels, path, advance)?;
            }
            Step::Fit(_) => {}
        }
        Ok(())
    }

    /// What is written down about a cell, of whose images some were left out.
    pub(crate) fn described(&self, cell: &Cell, skipped_images: Vec<String>) -> CellManifest {
        let left_out = |split: Split| {
            skipped_images.iter().filter(|image| image.starts_with(split.name())).count() as u64
        };
        let counts = self.inputs.dataset.counts();
        CellManifest {
            experiment: self.inputs.experiment.clone(),
            id: cell.id(),
            procedure_id: cell.procedure_id(),
            cell: cell.clone(),
            images: Split::ALL.map(|split| counts.of(split) - left_out(split)),
            skipped_images,
            passed_over_files: self.inputs.dataset.passed_over().to_vec(),
            training_activations: match self.trains_on_kept_activations(cell) {
                true => TrainingActivations::Stored,
                false => TrainingActivations::Computed,
            },
            weights_file: self
                .inputs
                .weights
                .path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            weights_origin: self.inputs.weights.origin.clone(),
            weights_preprocessing: self.inputs.trained_with,
            environment: provenance::environment(
                self.threads,
                &self.inputs.device,
                cell.procedure.convolution,
            ),
        }
    }

    /// Whether every phase of a cell trains on activations that are kept.
    fn trains_on_kept_activations(&self, cell: &Cell) -> bool {
        cell.procedure.phases().iter().all(|phase| {
            let wanted = Extraction::for_training(cell, phase, self.inputs.sharing);
            wanted.is_some_and(|wanted| kept_activations(&self.inputs.cache, &wanted).is_some())
        })
    }
}

impl Executor for RealExecutor<'_> {
    fn make(&self, step: &Step, advance: Advance<'_>) -> Result<Artifact, RunError> {
        let mut step = step.clone();
        if let Step::Extract(extraction) = &mut step {
            extraction.cell = self.executed(&extraction.cell);
            if extraction.cell.procedure.frozen_blocks() == 0 {
                return Ok(Artifact::Kept);
            }
        }
        let cache = &self.inputs.cache;
        let path = match &step {
            Step::Decode { cell, split } => pixels_path(cache, cell, *split),
            Step::Extract(extraction) => activations_path(cache, extraction),
            Step::Fit(_) => return Ok(Artifact::Kept),
        };
        let artifact = self.make_once(&step, &path, advance)?;
        if matches!(artifact, Artifact::Elsewhere(_)) {
            return Ok(artifact);
        }
        if let Step::Decode { cell, split } = &step {
            // One that was decoded before may lack images that are refused now.
            self.pixels(cell, *split)?;
        }
        Ok(artifact)
    }

    fn manifest(&self, cell: &Cell) -> Result<CellManifest, RunError> {
        let mut skipped = Vec::new();
        for split in self.inputs.dataset.counts().present() {
            skipped.extend_from_slice(self.pixels(cell, split)?.skipped());
        }
        Ok(self.described(cell, skipped))
    }

    fn fit(
        &self,
        cell: &Cell,
        sink: &mut dyn RecordSink,
        advance: Advance<'_>,
    ) -> Result<Outcome, RunError> {
        let cell = &self.executed(cell);
        let present = self.inputs.dataset.counts();
        let of_phase = |phase: &Phase<'_>| {
            let evaluated = present.present().filter(|split| *split != Split::Train);
            let evaluation = evaluated.map(|split| Ok((split, self.split(cell, phase, split)?)));
            Ok(PhaseData {
                train: self.split(cell, phase, Split::Train)?,
                evaluation: evaluation.collect::<Result<_, RunError>>()?,
            })
        };
        let phases =
            cell.procedure.phases().iter().map(of_phase).collect::<Result<_, RunError>>()?;
        let data = FitData { phases, device: self.inputs.device.clone() };
        let policy = CheckpointPolicy {
            path: checkpoint_path(&self.inputs.cache, &cell.id()),
            interval: CHECKPOINT_INTERVAL,
        };
        Ok(fit(cell, &self.inputs.weights, &data, Some(&policy), sink, advance)?)
    }

    fn forget(&self, cell: &Cell) -> Result<(), RunError> {
        let path = checkpoint_path(&self.inputs.cache, &cell.id());
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(RunError::Unwritable { path, source })
            }
            _ => Ok(()),
        }
    }

    fn memory_bytes(&self, cell: &Cell) -> Result<u64, RunError> {
        let images = self.inputs.dataset.counts().of(Split::Train);
        Ok(fit_memory_bytes(cell, images)?)
    }
}
