//! What one line of a printed log says: who printed it, which epoch begins with it, how many batches
//! have passed, and its metrics by name.

use std::sync::LazyLock;

use regex::Regex;
use thaw_spec::{Metric, Split};

use super::expression;
use crate::name::{is_split, mentions_metric, metric, name, of_split};

/// What stands before a line in the logs of containers, of logging libraries and of terminals; a
/// `source` tells several programs apart that write into one log.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?x)^(?:
            \[?\d{4}[-/]\d\d[-/]\d\d[T\s]+\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?
            | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?
            | \[?\b(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|NOTICE|SUCCESS|TRACE)\b\]?
            | (?:stdout|stderr)\s+[FP]\b
            | (?P<container>[\w.<>\[\]/-]+)\s+\|\s
            | [\w.<>]+:[\w.<>]+:\d+\b
            | (?:DEBUG|INFO|WARNING|ERROR):[\w.]+:
            | \w+\s(?:INFO|WARNING|ERROR):\s
            | (?:mm\w+|ignite[\w.]*)\s
            | \[(?P<bracket>[\w./:-]*[A-Za-z][\w./:-]*)\]\s
            | (?P<task>\d+):\s+(?:(?i:epoch)|\[)
            | [:|\s] | -\s
        )",
    )
});

/// A heading with the epoch's number and perhaps how many there are.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\[\#*=>(-]*(?:\d+/\d+\s*\*\s*)?
          (?:(?:start(?:ing)?|begin(?:ning)?|end|finished|completed|running|current|training|train|validation|validating|valid|val|testing|test
               |evaluation|evaluating|eval|of|the|results?|metrics|summary|statistics|fold\s*[:\#]?\s*\d+)[\s\]\[:|,-]+)*
          (?P<word>epochs|epoche?|ep\b)(?:\s*number|\s*no\.?)?(?:\s*\((?P<split>\w+)\))?[\s:=.\#\[(-]*(?P<number>\d+)\s*[\])]?(?:\s*(?:/|of|out\s+of)\s*(?P<total>\d+))?
          | ^(?P<timm>train):\s*(?P<zero>\d+)\s*\[",
    )
});

/// Behind the number: the line tells something about an epoch, but begins none.
static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\]:,.–-]*(?:
            (?:early\s+stopp|reduce|reducing|adjusting|restor|saving|saved|had|has|have|was|were|is|gave|best|no\s+improve|with\s+(?:the\s+)?(?:best|lowest|highest))
            | (?:\S+\s+){1,3}?(?:improved|did\s+not\s+improve|decreased|increased|reached)\b
        )",
    )
});

/// Behind the number: the epoch ends here.
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^[\s\]:,.–-]*(?:is\s+|has\s+)?(?:finished|done|completed?|took|ended|ends?|over)\b",
    )
});

/// Behind the number: it goes on, or is that of a bar.
static WITHIN_NUMBER: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:%|\.\d)"));

/// An epoch's number without the word, which may as well be a step's.
static BRACKET: LazyLock<Regex> = LazyLock::new(|| expression(r"^\[\s*(\d+)\s*/\s*(\d+)\s*\]"));

/// How many batches or images of an epoch have passed.
static STEPS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?:^|[\s\[(|])(\d+)\s*/\s*(\d+|Unknown)(?:\s*\(\s*(\d+)(?:\.\d+)?\s*%\s*\))?(?:[\s\])]|$)",
    )
});

/// A batch's number, also behind that of the epoch as in `[1,  2000] loss: 1.08`.
static BATCH: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:step|batch|iter|iteration)\b\s*[:\#=]?\s*\[?\s*\d+(?:[\s\],/|:;]|$)|^\[\s*\d+\s*,\s*\d+\s*\]",
    )
});

/// Right answers of so many.
static RIGHT_ANSWERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)\b(?:acc|accuracy|correct)\s*[:=]\s*\d+\s*/\s*\d+|%\s*\(\s*\d+\s*/\s*\d+\s*\)")
});

