//! `thaw audit`: what moved between two checkpoints of anybody's training.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use glob::Pattern;
use regex::Regex;
use serde_json::{Value, json};
use thaw_model::{
    Comparison, ComparisonOptions, ListedTensor, OtherTensors, TensorComparison, UnreadableTensor,
    compare, list,
};
use thaw_report::{Entry, Table, magnitude};

use crate::error::{CANNOT_TELL, CliError, FAILED, SUCCESS};
use crate::terminal::{say, say_json, say_lines};

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The checkpoint before training: safetensors, a file of PyTorch or of Keras, or the folder of one
    /// in shards
    before: PathBuf,
    /// The checkpoint after it [default: list what is in the first]
    after: Option<PathBuf>,
    /// Tensors with names like this were declared frozen; `*` and `?` stand for anything, `[ab]` for a
    /// or b; may be given several times
    #[arg(long, value_name = "PATTERN", requires = "after")]
    frozen: Vec<String>,
    /// Replace what the regular expression matches in the names of both files, so that they become
    /// equal; may be given several times
    #[arg(long, value_name = "REGEX=>REPLACEMENT", value_parser = rename)]
    map: Vec<(Regex, String)>,
    /// Compare the state dict at this place in files of PyTorch, such as ema or nets/generator
    #[arg(long, value_name = "PLACE")]
    state_dict: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The argument of `--map`.
pub(crate) fn rename(text: &str) -> Result<(Regex, String), String> {
    let (pattern, replacement) = text
        .split_once("=>")
        .ok_or("expected REGEX=>REPLACEMENT, such as '^base\\.=>features.'")?;
    let pattern = Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        format!("not a regular expression: {}", text.lines().last().unwrap_or_default())
    })?;
    Ok((pattern, replacement.to_owned()))
}

pub(crate) fn run(options: &Audit) -> Result<ExitCode, CliError> {
    let refused = |pattern: &String, error: glob::PatternError| CliError::Usage {
        message: format!("--frozen {pattern}: {error}"),
    };
    let patterns: Vec<Pattern> = options
        .frozen
        .iter()
        .map(|pattern| Pattern::new(pattern).map_err(|error| refused(pattern, error)))
        .collect::<Result<_, _>>()?;
    let how =
        ComparisonOptions { state_dict: options.state_dict.clone(), renames: options.map.clone() };
    let Some(after) = &options.after else {
        return list_tensors(options, &how);
    };
    let comparison = compare(&options.before, after, &how)?;
    let (verdict, code) = judge(&comparison, &patterns, options.state_dict.is_some());
    if options.json {
        say_json(&as_json(&comparison, &patterns, &verdict, code), false);
        return Ok(ExitCode::from(code));
    }
    if !comparison.tensors.is_empty() {
        say_lines(table(&comparison.tensors, &patterns).lines());
    }
    remarks(&comparison, [&options.before, after]).iter().for_each(|line| say(line));
    say(&verdict);
    Ok(ExitCode::from(code))
}

/// What one file holds.
fn list_tensors(options: &Audit, how: &ComparisonOptions) -> Result<ExitCode, CliError> {
    let listing = list(&options.before, how)?;
    if options.json {
        let tensors = listing.tensors.iter().map(|tensor| {
            json!({
                "name": tensor.name,
                "type": tensor.number_type.as_ref().ok(),
                "shape": tensor.shape,
                "bytes": tensor.bytes,
                "role": role(tensor.is_statistic),
                "unreadable": tensor.number_type.as_ref().err(),
            })
        });
        let document = json!({
            "tensors": tensors.collect::<Vec<_>>(),
            "state_dict": listing.place,
            "left_out": left_out_as_json(&listing.left_out),
            "unplaced": listing.unplaced,
        });
        say_json(&document, false);
        return Ok(ExitCode::from(SUCCESS));
    }
    let row = |tensor: &ListedTensor| match &tensor.number_type {
        Ok(number_type) => vec![
            Entry::text(&tensor.name),
            Entry::text(number_type),
            Entry::text(in_words(&tensor.shape)),
            Entry::whole(tensor.bytes),
            Entry::text(role(tensor.is_statistic)),
        ],
        Err(_) => {
            let mut cells = vec![Entry::text(&tensor.name), Entry::missing("unreadable")];
            cells.extend((0..2).map(|_| Entry::missing("–")));
            cells.push(Entry::text(role(tensor.is_statistic)));
            cells
        }
    };
    let headings = ["tensor", "type", "shape", "bytes", "role"];
    say_lines(Table::new("Tensors", &headings, listing.tensors.iter().map(row)).lines());
    let path = options.before.display();
    listing.place.iter().for_each(|place| say(&format!("the state dict of {path}: `{place}`")));
    for others in &listing.left_out {
        say(&format!("left out: {} tensor(s) in {}", others.names.len(), others.place_in_words()));
    }
    if listing.unplaced > 0 {
        say(&format!("{} tensor(s) stand where thaw does not look", listing.unplaced));
    }
    let unreadable: Vec<&String> =
        listing.tensors.iter().filter_map(|tensor| tensor.number_type.as_ref().err()).collect();
    unreadable.iter().for_each(|reason| say(&format!("not read: {reason}")));
    say(&format!("{} tensor(s), {} of them unreadable", listing.tensors.len(), unreadable.len()));
    Ok(ExitCode::from(SUCCESS))
}

