//! Seeds beyond those that an experiment plans, until its differences are known precisely.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use thaw_analysis::{
    Addition, CellState, PrecisionTarget, Results, ResultsFolder, WantedDifference,
    smallest_difference, wanted_differences,
};
use thaw_run::{Rates, RunInputs, Share};
use thaw_spec::{Cell, CostFacts, Expectations, Experiment, Plan, Step, Variants};

use crate::arguments::Precision;
use crate::drawing::damage;
use crate::error::CliError;
use crate::selection::{CellSelection, expectations_beside};
use crate::terminal::say_on_stderr;
use crate::words::duration;

/// Half-widths are fractions where they are computed and points where a person reads them.
const POINTS: f64 = 100.0;

/// What runs with one more seed cost on this machine: what the seed alone needs, for what all seeds
/// share has been made for those before. A run that was begun costs nothing, so that it is finished
/// first.
struct Costs<'a> {
    experiment: &'a Experiment,
    inputs: &'a RunInputs,
    folder: &'a ResultsFolder,
    /// Seconds by procedure.
    known: BTreeMap<usize, f64>,
}

impl<'a> Costs<'a> {
    /// Tries on this machine what the procedures of the wanted differences take.
    fn new(
        experiment: &'a Experiment,
        folder: &'a ResultsFolder,
        rates: &Rates<'a>,
        wanted: &[WantedDifference],
    ) -> Result<Self, CliError> {
        let Rates { inputs, facts, .. } = *rates;
        let mut known = BTreeMap::new();
        let alone = Share { jobs: 1, threads: rayon::current_num_threads() };
        let procedures: BTreeSet<usize> =
            wanted.iter().flat_map(|wanted| wanted.procedures).collect();
        for procedure in procedures {
            let cell = cell(experiment, inputs, procedure, 0);
            let plan = Plan::new(&[cell], &BTreeSet::new(), facts, |_| false);
            let steps = plan.steps.iter().filter(|step| is_of_one_seed(step));
            let seconds = steps.map(|step| rates.seconds(&plan, step, alone)).sum::<Result<_, _>>();
            known.insert(procedure, seconds?);
        }
        Ok(Self { experiment, inputs, folder, known })
    }

    fn seconds(&self, procedure: usize, seed: u64) -> f64 {
        let cell = cell(self.experiment, self.inputs, procedure, seed);
        if matches!(self.folder.state(&cell), Ok(CellState::Partial)) {
            return 0.0;
        }
        self.known.get(&procedure).copied().unwrap_or(0.0)
    }
}

/// Whether a step has to be done for each seed again.
fn is_of_one_seed(step: &Step) -> bool {
    match step {
        Step::Decode { .. } => false,
        Step::Extract(extraction) => matches!(extraction.variants, Variants::Augmented { .. }),
        Step::Fit(_) => true,
    }
}

/// A procedure's run with any seed.
fn cell(experiment: &Experiment, inputs: &RunInputs, procedure: usize, seed: u64) -> Cell {
    let (levels, settings) =
        experiment.procedures().nth(procedure).expect("a procedure of the experiment");
    Cell {
        levels: levels.to_vec(),
        procedure: settings.clone(),
        inputs: inputs.cells[0].inputs.clone(),
        seed,
    }
}

/// The differences that an experiment speaks of, and the seeds of each procedure.
pub(crate) struct State {
    wanted: Vec<WantedDifference>,
    seeds: Vec<BTreeSet<u64>>,
    /// What is damaged, in sentences.
    damaged: Vec<String>,
}

impl State {
    /// What the runs so far tell, over seeds and images.
    pub(crate) fn of_all_runs(
        selection: &CellSelection,
        experiment: &Experiment,
        folder: &ResultsFolder,
    ) -> Result<Self, CliError> {
        Self::read(experiment, &expectations_beside(selection)?, folder, true)
    }

    fn read(
        experiment: &Experiment,
        expectations: &Expectations,
        folder: &ResultsFolder,
        with_images: bool,
    ) -> Result<Self, CliError> {
        let results = Results::read(folder, experiment)?;
        let images = with_images.then_some(folder);
        let wanted = wanted_differences(experiment, expectations, &results, images)?;
        let seeds = results
            .procedures
            .iter()
            .map(|procedure| procedure.runs.iter().map(|run| run.cell().seed).collect())
            .collect();
        let damaged = damage(&results, &[]);
        Ok(Self { wanted, seeds, damaged })
    }

