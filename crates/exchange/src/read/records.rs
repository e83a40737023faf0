//! Trainings in JSON, or as Python prints its dictionaries: metrics by name with values by epoch, as
//! Keras' `history`; one object for each epoch; pandas' and Hugging Face's shapes of the same.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};
use thaw_spec::Split;

use super::comma::read_commas;
use super::expression;
use super::table::is_missing;
use super::training::{
    Again, Training, count_rows, is_epoch, is_step, names_split, number, whole_epoch,
};
use crate::name::{is_plural, is_split, mentions_metric, metric, name, of_split};

const WANTED: &str = "expected an object of lists, such as {\"loss\": [0.6, 0.4], \"val_acc\": [0.8, 0.9]}, or an object for each epoch";

/// What Python prints and JSON does not know.
static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r#"(?x)
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
        | (?P<open>\b[A-Za-z_][\w.]*\()(?:<[^>]*>,\s*)?
        | (?P<tail>,\s*(?:dtype|device|grad_fn|requires_grad)=[^,)\]}]+)
        | (?P<close>\)) | (?P<tuple>\()
        | (?P<word>\b(?:nan|NaN|inf|Infinity|None|True|False)\b)
        "#,
    )
});

/// The trainings that a text tells.
pub(super) fn trainings(text: &str) -> Result<Vec<Training>, String> {
    let (mut value, is_cut) = match lines(text) {
        Some((objects, is_cut)) => (Value::Array(objects), is_cut),
        None => (parse(text).map_err(|error| format!("is no valid JSON: {error}"))?, false),
    };
    read_commas(&mut value)?;
    let mut trainings = several(&value)?;
    if let (Some(training), true) = (trainings.last_mut(), is_cut) {
        training.remarks.push("the log ends within a line: passed over".to_owned());
    }
    Ok(trainings)
}

/// The values of a text that has one in each line, and whether the last line was cut off.
fn lines(text: &str) -> Option<(Vec<Value>, bool)> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let (last, others) = lines.split_last().filter(|(_, others)| !others.is_empty())?;
    let mut values = others.iter().map(|line| parse(line).ok()).collect::<Option<Vec<Value>>>()?;
    let last_value = parse(last).ok();
    let is_cut = last_value.is_none() && last.starts_with('{') && !text.ends_with('\n');
    values.extend(last_value);
    (is_cut || values.len() == lines.len()).then_some((values, is_cut))
}

/// JSON, or what Python prints: its words replaced, then read as JSON5, which knows its quotes.
fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).or_else(|strict| {
        let mut tuples: Vec<bool> = Vec::new();
        let replaced = PYTHON.replace_all(text, |found: &regex::Captures<'_>| {
            let whole = &found[0];
            if found.name("string").is_some() {
                whole.to_owned()
            } else if found.name("open").is_some() {
                tuples.push(false);
                String::new()
            } else if found.name("tuple").is_some() {
                tuples.push(true);
                "[".to_owned()
            } else if found.name("close").is_some() {
                if tuples.pop() == Some(true) { "]".to_owned() } else { String::new() }
            } else if let Some(word) = found.name("word") {
                match word.as_str() {
                    "True" => "true".to_owned(),
                    "False" => "false".to_owned(),
                    "None" => "null".to_owned(),
                    // A number that is none, which JSON cannot say, as text.
                    word => format!("\"{word}\""),
                }
            } else {
                String::new()
            }
        });
        // The reader of JSON5 calls itself for each bracket.
        if deepest(&replaced) > 100 {
            return Err(strict.to_string());
        }
        json5::from_str(&replaced).map_err(|_| strict.to_string())
    })
}

