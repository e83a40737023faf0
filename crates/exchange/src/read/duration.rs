//! Durations as people write them: `100.3s`, `1h 2m 3s`, `2 min 5 s`, `1:03`, `0 days 00:01:40`.

use std::sync::LazyLock;

use regex::Regex;

use super::expression;

/// A number with what may be its unit.
static PART: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"^[,\s]*(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s?(?P<unit>[A-Za-z]+)")
});

/// Hours, minutes and seconds.
static CLOCK: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^[,\s]*(?P<numbers>\d+(?::\d+)+(?:\.\d+)?)"));

/// What makes a number or a unit another one: `350ms/step`, `2024-05-01`.
static GOES_ON: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:[\w']|[-:.]\d|\s*/)"));

/// What a duration is of.
static PER_EPOCH: LazyLock<Regex> = LazyLock::new(|| expression(r"^\s*/\s*(?i:epoch)\b"));

/// Units with their seconds.
const UNITS: [(&[&str], f64); 5] = [
    (&["d", "day", "days"], 86_400.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["ms"], 1e-3),
];

/// Seconds of a text that is a duration with a unit or a colon.
pub(super) fn duration(text: &str) -> Option<f64> {
    leading(text).filter(|(_, end)| *end == text.len()).map(|(seconds, _)| seconds)
}

/// Seconds of such a duration at the start of a text, with the place where it ends.
pub(super) fn leading(text: &str) -> Option<(f64, usize)> {
    let (mut seconds, mut end) = (0.0, 0);
    let mut smallest = f64::INFINITY;
    while let Some(found) = PART.captures(&text[end..]) {
        let Some(unit) = seconds_of(&found["unit"]).filter(|unit| *unit < smallest) else { break };
        seconds += found["number"].parse::<f64>().ok()? * unit;
        end += found[0].len();
        smallest = unit;
    }
    if let Some(found) = CLOCK.captures(&text[end..]) {
        let mut numbers = found["numbers"].split(':').map(|number| number.parse::<f64>().ok());
        seconds += numbers.try_fold(0.0, |sum, number| Some(sum * 60.0 + number?))?;
        end += found[0].len();
    }
    if let Some(found) = PER_EPOCH.find(&text[end..]) {
        end += found.end();
    }
    (end > 0 && !goes_on(&text[end..])).then_some((seconds, end))
}

/// Whether what stands behind a number or a unit makes it another one.
pub(super) fn goes_on(behind: &str) -> bool {
    GOES_ON.is_match(behind)
}

fn seconds_of(unit: &str) -> Option<f64> {
    let unit = unit.to_lowercase();
    UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())).map(|(_, seconds)| *seconds)
}