/// A bar of tqdm's.
static BAR: LazyLock<Regex> = LazyLock::new(|| expression(r"\d%\|"));

/// A batch's value with the mean so far behind it, as PyTorch's examples print them.
static MEAN: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*\(\s*([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*\)")
});

/// A name with its number far behind.
static GAP: LazyLock<Regex> = LazyLock::new(|| expression(r"([A-Za-z]@?\d?[:=]?)\s{2,}([-+]?\d)"));

/// A number within its type, as Python shows it.
static WRAPPED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:tensor|array|(?:np\.|numpy\.)?float\d*)\(\[?\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*\]?(?:,[^)]*)?\)",
    )
});

/// What stands between a line's items.
static SEPARATOR: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\s[-–—]\s|,\s|[|;\t\[\](){}]|\s{2,}"));

/// What an item is made of.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r#"(?x)
        (?:(?P<number>[-+]?(?:\d{1,3}(?:,\d{3})+\.\d+|\d+,\d+|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:/\d+)?|\b(?i:nan|inf|infinity)\b)(?P<percent>\s?%)?)
        | (?P<word>[A-Za-z_][\w/@.-]*)
        | (?P<is>[:=])
        "#,
    )
});

/// A number with a decimal point that stands for itself.
static POINT: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?:^|[\s:=(])[-+]?\d*\.\d+(?:[eE][-+]?\d+)?%?(?:[\s,;)\]]|$)"));

/// A duration of Keras': `20s`, not `317ms/step`.
static SECONDS: LazyLock<Regex> = LazyLock::new(|| expression(r"(?:^|\s)(\d+(?:\.\d+)?)s(?:\s|$)"));

/// What holds for all lines of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Whether any line has the word epoch.
    pub(super) names_epochs: bool,
    /// Whether `0,8821` is a number below 1.
    decimal_comma: bool,
}

impl Dialect {
    pub(super) fn of(text: &str) -> Self {
        Self {
            names_epochs: text.to_lowercase().contains("epoch"),
            decimal_comma: !POINT.is_match(text),
        }
    }
}

/// A value by its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) column: String,
    pub(super) value: f64,
    pub(super) is_percent: bool,
    /// Digits behind the point.
    pub(super) decimals: usize,
}

/// The number of an epoch, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heading {
    pub(super) number: i64,
    pub(super) total: Option<u64>,
    /// Whether its words say that the epoch ends.
    pub(super) closes: bool,
}

/// What a line, or one state of a line that is drawn again, says.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The program that printed it, where several write into one log.
    pub(super) source: String,
    pub(super) heading: Option<Heading>,
    /// Steps that have passed, of so many.
    pub(super) steps: Option<(u64, u64)>,
    /// Whether it is a bar that names its epoch, so that its last state counts.
    pub(super) is_bar: bool,
    /// Whether the values are those of a batch alone.
    pub(super) is_of_batch: bool,
    pub(super) pairs: Vec<Pair>,
    pub(super) seconds: Option<f64>,
    /// The split that the lines after it are about, where it says nothing else.
    pub(super) section: Option<String>,
    /// What is not understood.
    pub(super) remark: Option<String>,
}

