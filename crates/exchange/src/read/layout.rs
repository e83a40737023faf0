//! Where the cells of a table stand in its text.

use std::ops::Range;

use crate::name::metric;

/// The lines of a text in their last state, drawn bars as ASCII. Where no other sign ends a line, a
/// carriage return does.
pub(super) fn lines_of(text: &str) -> Vec<String> {
    let last_state = |line: &str| {
        let state = |state: &str| state.trim_end_matches([' ', '█']).to_owned();
        let mut states = line.split('\r').map(state);
        states.rfind(|state| !state.trim().is_empty()).unwrap_or_default()
    };
    let drawn = |sign: char| match sign {
        '│' | '┃' | '║' => '|',
        '\u{2500}'..='\u{257f}' => '-',
        sign => sign,
    };
    let end = if text.contains('\n') { '\n' } else { '\r' };
    text.split(end).map(|line| last_state(line).chars().map(drawn).collect()).collect()
}

/// The names in a heading, where it is one: at least two, one of them a metric's, none a number.
pub(super) fn names_of(heading: &str) -> Option<Vec<String>> {
    let name = |name: &str| name.trim().trim_matches('"').to_owned();
    let names: Vec<String> = match separator_of(heading) {
        Some('|') => within_bars(heading.trim()).split('|').map(name).collect(),
        Some(separator) => heading.split(separator).map(name).collect(),
        None => heading.split_whitespace().map(name).collect(),
    };
    let holds_numbers = names.iter().any(|name| name.parse::<f64>().is_ok());
    let may_be = names.len() > 1 && !holds_numbers;
    (may_be && names.iter().any(|name| metric(name).is_some())).then_some(names)
}

pub(super) fn separator_of(heading: &str) -> Option<char> {
    [',', ';', '\t', '|']
        .into_iter()
        .max_by_key(|separator| (heading.matches(*separator).count(), *separator == ','))
        .filter(|separator| heading.contains(*separator))
}

/// A row without the bars at its ends.
pub(super) fn within_bars(row: &str) -> &str {
    let row = row.strip_prefix('|').unwrap_or(row);
    row.strip_suffix('|').unwrap_or(row)
}

/// Rows of columns that blanks set apart. A row with fewer cells than the heading has them where its
/// columns stand. Between the rows stands whatever else was printed.
pub(super) fn by_blanks<'a>(
    heading: &str,
    rows: impl Iterator<Item = &'a str>,
    remarks: &mut Vec<String>,
) -> String {
    let titles = cells_of(heading);
    let is_numbered = |cells: &[(Range<usize>, &str)]| {
        cells.first().is_some_and(|(_, cell)| cell.trim_matches('"').parse::<f64>().is_ok())
    };
    let names = |cells: &[(Range<usize>, &str)]| {
        cells.iter().map(|(_, cell)| cell.trim_matches('"').to_owned()).collect::<Vec<_>>()
    };
    let mut lines = vec![names(&titles).join("\t")];
    let (mut passed_over, mut named) = (0, 0);
    for row in rows {
        let mut cells = cells_of(row);
        // fastai 1 puts the time in brackets, without a heading.
        cells.retain(|(_, cell)| !cell.starts_with('('));
        if names(&cells) == names(&titles) {
            lines.push(names(&cells).join("\t"));
            continue;
        }
        if !is_numbered(&cells) {
            named += usize::from(mentions_metrics(row));
            continue;
        }
        if cells.len() == titles.len() || cells.len() == titles.len() + 1 {
            lines.push(names(&cells).join("\t"));
            continue;
        }
        let mut placed = vec![""; titles.len()];
        let is_placed = cells.len() < titles.len()
            && cells.iter().all(|(span, cell)| {
                let overlap = |title: &Range<usize>| {
                    span.end.min(title.end).saturating_sub(span.start.max(title.start))
                };
                let at = (0..titles.len())
                    .max_by_key(|column| overlap(&titles[*column].0))
                    .filter(|column| overlap(&titles[*column].0) > 0);
                at.is_some_and(|column| std::mem::replace(&mut placed[column], cell).is_empty())
            });
        if is_placed {
            lines.push(placed.join("\t"));
        } else {
            passed_over += 1;
        }
    }
    if named > 0 {
        remarks.push(format!("{named} more lines name a metric and are not understood"));
    }
    if passed_over > 0 {
        remarks.push(format!(
            "{passed_over} lines that begin with a number do not fit under the heading: passed over"
        ));
    }
    lines.join("\n")
}

/// The cells of a line that blanks set apart, with the places that they take.
fn cells_of(line: &str) -> Vec<(Range<usize>, &str)> {
    let mut cells = Vec::new();
    let mut start = None;
    for (place, (at, sign)) in line.char_indices().chain([(line.len(), ' ')]).enumerate() {
        match (sign.is_whitespace(), start) {
            (false, None) => start = Some((place, at)),
            (true, Some((first, begin))) => {
                cells.push((first..place, &line[begin..at]));
                start = None;
            }
            _ => {}
        }
    }
    cells
}

/// Whether a line only draws a table, or nothing.
pub(super) fn is_rule(line: &str) -> bool {
    line.chars().all(|sign| "|-+=: ".contains(sign))
}

/// Whether a line has a metric's name and a number.
fn mentions_metrics(line: &str) -> bool {
    let lower = line.to_lowercase();
    let mut words = lower.split(|sign: char| !sign.is_alphanumeric());
    words.any(|word| ["loss", "acc", "accuracy"].contains(&word))
        && lower.contains(|sign: char| sign.is_ascii_digit())
}
