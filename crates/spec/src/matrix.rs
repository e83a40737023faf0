//! The matrix: factors, their levels, and which combinations of them are cells.
//!
//! A factor is either a list, whose values are set on the key of the factor's name (`dropout =
//! [0.0, 0.5]`), or a table of named levels, each of which sets any keys (`[matrix.regime]` `cached
//! = { cache = "features" }`).

use serde::{Deserialize, Deserializer};
use toml::{Spanned, Table, Value};

use crate::entries::entries;
use crate::error::{in_our_words, instead, quoted};
use crate::selector::{Selector, level_name};
use crate::settings::Settings;
use crate::text::check_name;
use crate::{Location, SpecError};

/// Procedures that a matrix may have, those that it excludes among them.
const MOST_PROCEDURES: usize = 10_000;

/// What is said of a matrix with more.
fn too_many() -> String {
    format!(
        "the levels combine to more than {MOST_PROCEDURES} procedures; list fewer, or divide the experiment into several"
    )
}

/// The `[matrix]` table as typed: factors in the order of the file, with the places of names and
/// values.
#[derive(Debug, Default)]
pub(crate) struct MatrixTable(Vec<(Spanned<String>, Spanned<Value>)>);

impl<'de> Deserialize<'de> for MatrixTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer, "a table of factors").map(Self)
    }
}

/// A level that has been understood.
#[derive(Clone, Debug)]
struct Level {
    name: String,
    settings: Settings,
}

/// A factor and its levels.
#[derive(Clone, Debug)]
struct Factor {
    name: String,
    levels: Vec<Level>,
    /// Whether the levels are values of one key, so that an inclusion may bring another value.
    is_list: bool,
}

/// One combination of levels, before it is laid over the procedure.
pub(crate) struct Combination {
    pub(crate) levels: Vec<(String, String)>,
    pub(crate) settings: Settings,
}

/// The factors and levels of an experiment.
#[derive(Clone, Debug)]
pub(crate) struct Matrix(Vec<Factor>);

impl Matrix {
    /// Understands each level as settings. `at` turns a byte offset into a place.
    pub(crate) fn understand(
        typed: &MatrixTable,
        at: &dyn Fn(usize) -> Location,
    ) -> Result<Self, SpecError> {
        let mut combined = 1usize;
        let factors = typed.0.iter().map(|(name, value)| {
            let key = format!("matrix.{}", name.get_ref());
            let problem = |message: String| SpecError::Matrix {
                location: at(value.span().start),
                key: key.clone(),
                message,
            };
            let count = match value.get_ref() {
                Value::Array(values) => values.len(),
                Value::Table(levels) => levels.len(),
                _ => 1,
            };
            combined = combined.saturating_mul(count.max(1));
            if combined > MOST_PROCEDURES {
                return Err(problem(too_many()));
            }
            let (is_list, levels) = match value.get_ref() {
                Value::Array(values) => (
                    true,
                    values
                        .iter()
                        .map(|value| value_level(name.get_ref(), value))
                        .collect::<Result<Vec<_>, _>>(),
                ),
                Value::Table(levels) => (
                    false,
                    levels.iter().map(|(level, settings)| named_level(level, settings)).collect(),
                ),
                _ => (
                    true,
                    Err("a factor is a list of values, or a table of named levels".to_owned()),
                ),
            };
            let levels = levels.map_err(problem)?;
            check_factor_name(name.get_ref()).map_err(|message| SpecError::Matrix {
                location: at(name.span().start),
                key: "matrix".to_owned(),
                message,
            })?;
            levels.iter().try_for_each(|level| check_name(&level.name)).map_err(problem)?;
            if levels.is_empty() {
                return Err(problem("a factor needs at least one level".to_owned()));
            }
            if let Some(twice) = levels.iter().enumerate().find(|(index, level)| {
                levels[..*index].iter().any(|other| other.name == level.name)
            }) {
                return Err(problem(format!("the level `{}` is listed twice", twice.1.name)));
            }
            Ok(Factor { name: name.get_ref().clone(), levels, is_list })
        });
        factors.collect::<Result<_, _>>().map(Self)
    }

    /// The factors' names in the order of the file.
    pub(crate) fn factor_names(&self) -> Vec<String> {
        self.0.iter().map(|factor| factor.name.clone()).collect()
    }

