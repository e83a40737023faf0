//! `plan.json`: a plan with everything that a worker needs to know to execute one of its steps,
//! whatever started it and wherever it runs.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use thaw_analysis::ResultsFolder;
use thaw_data::{Dataset, Folder, OnUnreadable, Synthetic};
use thaw_model::Weights;
use thaw_spec::{
    ContentHash, CostFacts, Inputs, Plan, PreprocessingName, Sharing, Step, SyntheticDataset,
};
use thaw_store::{is_url, write_whole};
use thaw_train::Stop;

use crate::launch::memory_bytes;
use crate::steps::{Item, StepEnd, Steps, images};
use crate::{
    Cache, Executor, Fault, Forecast, Observer, RunError, RunInputs, VERSION, open_device,
};

/// Raised when plans of before cannot be read any more.
const FORMAT: u32 = 1;

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// A folder `train|validation|test / class / image`.
    Folder(PathBuf),
    /// Pictures drawn from a seed.
    Synthetic(SyntheticDataset),
}

impl ImageSource {
    /// The images.
    ///
    /// # Errors
    /// When the folder is not that of a dataset.
    pub fn open(&self) -> Result<Box<dyn Dataset>, RunError> {
        Ok(match self {
            Self::Folder(path) => Box::new(Folder::scan(path)?),
            Self::Synthetic(dataset) => Box::new(Synthetic::new(*dataset)),
        })
    }
}

/// A plan as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Version of this format.
    pub format: u32,
    /// Version of thaw that made the plan.
    pub thaw: String,
    /// Name of the experiment.
    pub experiment: String,
    /// The images.
    pub images: ImageSource,
    /// Digest of their names, labels and sizes. Where a worker finds the same, it does not read them
    /// all to hash them.
    pub listing: ContentHash,
    /// Hashes of images and weights, and the classes.
    pub inputs: Inputs,
    /// File of the weights; none where thaw brings them.
    pub weights: Option<PathBuf>,
    /// The preprocessing that the weights were trained on, where it is known.
    pub trained_with: Option<PreprocessingName>,
    /// Folder of decoded images, activations and checkpoints, which workers share, or the URL of an
    /// object store.
    pub cache: PathBuf,
    /// Folder of the experiment's results, which workers share, or the URL of an object store.
    pub results: PathBuf,
    /// Where to compute: `cpu`, or `cuda:N`.
    pub device: String,
    /// Which artifacts cells share.
    pub sharing: Sharing,
    /// What is done about images that cannot be read.
    pub unreadable: OnUnreadable,
    /// A fault that is injected into the execution.
    pub fault: Option<Fault>,
    /// Whether cells are trained that are complete already.
    pub repeat: bool,
    /// The steps; each comes behind those that it needs.
    pub steps: Vec<PlannedStep>,
}

/// A step of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Its number in the plan, counted from 0.
    pub number: usize,
    /// Its name: what it makes, and the hash of everything that decides it.
    pub id: String,
    /// Numbers of the steps that have to have ended before.
    pub needs: Vec<usize>,
    /// Images that it goes over, each as often as it does.
    pub images: u64,
    /// Estimated memory of a training or an extraction, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Estimated seconds on the machine that made the plan, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What it does.
    pub step: Step,
}

/// What a plan is written down with, beside what its inputs say.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    /// Where the images are from.
    pub images: &'a ImageSource,
    /// The device's name.
    pub device: &'a str,
    /// Folder of the experiment's results.
    pub results: &'a Path,
    /// Whether cells are trained that are complete already.
    pub repeat: bool,
}

