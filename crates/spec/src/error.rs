//! What can be wrong with an experiment file, said so that it can be mended.

use std::fmt;

/// A place in a file that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Name of the file as the person gave it.
    pub file: String,
    /// Line number, counted from 1.
    pub line: usize,
}

impl Location {
    /// The line of a byte offset in a text.
    pub fn in_text(file: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        Self { file: file.to_owned(), line: before.matches('\n').count() + 1 }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// Bytes of what stands before the sign of equality that a message repeats.
const LONGEST_KEY: usize = 200;

/// An experiment or expectation file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The text is not TOML, has a key nobody knows, or a value of the wrong kind.
    #[error("{location}: {message}")]
    Syntax {
        /// Place of the mistake.
        location: Location,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// A factor, level, exclusion or inclusion of the matrix that makes no sense.
    #[error("{location}: {key}: {message}")]
    Matrix {
        /// Place of the mistake.
        location: Location,
        /// Dotted key, such as `matrix.preprocessing`.
        key: String,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// The matrix has no cell left.
    #[error(
        "{location}: matrix: every combination of levels is excluded; remove an [[exclude]] or add an [[include]]"
    )]
    EmptyMatrix {
        /// Place at which the matrix begins.
        location: Location,
    },
    /// A cell whose settings contradict each other.
    #[error("{location}: the cell `{cell}` contradicts itself: {reason}")]
    Contradiction {
        /// Place at which the matrix begins, or of the phase in which the contradiction was found.
        location: Location,
        /// Factor levels of the cell.
        cell: String,
        /// Reason of the contradiction, and what to do about it.
        reason: String,
    },
    /// Two cells that are one procedure under two names.
    #[error(
        "{location}: the cells `{first}` and `{second}` are the same procedure; exclude one of them"
    )]
    Duplicate {
        /// Place at which the matrix begins.
        location: Location,
        /// Factor levels of one of the cells.
        first: String,
        /// Factor levels of the other cell.
        second: String,
    },
}

/// Contradiction between the settings of a procedure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {remedy}")]
pub struct Contradiction {
    reason: String,
    remedy: String,
    /// The `[[phase]]` it was found in, counted from 0.
    pub(crate) phase: Option<usize>,
}

impl Contradiction {
    /// A contradiction between the levels of a matrix.
    pub(crate) fn new(reason: String) -> Self {
        Self {
            reason,
            remedy: "exclude it with an [[exclude]] entry or change the levels".to_owned(),
            phase: None,
        }
    }

    /// Says what to do about it.
    pub(crate) fn remedy(self, remedy: &str) -> Self {
        Self { remedy: remedy.to_owned(), ..self }
    }

    /// Says in which phase it was found.
    pub(crate) fn of_phase(self, number: usize) -> Self {
        Self {
            reason: format!("phase {}: {}", number + 1, self.reason),
            phase: Some(number),
            ..self
        }
    }
}

/// A name that is none of those allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{name}`, expected {expected}")]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    expected: String,
}

impl UnknownName {
    /// `expected` names what is allowed, in words.
    pub(crate) fn new(kind: &'static str, name: &str, expected: impl Into<String>) -> Self {
        Self { kind, name: name.to_owned(), expected: expected.into() }
    }

    /// The value whose name it is among all values, or an error that lists them.
    ///
    /// # Errors
    /// When none of them has it.
    pub fn find<T: Copy>(
        kind: &'static str,
        name: &str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<T, Self> {
        let names = || all.iter().map(|value| name_of(*value)).collect::<Vec<_>>();
        all.iter()
            .copied()
            .find(|value| name_of(*value) == name)
            .ok_or_else(|| Self::new(kind, name, format!("one of {}", quoted(&names()))))
    }
}

impl SpecError {
    /// Turns an error of the TOML reader into ours.
    pub(crate) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let location = Location::in_text(file, text, offset);
        let line = text.lines().nth(location.line - 1).unwrap_or_default();
        let message = one_line(error.message());
        let message = match line.split_once('=') {
            Some((key, _)) if key.len() <= LONGEST_KEY => format!("{}: {message}", key.trim()),
            _ => message,
        };
        Self::Syntax { location, message }
    }
}

/// Joins the lines of a message of several lines.
pub(crate) fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Names in backticks with commas between.
pub(crate) fn quoted<T: fmt::Display>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