/// How many brackets of JSON5 are open at once; those in its strings and comments are none.
fn deepest(text: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '[' | '{' => open += 1,
            ']' | '}' => open = open.saturating_sub(1),
            '"' | '\'' => {
                while let Some(inner) = signs.next().filter(|inner| *inner != sign) {
                    if inner == '\\' {
                        signs.next();
                    }
                }
            }
            '/' if signs.peek() == Some(&'/') => {
                signs.find(|inner| ['\n', '\r', '\u{2028}', '\u{2029}'].contains(inner));
            }
            '/' if signs.next_if_eq(&'*').is_some() => {
                while let Some(inner) = signs.next() {
                    if inner == '*' && signs.next_if_eq(&'/').is_some() {
                        break;
                    }
                }
            }
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// A list of trainings, a list of epochs, or one training.
fn several(value: &Value) -> Result<Vec<Training>, String> {
    match value {
        Value::Array(entries) if entries.iter().all(Value::is_object) && !entries.is_empty() => {
            let is_numbered = |entry: &Value| {
                let mut keys = entry.as_object().into_iter().flatten();
                keys.any(|(key, value)| is_epoch(key) && !value.is_array())
            };
            if !entries.iter().all(is_numbered) && entries.iter().any(holds_columns) {
                let named = |(number, entry): (usize, &Value)| one(entry, &number.to_string());
                (1..).zip(entries).map(named).collect()
            } else {
                of_epochs(entries)
            }
        }
        Value::Object(object) if !object.is_empty() && object.values().all(Value::is_object) => {
            if let Some(epochs) = by_number(object) {
                return of_epochs(&epochs);
            }
            let are_runs = object.iter().all(|(key, entry)| {
                holds_columns(entry) && !is_split(key) && name(key).is_none() && key != "history"
            });
            if !are_runs {
                return Ok(vec![one(value, "")?]);
            }
            object.iter().map(|(run, entry)| one(entry, run)).collect()
        }
        single => Ok(vec![one(single, "")?]),
    }
}

/// The entries of an object whose keys are numbers, as pandas writes a row each, or epochs such as
/// `epoch_1`; each with its number as `epoch`, unless it has one.
fn by_number(object: &Map<String, Value>) -> Option<Vec<Value>> {
    let number = |key: &String| {
        let digits = key.trim_start_matches(|sign: char| !sign.is_ascii_digit());
        let word = &key[..key.len() - digits.len()];
        let is_named = word.is_empty() || is_epoch(word.trim_end_matches(['_', '-', ' ', ':']));
        digits.parse::<i64>().ok().filter(|_| is_named)
    };
    let mut entries: Vec<(i64, &Value)> =
        object.iter().map(|(key, entry)| Some((number(key)?, entry))).collect::<Option<_>>()?;
    entries.sort_by_key(|(number, _)| *number);
    let numbered = |(number, entry): (i64, &Value)| {
        let mut entry = entry.clone();
        if let Some(object) = entry.as_object_mut()
            && !object.keys().any(|key| is_epoch(key))
        {
            object.insert("epoch".to_owned(), number.into());
        }
        entry
    };
    Some(entries.into_iter().map(numbered).collect())
}

/// Whether an object holds its metrics as lists.
fn holds_columns(value: &Value) -> bool {
    let Some(object) = value.as_object() else { return false };
    object.contains_key("history")
        || object.values().any(|value| {
            value.is_array()
                || value.as_object().is_some_and(|inner| {
                    inner.values().all(|value| value.is_array() || value.is_number())
                })
        })
}

/// One training: its metrics, or an object that holds them as `history` and may hold its name as
/// `run`.
fn one(value: &Value, otherwise: &str) -> Result<Training, String> {
    let object = value.as_object().ok_or(WANTED)?;
    let run = object.get("run").and_then(Value::as_str).unwrap_or(otherwise);
    if let Some(epochs) = object.get("log_history").and_then(Value::as_array) {
        // Hugging Face's trainer.
        return only(of_epochs(epochs)?, "log_history");
    }
    if let Some((_, Value::Array(epochs))) =
        object.iter().find(|(key, value)| is_epoch(key) && is_list_of_objects(value))
    {
        return only(of_epochs(epochs)?, "epochs");
    }
    let metrics = object.get("history").map_or(Some(object), Value::as_object).ok_or(WANTED)?;
    let mut training = Training::named(run);
    let mut columns = Vec::new();
    match (
        metrics.get("columns").and_then(Value::as_array),
        metrics.get("data").and_then(Value::as_array),
    ) {
        (Some(names), Some(rows)) => split(metrics, names, rows, &mut columns)?,
        _ => collect(metrics, "", &mut columns),
    }
    for column in by_batch(&columns) {
        training.column(&column);
        columns.retain(|(other, _)| *other != column);
    }
    let lengths = |split: Option<Split>| {
        let of_split = columns.iter().filter(move |(column, _)| {
            metric(column).is_some_and(|metric| split.is_none_or(|split| metric.split() == split))
        });
        of_split.map(|(_, values)| values.len()).max().unwrap_or(0)
    };
    let (most, trained) = (lengths(None), lengths(Some(Split::Train)));
    let epochs = columns.iter().find(|(column, values)| is_epoch(column) && values.len() == most);
    let mut told = Vec::new();
    let mut has_numbers = false;
    for (column, values) in columns.iter().filter(|(column, _)| !is_epoch(column)) {
        training.column(column);
        if name(column).is_none() {
            continue;
        }
        if !values.is_empty() && values.len() * 10 <= most {
            let long = columns
                .iter()
                .find(|(column, values)| name(column).is_some() && values.len() == most);
            return Err(format!(
                "`{}` has {most} values and `{column}` {}, so one of them is by batch, or its epochs are not said; keep the values by epoch",
                long.map_or("", |(column, _)| column),
                values.len()
            ));
        }
        // A list of another length does not say which epochs its values belong to, unless a training
        // broke off in its last one.
        let is_keyed = values.iter().any(|(key, _)| key.is_some());
        let before = trained > 0
            && metric(column).is_some_and(|metric| metric.split() != Split::Train)
            && values.len() > trained;
        if !is_keyed && !values.is_empty() && (values.len() + 1 < most || before) {
            training.remarks.push(format!("`{column}` has {} values beside {}, and which epochs they belong to is not said: passed over", values.len(), if before { trained } else { most }));
            continue;
        }
        for (place, (key, value)) in values.iter().enumerate() {
            let number = match epochs {
                Some((_, numbers)) if place >= numbers.len() => {
                    let remark = format!(
                        "`{column}` has {} values beside {} epochs: the first are taken",
                        values.len(),
                        numbers.len()
                    );
                    if !training.remarks.contains(&remark) {
                        training.remarks.push(remark);
                    }
                    continue;
                }
                Some((column, numbers)) => scalar(numbers[place].1)
                    .ok_or_else(|| format!("`{column}` is not a list of numbers"))?,
                // Keys that begin with 0 are counted from there later on.
                None => key.unwrap_or(place as i64 + 1) as f64,
            };
            has_numbers |= scalar(value).is_some();
            if states_percent(value) {
                training.is_in_percent(column);
            }
            if let Some(value) = scalar(value).or_else(|| no_number(value)) {
                told.push((place, number, column, value));
            }
        }
    }
    if !has_numbers
        && let Some((column, _)) =
            columns.iter().find(|(column, values)| metric(column).is_some() && !values.is_empty())
    {
        return Err(format!("`{column}` is not a list of numbers"));
    }
    told.sort_by_key(|(place, ..)| *place);
    let mut between = BTreeSet::new();
    for (_, number, column, value) in told {
        if number.fract() == 0.0 {
            training.enter(number as i64, None);
            training.put(column, value, Again::Adds);
        } else {
            between.insert(column);
        }
    }
    training.remarks.extend(
        between
            .into_iter()
            .map(|column| format!("`{column}` has values between epochs: passed over")),
    );
    Ok(training)
}

/// The one training of a list of epochs.
fn only(mut trainings: Vec<Training>, key: &str) -> Result<Training, String> {
    let training = trainings.pop().filter(|_| trainings.is_empty());
    training.ok_or_else(|| format!("its `{key}` holds several trainings; keep one of them"))
}

fn is_list_of_objects(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|entries| !entries.is_empty() && entries.iter().all(Value::is_object))
}

