//! `thaw sweep`: plan, make shared artifacts, train cells side by side, report.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use thaw_analysis::ResultsFolder;
use thaw_spec::{Cell, Cost, CostFacts, Plan, Step};

use crate::arguments::{Precision, Sweep};
use crate::artifacts::is_kept;
use crate::error::{CliError, SUCCESS};
use crate::executor::{Artifact, Executor, RealExecutor, run_cell};
use crate::plan::{describe, finished};
use crate::precision::Seeding;
use crate::progress::{Progress, Task, verdict};
use crate::report::{accuracies, read, report};
use crate::selection::CellSelection;
use crate::sweep_inputs::{SweepInputs, start_threads};
use crate::terminal::{say, say_on_stderr};

pub(crate) fn run(options: &Sweep, precision: Option<&Precision>) -> Result<ExitCode, CliError> {
    let started = Instant::now();
    let threads = start_threads(options.threads)?;
    let inputs = SweepInputs::open(options)?;
    let folder = options.selection.written_folder(&inputs.experiment);
    let _lock = folder.lock()?;
    let executor = RealExecutor::new(&inputs, threads);
    let finished = if options.force { BTreeSet::new() } else { finished(&inputs, &folder)? };
    if options.force {
        for cell in &inputs.cells {
            executor.forget(cell)?;
        }
    }
    let facts = inputs.cost_facts()?;
    let plan = Plan::new(&inputs.cells, &finished, &facts, |step| is_kept(&inputs.cache, step));
    let limits = Limits {
        threads,
        jobs: options.jobs.map(usize::from),
        memory_bytes: available_memory_bytes(),
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
    execute(&plan, &facts, &executor, &folder, &limits, options.quiet)?;
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
            executor: &executor,
            limits: &limits,
            quiet: options.quiet,
        };
        seeding.run()
    });
    let reached = reached.transpose()?;
    draw(&options.selection)?;
    reached.iter().flatten().for_each(|line| say(line));
    Ok(ExitCode::from(SUCCESS))
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

/// What cells that train side by side have to share.
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) jobs: Option<usize>,
    pub(crate) memory_bytes: Option<u64>,
}

/// Executes a plan. Artifacts are made one after the other, each with all threads; cells between
/// two artifacts are trained side by side. A cell that fails does not stop the others.
pub(crate) fn execute(
    plan: &Plan,
    facts: &CostFacts,
    executor: &dyn Executor,
    folder: &ResultsFolder,
    limits: &Limits,
    quiet: bool,
) -> Result<(), CliError> {
    // Forward and backward together cost about three forward passes; the head's memory traffic
    // makes its steps dear for their arithmetic.
    let work = |cost: Cost| {
        (cost.forward_multiply_adds + 3 * cost.trained_multiply_adds + 8 * cost.head_multiply_adds)
            as f64
            + cost.decoded_images as f64 * 1e8
    };
    let total: f64 = plan.steps.iter().map(|step| work(plan.cost(step, facts))).sum();
    let progress = Progress::new(quiet);
    let share = |step: &Step| work(plan.cost(step, facts)) / total.max(1.0);
    let mut failures = Vec::new();
    let mut steps = plan.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let Step::Fit(first) = step else {
            let task = progress.task(&describe(step), None, images(step, facts), share(step));
            let artifact = executor.make(step, &|count| task.advance(count))?;
            match artifact {
                Artifact::Made => task.finish("done"),
                Artifact::Kept => task.kept(),
            }
            continue;
        };
        let mut batch = vec![first];
        while let Some(Step::Fit(cell)) = steps.next_if(|step| matches!(step, Step::Fit(_))) {
            batch.push(cell);
        }
        failures.extend(train_side_by_side(&batch, executor, folder, limits, &|cell: &Cell| {
            let step = Step::Fit(cell.clone());
            progress.task(&describe(&step), Some(cell), images(&step, facts), share(&step))
        })?);
    }
    if failures.is_empty() { Ok(()) } else { Err(CliError::Cells(failures)) }
}

fn images(step: &Step, facts: &CostFacts) -> u64 {
    match step {
        Step::Decode { split, .. } => facts.images.of(*split),
        Step::Extract(extraction) => {
            facts.images.of(extraction.split) * extraction.variants.count() as u64
        }
        Step::Fit(cell) => facts.images.train * cell.procedure.total_epochs() as u64,
    }
}

/// Trains cells on workers with equal shares of the threads; returns what failed.
fn train_side_by_side<'p>(
    cells: &[&Cell],
    executor: &dyn Executor,
    folder: &ResultsFolder,
    limits: &Limits,
    task: &(dyn Fn(&Cell) -> Task<'p> + Sync),
) -> Result<Vec<String>, CliError> {
    let largest = cells
        .iter()
        .map(|cell| executor.memory_bytes(cell))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .max()
        .unwrap_or(1);
    // A fifth of the memory is left to the system's file cache, from which activations are read.
    let by_memory =
        limits.memory_bytes.map_or(usize::MAX, |bytes| (bytes / 5 * 4 / largest.max(1)) as usize);
    let jobs = limits.jobs.unwrap_or(limits.threads.min(by_memory)).clamp(1, cells.len());
    let threads = (limits.threads / jobs).max(1);
    let pools = start_pools(jobs, threads)?;
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for pool in &pools {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let task = task(cell);
                    let trained = pool.install(|| run_cell(executor, folder, cell, &task));
                    match trained {
                        Ok(outcome) => task.finish(verdict(outcome.status)),
                        Err(error) => {
                            task.finish("failed");
                            let failure =
                                format!("{} seed {}: {}", cell.label(), cell.seed, error.message());
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                        }
                    }
                }
            });
        }
    });
    Ok(failures.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Starts the threads of all workers before the first cell runs, so that a system that refuses them
/// is heard of.
fn start_pools(jobs: usize, threads: usize) -> Result<Vec<ThreadPool>, CliError> {
    let start = |_| ThreadPoolBuilder::new().num_threads(threads).build();
    (0..jobs).map(start).collect::<Result<_, _>>().map_err(|error| CliError::Usage {
        message: format!(
            "cannot start {threads} thread(s) for each of {jobs} cells ({error}); give --threads or --jobs"
        ),
    })
}

/// Memory that is free, where the system tells (Linux).
fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
