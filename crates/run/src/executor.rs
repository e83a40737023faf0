//! Executing the steps of a plan: the real way, on images and weights. [`crate::scripted`] has another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thaw_data::{DataError, Pixels};
use thaw_spec::{
    Cell, CellManifest, Extraction, Outcome, Phase, RecordSink, Split, Step, TrainingActivations,
    skipped_in_words,
};
use thaw_store::{Claimed, Owner};
use thaw_train::{
    CheckpointPolicy, ExtractionPolicy, FitData, PhaseData, SplitData, Stop, StoredActivations,
    TrainError, extract, fit, fit_memory_bytes,
};

use crate::{RunError, RunInputs, provenance};

/// Told how many images are done.
pub type Advance<'a> = &'a (dyn Fn(u64) + Sync);

/// Whether an artifact had to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// It was made now; with what a person should know of it.
    Made(Option<String>),
    /// It was there; likewise.
    Kept(Option<String>),
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

/// Checkpoints are written when an epoch ends and this long has passed since the last one; likewise the
/// notes of extractions, when a batch ends.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// Those that are copied to a store are written less often.
const SHARED_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// Within epochs checkpoints are so many times as far apart as a person asks for.
const WITHIN_EPOCHS: u32 = 30;

fn within_epochs(interval: Duration) -> Duration {
    interval.saturating_mul(WITHIN_EPOCHS)
}

/// Executes on real images.
pub struct RealExecutor<'a> {
    inputs: &'a RunInputs,
    threads: usize,
    stop: Stop,
    checkpoint_interval: Option<Duration>,
    /// Where checkpoints are kept instead of the cache.
    checkpoints: Option<PathBuf>,
}

impl<'a> RealExecutor<'a> {
    /// An executor that computes with so many threads.
    pub fn new(inputs: &'a RunInputs, threads: usize) -> Self {
        Self {
            inputs,
            threads,
            stop: Stop::default(),
            checkpoint_interval: None,
            checkpoints: None,
        }
    }