    fn shared(&self, wanted: &WantedDifference) -> usize {
        let [from, to] = wanted.procedures.map(|place| &self.seeds[place]);
        from.intersection(to).count()
    }
}

fn nothing_to_know(selection: &CellSelection) -> CliError {
    CliError::Usage {
        message: format!(
            "--precision: {} speaks of no difference between two accuracies; give it a [[ladder]], or its expectations an interval_above or greater_by_at_least",
            selection.name()
        ),
    }
}

fn target<'a>(
    precision: &Precision,
    points: f64,
    started: Instant,
    seconds: &'a dyn Fn(usize, u64) -> f64,
) -> PrecisionTarget<'a> {
    PrecisionTarget {
        half_width: points / POINTS,
        most_seeds: precision.most_seeds(),
        budget_seconds: precision
            .budget
            .map(|budget| budget.as_secs_f64() - started.elapsed().as_secs_f64()),
        seconds,
    }
}

/// What a sweep that adds seeds works with.
pub(crate) struct Seeding<'a> {
    pub(crate) selection: &'a CellSelection,
    pub(crate) precision: &'a Precision,
    /// The half-width that is wanted, in points.
    pub(crate) points: f64,
    pub(crate) started: Instant,
    pub(crate) experiment: &'a Experiment,
    pub(crate) inputs: &'a RunInputs,
    pub(crate) folder: &'a ResultsFolder,
    pub(crate) facts: &'a CostFacts,
    /// Executes a plan.
    pub(crate) run: &'a dyn Fn(&Plan) -> Result<(), CliError>,
    pub(crate) quiet: bool,
}

impl Seeding<'_> {
    /// Runs one more seed after the other until the differences are as precise as is wanted, or the
    /// seeds or the time are spent; says in lines how precise they have become.
    pub(crate) fn run(&self) -> Result<Vec<String>, CliError> {
        let expectations = expectations_beside(self.selection)?;
        let read = || State::read(self.experiment, &expectations, self.folder, false);
        let mut state = read()?;
        if state.wanted.is_empty() {
            return Err(nothing_to_know(self.selection));
        }
        // Where nothing would be run even for nothing, the machine need not be measured.
        let free = target(self.precision, self.points, self.started, &|_, _| 0.0);
        if free.next(&state.wanted, &state.seeds).is_none() {
            return Ok(self.reached(&free, &state));
        }
        let rates = Rates::new(self.inputs, self.facts);
        let costs = Costs::new(self.experiment, self.folder, &rates, &state.wanted)?;
        let seconds = |procedure, seed| costs.seconds(procedure, seed);
        loop {
            let target = target(self.precision, self.points, self.started, &seconds);
            let Some(addition) = target.next(&state.wanted, &state.seeds) else {
                return Ok(self.reached(&target, &state));
            };
            if !self.quiet {
                say_on_stderr(&describe(&addition, &state));
            }
            let cells: Vec<Cell> = addition
                .cells
                .iter()
                .map(|(procedure, seed)| cell(self.experiment, self.inputs, *procedure, *seed))
                .collect();
            let kept = self.inputs.cache.kept()?;
            let plan = Plan::new(&cells, &BTreeSet::new(), self.facts, kept);
            (self.run)(&plan)?;
            state = read()?;
            // A damaged record would be asked for again and again.
            let is_there =
                |(procedure, seed): &(usize, u64)| state.seeds[*procedure].contains(seed);
            if !addition.cells.iter().all(is_there) {
                return Err(CliError::Damaged(state.damaged));
            }
        }
    }

    fn reached(&self, target: &PrecisionTarget<'_>, state: &State) -> Vec<String> {
        let heading = format!(
            "precision of the differences over seeds, of which ± {} points were wanted:",
            self.points
        );
        let line = |wanted: &WantedDifference| {
            let (shared, half) = (state.shared(wanted), half_width(wanted));
            let stopped = if shared >= target.most_seeds {
                "--max-seeds allows no more seeds"
            } else {
                "the next seed would not end within --budget"
            };
            let is_narrow = wanted.half_width().is_some_and(|half| half <= target.half_width);
            let why = match (target.is_reached(wanted), is_narrow) {
                (true, _) => String::new(),
                _ if wanted.has_diverged => " (a run diverged)".to_owned(),
                (false, true) => format!(" (not so without its last seed, and {stopped})"),
                (false, false) => format!(" ({stopped})"),
            };
            format!("  {half}  {shared:3} seeds  {}{why}", wanted.label)
        };
        std::iter::once(heading).chain(state.wanted.iter().map(line)).collect()
    }
}

