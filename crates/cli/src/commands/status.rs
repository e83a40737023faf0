//! `thaw status`: how far the cells of an experiment are, whoever runs them.

use std::process::ExitCode;

use clap::Args;

use crate::error::{CliError, SUCCESS};
use crate::matrix::{Entry, Matrix};
use crate::selection::CellSelection;
use crate::terminal::{say, say_json, say_on_stderr};

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    selection: CellSelection,
    /// Print JSON: an object for each cell
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Status) -> Result<ExitCode, CliError> {
    let selection = &options.selection;
    let experiment = selection.load()?;
    let matrix = Matrix::read(&experiment, &selection.read_folder(&experiment)?)?;
    // The next sweep makes it, so that this is no error.
    if let Some(place) = selection.results.missing()? {
        let place = place.display();
        say_on_stderr(&format!("{place}: there is no such folder, so nothing has run there yet"));
    }
    for damaged in &matrix.damaged {
        say_on_stderr(&format!("warning: {damaged}"));
    }
    if options.json {
        matrix.entries.iter().for_each(|entry| say_json(&entry.json(), true));
    } else {
        say(&matrix.heading());
        matrix.entries.iter().filter_map(Entry::line).for_each(|line| say(&line));
    }
    Ok(ExitCode::from(SUCCESS))
}
