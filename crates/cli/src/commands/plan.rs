//! `thaw plan`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use thaw_run::{Rates, RunInputs, is_kept};
use thaw_spec::{Cell, CellId, CostFacts, Experiment, Step};

use crate::arguments::SweepToPrecision;
use crate::error::{CliError, SUCCESS};
use crate::inputs::{self, Opened};
use crate::precision::{State, expected_seeds, what_could_be_shown};
use crate::sweeping::plan_file;
use crate::terminal::{say, say_on_stderr};
use crate::words::{describe, duration, mebibytes};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    options: SweepToPrecision,
    /// Also write the plan as JSON, for `thaw worker`
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(Plan { options, output }: &Plan) -> Result<ExitCode, CliError> {
    let SweepToPrecision { sweep: options, precision } = options;
    let opened = inputs::open(options)?;
    let Opened { experiment, inputs, .. } = &opened;
    let folder = options.selection.written_folder(experiment);
    let finished = if options.force { BTreeSet::new() } else { inputs.finished(&folder)? };
    let facts = inputs.cost_facts()?;
    let plan = inputs.plan(&facts, &finished);
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
    let rates = if plan.steps.is_empty() {
        say("nothing is left to do");
        None
    } else {
        let rates = Rates::measure(inputs)?;
        say_steps(&plan, inputs, &finished, &facts, &rates);
        Some(rates)
    };
    let selection = &options.selection;
    let state = State::of_all_runs(selection, experiment, &folder)?;
    let shown = what_could_be_shown(&state);
    if !shown.is_empty() {
        say("");
        shown.iter().for_each(|line| say(line));
    }
    if let Some(points) = precision.points {
        let rates = rates.map_or_else(|| Rates::measure(inputs), Ok)?;
        say("");
        expected_seeds(state, selection, precision, points, (experiment, inputs), &folder, &rates)?
            .iter()
            .for_each(|line| say(line));
    }
    if let Some(output) = output {
        let file = plan_file(&plan, &facts, options, &opened, &folder, rates.as_ref())?;
        file.write(output)?;
        say(&format!("wrote {} steps to {}", file.steps.len(), output.display()));
    }
    Ok(ExitCode::from(SUCCESS))
}

/// Says every step with its duration, then what is shared and what all of it takes.
fn say_steps(
    plan: &thaw_spec::Plan,
    inputs: &RunInputs,
    finished: &BTreeSet<CellId>,
    facts: &CostFacts,
    rates: &Rates,
) {
    let exists = |step: &Step| is_kept(&inputs.cache, step);
    let (mut total, mut bytes) = (0.0, 0);
    for step in &plan.steps {
        let cost = plan.cost(step, facts);
        let seconds = rates.seconds(&cost);
        if exists(step) {
            say(&format!("   cached  {}", describe(step)));
            continue;
        }
        total += seconds;
        bytes += cost.artifact_bytes;
        let size = if cost.artifact_bytes > 0 {
            format!(", {}", mebibytes(cost.artifact_bytes))
        } else {
            String::new()
        };
        say(&format!("{:>9}  {}{size}", duration(seconds), describe(step)));
    }
    say("");
    say(&format!("{} artifacts are shared instead of computed again", plan.shared));
    if !plan.without_room.is_empty() {
        let (count, cache) = (plan.without_room.len(), inputs.cache.display());
        say(&format!(
            "no room in {cache} for {count} artifact(s) of activations: they are computed for every batch"
        ));
    }
    let none = BTreeSet::new();
    let todo = inputs.cells.iter().filter(|cell| !finished.contains(&cell.id()));
    let alone = |cell: &Cell| -> f64 {
        let plan = thaw_spec::Plan::new(std::slice::from_ref(cell), &none, facts, exists);
        plan.steps.iter().map(|step| rates.seconds(&plan.cost(step, facts))).sum()
    };
    say(&format!(
        "about {} if each cell were run alone, from pixels on",
        duration(todo.map(alone).sum())
    ));
    say(&format!(
        "about {} on this machine, {} in {}",
        duration(total),
        mebibytes(bytes),
        inputs.cache.display()
    ));
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