impl PlanFile {
    /// Writes a plan down. Paths become absolute.
    ///
    /// # Errors
    /// When the images cannot be listed, there is no cell, or the name of a folder is not UTF-8.
    pub fn new(
        plan: &Plan,
        facts: &CostFacts,
        inputs: &RunInputs,
        places: &Places<'_>,
        forecast: Option<&Forecast>,
    ) -> Result<Self, RunError> {
        let cell = inputs.cells.first().ok_or(RunError::NoCell)?;
        let shipped = Weights::shipped(cell.procedure.architecture).transpose()?;
        let is_shipped = shipped.is_some_and(|shipped| shipped.hash == inputs.weights.hash);
        let mut steps = Vec::new();
        for ((number, step), needs) in plan.steps.iter().enumerate().zip(plan.needs(facts.sharing))
        {
            steps.push(PlannedStep {
                number,
                id: step.id(),
                needs,
                images: images(step, facts),
                memory_bytes: memory_bytes(step, facts)?,
                seconds: forecast.and_then(|forecast| forecast.steps[number]),
                step: step.clone(),
            });
        }
        Ok(Self {
            format: FORMAT,
            thaw: VERSION.to_owned(),
            experiment: inputs.experiment.clone(),
            images: match places.images {
                ImageSource::Folder(path) => ImageSource::Folder(absolute(path)?),
                drawn @ ImageSource::Synthetic(_) => drawn.clone(),
            },
            listing: inputs.dataset.listing_hash()?,
            inputs: cell.inputs.clone(),
            weights: (!is_shipped).then(|| absolute(&inputs.weights.path)).transpose()?,
            trained_with: inputs.trained_with,
            cache: absolute(inputs.cache.place())?,
            results: absolute(places.results)?,
            device: places.device.to_owned(),
            sharing: inputs.sharing,
            unreadable: inputs.unreadable,
            fault: inputs.fault,
            repeat: places.repeat,
            steps,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("names and numbers");
        text.push(b'\n');
        text
    }

    /// Writes the file, or the object where `path` is the URL of one: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RunError> {
        if let Some((folder, name)) = object(path) {
            return Ok(thaw_store::open(folder)?.put(name, &self.text())?);
        }
        write_whole(path, &self.text())
            .map_err(|source| RunError::Unwritable { path: path.to_owned(), source })
    }

    /// Reads a file, or an object where `path` is the URL of one.
    ///
    /// # Errors
    /// When it cannot be read, is no plan, or one of another version.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            thaw: String,
        }
        let refused = |reason: String| RunError::Plan { path: path.to_owned(), reason };
        let bytes = read(path)?;
        let not_a_plan = |error: serde_json::Error| {
            refused(format!("is not a plan ({error}); write one with `thaw plan --output`"))
        };
        let version: Version = serde_json::from_slice(&bytes).map_err(not_a_plan)?;
        // Without the commit, which does not decide what a plan means.
        let release = |version: &str| version.split(' ').next().unwrap_or_default().to_owned();
        if version.format != FORMAT || release(&version.thaw) != release(VERSION) {
            return Err(refused(format!(
                "is a plan of thaw {} in format {}, and this is thaw {VERSION}, which reads format {FORMAT}; write it again with `thaw plan --output`, and let one version run all of it",
                version.thaw, version.format
            )));
        }
        let plan: Self = serde_json::from_slice(&bytes).map_err(not_a_plan)?;
        for (position, step) in plan.steps.iter().enumerate() {
            let is_sound = step.number == position
                && step.needs.iter().all(|needed| *needed < position)
                && step.id == step.step.id()
                && step.step.cell().inputs == plan.inputs;
            if !is_sound {
                return Err(refused(format!(
                    "step {position} (`{}`) is not what its name says, or is in another place; write the plan again with `thaw plan --output`",
                    step.id
                )));
            }
        }
        Ok(plan)
    }

    /// The step of a name, or of a number.
    ///
    /// # Errors
    /// When there is none.
    pub fn step(&self, wanted: &str) -> Result<&PlannedStep, RunError> {
        let number = wanted.parse().ok();
        let found = self.steps.iter().find(|step| step.id == wanted || Some(step.number) == number);
        found.ok_or_else(|| RunError::Step {
            step: wanted.to_owned(),
            count: self.steps.len(),
            experiment: self.experiment.clone(),
        })
    }

    /// The images and weights of the plan, made sure of. What a cache in an object store has is copied to
    /// the folder `local`.
    ///
    /// # Errors
    /// When they cannot be read, or are others than those that the plan was made for.
    pub fn open(&self, local: &Path) -> Result<RunInputs, RunError> {
        let cells: Vec<_> = self
            .steps
            .iter()
            .filter_map(|planned| match &planned.step {
                Step::Fit(cell) => Some(cell.clone()),
                _ => None,
            })
            .collect();
        let cell = cells.first().ok_or(RunError::NoCell)?;
        let dataset = self.images.open()?;
        if dataset.listing_hash()? != self.listing && dataset.content_hash()? != self.inputs.dataset
        {
            let subject = match &self.images {
                ImageSource::Folder(path) => path.display().to_string(),
                ImageSource::Synthetic(_) => "the drawn images".to_owned(),
            };
            return Err(RunError::OtherInputs { subject });
        }
        let architecture = cell.procedure.architecture;
        let weights = match &self.weights {
            Some(path) => Weights::read(path, architecture)?,
            None => Weights::shipped(architecture).ok_or_else(|| RunError::OtherInputs {
                subject: format!("the weights of {architecture}"),
            })??,
        };
        if weights.hash != self.inputs.weights {
            return Err(RunError::OtherInputs { subject: weights.path.display().to_string() });
        }
        let mut inputs = RunInputs {
            experiment: self.experiment.clone(),
            trained_with: self.trained_with,
            dataset,
            weights,
            cells,
            cache: Cache::open(&self.cache, local)?,
            unreadable: self.unreadable,
            sharing: self.sharing,
            device: Device::Cpu,
            fault: self.fault,
        };
        inputs.compute_on(open_device(&self.device)?);
        Ok(inputs)
    }
}