impl Line {
    /// Reads a state of a line; `section` is the split of the lines before it.
    pub(super) fn read(piece: &str, dialect: Dialect, section: Option<&str>) -> Self {
        let mut line = Self::default();
        let rest = line.without_prefixes(piece.trim());
        let mut tail = rest;
        let mut split = section.map(str::to_owned);
        if let Some(found) = HEADING.captures(rest) {
            let number = found.name("number").or(found.name("zero"));
            let words = found.name("split").map_or(&found[0], |split| split.as_str());
            let behind = &rest[found.get(0).map_or(0, |all| all.end())..];
            let is_whole = !WITHIN_NUMBER.is_match(behind);
            let total = found.name("total").and_then(|total| total.as_str().parse().ok());
            // `Epochs: 30` is a setting.
            let is_setting = total.is_none()
                && found
                    .name("word")
                    .is_some_and(|word| word.as_str().eq_ignore_ascii_case("epochs"));
            if MENTION.is_match(behind) {
                return line;
            }
            if !is_whole {
                line.remark = Some("lines at no whole epoch are passed over".to_owned());
                return line;
            }
            if let (Some(number), false) =
                (number.and_then(|number| number.as_str().parse().ok()), is_setting)
            {
                split = words
                    .split(|sign: char| !sign.is_alphanumeric())
                    .find(|word| is_split(word))
                    .map(str::to_owned);
                let before = found[0].to_lowercase();
                let closes = CLOSING.is_match(behind)
                    || ["end of", "finished", "completed"]
                        .iter()
                        .any(|words| before.contains(words));
                line.heading = Some(Heading { number, total, closes });
                line.section = split.clone();
                tail =
                    if found.name("timm").is_some() { &rest[found[0].len() - 1..] } else { behind };
            }
        }
        let tail = WRAPPED.replace_all(tail, "$1");
        // `9843/10000` behind `Accuracy:` counts answers.
        let of_steps = RIGHT_ANSWERS.replace_all(&tail, "").into_owned();
        let mut shows_mean = false;
        if let Some(found) = STEPS.captures(&of_steps) {
            line.steps = found[1].parse().ok().zip(found[2].parse().ok());
            if found.get(3).is_some_and(|percent| percent.as_str() == "100") {
                line.steps = line.steps.map(|(_, of)| (of, of));
            }
            shows_mean = MEAN.is_match(&tail);
        }
        let tail =
            if shows_mean { MEAN.replace_all(&tail, "$2").into_owned() } else { tail.into_owned() };
        let tail = GAP.replace_all(&tail, "$1 $2");
        let told = pairs(&tail, split, dialect);
        line.pairs = told.pairs;
        line.remark = told.remark;
        if rest.starts_with("* ") {
            // What PyTorch's example for ImageNet says of the validation images.
            for pair in &mut line.pairs {
                pair.column = of_split(&pair.column, Some("val"));
            }
        }
        line.number_in_pairs();
        if line.heading.is_none() && !dialect.names_epochs && line.is_evaluated() {
            // bjarten's `[1/8] train_loss: 0.88 valid_loss: 0.54`.
            if let Some(found) = BRACKET.captures(rest) {
                let (number, total) = (found[1].parse().ok(), found[2].parse().ok());
                line.heading = number.map(|number| Heading { number, total, closes: false });
                line.steps = None;
            }
        }
        line.is_bar = line.heading.is_some() && BAR.is_match(rest);
        let tells_metric = line.tells_metric();
        line.is_of_batch =
            tells_metric && !shows_mean && !line.is_evaluated() && BATCH.is_match(&of_steps);
        line.seconds = SECONDS.captures(&tail).and_then(|found| found[1].parse().ok());
        if !tells_metric {
            line.section = told.section.or(line.section);
        }
        line
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
            if let Some(source) = found.name("container").or(found.name("bracket")) {
                let source = source.as_str();
                if source.split(|sign: char| !sign.is_alphanumeric()).any(is_split) {
                    // `[Valid] loss: 0.5`.
                    break;
                }
                self.source = source.to_owned();
            }
            rest = &rest[end..];
        }
        rest
    }

    /// Takes the epoch out of the pairs: `Fold: 1 | Epoch: 3 | loss: 0.5`.
    fn number_in_pairs(&mut self) {
        let is_epoch = |pair: &Pair| pair.column.eq_ignore_ascii_case("epoch");
        let Some(place) = self.pairs.iter().position(is_epoch) else { return };
        let epoch = self.pairs.remove(place).value;
        if !self.tells_metric() {
            return;
        }
        if epoch.fract() == 0.0 {
            self.heading = Some(Heading { number: epoch as i64, total: None, closes: false });
        } else {
            self.pairs.clear();
            self.remark = Some("lines at no whole epoch are passed over".to_owned());
        }
    }

    /// Whether it has a metric.
    pub(super) fn tells_metric(&self) -> bool {
        self.pairs.iter().any(|pair| metric(&pair.column).is_some())
    }

    /// Whether it has a metric of images that the model does not train on.
    fn is_evaluated(&self) -> bool {
        let split = |pair: &Pair| metric(&pair.column).map(Metric::split);
        self.pairs.iter().any(|pair| split(pair).is_some_and(|split| split != Split::Train))
    }

    /// Whether its values are not those of a whole epoch.
    pub(super) fn is_partial(&self) -> bool {
        match self.steps {
            Some((at, of)) => at < of,
            None => self.is_of_batch,
        }
    }
}

