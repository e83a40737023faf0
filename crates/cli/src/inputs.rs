//! What a person pointed at: images, weights, a device, threads.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use thaw_data::OnUnreadable;
use thaw_model::Weights;
use thaw_run::{Cache, ImageSource, RunInputs, open_device};
use thaw_spec::{DatasetSource, Experiment, Sharing};

use crate::arguments::{Images, LauncherName, Sweep};
use crate::error::CliError;
use crate::selection::CellSelection;

/// Where the images are that an experiment asks for.
pub(crate) fn image_source(
    source: &DatasetSource,
    images: &Images,
    selection: &CellSelection,
) -> Result<ImageSource, CliError> {
    match (source, &images.data) {
        (DatasetSource::Folder {}, given) => {
            let path = given.clone().or_else(|| from_environment("THAW_DATA"));
            let path = path.ok_or_else(|| {
                missing(selection, "a folder of images", "--data FOLDER", "THAW_DATA")
            })?;
            Ok(ImageSource::Folder(path))
        }
        (DatasetSource::Synthetic(dataset), None) => Ok(ImageSource::Synthetic(*dataset)),
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

/// An experiment, and what it runs on.
pub(crate) struct Opened {
    pub(crate) experiment: Experiment,
    /// Where the images are from.
    pub(crate) images: ImageSource,
    pub(crate) inputs: RunInputs,
}

/// Everything a person pointed at, read and hashed.
pub(crate) fn open(options: &Sweep) -> Result<Opened, CliError> {
    let experiment = options.selection.load()?;
    let images = image_source(&experiment.dataset, &options.images, &options.selection)?;
    let dataset = images.open()?;
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
    let cache = Cache::open(&options.cache, &options.local_cache)?;
    let mut inputs = RunInputs::new(&experiment, dataset, weights, cache)?;
    if options.skip_unreadable_images {
        inputs.unreadable = OnUnreadable::Skip;
    }
    if options.no_sharing {
        inputs.sharing = Sharing::Literal;
    }
    inputs.fault = options.inject_fault;
    // The machine that submits jobs need not have the device.
    if options.launcher != LauncherName::Slurm {
        inputs.compute_on(open_device(&options.device)?);
    }
    Ok(Opened { experiment, images, inputs })
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