fn role(is_statistic: bool) -> &'static str {
    if is_statistic { "statistic" } else { "weight" }
}

fn in_words(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

fn left_out_as_json(others: &[OtherTensors]) -> Vec<Value> {
    let others = others.iter().map(|OtherTensors { place, names, is_optimizer }| {
        json!({ "place": place, "tensors": names.len(), "optimizer": is_optimizer })
    });
    others.collect()
}

/// Whether a tensor was declared frozen, under its name in either file.
fn is_declared(patterns: &[Pattern], name: &str, name_after: Option<&str>) -> bool {
    patterns.iter().any(|pattern| {
        pattern.matches(name) || name_after.is_some_and(|name| pattern.matches(name))
    })
}

fn is_frozen(patterns: &[Pattern], tensor: &TensorComparison) -> bool {
    is_declared(patterns, &tensor.name, tensor.name_after.as_deref())
}

fn table(tensors: &[TensorComparison], patterns: &[Pattern]) -> Table {
    let rows = tensors.iter().map(|tensor| {
        vec![
            Entry::text(&tensor.name),
            Entry::text(in_words(&tensor.shape)),
            Entry::text(role(tensor.is_statistic)),
            Entry::text(if is_frozen(patterns, tensor) { "frozen" } else { "–" }),
            match tensor.moved {
                Some(true) => Entry::text("yes"),
                Some(false) => Entry::text("no"),
                None => Entry::missing("cannot tell"),
            },
            tensor.relative_drift.map_or_else(
                || Entry::missing(if tensor.reshaped { "another shape" } else { "unknown" }),
                |drift| Entry::Number(magnitude(drift), drift),
            ),
        ]
    });
    let headings = ["tensor", "shape", "role", "declared", "moved", "relative drift"];
    Table::new("Tensors of both checkpoints", &headings, rows)
}

/// What was and was not compared, a line each.
fn remarks(comparison: &Comparison, paths: [&PathBuf; 2]) -> Vec<String> {
    let mut lines = Vec::new();
    let paths = paths.map(|path| path.display());
    for (side, path) in paths.iter().enumerate() {
        if let Some(place) = &comparison.places[side] {
            lines.push(format!("the state dict of {path}: `{place}`"));
        }
        let prefix = &comparison.prefixes[side];
        if !prefix.is_empty() {
            lines.push(format!(
                "names in {path} are compared without `{prefix}`, which stands before them"
            ));
        }
        for others in &comparison.left_out[side] {
            let (count, place) = (others.names.len(), others.place_in_words());
            lines.push(format!("left out of {path}: {count} tensor(s) in {place}"));
        }
        if comparison.unplaced[side] > 0 {
            lines.push(format!(
                "{} tensor(s) of {path} stand where thaw does not look; save `model.state_dict()`",
                comparison.unplaced[side]
            ));
        }
    }
    if !comparison.undecided.is_empty() {
        lines.push(format!(
            "names agree without `{}` alike; say which with --map '^PREFIX=>'",
            comparison.undecided.join("`, or without `")
        ));
    }
    lines.extend(
        comparison.unreadable.iter().map(|tensor| format!("not compared: {}", tensor.reason)),
    );
    for (names, path) in [&comparison.only_before, &comparison.only_after].iter().zip(&paths) {
        if !names.is_empty() {
            lines.push(format!("only in {path}: {}", names.join(", ")));
        }
    }
    let (rounded, unknown): (Vec<&TensorComparison>, Vec<&TensorComparison>) = comparison
        .tensors
        .iter()
        .filter(|tensor| tensor.rounded_to.is_some())
        .partition(|tensor| tensor.moved.is_some());
    if let Some(TensorComparison { name, rounded_to: Some(narrower), .. }) = rounded.first() {
        lines.push(format!(
            "{} tensor(s) are stored in a narrower type in one file, the first of them `{name}`: rounded to {narrower}, they are the same",
            rounded.len()
        ));
    }
    if let Some(TensorComparison { name, rounded_to: Some(narrower), .. }) = unknown.first() {
        lines.push(format!(
            "{} tensor(s) are stored in a narrower type in {}, the first of them `{name}`: rounded to {narrower}, they are the same, and whether they moved cannot be told",
            unknown.len(),
            paths[0]
        ));
    }
    lines
}

fn as_json(comparison: &Comparison, patterns: &[Pattern], verdict: &str, code: u8) -> Value {
    let tensors = comparison.tensors.iter().map(|tensor| {
        json!({
            "name": tensor.name,
            "name_after": tensor.name_after,
            "shape": tensor.shape,
            "role": role(tensor.is_statistic),
            "declared_frozen": is_frozen(patterns, tensor),
            "moved": tensor.moved,
            "reshaped": tensor.reshaped,
            "rounded_to": tensor.rounded_to,
            "relative_drift": tensor.relative_drift,
        })
    });
    let unreadable = comparison.unreadable.iter().map(|tensor| {
        let declared = is_declared(patterns, &tensor.name, Some(&tensor.name_after));
        json!({ "name": tensor.name, "declared_frozen": declared, "reason": tensor.reason })
    });
    let left_out = comparison.left_out.each_ref().map(|places| left_out_as_json(places));
    json!({
        "verdict": verdict,
        "exit_code": code,
        "tensors": tensors.collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
        "only_before": comparison.only_before,
        "only_after": comparison.only_after,
        "state_dicts": comparison.places,
        "prefixes": comparison.prefixes,
        "undecided_prefixes": comparison.undecided,
        "left_out": left_out,
        "unplaced": comparison.unplaced,
    })
}

/// One sentence, and the exit code that belongs to it; whether the state dict was chosen.
fn judge(comparison: &Comparison, patterns: &[Pattern], is_chosen: bool) -> (String, u8) {
    let count = |moved: Option<bool>| {
        comparison.tensors.iter().filter(|tensor| tensor.moved == moved).count()
    };
    let of = comparison.tensors.len();
    let mut others = comparison.left_out.iter().flatten().filter(|others| !others.is_optimizer);
    if comparison.tensors.is_empty() && comparison.unreadable.is_empty() {
        let choice = match others.next() {
            Some(_) => ", and --state-dict says which state dict of a PyTorch file is meant",
            None => "",
        };
        let message = format!(
            "inconclusive: the two files have no tensor in common; --map replaces what differs in their names{choice}"
        );
        return (message, CANNOT_TELL);
    }
    let all = || {
        let alone = comparison.only_before.iter().chain(&comparison.only_after);
        let unreadable =
            comparison.unreadable.iter().flat_map(|tensor| [&tensor.name, &tensor.name_after]);
        let compared = comparison.tensors.iter();
        let names = compared.clone().map(|tensor| &tensor.name);
        names
            .chain(compared.filter_map(|tensor| tensor.name_after.as_ref()))
            .chain(unreadable)
            .chain(alone)
    };
    let frozen: Vec<&TensorComparison> =
        comparison.tensors.iter().filter(|tensor| is_frozen(patterns, tensor)).collect();
    let thawed: Vec<&TensorComparison> =
        frozen.iter().copied().filter(|tensor| tensor.moved == Some(true)).collect();
    if let Some(first) = thawed.first() {
        let by_statistics = if thawed.iter().all(|tensor| tensor.is_statistic) {
            ", statistics of BatchNorm alone, which move without an optimizer"
        } else {
            ""
        };
        let message = format!(
            "THAWED: {} of {of} tensors were declared frozen and moved{by_statistics}, the first of them `{}`",
            thawed.len(),
            first.name
        );
        return (message, FAILED);
    }
    if let Some(idle) = patterns.iter().find(|pattern| !all().any(|name| pattern.matches(name))) {
        return (format!("inconclusive: no tensor is named like `{idle}`"), CANNOT_TELL);
    }
    let is_lost =
        |tensor: &&UnreadableTensor| is_declared(patterns, &tensor.name, Some(&tensor.name_after));
    if let Some(UnreadableTensor { name: lost, .. }) = comparison.unreadable.iter().find(is_lost) {
        let message = format!("inconclusive: `{lost}` was declared frozen and cannot be compared");
        return (message, CANNOT_TELL);
    }
    if let Some(TensorComparison { name, .. }) = frozen.iter().find(|tensor| tensor.moved.is_none())
    {
        let message = format!(
            "inconclusive: `{name}` was declared frozen, and the first file stores it in a narrower type, so that it may have moved; save both files in the type that is trained"
        );
        return (message, CANNOT_TELL);
    }
    let is_meant = |others: &&OtherTensors| {
        let name =
            |name: &String| is_declared(patterns, name, Some(&format!("{}/{name}", others.place)));
        !is_chosen && others.names.iter().any(name)
    };
    if let Some(others) = others.find(is_meant) {
        let message = format!(
            "inconclusive: {} holds tensors that were declared frozen too; say which state dict is meant with --state-dict",
            others.place_in_words()
        );
        return (message, CANNOT_TELL);
    }
    if comparison.unplaced != [0; 2] && !patterns.is_empty() {
        let message =
            "inconclusive: some tensors stand where thaw does not look; save `model.state_dict()`";
        return (message.to_owned(), CANNOT_TELL);
    }
    let mut alone = comparison.only_before.iter().chain(&comparison.only_after);
    if let Some(lost) = alone.find(|name| is_declared(patterns, name, None)) {
        return (
            format!("inconclusive: `{lost}` was declared frozen and is in one of the files only"),
            CANNOT_TELL,
        );
    }
    let unknown = match count(None) {
        0 => String::new(),
        unknown => format!(", of {unknown} it cannot be told"),
    };
    (
        format!(
            "{} of {of} tensors moved{unknown}; {} were declared frozen, and none of those moved",
            count(Some(true)),
            frozen.len()
        ),
        SUCCESS,
    )
}
