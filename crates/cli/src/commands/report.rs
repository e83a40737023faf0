//! `thaw report`: pictures, a summary, and the page that holds them all.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use thaw_report::{IndexEntry, index_page, procedures_table};

use crate::arguments::Shown;
use crate::drawing::{accuracies, damage, read, report};
use crate::error::{CliError, SUCCESS};
use crate::files::write_whole;
use crate::selection::CellSelection;
use crate::terminal::{say, say_lines};

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    selection: CellSelection,
    #[command(flatten)]
    shown: Shown,
    /// Write index.html, one page over the reports of all experiments in the folder of results
    #[arg(long, conflicts_with_all = ["experiment", "data", "epochs", "seeds", "only"])]
    index: bool,
}

pub(crate) fn run(options: &Report) -> Result<ExitCode, CliError> {
    let selection = &options.selection;
    if options.index {
        return index(&selection.results.written());
    }
    let experiment = selection.load()?;
    let folder = selection.read_folder(&experiment)?;
    let results = read(selection, &experiment, &folder)?;
    let accuracies = accuracies(&experiment, &results, &folder)?;
    let [accuracy, test_accuracy] = &accuracies;
    say_lines(procedures_table(accuracy, test_accuracy).lines());
    report(selection, &experiment, &folder, &accuracies, options.shown.data.as_deref())?;
    match damage(&results, &accuracies) {
        damaged if damaged.is_empty() => Ok(ExitCode::from(SUCCESS)),
        // What is sound was reported.
        damaged => Err(CliError::Damaged(damaged)),
    }
}

/// Writes the page over all experiments of a folder of results.
fn index(results: &Path) -> Result<ExitCode, CliError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::Unreadable { path, source }
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(results).map_err(unreadable(results))? {
        let folder = entry.map_err(unreadable(results))?.path();
        if folder.join("cells").is_dir() {
            folders.push(folder);
        }
    }
    folders.sort();
    if folders.is_empty() {
        let message = format!(
            "{}: no experiment has cells there; name a folder of results on this machine by --results",
            results.display()
        );
        return Err(CliError::Usage { message });
    }
    let mut experiments = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = folder.join("report.json");
        let entry: Option<IndexEntry> = match fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| CliError::Usage {
                message: format!("{}: {error}; draw the report again", path.display()),
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path)(error)),
        };
        experiments.push((name, entry));
    }
    let page = results.join("index.html");
    let text = index_page(&results.to_string_lossy(), &experiments);
    write_whole(&page, text.as_bytes())?;
    say(&format!("the index: {}", page.display()));
    Ok(ExitCode::from(SUCCESS))
}
