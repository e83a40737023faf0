//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use regex::Regex;
use thaw_exchange::Format;
use thaw_spec::{Architecture, AugmentationSetting, Metric, Profile, Split, Statistic};

use crate::fault::Fault;
use crate::selection::{CellSelection, ResultsArgument};
use crate::terminal::LogFormat;

const EXIT_CODES: &str = "Exit codes: 0 done, or every expectation passed · 1 an expectation failed · 2 inconclusive · 64 wrong usage · \
65 bad data or weights · 66 missing input · 69 no network · 70 a cell failed · 73 cannot write · 78 bad experiment file";

/// What `thaw --version` prints after the name: the version, and the commit it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("THAW_COMMIT"), ")");

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
        after_help = "Examples: thaw plan\n          thaw plan experiments/squeezenet.toml --data images --weights squeezenet.safetensors"
    )]
    Plan(SweepToPrecision),
    /// Run the cells that have not run yet, then draw and summarise
    #[command(
        after_help = "Examples: thaw sweep\n          thaw sweep experiments/squeezenet.toml --data images --weights squeezenet.safetensors --only regime=cached\n          thaw sweep --precision 1.0 --budget 30min"
    )]
    Sweep(SweepToPrecision),
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

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Folder with train/CLASS/IMAGE, validation/… and, if wanted, test/…
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// The base: vgg16, resnet50, mobilenet_v2, … (`mini_vgg` and `mini_resnet` bring their own weights)
    #[arg(long, default_value = "vgg16", value_name = "NAME", value_parser = architecture)]
    pub(crate) base: Architecture,
    /// The file to write [default: the folder's name with .toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
}

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
    /// Folder for decoded images, activations and checkpoints
    #[arg(long, env = "THAW_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    pub(crate) cache: PathBuf,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Where to compute: cpu, or cuda:N for a GPU
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: String,
    /// Cells to train at the same time [default: as many as threads and memory allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
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
    #[arg(long, value_enum, hide = true, value_name = "FAULT")]
    pub(crate) inject_fault: Option<Fault>,
}

/// A sweep that may go on with more seeds than are planned.
#[derive(Debug, Args)]
pub(crate) struct SweepToPrecision {
    #[command(flatten)]
    pub(crate) sweep: Sweep,
    #[command(flatten)]
    pub(crate) precision: Precision,
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

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) selection: CellSelection,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) selection: CellSelection,
    /// The expectations [default: the experiment's name with .expected.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) expected: Option<PathBuf>,
    /// Replace the bands by ones that follow from the results, then check
    #[arg(long)]
    pub(crate) update: bool,
    /// Who records new bands
    #[arg(long, env = "USER", default_value = "unknown", hide_env = true, value_name = "NAME")]
    pub(crate) creator: String,
    /// Also write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The experiment file [default: the miniature, which is part of the program]
    pub(crate) experiment: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) images: Images,
    /// The picture to write
    #[arg(long, default_value = "preview.png", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Which images: train, validation or test
    #[arg(long, default_value = "train", value_parser = split)]
    pub(crate) split: Split,
    /// Side of the images, in pixels [default: as the experiment has it]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=2048))]
    pub(crate) size: Option<u16>,
    /// Images per class, or with augmentation per image, beside each other
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) columns: u16,
    /// Rows per class
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) rows: u16,
    /// The seed of the augmentation
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Show each image first as it is, then augmented: none, book or keras-2.0.8
    #[arg(long, default_value = "none", value_name = "NAME")]
    pub(crate) augmentation: AugmentationSetting,
    #[command(flatten)]
    pub(crate) ranges: Ranges,
    /// Resize and transform as this library does: keras-2.0.8, keras-2.1.3, keras-2.2, keras-3 or
    /// torch [default: as the experiment has it]
    #[arg(long, value_name = "NAME", value_parser = profile)]
    pub(crate) profile: Option<Profile>,
    #[command(flatten)]
    pub(crate) explicit: Explicit,
}

/// One image and one transformation, to be compared with another program's.
#[derive(Debug, Args)]
pub(crate) struct Explicit {
    /// Show this image alone, transformed by what follows
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// Rotate by so many degrees
    #[arg(
        long,
        value_name = "DEGREES",
        default_value_t = 0.0,
        requires = "image",
        allow_negative_numbers = true
    )]
    pub(crate) theta: f64,
    /// Shift along the rows, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 0.0,
        requires = "image",
        allow_negative_numbers = true
    )]
    pub(crate) tx: f64,
    /// Shift along the columns, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 0.0,
        requires = "image",
        allow_negative_numbers = true
    )]
    pub(crate) ty: f64,
    /// Shear, in the profile's unit
    #[arg(
        long,
        value_name = "ANGLE",
        default_value_t = 0.0,
        requires = "image",
        allow_negative_numbers = true
    )]
    pub(crate) shear: f64,
    /// Zoom of the columns, if other than that of the rows (--zoom)
    #[arg(long, value_name = "FACTOR", requires = "image")]
    pub(crate) zoom_columns: Option<f64>,
    /// Exchange left and right afterwards
    #[arg(long, requires = "image")]
    pub(crate) flip: bool,
}