    /// Each factor's name with the names of its levels.
    pub(crate) fn known(&self) -> Vec<(String, Vec<String>)> {
        let levels =
            |factor: &Factor| factor.levels.iter().map(|level| level.name.clone()).collect();
        self.0.iter().map(|factor| (factor.name.clone(), levels(factor))).collect()
    }

    /// The full cross product, less what is excluded, plus what is included.
    pub(crate) fn combinations(
        &self,
        at: &dyn Fn(usize) -> Location,
        exclude: &[Spanned<Table>],
        include: &[Spanned<Table>],
    ) -> Result<Vec<Combination>, SpecError> {
        let mut combinations =
            vec![Combination { levels: Vec::new(), settings: Settings::default() }];
        for factor in &self.0 {
            combinations = combinations
                .iter()
                .flat_map(|combination| {
                    factor.levels.iter().map(|level| combination.with(factor, level))
                })
                .collect();
        }
        for entry in exclude {
            let problem = |message: String| SpecError::Matrix {
                location: at(entry.span().start),
                key: "exclude".to_owned(),
                message,
            };
            let selector = Selector::from_table(entry.get_ref()).map_err(problem)?;
            selector.check(&self.known()).map_err(|error| problem(error.to_string()))?;
            if selector.is_empty() {
                return Err(problem(
                    "an empty entry would exclude everything; name a factor".to_owned(),
                ));
            }
            combinations.retain(|combination| !selector.matches(&combination.levels));
        }
        for entry in include {
            let problem = |message: String| SpecError::Matrix {
                location: at(entry.span().start),
                key: "include".to_owned(),
                message,
            };
            let combination = self.included(entry.get_ref()).map_err(problem)?;
            if combinations.len() > MOST_PROCEDURES {
                return Err(problem(too_many()));
            }
            if !combinations.iter().any(|other| other.levels == combination.levels) {
                combinations.push(combination);
            }
        }
        Ok(combinations)
    }

    /// The combination an `[[include]]` entry names: one level of every factor.
    fn included(&self, entry: &Table) -> Result<Combination, String> {
        if let Some(unknown) =
            entry.keys().find(|key| !self.0.iter().any(|factor| factor.name == **key))
        {
            return Err(format!(
                "unknown factor `{unknown}`{}",
                instead(unknown, &self.factor_names())
            ));
        }
        let start = Combination { levels: Vec::new(), settings: Settings::default() };
        self.0.iter().try_fold(start, |combination, factor| {
            let names: Vec<String> = factor.levels.iter().map(|level| level.name.clone()).collect();
            let value = entry
                .get(&factor.name)
                .ok_or_else(|| format!("give a level of `{}`: {}", factor.name, quoted(&names)))?;
            let name = level_name(value)?;
            match factor.levels.iter().find(|level| level.name == name) {
                Some(level) => Ok(combination.with(factor, level)),
                None if factor.is_list => {
                    Ok(combination.with(factor, &value_level(&factor.name, value)?))
                }
                None => Err(format!(
                    "unknown level `{name}` of `{}`{}",
                    factor.name,
                    instead(&name, &names)
                )),
            }
        })
    }
}

impl Combination {
    fn with(&self, factor: &Factor, level: &Level) -> Self {
        let mut levels = self.levels.clone();
        levels.push((factor.name.clone(), level.name.clone()));
        let mut settings = self.settings.clone();
        settings.overlay(&level.settings);
        Self { levels, settings }
    }
}

/// Says why a text cannot be the name of a factor.
fn check_factor_name(name: &str) -> Result<(), String> {
    check_name(name)?;
    if name.contains('=') {
        return Err(format!(
            "the name `{name}` has a `=`, and cells are chosen by FACTOR=LEVEL; use another character"
        ));
    }
    Ok(())
}

fn value_level(factor: &str, value: &Value) -> Result<Level, String> {
    let settings = Table::from_iter([(factor.to_owned(), value.clone())]);
    Ok(Level { name: level_name(value)?, settings: understand_settings(settings)? })
}

fn named_level(name: &str, settings: &Value) -> Result<Level, String> {
    let Value::Table(settings) = settings else {
        return Err(format!(
            "the level `{name}` must be a table of settings, such as {{ dropout = 0.5 }}"
        ));
    };
    let settings = understand_settings(settings.clone())
        .map_err(|message| format!("level `{name}`: {message}"))?;
    Ok(Level { name: name.to_owned(), settings })
}

fn understand_settings(settings: Table) -> Result<Settings, String> {
    let settings = Value::Table(settings).try_into();
    settings.map_err(|error: toml::de::Error| in_our_words(error.message()))
}