fn describe(addition: &Addition, state: &State) -> String {
    let wanted = &state.wanted[addition.wanted];
    let seeds: BTreeSet<u64> = addition.cells.iter().map(|(_, seed)| *seed).collect();
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    format!(
        "seed {}, about {}: {} with {} seeds so far, {}",
        seeds.join(", "),
        duration(addition.seconds),
        half_width(wanted),
        state.shared(wanted),
        wanted.label
    )
}

fn half_width(wanted: &WantedDifference) -> String {
    let half = wanted.half_width().map(|half| format!("± {:.2}", half * POINTS));
    half.unwrap_or_else(|| "± ?".to_owned())
}

/// What the runs so far could show, in lines; nothing where they can show nothing.
pub(crate) fn what_could_be_shown(state: &State) -> Vec<String> {
    let lines: Vec<String> = state
        .wanted
        .iter()
        .filter_map(|wanted| {
            let estimate = wanted.estimate.as_ref()?;
            let smallest = smallest_difference(estimate)? * POINTS;
            let count = estimate.count;
            Some(format!("  {smallest:5.2} points with {count} seeds: {}", wanted.label))
        })
        .collect();
    let heading = "smallest differences that the runs so far could show, over seeds and images (four of five such experiments would notice):";
    let heading = (!lines.is_empty()).then(|| heading.to_owned());
    heading.into_iter().chain(lines).collect()
}

/// Which seeds a precision is expected to take beyond those planned, which take so many seconds, and how
/// long, in lines.
pub(crate) fn expected_seeds(
    mut state: State,
    selection: &CellSelection,
    precision: &Precision,
    points: f64,
    experiment: &Experiment,
    folder: &ResultsFolder,
    (rates, planned_seconds): (&Rates<'_>, f64),
) -> Result<Vec<String>, CliError> {
    if state.wanted.is_empty() {
        return Err(nothing_to_know(selection));
    }
    for (seeds, (levels, _)) in state.seeds.iter_mut().zip(experiment.procedures()) {
        seeds.extend(experiment.seeds_of(levels));
    }
    let costs = Costs::new(experiment, folder, rates, &state.wanted)?;
    let seconds = |procedure, seed| costs.seconds(procedure, seed);
    let mut target = target(precision, points, Instant::now(), &seconds);
    // A sweep does what is planned first.
    target.budget_seconds = target.budget_seconds.map(|budget| budget - planned_seconds);
    let additions = target.forecast(&state.wanted, &state.seeds);
    let before: Vec<usize> = state.wanted.iter().map(|wanted| state.shared(wanted)).collect();
    for (procedure, seed) in additions.iter().flat_map(|addition| &addition.cells) {
        state.seeds[*procedure].insert(*seed);
    }
    let after: Vec<usize> = state.wanted.iter().map(|wanted| state.shared(wanted)).collect();
    let expected = |(wanted, after): (&WantedDifference, &usize)| {
        wanted.expected_half_width(*after).map(|half| half * POINTS)
    };
    let expected: Vec<Option<f64>> = state.wanted.iter().zip(&after).map(expected).collect();
    if expected.iter().all(Option::is_none) {
        return Ok(vec![format!(
            "how many seeds ± {points} points take can be foretold once two seeds of two procedures have run"
        )]);
    }
    let mut lines =
        vec![format!("to ± {points} points over seeds, if the spreads stay as they are:")];
    for (((wanted, before), after), expected) in
        state.wanted.iter().zip(before).zip(after).zip(expected)
    {
        let expected = expected.map_or_else(
            || "± unknown, until two of them have run".to_owned(),
            |half| format!("± {half:.2}"),
        );
        let more = after - before;
        let expected = if wanted.has_diverged { "a run diverged".to_owned() } else { expected };
        lines.push(format!("  {before:3} + {more:3} seeds, {expected}: {}", wanted.label));
    }
    let runs: usize = additions.iter().map(|addition| addition.cells.len()).sum();
    lines.push(if runs == 0 {
        "no runs beyond those planned".to_owned()
    } else {
        let total: f64 = additions.iter().map(|addition| addition.seconds).sum();
        format!("{runs} runs beyond those planned, about {}", duration(total))
    });
    Ok(lines)
}
