//! Which experiment a command is about, and which of its cells.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use thaw_analysis::ResultsFolder;
use thaw_spec::{
    Expectations, Experiment, Location, Selector, SelectorError, SpecError, shell_word,
};
use thaw_store::below;

use crate::arguments::seed;
use crate::error::CliError;
use crate::files::file_stems;
use crate::places::{is_missing, refuse_file, require_folder};
use crate::terminal::say_on_stderr;

/// The experiment that runs when none is named: it draws its images itself and brings its weights.
/// The package holds a copy of `experiments/miniature.toml`, because it must build by itself.
pub(crate) const MINIATURE: &str = include_str!("miniature/miniature.toml");
/// Its name.
pub(crate) const MINIATURE_NAME: &str = "miniature";
/// What is expected of it.
pub(crate) const MINIATURE_EXPECTED: &str = include_str!("miniature/miniature.expected.toml");

/// Where results are written to, unless a folder is named.
const RUNS: &str = "runs";
/// Where a checkout of thaw keeps its reference results. They are read when there are no others,
/// and written to only when the folder is named.
const REFERENCE: &str = "results";

/// What has to be in the place of results, and what to do where it is not.
const RESULTS: &str = "a folder of results";
const RESULTS_REMEDY: &str = "name the folder by --results";

/// Refuses a place of results where there is no folder.
pub(crate) fn require_results(place: &Path) -> Result<(), CliError> {
    require_folder(place, RESULTS, RESULTS_REMEDY)
}

/// The folder of results.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ResultsArgument {
    /// Folder of results, with a folder per experiment, or the URL of an object store, such as
    /// s3://bucket/runs [default: runs; commands that only read use the reference results in `results`
    /// when `runs` has none of the experiment]
    #[arg(long = "results", env = "THAW_RESULTS", value_name = "FOLDER")]
    named: Option<PathBuf>,
}

impl ResultsArgument {
    /// Whether somebody named it.
    pub(crate) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// Refuses a folder that somebody named and that is not there.
    pub(crate) fn require(&self) -> Result<(), CliError> {
        self.named.as_deref().map_or(Ok(()), require_results)
    }

    /// The folder that is written to.
    pub(crate) fn written(&self) -> PathBuf {
        self.named.clone().unwrap_or_else(|| PathBuf::from(RUNS))
    }

    /// The named folder, if it is not there.
    ///
    /// # Errors
    /// When it is a URL that leads to no store.
    pub(crate) fn missing(&self) -> Result<Option<&Path>, CliError> {
        let Some(place) = self.named.as_deref() else { return Ok(None) };
        Ok(is_missing(place)?.then_some(place))
    }

    /// Refuses a file in the place of the folder that is written to.
    pub(crate) fn refuse_file(&self) -> Result<(), CliError> {
        refuse_file(&self.written(), RESULTS, RESULTS_REMEDY)
    }

    /// The folders that are read, the first first.
    pub(crate) fn read(&self) -> Vec<PathBuf> {
        self.named
            .clone()
            .map_or_else(|| [RUNS, REFERENCE].map(PathBuf::from).into(), |one| vec![one])
    }
}

/// Which experiment, and which of its cells.
#[derive(Clone, Debug, Args)]
pub(crate) struct CellSelection {
    /// The experiment file [default: the miniature, which is part of the program]
    pub(crate) experiment: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) results: ResultsArgument,
    /// Train for this many epochs instead (other cells, with results of their own)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,
    /// Use these seeds instead, such as 0,1
    #[arg(long, value_delimiter = ',', value_name = "SEEDS", value_parser = seed)]
    pub(crate) seeds: Option<Vec<u64>>,
    /// Use only cells with this level; several levels of one factor mean any of them
    #[arg(long, value_name = "FACTOR=LEVEL")]
    pub(crate) only: Vec<String>,
}

impl CellSelection {
    /// The experiment alone, as it stands in the file.
    pub(crate) fn plain(experiment: Option<PathBuf>) -> Self {
        Self {
            experiment,
            results: ResultsArgument::default(),
            epochs: None,
            seeds: None,
            only: Vec::new(),
        }
    }

    /// The same experiment with every cell of its file.
    pub(crate) fn whole(&self) -> Self {
        Self { epochs: None, seeds: None, only: Vec::new(), ..self.clone() }
    }

    /// The same with the cells that `--only` left out.
    pub(crate) fn with_every_level(&self) -> Self {
        Self { only: Vec::new(), ..self.clone() }
    }

    /// Whether it is of some of the cells alone, or of other ones.
    pub(crate) fn is_narrowed(&self) -> bool {
        self.epochs.is_some() || self.seeds.is_some() || !self.only.is_empty()
    }

    /// The folder that its cells are written to.
    ///
    /// # Errors
    /// When the results are at a URL that leads to no store.
    pub(crate) fn written_folder(
        &self,
        experiment: &Experiment,
    ) -> Result<ResultsFolder, CliError> {
        Ok(ResultsFolder::open(&below(&self.results.written(), &experiment.name))?)
    }

