//! `thaw audit`: what moved between two checkpoints of anybody's training.

use std::process::ExitCode;

use glob::Pattern;
use thaw_model::{Comparison, TensorComparison, compare};

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
    say(&table(&comparison.tensors, &declared));
    for (names, side) in [(&comparison.only_before, "before"), (&comparison.only_after, "after")] {
        if !names.is_empty() {
            say(&format!("only {side}: {}", names.join(", ")));
        }
    }
    let (verdict, code) = judge(&comparison, &patterns);
    say(&verdict);
    Ok(ExitCode::from(code))
}

fn table(tensors: &[TensorComparison], declared: &dyn Fn(&str) -> bool) -> String {
    let width = tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0).max(6);
    let mut text = format!("{:width$}  {:>18}  declared  moved  relative drift", "tensor", "shape");
    for tensor in tensors {
        let shape = tensor.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        let declared = if declared(&tensor.name) { "frozen" } else { "–" };
        let moved = if tensor.moved { "yes" } else { "no" };
        let drift = match tensor.relative_drift {
            Some(0.0) => "0".to_owned(),
            Some(drift) => format!("{drift:.2e}"),
            None => "another shape".to_owned(),
        };
        text.push_str(&format!(
            "\n{:width$}  {shape:>18}  {declared:8}  {moved:5}  {drift}",
            tensor.name
        ));
    }
    text
}

/// One sentence, and the exit code that belongs to it.
fn judge(comparison: &Comparison, patterns: &[Pattern]) -> (String, u8) {
    let moved = comparison.tensors.iter().filter(|tensor| tensor.moved).count();
    let of = comparison.tensors.len();
    if comparison.tensors.is_empty() {
        return ("cannot tell: the two files have no tensor in common".to_owned(), CANNOT_TELL);
    }
    let all = || {
        comparison
            .tensors
            .iter()
            .map(|tensor| &tensor.name)
            .chain(&comparison.only_before)
            .chain(&comparison.only_after)
    };
    if let Some(idle) = patterns.iter().find(|pattern| !all().any(|name| pattern.matches(name))) {
        return (format!("cannot tell: no tensor is named like `{idle}`"), CANNOT_TELL);
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
    if let Some(lost) =
        comparison.only_before.iter().chain(&comparison.only_after).find(|name| is_declared(name))
    {
        return (
            format!("cannot tell: `{lost}` was declared frozen and is in one of the files only"),
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
