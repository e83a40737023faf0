//! How long the steps of a plan take on this machine: each kind of work is tried on a few drawn
//! images, by the code that will do it, and as many at a time as will be done.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use tempfile::TempDir;
use thaw_analysis::ResultsFolder;
use thaw_data::{OnUnreadable, Pixels, Synthetic};
use thaw_model::Base;
use thaw_spec::{
    Augmentation, Cache, Cell, ContentHash, CostFacts, EpochRecord, Extraction, Phase, Plan,
    Prediction, Procedure, RecordSink, Schedule, SinkError, Split, Step, SyntheticDataset,
    SyntheticTask, Variants,
};
use thaw_train::{FitData, PhaseData, SplitData, StoredActivations, TrainError, extract, fit};

use crate::{RealExecutor, RunError, RunInputs};

/// How a step is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// Steps of its kind at a time.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
}

/// Durations of one phase of a cell, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct FitPace {
    /// Building the model.
    start: f64,
    /// For each training image.
    train: f64,
    /// For each evaluated image.
    evaluate: f64,
    /// For writing down an epoch.
    record: f64,
}

/// The durations of steps on this machine. Each kind of work is tried once, when it is first asked for.
pub struct Rates<'a> {
    /// What is computed on.
    pub inputs: &'a RunInputs,
    /// What costs rest on.
    pub facts: &'a CostFacts,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Seconds for decoding an image, with all threads.
    decode: Option<f64>,
    extract: BTreeMap<ContentHash, f64>,
    fit: BTreeMap<(ContentHash, Share), FitPace>,
}

/// Evaluated images of a trial: as many as go through a base together.
const EVALUATED: u64 = 50;
/// Evaluated images of a second trial of short epochs.
const MORE_EVALUATED: u64 = 4 * EVALUATED;
/// Extracted images of a trial.
const EXTRACTED: u64 = 32;
/// Images that are decoded to see how long it takes.
const DECODED: u64 = 64;
/// Epochs that take less time than this are tried again, as many as fill [`TRIAL_SECONDS`].
const SHORT_EPOCH: f64 = 0.2;
const TRIAL_SECONDS: f64 = 0.6;
const MOST_EPOCHS: f64 = 100.0;

impl<'a> Rates<'a> {
    /// Nothing is tried yet.
    #[must_use]
    pub fn new(inputs: &'a RunInputs, facts: &'a CostFacts) -> Self {
        Self { inputs, facts, known: Mutex::default() }
    }

