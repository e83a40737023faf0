//! What one line of a printed log says: who printed it, which epoch begins with it, how many batches
//! have passed, and its metrics by name.

use std::collections::BTreeSet;
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
            | \d\d/\d\d/\d{4}\s+\d\d:\d\d:\d\d(?:[.,]\d+)?
            | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?
            | [IWEF]\d{4}\s+\d\d:\d\d:\d\d(?:\.\d+)?\s+\d+\s+[\w./-]+:\d+\]
            | [A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d\s\S+\s[\w./-]+(?:\[\d+\])?:\s
            | \[\w+\]\[(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\]
            | \[?\b(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|NOTICE|SUCCESS|TRACE)\b\]?
            | (?:stdout|stderr)\s+[FP]\b
            | (?P<container>[\w.<>\[\]/-]+)\s+\|\s
            | [\w.<>]+:[\w.<>]+:\d+\b
            | (?:DEBUG|INFO|WARNING|ERROR):[\w.]+:
            | \w+\s(?:INFO|WARNING|ERROR):\s
            | (?:mm\w+|ignite[\w.]*|__main__)\s
            | \[(?P<bracket>[\w./:-]*[A-Za-z][\w./:-]*)\]
            | (?P<task>\d+):\s+(?:(?i:epoch)|\[)
            | [┌│└]\s*(?:Info:)?
            | [\p{So}\x{FE0F}]
            | [:|\s] | -\s
        )",
    )
});

/// A heading with the epoch's number and perhaps how many there are.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\[\#*=>(-]*(?:\d+/\d+\s*\*\s*)?
          (?:(?:start(?:ing)?|begin(?:ning)?|end|finished|completed|running|current|training|train|validation|validating|valid|val|testing|test
               |evaluation|evaluating|eval|of|the|results?|metrics|summary|statistics|fold\s*[:\#]?\s*\d+(?:\s*/\s*\d+)?)[\s\]\[:|,-]+)*
          (?P<word>epochs|epoche?|ep\b)(?:\s*number|\s*no\.?)?(?:\s*\((?P<split>\w+)\))?[\s:=.\#\[(]*(?:-\s+)?(?P<number>\d+)\s*[\])]?(?:\s*(?:/|of|out\s+of)\s*(?P<total>\d+))?
          | ^(?P<timm>train):\s*(?P<zero>\d+)\s*\[",
    )
});

/// Behind the number: the line tells something about an epoch, but begins none.
static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\]:,.–-]*(?:
            (?:early\s+stopp|reduce|reducing|adjusting|restor|saving|saved|had|has|have|was|were|is|gave|best[^0-9]*$|no\s+improve|with\s+(?:the\s+)?(?:best|lowest|highest))
            | (?:[^\s\d]\S*\s+){1,3}?(?:improved|did\s+not\s+improve|decreased|increased|reached)\b
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

/// An epoch's number within a word, or a number alone.
static NUMBERED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)epoch\W*\d|^[#(]?\d+(?:/\d+)?$"));

/// A name with its split in brackets: `Loss (train)`.
static SPLIT_BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)\b(loss|acc|accuracy)\s*\((train|training|val|valid|validation|test)\)")
});

/// A number that another takes the place of: `1.32 --> 1.22`.
static ARROW: LazyLock<Regex> = LazyLock::new(|| expression(r"^\s*(?:-{1,2}>|=>|→)\s*[-+.\d]"));

/// What makes a number another one: `1.2k`, `1_234`, `1'234`.
static GOES_ON: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:[kKM](?:\W|$)|[_']\d)"));

/// The rest of a number whose thousands are set apart: `1 234.5`.
static THOUSANDS: LazyLock<Regex> = LazyLock::new(|| expression(r"^ \d{3}(?:\D|$)"));

/// A line that ends a training.
static END: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\binterrupted\b|KeyboardInterrupt|\b(?:evaluat|test|load|restor)\w*\s+(?:the\s+)?best\s+model|\btraining\s+(?:is\s+)?(?:complete|finished|done)|\bfinished\s+training",
    )
});

/// A line of batches with the mean so far in brackets.
static BATCHES_WITH_MEAN: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\[\s*\d+\s*/\s*\d+[^\n]*\d\s*\(\s*[-+]?\d[\d.]*(?:[eE][-+]?\d+)?\s*\)")
});

