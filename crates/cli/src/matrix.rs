//! How far the cells of an experiment are, whoever runs them.

use std::collections::BTreeMap;

use serde_json::json;
use thaw_analysis::{AnalysisError, CellState, Recorded, ResultsFolder};
use thaw_spec::{
    CellManifest, ContentHash, Experiment, FreezeBoundary, Procedure, RunStatus, label,
};
use thaw_store::{Owner, now_unix_seconds};

use crate::error::CliError;
use crate::words::duration;

/// How far a cell is.
pub(crate) enum State {
    Done {
        status: RunStatus,
    },
    Running {
        owner: Owner,
    },
    Failed {
        reason: String,
    },
    /// What it recorded is damaged.
    Unreadable {
        reason: String,
    },
    Interrupted,
    Waiting,
}

/// A cell of the matrix.
pub(crate) struct Entry {
    /// Its factor levels, each with its factor.
    pub(crate) label: String,
    /// Its factor levels alone.
    pub(crate) levels: String,
    pub(crate) seed: u64,
    /// Epochs that it has when it is done.
    pub(crate) epochs: usize,
    pub(crate) state: State,
    pub(crate) recorded: Recorded,
    /// Whether all of its base is declared frozen.
    pub(crate) declared_frozen: bool,
}

/// Every cell of an experiment, in its order.
pub(crate) struct Matrix {
    pub(crate) experiment: String,
    pub(crate) entries: Vec<Entry>,
    /// What is wrong with cells of which it cannot be told which they are, in sentences.
    pub(crate) damaged: Vec<String>,
}

impl Matrix {
    /// Images and weights are not read, so a cell is known by its procedure and its seed.
    pub(crate) fn read(experiment: &Experiment, folder: &ResultsFolder) -> Result<Self, CliError> {
        let mut begun: BTreeMap<(ContentHash, u64), Vec<CellManifest>> = BTreeMap::new();
        let (manifests, damaged) = folder.manifests()?;
        for manifest in manifests {
            let key = (ContentHash::of_value(&manifest.cell.procedure), manifest.cell.seed);
            begun.entry(key).or_default().push(manifest);
        }
        let mut entries = Vec::new();
        for (levels, procedure) in experiment.procedures() {
            let alone: Vec<&str> = levels.iter().map(|(_, level)| level.as_str()).collect();
            let hash = ContentHash::of_value(procedure);
            for seed in experiment.seeds_of(levels) {
                let found = begun.get(&(hash.clone(), *seed)).map_or(&[][..], Vec::as_slice);
                // Of other images or weights there may be others; the one that is furthest counts.
                let states = found.iter().map(|manifest| state(manifest, folder));
                let furthest = states.min_by_key(|(state, _)| state.rank());
                let (state, recorded) = furthest.unwrap_or((State::Waiting, Recorded::default()));
                entries.push(Entry {
                    label: label(levels),
                    levels: alone.join(" "),
                    seed: *seed,
                    epochs: procedure.total_epochs(),
                    state,
                    recorded,
                    declared_frozen: is_declared_frozen(procedure),
                });
            }
        }
        let damaged = damaged.iter().map(|damage| damage.reason.clone()).collect();
        Ok(Self { experiment: experiment.name.clone(), entries, damaged })
    }

    /// How many cells are in each state, in words.
    pub(crate) fn heading(&self) -> String {
        let states =
            ["done", "diverged", "running", "failed", "unreadable", "interrupted", "waiting"];
        let counts = states.map(|state| {
            let count = self.entries.iter().filter(|entry| entry.state.name() == state).count();
            (count > 0).then(|| format!("{count} {state}"))
        });
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        format!("{}: {} cells: {}", self.experiment, self.entries.len(), counts.join(", "))
    }

    /// Whether a cell has failed, or cannot be read.
    pub(crate) fn has_failed(&self) -> bool {
        self.entries.iter().any(|entry| entry.state.has_failed())
    }

    /// Whether no cell is left to run: all are done, or have failed.
    pub(crate) fn is_over(&self) -> bool {
        self.entries.iter().all(|entry| entry.state.is_over())
    }

    /// Seconds until the last cell ends, if those that run now are followed by others at once and
    /// epochs take as long as they did. Cells of procedures that have recorded nothing are not known,
    /// and counted.
    pub(crate) fn left(&self) -> Left {
        let running = self.entries.iter().filter(|entry| entry.is_running()).count();
        let mut pace: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        for entry in &self.entries {
            let (seconds, epochs) = pace.entry(&entry.label).or_default();
            *seconds += entry.recorded.seconds.iter().sum::<f64>();
            *epochs += entry.recorded.seconds.len();
        }
        let mut left = Left { seconds: None, unknown: 0 };
        let mut total = 0.0;
        for entry in &self.entries {
            if entry.state.is_over() {
                continue;
            }
            match pace.get(entry.label.as_str()) {
                Some((seconds, epochs)) if *epochs > 0 => {
                    let rest = entry.epochs.saturating_sub(entry.recorded.epochs);
                    total += seconds / *epochs as f64 * rest as f64;
                }
                _ => left.unknown += 1,
            }
        }
        left.seconds = (running > 0).then(|| total / running as f64);
        left
    }
}