    /// An executor that stops at the end of a batch when that is requested.
    #[must_use]
    pub fn stopped_by(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// An executor whose checkpoints are at least so long apart; within epochs thirty times as long.
    #[must_use]
    pub fn with_checkpoints_every(self, interval: Option<Duration>) -> Self {
        Self { checkpoint_interval: interval, ..self }
    }

    /// An executor that keeps its checkpoints in a folder of its own, and so goes on from no run but its
    /// own.
    #[must_use]
    pub fn with_checkpoints_in(self, folder: PathBuf) -> Self {
        Self { checkpoints: Some(folder), ..self }
    }

    fn pixels(&self, cell: &Cell, split: Split) -> Result<Pixels, RunError> {
        let path = self.inputs.cache.pixels_path(cell, split);
        // Where it is nowhere, opening it says so.
        self.inputs.cache.obtain(&path)?;
        self.sound(&path, || Ok(Pixels::open(&path, self.inputs.unreadable)?))
    }

    /// What is opened. A damaged copy of what the store has is copied again; a file that is damaged there
    /// too, or nowhere else, is removed, so that the next try makes it again.
    fn sound<T>(&self, path: &Path, open: impl Fn() -> Result<T, RunError>) -> Result<T, RunError> {
        let cache = &self.inputs.cache;
        let mut opened = open();
        if is_damaged(&opened) && cache.renew(path)? {
            opened = open();
        }
        if is_damaged(&opened) {
            cache.discard(path)?;
        }
        opened
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
        let cache = &self.inputs.cache;
        let mut stored = None;
        if let Some(extraction) = Extraction::of(cell, phase, split, self.inputs.sharing) {
            let demanded =
                || extraction.is_demanded(phase).then(|| cache.activations_path(&extraction));
            if let Some(path) = cache.kept_activations(&extraction)?.or_else(demanded) {
                let open = || Ok(StoredActivations::open(&extraction, &path)?);
                stored = Some(self.sound(&path, open)?);
            }
        }
        Ok(SplitData { pixels: self.pixels(cell, split)?, stored })
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
        if cache.has_artifact(step)? {
            cache.share_found(step)?;
            return Ok(Artifact::Kept(None));
        }
        match cache.claim(path)? {
            Claimed::Theirs(owner) => Ok(Artifact::Elsewhere(owner)),
            Claimed::Ours(_claim) if cache.has_artifact(step)? => Ok(Artifact::Kept(None)),
            Claimed::Ours(_claim) => {
                let remark = self.make_anew(step, path, advance)?;
                cache.share(path)?;
                Ok(Artifact::Made(remark))
            }
        }
    }

    /// Makes the artifact of a step; returns what a person should know of how.
    fn make_anew(
        &self,
        step: &Step,
        path: &Path,
        advance: Advance<'_>,
    ) -> Result<Option<String>, RunError> {
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
                let policy = ExtractionPolicy {
                    note: self.inputs.cache.note_path(path),
                    interval: self.checkpoint_interval.unwrap_or(CHECKPOINT_INTERVAL),
                    stop: self.stop.clone(),
                };
                return Ok(extract(extraction, &base, &pixels, path, Some(&policy), advance)?);
            }
            Step::Fit(_) => {}
        }
        Ok(None)
    }

    /// What is written down about a cell, of whose images some were left out.
    pub(crate) fn described(
        &self,
        cell: &Cell,
        skipped_images: Vec<String>,
    ) -> Result<CellManifest, RunError> {
        let left_out = |split: Split| {
            skipped_images.iter().filter(|image| image.starts_with(split.name())).count() as u64
        };
        let counts = self.inputs.dataset.counts();
        Ok(CellManifest {
            experiment: self.inputs.experiment.clone(),
            id: cell.id(),
            procedure_id: cell.procedure_id(),
            cell: cell.clone(),
            images: Split::ALL.map(|split| counts.of(split) - left_out(split)),
            skipped_images,
            passed_over_files: self.inputs.dataset.passed_over().to_vec(),
            training_activations: match self.trains_on_kept_activations(cell)? {
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
        })
    }

    /// Whether every phase of a cell trains on activations that are kept.
    fn trains_on_kept_activations(&self, cell: &Cell) -> Result<bool, RunError> {
        for phase in cell.procedure.phases() {
            let wanted = Extraction::for_training(cell, &phase, self.inputs.sharing);
            let Some(wanted) = wanted else { return Ok(false) };
            if self.inputs.cache.kept_activations(&wanted)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Executor for RealExecutor<'_> {
    fn make(&self, step: &Step, advance: Advance<'_>) -> Result<Artifact, RunError> {
        let mut step = step.clone();
        if let Step::Extract(extraction) = &mut step {
            extraction.cell = self.executed(&extraction.cell);
            if extraction.cell.procedure.frozen_blocks() == 0 {
                return Ok(Artifact::Kept(None));
            }
        }
        let cache = &self.inputs.cache;
        let path = match &step {
            Step::Decode { cell, split } => cache.pixels_path(cell, *split),
            Step::Extract(extraction) => cache.activations_path(extraction),
            Step::Fit(_) => return Ok(Artifact::Kept(None)),
        };
        let artifact = self.make_once(&step, &path, advance)?;
        let Step::Decode { cell, split } = &step else { return Ok(artifact) };
        // One that was decoded before may lack images that are refused now.
        let remark = || self.pixels(cell, *split).map(|pixels| skipped_in_words(pixels.skipped()));
        Ok(match artifact {
            Artifact::Made(_) => Artifact::Made(remark()?),
            Artifact::Kept(_) => Artifact::Kept(remark()?),
            Artifact::Elsewhere(owner) => Artifact::Elsewhere(owner),
        })
    }

    fn manifest(&self, cell: &Cell) -> Result<CellManifest, RunError> {
        let mut skipped = Vec::new();
        for split in self.inputs.dataset.counts().present() {
            skipped.extend_from_slice(self.pixels(cell, split)?.skipped());
        }
        self.described(cell, skipped)
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
            let evaluated = present.present().filter(|split| {
                *split != Split::Train && cell.procedure.evaluations_in(phase, *split) > 0
            });
            let evaluation = evaluated.map(|split| Ok((split, self.split(cell, phase, split)?)));
            Ok(PhaseData {
                train: self.split(cell, phase, Split::Train)?,
                evaluation: evaluation.collect::<Result<_, RunError>>()?,
            })
        };
        let phases =
            cell.procedure.phases().iter().map(of_phase).collect::<Result<_, RunError>>()?;
        let data = FitData { phases, device: self.inputs.device.clone() };
        let cache = &self.inputs.cache;
        let (path, shared) = match &self.checkpoints {
            Some(folder) => (folder.join(format!("{}.safetensors", cell.id())), None),
            None => {
                let path = cache.checkpoint_path(&cell.id());
                let shared = cache.shared_checkpoint(&path);
                (path, shared)
            }
        };
        let usual = match shared {
            Some(_) => SHARED_CHECKPOINT_INTERVAL,
            None => CHECKPOINT_INTERVAL,
        };
        let policy = CheckpointPolicy::new(path, self.checkpoint_interval.unwrap_or(usual));
        let asked_for = self.checkpoint_interval.map(within_epochs);
        let policy = CheckpointPolicy {
            interval_within_epochs: asked_for.unwrap_or(policy.interval_within_epochs),
            stop: self.stop.clone(),
            shared,
            ..policy
        };
        Ok(fit(cell, &self.inputs.weights, &data, Some(&policy), sink, advance)?)
    }

    fn forget(&self, cell: &Cell) -> Result<(), RunError> {
        if self.checkpoints.is_some() {
            // The folder goes as a whole.
            return Ok(());
        }
        self.inputs.cache.forget_checkpoints(&cell.id())
    }

    fn memory_bytes(&self, cell: &Cell) -> Result<u64, RunError> {
        let images = self.inputs.dataset.counts().of(Split::Train);
        Ok(fit_memory_bytes(cell, images)?)
    }
}

/// Whether what was opened is a damaged artifact.
fn is_damaged<T>(opened: &Result<T, RunError>) -> bool {
    let (Err(RunError::Data(error)) | Err(RunError::Train(TrainError::Data(error)))) = opened
    else {
        return false;
    };
    matches!(error, DataError::DamagedArtifact { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_without_end_has_no_end_within_epochs_either() {
        assert_eq!(within_epochs(Duration::from_secs(10)), Duration::from_secs(300));
        assert_eq!(within_epochs(Duration::MAX), Duration::MAX);
    }
}