/// Ranges of an augmentation; each takes the place of the named augmentation's.
#[derive(Debug, Args)]
pub(crate) struct Ranges {
    /// Rotate by up to so many degrees
    #[arg(long, value_name = "DEGREES")]
    pub(crate) rotation_degrees: Option<f64>,
    /// Shift left or right by up to this fraction of the width
    #[arg(long, value_name = "FRACTION")]
    pub(crate) width_shift: Option<f64>,
    /// Shift up or down by up to this fraction of the height
    #[arg(long, value_name = "FRACTION")]
    pub(crate) height_shift: Option<f64>,
    /// Shear by up to so many radians
    #[arg(long, value_name = "RADIANS")]
    pub(crate) shear_radians: Option<f64>,
    /// Zoom each axis by 1 ± up to this; with --image: by this factor
    #[arg(long, value_name = "NUMBER")]
    pub(crate) zoom: Option<f64>,
    /// Mirror every second image
    #[arg(long, value_name = "YES_OR_NO", action = clap::ArgAction::Set)]
    pub(crate) horizontal_flip: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct Attribute {
    #[command(flatten)]
    pub(crate) sweep: Sweep,
    /// The levels of the one procedure, such as 'regime=cached dropout=0.5'
    #[arg(long, value_name = "LEVELS")]
    pub(crate) from: String,
    /// The levels of the other
    #[arg(long, value_name = "LEVELS")]
    pub(crate) to: String,
    /// What is compared: train, validation or test, with _accuracy or _loss
    #[arg(long, default_value = "validation_accuracy", value_name = "METRIC", value_parser = metric)]
    pub(crate) metric: Metric,
    /// How a curve becomes a number: final, best, or last_N for the mean over the last N epochs
    /// [default: the experiment's statistic]
    #[arg(long, value_name = "STATISTIC", value_parser = statistic)]
    pub(crate) statistic: Option<Statistic>,
    /// Run the cells that are missing
    #[arg(long)]
    pub(crate) run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// Training logs: JSON, tables, notebooks, TensorBoard's files or folders, or what was printed; each
    /// may hold several trainings
    #[arg(required_unless_present = "held_out", value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,
    /// The experiment whose procedures are compared with [default: the miniature, which is part of
    /// the program]
    #[arg(long, value_name = "FILE")]
    pub(crate) experiment: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) results: ResultsArgument,
    /// Only this training of each log
    #[arg(long, value_name = "NAME")]
    pub(crate) run: Option<String>,
    /// Duration of one forward pass of the base over the training images on the log's machine (time
    /// conv_base.predict)
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub(crate) forward_seconds: Option<f64>,
    /// Examine runs whose procedure is known: those of these seeds by what the other seeds say, or
    /// else each run by what all others say
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', num_args = 0.., conflicts_with = "logs")]
    pub(crate) held_out: Option<Vec<u64>>,
    /// Compare only so many epochs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..))]
    pub(crate) epochs: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) selection: CellSelection,
    /// csv, json, tensorboard or mlflow
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(crate) format: Format,
    /// The file to write, or for tensorboard and mlflow the folder [default: below the experiment's
    /// results]
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The name of a run (its folder in runs/EXPERIMENT/cells), or how it begins
    pub(crate) one: String,
    /// The other run's
    pub(crate) other: String,
    #[command(flatten)]
    pub(crate) results: ResultsArgument,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The checkpoint before training: safetensors, a file of PyTorch or of Keras, or the folder of one
    /// in shards
    pub(crate) before: PathBuf,
    /// The checkpoint after it [default: list what is in the first]
    pub(crate) after: Option<PathBuf>,
    /// Tensors with names like this were declared frozen; `*` and `?` stand for anything, `[ab]` for a
    /// or b; may be given several times
    #[arg(long, value_name = "PATTERN", requires = "after")]
    pub(crate) frozen: Vec<String>,
    /// Replace what the regular expression matches in the names of both files, so that they become
    /// equal; may be given several times
    #[arg(long, value_name = "REGEX=>REPLACEMENT", value_parser = crate::audit::rename)]
    pub(crate) map: Vec<(Regex, String)>,
    /// Compare the state dict at this place in files of PyTorch, such as ema or nets/generator
    #[arg(long, value_name = "PLACE")]
    pub(crate) state_dict: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// What to fetch [default: show what there is]
    pub(crate) name: Option<String>,
    /// The file to write, or for a dataset the folder [default: below weights/ or data/]
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Fetch it from this mirror; the checksum stays the catalogue's
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Give up a connection that is silent for so long, and go on with another
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) stall_seconds: u64,
    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pretrain {
    /// An experiment file with one cell that freezes nothing
    pub(crate) experiment: PathBuf,
    #[command(flatten)]
    pub(crate) images: Images,
    /// The weights file to write; a record of how it was made goes beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Folder for decoded images
    #[arg(long, env = "THAW_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    pub(crate) cache: PathBuf,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Train for this many epochs instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,
    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

fn split(name: &str) -> Result<Split, String> {
    name.parse().map_err(|_| "expected train, validation or test".to_owned())
}

fn architecture(name: &str) -> Result<Architecture, String> {
    let names = Architecture::ALL.map(Architecture::name).join(", ");
    name.parse().map_err(|_| format!("expected one of {names}"))
}

fn metric(key: &str) -> Result<Metric, String> {
    key.parse().map_err(|_| format!("expected one of {}", Metric::ALL.map(Metric::key).join(", ")))
}

fn statistic(name: &str) -> Result<Statistic, String> {
    name.parse().map_err(|_| "expected final, best or last_N, such as last_10".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

fn format(name: &str) -> Result<Format, String> {
    match name {
        "csv" => Ok(Format::Csv),
        "json" => Ok(Format::Json),
        "tensorboard" => Ok(Format::Tensorboard),
        "mlflow" => Ok(Format::Mlflow),
        _ => Err("expected csv, json, tensorboard or mlflow".to_owned()),
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    let names = Profile::ALL.map(Profile::name).join(", ");
    name.parse().map_err(|_| format!("expected one of {names}"))
}
