//! `thaw diff`: what differs between two runs, in procedure, machine and outcome.

use std::process::ExitCode;

use clap::Args;
use thaw_analysis::{Damage, ResultsFolder, mcnemar};
use thaw_report::magnitude;
use thaw_spec::{CellManifest, Outcome, RunStatus, Split};
use thaw_store::below;

use crate::error::{CliError, SUCCESS};
use crate::fields::differences;
use crate::selection::{ResultsArgument, require_results};
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The name of a run (its folder in runs/EXPERIMENT/cells), or how it begins
    one: String,
    /// The other run's
    other: String,
    #[command(flatten)]
    results: ResultsArgument,
}

pub(crate) fn run(options: &Diff) -> Result<ExitCode, CliError> {
    let (one, other) =
        (find(&options.results, &options.one)?, find(&options.results, &options.other)?);
    for (name, (_, manifest)) in [("first", &one), ("second", &other)] {
        say(&format!(
            "{name:6} {} {}: {} seed {}",
            manifest.experiment,
            manifest.id,
            manifest.cell.label(),
            manifest.cell.seed
        ));
    }
    let sections = [
        ("procedure", differences(&one.1.cell.procedure, &other.1.cell.procedure)),
        ("inputs", differences(&one.1.cell.inputs, &other.1.cell.inputs)),
        ("machine and program", differences(&one.1.environment, &other.1.environment)),
    ];
    for (title, differing) in sections {
        say("");
        if differing.is_empty() {
            say(&format!("{title}: the same"));
            continue;
        }
        say(&format!("{title}:"));
        for (name, first, second) in differing {
            say(&format!("  {name}: {first} → {second}"));
        }
    }
    outcome(&one, &other)?;
    Ok(ExitCode::from(SUCCESS))
}

/// Says how the two ended.
fn outcome(
    one: &(ResultsFolder, CellManifest),
    other: &(ResultsFolder, CellManifest),
) -> Result<(), CliError> {
    say("");
    say("outcome:");
    let ended = |(folder, manifest): &(ResultsFolder, CellManifest)| folder.outcome(&manifest.id);
    let outcomes = [ended(one)?, ended(other)?];
    for (name, outcome) in ["first", "second"].iter().zip(&outcomes) {
        let words = outcome.as_ref().map_or_else(|| "not finished".to_owned(), in_words);
        say(&format!("  {name:6} {words}"));
    }
    let predictions =
        |(folder, manifest): &(ResultsFolder, CellManifest)| folder.read_predictions(&manifest.id);
    let (Some(first), Some(second)) = (predictions(one)?, predictions(other)?) else {
        say(&format!("  predictions by image: {}", why_no_predictions(&outcomes)));
        return Ok(());
    };
    for split in [Split::Validation, Split::Test] {
        let Some(test) = mcnemar(&first, &second, split) else { continue };
        let percent = |count: u64| 100.0 * count as f64 / test.images as f64;
        say(&format!(
            "  {split}: {:.2} % → {:.2} % of {} images; only the first is right on {}, only the second on {} (McNemar, exact: p = {:.2e})",
            percent(test.first),
            percent(test.second),
            test.images,
            test.only_first,
            test.only_second,
            test.p_value
        ));
    }
    Ok(())
}

/// How a run ended, in words.
fn in_words(outcome: &Outcome) -> String {
    let moved = outcome.audit.iter().filter(|tensor| tensor.moved).count();
    let drift = outcome.audit.iter().map(|tensor| tensor.relative_drift).fold(0.0, f64::max);
    format!(
        "{:?}, {moved} of {} tensors of the base moved, by up to {}",
        outcome.status,
        outcome.audit.len(),
        magnitude(drift)
    )
}

/// Why what two runs say of each image cannot be compared.
fn why_no_predictions(outcomes: &[Option<Outcome>]) -> &'static str {
    if outcomes.iter().any(Option::is_none) {
        return "a run that has not finished has none";
    }
    if outcomes.iter().flatten().any(|outcome| outcome.status == RunStatus::Diverged) {
        return "a run that diverged has none";
    }
    "at least one of the runs has none; run it again with this version by --force"
}

/// A run by the beginning of its name, in any experiment's results. Where two folders have the same
/// run, the first counts.
fn find(results: &ResultsArgument, name: &str) -> Result<(ResultsFolder, CellManifest), CliError> {
    let mut found: Vec<(ResultsFolder, CellManifest)> = Vec::new();
    let mut damaged = Vec::new();
    for folder in experiment_folders(results)? {
        let (manifests, others) = folder.manifests()?;
        let is_meant = |damage: &Damage| damage.cell.starts_with(name);
        damaged.extend(others.into_iter().filter(is_meant).map(|damage| damage.reason));
        for manifest in manifests {
            let known = found.iter().any(|(_, known)| known.id == manifest.id);
            if manifest.id.as_str().starts_with(name) && !known {
                found.push((folder.clone(), manifest));
            }
        }
    }
    let places: Vec<String> =
        results.read().iter().map(|path| path.display().to_string()).collect();
    let places = places.join(" or ");
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if !damaged.is_empty() => Err(CliError::Damaged(damaged)),
        0 => Err(CliError::Usage {
            message: format!(
                "no run in {places} has a name that begins with `{name}`; see its cells/ folders"
            ),
        }),
        count => Err(CliError::Usage {
            message: format!(
                "{count} runs in {places} have names that begin with `{name}`; give more of it"
            ),
        }),
    }
}

/// The folders of all experiments, in the order of their names. A folder of results need not exist
/// as long as another does.
fn experiment_folders(results: &ResultsArgument) -> Result<Vec<ResultsFolder>, CliError> {
    let mut folders = Vec::new();
    let mut missing = None;
    for place in results.read() {
        if let Err(error) = require_results(&place) {
            missing.get_or_insert(error);
            continue;
        }
        for name in thaw_store::open(&place)?.list("")? {
            folders.push(ResultsFolder::open(&below(&place, &name))?);
        }
    }
    match missing {
        Some(error) if folders.is_empty() => Err(error),
        _ => Ok(folders),
    }
}
