//! `thaw plan`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use thaw_run::{Finished, Forecast, Rates, RunError, RunInputs, Share};
use thaw_spec::{Cell, CellId, CostFacts, Experiment};

use crate::arguments::SweepToPrecision;
use crate::error::{CliError, SUCCESS};
use crate::inputs::{self, Opened, start_threads};
use crate::precision::{State, expected_seeds, what_could_be_shown};
use crate::sweeping::{fits, plan_file, refuse_what_cannot_be_drawn};
use crate::terminal::{say, say_on_stderr};
use crate::words::{duration, mebibytes};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    options: SweepToPrecision,
    /// Also write the plan as JSON, for `thaw worker`
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(Plan { options, output }: &Plan) -> Result<ExitCode, CliError> {
    let SweepToPrecision { sweep: options, precision, .. } = options;
    options.selection.results.refuse_file()?;
    let threads = start_threads(options.threads)?;
    let opened = inputs::open(options)?;
    let Opened { experiment, inputs, .. } = &opened;
    let folder = options.selection.written_folder(experiment)?;
    refuse_what_cannot_be_drawn(&options.selection, inputs, &folder)?;
    let finished = if options.force { Finished::default() } else { inputs.finished(&folder)? };
    for damaged in finished.damaged.values() {
        say_on_stderr(&format!("warning: {damaged}"));
    }
    let finished = finished.left_out();
    let facts = inputs.cost_facts()?;
    let plan = inputs.plan(&facts, &finished)?;
    inputs.warnings().iter().for_each(|warning| say_on_stderr(warning));
    let counts = inputs.dataset.counts();
    say(&format!(
        "{}: {} procedures with {} each, {} cells, {} of them finished",
        experiment.name,
        experiment.procedures().len(),
        seeds(experiment),
        inputs.cells.len(),
        finished.len()
    ));
    say(&format!(
        "images: {} train, {} validation, {} test of the classes {}",
        counts.train,
        counts.validation,
        counts.test,
        inputs.dataset.classes().join(", ")
    ));
    say(&format!(
        "weights: {} (sha256 {})",
        inputs.weights.path.display(),
        inputs.weights.hash.short()
    ));
    say("");
    let limits = options.limits(threads);
    fits(options, &plan, &facts, &limits, output.is_some())?;
    let rates = Rates::new(inputs, &facts);
    let forecast = Forecast::new(&plan, &facts, &limits, &rates, inputs.cache.kept()?)?;
    if plan.steps.is_empty() {
        say("nothing is left to do");
    } else {
        say_steps(&plan, inputs, &facts, &forecast);
        say_total(&plan, &finished, &forecast, &rates)?;
    }
    let selection = &options.selection;
    let state = State::of_all_runs(selection, experiment, &folder)?;
    let shown = what_could_be_shown(&state);
    if !shown.is_empty() {
        say("");
        shown.iter().for_each(|line| say(line));
    }
    if let Some(points) = precision.points {
        say("");
        let work = (&rates, forecast.seconds);
        expected_seeds(state, selection, precision, points, experiment, &folder, work)?
            .iter()
            .for_each(|line| say(line));
    }
    if let Some(output) = output {
        let file = plan_file(&plan, &facts, options, &opened, &folder, Some(&forecast))?;
        file.write(output)?;
        say(&format!("wrote {} steps to {}", file.steps.len(), output.display()));
    }
    Ok(ExitCode::from(SUCCESS))
}

/// Says every step with its duration.
fn say_steps(plan: &thaw_spec::Plan, inputs: &RunInputs, facts: &CostFacts, forecast: &Forecast) {
    for (step, seconds) in plan.steps.iter().zip(&forecast.steps) {
        let Some(seconds) = seconds else {
            say(&format!("   cached  {step}"));
            continue;
        };
        let bytes = plan.cost(step, facts).artifact_bytes;
        let size = if bytes > 0 { format!(", {}", mebibytes(bytes)) } else { String::new() };
        say(&format!("{:>9}  {step}{size}", duration(*seconds)));
    }
    say("");
    say(&format!("{} artifacts are shared instead of computed again", plan.shared));
    if !plan.without_room.is_empty() {
        let (count, cache) = (plan.without_room.len(), inputs.cache.place().display());
        say(&format!(
            "no room in {cache} for {count} artifact(s) of activations: they are computed for every batch"
        ));
    }
}

/// Says what all of it takes, here and at least.
fn say_total(
    plan: &thaw_spec::Plan,
    finished: &BTreeSet<CellId>,
    forecast: &Forecast,
    rates: &Rates<'_>,
) -> Result<(), CliError> {
    let Rates { inputs, facts, .. } = *rates;
    let none = BTreeSet::new();
    let exists = inputs.cache.kept()?;
    let everything = Share { jobs: 1, threads: rayon::current_num_threads() };
    let alone = |cell: &Cell| -> Result<f64, RunError> {
        let plan = thaw_spec::Plan::new(std::slice::from_ref(cell), &none, facts, &exists);
        plan.steps.iter().map(|step| rates.seconds(&plan, step, everything)).sum()
    };
    let todo = inputs.cells.iter().filter(|cell| !finished.contains(&cell.id()));
    say(&format!(
        "about {} if each cell were run alone, from pixels on",
        duration(todo.map(alone).sum::<Result<f64, RunError>>()?)
    ));
    let made = plan.steps.iter().zip(&forecast.steps).filter(|(_, seconds)| seconds.is_some());
    let bytes = made.map(|(step, _)| plan.cost(step, facts).artifact_bytes).sum();
    say(&format!(
        "about {} on this machine, {} in {}",
        duration(forecast.seconds),
        mebibytes(bytes),
        inputs.cache.place().display()
    ));
    if let Some(last) = forecast.critical.last() {
        say(&format!(
            "about {} at least, on however many machines like this one: {} steps, each of which needs the one before, the last to {}",
            duration(forecast.critical_seconds),
            forecast.critical.len(),
            plan.steps[*last]
        ));
    }
    Ok(())
}

/// How many seeds the procedures have.
fn seeds(experiment: &Experiment) -> String {
    let counts = || experiment.procedures().map(|(levels, _)| experiment.seeds_of(levels).len());
    match (counts().min().unwrap_or(0), counts().max().unwrap_or(0)) {
        (1, 1) => "1 seed".to_owned(),
        (fewest, most) if fewest == most => format!("{most} seeds"),
        (fewest, most) => format!("{fewest} to {most} seeds"),
    }
}
