//! What a value consists of.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A value's fields by path, as text.
pub(crate) fn fields(value: &impl Serialize) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
        let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(object) => object.iter().for_each(|(name, value)| walk(&inner(name), value, fields)),
            Value::String(text) => drop(fields.insert(path.to_owned(), text.clone())),
            other => drop(fields.insert(path.to_owned(), other.to_string())),
        }
    }
    let mut result = BTreeMap::new();
    walk("", &serde_json::to_value(value).unwrap_or_default(), &mut result);
    result
}
