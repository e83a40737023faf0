//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};
use thaw_run::{Fault, Limits, VERSION};
use thaw_spec::shell_word;

use crate::commands::attribute::Attribute;
use crate::commands::audit::Audit;
use crate::commands::check::Check;
use crate::commands::diagnose::Diagnose;
use crate::commands::diff::Diff;
use crate::commands::doctor::Doctor;
use crate::commands::export::Export;
use crate::commands::fetch::Fetch;
use crate::commands::init::Init;
use crate::commands::manual::{Completions, Man};
use crate::commands::plan::Plan;
use crate::commands::pretrain::Pretrain;
use crate::commands::preview::Preview;
use crate::commands::report::Report;
use crate::commands::status::Status;
use crate::commands::verify::Verify;
use crate::commands::watch::Watch;
use crate::commands::worker::Worker;
use crate::selection::CellSelection;
use crate::terminal::LogFormat;

const EXIT_CODES: &str = "Exit codes: 0 done, or every expectation passed · 1 an expectation failed · 2 inconclusive · 64 wrong usage · \
65 bad data or weights · 66 missing input · 69 no network · 70 a cell failed · 73 cannot write · 75 claimed by another worker · 78 bad experiment file";

/// Runs matrices of transfer-learning experiments, audits what was frozen, and guards accuracies.
#[derive(Debug, Parser)]
#[command(name = "thaw", version = VERSION, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The form of progress and messages on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write an experiment file for a folder of images
    #[command(
        after_help = "Examples: thaw init images\n          thaw init images --base mini_vgg --output mine.toml"
    )]
    Init(Init),
    /// Show the cells, what they share, and what they will cost on this machine
    #[command(
        after_help = "Examples: thaw plan\n          thaw plan experiments/squeezenet.toml --data images --weights squeezenet.safetensors\n          thaw plan --output plan.json"
    )]
    Plan(Plan),
    /// Run the cells that have not run yet, then draw and summarise
    #[command(
        after_help = "Examples: thaw sweep\n          thaw sweep experiments/squeezenet.toml --data images --weights squeezenet.safetensors --only regime=cached\n          thaw sweep --precision 1.0 --budget 30min"
    )]
    Sweep(SweepToPrecision),
    /// Execute one step of a plan, for whatever starts it: a scheduler, a script, another machine
    #[command(
        after_help = "Examples: thaw worker plan.json\n          thaw worker plan.json --step 17\n          thaw worker plan.json --step fit-08ae49263265aa48 --threads 8 --wait 5min\nExit codes: 0 the step ended · 65 other images or weights, or a plan of another version · 66 a step that it needs has not been run · 70 its cell failed · 75 another worker has claimed it"
    )]
    Worker(Worker),
    /// Show how far the cells are: done, running where and for how long, failed why, waiting
    #[command(after_help = "Example: thaw status experiments/squeezenet.toml")]
    Status(Status),
    /// Watch a sweep that runs elsewhere: its cells, their curves as they grow, the time left, frozen
    /// bases that move
    #[command(
        after_help = "Examples: thaw watch experiments/squeezenet.toml\n          thaw watch experiments/squeezenet.toml --every 1min | tee watch.log\nKeys: ↑ ↓ choose a cell · q ends\nExit codes, without a terminal: 0 every cell is done · 70 a cell failed"
    )]
    Watch(Watch),
    /// Draw and summarise what has run
    #[command(after_help = "Example: thaw report experiments/squeezenet.toml")]
    Report(Report),
    /// Compare what has run with what is expected
    #[command(
        after_help = "Example: thaw check experiments/squeezenet.toml --junit target/check.xml"
    )]
    Check(Check),
    /// Show images of a dataset, as they are or augmented, on one sheet
    #[command(
        after_help = "Examples: thaw preview\n          thaw preview experiments/squeezenet.toml --data images --augmentation keras-2.0.8\n          thaw preview --image cat.jpg --theta 30 --shear 0.2 --flip --profile keras-2.0.8"
    )]
    Preview(Preview),
    /// Divide the gap between two procedures over the factors in which they differ
    #[command(
        after_help = "Example: thaw attribute --from 'regime=cached augmentation=none preprocessing=rescale dropout=0.5' --to 'regime=accidentally_unfrozen …'\nExit codes: 0 divided · 2 cells are missing (they are named; --run runs them)"
    )]
    Attribute(Attribute),
    /// Find the procedure that produced a training log of your own
    #[command(
        after_help = "Examples: thaw diagnose history.json\n          thaw diagnose frozen.csv --experiment experiments/squeezenet.toml --forward-seconds 31\n          thaw diagnose --held-out\nA log is Keras' history as JSON, CSV with a heading, TensorBoard's event file or folder, or what Keras prints.\nExit codes: 0 one procedure is the answer · 2 several could be, or none of these"
    )]
    Diagnose(Diagnose),
    /// Write what has run for other programs
    #[command(
        after_help = "Examples: thaw export experiments/squeezenet.toml --format csv\n          thaw export --format tensorboard --output target/board && tensorboard --logdir target/board\n          thaw export --format mlflow --output target/mlruns && MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri target/mlruns"
    )]
    Export(Export),
    /// Say what differs between two runs, in procedure, machine and outcome
    #[command(after_help = "Example: thaw diff 08ae4926 3265aa48")]
    Diff(Diff),
    /// Run finished cells again and compare their records to the last bit
    #[command(
        after_help = "Examples: thaw verify results/miniature --sample 3\n          thaw verify results/book --sample 1 --only regime=cached --data images --weights vgg16.safetensors\nExit codes: 0 the same · 1 something differs"
    )]
    Verify(Verify),
    /// Look for damage in results and caches: files that cannot be read, flipped bits, what killed
    /// workers left behind
    #[command(
        after_help = "Examples: thaw doctor\n          thaw doctor experiments/squeezenet.toml --set-aside\nExit codes: 0 all is sound · 65 something is damaged"
    )]
    Doctor(Doctor),
    /// Compare two checkpoints of your own training: which tensors moved, and whether a frozen one
    /// is among them
    #[command(
        after_help = "Example: thaw audit before.safetensors after.safetensors --frozen 'features.*'\nExit codes: 0 nothing declared frozen moved · 1 something did · 2 inconclusive"
    )]
    Audit(Audit),
    /// Download weights or a dataset from the catalogue, or list it
    #[command(
        after_help = "Examples: thaw fetch\n          thaw fetch vgg16-keras\n          thaw fetch cats-and-dogs --output data/cats_and_dogs_small"
    )]
    Fetch(Fetch),
    /// Train a base from random weights on a source task and write its weights file
    #[command(
        after_help = "Example: thaw pretrain experiments/pretrain.toml --output mini_vgg.safetensors"
    )]
    Pretrain(Pretrain),
    /// Print the completions of a shell
    #[command(
        after_help = "Example: thaw completions bash > ~/.local/share/bash-completion/completions/thaw"
    )]
    Completions(Completions),
    /// Print the manual page, or write one for each command
    #[command(
        after_help = "Examples: thaw man | man -l -\n          thaw man --output ~/.local/share/man/man1"
    )]
    Man(Man),
}

