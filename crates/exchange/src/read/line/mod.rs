//! What one line of a printed log says: who printed it, which epoch begins with it, how many batches
//! have passed, and its metrics by name.

mod grammar;
mod pairs;

use thaw_spec::{Metric, Split};

use self::grammar::{
    AVERAGE, BAR, BATCH, BATCHES_WITH_MEAN, BRACKET, BRACKETED, CLOSING, DECIMAL_COMMA, DURATION,
    END, GAP, HEADING, LEAD, MEAN, MENTION, NUMBERED, POINT, PREFIX, QUANTITY, RIGHT_ANSWERS,
    SPLIT_BEHIND, STEPS, WITHIN_NUMBER, WRAPPED,
};
pub(super) use self::pairs::{Form, Pair, Shortest, ends_in_number};
use self::pairs::{OF_OTHERS, Told, pairs};
use super::duration::duration;
use super::training::{is_epoch, is_step};
use crate::name::{is_split, metric, name, of_split};

/// What holds for all lines of a text.
#[derive(Clone, Copy, Debug)]
pub(in crate::read) struct Dialect {
    /// Whether any line has the word epoch.
    pub(in crate::read) names_epochs: bool,
    /// Whether `0,8821` is a number below 1.
    decimal_comma: bool,
    /// Whether a number in brackets behind another is the mean so far.
    shows_means: bool,
}

impl Dialect {
    pub(in crate::read) fn of(text: &str) -> Self {
        Self {
            names_epochs: text.to_lowercase().contains("epoch"),
            decimal_comma: DECIMAL_COMMA.is_match(text) && !POINT.is_match(text),
            shows_means: BATCHES_WITH_MEAN.is_match(text),
        }
    }
}

const NO_WHOLE_EPOCH: &str = "lines at no whole epoch are passed over";

/// The number of an epoch, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::read) struct Heading {
    pub(in crate::read) number: i64,
    pub(in crate::read) total: Option<u64>,
    /// Whether its words say that the epoch ends.
    pub(in crate::read) closes: bool,
}

/// What a line, or one state of a line that is drawn again, says.
#[derive(Clone, Debug, Default)]
pub(in crate::read) struct Line {
    /// The program that printed it, where several write into one log.
    pub(in crate::read) source: String,
    /// The split that its logger is named after: `[src.val]`.
    logger: Option<String>,
    pub(in crate::read) heading: Option<Heading>,
    /// Steps that have passed, of so many.
    pub(in crate::read) steps: Option<(u64, u64)>,
    /// Whether it is a bar that names its epoch, so that its last state counts.
    pub(in crate::read) is_bar: bool,
    /// Whether the values are those of a batch alone.
    pub(in crate::read) is_of_batch: bool,
    pub(in crate::read) pairs: Vec<Pair>,
    pub(in crate::read) seconds: Option<f64>,
    /// Whether a number begins it.
    pub(in crate::read) has_lead: bool,
    /// Whether the training ends here.
    pub(in crate::read) is_end: bool,
    /// Names beside its pairs that have no number that is understood.
    pub(in crate::read) unread: Vec<String>,
    /// Whether it has a metric's name and a number, and nothing that is understood.
    pub(in crate::read) is_unread: bool,
    /// The split that the lines after it are about, where it says nothing else.
    pub(in crate::read) section: Option<String>,
    /// What is not understood.
    pub(in crate::read) remark: Option<String>,
}

