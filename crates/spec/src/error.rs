//! What can be wrong with an experiment file, said so that it can be mended.

use std::fmt;

use strsim::normalized_damerau_levenshtein;

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

/// Bytes of what stands before the sign of equality that a message repeats, and of a name that may be
/// a misprint.
const LONGEST_KEY: usize = 200;

/// How alike two names are, from 0 to 1, where one may be a misprint of the other.
const ALIKE: f64 = 0.75;

/// An experiment or expectation file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The text is not TOML, has a key nobody knows, or a value of the wrong kind or out of its range.
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
        /// Place at which the matrix begins, or without one `[procedure]`, or of the phase in which the
        /// contradiction was found.
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
#[error("{reason}{remedy}")]
pub struct Contradiction {
    reason: String,
    /// The end of the sentence: what to do about it.
    remedy: String,
    /// The setting that is out of its range, whatever the others are.
    pub(crate) setting: Option<&'static str>,
    /// The `[[phase]]` it was found in, counted from 0.
    pub(crate) phase: Option<usize>,
}

impl Contradiction {
    /// A contradiction between settings.
    pub(crate) fn new(reason: String) -> Self {
        Self { reason, remedy: String::new(), setting: None, phase: None }
    }

    /// A setting that is out of its range, for a reason that gives the range.
    pub(crate) fn out_of_range(setting: &'static str, reason: String) -> Self {
        Self { setting: Some(setting), ..Self::new(reason) }
    }

    /// Says what to do about it.
    pub(crate) fn remedy(self, remedy: &str) -> Self {
        Self { remedy: format!("; {remedy}"), ..self }
    }

    /// Says what to do about it, unless somebody said so before.
    pub(crate) fn or_remedy(self, remedy: &str) -> Self {
        if self.remedy.is_empty() { self.remedy(remedy) } else { self }
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
#[error("unknown {kind} `{name}`{instead}")]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    /// The end of the sentence: what to write instead.
    instead: String,
}

impl UnknownName {
    /// `expected` names what is allowed, in words.
    pub(crate) fn new(kind: &'static str, name: &str, expected: &str) -> Self {
        Self { kind, name: name.to_owned(), instead: format!(", expected {expected}") }
    }

    /// The value whose name it is among all values, or an error that says which name was meant, or
    /// lists all.
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
        let found = all.iter().copied().find(|value| name_of(*value) == name);
        found.ok_or_else(|| Self { kind, name: name.to_owned(), instead: instead(name, &names()) })
    }
}

impl SpecError {
    /// Turns an error of the TOML reader into ours.
    pub(crate) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let location = Location::in_text(file, text, offset);
        let line = text.lines().nth(location.line - 1).unwrap_or_default();
        let message = in_our_words(error.message());
        let message = match line.split_once('=') {
            Some((key, _)) if key.len() <= LONGEST_KEY => format!("{}: {message}", key.trim()),
            _ => message,
        };
        Self::Syntax { location, message }
    }
}

/// A message of the TOML reader in one line and in our words: a name that was misprinted is answered
/// with the one that was meant, and kinds of numbers have no names of Rust.
pub(crate) fn in_our_words(message: &str) -> String {
    let message = one_line(message);
    misprint(&message).or_else(|| kind_of_number(&message)).unwrap_or(message)
}

/// Joins the lines of a message of several lines.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What is said of an unknown name that is close to one of those that its message lists.
fn misprint(message: &str) -> Option<String> {
    let (what, rest) = message.split_once(" `")?;
    if !matches!(what, "unknown field" | "unknown variant") {
        return None;
    }
    let (name, listed) = rest.rsplit_once("`, expected ")?;
    let known: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    let meant = closest(name, &known)?;
    Some(format!("{what} `{name}`; did you mean `{meant}`?"))
}

/// What is said of a value that should have been a number.
fn kind_of_number(message: &str) -> Option<String> {
    let (found, kind) = message.rsplit_once(", expected ")?;
    let words = match kind {
        "usize" | "u64" => "a whole number of 0 or more",
        "u16" => "a whole number from 0 to 65535",
        "f64" => "a number",
        _ => return None,
    };
    Some(format!("{found}, expected {words}"))
}

/// What to write in place of an unknown name, as the end of a sentence: the known name that it may be
/// a misprint of, or else any of them.
pub(crate) fn instead<T: AsRef<str> + fmt::Display>(name: &str, known: &[T]) -> String {
    match closest(name, known) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => format!(", expected one of {}", quoted(known)),
    }
}

/// The known name that an unknown one may be a misprint of: the closest, unless another is as close.
/// Names with other digits are no misprints, but other versions or values.
fn closest<'a, T: AsRef<str>>(name: &str, known: &'a [T]) -> Option<&'a str> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let is_comparable =
        |known: &&str| name.len().max(known.len()) <= LONGEST_KEY && digits(known) == digits(name);
    let known = known.iter().map(T::as_ref).filter(is_comparable);
    let alike = known.map(|known| (normalized_damerau_levenshtein(name, known), known));
    let mut close: Vec<(f64, &str)> = alike.filter(|(alike, _)| *alike >= ALIKE).collect();
    close.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    match close[..] {
        [(_, only)] => Some(only),
        [(most, closest), (next, _), ..] if most > next => Some(closest),
        _ => None,
    }
}

/// Names in backticks with commas between.
pub(crate) fn quoted<T: fmt::Display>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misprint_is_answered_with_the_name_that_was_meant() {
        for (name, known, meant) in [
            ("regim", &["regime", "dropout"][..], Some("regime")),
            ("dropuot", &["regime", "dropout"], Some("dropout")),
            ("kears-2.2", &["keras-2.1.3", "keras-2.2", "torch"], Some("keras-2.2")),
            ("frozen", &["cached", "thawed"], None),
            // Two that are as close.
            ("thawen", &["thawed", "thawer"], None),
            // Another version, another value.
            ("keras-2.1", &["keras-2.1.3", "keras-2.2", "torch"], None),
            ("0.05", &["0.5", "0.0"], None),
            ("", &["a"], None),
            ("a", &[], None),
        ] {
            assert_eq!(closest(name, known), meant, "{name}");
        }
        assert_eq!(closest(&"x".repeat(10_000), &["x".repeat(10_001)]), None);
        assert_eq!(instead("regim", &["regime", "dropout"]), "; did you mean `regime`?");
        assert_eq!(
            instead("layers", &["regime", "dropout"]),
            ", expected one of `regime`, `dropout`"
        );
    }

    #[test]
    fn messages_of_the_toml_reader_are_put_into_our_words() {
        for (message, words) in [
            (
                "unknown field `epoch`, expected one of `image_size`, `epochs`, `dropout`",
                "unknown field `epoch`; did you mean `epochs`?",
            ),
            (
                "unknown variant `caff`, expected `caffe` or `rescale`",
                "unknown variant `caff`; did you mean `caffe`?",
            ),
            (
                "unknown variant `?`, expected `caffe` or `rescale`",
                "unknown variant `?`, expected `caffe` or `rescale`",
            ),
            (
                "unknown field `train`, there are no fields",
                "unknown field `train`, there are no fields",
            ),
            (
                "invalid type: string \"32\", expected usize",
                "invalid type: string \"32\", expected a whole number of 0 or more",
            ),
            (
                "invalid value: integer `70000`, expected u16",
                "invalid value: integer `70000`, expected a whole number from 0 to 65535",
            ),
            (
                "invalid type: string \"a\", expected f64",
                "invalid type: string \"a\", expected a number",
            ),
            ("one\n  and two\n", "one; and two"),
        ] {
            assert_eq!(in_our_words(message), words);
        }
    }
}
