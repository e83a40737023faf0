//! Keras' `history` as JSON: metrics by name, values by epoch; or a list of such, as `thaw export`
//! writes.

use serde_json::{Map, Value};

use crate::NamedLog;
use crate::log::assemble;

pub(super) fn read(text: &str) -> Result<Vec<NamedLog>, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("is no valid JSON: {error}"))?;
    match value {
        Value::Array(runs) if !runs.is_empty() => {
            (1..).zip(&runs).map(|(number, run)| one(run, &number.to_string())).collect()
        }
        single => Ok(vec![one(&single, "")?]),
    }
}

/// One training: its metrics, or an object that holds them as `history` and may hold its name as
/// `run`.
fn one(value: &Value, otherwise: &str) -> Result<NamedLog, String> {
    let wanted =
        "expected an object of lists, such as {\"loss\": [0.6, 0.4], \"val_acc\": [0.8, 0.9]}";
    let object = value.as_object().ok_or(wanted)?;
    let name = object.get("run").and_then(Value::as_str).unwrap_or(otherwise);
    let metrics = object.get("history").map_or(Some(object), Value::as_object).ok_or(wanted)?;
    assemble(name, columns(metrics)?)
}

fn columns(metrics: &Map<String, Value>) -> Result<Vec<(String, Vec<f64>)>, String> {
    let lists = metrics.iter().filter_map(|(name, value)| Some((name, value.as_array()?)));
    let column = |(name, values): (&String, &Vec<Value>)| {
        // Python writes NaN, which is no JSON; others write null for it.
        let numbers: Option<Vec<f64>> = values
            .iter()
            .map(|value| if value.is_null() { Some(f64::NAN) } else { value.as_f64() })
            .collect();
        Ok((name.clone(), numbers.ok_or_else(|| format!("`{name}` is not a list of numbers"))?))
    };
    lists.map(column).collect()
}
