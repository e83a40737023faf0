//! What a sweep works on: the images, the weights and the cells they make.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candle_core::Device;
use thaw_data::{Dataset, Folder, OnUnreadable, Synthetic};
use thaw_model::Weights;
use thaw_spec::{Cell, CostFacts, DatasetSource, Experiment, Inputs, PreprocessingName, Sharing};

use crate::arguments::{Images, Sweep};
use crate::error::CliError;
use crate::fault::Fault;
use crate::selection::CellSelection;

/// The images that an experiment asks for.
pub(crate) fn open_dataset(
    source: &DatasetSource,
    images: &Images,
    selection: &CellSelection,
) -> Result<Box<dyn Dataset>, CliError> {
    match (source, &images.data) {
        (DatasetSource::Folder {}, given) => {
            let path = given.clone().or_else(|| from_environment("THAW_DATA"));
            let path = path.ok_or_else(|| {
                missing(selection, "a folder of images", "--data FOLDER", "THAW_DATA")
            })?;
            Ok(Box::new(Folder::scan(&path)?))
        }
        (DatasetSource::Synthetic(dataset), None) => Ok(Box::new(Synthetic::new(*dataset))),
        (DatasetSource::Synthetic(_), Some(path)) => {
            let message = format!(
                "{} draws its images itself, so --data {} cannot be used with it",
                selection.name(),
                path.display()
            );
            Err(CliError::Usage { message })
        }
    }
}

fn missing(selection: &CellSelection, what: &str, flag: &str, variable: &str) -> CliError {
    CliError::Usage {
        message: format!("{} needs {what}: give {flag}, or set {variable}", selection.name()),
    }
}

/// A path from the environment; asked for only where one is needed, so that a variable set for one
/// experiment does not disturb another.
fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(|value| Path::new(&value).to_owned())
}

/// Everything a person pointed at, read and hashed.
pub(crate) struct SweepInputs {
    pub(crate) experiment: Experiment,
    pub(crate) dataset: Box<dyn Dataset>,
    pub(crate) weights: Weights,
    pub(crate) cells: Vec<Cell>,
    pub(crate) cache: PathBuf,
    pub(crate) unreadable: OnUnreadable,
    pub(crate) sharing: Sharing,
    pub(crate) fault: Option<Fault>,
    pub(crate) device: Device,
}

impl SweepInputs {
    pub(crate) fn open(options: &Sweep) -> Result<Self, CliError> {
        let experiment = options.selection.load()?;
        let dataset = open_dataset(&experiment.dataset, &options.images, &options.selection)?;
        let weights = match (&options.weights, Weights::shipped(experiment.architecture)) {
            (Some(path), _) => Weights::read(path, experiment.architecture)?,
            (None, Some(shipped)) => shipped?,
            (None, None) => {
                let path = from_environment("THAW_WEIGHTS");
                let path = path.ok_or_else(|| {
                    missing(
                        &options.selection,
                        "the weights of its base",
                        "--weights FILE",
                        "THAW_WEIGHTS",
                    )
                })?;
                Weights::read(&path, experiment.architecture)?
            }
        };
        let inputs = Inputs {
            dataset: dataset.content_hash()?,
            weights: weights.hash.clone(),
            classes: dataset.classes().to_vec(),
        };
        let cells = experiment.cells(&inputs);
        for (_, procedure) in experiment.procedures() {
            thaw_model::shapes(procedure.architecture, procedure.image_size)?;
        }
        let unreadable =
            if options.skip_unreadable_images { OnUnreadable::Skip } else { OnUnreadable::Refuse };
        let sharing = if options.no_sharing { Sharing::Literal } else { Sharing::ByContent };
        let device = open_device(&options.device)?;
        // Other arithmetic, other last bits: what a device computed is kept apart.
        let cache =
            if device.is_cpu() { options.cache.clone() } else { options.cache.join("cuda") };
        Ok(Self {
            experiment,
            dataset,
            weights,
            cells,
            cache,
            unreadable,
            sharing,
            fault: options.inject_fault,
            device,
        })
    }

