//! Words for factors and levels, which people read in place of the names that the machine uses.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::Location;
use crate::entries::entries;
use crate::error::{SpecError, instead};
use crate::selector::Selector;

/// The `[labels]` table as typed: `factor = "words"` and `"factor=level" = "words"`.
#[derive(Debug, Default)]
pub(crate) struct LabelsTable(Vec<(Spanned<String>, Spanned<String>)>);

impl<'de> Deserialize<'de> for LabelsTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer, "a table of words").map(Self)
    }
}

/// Words for factors and levels. What has none is called by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Checks that every label is of a factor or a level of the experiment. `at` turns a byte offset
    /// into a place.
    pub(crate) fn understand(
        typed: &LabelsTable,
        known: &[(String, Vec<String>)],
        at: &dyn Fn(usize) -> Location,
    ) -> Result<Self, SpecError> {
        for (name, words) in &typed.0 {
            let problem = |offset: usize, message: String| SpecError::Matrix {
                location: at(offset),
                key: "labels".to_owned(),
                message,
            };
            check_name(name.get_ref(), known)
                .map_err(|message| problem(name.span().start, message))?;
            if words.get_ref().trim().is_empty() {
                let message = format!(
                    "the label of `{}` has no words; give some or remove it",
                    name.get_ref()
                );
                return Err(problem(words.span().start, message));
            }
        }
        let words =
            typed.0.iter().map(|(name, words)| (name.get_ref().clone(), words.get_ref().clone()));
        Ok(Self(words.collect()))
    }

    /// The label of a factor.
    pub fn factor<'a>(&'a self, factor: &'a str) -> &'a str {
        self.0.get(factor).map_or(factor, String::as_str)
    }

    /// The label of a level. A level without one is called by its name, and where that is a number or
    /// a word that says nothing alone, the factor's label stands before it, as in `dropout 0.5`.
    pub fn level(&self, factor: &str, level: &str) -> String {
        match self.0.get(&format!("{factor}={level}")) {
            Some(words) => words.clone(),
            None if speaks_for_itself(level) => level.to_owned(),
            None => format!("{} {level}", self.factor(factor)),
        }
    }

    /// The label of a procedure: those of its levels.
    pub fn procedure(&self, levels: &[(String, String)]) -> String {
        if levels.is_empty() {
            return crate::cell::label(levels);
        }
        let words = levels.iter().map(|(factor, level)| self.level(factor, level));
        words.collect::<Vec<_>>().join(" · ")
    }
}

/// Whether the name of a level needs no factor before it.
fn speaks_for_itself(level: &str) -> bool {
    let says_nothing = ["none", "true", "false", "on", "off", "yes", "no"];
    !says_nothing.contains(&level) && level.starts_with(char::is_alphabetic)
}

/// Says why a key of the table names neither a factor nor a level.
fn check_name(name: &str, known: &[(String, Vec<String>)]) -> Result<(), String> {
    if name.contains('=') {
        let selector = Selector::from_arguments(&[name]).map_err(|error| error.to_string())?;
        return selector.check(known).map_err(|error| error.to_string());
    }
    if known.iter().any(|(factor, _)| factor == name) {
        return Ok(());
    }
    let factors: Vec<String> = known.iter().map(|(factor, _)| factor.clone()).collect();
    Err(format!("unknown factor `{name}`{}", instead(name, &factors)))
}
