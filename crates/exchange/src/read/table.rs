//! Tables with a heading, of a row for each epoch or of several that tell parts of it: CSV with any
//! usual separator, columns set apart by blanks, Markdown and drawn tables. Several trainings stand
//! under each other or are named in a column such as `run` or `fold`.

use std::collections::{BTreeSet, HashMap};

use csv::{ReaderBuilder, StringRecord};

use super::comma::{Unclear, unclear};
use super::duration::duration;
use super::layout::{by_blanks, is_rule, lines_of, names_of, separator_of, within_bars};
use super::survey::Survey;
use super::training::{
    Again, Training, count_rows, epoch_column, is_epoch, names_split, number, whole_epoch,
};
use crate::name::{is_duration, is_split, metric, name, of_split};

/// Cells that hold nothing.
const MISSING: [&str; 7] = ["", "na", "n/a", "none", "null", "-", "no log"];

/// Columns that may name a training, where epochs come again in others.
const RUNS: [&str; 10] = [
    "model",
    "name",
    "fold",
    "seed",
    "experiment",
    "experiment_name",
    "trial",
    "run_id",
    "run_name",
    "config",
];

/// Separator of cells that the reader puts in where blanks stood.
const BLANK: u8 = b'\t';

/// Tables of a text under each other, each with a heading of its own.
pub(super) struct Sheets(Vec<Sheet>);

/// A text with cells apart, whose first line is a heading with at least one metric.
struct Sheet {
    separator: u8,
    text: String,
    remarks: Vec<String>,
    /// Whether the text ends within a line.
    is_cut: bool,
}

impl Sheets {
    /// Understands a text as a table whose heading stands first.
    pub(super) fn of(text: &str) -> Option<Self> {
        let lines = lines_of(text);
        let first = lines.iter().position(|line| !line.starts_with('#') && !is_rule(line))?;
        let heading = names_of(&lines[first]);
        // `# epoch loss` above the numbers of NumPy's `savetxt`.
        let commented = first.checked_sub(1).filter(|_| heading.is_none());
        let start = match commented {
            Some(place) => {
                names_of(lines[place].trim_start_matches(['#', ' ']))?;
                place
            }
            None => {
                heading?;
                first
            }
        };
        Some(Self::under(&lines[start..], text))
    }

    /// Understands a table that stands behind something else.
    pub(super) fn within(text: &str) -> Option<Self> {
        let lines = lines_of(text);
        let start = lines.iter().position(|line| is_heading(line))?;
        Some(Self::under(&lines[start..], text))
    }

    /// Whether any line of a text is a heading.
    pub(super) fn stand_in(text: &str) -> bool {
        text.lines().any(is_heading)
    }

    /// The tables of lines of which the first is a heading.
    fn under(mut lines: &[String], text: &str) -> Self {
        let mut sheets = Vec::new();
        while let Some((heading, rows)) = lines.split_first() {
            let names = names_of(heading.trim_start_matches('#'));
            // A row of names that are not those of the heading is another heading.
            let is_another = |line: &String| is_heading(line) && names_of(line) != names;
            let end = rows.iter().position(is_another).unwrap_or(rows.len());
            lines = &rows[end..];
            let is_cut = lines.is_empty() && !text.ends_with(['\n', '\r']);
            sheets.push(Sheet::under(heading, &rows[..end], is_cut));
        }
        Self(sheets)
    }

    /// The trainings in them.
    pub(super) fn trainings(&self, place: &str) -> Result<Vec<Training>, String> {
        let mut runs = Runs::default();
        for sheet in &self.0 {
            for (run, trainings) in sheet.runs()?.named {
                runs.of(run).extend(trainings);
            }
        }
        let numbered = |(run, mut trainings): (String, Vec<Training>)| {
            trainings.retain(Training::has_epochs);
            number(trainings, if run.is_empty() { place } else { &run })
        };
        Ok(runs.named.into_iter().flat_map(numbered).collect())
    }
}

/// Trainings by the name of their run, in the order of the names.
#[derive(Default)]
struct Runs {
    named: Vec<(String, Vec<Training>)>,
    places: HashMap<String, usize>,
}

impl Runs {
    fn of(&mut self, run: String) -> &mut Vec<Training> {
        let place = *self.places.entry(run).or_insert_with_key(|run| {
            self.named.push((run.clone(), Vec::new()));
            self.named.len() - 1
        });
        &mut self.named[place].1
    }
}

