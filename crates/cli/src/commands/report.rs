//! `thaw report`: pictures, a summary, and the page that holds them all.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use thaw_report::{IndexEntry, index_page, procedures_table};

use crate::arguments::Shown;
use crate::drawing::{accuracies, damage, read, report};
use crate::error::{CliError, SUCCESS, unless_damaged};
use crate::selection::{CellSelection, require_results};
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
    selection.results.require()?;
    let experiment = selection.load()?;
    let folder = selection.read_folder(&experiment)?;
    let results = read(selection, &experiment, &folder)?;
    let accuracies = accuracies(&experiment, &results, &folder)?;
    let [accuracy, test_accuracy] = &accuracies;
    say_lines(procedures_table(accuracy, test_accuracy).lines());
    report(selection, &experiment, &folder, &accuracies, options.shown.data.as_deref())?;
    unless_damaged(SUCCESS, damage(&results, &accuracies))
}

/// Writes the page over all experiments of a folder of results.
fn index(results: &Path) -> Result<ExitCode, CliError> {
    require_results(results)?;
    let store = thaw_store::open(results)?;
    let mut experiments = Vec::new();
    for name in store.list("")? {
        if !store.list(&name)?.iter().any(|part| part == "cells") {
            continue;
        }
        let key = format!("{name}/report.json");
        let malformed = |error: serde_json::Error| {
            let place = store.place(&key);
            let message = format!("{}: {error}; draw the report again", place.display());
            CliError::Usage { message }
        };
        let entry: Option<IndexEntry> = match store.get(&key)? {
            Some(bytes) => Some(serde_json::from_slice(&bytes).map_err(malformed)?),
            None => None,
        };
        experiments.push((name, entry));
    }
    if experiments.is_empty() {
        let message = format!(
            "{}: no experiment has cells there; name a folder of results by --results",
            results.display()
        );
        return Err(CliError::Usage { message });
    }
    let page = "index.html";
    store.put(page, index_page(&results.to_string_lossy(), &experiments).as_bytes())?;
    say(&format!("the index: {}", store.place(page).display()));
    Ok(ExitCode::from(SUCCESS))
}
