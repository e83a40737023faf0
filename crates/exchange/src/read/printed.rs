//! What a program prints while it trains. Keras: `Epoch 3/30`, then a line with the metrics, redrawn by
//! backspaces or carriage returns as batches pass. Loops written by hand: a heading such as `Epoch 0/7`,
//! `Epoch [1/8]` or `epoch 3:` and metrics such as `train Loss: 0.88 Acc: 0.57`, in whatever order.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use thaw_spec::Metric;

use super::expression;
use super::training::{Again, Training, is_of_validation, number};
use crate::name::{is_split, metric, name, of_split};

/// What stands before a line in the logs of containers, of logging libraries and of terminals.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?x)^(?:
            \[?\d{4}[-/]\d\d[-/]\d\d[T\s]+\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?
            | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?
            | \[?\b(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|NOTICE|SUCCESS|TRACE)\b\]?
            | (?:stdout|stderr)\s+[FP]\b
            | [\w.<>\[\]/-]+\s+\|\s
            | [\w.<>]+:[\w.<>]+:\d+\b
            | (?:DEBUG|INFO|WARNING|ERROR):[\w.]+:
            | \[[\w./:-]*[A-Za-z][\w./:-]*\]\s
            | [:|\s] | -\s
        )",
    )
});

/// A heading with the epoch's number and perhaps how many there are.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\[\#*=>-]*(?:(?:start(?:ing)?|begin(?:ning)?|end|running|training|train|validation|valid|val|test|eval|of|the)\s+)*
          epoch(?:\s*number|\s*no\.?)?[\s:=\#\[(]*(\d+)[\])]?(?:\s*(?:/|of)\s*(\d+))?",
    )
});

/// How many batches or images of an epoch have passed.
static STEPS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?:^|[\s\[(|])(\d+)\s*/\s*(\d+|Unknown)(?:[\s\])]|$)"));

/// Right answers of so many.
static RIGHT_ANSWERS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)\b(?:acc|accuracy|correct)\s*[:=]\s*\d+\s*/\s*\d+"));

/// What stands between a line's items.
static SEPARATOR: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\s[-–—]\s|,\s|[|;\t\[\](){}]|\s{2,}"));

/// What an item is made of.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r#"(?x)
        (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:/\d+)?|\b(?i:nan|inf|infinity)\b)
        | (?P<word>[A-Za-z_][\w/@.-]*)
        | (?P<is>[:=])
        "#,
    )
});

/// A duration of Keras': `20s`, not `317ms/step`.
static SECONDS: LazyLock<Regex> = LazyLock::new(|| expression(r"(?:^|\s)(\d+(?:\.\d+)?)s(?:\s|$)"));

/// Metrics of a line by name, in its order.
type Pairs = Vec<(String, f64)>;

/// The trainings that a text tells.
pub(super) fn trainings(text: &str, place: &str, may_lack_headings: bool) -> Vec<Training> {
    let plain = anstream::adapter::strip_str(text).to_string();
    let mut reader = Reader::default();
    for line in plain.split('\n') {
        for piece in line.split(['\r', '\u{8}']).filter(|piece| !piece.trim().is_empty()) {
            reader.piece(piece);
        }
        reader.flush();
    }
    // Where a heading was not understood, lines are no epochs.
    let names_epochs = plain.to_lowercase().contains("epoch");
    reader.finish(place, may_lack_headings && !names_epochs)
}

#[derive(Default)]
struct Reader {
    trainings: Vec<Training>,
    /// What the pieces of the current line told: the last of each name, and whether it was redrawn.
    line: Pairs,
    redrawn: bool,
    steps: Option<(u64, u64)>,
    seconds: Option<f64>,
    /// Steps of a whole epoch of the current training.
    whole_epoch: Option<u64>,
    /// Steps of the last line of the current epoch.
    reached: Option<(u64, u64)>,
    /// Columns of lines that tell a whole epoch.
    of_fit: BTreeSet<String>,
    /// Lines before any heading.
    headless: Vec<Pairs>,
}