    /// The preprocessing that the weights were trained on: what the experiment says, else what
    /// their file tells.
    pub(crate) fn trained_with(&self) -> Option<PreprocessingName> {
        self.experiment.trained_with.or(self.weights.preprocessing)
    }

    /// What a person should know of the images and the weights, and a sentence for each preprocessing in the matrix
    /// that the weights were not trained on.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let of_images =
            self.dataset.remarks().into_iter().map(|remark| format!("warning: {remark}"));
        let of_weights = self.weights.part.iter().map(|part| {
            format!(
                "warning: the base is `{part}` of the model in {}; its other tensors are passed over",
                self.weights.path.display()
            )
        });
        of_images.chain(of_weights).chain(self.preprocessing_warnings()).collect()
    }

    fn preprocessing_warnings(&self) -> Vec<String> {
        let Some(expected) = self.trained_with() else { return Vec::new() };
        let used: BTreeSet<&str> = self
            .experiment
            .procedures()
            .map(|(_, procedure)| procedure.preprocessing.name)
            .filter(|name| *name != expected)
            .map(PreprocessingName::name)
            .collect();
        let weights = self.weights.path.display();
        let warning = |name| {
            format!(
                "warning: cells with preprocessing `{name}` use {weights}, which was trained with `{}`",
                expected.name()
            )
        };
        used.into_iter().map(warning).collect()
    }

    /// What cost estimates rest on.
    pub(crate) fn cost_facts(&self) -> Result<CostFacts, CliError> {
        let size = self.cells.first().map_or(32, |cell| cell.procedure.image_size);
        let shapes = thaw_model::shapes(self.experiment.architecture, size)?;
        let floats = shapes.iter().map(|block| block.floats() as u64);
        Ok(CostFacts {
            images: self.dataset.counts(),
            sharing: self.sharing,
            room_bytes: room_bytes(&self.cache),
            block_multiply_adds: shapes.iter().map(|block| block.multiply_adds).collect(),
            boundary_floats: std::iter::once((size * size * 3) as u64).chain(floats).collect(),
            feature_channels: shapes.last().map_or(3, |block| block.channels as u64),
        })
    }
}

/// Half of what is free where the cache lies, so that a disk is never filled with what can be
/// computed.
fn room_bytes(cache: &Path) -> Option<u64> {
    let absolute = std::path::absolute(cache).ok()?;
    let existing = absolute.ancestors().find(|folder| folder.exists())?;
    fs4::available_space(existing).ok().map(|bytes| bytes / 2)
}

/// `cpu`, or `cuda:N` where thaw was built for it and finds the device.
fn open_device(name: &str) -> Result<Device, CliError> {
    let refused =
        |reason: String| Err(CliError::Usage { message: format!("--device {name}: {reason}") });
    let Some(number) = name.strip_prefix("cuda:") else {
        return if name == "cpu" {
            Ok(Device::Cpu)
        } else {
            refused("write cpu, or cuda:0 for the first GPU".to_owned())
        };
    };
    let Ok(number) = number.parse::<usize>() else {
        return refused("what follows `cuda:` is not a number".to_owned());
    };
    if !candle_core::utils::cuda_is_available() {
        return refused("this thaw was built without CUDA; build it with `cargo build --release --features cuda`".to_owned());
    }
    Device::new_cuda(number).or_else(|error| refused(format!("the GPU cannot be used: {error}")))
}

/// Starts the threads that everything is computed on, once; returns how many they are.
pub(crate) fn start_threads(wanted: Option<u16>) -> Result<usize, CliError> {
    static STARTED: OnceLock<usize> = OnceLock::new();
    if let Some(threads) = STARTED.get() {
        return Ok(*threads);
    }
    let threads = wanted
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let refused = |error: rayon::ThreadPoolBuildError| CliError::Usage {
        message: format!("--threads {threads}: {error}"),
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(refused)?;
    Ok(*STARTED.get_or_init(|| threads))
}
