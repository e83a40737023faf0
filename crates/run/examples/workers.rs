//! How many cells a number of workers get through that share a store and compute nothing: what is left
//! is claims and records.
//!
//! `cargo build --release --workspace --examples`, then `target/release/examples/workers PLACE CELLS
//! WORKERS...`, where PLACE is a folder or a URL such as `s3://bucket/scale`. Prints a row of Markdown
//! for each number of workers, each of which is a process.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use thaw_analysis::{CellState, ResultsFolder};
use thaw_run::scripted::{self, ScriptedExecutor};
use thaw_run::{Limits, Silent, execute};
use thaw_spec::{Cell, ContentHash, Experiment, Inputs, Plan};

const HEADING: &str =
    "| place | cells | workers | seconds | cells a second |\n| --- | ---: | ---: | ---: | ---: |";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, cells, workers @ ..] = &arguments[..] else {
        return Err("give a place, a number of cells and numbers of workers".into());
    };
    let cells = experiment(cells.parse()?)?;
    let mut output = std::io::stdout();
    if workers == ["work"] {
        let trained = work(Path::new(place), &cells)?;
        return Ok(writeln!(output, "{trained}")?);
    }
    writeln!(output, "{HEADING}")?;
    for count in workers {
        let place = format!("{place}/{count}-{}", std::process::id());
        let seconds = together(&place, &cells, count.parse()?)?;
        let scheme = place.split_once("://").map_or("folder", |(scheme, _)| scheme);
        let rate = cells.len() as f64 / seconds;
        writeln!(output, "| {scheme} | {} | {count} | {seconds:.1} | {rate:.1} |", cells.len())?;
    }
    Ok(())
}

/// Lets so many processes share the cells; returns how long they took. Each cell has to be trained
/// once.
fn together(place: &str, cells: &[Cell], workers: usize) -> Result<f64, Box<dyn Error>> {
    let folder = ResultsFolder::open(Path::new(place))?;
    folder.prepare()?;
    let start = Instant::now();
    let begin = |_| {
        Command::new(std::env::current_exe()?)
            .args([place, &cells.len().to_string(), "work"])
            .stdout(Stdio::piped())
            .spawn()
    };
    let processes = (0..workers).map(begin).collect::<Result<Vec<_>, _>>()?;
    let mut trained = 0;
    for process in processes {
        let output = process.wait_with_output()?;
        assert!(output.status.success(), "a worker failed");
        trained += String::from_utf8(output.stdout)?.trim().parse::<usize>()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(trained, cells.len(), "each cell is trained once");
    for cell in cells {
        assert_eq!(folder.state(cell)?, CellState::Complete, "{}", cell.id());
    }
    Ok(seconds)
}

/// What one process does; returns how many cells it trained.
fn work(place: &Path, cells: &[Cell]) -> Result<usize, Box<dyn Error>> {
    let facts = scripted::cost_facts();
    let plan = Plan::new(cells, &BTreeSet::new(), &facts, |_| false);
    let executor = ScriptedExecutor::new(|cell, epoch| Ok(900 + cell.seed % 7 + epoch as u64));
    let folder = ResultsFolder::open(&PathBuf::from(place))?;
    let limits = Limits { jobs: Some(1), threads: 1, ..Limits::of_this_machine() };
    let failures = execute(&plan, &facts, &executor, &folder, &limits, &Silent)?;
    assert!(failures.is_empty(), "the script fails in no cell");
    Ok(executor.trained().len())
}

/// The cells of an experiment: two procedures with many seeds and two epochs.
fn experiment(cells: usize) -> Result<Vec<Cell>, Box<dyn Error>> {
    let seeds: Vec<usize> = (0..cells.div_ceil(2)).collect();
    let text = format!(
        "name = \"workers\"\nseeds = {seeds:?}\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n[procedure]\nepochs = 2\n[matrix]\ndropout = [0.0, 0.5]\n"
    );
    let hash = ContentHash::of_bytes(b"workers");
    let classes = vec!["cats".to_owned(), "dogs".to_owned()];
    let inputs = Inputs { dataset: hash.clone(), weights: hash, classes };
    Ok(Experiment::parse("workers.toml", &text)?.cells(&inputs))
}
