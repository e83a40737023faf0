//! A sweep: plan, make shared artifacts, train cells side by side, report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use thaw_analysis::{AnalysisError, Results, ResultsFolder};
use thaw_run::{
    CellFailure, Event, Executor as _, Finished, Forecast, Launcher as _, Limits, Observer, Places,
    PlanFile, Processes, Rates, RealExecutor, RunError, RunInputs, SLURM_CPUS, Slurm, Stop,
    Threads, Work, check_device, refuse_a_second_time, refuse_what_cannot_fit,
};
use thaw_spec::{ContentHash, CostFacts, Experiment, LauncherSettings, Plan, StepKind};
use thaw_store::is_url;

use crate::arguments::{LOCAL_CACHE, LauncherName, Precision, Sweep};
use crate::commands::verify::{Again, chosen};
use crate::drawing::{accuracies, damage, published_curves, read, report};
use crate::error::CliError;
use crate::inputs::{self, Opened, start_threads};
use crate::precision::Seeding;
use crate::progress::Progress;
use crate::selection::CellSelection;
use crate::signals::stop_on_signals;
use crate::terminal::{say, say_on_stderr};

/// Runs the cells that have not run yet, then draws; with `precision`, goes on with more seeds; with
/// `verify`, runs so many cells again. Tells whether these gave the same.
pub(crate) fn sweep(
    options: &Sweep,
    precision: Option<&Precision>,
    verify: Option<u16>,
) -> Result<bool, CliError> {
    let started = Instant::now();
    if options.retries.is_some() && options.launcher == LauncherName::Threads {
        let message =
            "--retries needs --launcher processes or slurm: a thread that fails fails again";
        return Err(CliError::Usage { message: message.to_owned() });
    }
    if options.launcher == LauncherName::Slurm
        && precision.is_some_and(|precision| precision.points.is_some())
    {
        let message = "--precision looks at what has run before it adds seeds, so it cannot be used with --launcher slurm, which does not wait";
        return Err(CliError::Usage { message: message.to_owned() });
    }
    let threads = start_threads(options.threads)?;
    let opened = inputs::open(options)?;
    let Opened { experiment, inputs, .. } = &opened;
    let folder = options.selection.written_folder(experiment)?;
    folder.prepare()?;
    refuse_what_cannot_be_drawn(&options.selection, inputs, &folder)?;
    if options.launcher == LauncherName::Slurm {
        // Before anything is tried or forgotten.
        let settings = launcher_settings(options, experiment)?.slurm;
        let asks_for_gpus = |kind| settings.of(kind).asks_for_gpus();
        let device = if asks_for_gpus(StepKind::Fit) { "cuda:0" } else { &options.device };
        check_device(device)?;
        if asks_for_gpus(StepKind::Extract) != asks_for_gpus(StepKind::Fit) {
            let message = "[launcher.slurm]: `extract` and `fit` have to compute on the same device, because what a GPU extracts is kept apart; give both `gpus`, or neither";
            return Err(CliError::Usage { message: message.to_owned() });
        }
        refuse_a_second_time(&experiment.name, &absolute_place(&folder.root())?)?;
    }
    // A signal ends a submission where it is.
    let stop = match options.launcher {
        LauncherName::Slurm => Stop::default(),
        LauncherName::Threads | LauncherName::Processes => stop_on_signals(options.quiet),
    };
    let executor = RealExecutor::new(inputs, threads)
        .stopped_by(&stop)
        .with_checkpoints_every(options.checkpoint_every);
    let finished = if options.force { Finished::default() } else { inputs.finished(&folder)? };
    if options.force {
        for cell in &inputs.cells {
            executor.forget(cell)?;
        }
    }
    let facts = inputs.cost_facts()?;
    folder.remove_orphans()?;
    let damaged = inputs.tidy(&facts, &finished)?;
    damaged.iter().for_each(|damaged| say_on_stderr(&format!("warning: {damaged}")));
    let plan = inputs.plan(&facts, &finished.left_out())?;
    let limits = options.limits(threads);
    fits(options, &plan, &facts, &limits, false)?;
    if plan.steps.is_empty() && finished.damaged.is_empty() && !options.quiet {
        say_on_stderr(&format!(
            "every cell has run before, with results in {}; --force runs them again",
            folder.root().display()
        ));
    }
    if !options.quiet {
        inputs.warnings().iter().for_each(|warning| say_on_stderr(warning));
    }
    if options.launcher == LauncherName::Slurm && !plan.steps.is_empty() {
        let work =
            Work { plan: &plan, facts: &facts, folder: &folder, limits: &limits, stop: &stop };
        return submit(&work, options, &opened).map(|()| true);
    }
    let run = |plan: &Plan| {
        let work = Work { plan, facts: &facts, folder: &folder, limits: &limits, stop: &stop };
        launch(&work, options, &opened, &executor)
    };
    run(&plan)?;
    let wanted = precision.and_then(|precision| Some((precision, precision.points?)));
    let reached = wanted.map(|(precision, points)| {
        let seeding = Seeding {
            selection: &options.selection,
            precision,
            points,
            started,
            experiment,
            inputs,
            folder: &folder,
            facts: &facts,
            run: &run,
            quiet: options.quiet,
        };
        seeding.run()
    });
    let reached = reached.transpose()?;
    let mut damaged = draw(&options.selection)?;
    reached.iter().flatten().for_each(|line| say(line));
    let unread = finished.damaged.into_values().filter(|line| !damaged.contains(line));
    damaged.extend(unread.collect::<Vec<_>>());
    if !damaged.is_empty() {
        return Err(CliError::Damaged(damaged));
    }
    let Some(sample) = verify else { return Ok(true) };
    let ended = inputs.finished(&folder)?.cells;
    let (mut manifests, _) = folder.manifests()?;
    manifests.retain(|manifest| ended.contains(&manifest.id));
    let again = Again {
        folder: &folder,
        inputs,
        facts: &facts,
        limits: &limits,
        stop: &stop,
        quiet: options.quiet,
    };
    again.verify(&chosen(manifests, sample.into()))
}

