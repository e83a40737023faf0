//! What a value consists of.

use std::collections::BTreeMap;

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