impl Line {
    /// Reads a state of a line; `section` is the split of the lines before it.
    pub(in crate::read) fn read(piece: &str, dialect: Dialect, section: Option<&str>) -> Self {
        let mut line = Self::default();
        let rest = line.without_prefixes(piece.trim());
        let Some(tail) = line.take_heading(rest) else { return line };
        let split = match line.heading {
            Some(_) => line.section.clone(),
            None => section.map(str::to_owned),
        };
        let split = split.or_else(|| line.logger.clone());
        let tail = WRAPPED.replace_all(tail, "$1");
        // `9843/10000` behind `Accuracy:` counts answers.
        let of_steps = RIGHT_ANSWERS.replace_all(&tail, "");
        line.steps = steps(&of_steps);
        let shows_mean = dialect.shows_means && MEAN.is_match(&tail);
        let tail = if shows_mean { MEAN.replace_all(&tail, "$2") } else { tail.clone() };
        let tail = AVERAGE.replace_all(&tail, "$1");
        let tail = SPLIT_BEHIND.replace_all(&tail, "$2 $1");
        let tail = GAP.replace_all(&tail, "$1 $2");
        let Told { pairs, unread, section, remark } = pairs(&tail, split, dialect);
        (line.pairs, line.unread, line.remark) = (pairs, unread, remark);
        if rest.starts_with("* ") {
            // What PyTorch's example for ImageNet says of the validation images.
            for pair in &mut line.pairs {
                pair.column = of_split(&pair.column, Some("val"));
            }
        }
        line.number_in_pairs(rest.starts_with('{'));
        line.number_in_brackets(rest, dialect);
        line.is_bar = line.heading.is_some() && BAR.is_match(rest);
        line.seconds = DURATION.captures(&tail).and_then(|found| duration(&found[1]));
        if line.tells_metric() {
            let is_bracketed = line.steps.is_some() && BRACKETED.is_match(&of_steps);
            let is_of_batch = BATCH.is_match(&of_steps) || is_bracketed && !BAR.is_match(rest);
            line.is_of_batch = is_of_batch && !shows_mean && !line.is_evaluated();
            if !shows_mean && line.steps.is_none() && MEAN.is_match(&tail) {
                line.remark = Some("numbers in brackets behind others are passed over".to_owned());
            }
            line.has_lead = has_lead(rest);
        } else {
            line.section = section.or(line.section);
            let is_bare = line.pairs.is_empty() && line.heading.is_none();
            line.is_end = is_bare && END.is_match(rest);
            line.is_unread = is_bare && QUANTITY.is_match(&tail);
        }
        line
    }

    /// Takes the heading, with the split that it names, and gives what stands behind it; nothing where
    /// the line only says something about an epoch, or belongs to no whole one.
    fn take_heading<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let Some(found) = HEADING.captures(line) else { return Some(line) };
        let end = found.get(0).map_or(0, |all| all.end());
        let behind = &line[end..];
        if MENTION.is_match(behind) {
            return None;
        }
        if WITHIN_NUMBER.is_match(behind) {
            self.remark = Some(NO_WHOLE_EPOCH.to_owned());
            return None;
        }
        let total = found.name("total").and_then(|total| total.as_str().parse().ok());
        let word = found.name("word").map_or("", |word| word.as_str());
        let number = found.name("number").or(found.name("zero"));
        // `Epochs: 30` is a setting.
        let is_setting = total.is_none() && word.eq_ignore_ascii_case("epochs");
        let number = number.and_then(|number| number.as_str().parse().ok());
        let Some(number) = number.filter(|_| !is_setting) else { return Some(line) };
        let before = found[0].to_lowercase();
        let ends = ["end of", "finished", "completed"].iter().any(|words| before.contains(words));
        let closes = ends || CLOSING.is_match(behind);
        self.heading = Some(Heading { number, total, closes });
        let words = found.name("split").map_or(&found[0], |split| split.as_str());
        let mut words = words.split(|sign: char| !sign.is_alphanumeric());
        self.section = words.find(|word| is_split(word)).map(str::to_owned);
        // timm's heading ends in the bracket of the steps.
        Some(if found.name("timm").is_some() { &line[end - 1..] } else { behind })
    }

    /// Takes an epoch's number without the word, where no line has the word: bjarten's
    /// `[1/8] train_loss: 0.88 valid_loss: 0.54`.
    fn number_in_brackets(&mut self, line: &str, dialect: Dialect) {
        if self.heading.is_some() || dialect.names_epochs || !self.is_evaluated() {
            return;
        }
        let Some(found) = BRACKET.captures(line) else { return };
        let (number, total) = (found[1].parse().ok(), found[2].parse().ok());
        self.heading = number.map(|number| Heading { number, total, closes: false });
        self.steps = None;
    }

    /// Takes off what stands before the line proper.
    fn without_prefixes<'a>(&mut self, line: &'a str) -> &'a str {
        let mut rest = line;
        while let Some(found) = PREFIX.captures(rest) {
            let end = found.get(0).map_or(0, |all| all.end());
            if let Some(task) = found.name("task") {
                // Slurm's `srun --label`.
                self.source = task.as_str().to_owned();
                rest = rest[task.end() + 1..].trim_start();
                continue;
            }
            if let (Some(level), Some(word)) = (found.name("level"), found.name("word"))
                && !is_logger(&rest[level.end()..word.start()], word.as_str(), &rest[word.end()..])
            {
                // `INFO:loss: 0.5`; `INFO - Step: 500`.
                rest = &rest[level.end()..];
                continue;
            }
            if let Some(logger) = found.name("word").or(found.name("logger")) {
                let split = split_of_logger(logger.as_str()).map(str::to_owned);
                self.logger = split.or(self.logger.take());
            }
            if let Some(source) = found.name("container").or(found.name("bracket")) {
                let source = source.as_str();
                if is_split(source) || NUMBERED.is_match(source) {
                    // `[Valid] loss: 0.5`; `Epoch1 | loss: 0.5`.
                    break;
                }
                match split_of_logger(source) {
                    Some(split) => self.logger = Some(split.to_owned()),
                    None => self.source = source.to_owned(),
                }
            }
            rest = &rest[end..];
        }
        rest
    }

    /// Takes the epoch out of the pairs: `Fold: 1 | Epoch: 3 | loss: 0.5`.
    /// Behind its metrics it is another's, as in `(best: 0.7, epoch: 2)`, but in a dictionary.
    fn number_in_pairs(&mut self, is_dictionary: bool) {
        let is_epoch = |pair: &Pair| pair.column.eq_ignore_ascii_case("epoch");
        let Some(place) = self.pairs.iter().position(is_epoch) else { return };
        let first = self.pairs.iter().position(|pair| metric(&pair.column).is_some());
        if !is_dictionary && first.is_some_and(|first| first < place) {
            return;
        }
        let epoch = self.pairs.remove(place).value;
        if !self.tells_metric() {
            return;
        }
        if epoch.fract() == 0.0 {
            self.heading = Some(Heading { number: epoch as i64, total: None, closes: false });
        } else {
            self.pairs.clear();
            self.remark = Some(NO_WHOLE_EPOCH.to_owned());
        }
    }

    /// Whether it has a metric.
    pub(in crate::read) fn tells_metric(&self) -> bool {
        self.pairs.iter().any(|pair| metric(&pair.column).is_some())
    }

    /// Whether it has a metric of images that the model does not train on.
    fn is_evaluated(&self) -> bool {
        let split = |pair: &Pair| metric(&pair.column).map(Metric::split);
        self.pairs.iter().any(|pair| split(pair).is_some_and(|split| split != Split::Train))
    }

    /// Whether its values are not those of a whole epoch.
    pub(in crate::read) fn is_partial(&self) -> bool {
        match self.steps {
            Some((at, of)) => at < of,
            None => self.is_of_batch,
        }
    }
}