    /// The folder that its cells are read from: the first one that has any. Says so when it is
    /// that of the reference results.
    ///
    /// # Errors
    /// When a folder cannot be listed or is a file, or a URL leads to no store.
    pub(crate) fn read_folder(&self, experiment: &Experiment) -> Result<ResultsFolder, CliError> {
        self.results.refuse_file()?;
        let written = self.written_folder(experiment)?;
        for results in self.results.read() {
            let folder = ResultsFolder::open(&below(&results, &experiment.name))?;
            if folder.has_cells()? {
                if folder.root() != written.root() {
                    say_on_stderr(&format!(
                        "{} has no cells; reading the reference results in {}",
                        written.root().display(),
                        folder.root().display()
                    ));
                }
                return Ok(folder);
            }
        }
        Ok(written)
    }

    /// Where the report is written to. A narrowed report has a place of its own, so that it never
    /// replaces a fuller one.
    ///
    /// # Errors
    /// When the results are at a URL that leads to no store.
    pub(crate) fn report_place(&self, experiment: &Experiment) -> Result<ReportPlace, CliError> {
        let seeds = self.seeds.as_ref().map(|seeds| {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            ("seeds".to_owned(), seeds.join("-"))
        });
        let narrowed: Vec<(String, String)> = self
            .only
            .iter()
            .map(|only| {
                let (factor, level) = only.split_once('=').unwrap_or((only, ""));
                (factor.to_owned(), level.to_owned())
            })
            .chain(self.epochs.map(|epochs| ("epochs".to_owned(), epochs.to_string())))
            .chain(seeds)
            .collect();
        Ok(ReportPlace {
            folder: self.written_folder(experiment)?,
            prefix: if narrowed.is_empty() {
                String::new()
            } else {
                format!("{}/", file_stems([narrowed.as_slice()]).concat())
            },
        })
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
            |path| format!("thaw {verb} {}", shell_word(&path.to_string_lossy())),
        )
    }

    /// The command that continues with these cells of it, where they are now.
    pub(crate) fn command_for_these(&self, verb: &str) -> String {
        self.command(verb) + &self.options()
    }

    /// The options that choose these cells and where they are, each behind a blank.
    pub(crate) fn options(&self) -> String {
        let joined =
            |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let mut options = String::new();
        options.extend(self.epochs.map(|epochs| format!(" --epochs {epochs}")));
        options.extend(self.seeds.as_deref().map(|seeds| format!(" --seeds {}", joined(seeds))));
        options.extend(self.only.iter().map(|only| format!(" --only {}", shell_word(only))));
        let named = self.results.named.as_ref();
        options.extend(
            named.map(|place| format!(" --results {}", shell_word(&place.to_string_lossy()))),
        );
        options
    }

    /// What the experiment's paths are relative to.
    pub(crate) fn folder(&self) -> &Path {
        self.experiment.as_deref().and_then(Path::parent).unwrap_or(Path::new("."))
    }

    /// What `--only` chooses.
    pub(crate) fn chosen(&self) -> Result<Selector, CliError> {
        Selector::from_arguments(&self.only).map_err(not_chosen)
    }

    /// Reads the experiment and narrows it to what was asked for.
    pub(crate) fn load(&self) -> Result<Experiment, CliError> {
        let text = match &self.experiment {
            Some(path) => Cow::Owned(read_settings(path)?),
            None => Cow::Borrowed(MINIATURE),
        };
        let experiment = Experiment::parse(&self.name(), &text)?;
        let only = self.chosen()?;
        only.check(&experiment.known_levels()).map_err(not_chosen)?;
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

/// The error of an `--only` that chooses by what is not there.
fn not_chosen(error: SelectorError) -> CliError {
    CliError::Usage { message: format!("--only: {error}") }
}

/// Where a report lies: beside the cells, under a name of its own where it is of some of them.
pub(crate) struct ReportPlace {
    folder: ResultsFolder,
    prefix: String,
}

impl ReportPlace {
    /// Writes a file of the report, such as `plots/overview.svg`.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        Ok(self.folder.publish(&format!("{}{name}", self.prefix), bytes)?)
    }

    /// Where a file of the report lies, for messages.
    pub(crate) fn of(&self, name: &str) -> PathBuf {
        self.folder.place(&format!("{}{name}", self.prefix))
    }
}

/// Reads an experiment, or what is expected of one, as text.
///
/// # Errors
/// When the file cannot be read, or names the line on which the text is not UTF-8.
pub(crate) fn read_settings(path: &Path) -> Result<String, CliError> {
    let bytes = std::fs::read(path)
        .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let end = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..end]);
        let location = Location::in_text(&path.display().to_string(), &before, end);
        let message = "the text is not UTF-8; save the file in that encoding".to_owned();
        SpecError::Syntax { location, message }.into()
    })
}

/// What is expected of an experiment: by the file beside its own, if there is one.
pub(crate) fn expectations_beside(selection: &CellSelection) -> Result<Expectations, CliError> {
    let Some(experiment) = &selection.experiment else {
        return Ok(Expectations::parse(
            "the embedded miniature.expected.toml",
            MINIATURE_EXPECTED,
        )?);
    };
    let path = expected_path(experiment);
    if !path.exists() {
        return Ok(Expectations::default());
    }
    let text = read_settings(&path)?;
    Ok(Expectations::parse(&path.display().to_string(), &text)?)
}

/// `x.toml` is checked by `x.expected.toml`.
pub(crate) fn expected_path(experiment: &Path) -> PathBuf {
    experiment.with_extension("expected.toml")
}
