//! How long the steps of a plan take on this machine: each kind of work is tried on a few drawn
//! images, by the code that will do it, and as many at a time as will be done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use thaw_spec::{
    Augmentation, Cache, Cell, ContentHash, CostFacts, Extraction, Phase, Plan, Procedure,
    Schedule, Split, Step, Variants,
};

use crate::trial::{Desk, Stage, Trial, shown};
use crate::{RunError, RunInputs};

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
    stages: BTreeMap<ContentHash, Arc<Stage>>,
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
        let base = self.inputs.base(extraction)?;
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
        let mut seconds = 0.0;
        for phase in cell.procedure.phases() {
            let wanted = Extraction::for_training(cell, &phase, self.facts.sharing);
            let is_stored = wanted.is_some_and(|wanted| !plan.without_room.contains(&wanted.key()));
            let pace = self.pace(cell, &phase, is_stored, share)?;
            let epochs = phase.procedure.epochs as f64;
            let evaluated = [Split::Validation, Split::Test].map(|split| {
                cell.procedure.evaluations_in(&phase, split) as f64 * images.of(split) as f64
            });
            seconds += pace.start
                + epochs * (images.train as f64 * pace.train + pace.record)
                + evaluated.iter().sum::<f64>() * pace.evaluate;
        }
        Ok(seconds)
    }

    /// What cells are tried on that see images behind so many blocks, which differ in much else.
    fn stage(
        &self,
        cell: &Cell,
        blocks: usize,
        is_stored: bool,
        evaluated: u64,
    ) -> Result<Arc<Stage>, RunError> {
        let procedure = &cell.procedure;
        let key = ContentHash::of_value(&(
            (procedure.architecture, procedure.image_size, procedure.resize),
            (procedure.convolution, procedure.preprocessing),
            (blocks, is_stored, shown(cell), evaluated),
        ));
        if let Some(known) = self.known().stages.get(&key) {
            return Ok(known.clone());
        }
        let stage = Arc::new(Stage::new(self.inputs, cell, blocks, is_stored, evaluated)?);
        self.known().stages.insert(key, stage.clone());
        Ok(stage)
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
        let blocks = phase.untouched_blocks;
        let key = (ContentHash::of_value(&(&procedure, blocks, is_stored)), share);
        if let Some(known) = self.known().fit.get(&key) {
            return Ok(*known);
        }
        let cell = Cell { procedure, levels: Vec::new(), ..cell.clone() };
        let trial = |epochs: usize, evaluated: u64| -> Result<Vec<Trial>, RunError> {
            let stage = self.stage(&cell, blocks, is_stored, evaluated)?;
            std::thread::scope(|scope| {
                let begin = |_| {
                    scope.spawn(|| -> Result<Trial, RunError> {
                        let pool = ThreadPoolBuilder::new().num_threads(share.threads).build();
                        let pool = pool.map_err(|error| RunError::Threads {
                            threads: share.threads,
                            jobs: share.jobs,
                            reason: error.to_string(),
                        })?;
                        pool.install(|| Trial::run(self.inputs, &cell, &stage, epochs))
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
    procedure.evaluate_test = first.procedure.evaluate_test;
    if is_stored {
        procedure.cache = Cache::Features;
        procedure.augmentation = Augmentation::None;
        procedure.variants = 1;
    }
    procedure
}
