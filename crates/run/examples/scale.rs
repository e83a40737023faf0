//! How long an experiment of many cells takes where nothing is computed: plan, records, status, results,
//! report's numbers, verdicts, with the scripted executor.
//!
//! `cargo build --release --workspace --examples`, then `target/release/examples/scale CELLS...`. Prints
//! a row of Markdown for each number of cells: seconds of each part and the most memory so far.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use thaw_analysis::{
    CellState, Measurements, Results, ResultsFolder, check, derive_bands, evaluate_ladder,
};
use thaw_run::scripted::{self, ScriptedExecutor};
use thaw_run::{Limits, Silent, execute};
use thaw_spec::{ContentHash, Expectations, Experiment, Inputs, Metric, Plan, Statistic};

/// Procedures with 50 seeds each.
const SEEDS: usize = 50;

const HEADING: &str = "| cells | parse and plan | run and record | states | read results | intervals | bands and verdicts | most memory |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = std::io::stdout();
    writeln!(output, "{HEADING}")?;
    for count in std::env::args().skip(1) {
        writeln!(output, "{}", row(count.parse()?)?)?;
    }
    Ok(())
}

/// An experiment of so many cells.
fn experiment(cells: usize) -> Result<Experiment, Box<dyn Error>> {
    let mut text = format!(
        "name = \"scale\"\nseeds = {:?}\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n[procedure]\nepochs = 2\n[matrix.rate]\n",
        (0..SEEDS).collect::<Vec<_>>()
    );
    for number in 0..cells.div_ceil(SEEDS).max(2) {
        writeln!(text, "r{number} = {{ learning_rate = {:e} }}", 1e-5 * (number + 1) as f64)?;
    }
    text += "[[ladder]]\nlabel = \"first\"\nwhere = { rate = \"r0\" }\n[[ladder]]\nlabel = \"second\"\nwhere = { rate = \"r1\" }\n";
    Ok(Experiment::parse("scale.toml", &text)?)
}

fn row(count: usize) -> Result<String, Box<dyn Error>> {
    let mut seconds = Vec::new();
    let mut start = Instant::now();
    let mut lap = |seconds: &mut Vec<f64>| {
        seconds.push(start.elapsed().as_secs_f64());
        start = Instant::now();
    };
    let experiment = experiment(count)?;
    let hash = ContentHash::of_bytes(b"scale");
    let classes = vec!["cats".to_owned(), "dogs".to_owned()];
    let cells = experiment.cells(&Inputs { dataset: hash.clone(), weights: hash, classes });
    let facts = scripted::cost_facts();
    let plan = Plan::new(&cells, &BTreeSet::new(), &facts, |_| false);
    lap(&mut seconds);
    let desk = std::env::temp_dir().join(format!("thaw-scale-{}", std::process::id()));
    let folder = ResultsFolder::new(desk.clone());
    folder.prepare()?;
    let executor = ScriptedExecutor::new(|cell, epoch| Ok(900 + cell.seed % 7 + epoch as u64));
    let failures = execute(&plan, &facts, &executor, &folder, &Limits::of_this_machine(), &Silent)?;
    assert!(failures.is_empty(), "the script fails in no cell");
    lap(&mut seconds);
    let mut complete = 0;
    for cell in &cells {
        complete += usize::from(folder.state(cell)? == CellState::Complete);
    }
    assert_eq!(complete, cells.len());
    lap(&mut seconds);
    let results = Results::read(&folder, &experiment)?;
    lap(&mut seconds);
    let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let accuracy = accuracy.with_images(&folder)?;
    let steps = evaluate_ladder(&experiment.ladder, &accuracy);
    assert_eq!(steps.len(), 2);
    lap(&mut seconds);
    let bands = derive_bands(&results, &[(Metric::ValidationAccuracy, Statistic::Final)]);
    let verdicts = check(&Expectations { bands, ..Expectations::default() }, &results);
    assert_eq!(verdicts.len(), results.procedures.len());
    lap(&mut seconds);
    std::fs::remove_dir_all(desk)?;
    let cells: Vec<String> = seconds.iter().map(|seconds| format!("{seconds:.2} s")).collect();
    Ok(format!("| {count} | {} | {} MiB |", cells.join(" | "), most_memory_mebibytes()))
}

/// The most memory that this process has had, where the system tells (Linux).
fn most_memory_mebibytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
