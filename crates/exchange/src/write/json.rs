//! One JSON file: a list of runs, each with Keras' `history` and its procedure in words.

use std::io;

use serde_json::{Map, Value, json};
use thaw_store::write_whole;

use super::{ExportedRun, Format};
use crate::name::keras_name;

pub(super) const FORMAT: Format = Format {
    name: "json",
    default_output: "export.json",
    write: |export| write_whole(export.output, &list(export.runs)?),
    opened_with: |_| Vec::new(),
};

/// A JSON list of runs.
fn list(runs: &[ExportedRun]) -> io::Result<Vec<u8>> {
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
            .map(|metric| {
                // The place in a list is the epoch.
                let last = run.log.epochs_of(metric).last().copied().unwrap_or(0);
                let values: Vec<Option<f64>> =
                    (1..=last).map(|epoch| run.log.at(metric, epoch)).collect();
                (keras_name(metric).to_owned(), json!(values))
            })
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
