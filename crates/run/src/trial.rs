//! Trying a kind of work on a few drawn images.

use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;
use thaw_analysis::ResultsFolder;
use thaw_data::{OnUnreadable, Pixels, Synthetic};
use thaw_model::Base;
use thaw_spec::{
    Cell, EpochRecord, Extraction, Phase, Prediction, RecordSink, SinkError, Split,
    SyntheticDataset, SyntheticTask, Variants,
};
use thaw_train::{FitData, PhaseData, SplitData, StoredActivations, TrainError, extract, fit};

use crate::{RealExecutor, RunError, RunInputs};

/// A folder of drawn images as a cell wants them.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    /// So many training images, and so many to be evaluated.
    pub(crate) fn new(cell: &Cell, train: u64, validation: u64) -> Result<Self, RunError> {
        let folder = temporary_folder()?;
        let procedure = &cell.procedure;
        let dataset = Synthetic::new(SyntheticDataset {
            task: SyntheticTask::CatsAndDogs,
            seed: 0,
            size: procedure.image_size.clamp(16, 256),
            train,
            validation,
            test: 0,
        });
        let desk = Self { folder };
        let splits = [(Split::Train, train), (Split::Validation, validation)];
        for (split, _) in splits.into_iter().filter(|(_, images)| *images > 0) {
            Pixels::prepare(
                &dataset,
                split,
                procedure.image_size,
                procedure.resize,
                OnUnreadable::Refuse,
                &desk.pixels(split),
                &|_| {},
            )?;
        }
        Ok(desk)
    }

    fn pixels(&self, split: Split) -> PathBuf {
        self.folder.path().join(format!("{split}-pixels"))
    }

    /// Runs a split through the blocks of an extraction, in one variant.
    pub(crate) fn extract(
        &self,
        base: &Base,
        extraction: &Extraction,
        split: Split,
    ) -> Result<StoredActivations, RunError> {
        let mut one = extraction.clone();
        if let Variants::Augmented { count, .. } = &mut one.variants {
            *count = 1;
        }
        let pixels = Pixels::open(&self.pixels(split), OnUnreadable::Refuse)?;
        let path = self.folder.path().join(format!("{split}-activations"));
        extract(&one, base, &pixels, &path, None, &|_| {})?;
        Ok(StoredActivations::open(&one, &path)?)
    }

    /// A split as a cell sees it.
    fn split(
        &self,
        inputs: &RunInputs,
        wanted: Option<Extraction>,
        split: Split,
    ) -> Result<SplitData, RunError> {
        let stored = wanted.map(|wanted| self.extract(&inputs.base(&wanted)?, &wanted, split));
        let stored = stored.transpose()?;
        Ok(SplitData { pixels: Pixels::open(&self.pixels(split), OnUnreadable::Refuse)?, stored })
    }
}

fn temporary_folder() -> Result<TempDir, RunError> {
    TempDir::new().map_err(|source| RunError::Unwritable { path: std::env::temp_dir(), source })
}

/// Training images of a trial: a batch, and one of each class at least.
pub(crate) fn shown(cell: &Cell) -> u64 {
    cell.procedure.batch_size.max(2) as u64
}

/// What trials of a kind are trained and evaluated on, whatever their settings and however many run at a
/// time.
pub(crate) struct Stage {
    data: FitData,
    /// Its files.
    _desk: Desk,
}

impl Stage {
    /// A batch of training images, and so many to be evaluated, as a cell of one phase sees them whose
    /// first blocks, so many, are those of the weights file.
    pub(crate) fn new(
        inputs: &RunInputs,
        cell: &Cell,
        untouched_blocks: usize,
        is_stored: bool,
        evaluated: u64,
    ) -> Result<Self, RunError> {
        let desk = Desk::new(cell, shown(cell), evaluated)?;
        // A phase before it may have trained some that it leaves frozen.
        let phase = Phase { untouched_blocks, ..cell.procedure.phases()[0] };
        let of_training = Extraction::for_training(cell, &phase, inputs.sharing);
        let of_evaluation = Extraction::for_evaluation(cell, &phase, Split::Validation);
        let evaluation = desk.split(inputs, of_evaluation, Split::Validation)?;
        let data = PhaseData {
            train: desk.split(inputs, of_training.filter(|_| is_stored), Split::Train)?,
            evaluation: vec![(Split::Validation, evaluation)],
        };
        let data = FitData { phases: vec![data], device: inputs.device.clone() };
        Ok(Self { data, _desk: desk })
    }
}

/// What a trial took, in seconds.
pub(crate) struct Trial {
    /// Training a batch, or as few as show both classes.
    pub(crate) train: f64,
    /// Evaluating its images, and what an epoch takes besides.
    pub(crate) evaluate: f64,
    /// Building the model, and writing all epochs down.
    pub(crate) beside: f64,
}

impl Trial {
    /// Trains a cell of one phase on a stage, for some epochs.
    pub(crate) fn run(
        inputs: &RunInputs,
        cell: &Cell,
        stage: &Stage,
        epochs: usize,
    ) -> Result<Self, RunError> {
        let mut cell = cell.clone();
        cell.procedure.epochs = epochs;
        let folder = temporary_folder()?;
        let results = ResultsFolder::new(folder.path().to_owned());
        let executor = RealExecutor::new(inputs, rayon::current_num_threads());
        let manifest = executor.described(&cell, Vec::new())?;
        let mut seen = Seen { records: results.begin(&manifest)?, epochs: Vec::new() };
        let start = Instant::now();
        let outcome = fit(&cell, &inputs.weights, &stage.data, None, &mut seen, &|_| {})?;
        // The images are none that the weights know; what was seen until then has its duration.
        if seen.epochs.len() < 2 {
            let epoch = outcome.epochs + 1;
            return Err(TrainError::Diverged { epoch, loss: f64::NAN }.into());
        }
        let passed = start.elapsed().as_secs_f64();
        let all: f64 = seen.epochs.iter().map(|(train, evaluate)| train + evaluate).sum();
        // The first epoch waits for fresh memory.
        let (warm, count) = (&seen.epochs[1..], (seen.epochs.len() - 1) as f64);
        Ok(Self {
            train: warm.iter().map(|(train, _)| train).sum::<f64>() / count,
            evaluate: warm.iter().map(|(_, evaluate)| evaluate).sum::<f64>() / count,
            beside: (passed - all).max(0.0),
        })
    }
}

/// Keeps the durations of epochs, which are written down as always.
struct Seen<R> {
    records: R,
    /// Seconds of training and of the rest, by epoch.
    epochs: Vec<(f64, f64)>,
}

impl<R: RecordSink> RecordSink for Seen<R> {
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        self.records.begin(resumed)
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        let shown = record.splits.iter().find(|split| split.split == Split::Train);
        let train = shown.map_or(0.0, |split| split.count as f64) / record.images_per_second;
        self.epochs.push((train, (record.seconds - train).max(0.0)));
        self.records.epoch(record)
    }

    fn predictions(&mut self, predictions: &[Prediction]) -> Result<(), SinkError> {
        self.records.predictions(predictions)
    }
}
