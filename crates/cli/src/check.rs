//! `thaw check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use thaw_analysis::{Results, ResultsFolder, check};
use thaw_spec::{Expectations, Verdict, VerdictKind};

use crate::arguments::Check;
use crate::error::{CANNOT_TELL, CliError, FAILED, SUCCESS, say};

pub(crate) fn run(options: &Check) -> Result<ExitCode, CliError> {
    let experiment = options.study.load()?;
    let path = options.expected.clone().unwrap_or_else(|| expected_path(&options.study.experiment));
    let text = std::fs::read_to_string(&path).map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
    let expectations = Expectations::parse(&path.display().to_string(), &text)?;
    if expectations.is_empty() {
        return Err(CliError::Usage {
            message: format!("{}: nothing is expected; add a [[band]], [[relation]] or [[audit]]", path.display()),
        });
    }
    let known = experiment.known_levels();
    expectations.check_selectors(&known).map_err(|message| CliError::Usage { message: format!("{}: {message}", path.display()) })?;
    let folder = ResultsFolder::new(options.study.results.join(&experiment.name));
    let verdicts = check(&expectations, &Results::read(&folder, &experiment)?);
    for verdict in &verdicts {
        say(&format!("{:12} {}: {}", verdict.kind.to_string(), verdict.subject, verdict.reason));
    }
    if let Some(path) = &options.junit {
        write_junit(path, &experiment.name, &verdicts)?;
    }
    let count = |kind: VerdictKind| verdicts.iter().filter(|verdict| verdict.kind == kind).count();
    let (passed, failed) = (count(VerdictKind::Pass), count(VerdictKind::Fail));
    say(&format!("{passed} as expected, {failed} not, {} cannot be told", verdicts.len() - passed - failed));
    Ok(ExitCode::from(match (failed, verdicts.len() - passed) {
        (1.., _) => FAILED,
        (0, 1..) => CANNOT_TELL,
        (0, 0) => SUCCESS,
    }))
}

/// `x.toml` is checked by `x.expected.toml`.
fn expected_path(experiment: &Path) -> PathBuf {
    experiment.with_extension("expected.toml")
}

fn write_junit(path: &Path, experiment: &str, verdicts: &[Verdict]) -> Result<(), CliError> {
    let mut suite = TestSuite::new(experiment);
    for verdict in verdicts {
        let status = match verdict.kind {
            VerdictKind::Pass => TestCaseStatus::success(),
            VerdictKind::Fail => with_message(TestCaseStatus::non_success(NonSuccessKind::Failure), verdict),
            VerdictKind::Inconclusive | VerdictKind::Missing => with_message(TestCaseStatus::non_success(NonSuccessKind::Error), verdict),
        };
        suite.add_test_case(TestCase::new(verdict.subject.clone(), status));
    }
    let mut report = quick_junit::Report::new("thaw check");
    report.add_test_suite(suite);
    let text = report.to_string().map_err(|error| CliError::Usage { message: format!("{}: {error}", path.display()) })?;
    std::fs::write(path, text).map_err(|source| CliError::Unwritable { path: path.to_owned(), source })
}

fn with_message(mut status: TestCaseStatus, verdict: &Verdict) -> TestCaseStatus {
    status.set_type(verdict.kind.to_string());
    status.set_message(verdict.reason.clone());
    status
}
