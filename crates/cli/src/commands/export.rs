//! `thaw export`: what has run, for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use thaw_analysis::CellRun;
use thaw_exchange::{ExportedRun, Format, export};
use thaw_spec::TrainingLog;
use thaw_store::is_url;

use crate::drawing::{damage, read};
use crate::error::{CliError, SUCCESS, unless_damaged};
use crate::fields::fields;
use crate::selection::CellSelection;
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    selection: CellSelection,
    #[arg(long, value_name = "FORMAT", help = formats())]
    format: Format,
    /// The file or folder to write [default: below the experiment's
    /// results]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// The names of the formats, in words.
fn formats() -> String {
    let names = Format::ALL.map(|format| format.name);
    let (last, others) = names.split_last().expect("there are formats");
    format!("{} or {last}", others.join(", "))
}

pub(crate) fn run(options: &Export) -> Result<ExitCode, CliError> {
    let selection = &options.selection;
    selection.results.require()?;
    let experiment = selection.load()?;
    let folder = selection.read_folder(&experiment)?;
    let results = read(selection, &experiment, &folder)?;
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    for procedure in &results.procedures {
        for run in &procedure.runs {
            match run.log() {
                Some(log) => runs.push(exported(run, &procedure.levels, log)),
                None => left_out.push(why_left_out(run, &procedure.levels)),
            }
        }
    }
    let root = selection.written_folder(&experiment)?.root();
    let output = match &options.output {
        Some(output) => output.clone(),
        None if is_url(&root) => {
            let message = format!(
                "the results lie in {}, and an export is files of this machine; say where with --output",
                root.display()
            );
            return Err(CliError::Usage { message });
        }
        None => root.join(options.format.default_output),
    };
    export(&experiment.name, &runs, options.format, &output)?;
    say(&format!("{} run(s) of `{}`: {}", runs.len(), experiment.name, output.display()));
    (options.format.opened_with)(&output).iter().for_each(|line| say(line));
    if !left_out.is_empty() {
        say(&format!("{} run(s) left out:", left_out.len()));
        left_out.iter().for_each(|line| say(&format!("  {line}")));
    }
    unless_damaged(SUCCESS, damage(&results, &[]))
}

/// A run's levels and seed in words.
fn name(run: &CellRun, levels: &[(String, String)]) -> String {
    let levels = levels.iter().map(|(factor, level)| format!("{factor}={level}"));
    levels.chain([format!("seed={}", run.cell().seed)]).collect::<Vec<_>>().join(" ")
}

/// Which run no export tells of, and why.
fn why_left_out(run: &CellRun, levels: &[(String, String)]) -> String {
    let why = match run.outcome.epochs {
        0 => "it diverged in its first epoch, so it has none",
        _ => "a number in its records is not finite",
    };
    format!("{} ({}): {why}", name(run, levels), run.manifest.id)
}

/// `levels` as the experiment names them now.
fn exported(run: &CellRun, levels: &[(String, String)], log: TrainingLog) -> ExportedRun {
    let manifest = &run.manifest;
    let mut parameters: Vec<(String, String)> =
        fields(&manifest.cell.procedure).into_iter().collect();
    parameters.extend([
        ("dataset_sha256".to_owned(), manifest.cell.inputs.dataset.to_string()),
        ("weights_sha256".to_owned(), manifest.cell.inputs.weights.to_string()),
    ]);
    ExportedRun {
        id: manifest.id.to_string(),
        name: name(run, levels),
        levels: levels.to_vec(),
        seed: manifest.cell.seed,
        parameters,
        status: run.outcome.status.to_string(),
        started_unix_seconds: manifest.environment.started_unix_seconds,
        log,
        drift: run.drift(),
    }
}