/// What [`pairs`] finds.
#[derive(Default)]
struct Told {
    pairs: Vec<Pair>,
    section: Option<String>,
    remark: Option<String>,
}

/// Words before a colon that say that what follows is not of this epoch, or of another model.
const OF_OTHERS: [&str; 6] = ["best", "ema", "swa", "previous", "final", "overall"];

/// The names and numbers in a piece of a line. A number ends where it ends, whatever an older,
/// longer line left behind it; what stands there twice is such a rest, and the first counts. A `split`
/// that stood before is that of the names that state none.
fn pairs(piece: &str, mut split: Option<String>, dialect: Dialect) -> Told {
    let mut told = Told::default();
    // The quantity of `loss train 0.5 valid 0.6`, and the label of `best: val loss 0.4`.
    let mut quantity: Option<String> = None;
    let mut label: Option<String> = None;
    for item in SEPARATOR.split(piece) {
        let mut words: Vec<&str> = Vec::new();
        let mut said = false;
        for token in TOKEN.captures_iter(item) {
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
                let Some(value) = value(number.as_str(), &phrase, dialect) else {
                    if number.as_str().contains(',') && metric(&phrase).is_some() {
                        told.remark = Some(format!(
                            "`{phrase}` has a comma in its numbers, which may part thousands or decimals: passed over"
                        ));
                    }
                    continue;
                };
                let of_phrase = phrase.split(' ').find(|word| is_split(word));
                if let Some(word) = of_phrase {
                    split = Some(word.to_owned());
                    let others = phrase.split(' ').filter(|other| *other != word);
                    quantity = Some(others.collect::<Vec<_>>().join(" "))
                        .filter(|_| metric(&phrase).is_some());
                }
                let column = match &label {
                    Some(label) => format!("{label} {phrase}"),
                    None => of_split(&phrase, split.as_deref()),
                };
                if !told.pairs.iter().any(|known| known.column == column) {
                    let digits = number.as_str().split_once(['.', ',']);
                    let decimals = digits.map_or(0, |(_, behind)| {
                        behind.chars().take_while(char::is_ascii_digit).count()
                    });
                    told.pairs.push(Pair {
                        column,
                        value,
                        is_percent: token.name("percent").is_some(),
                        decimals,
                    });
                }
            }
        }
        // `Validation - loss: 0.5`.
        split = lone_split(&words).map(str::to_owned).or(split);
        if let Some(only) = lone_split(&words) {
            told.section = Some(only.to_owned());
        }
    }
    // `Test Error:` at the end.
    if told.pairs.iter().all(|pair| metric(&pair.column).is_none()) {
        told.section = told.section.or(split);
    }
    told
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

/// A number, or right answers of so many.
fn value(text: &str, phrase: &str, dialect: Dialect) -> Option<f64> {
    if let Some((right, of)) = text.split_once('/') {
        let is_accuracy = metric(phrase).is_some_and(Metric::is_accuracy);
        let (right, of): (f64, f64) = (right.parse().ok()?, of.parse().ok()?);
        return (is_accuracy && of > 0.0).then_some(right / of);
    }
    if text.contains(',') && text.contains('.') {
        return text.replace(',', "").parse().ok();
    }
    if text.contains(',') {
        return dialect.decimal_comma.then(|| text.replace(',', ".").parse().ok()).flatten();
    }
    text.parse().ok()
}
