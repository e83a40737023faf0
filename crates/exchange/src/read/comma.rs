//! What the commas of numbers are, which a column tells as a whole.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::name::metric;

/// What the commas of a column's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comma {
    /// Before exactly three digits everywhere.
    Either,
    /// Instead of a point.
    Decimal,
    /// Between thousands.
    Thousands,
    /// Instead of a point, which parts thousands.
    DecimalBehindPoints,
}

/// A comma may be either, so the number is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclear;

impl Comma {
    /// What a number with a comma tells of it.
    pub(super) fn of(number: &str) -> Self {
        let number = number.trim_end_matches(['%', ' ']).trim_start_matches(['-', '+']);
        let mut groups = number.split(['.', ',']);
        let first = groups.next().unwrap_or_default();
        let is_grouped = number
            .split('.')
            .next()
            .unwrap_or_default()
            .split(',')
            .skip(1)
            .all(|group| group.len() == 3);
        let [point, comma] = ['.', ','].map(|sign| number.find(sign));
        if point.is_some() && point < comma {
            Self::DecimalBehindPoints
        } else if !is_grouped || first == "0" {
            Self::Decimal
        } else if number.contains('.') || number.matches(',').count() > 1 {
            Self::Thousands
        } else {
            Self::Either
        }
    }

    /// What is known after a further number of the column.
    pub(super) fn and(self, told: Self) -> Self {
        if self == Self::Either || told == Self::DecimalBehindPoints { told } else { self }
    }

    /// The number of a text with a comma, or of any text where points part thousands; none where it is
    /// no number.
    pub(super) fn number(self, text: &str) -> Result<Option<f64>, Unclear> {
        let without_commas = || text.replace(',', "").parse().ok();
        match self {
            Self::DecimalBehindPoints => Ok(text.replace('.', "").replace(',', ".").parse().ok()),
            Self::Decimal if text.matches(',').count() == 1 => {
                Ok(text.replace(',', ".").parse().ok())
            }
            Self::Decimal => Ok(None),
            Self::Thousands => Ok(without_commas()),
            Self::Either if without_commas().is_none() => Ok(None),
            Self::Either => Err(Unclear),
        }
    }
}

/// Why a number in a place, such as "in `loss`", is not known.
pub(super) fn unclear(text: &str, place: &str) -> String {
    format!(
        "`{text}` {place} may have thousands or decimals behind its comma; write decimals with a point"
    )
}

/// Puts numbers in the place of JSON's texts that are numbers with commas; percentages keep their sign.
///
/// # Errors
/// When the comma of a metric may be either.
pub(super) fn read_commas(value: &mut Value) -> Result<(), String> {
    let mut commas = BTreeMap::new();
    visit(value, "", &mut |column, value| {
        if let Value::String(text) = value
            && is_number_with_comma(text)
        {
            let told = Comma::of(text);
            commas
                .entry(column.to_owned())
                .and_modify(|known: &mut Comma| *known = known.and(told))
                .or_insert(told);
        }
        Ok(())
    })?;
    if commas.is_empty() {
        return Ok(());
    }
    visit(value, "", &mut |column, value| {
        let (Some(comma), Value::String(text)) = (commas.get(column), &*value) else {
            return Ok(());
        };
        if !text.contains(',') && *comma != Comma::DecimalBehindPoints {
            return Ok(());
        }
        let number = text.trim_end_matches(['%', ' ']);
        match comma.number(number) {
            Ok(Some(number)) if text.ends_with('%') => *value = format!("{number}%").into(),
            Ok(Some(number)) => *value = number.into(),
            Ok(None) => {}
            Err(Unclear) if metric(column).is_some() => {
                return Err(unclear(text, &format!("in `{column}`")));
            }
            Err(Unclear) => {}
        }
        Ok(())
    })
}

fn is_number_with_comma(text: &str) -> bool {
    let number = text.trim_end_matches(['%', ' ']);
    number.contains(',')
        && number.trim_start_matches(['-', '+']).starts_with(|sign: char| sign.is_ascii_digit())
        && number.replace([',', '.'], "").parse::<f64>().is_ok()
}

/// Shows each value within another one, with the column that it belongs to: the key that is no number
/// and stands next above it, or the name that pandas writes apart from the rows.
fn visit<T>(value: &mut Value, column: &str, show: &mut T) -> Result<(), String>
where
    T: FnMut(&str, &mut Value) -> Result<(), String>,
{
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(|value| visit(value, column, show)),
        Value::Object(object) => {
            let titles: Option<Vec<String>> =
                object.get("columns").and_then(Value::as_array).map(|titles| {
                    titles.iter().map(|title| title.as_str().unwrap_or_default().into()).collect()
                });
            for (key, value) in object {
                match (&titles, value) {
                    (Some(titles), Value::Array(rows)) if key == "data" => {
                        for cells in rows.iter_mut().filter_map(Value::as_array_mut) {
                            let mut cells = titles.iter().zip(cells);
                            cells.try_for_each(|(title, cell)| visit(cell, title, show))?;
                        }
                    }
                    (_, value) if key.parse::<i64>().is_ok() => visit(value, column, show)?,
                    (_, value) => visit(value, key, show)?,
                }
            }
            Ok(())
        }
        value => show(column, value),
    }
}