/// Refuses, before anything is computed, what the report after a sweep could not be drawn with: published
/// curves that cannot be read, and images or weights other than those of the results so far.
pub(crate) fn refuse_what_cannot_be_drawn(
    selection: &CellSelection,
    inputs: &RunInputs,
    folder: &ResultsFolder,
) -> Result<(), CliError> {
    let drawn = drawn(selection)?;
    let experiment = drawn.load()?;
    published_curves(&drawn, &experiment)?;
    let results = Results::read(folder, &experiment)?;
    let mut runs = results.procedures.iter().flat_map(|procedure| &procedure.runs);
    let Some(run) = runs.next() else { return Ok(()) };
    let (before, now) = (&run.cell().inputs, &inputs.cells[0].inputs);
    let changed = match (before.dataset == now.dataset, before.weights == now.weights) {
        (true, true) => return Ok(()),
        (false, true) => "images",
        (true, false) => "weights",
        (false, false) => "images and weights",
    };
    let reason = format!(
        "the cells there, such as {}, were run on other {changed}; name another folder by --results for these",
        run.manifest.id
    );
    Err(AnalysisError::Malformed { path: folder.root(), reason }.into())
}

/// Refuses what needs more memory than --memory allows or this machine has, and warns of what needs more
/// than is free; of what is computed elsewhere it only warns.
pub(crate) fn fits(
    options: &Sweep,
    plan: &Plan,
    facts: &CostFacts,
    limits: &Limits,
    is_for_elsewhere: bool,
) -> Result<(), CliError> {
    match refuse_what_cannot_fit(plan, facts, limits) {
        Err(error @ RunError::Memory { .. }) if options.memory.is_none() => {
            if options.computes_here() && !is_for_elsewhere {
                let fits = refuse_what_cannot_fit(plan, facts, &limits.with_all_memory());
                fits.map_err(|error| CliError::Usage {
                    message: format!("{error}; --memory SIZE allows it all the same"),
                })?;
            }
            say_on_stderr(&format!("warning: {error}"));
            Ok(())
        }
        fits => Ok(fits?),
    }
}

/// Executes a plan as it was asked for and shows its progress; the cells that failed are the error.
fn launch(
    work: &Work<'_>,
    options: &Sweep,
    opened: &Opened,
    executor: &RealExecutor<'_>,
) -> Result<(), CliError> {
    let progress = Progress::new(options.quiet);
    let launched = match options.launcher {
        LauncherName::Threads => Threads { executor }.launch(work, &progress),
        // A plan of no steps has nothing to be written down.
        LauncherName::Processes | LauncherName::Slurm if work.plan.steps.is_empty() => {
            Ok(Vec::new())
        }
        LauncherName::Slurm => unreachable!("it has submitted its steps"),
        LauncherName::Processes => {
            let processes = Processes {
                program: this_program()?,
                plan_file: write_plan(work, options, opened)?,
                local_cache: options.local_cache.clone(),
                checkpoint_interval: options.checkpoint_every,
                retries: options.retries.map_or(0, usize::from),
            };
            processes.launch(work, &progress)
        }
    };
    match launched {
        // The same command would forget the checkpoints.
        Err(RunError::Stopped) if options.force => {
            let cells = work.plan.steps.iter().filter(|step| step.kind() == StepKind::Fit).count();
            Err(CliError::Stopped { not_begun: cells.saturating_sub(progress.begun_cells()) })
        }
        launched => none_failed(launched?),
    }
}

/// The cells that failed are an error.
pub(crate) fn none_failed(failures: Vec<CellFailure>) -> Result<(), CliError> {
    if failures.is_empty() {
        return Ok(());
    }
    let words = |CellFailure { cell, error }: CellFailure| {
        let error = CliError::from(error).message();
        format!("{} seed {}: {error}", cell.label(), cell.seed)
    };
    Err(CliError::Cells(failures.into_iter().map(words).collect()))
}

