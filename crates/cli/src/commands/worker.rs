//! `thaw worker`: execute one step of a plan, for whatever starts it.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use thaw_data::DataError;
use thaw_run::{
    ImageSource, Messages, PlanFile, PlannedStep, RealExecutor, RunError, RunInputs, StepEnd, Stop,
    VERSION,
};
use thaw_store::{Owner, below};
use thaw_train::TrainError;

use crate::error::{CliError, SUCCESS};
use crate::inputs::start_threads;
use crate::progress::Progress;
use crate::signals::{end_after, stop_on_signals};
use crate::terminal::{say, say_on_stderr};

/// A step whose process nobody waits for any more gets so long to end its batch.
const ORPHANED: Duration = Duration::from_secs(90);

/// The claims of others are looked at this often.
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The plan, as `thaw plan --output` writes it: a file, or a URL such as s3://bucket/plan.json
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The step to execute, by its name or number; without it, the steps are listed
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Wait for another worker that has claimed the step, at most so long, such as 5min [default: do
    /// not wait]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    /// Threads to compute with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where the images lie for this worker [default: where the plan says]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Where the weights lie for this worker [default: where the plan says]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Where the cache lies for this worker, which all workers share [default: where the plan says]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Where the cache is a URL: the folder of this machine's copies
    #[arg(long, env = "THAW_LOCAL_CACHE", default_value = ".thaw-cache", value_name = "FOLDER")]
    local_cache: PathBuf,
    /// Where the results lie for this worker, which all workers share [default: where the plan says]
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// Where to compute: cpu, or cuda:N for a GPU [default: where the plan says]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Least time between two checkpoints of a cell, or two notes of how far an extraction is, such as
    /// 10s [default: 10s; 1min for checkpoints that are copied to an object store]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    checkpoint_every: Option<Duration>,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
    /// Say on standard output what happens, for the process that started this one, and end when
    /// standard input does
    #[arg(long, hide = true)]
    attached: bool,
}

impl Worker {
    /// Whether a sweep started it and listens.
    pub(crate) fn is_attached(&self) -> bool {
        self.attached
    }
}

pub(crate) fn run(options: &Worker) -> Result<ExitCode, CliError> {
    if options.attached { attached(options) } else { alone(options) }
}

/// Executes the step for a process that listens.
fn attached(options: &Worker) -> Result<ExitCode, CliError> {
    let stop = stop_on_signals(true);
    let nobody_waits = stop.clone();
    std::thread::spawn(move || {
        // Nothing is ever sent: the end of this says that nobody waits for the step any more.
        let _ = std::io::stdin().read(&mut [0]);
        nobody_waits.request();
        end_after(ORPHANED);
    });
    let messages = Messages::on(std::io::stdout());
    let done =
        Prepared::new(options, stop).and_then(|prepared| prepared.run(&messages, Duration::MAX));
    match done {
        Ok(StepEnd::Ended(_)) => Ok(ExitCode::from(SUCCESS)),
        Ok(StepEnd::Elsewhere(owner)) => {
            messages.elsewhere(&owner);
            Ok(ExitCode::from(SUCCESS))
        }
        Err(error @ CliError::Run(RunError::Stopped)) => {
            messages.stopped();
            Ok(ExitCode::from(error.code()))
        }
        Err(error) => {
            messages.failed(&error.message());
            Ok(ExitCode::from(error.code()))
        }
    }
}

/// Executes the step for a person or a scheduler; without a step, lists all of them.
fn alone(options: &Worker) -> Result<ExitCode, CliError> {
    if options.step.is_none() {
        let plan = PlanFile::read(&options.plan)?;
        plan.steps.iter().for_each(|step| say(&line(step)));
        return Ok(ExitCode::from(SUCCESS));
    }
    let prepared = Prepared::new(options, stop_on_signals(options.quiet))?;
    let progress = Progress::new(options.quiet);
    let (started, wait) = (Instant::now(), options.wait.unwrap_or_default());
    loop {
        let left = wait.saturating_sub(started.elapsed());
        match prepared.run(&progress, left).map_err(with_remedy)? {
            StepEnd::Ended(_) => return Ok(ExitCode::from(SUCCESS)),
            StepEnd::Elsewhere(owner) => {
                if prepared.stop.is_requested() {
                    return Err(RunError::Stopped.into());
                }
                if started.elapsed() >= wait {
                    return Err(claimed(&prepared.step, &owner));
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

/// The error of a step, with what to do about an artifact that it needs and does not make itself.
fn with_remedy(error: CliError) -> CliError {
    match error {
        CliError::Data(DataError::DamagedArtifact { path, reason })
        | CliError::Train(TrainError::Data(DataError::DamagedArtifact { path, reason })) => {
            CliError::Damaged(vec![format!(
                "{}: the cached artifact was damaged ({reason}) and is removed; run the step that makes it again, and then this one if it is another",
                path.display()
            )])
        }
        error => error,
    }
}

fn claimed(step: &PlannedStep, owner: &Owner) -> CliError {
    CliError::Claimed {
        message: format!(
            "{}: {owner} works on it; run it again later, or wait for it with --wait",
            step.id
        ),
    }
}

/// A step in a line: its number, its name, the numbers of those that it needs, and what it does.
fn line(planned: &PlannedStep) -> String {
    let needs: Vec<String> = planned.needs.iter().map(usize::to_string).collect();
    let needs =
        if needs.is_empty() { String::new() } else { format!(" after {}", needs.join(",")) };
    format!("{:>5}  {}{needs}  {}", planned.number, planned.id, planned.step)
}

/// A plan that is read, and the inputs of its worker.
struct Prepared {
    plan: PlanFile,
    step: PlannedStep,
    inputs: RunInputs,
    threads: usize,
    stop: Stop,
    checkpoint_interval: Option<Duration>,
}

impl Prepared {
    fn new(options: &Worker, stop: Stop) -> Result<Self, CliError> {
        let mut plan = PlanFile::read(&options.plan)?;
        let step = plan.step(options.step.as_deref().unwrap_or_default())?.clone();
        if let Some(path) = &options.data {
            match &mut plan.images {
                ImageSource::Folder(folder) => folder.clone_from(path),
                ImageSource::Synthetic(_) => {
                    let message = format!(
                        "{} draws its images itself, so --data {} cannot be used with it",
                        options.plan.display(),
                        path.display()
                    );
                    return Err(CliError::Usage { message });
                }
            }
        }
        plan.weights = options.weights.clone().or(plan.weights);
        plan.cache = options.cache.clone().unwrap_or(plan.cache);
        if let Some(results) = &options.results {
            plan.results = below(results, &plan.experiment);
        }
        plan.device = options.device.clone().unwrap_or(plan.device);
        let threads = start_threads(options.threads)?;
        let inputs = plan.open(&options.local_cache)?;
        if plan.thaw != VERSION && !options.quiet && !options.attached {
            say_on_stderr(&format!(
                "warning: {} was made by thaw {}, and this is thaw {VERSION}",
                options.plan.display(),
                plan.thaw
            ));
        }
        let checkpoint_interval = options.checkpoint_every;
        Ok(Self { plan, step, inputs, threads, stop, checkpoint_interval })
    }

    fn run(
        &self,
        observer: &dyn thaw_run::Observer,
        patience: Duration,
    ) -> Result<StepEnd, CliError> {
        let Self { plan, step, inputs, threads, stop, checkpoint_interval } = self;
        let executor = RealExecutor::new(inputs, *threads)
            .stopped_by(stop)
            .with_checkpoints_every(*checkpoint_interval);
        Ok(step.run(plan, inputs, &executor, observer, patience, stop)?)
    }
}
