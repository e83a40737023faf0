//! What the words, numbers and signs of a printed line look like.

use std::sync::LazyLock;

use regex::Regex;

use crate::read::expression;

/// What stands before a line in the logs of containers, of logging libraries and of terminals; a
/// `source` tells several programs apart that write into one log. A `word` behind a level may begin
/// what is said.
pub(super) static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    let levels = r"(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|NOTICE|SUCCESS|TRACE)\b";
    expression(
        &r"(?x)^(?:
            \[?\d{4}[-/]\d\d[-/]\d\d[T\s]+\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?
            | \d\d/\d\d/\d{4}\s+\d\d:\d\d:\d\d(?:[.,]\d+)?
            | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?
            | [IWEF]\d{4}\s+\d\d:\d\d:\d\d(?:\.\d+)?\s+\d+\s+[\w./-]+:\d+\]
            | [A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d\s\S+\s[\w./-]+(?:\[\d+\])?:\s
            | \[\w+\]\[LEVEL\]
            | (?P<level>LEVEL)(?::|\s-\s)(?P<word>[A-Za-z_][\w.]*)(?::|\s-\s)
            | (?P<logger>[\w.]+)(?:\s-\sLEVEL\s-\s|(?::\s?|\s)LEVEL:)
            | \[?\bLEVEL\]?
            | (?:stdout|stderr)\s+[FP]\b
            | (?P<container>[\w.<>\[\]/-]+)\s+\|\s
            | [\w.<>]+:[\w.<>]+:\d+\b
            | (?:mm\w+|ignite[\w.]*|__main__)\s
            | \[(?P<bracket>[\w./:-]*[A-Za-z][\w./:-]*)\]
            | (?P<task>\d+):\s+(?:(?i:epoch)|\[)
            | [┌│└]\s*(?:Info:)?
            | [\p{So}\x{FE0F}]
            | [:|\s] | -\s
        )"
        .replace("LEVEL", levels),
    )
});

/// A heading with the epoch's number and perhaps how many there are.
pub(super) static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\[\#*=>(-]*(?:\d+/\d+\s*\*\s*)?
          (?:(?:start(?:ing)?|begin(?:ning)?|end|finished|completed|running|current|training|train|validation|validating|valid|val|testing|test
               |evaluation|evaluating|eval|of|the|results?|metrics|summary|statistics|fold\s*[:\#]?\s*\d+(?:\s*/\s*\d+)?)[\s\]\[:|,-]+)*
          (?P<word>epochs|epoche?|ep\b)(?:\s*number|\s*no\.?)?(?:\s*\((?P<split>\w+)\))?[\s:=.\#\[(]*(?:-\s+)?(?P<number>\d+)\s*[\])]?(?:\s*(?:/|of|out\s+of)\s*(?P<total>\d+))?
          | ^(?P<timm>train):\s*(?P<zero>\d+)\s*\[",
    )
});

/// Behind the number: the line tells something about an epoch, but begins none.
pub(super) static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?xi)^[\s\]:,.–-]*(?:
            (?:early\s+stopp|reduce|reducing|adjusting|restor|saving|saved|had|has|have|was|were|is|gave|best[^0-9]*$|no\s+improve|with\s+(?:the\s+)?(?:best|lowest|highest))
            | (?:[^\s\d]\S*\s+){1,3}?(?:improved|did\s+not\s+improve|decreased|increased|reached)\b
        )",
    )
});

/// Behind the number: the epoch ends here.
pub(super) static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^[\s\]:,.–-]*(?:is\s+|has\s+)?(?:finished|done|completed?|took|ended|ends?|over)\b",
    )
});

/// Behind the number: it goes on, or is that of a bar.
pub(super) static WITHIN_NUMBER: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:%|\.\d)"));

/// An epoch's number within a word, or a number alone.
pub(super) static NUMBERED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)epoch\W*\d|^[#(]?\d+(?:/\d+)?$"));

/// A name with its split in brackets: `Loss (train)`.
pub(super) static SPLIT_BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)\b(loss|acc|accuracy)\s*\((train|training|val|valid|validation|test)\)")
});

/// A number that another takes the place of: `1.32 --> 1.22`.
pub(super) static ARROW: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^\s*(?:-{1,2}>|=>|→)\s*[-+.\d]"));