/// A comma that stands for a point: not before exactly three digits, or behind a zero alone.
static DECIMAL_COMMA: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\d,(?:\d{1,2}|\d{4,})(?:\D|$)|(?:^|[^\d,.])0,\d"));

/// Steps in brackets, of batches whose values are no means.
static BRACKETED: LazyLock<Regex> = LazyLock::new(|| expression(r"\[\s*\d+\s*/\s*\d+[\s\]]"));

/// A metric's name with a number behind it.
static QUANTITY: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)(?:\b|_)(?:loss|acc|accuracy)\b.*\d"));

/// A number that begins a line, and perhaps a word before it.
static LEAD: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^[#\[(]*\s*([A-Za-z]{0,9})[\s:#.=]*\d+(?:\.\d)?"));

/// A mean behind a number, by its name.
static AVERAGE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)[-+]?\d[\d.]*(?:e[-+]?\d+)?\s*\(\s*(?:avg|average|mean)\.?\s*[:=]?\s*([-+]?\d[\d.]*(?:e[-+]?\d+)?)\s*\)",
    )
});

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
static POINT: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?:^|[\s:=(])[-+]?\d*\.\d+(?:[eE][-+]?\d+)?[%s]?(?:[\s,;)\]]|$)")
});

/// A duration of Keras': `20s`, not `317ms/step`.
static SECONDS: LazyLock<Regex> = LazyLock::new(|| expression(r"(?:^|\s)(\d+(?:\.\d+)?)s(?:\s|$)"));

/// What holds for all lines of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Whether any line has the word epoch.
    pub(super) names_epochs: bool,
    /// Whether `0,8821` is a number below 1.
    decimal_comma: bool,
    /// Whether a number in brackets behind another is the mean so far.
    shows_means: bool,
}

impl Dialect {
    pub(super) fn of(text: &str) -> Self {
        Self {
            names_epochs: text.to_lowercase().contains("epoch"),
            decimal_comma: DECIMAL_COMMA.is_match(text) && !POINT.is_match(text),
            shows_means: BATCHES_WITH_MEAN.is_match(text),
        }
    }
}

/// A value by its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) column: String,
    pub(super) value: f64,
    pub(super) is_percent: bool,
    pub(super) form: Form,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Form {
    whole_digits: usize,
    decimals: usize,
    has_exponent: bool,
}

impl Form {
    pub(super) fn of(text: &str) -> Self {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let text = text.trim_start_matches(['-', '+']);
        let decimals = text.split_once(['.', ',']).map_or(0, |(_, behind)| digits(behind));
        Self { whole_digits: digits(text), decimals, has_exponent: text.contains(['e', 'E']) }
    }
}

/// The shortest form of a column's numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shortest {
    form: Option<Form>,
}

impl Shortest {
    pub(super) fn add(&mut self, other: Form) {
        let form = self.form.get_or_insert(other);
        form.whole_digits = form.whole_digits.min(other.whole_digits);
        form.decimals = form.decimals.min(other.decimals);
        form.has_exponent &= other.has_exponent;
    }

