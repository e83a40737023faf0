//! `thaw verify`: runs finished cells again, and compares their records to the last bit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tempfile::TempDir;
use thaw_analysis::{CellState, ResultsFolder, compare_records};
use thaw_run::{Launcher as _, Limits, RealExecutor, RunError, RunInputs, Stop, Threads, Work};
use thaw_spec::{CellManifest, CostFacts, Plan, Selector};

use crate::arguments::{Images, LauncherName, Sweep};
use crate::error::{CliError, FAILED, SUCCESS, unless_damaged};
use crate::fields::differences;
use crate::inputs::{self, start_threads};
use crate::places::require_folder;
use crate::progress::Progress;
use crate::selection::{CellSelection, MINIATURE_NAME};
use crate::signals::stop_on_signals;
use crate::sweeping::none_failed;
use crate::terminal::say;

/// What to do where there are no results.
const REMEDY: &str = "name the folder of an experiment's results, such as results/book";

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The results of an experiment, such as results/book
    #[arg(value_name = "FOLDER")]
    results: PathBuf,
    /// So many cells, evenly chosen in the order of their names, which are hashes
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    sample: u16,
    /// Only cells with this level; several levels of one factor mean any of them
    #[arg(long, value_name = "FACTOR=LEVEL")]
    only: Vec<String>,
    /// The experiment's file, which says where its images are from [default: the one in experiments/ of
    /// the name that the results tell]
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    #[command(flatten)]
    images: Images,
    /// Weights of the base [default: THAW_WEIGHTS, unless thaw brings weights of its own]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Folder of decoded images and activations that are used instead of making them again [default: all
    /// is made again]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where to compute: cpu, or cuda:N for a GPU
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(options: &Verify) -> Result<ExitCode, CliError> {
    require_folder(&options.results, "a folder of results", REMEDY)?;
    let folder = ResultsFolder::open(&options.results)?;
    let (finished, damaged) = finished(&folder, &options.only)?;
    let Some(first) = finished.first() else {
        if !damaged.is_empty() {
            return Err(CliError::Damaged(damaged));
        }
        let message = format!(
            "{}: no finished cell{}; {REMEDY}",
            options.results.display(),
            if options.only.is_empty() {
                String::new()
            } else {
                format!(" is `{}`", options.only.join(" "))
            }
        );
        return Err(CliError::Usage { message });
    };
    let threads = start_threads(options.threads)?;
    let desk = desk()?;
    let sweep = Sweep {
        selection: CellSelection::plain(experiment_file(options, &first.experiment)?),
        images: options.images.clone(),
        weights: options.weights.clone(),
        cache: options.cache.clone().unwrap_or_else(|| desk.path().join("cache")),
        local_cache: desk.path().join("copies"),
        threads: options.threads,
        device: options.device.clone(),
        jobs: None,
        memory: None,
        launcher: LauncherName::Threads,
        launcher_settings: None,
        retries: None,
        checkpoint_every: None,
        no_sharing: false,
        force: false,
        skip_unreadable_images: !first.skipped_images.is_empty(),
        quiet: options.quiet,
        inject_fault: None,
    };
    let opened = inputs::open(&sweep)?;
    is_of(&opened.inputs, first, &options.results)?;
    let stop = stop_on_signals(options.quiet);
    // They need not be those of the experiment as its file is now.
    let manifests = chosen(finished, options.sample.into());
    let facts = opened.inputs.cost_facts_of(manifests.iter().map(|manifest| &manifest.cell))?;
    let again = Again {
        folder: &folder,
        inputs: &opened.inputs,
        facts: &facts,
        limits: &sweep.limits(threads),
        stop: &stop,
        quiet: options.quiet,
    };
    let equal = again.verify(&manifests)?;
    unless_damaged(if equal { SUCCESS } else { FAILED }, damaged)
}

