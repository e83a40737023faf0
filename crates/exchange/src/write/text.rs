//! CSV and JSON.

use std::io;

use serde_json::{Map, Value, json};
use thaw_spec::Metric;

use super::ExportedRun;
use crate::name::keras_name;

/// A row per epoch of each run: the run's name, its factors, seed and verdict, then metrics as
/// Keras calls them.
pub(super) fn csv(runs: &[ExportedRun]) -> io::Result<Vec<u8>> {
    let factors: Vec<&String> = runs
        .first()
        .map_or_else(Vec::new, |run| run.levels.iter().map(|(factor, _)| factor).collect());
    let metrics: Vec<Metric> = Metric::ALL
        .into_iter()
        .filter(|metric| runs.iter().any(|run| !run.log.curve(*metric).is_empty()))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut heading = vec!["run", "id"];
    heading.extend(factors.iter().map(|factor| factor.as_str()));
    heading.extend(["seed", "status", "epoch"]);
    heading.extend(metrics.iter().map(|metric| keras_name(*metric)));
    heading.extend(["drift", "seconds"]);
    writer.write_record(&heading)?;
    for run in runs {
        let level = |factor: &&String| {
            run.levels
                .iter()
                .find(|(name, _)| name == *factor)
                .map_or(String::new(), |(_, level)| level.clone())
        };
        for epoch in 0..run.log.epochs() {
            let number =
                |values: &[f64]| values.get(epoch).map_or_else(String::new, f64::to_string);
            let mut row = vec![run.name.clone(), run.id.clone()];
            row.extend(factors.iter().map(level));
            row.extend([run.seed.to_string(), run.status.clone(), (epoch + 1).to_string()]);
            row.extend(metrics.iter().map(|metric| number(run.log.curve(*metric))));
            row.extend([number(&run.drift), number(run.log.seconds())]);
            writer.write_record(&row)?;
        }
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// A JSON list of runs.
pub(super) fn json(runs: &[ExportedRun]) -> io::Result<Vec<u8>> {
    let words = |pairs: &[(String, String)]| {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect::<Map<String, Value>>()
    };
    let one = |run: &ExportedRun| {
        let mut history: Map<String, Value> = run
            .log
            .metrics()
            .map(|metric| (keras_name(metric).to_owned(), json!(run.log.curve(metric))))
            .collect();
        history.insert("seconds".to_owned(), json!(run.log.seconds()));
        json!({
            "run": run.name,
            "id": run.id,
            "levels": words(&run.levels),
            "seed": run.seed,
            "status": run.status,
            "started_unix_seconds": run.started_unix_seconds,
            "parameters": words(&run.parameters),
            "history": history,
            "drift": run.drift,
        })
    };
    let mut bytes = serde_json::to_vec_pretty(&runs.iter().map(one).collect::<Vec<Value>>())?;
    bytes.push(b'\n');
    Ok(bytes)
}
