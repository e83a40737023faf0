//! Choosing cells by their factor levels.

use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

use crate::cell::label;
use crate::error::instead;

/// Chooses the cells whose levels agree: each named factor must have one of its listed levels;
/// factors not named may have any.
///
/// Written in TOML as `{ regime = "cached", dropout = [0.0, 0.5] }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Selector(Vec<(String, Vec<String>)>);

/// A selector that is malformed, or names a factor or level that an experiment does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// An argument is not of the form `factor=level`.
    #[error("`{argument}` is not of the form factor=level")]
    Form {
        /// The argument as given.
        argument: String,
    },
    /// The experiment has no such factor.
    #[error("unknown factor `{factor}`{}", instead(factor, expected))]
    UnknownFactor {
        /// The factor that the selector names.
        factor: String,
        /// Factors of the experiment.
        expected: Vec<String>,
    },
    /// The factor has no such level.
    #[error("unknown level `{level}` of `{factor}`{}", instead(level, expected))]
    UnknownLevel {
        /// The factor.
        factor: String,
        /// The level that the selector names.
        level: String,
        /// Levels of the factor.
        expected: Vec<String>,
    },
}

impl Selector {
    /// A selector of exactly the cells that have these levels.
    pub fn exactly(levels: &[(String, String)]) -> Self {
        Self(levels.iter().map(|(factor, level)| (factor.clone(), vec![level.clone()])).collect())
    }

    /// Reads `factor=level` as a person gives it on the command line; the same factor twice allows
    /// both levels.
    ///
    /// # Errors
    /// Says what the form is.
    pub fn from_arguments<T: AsRef<str>>(arguments: &[T]) -> Result<Self, SelectorError> {
        let mut selector = Self::default();
        for argument in arguments {
            let argument = argument.as_ref();
            let (factor, level) = argument
                .split_once('=')
                .ok_or_else(|| SelectorError::Form { argument: argument.to_owned() })?;
            match selector.0.iter_mut().find(|(known, _)| known == factor) {
                Some((_, levels)) => levels.push(level.to_owned()),
                None => selector.0.push((factor.to_owned(), vec![level.to_owned()])),
            }
        }
        Ok(selector)
    }

    pub(crate) fn from_table(table: &Table) -> Result<Self, String> {
        let entries = table.iter().map(|(factor, value)| {
            let levels = match value {
                Value::Array(values) => {
                    values.iter().map(level_name).collect::<Result<Vec<_>, _>>()?
                }
                single => vec![level_name(single)?],
            };
            Ok((factor.clone(), levels))
        });
        entries.collect::<Result<_, String>>().map(Self)
    }

    /// The selector as TOML writes it.
    pub(crate) fn to_toml(&self) -> String {
        let value = |level: &String| toml_edit::Value::from(level.as_str()).to_string();
        let entry = |(factor, levels): &(String, Vec<String>)| match &levels[..] {
            [level] => format!("{} = {}", toml_edit::Key::new(factor), value(level)),
            levels => format!(
                "{} = [{}]",
                toml_edit::Key::new(factor),
                levels.iter().map(value).collect::<Vec<_>>().join(", ")
            ),
        };
        format!("{{ {} }}", self.0.iter().map(entry).collect::<Vec<_>>().join(", "))
    }

    /// Whether no factor is named, so that everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the selector chooses a cell with these levels.
    pub fn matches(&self, levels: &[(String, String)]) -> bool {
        self.0.iter().all(|(factor, allowed)| {
            levels.iter().any(|(name, level)| name == factor && allowed.contains(level))
        })
    }

    /// Checks that the selector names only known factors and levels, given the levels of each
    /// factor.
    ///
    /// # Errors
    /// Names what is unknown and what is allowed.
    pub fn check(&self, known: &[(String, Vec<String>)]) -> Result<(), SelectorError> {
        for (factor, levels) in &self.0 {
            let Some((_, allowed)) = known.iter().find(|(name, _)| name == factor) else {
                return Err(SelectorError::UnknownFactor {
                    factor: factor.clone(),
                    expected: known.iter().map(|(name, _)| name.clone()).collect(),
                });
            };
            if let Some(unknown) = levels.iter().find(|level| !allowed.contains(level)) {
                return Err(SelectorError::UnknownLevel {
                    factor: factor.clone(),
                    level: unknown.clone(),
                    expected: allowed.clone(),
                });
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let levels: Vec<(String, String)> =
            self.0.iter().map(|(factor, levels)| (factor.clone(), levels.join("|"))).collect();
        formatter.write_str(&if levels.is_empty() {
            "every cell".to_owned()
        } else {
            label(&levels)
        })
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)?;
        Self::from_table(&table).map_err(serde::de::Error::custom)
    }
}

/// The name of a level that is written as a value.
pub(crate) fn level_name(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(format!("{number:?}")),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => {
            Err("a level without a name is a string, number or truth value; for more, name the levels in a table [matrix.<factor>]"
                .to_owned())
        }
    }
}
