//! A printed log as events: headings, lines that count, values of batches.

use std::collections::{BTreeMap, BTreeSet};

use super::line::{Dialect, Heading, Line, Pair, Shortest, ends_in_number};
use super::training::is_of_validation;
use crate::name::{mentions_metric, metric};

/// What happens in a log.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// An epoch begins, or ends.
    Heading(Heading),
    /// A line that counts.
    Values(Values),
    /// Values of batches, of which only the names are told.
    Batches(Batches),
    /// Names that are not understood.
    Named(Vec<String>),
    /// The training ends.
    End,
}

/// What a line in its last state tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) pairs: Vec<Pair>,
    pub(super) steps: Option<(u64, u64)>,
    pub(super) seconds: Option<f64>,
    pub(super) is_bar: bool,
    pub(super) has_lead: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Batches {
    pub(super) columns: BTreeSet<String>,
    pub(super) steps: Option<(u64, u64)>,
    /// Validation metrics beside them, which are of the epoch before.
    pub(super) validation: BTreeMap<String, f64>,
}

/// The events of a log in its order, each with the program that printed it.
#[derive(Default)]
pub(super) struct Transcript {
    pub(super) events: Vec<(String, Event)>,
    pub(super) remarks: BTreeSet<String>,
    line: Values,
    source: String,
    /// The epoch that the current line has named.
    drawn: Option<i64>,
    /// The split that the lines are about.
    section: Option<String>,
    /// Lines with a metric's name and a number that are not understood.
    unread: usize,
}

impl Transcript {
    /// What a text without terminal codes tells. Of a line that is drawn again the last state counts.
    pub(super) fn of(text: &str, dialect: Dialect) -> Self {
        let mut told = Self::default();
        for line in text.split('\n') {
            for piece in line.split(['\r', '\u{8}']).filter(|piece| !piece.trim().is_empty()) {
                told.piece(piece, dialect);
            }
            told.flush();
            told.drawn = None;
        }
        if !text.ends_with('\n') {
            told.drop_cut_number(ends_in_number(text));
        }
        if told.unread > 0 {
            let remark = format!("{} more lines name a metric and are not understood", told.unread);
            told.remarks.insert(remark);
        }
        told
    }

    fn piece(&mut self, piece: &str, dialect: Dialect) {
        let mut line = Line::read(piece, dialect, self.section.as_deref());
        if line.source != self.source {
            self.flush();
            self.source.clone_from(&line.source);
        }
        self.remarks.extend(line.remark.take());
        if line.is_end {
            self.flush();
            self.push(Event::End);
        }
        self.unread += usize::from(line.is_unread);
        if let Some(heading) = line.heading.filter(|heading| self.drawn != Some(heading.number)) {
            self.flush();
            self.drawn = Some(heading.number);
            self.push(Event::Heading(heading));
            self.section.clone_from(&line.section);
        } else if line.section.is_some() {
            self.section.clone_from(&line.section);
        }
        if !line.tells_metric() {
            let names: Vec<String> = line
                .pairs
                .into_iter()
                .map(|pair| pair.column)
                .filter(|column| mentions_metric(column))
                .collect();
            if !names.is_empty() {
                self.push(Event::Named(names));
            }
            return;
        }
        if !line.unread.is_empty() {
            self.push(Event::Named(std::mem::take(&mut line.unread)));
        }
        if line.is_partial() {
            self.batches(&line);
            return;
        }
        if line.is_of_batch {
            let columns = line
                .pairs
                .iter()
                .map(|pair| &pair.column)
                .filter(|column| metric(column).is_some());
            self.remarks.extend(columns.map(|column| {
                format!("`{column}` stands beside the last batch, so it may be that batch's alone")
            }));
        }
        self.line.is_bar |= line.is_bar;
        self.line.has_lead |= line.has_lead;
        self.line.seconds = line.seconds.or(self.line.seconds);
        self.line.steps = line.steps.or(self.line.steps);
        for pair in line.pairs {
            match self.line.pairs.iter_mut().find(|known| known.column == pair.column) {
                Some(known) => *known = pair,
                None => self.line.pairs.push(pair),
            }
        }
    }

    fn batches(&mut self, line: &Line) {
        let columns = line.pairs.iter().map(|pair| pair.column.clone());
        let validation = line.pairs.iter().filter(|pair| is_of_validation(&pair.column));
        let validation = validation.map(|pair| (pair.column.clone(), pair.value)).collect();
        match self.events.last_mut() {
            Some((source, Event::Batches(batches))) if *source == self.source => {
                batches.columns.extend(columns);
                batches.steps = line.steps.or(batches.steps);
                batches.validation = validation;
            }
            _ => self.push(Event::Batches(Batches {
                columns: columns.collect(),
                steps: line.steps,
                validation,
            })),
        }
    }

    fn push(&mut self, event: Event) {
        self.events.push((self.source.clone(), event));
    }

    /// Ends a line.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.pairs.is_empty() {
            self.push(Event::Values(line));
        }
    }

    /// The programs that tell the same metrics of the same epochs, so that each tells a training; none
    /// if there are no such.
    pub(super) fn sources(&self) -> BTreeSet<String> {
        let mut epochs: BTreeMap<&str, i64> = BTreeMap::new();
        let mut headings: BTreeMap<&str, usize> = BTreeMap::new();
        let mut told: BTreeMap<(i64, &str), &str> = BTreeMap::new();
        let mut have_several = false;
        for (source, event) in &self.events {
            match event {
                Event::Heading(heading) => {
                    epochs.insert(source, heading.number);
                    *headings.entry(source).or_default() += 1;
                }
                Event::Values(values) => {
                    let Some(epoch) = epochs.get(source.as_str()) else { continue };
                    for pair in values.pairs.iter().filter(|pair| metric(&pair.column).is_some()) {
                        let first = told.entry((*epoch, &pair.column)).or_insert(source);
                        have_several |= *first != source;
                    }
                }
                _ => {}
            }
        }
        // A number before each line is that of the line.
        if !have_several || headings.values().all(|count| *count < 2) {
            return BTreeSet::new();
        }
        headings.into_keys().map(str::to_owned).collect()
    }

    /// Drops a last line that lacks the steps that its columns always had, or, where the text ends in a
    /// number, that number if it is shorter than all before it.
    fn drop_cut_number(&mut self, ends_in_number: bool) {
        let Some(((_, Event::Values(last)), before)) = self.events.split_last() else { return };
        let Some(pair) = last.pairs.last() else { return };
        let column = pair.column.clone();
        let mut shortest = Shortest::default();
        let (mut lines, mut with_steps) = (0, 0);
        for (_, event) in before {
            let Event::Values(values) = event else { continue };
            let mut known = values.pairs.iter().filter(|known| known.column == column).peekable();
            if known.peek().is_some() {
                lines += 1;
                with_steps += usize::from(values.steps.is_some());
            }
            known.for_each(|known| shortest.add(known.form));
        }
        if last.steps.is_none() && lines > 0 && with_steps == lines {
            self.events.pop();
            self.remarks.insert("the log ends within a line: passed over".to_owned());
        } else if ends_in_number && shortest.is_cut(pair.form) {
            if let Some((_, Event::Values(last))) = self.events.last_mut() {
                last.pairs.pop();
            }
            let remark = format!("the log ends within the number of `{column}`: passed over");
            self.remarks.insert(remark);
        }
    }
}
