//! `thaw report`: pictures, a summary, and the page that holds them all.

use std::process::ExitCode;

use clap::Args;
use thaw_report::procedures_table;

use crate::arguments::Shown;
use crate::drawing::{accuracies, damage, read, report};
use crate::error::{CliError, SUCCESS};
use crate::selection::CellSelection;
use crate::terminal::say_lines;

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    selection: CellSelection,
    #[command(flatten)]
    shown: Shown,
}

pub(crate) fn run(options: &Report) -> Result<ExitCode, CliError> {
    let selection = &options.selection;
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
