//! Which experiment a command is about, and which of its cells.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use thaw_analysis::ResultsFolder;
use thaw_spec::{Experiment, Selector};

use crate::error::CliError;

/// The experiment that runs when none is named: it draws its images itself and brings its weights.
pub(crate) const MINIATURE: &str = include_str!("../../../experiments/miniature.toml");
/// What is expected of it.
pub(crate) const MINIATURE_EXPECTED: &str =
    include_str!("../../../experiments/miniature.expected.toml");

/// Which experiment, and which of its cells.
#[derive(Clone, Debug, Args)]
pub(crate) struct Study {
    /// The experiment file [default: the miniature, which is part of the program]
    pub(crate) experiment: Option<PathBuf>,
    /// Folder of results; an experiment has a folder of its name in it
    #[arg(long, env = "THAW_RESULTS", default_value = "results", value_name = "FOLDER")]
    pub(crate) results: PathBuf,
    /// Train for this many epochs instead (other cells, with results of their own)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,
    /// Use these seeds instead, such as 0,1
    #[arg(long, value_delimiter = ',', value_name = "SEEDS")]
    pub(crate) seeds: Option<Vec<u64>>,
    /// Use only cells with this level; may be given several times
    #[arg(long, value_name = "FACTOR=LEVEL")]
    pub(crate) only: Vec<String>,
}

impl Study {
    /// The experiment alone, as it stands in the file.
    pub(crate) fn plain(experiment: Option<PathBuf>) -> Self {
        Self { experiment, results: PathBuf::new(), epochs: None, seeds: None, only: Vec::new() }
    }

    /// Where its results lie.
    pub(crate) fn results_folder(&self, experiment: &Experiment) -> ResultsFolder {
        ResultsFolder::new(self.results.join(&experiment.name))
    }

    /// The experiment's file, for messages.
    pub(crate) fn name(&self) -> String {
        self.experiment.as_ref().map_or_else(
            || "the embedded miniature.toml".to_owned(),
            |path| path.display().to_string(),
        )
    }

    /// The command that continues with this experiment.
    pub(crate) fn command(&self, verb: &str) -> String {
        self.experiment.as_ref().map_or_else(
            || format!("thaw {verb}"),
            |path| format!("thaw {verb} {}", path.display()),
        )
    }

    /// What the experiment's paths are relative to.
    pub(crate) fn folder(&self) -> &Path {
        self.experiment.as_deref().and_then(Path::parent).unwrap_or(Path::new("."))
    }

    /// Reads the experiment and narrows it to what was asked for.
    pub(crate) fn load(&self) -> Result<Experiment, CliError> {
        let text = match &self.experiment {
            Some(path) => {
                let source = |source| CliError::Unreadable { path: path.clone(), source };
                Cow::Owned(std::fs::read_to_string(path).map_err(source)?)
            }
            None => Cow::Borrowed(MINIATURE),
        };
        let experiment = Experiment::parse(&self.name(), &text)?;
        let only = Selector::from_arguments(&self.only)
            .and_then(|only| only.check(&experiment.known_levels()).map(|()| only));
        let only =
            only.map_err(|message| CliError::Usage { message: format!("--only: {message}") })?;
        let experiment = experiment.shortened(
            self.epochs.map(|epochs| epochs as usize),
            self.seeds.as_deref(),
            &only,
        );
        if experiment.procedures().len() == 0 {
            return Err(CliError::Usage {
                message: format!("--only: no cell of {} is `{only}`", self.name()),
            });
        }
        Ok(experiment)
    }
}