impl Command {
    /// Whether it can continue without images that cannot be read. An attached worker speaks for the
    /// sweep that started it.
    pub(crate) fn can_skip_images(&self) -> bool {
        match self {
            Self::Plan(_) | Self::Sweep(_) | Self::Attribute(_) => true,
            Self::Worker(options) => options.is_attached(),
            _ => false,
        }
    }
}

/// The folder of copies of a cache in an object store, where none is named.
pub(crate) const LOCAL_CACHE: &str = ".thaw-cache";

/// The device where none is named.
const CPU: &str = "cpu";

/// Where a folder of images lies, for experiments that need one.
#[derive(Clone, Debug, Args)]
pub(crate) struct Images {
    /// Folder with train/CLASS/IMAGE, validation/… and, if wanted, test/… [default: THAW_DATA]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
}

/// Photographs that may become part of a report.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shown {
    /// Show augmented photographs of this folder in the report, of which they become part
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Sweep {
    #[command(flatten)]
    pub(crate) selection: CellSelection,
    #[command(flatten)]
    pub(crate) images: Images,
    /// Weights of the base, as safetensors with torchvision's names [default: THAW_WEIGHTS, unless
    /// thaw brings weights of its own]
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Folder for decoded images, activations and checkpoints, or the URL of an object store that
    /// workers on several machines share, such as s3://bucket/cache
    #[arg(long, env = "THAW_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    pub(crate) cache: PathBuf,
    /// Where the cache is a URL: the folder of this machine's copies
    #[arg(long, env = "THAW_LOCAL_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    pub(crate) local_cache: PathBuf,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Where to compute: cpu, or cuda:N for a GPU
    #[arg(long, default_value = CPU, value_name = "DEVICE")]
    pub(crate) device: String,
    /// Cells to train at the same time [default: as many as threads and memory allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Memory that all cells together may use, such as 8GB or 1500MiB; what cannot fit is refused
    /// [default: what is free; what exceeds all that the machine has is refused]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Who trains: threads of this process; a process for each step, so that one that crashes or is
    /// killed for memory cannot take the others along; or the jobs of a Slurm cluster
    #[arg(long, value_enum, default_value_t, value_name = "LAUNCHER")]
    pub(crate) launcher: LauncherName,
    /// With --launcher slurm: a file with a [launcher.slurm] table, which stands above that of the
    /// experiment [default: none]
    #[arg(long, env = "THAW_LAUNCHER_SETTINGS", value_name = "FILE")]
    pub(crate) launcher_settings: Option<PathBuf>,
    /// With --launcher processes or slurm: how often a step is tried again that failed [default: never]
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u8>,
    /// Least time between two checkpoints of a cell, such as 10s; within long epochs thirty times as
    /// long; or two notes of how far an extraction is [default: 10s; 1min for checkpoints that are
    /// copied to an object store]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) checkpoint_every: Option<Duration>,
    /// Run the frozen base for every batch of an end-to-end cell, even where it can only yield the
    /// same again
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
    /// Execute the cells wrongly while recording them as if all were well: proof that `thaw check`
    /// notices
    #[arg(long, hide = true, value_name = "FAULT")]
    pub(crate) inject_fault: Option<Fault>,
}

