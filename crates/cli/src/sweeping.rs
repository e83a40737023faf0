//! A sweep: plan, make shared artifacts, train cells side by side, report.

use std::collections::BTreeSet;
use std::time::Instant;

use thaw_analysis::ResultsFolder;
use thaw_run::{CellFailure, Executor as _, Limits, RealExecutor, execute};
use thaw_spec::{CostFacts, Plan};

use crate::arguments::{Precision, Sweep};
use crate::drawing::{accuracies, read, report};
use crate::error::CliError;
use crate::inputs::{self, start_threads};
use crate::precision::Seeding;
use crate::progress::Progress;
use crate::selection::CellSelection;
use crate::terminal::{say, say_on_stderr};

/// Runs the cells that have not run yet, then draws; with `precision`, goes on with more seeds.
pub(crate) fn sweep(options: &Sweep, precision: Option<&Precision>) -> Result<(), CliError> {
    let started = Instant::now();
    let threads = start_threads(options.threads)?;
    let inputs = inputs::open(options)?;
    let folder = options.selection.written_folder(&inputs.experiment);
    folder.prepare()?;
    let executor = RealExecutor::new(&inputs, threads);
    let finished = if options.force { BTreeSet::new() } else { inputs.finished(&folder)? };
    if options.force {
        for cell in &inputs.cells {
            executor.forget(cell)?;
        }
    }
    let facts = inputs.cost_facts()?;
    let plan = inputs.plan(&facts, &finished);
    let limits = Limits {
        threads,
        jobs: options.jobs.map(usize::from),
        repeat: options.force,
        ..Limits::of_this_machine()
    };
    if plan.steps.is_empty() && !options.quiet {
        say_on_stderr(&format!(
            "every cell has run before, with results in {}; --force runs them again",
            folder.root().display()
        ));
    }
    if !options.quiet {
        inputs.warnings().iter().for_each(|warning| say_on_stderr(warning));
    }
    let run = |plan: &Plan, facts: &CostFacts| {
        run_plan(plan, facts, &executor, &folder, &limits, options.quiet)
    };
    run(&plan, &facts)?;
    let wanted = precision.and_then(|precision| Some((precision, precision.points?)));
    let reached = wanted.map(|(precision, points)| {
        let seeding = Seeding {
            selection: &options.selection,
            precision,
            points,
            started,
            inputs: &inputs,
            folder: &folder,
            facts: &facts,
            run: &|plan| run(plan, &facts),
            quiet: options.quiet,
        };
        seeding.run()
    });
    let reached = reached.transpose()?;
    draw(&options.selection)?;
    reached.iter().flatten().for_each(|line| say(line));
    Ok(())
}

/// Executes a plan and shows its progress; the cells that failed are the error.
fn run_plan(
    plan: &Plan,
    facts: &CostFacts,
    executor: &RealExecutor<'_>,
    folder: &ResultsFolder,
    limits: &Limits,
    quiet: bool,
) -> Result<(), CliError> {
    let failures = execute(plan, facts, executor, folder, limits, &Progress::new(quiet))?;
    if failures.is_empty() {
        return Ok(());
    }
    let words = |CellFailure { cell, error }: CellFailure| {
        let error = CliError::from(error).message();
        format!("{} seed {}: {error}", cell.label(), cell.seed)
    };
    Err(CliError::Cells(failures.into_iter().map(words).collect()))
}

/// Draws the report of every cell of the experiment's file, whatever `--only` left out now. Where
/// the sweep ran cells that the file does not have (`--epochs`, or other seeds), it draws theirs.
fn draw(selection: &CellSelection) -> Result<(), CliError> {
    let every_level = CellSelection { only: Vec::new(), ..selection.clone() };
    let whole = selection.whole();
    let drawn = if whole.load()?.contains(&selection.load()?) { whole } else { every_level };
    let experiment = drawn.load()?;
    let folder = drawn.written_folder(&experiment);
    let results = read(&drawn, &experiment, &folder)?;
    report(&drawn, &experiment, &folder, &accuracies(&experiment, &results, &folder)?, None)
}