/// Values by name; each with the key that it has, if that is a number.
type Column<'a> = (String, Vec<(Option<i64>, &'a Value)>);

/// Names in the plural whose values are by batch: another column has the same metric by epoch, or all others
/// have ten times fewer values.
fn by_batch(columns: &[Column<'_>]) -> Vec<String> {
    let (plural, other): (Vec<_>, Vec<_>) = columns
        .iter()
        .filter(|(column, values)| metric(column).is_some() && !values.is_empty())
        .partition(|(column, _)| is_plural(column));
    let most = other.iter().map(|(_, values)| values.len()).max().unwrap_or(usize::MAX);
    let is_by_batch = |(column, values): &&&Column<'_>| {
        let has_same = other.iter().any(|(other, _)| metric(other) == metric(column));
        has_same || values.len() / 10 >= most
    };
    plural.iter().filter(is_by_batch).map(|(column, _)| column.clone()).collect()
}

/// Adds the lists of an object and of those within it, and pandas' objects of numbers.
fn collect<'a>(object: &'a Map<String, Value>, path: &str, columns: &mut Vec<Column<'a>>) {
    for (key, value) in object {
        let column = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
        match value {
            Value::Array(values) => {
                columns.push((column, values.iter().map(|value| (None, value)).collect()))
            }
            Value::Object(inner)
                if !inner.is_empty() && inner.keys().all(|key| key.parse::<i64>().is_ok()) =>
            {
                let mut values: Vec<(Option<i64>, &Value)> =
                    inner.iter().map(|(key, value)| (key.parse().ok(), value)).collect();
                values.sort_by_key(|(number, _)| *number);
                columns.push((column, values));
            }
            Value::Object(inner) => collect(inner, &column, columns),
            // Named, where it is about a metric: `"test_acc": 0.88`.
            _ if name(&column).is_some() || mentions_metric(&column) => {
                columns.push((column, Vec::new()))
            }
            _ => {}
        }
    }
}

