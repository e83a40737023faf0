//! CSV with a heading: a row per epoch and, where it holds several trainings, a column `run`.

use csv::{ReaderBuilder, StringRecord};

use crate::NamedLog;
use crate::log::assemble;
use crate::name::quantity;

/// Whether the first line is a heading with at least one metric.
pub(super) fn is_table(text: &str) -> bool {
    let heading = text.lines().next().unwrap_or_default();
    let names: Vec<&str> = heading.split(separator(heading)).collect();
    names.len() > 1 && names.iter().any(|name| quantity(name.trim().trim_matches('"')).is_some())
}

fn separator(heading: &str) -> char {
    [',', ';', '\t']
        .into_iter()
        .max_by_key(|separator| (heading.matches(*separator).count(), *separator == ','))
        .unwrap_or(',')
}

/// The rows of one training.
struct Rows {
    run: String,
    epoch: Option<i64>,
    columns: Vec<Vec<f64>>,
}

pub(super) fn read(text: &str) -> Result<Vec<NamedLog>, String> {
    let separator = separator(text.lines().next().unwrap_or_default());
    let mut reader = ReaderBuilder::new()
        .delimiter(separator as u8)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    let place = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let (run_at, epoch_at) = (place("run"), place("epoch"));
    let wanted: Vec<usize> =
        (0..names.len()).filter(|column| quantity(&names[*column]).is_some()).collect();
    let mut runs: Vec<Rows> = Vec::new();
    for (line, record) in (2..).zip(reader.records()) {
        let record = record.map_err(|error| error.to_string())?;
        let run = run_at.map_or("", |column| &record[column]);
        let rows = match runs.iter_mut().position(|rows| rows.run == run) {
            Some(place) => &mut runs[place],
            None => {
                runs.push(Rows {
                    run: run.to_owned(),
                    epoch: None,
                    columns: vec![Vec::new(); wanted.len()],
                });
                runs.last_mut().ok_or("a run that was just added")?
            }
        };
        if let Some(column) = epoch_at {
            rows.epoch = Some(next_epoch(&record[column], rows.epoch, line)?);
        }
        for (values, column) in rows.columns.iter_mut().zip(&wanted) {
            values.extend(number(&record, *column).map_err(|cell| {
                format!("line {line}: `{cell}` in the column `{}` is not a number", &names[*column])
            })?);
        }
    }
    if runs.is_empty() {
        return Err("has a heading and no epochs".to_owned());
    }
    let named = |rows: Rows| {
        assemble(&rows.run, wanted.iter().map(|column| names[*column].to_owned()).zip(rows.columns))
    };
    runs.into_iter().map(named).collect()
}

/// A number, or nothing in an empty cell.
fn number(record: &StringRecord, column: usize) -> Result<Option<f64>, String> {
    let cell = &record[column];
    if cell.is_empty() { Ok(None) } else { cell.parse().map(Some).map_err(|_| cell.to_owned()) }
}

/// Epochs count up by one, from wherever they begin.
fn next_epoch(cell: &str, before: Option<i64>, line: usize) -> Result<i64, String> {
    let epoch = cell
        .parse::<f64>()
        .map_err(|_| format!("line {line}: the epoch `{cell}` is not a number"))?
        as i64;
    match before {
        Some(before) if epoch != before + 1 => {
            let what = if epoch <= before {
                "; for several trainings in one file, name each in a column `run`"
            } else {
                ""
            };
            Err(format!("line {line}: epoch {epoch} follows epoch {before}{what}"))
        }
        _ => Ok(epoch),
    }
}
