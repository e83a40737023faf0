//! `thaw check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use thaw_analysis::{ProcedureRuns, Results, check_only, derive_bands, diverged_in_words};
use thaw_spec::{
    Band, BandProvenance, Environment, Expectations, Experiment, Metric, Statistic, Verdict,
    VerdictKind, visible,
};

use crate::drawing::damage;
use crate::error::{CANNOT_TELL, CliError, FAILED, SUCCESS, unless_damaged};
use crate::files::write_whole;
use crate::selection::{CellSelection, MINIATURE_EXPECTED, expected_path, read_settings};
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    selection: CellSelection,
    /// The expectations [default: the experiment's name with .expected.toml]
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,
    /// Replace the bands by ones that follow from the results, then check
    #[arg(long)]
    update: bool,
    /// Who records new bands
    #[arg(long, env = "USER", default_value = "unknown", hide_env = true, value_name = "NAME")]
    creator: String,
    /// Also write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(crate) fn run(options: &Check) -> Result<ExitCode, CliError> {
    let selection = &options.selection;
    if options.update && selection.is_narrowed() {
        let message =
            "--update records the bands of all procedures; leave --only, --seeds and --epochs out"
                .to_owned();
        return Err(CliError::Usage { message });
    }
    let experiment = selection.load()?;
    let known = selection.whole().load()?.known_levels();
    // Cells that are left out tell how much runs spread.
    let measured = selection.with_every_level().load()?;
    let path = options
        .expected
        .clone()
        .or_else(|| options.selection.experiment.as_deref().map(expected_path));
    let (path, text) = match path {
        Some(path) => {
            let text = read_settings(&path)?;
            (path, text)
        }
        None if options.update => {
            let message =
                "--update needs a file to write to; name the experiment's file".to_owned();
            return Err(CliError::Usage { message });
        }
        None => {
            (PathBuf::from("the embedded miniature.expected.toml"), MINIATURE_EXPECTED.to_owned())
        }
    };
    let folder = options.selection.read_folder(&experiment)?;
    let results = Results::read(&folder, &measured)?;
    let mut damaged = damage(&results, &[]);
    if options.update && !damaged.is_empty() {
        damaged.push("no bands were recorded: --update takes none from damaged records".to_owned());
        return Err(CliError::Damaged(damaged));
    }
    let text = if options.update {
        update(&path, &text, &results, &experiment, &options.creator)?
    } else {
        text
    };
    let expectations = Expectations::parse(&path.display().to_string(), &text)?;
    if expectations.is_empty() {
        return Err(CliError::Expectations {
            message: format!(
                "{}: nothing is expected; add a [[band]], [[relation]] or [[audit]]",
                path.display()
            ),
        });
    }
    let unknown =
        |error| CliError::Expectations { message: format!("{}: {error}", path.display()) };
    expectations.check_selectors(&known).map_err(unknown)?;
    let expectations = if selection.only.is_empty() {
        expectations
    } else {
        let all = expectations.len();
        let about = expectations
            .about(|selector| experiment.procedures().any(|(levels, _)| selector.matches(levels)));
        if about.is_empty() {
            let message = format!("--only: {} expects nothing of these cells", path.display());
            return Err(CliError::Usage { message });
        }
        if about.len() < all {
            say(&format!("{} of {all} expectations speak of these cells", about.len()));
        }
        about
    };
    let verdicts = check_only(&expectations, &results, &selection.chosen()?);
    for verdict in &verdicts {
        say(&format!("{:12} {}: {}", verdict.kind.to_string(), verdict.subject, verdict.reason));
    }
    let count = |kind: VerdictKind| verdicts.iter().filter(|verdict| verdict.kind == kind).count();
    let (passed, failed) = (count(VerdictKind::Pass), count(VerdictKind::Fail));
    say(&format!(
        "{passed} passed, {failed} failed, {} inconclusive",
        verdicts.len() - passed - failed
    ));
    if let Some(path) = &options.junit {
        write_junit(path, &experiment.name, &verdicts)?;
    }
    let code = match (failed, verdicts.len() - passed) {
        (1.., _) => FAILED,
        (0, 1..) => CANNOT_TELL,
        (0, 0) => SUCCESS,
    };
    unless_damaged(code, damaged)
}