impl Reader {
    fn piece(&mut self, piece: &str) {
        let mut rest = piece.trim();
        while let Some(prefix) = PREFIX.find(rest) {
            rest = &rest[prefix.end()..];
        }
        let mut of_tail = rest;
        let mut split = None;
        let heading = HEADING.captures(rest).and_then(|found| {
            split = found[0].split_whitespace().find(|word| is_split(word)).map(str::to_owned);
            let number = found[1].parse().ok()?;
            let total = found.get(2).and_then(|total| total.as_str().parse().ok());
            of_tail = &rest[found.get(0)?.end()..];
            Some((number, total))
        });
        if let Some((number, total)) = heading {
            self.flush();
            self.enter(number, total);
        }
        let mut pairs = pairs(of_tail, split);
        if rest.starts_with("* ") {
            // What PyTorch's example for ImageNet says of the validation images.
            pairs.iter_mut().for_each(|(column, _)| *column = of_split(column, Some("val")));
        }
        if let Some(place) = pairs.iter().position(|(name, _)| name.eq_ignore_ascii_case("epoch")) {
            let (_, epoch) = pairs.remove(place);
            if pairs.iter().any(|(column, _)| metric(column).is_some()) {
                if epoch.fract() != 0.0 {
                    return;
                }
                self.flush();
                self.enter(epoch as i64, None);
            }
        }
        // `9843/10000` behind `Accuracy:` counts answers.
        let of_steps = RIGHT_ANSWERS.replace_all(of_tail, "");
        let steps = STEPS
            .captures(&of_steps)
            .and_then(|found| Some((found[1].parse().ok()?, found[2].parse().ok()?)));
        if !pairs.iter().any(|(column, _)| metric(column).is_some()) {
            return;
        }
        let is_partial = steps.is_some_and(|(at, of): (u64, u64)| at < of)
            && !pairs.iter().any(|(column, _)| is_of_validation(column));
        self.reached = steps.or(self.reached);
        if is_partial {
            // Values of batches; the names alone are told.
            if let Some(training) = self.trainings.last_mut() {
                pairs.iter().for_each(|(column, _)| training.column(column));
            }
            return;
        }
        self.seconds =
            SECONDS.captures(of_tail).and_then(|found| found[1].parse().ok()).or(self.seconds);
        self.redrawn |= !self.line.is_empty();
        self.steps = steps.or(self.steps);
        for (column, value) in pairs {
            match self.line.iter_mut().find(|(known, _)| *known == column) {
                Some(known) => known.1 = value,
                None => self.line.push((column, value)),
            }
        }
    }

    fn enter(&mut self, number: i64, total: Option<u64>) {
        let begins =
            self.trainings.last().is_none_or(|training| training.ends_before(number, total));
        if begins {
            self.trainings.push(Training::default());
            self.whole_epoch = None;
        }
        if let Some(training) = self.trainings.last_mut() {
            if training.current() != Some(number) {
                self.reached = None;
            }
            training.enter(number, total);
        }
    }

