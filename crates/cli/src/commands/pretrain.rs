//! `thaw pretrain`: weights for a base, from random ones and a source task.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use thaw_data::{Dataset, OnUnreadable, Pixels};
use thaw_run::{Cache, environment};
use thaw_spec::{
    Cell, ContentHash, DatasetSource, Environment, EpochRecord, FreezeBoundary, Inputs, Split,
};
use thaw_train::{FitData, PhaseData, SplitData, pretrain};

use crate::arguments::Images;
use crate::error::{CliError, SUCCESS};
use crate::files::write_whole;
use crate::inputs::{image_source, start_threads};
use crate::selection::CellSelection;
use crate::terminal::{say, say_on_stderr};

#[derive(Debug, Args)]
pub(crate) struct Pretrain {
    /// An experiment file with one cell that freezes nothing
    experiment: PathBuf,
    #[command(flatten)]
    images: Images,
    /// The weights file to write; a record of how it was made goes beside it
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Folder for decoded images; where it is the URL of an object store, they are decoded into the
    /// folder of --local-cache
    #[arg(long, env = "THAW_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    cache: PathBuf,
    /// Where the cache is a URL: the folder of this machine
    #[arg(long, env = "THAW_LOCAL_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    local_cache: PathBuf,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Train for this many epochs instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

/// What stands beside the weights: how they were made.
#[derive(Serialize)]
struct Record<'a> {
    sha256: ContentHash,
    dataset: DatasetSource,
    cell: &'a Cell,
    environment: Environment,
    epochs: Vec<EpochRecord>,
}

pub(crate) fn run(options: &Pretrain) -> Result<ExitCode, CliError> {
    let threads = start_threads(options.threads)?;
    let selection = CellSelection {
        epochs: options.epochs,
        ..CellSelection::plain(Some(options.experiment.clone()))
    };
    let experiment = selection.load()?;
    let wrong =
        |reason: &str| CliError::Usage { message: format!("{}: {reason}", selection.name()) };
    let mut procedures = experiment.procedures();
    let only = procedures.next().filter(|(levels, _)| experiment.seeds_of(levels).len() == 1);
    let (Some((_, procedure)), None) = (only, procedures.next()) else {
        return Err(wrong("pretraining needs exactly one procedure and one seed"));
    };
    if procedure.schedule != thaw_spec::Schedule::default() {
        return Err(wrong(
            "pretraining lowers the learning rate by itself; leave out `schedule` and `warmup_epochs`",
        ));
    }
    if procedure.freeze != FreezeBoundary::None {
        return Err(wrong(
            "random weights are of no use frozen; set freeze = \"none\" in [procedure]",
        ));
    }
    let dataset = image_source(&experiment.dataset, &options.images, &selection)?.open()?;
    let weights = ContentHash::of_value(&"random weights");
    let inputs =
        Inputs { dataset: dataset.content_hash()?, weights, classes: dataset.classes().to_vec() };
    let Some(cell) = experiment.cells(&inputs).into_iter().next() else {
        return Err(wrong("there is no cell"));
    };
    let environment = environment(threads, &candle_core::Device::Cpu, cell.procedure.convolution);

    let evaluated = dataset.counts().present().filter(|split| *split != Split::Train);
    if !procedure.later_phases.is_empty() {
        return Err(wrong("pretraining has one phase"));
    }
    let cache = Cache::open(&options.cache, &options.local_cache)?;
    let data = PhaseData {
        train: decoded(dataset.as_ref(), &cell, Split::Train, &cache)?,
        evaluation: evaluated
            .map(|split| Ok((split, decoded(dataset.as_ref(), &cell, split, &cache)?)))
            .collect::<Result<_, CliError>>()?,
    };
    let data = FitData { phases: vec![data], device: candle_core::Device::Cpu };
    let show = |record: &EpochRecord| {
        if !options.quiet {
            let accuracy = |split| {
                record
                    .splits
                    .iter()
                    .find(|record| record.split == split)
                    .map_or(f64::NAN, |record| record.accuracy())
            };
            let (train, validation) = (accuracy(Split::Train), accuracy(Split::Validation));
            say_on_stderr(&format!(
                "epoch {}/{}: train accuracy {train:.4}, validation accuracy {validation:.4}, {:.0} s",
                record.epoch, cell.procedure.epochs, record.seconds
            ));
        }
    };
    let (bytes, epochs) = pretrain(&cell, &data, show, &|_| ())?;
    let record = Record {
        sha256: ContentHash::of_bytes(&bytes),
        dataset: experiment.dataset,
        cell: &cell,
        environment,
        epochs,
    };
    write_whole(&options.output, &bytes)?;
    let text = serde_json::to_string_pretty(&record).expect("records are numbers and names");
    write_whole(&options.output.with_extension("json"), text.as_bytes())?;
    say(&format!("{} sha256 {}", options.output.display(), record.sha256));
    Ok(ExitCode::from(SUCCESS))
}

/// The images of a split, decoded unless they are in the cache.
fn decoded(
    dataset: &dyn Dataset,
    cell: &Cell,
    split: Split,
    cache: &Cache,
) -> Result<SplitData, CliError> {
    let path = cache.pixels_path(cell, split);
    if !path.exists() {
        Pixels::prepare(
            dataset,
            split,
            cell.procedure.image_size,
            cell.procedure.resize,
            OnUnreadable::Refuse,
            &path,
            &|_| (),
        )?;
    }
    Ok(SplitData { pixels: Pixels::open(&path, OnUnreadable::Refuse)?, stored: None })
}