/// Writes new bands into an expectation file, for the numbers of its old ones or else for the
/// validation accuracy by the experiment's statistic; returns its text.
fn update(
    path: &Path,
    text: &str,
    results: &Results,
    experiment: &Experiment,
    creator: &str,
) -> Result<String, CliError> {
    let name = path.display().to_string();
    let old = Expectations::parse(&name, text)?.bands;
    let mut numbers: Vec<(Metric, Statistic)> = Vec::new();
    for band in &old {
        if !numbers.contains(&(band.metric, band.statistic)) {
            numbers.push((band.metric, band.statistic));
        }
    }
    if numbers.is_empty() {
        numbers.push((Metric::ValidationAccuracy, experiment.statistic));
    }
    let bands = derive_bands(results, &numbers);
    if bands.is_empty() {
        return Err(CliError::Usage {
            message: format!(
                "{name}: no procedure has run with all its seeds, so there is nothing to record"
            ),
        });
    }
    let unbanded = unbanded(results, &bands, &numbers);
    refuse_lost(&name, &old, &unbanded)?;
    let environments: Vec<&Environment> = results
        .procedures
        .iter()
        .flat_map(|procedure| &procedure.runs)
        .map(|run| &run.manifest.environment)
        .collect();
    let distinct = |describe: &dyn Fn(&Environment) -> String| {
        let mut names: Vec<String> =
            environments.iter().map(|environment| describe(environment)).collect();
        names.sort();
        names.dedup();
        names.join(", ")
    };
    let origin = BandProvenance {
        creator: creator.to_owned(),
        date: today(),
        commit: distinct(&|environment| environment.commit.clone()),
        machine: distinct(&|environment| {
            format!("{} ({})", environment.platform, environment.instruction_sets)
        }),
    };
    let text = Expectations::with_bands(&name, text, &origin, &bands)?;
    // What is written is also understood.
    Expectations::parse(&name, &text)?
        .check_selectors(&experiment.known_levels())
        .map_err(|error| CliError::Expectations { message: format!("{name}: {error}") })?;
    write_whole(path, text.as_bytes())?;
    say(&format!("{name}: {} bands recorded", bands.len()));
    unbanded.iter().for_each(|unbanded| say(&unbanded.in_words()));
    Ok(text)
}

/// A procedure that has no band of a metric.
struct Unbanded<'a> {
    procedure: &'a ProcedureRuns,
    metric: Metric,
}

impl Unbanded<'_> {
    /// Whether a band is of the procedure and the metric.
    fn is_in(&self, band: &Band) -> bool {
        band.metric == self.metric && band.selector.matches(&self.procedure.levels)
    }

    fn in_words(&self) -> String {
        let Self { procedure, metric } = self;
        let (planned, missing) = (procedure.planned_seeds.len(), procedure.missing_seeds().len());
        let why = match procedure.diverged(*metric) {
            Some((seed, _)) => diverged_in_words(seed),
            None if missing > 0 => format!("has {} of {planned} runs", planned - missing),
            None => format!("has no {metric}"),
        };
        format!("no band of the {metric} of `{}`, which {why}", procedure.label())
    }
}

/// The procedures that have no band of one of these numbers.
fn unbanded<'a>(
    results: &'a Results,
    bands: &[Band],
    numbers: &[(Metric, Statistic)],
) -> Vec<Unbanded<'a>> {
    let mut metrics: Vec<Metric> = numbers.iter().map(|(metric, _)| *metric).collect();
    metrics.sort_unstable();
    metrics.dedup();
    let all = results
        .procedures
        .iter()
        .flat_map(|procedure| metrics.iter().map(move |&metric| Unbanded { procedure, metric }));
    all.filter(|unbanded| !bands.iter().any(|band| unbanded.is_in(band))).collect()
}

/// Refuses to record bands where one would be lost: what failed by it would pass without.
fn refuse_lost(name: &str, old: &[Band], unbanded: &[Unbanded<'_>]) -> Result<(), CliError> {
    let is_lost = |unbanded: &&Unbanded<'_>| old.iter().any(|band| unbanded.is_in(band));
    let lost: Vec<String> = unbanded.iter().filter(is_lost).map(Unbanded::in_words).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{name}: nothing was recorded, for bands would be lost ({}); run what is missing, or remove these bands from the file",
        lost.join("; ")
    );
    Err(CliError::Usage { message })
}

fn write_junit(path: &Path, experiment: &str, verdicts: &[Verdict]) -> Result<(), CliError> {
    // The library leaves characters out that XML cannot hold, and what follows an escape sequence.
    let mut suite = TestSuite::new(experiment);
    for verdict in verdicts {
        let status = match verdict.kind {
            VerdictKind::Pass => TestCaseStatus::success(),
            VerdictKind::Fail => {
                with_message(TestCaseStatus::non_success(NonSuccessKind::Failure), verdict)
            }
            VerdictKind::Inconclusive | VerdictKind::Missing => {
                with_message(TestCaseStatus::non_success(NonSuccessKind::Error), verdict)
            }
        };
        suite.add_test_case(TestCase::new(visible(&verdict.subject), status));
    }
    let mut report = quick_junit::Report::new("thaw check");
    report.add_test_suite(suite);
    let text = report
        .to_string()
        .map_err(|error| CliError::Usage { message: format!("{}: {error}", path.display()) })?;
    write_whole(path, text.as_bytes())
}

fn with_message(mut status: TestCaseStatus, verdict: &Verdict) -> TestCaseStatus {
    status.set_type(verdict.kind.to_string());
    status.set_message(visible(&verdict.reason));
    status
}

/// Today in UTC, as year-month-day.
fn today() -> String {
    chrono::DateTime::<chrono::Utc>::from(SystemTime::now()).format("%Y-%m-%d").to_string()
}