/// A number; some write them as text, as percentages, or in a list of their own.
fn scalar(value: &Value) -> Option<f64> {
    match value {
        Value::Array(values) if values.len() == 1 => scalar(&values[0]),
        Value::String(text) => text.trim_end_matches(['%', ' ']).parse().ok(),
        value => value.as_f64(),
    }
}

/// What stands for a text that is none.
fn no_number(value: &Value) -> Option<f64> {
    value.as_str().is_some_and(|text| !is_missing(text)).then_some(f64::NAN)
}

/// Whether a value is a text with a percent sign.
fn states_percent(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.ends_with('%'))
}

/// pandas' shape with the names apart from the rows.
fn split<'a>(
    object: &Map<String, Value>,
    names: &[Value],
    rows: &'a [Value],
    columns: &mut Vec<Column<'a>>,
) -> Result<(), String> {
    let index = object.get("index").and_then(Value::as_array);
    for (place, name) in names.iter().enumerate() {
        let name = name.as_str().ok_or(WANTED)?;
        let value = |(row, cells): (usize, &'a Value)| {
            let number = index.and_then(|index| index.get(row)).and_then(Value::as_i64);
            (number, cells.get(place).unwrap_or(&Value::Null))
        };
        columns.push((name.to_owned(), rows.iter().enumerate().map(value).collect()));
    }
    Ok(())
}