impl PlannedStep {
    /// Runs the step, with the threads of the caller. An artifact that another worker makes is waited for
    /// as long as `patience` says.
    ///
    /// # Errors
    /// When it fails, or a step that it needs has not been run.
    pub fn run(
        &self,
        plan: &PlanFile,
        inputs: &RunInputs,
        executor: &dyn Executor,
        observer: &dyn Observer,
        patience: Duration,
        stop: &Stop,
    ) -> Result<StepEnd, RunError> {
        for needed in self.needs.iter().filter_map(|number| plan.steps.get(*number)) {
            // A fault may make other artifacts than those that the plan names.
            if plan.fault.is_none() && !inputs.cache.has_artifact(&needed.step)? {
                return Err(RunError::Needs { step: self.id.clone(), needed: needed.id.clone() });
            }
        }
        let folder = &ResultsFolder::open(&plan.results)?;
        let steps = Steps { executor, folder, observer, repeat: plan.repeat, patience, stop };
        steps.run(&Item { number: self.number, step: &self.step, images: self.images, share: 1.0 })
    }
}

/// The bytes of a plan, which may lie in an object store.
fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    let unreadable = |source| RunError::Unreadable { path: path.to_owned(), source };
    match object(path) {
        Some((folder, name)) => {
            let bytes = thaw_store::open(folder)?.get(name)?;
            bytes.ok_or_else(|| unreadable(ErrorKind::NotFound.into()))
        }
        None => std::fs::read(path).map_err(unreadable),
    }
}

/// The place and the name of an object that a URL names; nothing for a file.
fn object(path: &Path) -> Option<(&Path, &str)> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    path.parent().filter(|_| is_url(path)).map(|folder| (folder, name))
}

/// A path as a plan holds it.
fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    if is_url(path) {
        return Ok(path.to_owned());
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if absolute.to_str().is_none() {
        let reason = "a plan cannot hold this name, which is not UTF-8; give it another".to_owned();
        return Err(RunError::Plan { path: absolute, reason });
    }
    Ok(absolute)
}
