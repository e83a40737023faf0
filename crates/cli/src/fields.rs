//! What a value consists of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// A value's fields by path, as text.
pub(crate) fn fields(value: &impl Serialize) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
        let inner =
            |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(object) => {
                object.iter().for_each(|(name, value)| walk(&inner(name), value, fields))
            }
            Value::Array(values) if values.iter().any(Value::is_object) => {
                values
                    .iter()
                    .enumerate()
                    .for_each(|(place, value)| walk(&format!("{path}[{place}]"), value, fields));
            }
            Value::String(text) => drop(fields.insert(path.to_owned(), text.clone())),
            other => drop(fields.insert(path.to_owned(), other.to_string())),
        }
    }
    let mut result = BTreeMap::new();
    walk("", &serde_json::to_value(value).unwrap_or_default(), &mut result);
    result
}

/// The fields in which two values differ: path, what the first says, and the second. Two runs never start
/// at the same second, so their starts are left out.
pub(crate) fn differences<T: Serialize>(one: &T, other: &T) -> Vec<(String, String, String)> {
    let (one, other) = (fields(one), fields(other));
    let names: BTreeSet<&String> =
        one.keys().chain(other.keys()).filter(|name| *name != "started_unix_seconds").collect();
    let value = |fields: &BTreeMap<String, String>, name: &String| {
        fields.get(name).cloned().unwrap_or_else(|| "–".to_owned())
    };
    let differing = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    differing.map(|name| (name.clone(), value(&one, name), value(&other, name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_objects_are_taken_apart_and_lists_of_numbers_are_not() {
        let value =
            serde_json::json!({ "mean": [1, 2], "phases": [{ "epochs": 3 }, { "epochs": 4 }] });
        let fields: Vec<(String, String)> = fields(&value).into_iter().collect();
        let expected = [("mean", "[1,2]"), ("phases[0].epochs", "3"), ("phases[1].epochs", "4")];
        assert!(
            fields.iter().map(|(path, value)| (path.as_str(), value.as_str())).eq(expected),
            "{fields:?}"
        );
    }
}
