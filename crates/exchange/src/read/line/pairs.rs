//! The names and numbers of a line.

use std::collections::BTreeSet;

use thaw_spec::Metric;

use super::Dialect;
use super::grammar::{ARROW, GOES_ON, SEPARATOR, THOUSANDS, TOKEN};
use crate::name::{is_duration, is_split, mentions_metric, metric, name, of_split};
use crate::read::duration::{goes_on, leading};

/// A value by its name.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::read) struct Pair {
    pub(in crate::read) column: String,
    pub(in crate::read) value: f64,
    pub(in crate::read) is_percent: bool,
    pub(in crate::read) form: Form,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::read) struct Form {
    whole_digits: usize,
    decimals: usize,
    has_exponent: bool,
}

impl Form {
    pub(in crate::read) fn of(text: &str) -> Self {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let text = text.trim_start_matches(['-', '+']);
        let decimals = text.split_once(['.', ',']).map_or(0, |(_, behind)| digits(behind));
        Self { whole_digits: digits(text), decimals, has_exponent: text.contains(['e', 'E']) }
    }
}

/// The shortest form of a column's numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::read) struct Shortest {
    form: Option<Form>,
}

impl Shortest {
    pub(in crate::read) fn add(&mut self, other: Form) {
        let form = self.form.get_or_insert(other);
        form.whole_digits = form.whole_digits.min(other.whole_digits);
        form.decimals = form.decimals.min(other.decimals);
        form.has_exponent &= other.has_exponent;
    }

    /// Whether the end of a number was cut off: it is shorter than all others, or the first of its
    /// column, where nothing tells how long it should be, and has no point.
    pub(in crate::read) fn is_cut(self, number: Form) -> bool {
        self.form.map_or(number.decimals == 0, |shortest| {
            number.whole_digits < shortest.whole_digits
                || number.decimals < shortest.decimals
                || !number.has_exponent && shortest.has_exponent
        })
    }
}

/// Whether a text ends within a number, or behind one.
pub(in crate::read) fn ends_in_number(text: &str) -> bool {
    text.ends_with(|sign: char| sign.is_ascii_digit() || ".,eE+-".contains(sign))
}

/// Numbers of a line that are read.
const MOST_PAIRS: usize = 1000;

/// What [`pairs`] finds.
#[derive(Default)]
pub(super) struct Told {
    pub(super) pairs: Vec<Pair>,
    /// Names without a number that is understood.
    pub(super) unread: Vec<String>,
    pub(super) section: Option<String>,
    pub(super) remark: Option<String>,
}

/// Words before a colon that say that what follows is not of this epoch, or of another model.
pub(super) const OF_OTHERS: [&str; 6] = ["best", "ema", "swa", "previous", "final", "overall"];

