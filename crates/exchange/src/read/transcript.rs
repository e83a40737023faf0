//! A printed log as events: headings, lines that count, values of batches.

use std::collections::{BTreeMap, BTreeSet};

use super::line::{Dialect, Heading, Line, Pair, Shortest};
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
    pub(super) line: Values,
    pub(super) source: String,
    /// The epoch that the current line has named.
    pub(super) drawn: Option<i64>,
    /// The split that the lines are about.
    pub(super) section: Option<String>,
    pub(super) remarks: BTreeSet<String>,
    /// Lines with a metric's name and a number that are not understood.
    pub(super) unread: usize,
}

impl Transcript {
    pub(super) fn piece(&mut self, piece: &str, dialect: Dialect) {
        let line = Line::read(piece, dialect, self.section.as_deref());
        if line.source != self.source {
            self.flush();
            self.source.clone_from(&line.source);
        }
        self.remarks.extend(line.remark.clone());
        if line.is_end {
            self.flush();
            self.push(Event::End);
        }
        self.unread += usize::from(line.is_unread && !line.is_mention);
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
            self.push(Event::Named(line.unread.clone()));
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
    pub(super) fn flush(&mut self) {
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

    /// Drops the last number where the text ends in it and it is shorter than all before it, and a last
    /// line that lacks the steps that its columns always had.
    pub(super) fn drop_cut_number(&mut self, text: &str) {
        let is_within = |sign: char| sign.is_ascii_digit() || ".,eE+-".contains(sign);
        let Some(((_, Event::Values(last)), before)) = self.events.split_last() else { return };
        if text.ends_with('\n') {
            return;
        }
        let same = |pair: &Pair| -> Vec<&Values> {
            let values = before.iter().filter_map(|(_, event)| match event {
                Event::Values(values) => Some(values),
                _ => None,
            });
            values
                .filter(|values| values.pairs.iter().any(|known| known.column == pair.column))
                .collect()
        };
        let Some(pair) = last.pairs.last() else { return };
        let lines = same(pair);
        let mut shortest = Shortest::default();
        let known = lines.iter().flat_map(|values| &values.pairs);
        known
            .filter(|known| known.column == pair.column)
            .for_each(|known| shortest.add(known.form));
        let is_cut = text.ends_with(is_within) && shortest.is_cut(pair.form);
        let lacks_steps = last.steps.is_none()
            && !lines.is_empty()
            && lines.iter().all(|values| values.steps.is_some());
        let column = pair.column.clone();
        if lacks_steps {
            self.events.pop();
            self.remarks.insert("the log ends within a line: passed over".to_owned());
        } else if is_cut {
            if let Some((_, Event::Values(last))) = self.events.last_mut() {
                last.pairs.pop();
            }
            self.remarks
                .insert(format!("the log ends within the number of `{column}`: passed over"));
        }
    }
}