/// The split that a logger such as `src.val` is named after.
fn split_of_logger(name: &str) -> Option<&str> {
    name.rsplit('.').next().filter(|word| is_split(word))
}

/// Whether a word behind a level and a separator names a logger, by what stands behind the word: the same
/// separator, and after a colon no blank.
fn is_logger(separator: &str, word: &str, behind: &str) -> bool {
    let is_set_apart = match separator {
        ":" => behind.starts_with(':') && !behind.starts_with(": "),
        _ => behind.starts_with(" - "),
    };
    is_set_apart && !begins_message(word)
}

/// Whether a word belongs to what is said.
fn begins_message(word: &str) -> bool {
    let lower = word.to_lowercase();
    let is_label = OF_OTHERS.contains(&lower.as_str()) || ["ep", "fold"].contains(&lower.as_str());
    is_label
        || is_split(word)
        || is_epoch(word)
        || is_step(word)
        || NUMBERED.is_match(word)
        || name(word).is_some()
}

/// Steps that have passed, of so many, in a line.
fn steps(line: &str) -> Option<(u64, u64)> {
    let found = STEPS.captures_iter(line).find(|found| {
        let start = found.get(1).map_or(0, |number| number.start());
        counts_steps(&line[..start])
    })?;
    let (at, of) = found[1].parse().ok().zip(found[2].parse().ok())?;
    let is_whole = found.get(3).is_some_and(|percent| percent.as_str() == "100");
    Some(if is_whole { (of, of) } else { (at, of) })
}

/// Whether a whole number begins a line, which is not that of a metric.
fn has_lead(line: &str) -> bool {
    LEAD.captures(line).is_some_and(|found| {
        !found[0].contains('.') && !is_split(&found[1]) && metric(&found[1]).is_none()
    })
}

/// Whether a fraction behind these words counts steps, and not attempts or right answers.
fn counts_steps(before: &str) -> bool {
    const COUNTED: [&str; 8] =
        ["step", "steps", "batch", "iter", "iteration", "it", "epoch", "images"];
    let before = before.trim_end_matches([' ', '\t', '(', ':']);
    let word = before.rsplit(|sign: char| !sign.is_alphanumeric()).next().unwrap_or_default();
    let word = word.to_lowercase();
    let is_word = word.chars().any(char::is_alphabetic);
    !is_word || COUNTED.contains(&word.as_str()) || is_split(&word)
}