impl Sweep {
    /// The command that sweeps these cells with the same images, weights, cache and device.
    pub(crate) fn command(&self) -> String {
        let cache = (self.cache != Path::new(LOCAL_CACHE)).then_some(&self.cache);
        let places = [
            ("data", self.images.data.as_ref()),
            ("weights", self.weights.as_ref()),
            ("cache", cache),
        ];
        let mut command = self.selection.command_for_these("sweep");
        for (name, place) in places {
            command.extend(
                place.map(|place| format!(" --{name} {}", shell_word(&place.to_string_lossy()))),
            );
        }
        if self.device != CPU {
            command += &format!(" --device {}", shell_word(&self.device));
        }
        if self.skip_unreadable_images {
            command += " --skip-unreadable-images";
        }
        command
    }

    /// Whether its cells are trained on this machine's processor, out of its memory.
    pub(crate) fn computes_here(&self) -> bool {
        self.launcher != LauncherName::Slurm && self.device == CPU
    }

    /// What its cells have to share.
    pub(crate) fn limits(&self, threads: usize) -> Limits {
        let free = Limits::of_this_machine();
        Limits {
            threads,
            jobs: self.jobs.map(usize::from),
            repeat: self.force,
            memory_bytes: self.memory.map(|memory| memory.as_u64()).or(free.memory_bytes),
        }
    }
}

/// Who executes the steps of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LauncherName {
    /// Threads of this process
    #[default]
    Threads,
    /// A process for each step
    Processes,
    /// Jobs of a Slurm cluster, which are submitted and not waited for
    Slurm,
}

/// A sweep that may go on with more seeds than are planned.
#[derive(Debug, Args)]
pub(crate) struct SweepToPrecision {
    #[command(flatten)]
    pub(crate) sweep: Sweep,
    #[command(flatten)]
    pub(crate) precision: Precision,
    /// At the end, run so many of the finished cells again and compare their records to the last bit;
    /// a difference ends with exit code 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) verify: Option<u16>,
}

/// How far a sweep goes on with more seeds.
#[derive(Debug, Args)]
pub(crate) struct Precision {
    /// Then add seeds until each step of the ladder and each expected relation is known to ± so many
    /// points (its 95 % interval over seeds), those first that promise most per second
    #[arg(long = "precision", value_name = "POINTS", value_parser = positive, conflicts_with = "seeds")]
    pub(crate) points: Option<f64>,
    /// With --precision: add no seed that would end later than this after the start, such as 90min
    /// or 2h
    #[arg(long, value_name = "TIME", requires = "points", value_parser = humantime::parse_duration)]
    pub(crate) budget: Option<Duration>,
    /// With --precision: the most seeds that a difference gets [default: 100]
    #[arg(long, value_name = "N", requires = "points", value_parser = clap::value_parser!(u32).range(2..))]
    max_seeds: Option<u32>,
}

impl Precision {
    /// The most seeds that a difference gets.
    pub(crate) fn most_seeds(&self) -> usize {
        const MOST: usize = 100;
        self.max_seeds.map_or(MOST, |seeds| seeds as usize)
    }
}

/// A seed in a list of seeds.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "give numbers with commas, such as 0,1,2".to_owned())
}

/// A number that is neither infinite nor NaN.
pub(crate) fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "expected a finite number, such as 0.5".to_owned())
}

/// A number above 0.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}