impl Sheet {
    fn under(heading: &str, rows: &[String], is_cut: bool) -> Self {
        let heading = heading.trim_start_matches('#');
        let rows = rows.iter().map(String::as_str);
        let rows = rows.filter(|line| !is_rule(line) && !line.starts_with('#'));
        let mut remarks = Vec::new();
        let separator = separator_of(heading);
        let text = match separator {
            Some('|') => {
                let rows = [heading].into_iter().chain(rows).map(|line| within_bars(line.trim()));
                rows.collect::<Vec<_>>().join("\n")
            }
            Some(_) => [heading].into_iter().chain(rows).collect::<Vec<_>>().join("\n"),
            None => by_blanks(heading, rows, &mut remarks),
        };
        let separator = separator.map_or(BLANK, |separator| separator as u8);
        Self { separator, text, remarks, is_cut }
    }

    /// The records after the heading.
    fn reader(&self) -> csv::Reader<&[u8]> {
        ReaderBuilder::new()
            .delimiter(self.separator)
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(self.text.as_bytes())
    }

    /// The trainings under this heading by the name of their run.
    fn runs(&self) -> Result<Runs, String> {
        let mut reader = self.reader();
        let mut names = reader.headers().map_err(|error| error.to_string())?.clone();
        let survey = Survey::of(&names, self.reader())?;
        if survey.has_unnamed_index {
            // As R and pandas print a table: the numbers of the rows have no heading.
            names = [""].into_iter().chain(names.iter()).collect();
        }
        let columns = Columns::of(&names, &survey)?;
        let mut runs = Runs::default();
        let mut remarks: BTreeSet<String> = self.remarks.iter().cloned().collect();
        remarks.extend(columns.remark.clone());
        let mut begins_again = false;
        for (row, record) in (1..).zip(reader.records()) {
            let record = record.map_err(|error| error.to_string())?;
            if is_heading_again(&record, &names) {
                begins_again = true;
                continue;
            }
            let is_longer = record.len() > names.len() + usize::from(survey.ends_in_separator);
            if is_longer {
                return Err(format!(
                    "row {row} under the heading has {} cells under {} names; name every column, and write decimals with a point",
                    record.len(),
                    names.len()
                ));
            }
            let cell = |column: usize| record.get(column).unwrap_or_default();
            let trainings = runs.of(columns.run_of(&names, &record));
            if trainings.is_empty() {
                // Rows before its first epoch are told of too.
                trainings.push(Training::default());
            }
            let current = trainings.last().and_then(Training::current);
            let epoch = match columns.epoch {
                None => Some(current.map_or(1, |number| number + 1)),
                Some(column) if is_missing(cell(column)) => None,
                Some(column) => {
                    let text = cell(column);
                    let number = match epoch_number(text) {
                        Some(number) => number,
                        // `mean`, `best`: a row behind the epochs.
                        None if current.is_some() && record.len() > 1 => {
                            remarks.insert(format!("the row `{text}` is no epoch: passed over"));
                            continue;
                        }
                        None => {
                            return Err(format!(
                                "row {row} under the heading: the epoch `{text}` is not a number"
                            ));
                        }
                    };
                    whole_epoch(number, survey.has_whole_epochs)
                        .map(|number| number + columns.shift)
                }
            };
            let Some(epoch) = epoch else {
                pass_over(&names, &record, trainings, columns.epoch);
                continue;
            };
            // Where no number comes again, the rows are of one training in whatever order.
            let is_another = trainings.last().is_none_or(|training| {
                survey.has_epochs_again && training.ends_before(epoch, None)
                    || begins_again && current.is_some_and(|current| epoch <= current)
            });
            begins_again = false;
            if is_another {
                trainings.push(Training::default());
            }
            let Some(training) = trainings.last_mut() else { continue };
            training.enter(epoch, None);
            training.counts_rows |= columns.epoch.is_none() || columns.is_row_number;
            let split = columns.split.map(cell).filter(|cell| is_split(cell));
            let is_last = survey.rows == row;
            for (column, title) in names.iter().enumerate() {
                if Some(column) == columns.epoch || columns.runs.contains(&column) {
                    continue;
                }
                let text = cell(column);
                let is_cut = is_last
                    && self.is_cut
                    && column + 1 == record.len()
                    && survey.is_cut(column, text);
                if is_cut && name(title).is_some() {
                    remarks.insert(format!(
                        "the log ends within the number of `{title}`: passed over"
                    ));
                    continue;
                }
                let name_of_value = of_split(title, split);
                let told = match survey.value(column, text) {
                    Ok(None) | Err(Unclear) if is_duration(title) => Ok(duration(text)),
                    told => told,
                };
                match told {
                    Err(Unclear) if metric(title).is_some() => {
                        let reason = unclear(text, &format!("in the column `{title}`"));
                        return Err(format!("row {row} under the heading: {reason}"));
                    }
                    Err(Unclear) => training.column(title),
                    Ok(Some(value)) => {
                        training.put(&name_of_value, value, Again::Adds);
                        if text.ends_with('%') {
                            training.is_in_percent(&name_of_value);
                        }
                    }
                    Ok(None) if metric(title).is_some() && !is_missing(text) => {
                        return Err(format!(
                            "row {row} under the heading: `{text}` in the column `{title}` is not a number"
                        ));
                    }
                    Ok(None) => {
                        training.column(title);
                        if is_duration(title) && !is_missing(text) {
                            remarks.insert(format!(
                                "`{title}` has cells that are no durations: passed over"
                            ));
                        }
                    }
                }
            }
        }
        if runs.named.is_empty() {
            return Err("has a heading and no epochs".to_owned());
        }
        if let Some(training) =
            runs.named.last_mut().and_then(|(_, trainings)| trainings.last_mut())
        {
            training.remarks.extend(remarks);
        }
        Ok(runs)
    }
}

