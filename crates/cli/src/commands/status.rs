//! `thaw status`: how far the cells of an experiment are, whoever runs them.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use thaw_analysis::{CellState, ResultsFolder};
use thaw_spec::{CellManifest, ContentHash, Experiment};
use thaw_store::now_unix_seconds;

use crate::error::{CliError, SUCCESS};
use crate::selection::CellSelection;
use crate::terminal::say;
use crate::words::duration;

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    selection: CellSelection,
    /// Print JSON: an object for each cell
    #[arg(long)]
    json: bool,
}

/// How far a cell is.
enum State {
    Done,
    Running { worker: String, since_unix_seconds: u64, epochs: usize },
    Failed { reason: String },
    Interrupted { epochs: usize },
    Waiting,
}

/// A cell of the matrix.
struct Entry {
    name: String,
    epochs: usize,
    state: State,
}

pub(crate) fn run(options: &Status) -> Result<ExitCode, CliError> {
    let selection = &options.selection;
    let experiment = selection.load()?;
    let folder = selection.read_folder(&experiment)?;
    let entries = entries(&experiment, &folder)?;
    if options.json {
        entries.iter().for_each(|entry| say(&entry.json().to_string()));
    } else {
        lines(&experiment.name, &entries).iter().for_each(|line| say(line));
    }
    Ok(ExitCode::from(SUCCESS))
}

/// Every cell of the experiment, in its order. Images and weights are not read, so a cell is known by
/// its procedure and its seed.
fn entries(experiment: &Experiment, folder: &ResultsFolder) -> Result<Vec<Entry>, CliError> {
    let mut begun: BTreeMap<(ContentHash, u64), Vec<CellManifest>> = BTreeMap::new();
    for manifest in folder.manifests()? {
        let key = (ContentHash::of_value(&manifest.cell.procedure), manifest.cell.seed);
        begun.entry(key).or_default().push(manifest);
    }
    let mut entries = Vec::new();
    for (levels, procedure) in experiment.procedures() {
        let label: Vec<String> =
            levels.iter().map(|(factor, level)| format!("{factor}={level}")).collect();
        let hash = ContentHash::of_value(procedure);
        for seed in experiment.seeds_of(levels) {
            let found = begun.get(&(hash.clone(), *seed)).map_or(&[][..], Vec::as_slice);
            // Of other images or weights there may be others; the one that is furthest counts.
            let states = found.iter().map(|manifest| state(manifest, folder));
            let states = states.collect::<Result<Vec<State>, CliError>>()?;
            entries.push(Entry {
                name: format!("{} seed {seed}", label.join(" ")),
                epochs: procedure.total_epochs(),
                state: states.into_iter().min_by_key(State::rank).unwrap_or(State::Waiting),
            });
        }
    }
    Ok(entries)
}

/// How far a cell is that was begun.
fn state(manifest: &CellManifest, folder: &ResultsFolder) -> Result<State, CliError> {
    let id = &manifest.id;
    if let Some(owner) = folder.claimed_by(id)? {
        return Ok(State::Running {
            worker: owner.to_string(),
            since_unix_seconds: owner.since_unix_seconds,
            epochs: folder.recorded_epochs(id)?,
        });
    }
    if folder.state(&manifest.cell)? == CellState::Complete {
        return Ok(State::Done);
    }
    Ok(match folder.failure(id)? {
        Some(failure) => State::Failed { reason: failure.reason },
        None => State::Interrupted { epochs: folder.recorded_epochs(id)? },
    })
}

impl State {
    fn rank(&self) -> u8 {
        match self {
            Self::Running { .. } => 0,
            Self::Done => 1,
            Self::Interrupted { .. } => 2,
            Self::Failed { .. } => 3,
            Self::Waiting => 4,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Interrupted { .. } => "interrupted",
            Self::Waiting => "waiting",
        }
    }
}

impl Entry {
    fn json(&self) -> serde_json::Value {
        let mut fields =
            json!({ "cell": self.name, "state": self.state.name(), "epochs": self.epochs });
        match &self.state {
            State::Running { worker, since_unix_seconds, epochs } => {
                fields["worker"] = worker.clone().into();
                fields["since_unix_seconds"] = (*since_unix_seconds).into();
                fields["recorded_epochs"] = (*epochs).into();
            }
            State::Interrupted { epochs } => fields["recorded_epochs"] = (*epochs).into(),
            State::Failed { reason } => fields["reason"] = reason.clone().into(),
            State::Done | State::Waiting => {}
        }
        fields
    }

    /// A line for a cell that is neither done nor waiting.
    fn line(&self) -> Option<String> {
        let words = match &self.state {
            State::Running { worker, since_unix_seconds, epochs } => {
                let passed = now_unix_seconds().saturating_sub(*since_unix_seconds);
                let passed = duration(passed as f64);
                format!("epoch {epochs} of {} recorded · {worker}, for {passed}", self.epochs)
            }
            State::Interrupted { epochs } => {
                format!("epoch {epochs} of {} recorded · the next sweep goes on", self.epochs)
            }
            State::Failed { reason } => reason.clone(),
            State::Done | State::Waiting => return None,
        };
        Some(format!("{:<11}  {} · {words}", self.state.name(), self.name))
    }
}

fn lines(name: &str, entries: &[Entry]) -> Vec<String> {
    let states = ["done", "running", "failed", "interrupted", "waiting"];
    let counts = states.map(|state| {
        let count = entries.iter().filter(|entry| entry.state.name() == state).count();
        (count > 0).then(|| format!("{count} {state}"))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let heading = format!("{name}: {} cells: {}", entries.len(), counts.join(", "));
    std::iter::once(heading).chain(entries.iter().filter_map(Entry::line)).collect()
}