    /// Whether the end of a number was cut off: it is shorter than all others, or the first of its
    /// column, where nothing tells how long it should be, and has no point.
    pub(super) fn is_cut(self, number: Form) -> bool {
        self.form.map_or(number.decimals == 0, |shortest| {
            number.whole_digits < shortest.whole_digits
                || number.decimals < shortest.decimals
                || !number.has_exponent && shortest.has_exponent
        })
    }
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
    /// The split that its logger is named after: `[src.val]`.
    logger: Option<String>,
    pub(super) heading: Option<Heading>,
    /// Steps that have passed, of so many.
    pub(super) steps: Option<(u64, u64)>,
    /// Whether it is a bar that names its epoch, so that its last state counts.
    pub(super) is_bar: bool,
    /// Whether the values are those of a batch alone.
    pub(super) is_of_batch: bool,
    pub(super) pairs: Vec<Pair>,
    pub(super) seconds: Option<f64>,
    /// Whether a number begins it.
    pub(super) has_lead: bool,
    /// Whether it only says something about an epoch.
    pub(super) is_mention: bool,
    /// Whether the training ends here.
    pub(super) is_end: bool,
    /// Names beside its pairs that have no number that is understood.
    pub(super) unread: Vec<String>,
    /// Whether it has a metric's name and a number, and nothing that is understood.
    pub(super) is_unread: bool,
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
        let mut split = section.map(str::to_owned).or_else(|| line.logger.clone());
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
                line.is_mention = true;
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
                    .map(str::to_owned)
                    .or_else(|| line.logger.clone());
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
        let shows_mean = dialect.shows_means && MEAN.is_match(&tail);
        let mut is_bracketed = false;
        let found = STEPS.captures_iter(&of_steps).find(|found| {
            let start = found.get(1).map_or(0, |number| number.start());
            counts_steps(&of_steps[..start])
        });
        if let Some(found) = found {
            is_bracketed = BRACKETED.is_match(&of_steps);
            line.steps = found[1].parse().ok().zip(found[2].parse().ok());
            if found.get(3).is_some_and(|percent| percent.as_str() == "100") {
                line.steps = line.steps.map(|(_, of)| (of, of));
            }
        }
        let tail =
            if shows_mean { MEAN.replace_all(&tail, "$2").into_owned() } else { tail.into_owned() };
        let tail = AVERAGE.replace_all(&tail, "$1");
        let tail = SPLIT_BEHIND.replace_all(&tail, "$2 $1");
        let tail = GAP.replace_all(&tail, "$1 $2");
        let told = pairs(&tail, split, dialect);
        line.pairs = told.pairs;
        line.unread = told.unread;
        line.remark = told.remark;
        if rest.starts_with("* ") {
            // What PyTorch's example for ImageNet says of the validation images.
            for pair in &mut line.pairs {
                pair.column = of_split(&pair.column, Some("val"));
            }
        }
        line.number_in_pairs(rest.starts_with('{'));
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
        let is_of_batch = BATCH.is_match(&of_steps) || is_bracketed && !BAR.is_match(rest);
        line.is_of_batch = tells_metric && !shows_mean && !line.is_evaluated() && is_of_batch;
        if tells_metric && !shows_mean && line.steps.is_none() && MEAN.is_match(&tail) {
            line.remark = Some("numbers in brackets behind others are passed over".to_owned());
        }
        line.has_lead = LEAD.captures(rest).is_some_and(|found| {
            !found[0].contains('.') && !is_split(&found[1]) && metric(&found[1]).is_none()
        });
        line.is_end = line.pairs.is_empty() && line.heading.is_none() && END.is_match(rest);
        line.is_unread =
            line.pairs.is_empty() && line.heading.is_none() && QUANTITY.is_match(&tail);
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
                if is_split(source) || NUMBERED.is_match(source) {
                    // `[Valid] loss: 0.5`; `Epoch1 | loss: 0.5`.
                    break;
                }
                match source.rsplit('.').next().filter(|word| is_split(word)) {
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

/// Numbers of a line that are read.
const MOST_PAIRS: usize = 1000;

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

/// What [`pairs`] finds.
#[derive(Default)]
struct Told {
    pairs: Vec<Pair>,
    /// Names without a number that is understood.
    unread: Vec<String>,
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
    let (mut stated, mut named) = (BTreeSet::new(), BTreeSet::new());
    for item in SEPARATOR.split(piece) {
        let mut words: Vec<&str> = Vec::new();
        let mut said = false;
        // Where a number ended that is passed over with what is glued to it.
        let mut glued_to = None;
        for token in TOKEN.captures_iter(item) {
            if let Some(word) = token.name("word") {
                if glued_to == Some(word.start()) {
                    continue;
                }
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
                let behind = &item[token.get(0).map_or(0, |all| all.end())..];
                let is_whole = number.as_str().bytes().all(|sign| sign.is_ascii_digit());
                if metric(&phrase).is_some()
                    && (ARROW.is_match(behind)
                        || GOES_ON.is_match(behind)
                        || is_whole && THOUSANDS.is_match(behind))
                {
                    glued_to = token.get(0).map(|all| all.end());
                    told.remark = Some(format!(
                        "`{phrase}` has two numbers, or one that is not understood: passed over"
                    ));
                    continue;
                }
                let Some(value) = value(number.as_str(), &phrase, dialect) else {
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