/// Hands a plan to Slurm, and says how to go on.
fn submit(work: &Work<'_>, options: &Sweep, opened: &Opened) -> Result<(), CliError> {
    let Opened { experiment, inputs, .. } = opened;
    let settings = launcher_settings(options, experiment)?.slurm;
    let of_kinds = StepKind::ALL.map(|kind| settings.of(kind));
    let has_time = of_kinds.iter().all(|resources| resources.time.is_some());
    let forecast = if has_time {
        None
    } else {
        if !options.quiet {
            say_on_stderr("trying each kind of work, to ask for as much time as it needs");
        }
        let rates = Rates::new(inputs, work.facts);
        // Each step has the cores of its job to itself.
        let cpus = of_kinds.iter().filter_map(|resources| resources.cpus).min();
        let threads = work.limits.threads.min(cpus.unwrap_or(SLURM_CPUS).into());
        let limits = Limits { jobs: Some(1), threads, ..*work.limits };
        let kept = inputs.cache.kept()?;
        Some(Forecast::new(work.plan, work.facts, &limits, &rates, kept)?)
    };
    let plan = plan_file(work.plan, work.facts, options, opened, work.folder, forecast.as_ref())?;
    let name = format!("plans/{}.json", ContentHash::of_value(&plan).short());
    work.folder.publish(&name, &plan.text())?;
    let slurm = Slurm {
        program: this_program()?,
        plan_place: thaw_store::below(&plan.results, &name),
        plan,
        settings,
        retries: options.retries.map_or(0, usize::from),
        local_cache: (options.local_cache != Path::new(LOCAL_CACHE))
            .then(|| options.local_cache.clone()),
        checkpoint_interval: options.checkpoint_every,
        at_a_time: options.jobs.map(usize::from),
        logs: absolute_place(Path::new("thaw-slurm"))?,
    };
    slurm.launch(work, &Submissions)?;
    let selection = &options.selection;
    say(&format!("what the jobs print: {}", slurm.logs.display()));
    say(&format!("how far they are: {}", selection.command_for_these("watch")));
    say(&format!("when they have ended: {}", selection.command_for_these("report")));
    Ok(())
}

/// What a site and the experiment say about launchers.
fn launcher_settings(
    options: &Sweep,
    experiment: &Experiment,
) -> Result<LauncherSettings, CliError> {
    let Some(path) = &options.launcher_settings else { return Ok(experiment.launcher.clone()) };
    let text = std::fs::read_to_string(path)
        .map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
    let of_site = LauncherSettings::parse(&path.display().to_string(), &text)?;
    Ok(experiment.launcher.clone().overlaid(of_site))
}

/// A place as other machines find it.
fn absolute_place(path: &Path) -> Result<PathBuf, CliError> {
    if is_url(path) {
        return Ok(path.to_owned());
    }
    std::path::absolute(path)
        .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })
}

/// Says what was submitted.
struct Submissions;

impl Observer for Submissions {
    fn event(&self, event: &Event<'_>) {
        if let Event::Submitted { job, steps } = event {
            say(&format!("job {job}: {steps} step(s)"));
        }
    }
}

fn this_program() -> Result<PathBuf, CliError> {
    std::env::current_exe()
        .map_err(|source| CliError::Unreadable { path: PathBuf::from("thaw"), source })
}

/// Writes a plan into the cache, under a name that no other plan has.
fn write_plan(work: &Work<'_>, options: &Sweep, opened: &Opened) -> Result<PathBuf, CliError> {
    let file = plan_file(work.plan, work.facts, options, opened, work.folder, None)?;
    let name = format!("{}-{}.json", file.experiment, ContentHash::of_value(&file).short());
    let path = opened.inputs.cache.folder().join("plans").join(name);
    file.write(&path)?;
    Ok(path)
}

/// A plan with everything that its workers need to know.
pub(crate) fn plan_file(
    plan: &Plan,
    facts: &CostFacts,
    options: &Sweep,
    opened: &Opened,
    folder: &ResultsFolder,
    forecast: Option<&Forecast>,
) -> Result<PlanFile, CliError> {
    let places = Places {
        images: &opened.images,
        device: &options.device,
        results: &folder.root(),
        repeat: options.force,
    };
    Ok(PlanFile::new(plan, facts, &opened.inputs, &places, forecast)?)
}

/// What a sweep draws: every cell of the experiment's file, whatever `--only` left out now. Where it ran
/// cells that the file does not have (`--epochs`, or other seeds), theirs.
fn drawn(selection: &CellSelection) -> Result<CellSelection, CliError> {
    let whole = selection.whole();
    let is_of_whole = whole.load()?.contains(&selection.load()?);
    Ok(if is_of_whole { whole } else { selection.with_every_level() })
}

/// Draws the report. Tells which cells are damaged.
fn draw(selection: &CellSelection) -> Result<Vec<String>, CliError> {
    let drawn = drawn(selection)?;
    let experiment = drawn.load()?;
    let folder = drawn.written_folder(&experiment)?;
    let results = read(&drawn, &experiment, &folder)?;
    let measured = accuracies(&experiment, &results, &folder)?;
    report(&drawn, &experiment, &folder, &measured, None)?;
    Ok(damage(&results, &measured))
}
