//! What has to be known of all rows of a table before one is read.

use std::collections::{HashMap, HashSet};

use csv::{Reader, StringRecord};

use super::comma::{Comma, Unclear};
use super::line::{Form, Shortest, ends_in_number};
use super::table::{epoch_number, is_heading_again, is_missing};
use super::training::{epoch_column, is_step};
use crate::name::is_split;

/// What all rows of a table have in common.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) rows: usize,
    /// Whether every row has one more cell than the heading, a number first.
    pub(super) has_unnamed_index: bool,
    pub(super) first_cell: Option<String>,
    pub(super) has_whole_epochs: bool,
    /// Whether an epoch's number stands in several rows.
    pub(super) has_epochs_again: bool,
    /// Values of each column that counts steps, with its name.
    pub(super) steps: Vec<(String, Vec<f64>)>,
    /// The shortest number of each column, but for the last row, which may be cut.
    pub(super) shortest: Vec<Shortest>,
    pub(super) columns: usize,
    /// Columns with cells that are no split's name.
    pub(super) other_words: HashSet<usize>,
    /// Whether every row ends in a separator that the heading lacks.
    pub(super) ends_in_separator: bool,
    /// What commas are in the columns that have some.
    pub(super) commas: HashMap<usize, Comma>,
}

impl Survey {
    /// Goes over all rows under a heading.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub(super) fn of(names: &StringRecord, mut reader: Reader<&[u8]>) -> Result<Self, String> {
        let epoch = epoch_column(names);
        let mut survey =
            Survey { has_unnamed_index: true, ends_in_separator: true, ..Survey::default() };
        let mut seen: HashSet<String> = HashSet::new();
        let steps: Vec<usize> =
            (0..names.len()).filter(|column| is_step(&names[*column])).collect();
        survey.steps = steps.iter().map(|column| (names[*column].to_owned(), Vec::new())).collect();
        let mut index: Option<u64> = None;
        let mut last = StringRecord::new();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            survey.rows += 1;
            if is_heading_again(&record, names) {
                continue;
            }
            let first = record.get(0).unwrap_or_default();
            survey.first_cell.get_or_insert_with(|| first.to_owned());
            let number = first.parse::<u64>().ok();
            let counts = index.is_none_or(|before| number == before.checked_add(1));
            index = number;
            let is_longer = record.len() == names.len() + 1;
            let has_rest = record.iter().next_back().is_some_and(|cell| !cell.is_empty());
            survey.has_unnamed_index &= is_longer && has_rest && number.is_some() && counts;
            survey.ends_in_separator &= is_longer && !has_rest;
            for (column, cell) in record.iter().enumerate() {
                if cell.contains(',') {
                    let told = Comma::of(cell);
                    let known = survey.commas.entry(column).or_insert(told);
                    *known = known.and(told);
                }
                if !is_missing(cell) && !is_split(cell) {
                    survey.other_words.insert(column);
                }
            }
            if let Some(cell) = epoch.and_then(|column| record.get(column)) {
                let number = epoch_number(cell);
                survey.has_whole_epochs |=
                    number.is_some_and(|number| number.fract() == 0.0 && number > 0.0);
                survey.has_epochs_again |= !seen.insert(cell.to_owned());
            }
            for (column, (_, numbers)) in steps.iter().zip(&mut survey.steps) {
                let step = record.get(*column).unwrap_or_default();
                numbers.push(step.parse().unwrap_or(f64::NAN));
            }
            // The last record may be cut, so it does not count.
            survey.shortest.resize(names.len() + 1, Shortest::default());
            for (shortest, cell) in survey.shortest.iter_mut().zip(last.iter()) {
                if cell.starts_with(|sign: char| sign.is_ascii_digit() || "+-.".contains(sign)) {
                    shortest.add(Form::of(cell));
                }
            }
            last.clone_from(&record);
        }
        survey.columns = names.len();
        survey.has_unnamed_index &= survey.rows > 0;
        survey.ends_in_separator &= survey.rows > 0;
        survey.has_epochs_again |= epoch.is_none();
        Ok(survey)
    }

    /// A column's number; an error where its comma may be either.
    pub(super) fn value(&self, column: usize, text: &str) -> Result<Option<f64>, Unclear> {
        let text = text.trim_end_matches(['%', ' ']);
        match self.commas.get(&column) {
            Some(comma) if text.contains(',') || *comma == Comma::DecimalBehindPoints => {
                comma.number(text)
            }
            _ => Ok(text.parse().ok()),
        }
    }

    /// Whether a cell at the end of a text was cut.
    pub(super) fn is_cut(&self, column: usize, text: &str) -> bool {
        let lacks_cells = column + 1 < self.columns;
        let shortest = self.shortest.get(column).copied().unwrap_or_default();
        ends_in_number(text) && (lacks_cells || shortest.is_cut(Form::of(text)))
    }
}