/// The cells that have ended and have such levels, in the order of their names, and what is damaged, in
/// sentences.
fn finished(
    folder: &ResultsFolder,
    only: &[String],
) -> Result<(Vec<CellManifest>, Vec<String>), CliError> {
    let only = Selector::from_arguments(only)
        .map_err(|error| CliError::Usage { message: format!("--only: {error}") })?;
    let (manifests, damaged) = folder.manifests()?;
    let mut damaged: Vec<String> = damaged.into_iter().map(|damage| damage.reason).collect();
    let mut finished = Vec::new();
    for manifest in manifests {
        if !only.matches(&manifest.cell.levels) {
            continue;
        }
        match folder.state(&manifest.cell) {
            Ok(CellState::Complete) => finished.push(manifest),
            Ok(_) => {}
            Err(error) if error.is_damage() => damaged.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((finished, damaged))
}

/// So many of them, evenly chosen.
pub(crate) fn chosen(finished: Vec<CellManifest>, sample: usize) -> Vec<CellManifest> {
    let count = finished.len();
    let sample = sample.min(count).max(1);
    let is_chosen = |place: usize| place * sample / count != (place + 1) * sample / count;
    let places = finished.into_iter().enumerate();
    places.filter(|(place, _)| is_chosen(*place)).map(|(_, manifest)| manifest).collect()
}

/// The file of an experiment of this name; nothing for the miniature, which is part of the program.
fn experiment_file(options: &Verify, name: &str) -> Result<Option<PathBuf>, CliError> {
    if let Some(path) = &options.experiment {
        return Ok(Some(path.clone()));
    }
    let path = Path::new("experiments").join(format!("{name}.toml"));
    match path.exists() {
        true => Ok(Some(path)),
        false if name == MINIATURE_NAME => Ok(None),
        false => {
            let message = format!(
                "{}: these are results of the experiment `{name}`, and there is no {}; name its file by --experiment",
                options.results.display(),
                path.display()
            );
            Err(CliError::Usage { message })
        }
    }
}

/// Refuses other images or weights than those of the cells.
fn is_of(inputs: &RunInputs, manifest: &CellManifest, place: &Path) -> Result<(), CliError> {
    let (wanted, subject) = (&manifest.cell.inputs, place.display());
    let given = inputs.cells.first().map(|cell| &cell.inputs);
    let Some(given) = given else { return Err(RunError::NoCell.into()) };
    let other = if given.dataset != wanted.dataset {
        Some(("images", given.dataset.short(), wanted.dataset.short()))
    } else if given.weights != wanted.weights {
        Some(("weights", given.weights.short(), wanted.weights.short()))
    } else {
        None
    };
    other.map_or(Ok(()), |(what, given, wanted)| {
        let message = format!(
            "{subject}: the cells were run on other {what} (hash {wanted}) than these (hash {given})"
        );
        Err(CliError::Usage { message })
    })
}

/// What cells are run again with.
pub(crate) struct Again<'a> {
    /// The records that are compared with.
    pub(crate) folder: &'a ResultsFolder,
    pub(crate) inputs: &'a RunInputs,
    pub(crate) facts: &'a CostFacts,
    pub(crate) limits: &'a Limits,
    pub(crate) stop: &'a Stop,
    pub(crate) quiet: bool,
}

impl Again<'_> {
    /// Runs cells again, into a folder that is removed at the end, and says of each whether its records
    /// are the same; tells whether all are.
    pub(crate) fn verify(&self, manifests: &[CellManifest]) -> Result<bool, CliError> {
        let desk = desk()?;
        let repeated = ResultsFolder::new(desk.path().to_owned());
        let cells: Vec<_> = manifests.iter().map(|manifest| manifest.cell.clone()).collect();
        let Self { inputs, facts, limits, stop, .. } = *self;
        let plan = Plan::new(&cells, &Default::default(), facts, inputs.cache.kept()?);
        let executor = RealExecutor::new(inputs, limits.threads)
            .stopped_by(stop)
            .with_checkpoints_in(desk.path().join("checkpoints"));
        let work = Work { plan: &plan, facts, folder: &repeated, limits, stop };
        let launcher = Threads { executor: &executor };
        none_failed(launcher.launch(&work, &Progress::new(self.quiet))?)?;
        let mut equal = 0;
        for manifest in manifests {
            let comparison = compare_records(self.folder, &repeated, &manifest.id)?;
            let cell = &manifest.cell;
            let name = format!("{} {} seed {}", manifest.id, cell.label(), cell.seed);
            if comparison.is_equal() {
                equal += 1;
                say(&format!("{name}: the same to the last bit, {} values", comparison.values));
                continue;
            }
            say(&format!(
                "{name}: {} of {} values differ",
                comparison.different.max(comparison.differences.len()),
                comparison.values
            ));
            comparison.differences.iter().for_each(|line| say(&format!("  {line}")));
            if let Some(again) = repeated.manifest(&manifest.id)? {
                differing(manifest, &again).iter().for_each(|line| say(&format!("  {line}")));
            }
        }
        say(&format!("{equal} of {} cells are the same to the last bit", manifests.len()));
        Ok(equal == manifests.len())
    }
}

/// A folder that is removed when it is dropped.
fn desk() -> Result<TempDir, CliError> {
    TempDir::new().map_err(|source| CliError::Unwritable { path: std::env::temp_dir(), source })
}

/// How the machines and programs of two runs differ.
fn differing(one: &CellManifest, other: &CellManifest) -> Vec<String> {
    let differ = differences(&one.environment, &other.environment).into_iter();
    differ.map(|(name, then, now)| format!("{name}: {then} then, {now} now")).collect()
}
