//! `thaw export`: what has run, for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use thaw_analysis::CellRun;
use thaw_exchange::{ExportedRun, Format, export};

use thaw_store::is_url;

use crate::drawing::{read, say_damage};
use crate::error::{CliError, SUCCESS};
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
    let experiment = selection.load()?;
    let folder = selection.read_folder(&experiment)?;
    let results = read(selection, &experiment, &folder)?;
    say_damage(&results);
    let runs: Vec<ExportedRun> = results
        .procedures
        .iter()
        .flat_map(|procedure| {
            procedure.runs.iter().filter_map(|run| exported(run, &procedure.levels))
        })
        .collect();
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
    Ok(ExitCode::from(SUCCESS))
}

/// `levels` as the experiment names them now.
fn exported(run: &CellRun, levels: &[(String, String)]) -> Option<ExportedRun> {
    let manifest = &run.manifest;
    let words = levels
        .iter()
        .map(|(factor, level)| format!("{factor}={level}"))
        .chain([format!("seed={}", manifest.cell.seed)]);
    let mut parameters: Vec<(String, String)> =
        fields(&manifest.cell.procedure).into_iter().collect();
    parameters.extend([
        ("dataset_sha256".to_owned(), manifest.cell.inputs.dataset.to_string()),
        ("weights_sha256".to_owned(), manifest.cell.inputs.weights.to_string()),
    ]);
    Some(ExportedRun {
        id: manifest.id.to_string(),
        name: words.collect::<Vec<_>>().join(" "),
        levels: levels.to_vec(),
        seed: manifest.cell.seed,
        parameters,
        status: run.outcome.status.to_string(),
        started_unix_seconds: manifest.environment.started_unix_seconds,
        log: run.log()?,
        drift: run.drift(),
    })
}
