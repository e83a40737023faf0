//! Tables with a heading, of a row for each epoch or of several that tell parts of it: CSV with any
//! usual separator, columns set apart by blanks, Markdown. Several trainings stand under each other or
//! are named in a column `run`.

use csv::{ReaderBuilder, StringRecord};

use super::training::{Again, Training, number};
use crate::name::{is_split, metric, name, of_split};

/// Cells that hold nothing.
const MISSING: [&str; 6] = ["", "na", "n/a", "none", "null", "-"];

/// A text with cells apart, where its first line is a heading with at least one metric.
pub(super) struct Sheet {
    separator: u8,
    text: String,
}

impl Sheet {
    /// Understands a text as a table.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(['\n', '\r', ' ']);
        // Of a line that was redrawn, the last state counts.
        let last_state = |line: &str| {
            let mut states =
                line.split('\r').map(|state| state.trim_matches([' ', '█']).to_owned());
            states.rfind(|state| !state.is_empty()).unwrap_or_default()
        };
        let lines: Vec<String> = text
            .split('\n')
            .map(last_state)
            .skip_while(|line| line.starts_with('#') || is_rule(line))
            .collect();
        let heading = lines.first()?;
        let lines = lines.iter().map(String::as_str).filter(|line| !is_rule(line));
        let separator = [',', ';', '\t', '|']
            .into_iter()
            .max_by_key(|separator| (heading.matches(*separator).count(), *separator == ','))
            .filter(|separator| heading.contains(*separator));
        let sheet = match separator {
            Some('|') => {
                let rows = lines.map(|line| line.trim().trim_matches('|'));
                Self { separator: b'|', text: rows.collect::<Vec<_>>().join("\n") }
            }
            Some(separator) => {
                Self { separator: separator as u8, text: lines.collect::<Vec<_>>().join("\n") }
            }
            None => {
                // Between the rows stands whatever else was printed.
                let columns = heading.split_whitespace().count();
                let rows = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
                let rows = rows.enumerate().filter(|(place, cells)| {
                    let is_numbered = cells.first().is_some_and(|cell| cell.parse::<f64>().is_ok());
                    *place == 0 || cells.len() == columns && is_numbered
                });
                let rows = rows.map(|(_, cells)| cells.join("\t"));
                Self { separator: b'\t', text: rows.collect::<Vec<_>>().join("\n") }
            }
        };
        let names: Vec<&str> = sheet
            .text
            .lines()
            .next()?
            .split(char::from(sheet.separator))
            .map(|name| name.trim().trim_matches('"'))
            .collect();
        let holds_numbers = names.iter().any(|name| name.parse::<f64>().is_ok());
        (names.len() > 1 && names.iter().any(|name| metric(name).is_some()) && !holds_numbers)
            .then_some(sheet)
    }

    /// The trainings in it.
    pub(super) fn trainings(&self, place: &str) -> Result<Vec<Training>, String> {
        let mut reader = ReaderBuilder::new()
            .delimiter(self.separator)
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(self.text.as_bytes());
        let names = reader.headers().map_err(|error| error.to_string())?.clone();
        let find = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let run_at = find("run");
        // pandas writes its index without a name.
        let epoch_at = find("epoch").or_else(|| find("").filter(|place| *place == 0));
        let mut runs: Vec<(String, Vec<Training>)> = Vec::new();
        for (line, record) in (2..).zip(reader.records()) {
            let record = record.map_err(|error| error.to_string())?;
            if record == names {
                continue;
            }
            if record.len() > names.len() {
                return Err(format!(
                    "line {line} has {} cells under {} headings; name every column, and write decimals with a point",
                    record.len(),
                    names.len()
                ));
            }
            let cell = |column: usize| record.get(column).unwrap_or_default();
            let run = run_at.map_or("", cell);
            let place = runs.iter().position(|(name, _)| name == run).unwrap_or_else(|| {
                runs.push((run.to_owned(), vec![Training::default()]));
                runs.len() - 1
            });
            let trainings = &mut runs[place].1;
            let counted =
                trainings.last().and_then(Training::current).map_or(1, |number| number + 1);
            let epoch = match epoch_at.map(|column| (&names[column], cell(column))) {
                None => Some(counted),
                Some((_, text)) if is_missing(text) => None,
                Some((name, text)) => {
                    let number = self.number(text).ok_or_else(|| {
                        format!("line {line}: the epoch `{text}` is not a number")
                    })?;
                    let number = if name.is_empty() { number + 1.0 } else { number };
                    (number.fract() == 0.0).then_some(number as i64)
                }
            };
            let Some(epoch) = epoch else {
                self.pass_over(&names, &record, trainings, epoch_at);
                continue;
            };
            if trainings.last().is_none_or(|training| training.ends_before(epoch, None)) {
                trainings.push(Training::default());
            }
            let Some(training) = trainings.last_mut() else { continue };
            training.enter(epoch, None);
            let split = record.iter().find(|cell| is_split(cell));
            for (column, title) in names.iter().enumerate() {
                if Some(column) == epoch_at || Some(column) == run_at {
                    continue;
                }
                let text = cell(column);
                match self.number(text) {
                    Some(value) => training.put(&of_split(title, split), value, Again::Adds),
                    None if is_missing(text) || name(title).is_none() => training.column(title),
                    None => {
                        return Err(format!(
                            "line {line}: `{text}` in the column `{title}` is not a number"
                        ));
                    }
                }
            }
        }
        if runs.is_empty() {
            return Err("has a heading and no epochs".to_owned());
        }
        Ok(runs
            .into_iter()
            .flat_map(|(run, mut trainings)| {
                let place = if run.is_empty() { place } else { &run };
                trainings.retain(Training::has_epochs);
                number(&mut trainings, place);
                trainings
            })
            .collect())
    }

    /// Names a row that belongs to no epoch or lies between two, if it tells anything.
    fn pass_over(
        &self,
        names: &StringRecord,
        record: &StringRecord,
        trainings: &mut [Training],
        epoch_at: Option<usize>,
    ) {
        let told: Vec<String> = names
            .iter()
            .enumerate()
            .filter(|(column, title)| {
                Some(*column) != epoch_at
                    && name(title).is_some()
                    && !is_missing(record.get(*column).unwrap_or_default())
            })
            .map(|(_, title)| format!("`{title}`"))
            .collect();
        if let (Some(training), false) = (trainings.last_mut(), told.is_empty()) {
            let remark = format!("rows at no whole epoch have {}: passed over", told.join(", "));
            if !training.remarks.contains(&remark) {
                training.remarks.push(remark);
            }
        }
    }

    /// A number, with a decimal comma where commas do not part cells; or a duration such as `1:03`.
    fn number(&self, text: &str) -> Option<f64> {
        let text = text.trim_end_matches(['%', ' ']);
        if let Ok(number) = text.parse() {
            return Some(number);
        }
        if self.separator != b',' && text.matches(',').count() == 1 {
            return text.replace(',', ".").parse().ok();
        }
        let parts: Option<Vec<f64>> = text.split(':').map(|part| part.parse().ok()).collect();
        parts
            .filter(|parts| parts.len() > 1)
            .map(|parts| parts.iter().fold(0.0, |sum, part| sum * 60.0 + part))
    }
}

/// Whether a line only draws a table, or nothing.
fn is_rule(line: &str) -> bool {
    line.chars().all(|sign| "|-+=: ".contains(sign))
}

fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell.to_lowercase().as_str())
}