/// What is left of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Left {
    /// Seconds of the cells whose pace is known; nothing where no worker runs.
    pub(crate) seconds: Option<f64>,
    /// Cells whose pace is not known.
    pub(crate) unknown: usize,
}

impl Left {
    pub(crate) fn words(self) -> String {
        match (self.seconds, self.unknown) {
            (None, _) => "no cell is being trained".to_owned(),
            (Some(seconds), 0) => format!("about {} left", duration(seconds)),
            (Some(_), unknown) => format!("{unknown} of those left have shown no pace yet"),
        }
    }
}

fn is_declared_frozen(procedure: &Procedure) -> bool {
    let later = procedure.later_phases.iter().map(|later| later.procedure.freeze);
    std::iter::once(procedure.freeze).chain(later).all(|freeze| freeze == FreezeBoundary::All)
}

/// How far a cell is that was begun.
fn state(manifest: &CellManifest, folder: &ResultsFolder) -> (State, Recorded) {
    readable_state(manifest, folder).unwrap_or_else(|error| {
        let reason = CliError::from(error).message();
        (State::Unreadable { reason }, Recorded::default())
    })
}

fn readable_state(
    manifest: &CellManifest,
    folder: &ResultsFolder,
) -> Result<(State, Recorded), AnalysisError> {
    let id = &manifest.id;
    let owner = folder.claimed_by(id)?;
    let state = match (owner, folder.state(&manifest.cell)?) {
        (Some(owner), _) => State::Running { owner },
        (None, CellState::Complete) => match folder.outcome(id)? {
            Some(outcome) => State::Done { status: outcome.status },
            None => State::Interrupted,
        },
        (None, _) => match folder.failure(id)? {
            Some(failure) => State::Failed { reason: failure.reason },
            None => State::Interrupted,
        },
    };
    // Read last, so that what is done is told with its last epoch.
    Ok((state, folder.recorded(id)?))
}

impl State {
    fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Unreadable { .. })
    }

    fn is_over(&self) -> bool {
        self.has_failed() || matches!(self, Self::Done { .. })
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Running { .. } => 0,
            Self::Done { .. } => 1,
            Self::Interrupted => 2,
            Self::Failed { .. } => 3,
            Self::Unreadable { .. } => 4,
            Self::Waiting => 5,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Done { status: RunStatus::Diverged } => "diverged",
            Self::Done { .. } => "done",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Unreadable { .. } => "unreadable",
            Self::Interrupted => "interrupted",
            Self::Waiting => "waiting",
        }
    }
}

impl Entry {
    pub(crate) fn name(&self) -> String {
        format!("{} seed {}", self.label, self.seed)
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether its base was declared frozen and moved. While it runs, that is known where all of the
    /// base is declared frozen.
    pub(crate) fn thawed(&self) -> bool {
        match self.state {
            State::Done { status } => status == RunStatus::Thawed,
            _ => self.declared_frozen && self.recorded.drift > 0.0,
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let mut fields =
            json!({ "cell": self.name(), "state": self.state.name(), "epochs": self.epochs });
        match &self.state {
            State::Running { owner } => {
                fields["worker"] = owner.to_string().into();
                fields["since_unix_seconds"] = owner.since_unix_seconds.into();
                fields["recorded_epochs"] = self.recorded.epochs.into();
            }
            State::Interrupted => fields["recorded_epochs"] = self.recorded.epochs.into(),
            State::Failed { reason } | State::Unreadable { reason } => {
                fields["reason"] = reason.clone().into();
            }
            State::Done { .. } | State::Waiting => {}
        }
        fields
    }

    /// Where a cell is that is neither done nor waiting, in words.
    pub(crate) fn words(&self) -> Option<String> {
        let recorded = format!("epoch {} of {} recorded", self.recorded.epochs, self.epochs);
        match &self.state {
            State::Running { owner } => {
                let passed = now_unix_seconds().saturating_sub(owner.since_unix_seconds);
                Some(format!("{recorded} · {owner}, for {}", duration(passed as f64)))
            }
            State::Interrupted => Some(format!("{recorded} · the next sweep goes on")),
            State::Failed { reason } | State::Unreadable { reason } => Some(reason.clone()),
            State::Done { status: RunStatus::Diverged } => {
                Some(format!("a loss was not finite in epoch {}", self.recorded.epochs + 1))
            }
            State::Done { .. } | State::Waiting => None,
        }
    }

    /// A line for a cell that is neither done nor waiting.
    pub(crate) fn line(&self) -> Option<String> {
        let words = self.words()?;
        Some(format!("{:<11}  {} · {words}", self.state.name(), self.name()))
    }
}