/// The names and numbers in a piece of a line. A number ends where it ends, whatever an older,
/// longer line left behind it; what stands there twice is such a rest, and the first counts. A `split`
/// that stood before is that of the names that state none.
pub(super) fn pairs(piece: &str, mut split: Option<String>, dialect: Dialect) -> Told {
    let mut told = Told::default();
    let before = split.clone();
    // The quantity of `loss train 0.5 valid 0.6`, and the label of `best: val loss 0.4`.
    let mut quantity: Option<String> = None;
    let mut label: Option<String> = None;
    let (mut stated, mut named) = (BTreeSet::new(), BTreeSet::new());
    for item in SEPARATOR.split(piece) {
        let mut words: Vec<&str> = Vec::new();
        let mut said = false;
        // What stands before this place is read, or passed over with the number that it is glued to.
        let mut done = 0;
        for token in TOKEN.captures_iter(item) {
            if token.get(0).is_some_and(|all| all.start() < done) {
                continue;
            }
            if let Some(word) = token.name("word") {
                if said {
                    if words.iter().any(|word| OF_OTHERS.contains(&&*word.to_lowercase())) {
                        label = Some(words.join(" "));
                    }
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
                let end = token.get(0).map_or(0, |all| all.end());
                if !said && is_of_name(&words, number.as_str(), &item[end..]) {
                    words.push(number.as_str());
                    continue;
                }
                let phrase = match &quantity {
                    Some(quantity) if words.len() == 1 && is_split(words[0]) && !said => {
                        format!("{} {quantity}", words[0])
                    }
                    _ => words.join(" "),
                };
                words.clear();
                let stands = said || name(&phrase).is_some() || mentions_metric(&phrase);
                said = false;
                if !stands || phrase.is_empty() {
                    continue;
                }
                let behind = &item[end..];
                let is_whole = number.as_str().bytes().all(|sign| sign.is_ascii_digit());
                if metric(&phrase).is_some()
                    && (ARROW.is_match(behind)
                        || GOES_ON.is_match(behind)
                        || is_whole && THOUSANDS.is_match(behind))
                {
                    done = end + 1;
                    told.remark = Some(format!(
                        "`{phrase}` has two numbers, or one that is not understood: passed over"
                    ));
                    continue;
                }
                let value = if is_duration(&phrase) {
                    let seconds = seconds(&item[number.start()..], number.as_str(), dialect);
                    done = seconds.map_or(end + 1, |(_, length)| number.start() + length);
                    seconds.map(|(seconds, _)| seconds)
                } else {
                    value(number.as_str(), &phrase, dialect)
                };
                let Some(value) = value else {
                    if is_duration(&phrase) {
                        told.remark = Some(format!(
                            "`{phrase}` has a number or a unit that is not understood: passed over"
                        ));
                    }
                    if number.as_str().contains('/') && metric(&phrase).is_some() {
                        told.remark = Some(format!(
                            "`{phrase}` has two numbers parted by a slash: passed over"
                        ));
                    }
                    if number.as_str().contains(',') && metric(&phrase).is_some() {
                        told.remark = Some(format!(
                            "`{phrase}` has a comma in its numbers, which may part thousands or decimals: passed over"
                        ));
                    }
                    continue;
                };
                let of_phrase = phrase.split(' ').find(|word| is_split(word));
                let bare = phrase.to_lowercase();
                if let Some(word) = of_phrase {
                    stated.insert(word.to_lowercase());
                    split = Some(word.to_owned());
                    let others = phrase.split(' ').filter(|other| *other != word);
                    quantity = Some(others.collect::<Vec<_>>().join(" "))
                        .filter(|_| metric(&phrase).is_some());
                }
                let column = match &label {
                    Some(label) => format!("{label} {phrase}"),
                    // `Val loss: 1.2, Train loss: 1.0, Acc: 0.57` does not say whose accuracy it is.
                    None if of_phrase.is_none() && stated.len() > 1 && !named.contains(&bare) => {
                        phrase.clone()
                    }
                    None => of_split(&phrase, split.as_deref()),
                };
                named.insert(bare);
                if told.pairs.len() == MOST_PAIRS {
                    told.remark = Some(format!(
                        "a line has more than {MOST_PAIRS} numbers: the others are passed over"
                    ));
                    return told;
                }
                if !told.pairs.iter().any(|known| known.column == column) {
                    told.pairs.push(Pair {
                        column,
                        value,
                        is_percent: token.name("percent").is_some(),
                        form: Form::of(number.as_str()),
                    });
                }
            }
        }
        // `val acc (top1/top5): 0.5/0.6`, `loss: [0.5, 0.6]`.
        let rest = words.join(" ");
        if metric(&rest).is_some() || mentions_metric(&rest) {
            split =
                words.iter().find(|word| is_split(word)).map(|word| (*word).to_owned()).or(split);
            told.unread.push(rest);
        }
        // `Validation - loss: 0.5`.
        split = lone_split(&words).map(str::to_owned).or(split);
        if let Some(only) = lone_split(&words) {
            told.section = Some(only.to_owned());
        }
    }
    // `Test Error:` at the end.
    if told.pairs.iter().all(|pair| metric(&pair.column).is_none()) {
        told.section = told.section.or(split.filter(|split| before.as_ref() != Some(split)));
    }
    told
}

/// Words behind which a number says which of several.
const NUMBERED: [&str; 5] = ["top", "class", "task", "head", "output"];

/// Whether a number is a part of the name that the words before it begin, as in `Acc 1: 70.1` and
/// `top 5 acc: 0.97`.
fn is_of_name(words: &[&str], number: &str, behind: &str) -> bool {
    let phrase = words.join(" ");
    let is_said_behind = behind.trim_start().starts_with([':', '='])
        && (metric(&phrase).is_some() || mentions_metric(&phrase));
    let is_numbered =
        words.last().is_some_and(|word| NUMBERED.contains(&word.to_lowercase().as_str()));
    number.bytes().all(|sign| sign.is_ascii_digit()) && (is_said_behind || is_numbered)
}

/// Words that a heading for a split may have besides it.
const ABOUT_SPLIT: [&str; 19] = [
    "set",
    "phase",
    "step",
    "results",
    "result",
    "metrics",
    "loader",
    "data",
    "error",
    "errors",
    "performance",
    "begin",
    "begins",
    "start",
    "started",
    "starting",
    "epoch",
    "the",
    "model",
];

/// The split that words are about, where they say nothing else: `Test set`.
fn lone_split<'a>(words: &[&'a str]) -> Option<&'a str> {
    let word = |word: &&'a str| word.trim_end_matches('.');
    let others = |word: &&str| !ABOUT_SPLIT.contains(&&*word.to_lowercase());
    let splits: Vec<&str> = words.iter().map(word).filter(others).collect();
    match splits[..] {
        [only] if is_split(only) => Some(only),
        _ => None,
    }
}

/// The seconds of a duration that begins with a number, and its length; nothing where the number goes
/// on in an unknown unit.
fn seconds(text: &str, number: &str, dialect: Dialect) -> Option<(f64, usize)> {
    let with_points = text.replace(',', ".");
    leading(if dialect.decimal_comma { &with_points } else { text }).or_else(|| {
        let seconds = value(number, "", dialect).filter(|_| !goes_on(&text[number.len()..]))?;
        Some((seconds, number.len()))
    })
}

/// A number, or right answers of so many.
fn value(text: &str, phrase: &str, dialect: Dialect) -> Option<f64> {
    if let Some((right, of)) = text.split_once('/') {
        let is_accuracy = metric(phrase).is_some_and(Metric::is_accuracy);
        let (right, of): (u32, u32) = (right.parse().ok()?, of.parse().ok()?);
        return (is_accuracy && of > 0 && right <= of).then(|| f64::from(right) / f64::from(of));
    }
    if text.contains(',') && text.contains('.') {
        return text.replace(',', "").parse().ok();
    }
    if text.contains(',') {
        return dialect.decimal_comma.then(|| text.replace(',', ".").parse().ok()).flatten();
    }
    text.parse().ok()
}