    /// Seconds that a step of a plan takes.
    ///
    /// # Errors
    /// When its work cannot be tried.
    pub fn seconds(&self, plan: &Plan, step: &Step, share: Share) -> Result<f64, RunError> {
        match step {
            Step::Decode { cell, split } => {
                let images = self.facts.images.of(*split) as f64;
                Ok(images * self.decode(cell)?)
            }
            Step::Extract(extraction) => {
                let images = self.facts.images.of(extraction.split) as f64;
                Ok(images * extraction.variants.count() as f64 * self.extract(extraction)?)
            }
            Step::Fit(cell) => self.fit(plan, cell, share),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds for decoding and resizing an image, with all threads.
    fn decode(&self, cell: &Cell) -> Result<f64, RunError> {
        if let Some(known) = self.known().decode {
            return Ok(known);
        }
        let procedure = &cell.procedure;
        let images = self.inputs.dataset.counts().train.min(DECODED);
        let start = Instant::now();
        (0..images as usize).into_par_iter().for_each(|image| {
            // A broken image costs as much time as a sound one; the sweep will say so.
            if let Ok(decoded) = self.inputs.dataset.image(Split::Train, image) {
                thaw_data::resize(&decoded, procedure.image_size, procedure.resize);
            }
        });
        let seconds = start.elapsed().as_secs_f64() / images.max(1) as f64;
        self.known().decode = Some(seconds);
        Ok(seconds)
    }

    /// Seconds for an image through the blocks of an extraction, with all threads.
    fn extract(&self, extraction: &Extraction) -> Result<f64, RunError> {
        let procedure = &extraction.cell.procedure;
        let key = ContentHash::of_value(&(
            procedure.architecture,
            procedure.image_size,
            procedure.convolution,
            procedure.preprocessing,
            extraction.blocks,
            matches!(extraction.variants, Variants::Plain),
        ));
        if let Some(known) = self.known().extract.get(&key) {
            return Ok(*known);
        }
        let desk = Desk::new(&extraction.cell, EXTRACTED, 0)?;
        let base = base(self.inputs, extraction)?;
        let mut seconds = f64::INFINITY;
        // The first pass waits for fresh memory.
        for _ in 0..3 {
            let start = Instant::now();
            desk.extract(&base, extraction, Split::Train)?;
            seconds = seconds.min(start.elapsed().as_secs_f64() / EXTRACTED as f64);
        }
        self.known().extract.insert(key, seconds);
        Ok(seconds)
    }

    /// Seconds for training a cell.
    fn fit(&self, plan: &Plan, cell: &Cell, share: Share) -> Result<f64, RunError> {
        let images = self.facts.images;
        let evaluated = (images.validation + images.test) as f64;
        let mut seconds = 0.0;
        for phase in cell.procedure.phases() {
            let wanted = Extraction::for_training(cell, &phase, self.facts.sharing);
            let is_stored = wanted.is_some_and(|wanted| !plan.without_room.contains(&wanted.key()));
            let pace = self.pace(cell, &phase, is_stored, share)?;
            let epoch = images.train as f64 * pace.train + evaluated * pace.evaluate + pace.record;
            seconds += pace.start + phase.procedure.epochs as f64 * epoch;
        }
        Ok(seconds)
    }

    /// The pace of a phase of a cell.
    fn pace(
        &self,
        cell: &Cell,
        phase: &Phase<'_>,
        is_stored: bool,
        share: Share,
    ) -> Result<FitPace, RunError> {
        let mut procedure = like_the_first(phase.procedure, &self.inputs.cells[0], is_stored);
        procedure.batch_size = procedure.batch_size.min(self.facts.images.train.max(1) as usize);
        let key = (ContentHash::of_value(&(&procedure, is_stored)), share);
        if let Some(known) = self.known().fit.get(&key) {
            return Ok(*known);
        }
        let cell = Cell { procedure, levels: Vec::new(), ..cell.clone() };
        let trial = |epochs: usize, evaluated: u64| -> Result<Vec<Trial>, RunError> {
            std::thread::scope(|scope| {
                let begin = |_| {
                    scope.spawn(|| -> Result<Trial, RunError> {
                        let pool = ThreadPoolBuilder::new().num_threads(share.threads).build();
                        let pool = pool.map_err(|error| RunError::Threads {
                            threads: share.threads,
                            jobs: share.jobs,
                            reason: error.to_string(),
                        })?;
                        pool.install(|| {
                            Trial::run(self.inputs, &cell, is_stored, epochs, evaluated)
                        })
                    })
                };
                let trials: Vec<_> = (0..share.jobs).map(begin).collect();
                let join = |trial: std::thread::ScopedJoinHandle<'_, _>| {
                    trial.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                trials.into_iter().map(join).collect()
            })
        };
        let mean = |trials: &[Trial], of: &dyn Fn(&Trial) -> f64| {
            trials.iter().map(of).sum::<f64>() / trials.len() as f64
        };
        let first = trial(2, EVALUATED)?;
        let epoch = mean(&first, &|trial| trial.train + trial.evaluate);
        let start = mean(&first, &|trial| trial.beside);
        let mut pace = FitPace {
            start,
            train: mean(&first, &|trial| trial.train) / shown(&cell) as f64,
            evaluate: mean(&first, &|trial| trial.evaluate) / EVALUATED as f64,
            record: 0.0,
        };
        if epoch < SHORT_EPOCH {
            let epochs = (TRIAL_SECONDS / epoch).clamp(4.0, MOST_EPOCHS).floor();
            let few = trial(epochs as usize, EVALUATED)?;
            let many = trial((epochs / 4.0).max(2.0) as usize, MORE_EVALUATED)?;
            pace.train = mean(&few, &|trial| trial.train) / shown(&cell) as f64;
            // What an epoch takes besides, such as measuring the drift, does not grow with images.
            let [evaluate, more] =
                [&few, &many].map(|trials| mean(trials, &|trial| trial.evaluate));
            pace.evaluate = ((more - evaluate) / (MORE_EVALUATED - EVALUATED) as f64).max(0.0);
            let written = (mean(&few, &|trial| trial.beside) - start) / (epochs - 2.0);
            let besides = evaluate - pace.evaluate * EVALUATED as f64;
            pace.record = written.max(0.0) + besides.max(0.0);
        }
        self.known().fit.insert(key, pace);
        Ok(pace)
    }
}

/// A procedure of one phase that takes as long for each image, and is the same for as many others as
/// can be: what makes no difference is as the first cell has it.
fn like_the_first(of_phase: &Procedure, first: &Cell, is_stored: bool) -> Procedure {
    let mut procedure = of_phase.clone();
    procedure.later_phases = Vec::new();
    procedure.epochs = 2;
    procedure.variants = procedure.variants.min(2);
    procedure.schedule = Schedule::default();
    *procedure.optimizer.learning_rate_mut() = 1e-6;
    procedure.optimizer.epsilon_mut().into_iter().for_each(|epsilon| *epsilon = 1e-7);
    if procedure.dropout > 0.0 {
        procedure.dropout = 0.5;
    }
    procedure.preprocessing = first.procedure.preprocessing;
    procedure.initializer = first.procedure.initializer;
    procedure.loss_clip = first.procedure.loss_clip;
    procedure.validation_sampling = first.procedure.validation_sampling;
    if is_stored {
        procedure.cache = Cache::Features;
        procedure.augmentation = Augmentation::None;
        procedure.variants = 1;
    }
    procedure
}

/// A folder of drawn images as a cell wants them.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// So many training images, and so many to be evaluated.
    fn new(cell: &Cell, train: u64, validation: u64) -> Result<Self, RunError> {
        let folder = TempDir::new()
            .map_err(|source| RunError::Unwritable { path: std::env::temp_dir(), source })?;
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
    fn extract(
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
        extract(&one, base, &pixels, &path, &|_| {})?;
        Ok(StoredActivations::open(&one, &path)?)
    }

    /// A split as a cell sees it.
    fn split(
        &self,
        inputs: &RunInputs,
        wanted: Option<Extraction>,
        split: Split,
    ) -> Result<SplitData, RunError> {
        let stored = wanted.map(|wanted| self.extract(&base(inputs, &wanted)?, &wanted, split));
        let stored = stored.transpose()?;
        Ok(SplitData { pixels: Pixels::open(&self.pixels(split), OnUnreadable::Refuse)?, stored })
    }
}

/// The base of an extraction.
fn base(inputs: &RunInputs, extraction: &Extraction) -> Result<Base, RunError> {
    let procedure = &extraction.cell.procedure;
    let (algorithm, weights) = (procedure.convolution, &inputs.weights);
    let blocks = extraction.blocks;
    Ok(Base::new(procedure.architecture, algorithm, weights, blocks, &inputs.device)?)
}

/// Training images of a trial: a batch, and one of each class at least.
fn shown(cell: &Cell) -> u64 {
    cell.procedure.batch_size.max(2) as u64
}

/// What a trial took, in seconds.
struct Trial {
    /// Training a batch, or as few as show both classes.
    train: f64,
    /// Evaluating its images, and what an epoch takes besides.
    evaluate: f64,
    /// Building the model, and writing all epochs down.
    beside: f64,
}

impl Trial {
    /// Trains a cell of one phase for some epochs of one batch.
    fn run(
        inputs: &RunInputs,
        cell: &Cell,
        is_stored: bool,
        epochs: usize,
        evaluated: u64,
    ) -> Result<Self, RunError> {
        let mut cell = cell.clone();
        cell.procedure.epochs = epochs;
        let desk = Desk::new(&cell, shown(&cell), evaluated)?;
        let phase = cell.procedure.phases()[0];
        let of_training = Extraction::for_training(&cell, &phase, inputs.sharing);
        let of_evaluation = Extraction::for_evaluation(&cell, &phase, Split::Validation);
        let data = PhaseData {
            train: desk.split(inputs, of_training.filter(|_| is_stored), Split::Train)?,
            evaluation: vec![(
                Split::Validation,
                desk.split(inputs, of_evaluation, Split::Validation)?,
            )],
        };
        let data = FitData { phases: vec![data], device: inputs.device.clone() };
        let folder = ResultsFolder::new(desk.folder.path().join("results"));
        let executor = RealExecutor::new(inputs, rayon::current_num_threads());
        let manifest = executor.described(&cell, Vec::new());
        let mut seen = Seen { records: folder.begin(&manifest)?, epochs: Vec::new() };
        let start = Instant::now();
        match fit(&cell, &inputs.weights, &data, None, &mut seen, &|_| {}) {
            // The images are none that the weights know; what was seen until then has its duration.
            Err(TrainError::Diverged { .. }) if seen.epochs.len() > 1 => {}
            outcome => drop(outcome?),
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
