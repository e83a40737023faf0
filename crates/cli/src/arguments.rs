//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use thaw_spec::{Experiment, Selector};

use crate::error::CliError;

const EXIT_CODES: &str = "Exit codes: 0 done, or every expectation met · 1 an expectation failed · 2 the runs cannot tell · 64 wrong usage · \
65 bad data or weights · 66 missing input · 70 a cell failed · 73 cannot write · 78 bad experiment file";

/// Runs matrices of transfer-learning experiments, audits what was frozen, and guards accuracies.
#[derive(Debug, Parser)]
#[command(name = "thaw", version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the cells, what they share, and what they will cost on this machine
    #[command(after_help = "Example: thaw plan experiments/squeezenet.toml --data images --weights squeezenet.safetensors")]
    Plan(Sweep),
    /// Run the cells that have not run yet, then draw and summarise
    #[command(
        after_help = "Example: thaw sweep experiments/squeezenet.toml --data images --weights squeezenet.safetensors --only regime=cached"
    )]
    Sweep(Sweep),
    /// Draw and summarise what has run
    #[command(after_help = "Example: thaw report experiments/squeezenet.toml")]
    Report(Study),
    /// Compare what has run with what is expected
    #[command(after_help = "Example: thaw check experiments/squeezenet.toml --junit target/check.xml")]
    Check(Check),
}

/// Which experiment, and which of its cells.
#[derive(Clone, Debug, Args)]
pub(crate) struct Study {
    /// The experiment file
    pub(crate) experiment: PathBuf,
    /// Folder of results; an experiment has a folder of its name in it
    #[arg(long, env = "THAW_RESULTS", default_value = "results", value_name = "FOLDER")]
    pub(crate) results: PathBuf,
    /// Train for this many epochs instead (other cells, with results of their own)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,
    /// Use these seeds instead, such as 0,1
    #[arg(long, value_delimiter = ',', value_name = "SEEDS")]
    pub(crate) seeds: Option<Vec<u64>>,
    /// Use only cells with this level; may be given several times
    #[arg(long, value_name = "FACTOR=LEVEL")]
    pub(crate) only: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sweep {
    #[command(flatten)]
    pub(crate) study: Study,
    /// Folder with train/CLASS/IMAGE, validation/… and, if wanted, test/…
    #[arg(long, env = "THAW_DATA", value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Weights of the base, as safetensors with torchvision's names
    #[arg(long, env = "THAW_WEIGHTS", value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Folder for decoded images, activations and checkpoints
    #[arg(long, env = "THAW_CACHE", default_value = "target/thaw-cache", value_name = "FOLDER")]
    pub(crate) cache: PathBuf,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Cells to train at the same time [default: as many as threads and memory allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Run the frozen base for every batch of an end-to-end cell, even where it can only yield the same again
    #[arg(long)]
    pub(crate) no_sharing: bool,
    /// Run cells again that have run already
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave out images that cannot be read, and list them in cell.json
    #[arg(long)]
    pub(crate) skip_unreadable_images: bool,
    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) study: Study,
    /// The expectations [default: the experiment's name with .expected.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) expected: Option<PathBuf>,
    /// Also write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

impl Study {
    /// Reads the experiment and narrows it to what was asked for.
    pub(crate) fn load(&self) -> Result<Experiment, CliError> {
        let source = |source| CliError::Unreadable { path: self.experiment.clone(), source };
        let text = std::fs::read_to_string(&self.experiment).map_err(source)?;
        let experiment = Experiment::parse(&self.experiment.display().to_string(), &text)?;
        let only = Selector::from_arguments(&self.only).and_then(|only| only.check(&experiment.known_levels()).map(|()| only));
        let only = only.map_err(|message| CliError::Usage { message: format!("--only: {message}") })?;
        let experiment = experiment.shortened(self.epochs.map(|epochs| epochs as usize), self.seeds.as_deref(), &only);
        if experiment.procedures().len() == 0 {
            return Err(CliError::Usage { message: format!("--only: no cell of {} is `{only}`", self.experiment.display()) });
        }
        Ok(experiment)
    }
}
