//! `thaw diff`: what differs between two runs, in procedure, machine and outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use thaw_analysis::{ResultsFolder, mcnemar};
use thaw_report::magnitude;
use thaw_spec::{CellManifest, Split};

use crate::arguments::Diff;
use crate::error::{CliError, SUCCESS, say};
use crate::fields::fields;

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
        ("procedure", fields(&one.1.cell.procedure), fields(&other.1.cell.procedure)),
        ("inputs", fields(&one.1.cell.inputs), fields(&other.1.cell.inputs)),
        ("machine and program", fields(&one.1.environment), fields(&other.1.environment)),
    ];
    for (title, first, second) in sections {
        // Two runs never start at the same second.
        let names: BTreeSet<&String> = first
            .keys()
            .chain(second.keys())
            .filter(|name| *name != "started_unix_seconds")
            .collect();
        let value = |fields: &BTreeMap<String, String>, name: &String| {
            fields.get(name).cloned().unwrap_or_else(|| "–".to_owned())
        };
        let differing: Vec<String> = names
            .into_iter()
            .filter(|name| first.get(*name) != second.get(*name))
            .map(|name| format!("  {name}: {} → {}", value(&first, name), value(&second, name)))
            .collect();
        say(&if differing.is_empty() {
            format!("\n{title}: the same")
        } else {
            format!("\n{title}:\n{}", differing.join("\n"))
        });
    }
    outcome(&one, &other)?;
    Ok(ExitCode::from(SUCCESS))
}

/// Says how the two ended.
fn outcome(
    one: &(ResultsFolder, CellManifest),
    other: &(ResultsFolder, CellManifest),
) -> Result<(), CliError> {
    say("\noutcome:");
    for (name, (folder, manifest)) in [("first", one), ("second", other)] {
        let ended = folder.outcome(&manifest.id)?.map_or_else(
            || "not finished".to_owned(),
            |outcome| {
                let moved = outcome.audit.iter().filter(|tensor| tensor.moved).count();
                let drift =
                    outcome.audit.iter().map(|tensor| tensor.relative_drift).fold(0.0, f64::max);
                format!(
                    "{:?}, {moved} of {} tensors of the base moved, by up to {}",
                    outcome.status,
                    outcome.audit.len(),
                    magnitude(drift)
                )
            },
        );
        say(&format!("  {name:6} {ended}"));
    }
    let predictions =
        |(folder, manifest): &(ResultsFolder, CellManifest)| folder.read_predictions(&manifest.id);
    let (Some(first), Some(second)) = (predictions(one)?, predictions(other)?) else {
        say(
            "  predictions by image: at least one of the runs has none; run it again with this version by --force",
        );
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

/// A run by the beginning of its name, in any experiment's results.
fn find(results: &Path, name: &str) -> Result<(ResultsFolder, CellManifest), CliError> {
    let unreadable = |source| CliError::Unreadable { path: results.to_owned(), source };
    let mut found = Vec::new();
    let mut folders: Vec<_> = std::fs::read_dir(results)
        .map_err(unreadable)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for folder in folders.into_iter().map(ResultsFolder::new) {
        let manifests = folder
            .manifests()?
            .into_iter()
            .filter(|manifest| manifest.id.as_str().starts_with(name));
        found.extend(manifests.map(|manifest| (folder.clone(), manifest)));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(CliError::Usage {
            message: format!(
                "no run in {} has a name that begins with `{name}`; see its cells/ folders",
                results.display()
            ),
        }),
        count => Err(CliError::Usage {
            message: format!(
                "{count} runs in {} have names that begin with `{name}`; give more of it",
                results.display()
            ),
        }),
    }
}