/// What makes a number another one: `1.2k`, `1_234`, `1'234`.
pub(super) static GOES_ON: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^(?:[kKM](?:\W|$)|[_']\d)"));

/// The rest of a number whose thousands are set apart: `1 234.5`.
pub(super) static THOUSANDS: LazyLock<Regex> = LazyLock::new(|| expression(r"^ \d{3}(?:\D|$)"));

/// A line that ends a training.
pub(super) static END: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\binterrupted\b|KeyboardInterrupt|\b(?:evaluat|test|load|restor)\w*\s+(?:the\s+)?best\s+model|\btraining\s+(?:is\s+)?(?:complete|finished|done)|\bfinished\s+training",
    )
});

/// A line of batches with the mean so far in brackets.
pub(super) static BATCHES_WITH_MEAN: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\[\s*\d+\s*/\s*\d+[^\n]*\d\s*\(\s*[-+]?\d[\d.]*(?:[eE][-+]?\d+)?\s*\)")
});

/// A comma that stands for a point: not before exactly three digits, or behind a zero alone.
pub(super) static DECIMAL_COMMA: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\d,(?:\d{1,2}|\d{4,})(?:\D|$)|(?:^|[^\d,.])0,\d"));

/// Steps in brackets, of batches whose values are no means.
pub(super) static BRACKETED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\[\s*\d+\s*/\s*\d+[\s\]]"));

/// A metric's name with a number behind it.
pub(super) static QUANTITY: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)(?:\b|_)(?:loss|acc|accuracy)\b.*\d"));

/// A number that begins a line, and perhaps a word before it.
pub(super) static LEAD: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^[#\[(]*\s*([A-Za-z]{0,9})[\s:#.=]*\d+(?:\.\d)?"));

/// A mean behind a number, by its name.
pub(super) static AVERAGE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)[-+]?\d[\d.]*(?:e[-+]?\d+)?\s*\(\s*(?:avg|average|mean)\.?\s*[:=]?\s*([-+]?\d[\d.]*(?:e[-+]?\d+)?)\s*\)",
    )
});

/// An epoch's number without the word, which may as well be a step's.
pub(super) static BRACKET: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^\[\s*(\d+)\s*/\s*(\d+)\s*\]"));

/// How many batches or images of an epoch have passed.
pub(super) static STEPS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?:^|[\s\[(|])(\d+)\s*/\s*(\d+|Unknown)(?:\s*\(\s*(\d+)(?:\.\d+)?\s*%\s*\))?(?:[\s\])]|$)",
    )
});

/// A batch's number, also behind that of the epoch as in `[1,  2000] loss: 1.08`.
pub(super) static BATCH: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:step|batch|iter|iteration)\b\s*[:\#=]?\s*\[?\s*\d+(?:[\s\],/|:;]|$)|^\[\s*\d+\s*,\s*\d+\s*\]",
    )
});

/// Right answers of so many.
pub(super) static RIGHT_ANSWERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)\b(?:acc|accuracy|correct)\s*[:=]\s*\d+\s*/\s*\d+|%\s*\(\s*\d+\s*/\s*\d+\s*\)")
});

/// A bar of tqdm's.
pub(super) static BAR: LazyLock<Regex> = LazyLock::new(|| expression(r"\d%\|"));

/// A batch's value with the mean so far behind it, as PyTorch's examples print them.
pub(super) static MEAN: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*\(\s*([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*\)")
});

/// A name with its number far behind.
pub(super) static GAP: LazyLock<Regex> =
    LazyLock::new(|| expression(r"([A-Za-z]@?\d?[:=]?)\s{2,}([-+]?\d)"));

/// A number within its type, as Python shows it.
pub(super) static WRAPPED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:tensor|array|(?:np\.|numpy\.)?float\d*)\(\[?\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*\]?(?:,[^)]*)?\)",
    )
});

/// What stands between a line's items.
pub(super) static SEPARATOR: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\s[-–—]\s|,\s|[|;\t\[\](){}]|\s{2,}"));

/// What an item is made of.
pub(super) static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r#"(?x)
        (?:(?P<number>[-+]?(?:\d{1,3}(?:,\d{3})+\.\d+|\d+,\d+|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:/\d+)?|\b(?i:nan|inf|infinity)\b)(?P<percent>\s?%)?)
        | (?P<word>[A-Za-z_][\w/@.-]*)
        | (?P<is>[:=])
        "#,
    )
});

/// A number with a decimal point that stands for itself.
pub(super) static POINT: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?:^|[\s:=(])[-+]?\d*\.\d+(?:[eE][-+]?\d+)?[%s]?(?:[\s,;)\]]|$)")
});

/// A duration without a name, as Keras prints it: `20s`, `1m 40s`, not `317ms/step`.
pub(super) static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?:^|\s)((?:\d+h\s?)?(?:\d+m(?:in)?\s?)?\d+(?:\.\d+)?s)(?:\s|$)")
});