/// Whether a line within a text is a heading: one of its names is the epoch's, or all are understood.
fn is_heading(line: &str) -> bool {
    names_of(line).is_some_and(|names| {
        let is_understood = |known: &String| is_epoch(known) || name(known).is_some();
        names.iter().any(|name| is_epoch(name)) || names.iter().all(is_understood)
    })
}

/// What the columns of a table are for.
#[derive(Debug, Default)]
struct Columns {
    epoch: Option<usize>,
    /// What is added to the numbers in it.
    shift: i64,
    /// Whether it only numbers the rows.
    is_row_number: bool,
    /// Columns that name the training.
    runs: Vec<usize>,
    /// The column that says which images a row is about.
    split: Option<usize>,
    remark: Option<String>,
}

impl Columns {
    fn of(names: &StringRecord, survey: &Survey) -> Result<Self, String> {
        let find = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let mut splits = (0..names.len())
            .filter(|column| names_split(&names[*column]) && !survey.other_words.contains(column));
        let split = splits.next();
        if let (Some(one), Some(other)) = (split, splits.next()) {
            return Err(format!(
                "`{}` and `{}` both may say which images a row is about; keep one of them",
                &names[one], &names[other]
            ));
        }
        let epoch = epoch_column(names);
        let mut columns = Self { epoch, split, ..Self::default() };
        columns.runs.extend(find("run"));
        if columns.runs.is_empty() && survey.has_epochs_again {
            columns.runs = RUNS.iter().filter_map(|name| find(name)).collect();
        }
        if columns.epoch.is_some() {
            return Ok(columns);
        }
        columns.is_row_number = true;
        // pandas writes its index without a name, counted from 0, R from 1.
        let index = find("").or(find("index")).or(find("Unnamed: 0")).filter(|place| *place == 0);
        // `batch` may be a batch's size.
        let is_constant =
            |steps: &[f64]| steps.len() > 1 && steps.iter().all(|step| *step == steps[0]);
        let mut steps = survey.steps.iter().filter(|(_, steps)| !is_constant(steps));
        if let Some((step, _)) = steps.clone().find(|(_, steps)| !count_rows(steps)) {
            return Err(format!("has `{step}` and no column `epoch`; add the epoch of each row"));
        }
        if let Some((step, _)) = steps.next() {
            columns.epoch = names.iter().position(|name| name == step);
            columns.remark = Some(format!("`{step}` counts the rows and is taken for the epoch"));
        } else if index.is_some() {
            columns.epoch = index;
            columns.shift = i64::from(survey.first_cell.as_deref() == Some("0"));
        } else {
            columns.remark = Some("no column names the epoch: its rows are counted".to_owned());
        }
        Ok(columns)
    }

    /// Name of the training that a row belongs to.
    fn run_of(&self, names: &StringRecord, record: &StringRecord) -> String {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        match self.runs[..] {
            [] => String::new(),
            [only] if names[only].eq_ignore_ascii_case("run") => cell(only).to_owned(),
            _ => {
                let levels =
                    self.runs.iter().map(|column| format!("{}={}", &names[*column], cell(*column)));
                levels.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// An epoch's number, which may stand as `3/30`.
pub(super) fn epoch_number(text: &str) -> Option<f64> {
    let number = text.split_once('/').map_or(text, |(number, _)| number);
    number.trim().parse().ok()
}

/// Whether a record is the heading, written once more.
pub(super) fn is_heading_again(record: &StringRecord, names: &StringRecord) -> bool {
    let names = names.iter().skip_while(|name| name.is_empty());
    names.eq(record.iter().skip_while(|name| name.is_empty()))
}

/// Names a row that belongs to no epoch or lies between two, if it tells anything.
fn pass_over(
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

pub(super) fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell.to_lowercase().as_str())
}