/// An object for each epoch, or several that tell parts of it.
fn of_epochs(entries: &[Value]) -> Result<Vec<Training>, String> {
    let objects: Vec<&Map<String, Value>> =
        entries.iter().map(|entry| entry.as_object().ok_or(WANTED)).collect::<Result<_, _>>()?;
    let epoch_of = |object: &Map<String, Value>| {
        let epoch = object.iter().find(|(key, _)| is_epoch(key))?.1;
        Some(match epoch {
            Value::String(text) => {
                scalar(epoch).or_else(|| text.split_once('/')?.0.trim().parse().ok())
            }
            epoch => scalar(epoch),
        })
    };
    let epochs: Vec<Option<Option<f64>>> = objects.iter().map(|object| epoch_of(object)).collect();
    let are_numbered = epochs.iter().any(Option::is_some);
    let has_whole =
        epochs.iter().flatten().flatten().any(|number| number.fract() == 0.0 && *number > 0.0);
    if !are_numbered && let Some(step) = step_that_counts_batches(&objects) {
        return Err(format!("its entries have `{step}` and no `epoch`; add the epoch of each"));
    }
    let comes_again = {
        let mut seen = BTreeSet::new();
        epochs.iter().flatten().flatten().any(|number| !seen.insert(number.to_bits()))
    };
    let mut trainings = vec![Training::default()];
    let mut between: Vec<String> = Vec::new();
    for ((place, object), epoch) in (1..).zip(&objects).zip(epochs) {
        let number = match epoch {
            None if are_numbered => None,
            None => Some(place),
            Some(number) => number.and_then(|number| whole_epoch(number, has_whole)),
        };
        let mut told = Vec::new();
        flatten(object, "", &mut told);
        let Some(number) = number else {
            between.extend(told.into_iter().map(|(key, _)| key).filter(|key| name(key).is_some()));
            continue;
        };
        // Where no number comes again, they are of one training in whatever order.
        if comes_again && trainings.last().is_none_or(|training| training.ends_before(number, None))
        {
            trainings.push(Training::default());
        }
        let Some(training) = trainings.last_mut() else { continue };
        training.enter(number, None);
        training.counts_rows |= !are_numbered;
        // OpenMMLab writes `"mode": "val"` for the split.
        let mut splits = object.iter().filter(|(key, _)| names_split(key));
        let split = splits.find_map(|(_, value)| value.as_str().filter(|text| is_split(text)));
        for (key, value) in told.iter().filter(|(key, _)| !is_epoch(key)) {
            let column = of_split(key, split);
            match scalar(value).or_else(|| no_number(value)) {
                Some(value) => training.put(&column, value, Again::Adds),
                None => training.column(key),
            }
            if states_percent(value) {
                training.is_in_percent(&column);
            }
        }
    }
    if let (Some(training), Some(first)) = (trainings.last_mut(), between.first()) {
        training.remarks.push(format!(
            "{} values, the first of them of `{first}`, belong to no whole epoch: passed over",
            between.len()
        ));
    }
    if let (Some(training), false) = (trainings.last_mut(), are_numbered) {
        training.remarks.push("no entry names its epoch: they are counted".to_owned());
    }
    trainings.retain(Training::has_epochs);
    let trainings = number(trainings, "");
    if trainings.is_empty() { Err(WANTED.to_owned()) } else { Ok(trainings) }
}

/// The values of an object and of those within it by path.
fn flatten<'a>(object: &'a Map<String, Value>, path: &str, told: &mut Vec<(String, &'a Value)>) {
    for (key, value) in object {
        let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
        match value {
            Value::Object(inner) => flatten(inner, &path, told),
            value => told.push((path, value)),
        }
    }
}

/// The key whose numbers are those of batches, since they do not count the entries.
fn step_that_counts_batches<'a>(objects: &[&'a Map<String, Value>]) -> Option<&'a String> {
    let keys = objects.iter().flat_map(|object| object.keys());
    let steps: BTreeSet<&String> = keys.filter(|key| is_step(key)).collect();
    steps.into_iter().find(|step| {
        let number = |object: &&Map<String, Value>| object.get(*step).and_then(scalar);
        let numbers = objects.iter().map(|object| number(object).unwrap_or(f64::NAN));
        !count_rows(&numbers.collect::<Vec<_>>())
    })
}
