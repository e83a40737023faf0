//! `thaw audit`: what moved between two checkpoints of anybody's training.

use std::process::ExitCode;

use glob::Pattern;
use thaw_model::{Comparison, TensorComparison, compare};
use thaw_report::{Entry, Table, magnitude};

use crate::arguments::Audit;
use crate::error::{CANNOT_TELL, CliError, FAILED, SUCCESS};
use crate::terminal::say;

pub(crate) fn run(options: &Audit) -> Result<ExitCode, CliError> {
    let refused = |pattern: &String, error: glob::PatternError| CliError::Usage {
        message: format!("--frozen {pattern}: {error}"),
    };
    let patterns: Vec<Pattern> = options
        .frozen
        .iter()
        .map(|pattern| Pattern::new(pattern).map_err(|error| refused(pattern, error)))
        .collect::<Result<_, _>>()?;
    let comparison = compare(&options.before, &options.after)?;
    let declared = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    say(&table(&comparison.tensors, &declared).markdown().join("\n"));
    for (place, path) in comparison.places.iter().zip([&options.before, &options.after]) {
        if let Some(place) = place {
            say(&format!("the state dict of {}: `{place}`", path.display()));
        }
    }
    for (_, reason) in &comparison.unreadable {
        say(&format!("not compared: {reason}"));
    }
    for (names, side) in [(&comparison.only_before, "before"), (&comparison.only_after, "after")] {
        if !names.is_empty() {
            say(&format!("only {side}: {}", names.join(", ")));
        }
    }
    let rounded: Vec<&TensorComparison> =
        comparison.tensors.iter().filter(|tensor| tensor.rounded_to.is_some()).collect();
    if let Some(TensorComparison { name, rounded_to: Some(narrower), .. }) = rounded.first() {
        say(&format!(
            "{} tensor(s) are stored in a narrower type in one file, the first of them `{name}`: rounded to {narrower}, they are the same",
            rounded.len()
        ));
    }
    let (verdict, code) = judge(&comparison, &patterns);
    say(&verdict);
    Ok(ExitCode::from(code))
}

fn table(tensors: &[TensorComparison], declared: &dyn Fn(&str) -> bool) -> Table {
    let rows = tensors.iter().map(|tensor| {
        let shape = tensor.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        vec![
            Entry::text(&tensor.name),
            Entry::text(shape),
            Entry::text(if declared(&tensor.name) { "frozen" } else { "–" }),
            Entry::text(if tensor.moved { "yes" } else { "no" }),
            tensor.relative_drift.map_or_else(
                || Entry::missing(if tensor.reshaped { "another shape" } else { "unknown" }),
                |drift| Entry::Number(magnitude(drift), drift),
            ),
        ]
    });
    let headings = ["tensor", "shape", "declared", "moved", "relative drift"];
    Table::new("Tensors of both checkpoints", &headings, rows)
}

/// One sentence, and the exit code that belongs to it.
fn judge(comparison: &Comparison, patterns: &[Pattern]) -> (String, u8) {
    let moved = comparison.tensors.iter().filter(|tensor| tensor.moved).count();
    let of = comparison.tensors.len();
    if comparison.tensors.is_empty() && comparison.unreadable.is_empty() {
        return ("inconclusive: the two files have no tensor in common".to_owned(), CANNOT_TELL);
    }
    let all = || {
        comparison
            .tensors
            .iter()
            .map(|tensor| &tensor.name)
            .chain(comparison.unreadable.iter().map(|(name, _)| name))
            .chain(&comparison.only_before)
            .chain(&comparison.only_after)
    };
    if let Some(idle) = patterns.iter().find(|pattern| !all().any(|name| pattern.matches(name))) {
        return (format!("inconclusive: no tensor is named like `{idle}`"), CANNOT_TELL);
    }
    let is_declared = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let thawed: Vec<&str> = comparison
        .tensors
        .iter()
        .filter(|tensor| tensor.moved && is_declared(&tensor.name))
        .map(|tensor| tensor.name.as_str())
        .collect();
    if let Some(first) = thawed.first() {
        let message = format!(
            "THAWED: {} of {of} tensors were declared frozen and moved, the first of them `{first}`",
            thawed.len()
        );
        return (message, FAILED);
    }
    if let Some((lost, _)) = comparison.unreadable.iter().find(|(name, _)| is_declared(name)) {
        let message = format!("inconclusive: `{lost}` was declared frozen and cannot be compared");
        return (message, CANNOT_TELL);
    }
    if let Some(lost) =
        comparison.only_before.iter().chain(&comparison.only_after).find(|name| is_declared(name))
    {
        return (
            format!("inconclusive: `{lost}` was declared frozen and is in one of the files only"),
            CANNOT_TELL,
        );
    }
    let frozen = comparison.tensors.iter().filter(|tensor| is_declared(&tensor.name)).count();
    (
        format!(
            "{moved} of {of} tensors moved; {frozen} were declared frozen, and none of those moved"
        ),
        SUCCESS,
    )
}
