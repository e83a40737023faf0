//! MLflow's file store: `<experiment>/meta.yaml`, and for each run `meta.yaml`, a file per
//! parameter and tag, and a file per metric with a line `milliseconds value step` per epoch. JSON
//! is YAML, so the YAML is written as JSON.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use thaw_spec::{file_names, shell_word, visible_json};

use super::{Export, ExportedRun, Format, write_folder};

/// The experiment's number; MLflow keeps 0 for its default experiment.
const EXPERIMENT: &str = "1";

pub(super) const FORMAT: Format = Format {
    name: "mlflow",
    default_output: "mlruns",
    write: |export| write_folder(export.output, |folder| write(export, folder)),
    // MLflow 3 reads its file store only where it is allowed to, and opens on what it has for
    // language models.
    opened_with: |output| {
        let command = "MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri";
        vec![
            format!("open them with: {command} {}", shell_word(&output.to_string_lossy())),
            "the runs are under `Model training`".to_owned(),
        ]
    },
};

/// Fills a folder that will lie at the export's output in the end.
fn write(export: &Export<'_>, folder: &Path) -> io::Result<()> {
    let Export { experiment, runs, output } = *export;
    let home = folder.join(EXPERIMENT);
    let location = file_url(&std::path::absolute(output)?.join(EXPERIMENT))?;
    let first = runs.iter().map(|run| run.started_unix_seconds * 1000).min().unwrap_or(0);
    let meta = json!({
        "artifact_location": location,
        "creation_time": first,
        "experiment_id": EXPERIMENT,
        "last_update_time": first,
        "lifecycle_stage": "active",
        "name": experiment,
    });
    std::fs::create_dir_all(folder.join(".trash"))?;
    write_yaml(&home, &meta)?;
    for run in runs {
        write_run(run, &home.join(&run.id), &location)?;
    }
    Ok(())
}

fn write_run(run: &ExportedRun, folder: &Path, location: &str) -> io::Result<()> {
    let milliseconds = |seconds: f64| (seconds * 1000.0) as u64;
    let ends = run.epoch_ends();
    let meta = json!({
        "artifact_uri": format!("{location}/{}/artifacts", run.id),
        "end_time": ends.last().map(|end| milliseconds(*end)),
        "entry_point_name": "",
        "experiment_id": EXPERIMENT,
        "lifecycle_stage": "active",
        "run_id": run.id,
        "run_name": run.name,
        "run_uuid": run.id,
        "source_name": "thaw",
        "source_type": 4,
        "source_version": "",
        "start_time": run.started_unix_seconds * 1000,
        // Finished.
        "status": 3,
        "tags": [],
        "user_id": "",
    });
    write_yaml(folder, &meta)?;
    std::fs::create_dir_all(folder.join("artifacts"))?;
    let seed = [("seed".to_owned(), run.seed.to_string())];
    // `later_phases[0].dropout` is `later_phases.0.dropout`, for no name may hold brackets.
    let in_dots =
        |(path, value): &(String, String)| (path.replace('[', ".").replace(']', ""), value.clone());
    let parameters: Vec<(String, String)> = run.parameters.iter().map(in_dots).collect();
    write_values(&folder.join("params"), run.levels.iter().chain(&parameters).chain(&seed))?;
    let tags = [
        ("mlflow.runName".to_owned(), run.name.clone()),
        ("thaw.status".to_owned(), run.status.clone()),
    ];
    write_values(&folder.join("tags"), &tags)?;
    let curve = |value: &dyn Fn(usize) -> Option<f64>| -> String {
        (1..)
            .zip(&ends)
            .filter_map(|(step, end)| {
                Some(format!("{} {} {step}\n", milliseconds(*end), value(step)?))
            })
            .collect()
    };
    let mut metrics: Vec<(String, String)> = run
        .log
        .metrics()
        .map(|metric| (metric.key().to_owned(), curve(&|step| run.log.at(metric, step))))
        .collect();
    let drift = curve(&|step| run.drift.get(step - 1).copied());
    metrics.push(("drift_maximum".to_owned(), drift));
    write_values(&folder.join("metrics"), &metrics)
}

/// A file for each name, with the value in it. The first of equal names stays.
fn write_values<'a>(
    folder: &Path,
    values: impl IntoIterator<Item = &'a (String, String)>,
) -> io::Result<()> {
    let stand_in = |character: char| is_of_a_name(character).then_some(character);
    let values: Vec<&(String, String)> = values.into_iter().collect();
    let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
    std::fs::create_dir_all(folder)?;
    for (name, (_, value)) in file_names(&names, stand_in).into_iter().zip(values) {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::write(path, value)?;
        }
    }
    Ok(())
}

/// Whether MLflow reads a name with this character: a store with one that has another cannot be opened at
/// all. It takes what follows a slash for a file in a folder. Letters are those of scripts without marks
/// that stand alone, which it does not take for letters.
fn is_of_a_name(character: char) -> bool {
    let is_of_such_a_script = matches!(
        character,
        '\0'..='\u{2ff}' | '\u{370}'..='\u{52f}' | 'ぁ'..='ヿ' | '一'..='\u{9fff}' | '가'..='힣'
    );
    "_-. ".contains(character) || (is_of_such_a_script && character.is_alphanumeric())
}

/// The URL of a folder.
fn file_url(folder: &Path) -> io::Result<String> {
    let url = url::Url::from_directory_path(folder).map_err(|()| {
        let reason = format!("{} cannot be written as a URL", folder.display());
        io::Error::new(io::ErrorKind::InvalidInput, reason)
    })?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn write_yaml(folder: &Path, value: &Value) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // YAML holds fewer characters as they are.
    std::fs::write(folder.join("meta.yaml"), visible_json(&serde_json::to_string_pretty(value)?))
}