    /// Hands over what a whole line told.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        let steps = self.steps.take();
        let seconds = self.seconds.take();
        let redrawn = std::mem::take(&mut self.redrawn);
        if line.is_empty() {
            return;
        }
        let Some(training) = self.trainings.last_mut() else {
            self.headless.push(line);
            return;
        };
        let is_validated = line.iter().any(|(column, _)| is_of_validation(column));
        let stands_again = line.iter().any(|(column, _)| training.has(column));
        let is_of_fit = line.iter().all(|(column, _)| self.of_fit.contains(column));
        let another_count =
            steps.is_some_and(|(_, of)| self.whole_epoch.is_some_and(|whole| whole != of));
        // What `evaluate` prints after `fit` looks like an epoch's line.
        if stands_again && !is_validated && is_of_fit && (training.is_validated() || another_count)
        {
            let names: Vec<String> = line.iter().map(|(column, _)| format!("`{column}`")).collect();
            let number = training.current().unwrap_or_default();
            training.remarks.push(format!(
                "a line with {} after that of epoch {number} is an evaluation: passed over",
                names.join(", ")
            ));
            return;
        }
        if is_validated || steps.is_some() {
            self.of_fit.extend(line.iter().map(|(column, _)| column.clone()));
        }
        self.whole_epoch = self.whole_epoch.or(steps.map(|(_, of)| of));
        self.reached = self.reached.filter(|(at, of)| at == of);
        let again = if steps.is_some() || redrawn { Again::Replaces } else { Again::Adds };
        for (column, value) in line {
            training.put(&column, value, again);
        }
        if let Some(seconds) = seconds {
            training.put_seconds(seconds);
        }
    }

    fn finish(mut self, place: &str, may_lack_headings: bool) -> Vec<Training> {
        if self.trainings.is_empty() && may_lack_headings && self.headless.len() > 1 {
            let counted = self.counted();
            self.trainings.push(counted);
        }
        self.trainings.retain(Training::has_epochs);
        if let (Some(training), Some((at, of))) =
            (self.trainings.last_mut(), self.reached.filter(|(at, of)| at < of))
        {
            training.remarks.push(format!("the log ends at step {at} of {of}"));
        }
        number(&mut self.trainings, place);
        self.trainings
    }

    /// Lines without headings, counted.
    fn counted(&mut self) -> Training {
        let mut training = Training::default();
        for (number, line) in (1..).zip(std::mem::take(&mut self.headless)) {
            training.enter(number, None);
            for (column, value) in line {
                training.put(&column, value, Again::Adds);
            }
        }
        training.remarks.push("no epoch has a number in it: its lines are counted".to_owned());
        training
    }
}

/// The names and numbers in a piece of a line. A number ends where it ends, whatever an older,
/// longer line left behind it; what stands there twice is such a rest, and the first counts. A `split`
/// that stood before is that of the names that state none.
fn pairs(piece: &str, mut split: Option<String>) -> Pairs {
    let mut pairs = Pairs::new();
    for item in SEPARATOR.split(piece) {
        let mut words: Vec<&str> = Vec::new();
        let mut said = false;
        for token in TOKEN.captures_iter(item) {
            if let Some(word) = token.name("word") {
                if said {
                    words.clear();
                }
                said = false;
                words.push(word.as_str());
            } else if token.name("is").is_some() {
                if let Some(only) = lone_split(&words) {
                    split = Some(only.to_owned());
                    words.clear();
                } else {
                    said = !words.is_empty();
                }
            } else if let Some(number) = token.name("number") {
                let phrase = words.join(" ");
                words.clear();
                let stands = said || name(&phrase).is_some();
                said = false;
                let Some(value) =
                    value(number.as_str(), &phrase).filter(|_| stands && !phrase.is_empty())
                else {
                    continue;
                };
                if let Some(word) = phrase.split(' ').find(|word| is_split(word)) {
                    split = Some(word.to_owned());
                }
                let column = of_split(&phrase, split.as_deref());
                if !pairs.iter().any(|(known, _)| *known == column) {
                    pairs.push((column, value));
                }
            }
        }
        // `Validation - loss: 0.5`.
        split = lone_split(&words).map(str::to_owned).or(split);
    }
    pairs
}

/// The split that words are about, where they say nothing else: `Test set`.
fn lone_split<'a>(words: &[&'a str]) -> Option<&'a str> {
    let others = ["set", "phase", "step", "results", "metrics", "loader", "data"];
    let splits: Vec<&str> =
        words.iter().copied().filter(|word| !others.contains(&&*word.to_lowercase())).collect();
    match splits[..] {
        [only] if is_split(only) => Some(only),
        _ => None,
    }
}

/// A number, or right answers of so many.
fn value(text: &str, phrase: &str) -> Option<f64> {
    let Some((right, of)) = text.split_once('/') else { return text.parse().ok() };
    let is_accuracy = metric(phrase).is_some_and(Metric::is_accuracy);
    let (right, of): (f64, f64) = (right.parse().ok()?, of.parse().ok()?);
    (is_accuracy && of > 0.0).then_some(right / of)
}
