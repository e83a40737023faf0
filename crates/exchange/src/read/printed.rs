//! What a program prints while it trains. Keras: `Epoch 3/30`, then a line with the metrics, redrawn by
//! backspaces or carriage returns as batches pass. Loops written by hand: a heading such as `Epoch 0/7`,
//! `Epoch [1/8]` or `epoch 3:` and metrics such as `train Loss: 0.88 Acc: 0.57`, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use thaw_spec::Split;

use super::line::{Dialect, Heading, Line, Pair, Shortest};
use super::training::{Again, Training, is_of_validation, number};
use crate::name::{mentions_metric, metric};

/// The trainings that a text without terminal codes tells.
pub(super) fn trainings(text: &str, place: &str, may_lack_headings: bool) -> Vec<Training> {
    let dialect = Dialect::of(text);
    let mut told = Transcript::default();
    for line in text.split('\n') {
        for piece in line.split(['\r', '\u{8}']).filter(|piece| !piece.trim().is_empty()) {
            told.piece(piece, dialect);
        }
        told.flush();
        told.drawn = None;
    }
    told.drop_cut_number(text);
    // Where a heading was not understood, lines are no epochs.
    let may_lack_headings = may_lack_headings && !dialect.names_epochs;
    let sources = told.sources();
    if told.unread > 0 {
        told.remarks
            .insert(format!("{} more lines name a metric and are not understood", told.unread));
    }
    let Transcript { events, remarks, .. } = told;
    if sources.is_empty() {
        let events = events.into_iter().map(|(_, event)| event).collect();
        return number(Reader::read(events, may_lack_headings, remarks), place);
    }
    let mut by_source: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for (source, event) in events {
        by_source.entry(source).or_default().push(event);
    }
    let mut trainings = Vec::new();
    for (source, events) in by_source.into_iter().filter(|(source, _)| sources.contains(source)) {
        let place = if place.is_empty() { source } else { format!("{place}, {source}") };
        trainings.extend(number(Reader::read(events, may_lack_headings, remarks.clone()), &place));
    }
    trainings
}

/// What happens in a log.
#[derive(Clone, Debug)]
enum Event {
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
struct Values {
    pairs: Vec<Pair>,
    steps: Option<(u64, u64)>,
    seconds: Option<f64>,
    is_bar: bool,
    has_lead: bool,
}

#[derive(Clone, Debug, Default)]
struct Batches {
    columns: BTreeSet<String>,
    steps: Option<(u64, u64)>,
    /// Validation metrics beside them, which are of the epoch before.
    validation: BTreeMap<String, f64>,
}

/// The events of a log in its order, each with the program that printed it.
#[derive(Default)]
struct Transcript {
    events: Vec<(String, Event)>,
    line: Values,
    source: String,
    /// The epoch that the current line has named.
    drawn: Option<i64>,
    /// The split that the lines are about.
    section: Option<String>,
    remarks: BTreeSet<String>,
    /// Lines with a metric's name and a number that are not understood.
    unread: usize,
}

impl Transcript {
    fn piece(&mut self, piece: &str, dialect: Dialect) {
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
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.pairs.is_empty() {
            self.push(Event::Values(line));
        }
    }

    /// The programs that tell the same metrics of the same epochs, so that each tells a training; none
    /// if there are no such.
    fn sources(&self) -> BTreeSet<String> {
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
    fn drop_cut_number(&mut self, text: &str) {
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

/// Where an epoch's values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    BehindHeading,
    BeforeHeading,
    /// Either may be.
    Unknown,
}

/// Where the values of the events stand: behind the headings, if any line says both, or if none
/// stands before the first heading.
fn order(events: &[Event]) -> Order {
    let headings: Vec<usize> = places(events, |event| matches!(event, Event::Heading(_)));
    let values: Vec<usize> = places(events, |event| matches!(event, Event::Values(_)));
    let (Some(first), Some(last)) = (headings.first(), headings.last()) else {
        return Order::BehindHeading;
    };
    let columns = |mut within: Box<dyn FnMut(usize) -> bool>| -> BTreeSet<&str> {
        let values = values.iter().filter(move |place| within(**place));
        let pairs = values.flat_map(|place| match &events[*place] {
            Event::Values(values) => &values.pairs[..],
            _ => &[],
        });
        pairs.map(|pair| pair.column.as_str()).filter(|column| metric(column).is_some()).collect()
    };
    let (first, last) = (*first, *last);
    let before = columns(Box::new(move |place| place < first));
    let behind = columns(Box::new(move |place| place > last));
    let closing = headings
        .iter()
        .filter(|place| matches!(&events[**place], Event::Heading(heading) if heading.closes));
    let mostly_closing = closing.count() * 2 > headings.len();
    let batches = places(events, |event| matches!(event, Event::Batches(_)));
    let ends = behind.is_empty() && batches.iter().all(|place| *place < last);
    if before.is_empty() && !(ends && mostly_closing) {
        return Order::BehindHeading;
    }
    if mostly_closing {
        return Order::BeforeHeading;
    }
    let all = columns(Box::new(move |place| place > first));
    let is_train =
        |column: &&str| metric(column).is_some_and(|metric| metric.split() == Split::Train);
    match (before.is_superset(&all), ends) {
        // Where only an evaluation is told, the first may be one before the training.
        (true, true) if all.iter().any(is_train) => Order::BeforeHeading,
        (true, true) => Order::Unknown,
        (true, false) => Order::Unknown,
        // A part of an epoch, or an evaluation.
        (false, true) if before.iter().any(is_train) => Order::Unknown,
        (false, _) => Order::BehindHeading,
    }
}

fn places(events: &[Event], is_wanted: impl Fn(&Event) -> bool) -> Vec<usize> {
    let numbered = events.iter().enumerate().filter(|(_, event)| is_wanted(event));
    numbered.map(|(place, _)| place).collect()
}

/// The events with each heading before what it stands behind; what is behind the last is left out.
fn headings_first(events: Vec<Event>) -> Vec<Event> {
    let mut ordered = Vec::new();
    let mut group = Vec::new();
    for event in events {
        if matches!(event, Event::Heading(_)) {
            ordered.push(event);
            ordered.append(&mut group);
        } else {
            group.push(event);
        }
    }
    ordered
}

#[derive(Default)]
struct Reader {
    trainings: Vec<Training>,
    /// Steps of a whole epoch of the current training.
    whole_epoch: Option<u64>,
    /// Steps of the last line of the current epoch.
    reached: Option<(u64, u64)>,
    /// Columns of lines that tell a whole epoch.
    of_fit: BTreeSet<String>,
    /// The last line of the current epoch, where it counts its steps.
    last: Vec<Pair>,
    /// Validation metrics that stood beside batches of the current epoch: those of the one before.
    stale: BTreeMap<String, f64>,
    /// Lines before any heading.
    headless: Vec<Values>,
    /// Whether any line counts batches.
    has_batches: bool,
    /// Whether a line said that the training has ended.
    has_ended: bool,
}

impl Reader {
    fn read(
        events: Vec<Event>,
        may_lack_headings: bool,
        remarks: BTreeSet<String>,
    ) -> Vec<Training> {
        let order = order(&events);
        let left = events.len()
            - places(&events, |event| matches!(event, Event::Heading(_)))
                .last()
                .map_or(0, |place| place + 1);
        let events = if order == Order::BeforeHeading { headings_first(events) } else { events };
        let mut reader = Self::default();
        for event in events {
            match event {
                Event::Heading(heading) => reader.enter(heading),
                Event::Values(values) => reader.values(values),
                Event::Batches(batches) => reader.batches(batches),
                Event::End => {
                    if let Some(training) = reader.trainings.last_mut() {
                        training.leave();
                        reader.has_ended = true;
                    }
                }
                Event::Named(names) => {
                    if let Some(training) = reader.trainings.last_mut() {
                        names.iter().for_each(|name| training.column(name));
                    }
                }
            }
        }
        let mut trainings = reader.finish(may_lack_headings);
        if let Some(training) = trainings.last_mut() {
            training.remarks.extend(remarks);
            match order {
                Order::BeforeHeading => {
                    training.remarks.push("each epoch's values stand before its heading".to_owned());
                    if left > 0 {
                        training.remarks.push("values behind the last heading are passed over".to_owned());
                    }
                }
                Order::Unknown => training.refuse("metrics stand before the first heading and behind the last, so an epoch's may be those before or behind its heading; cut off what is no epoch"),
                Order::BehindHeading => {}
            }
        }
        trainings
    }

    fn enter(&mut self, Heading { number, total, .. }: Heading) {
        self.has_ended = false;
        let begins =
            self.trainings.last().is_none_or(|training| training.ends_before(number, total));
        if begins {
            self.trainings.push(Training::default());
            self.whole_epoch = None;
        }
        if let Some(training) = self.trainings.last_mut() {
            if training.current() != Some(number) {
                training.drop_stale(&self.stale, false);
                self.reached = None;
                self.last.clear();
                self.stale.clear();
            }
            training.enter(number, total);
        }
    }

    fn batches(&mut self, batches: Batches) {
        self.has_batches = true;
        self.reached = batches.steps.or(self.reached);
        self.stale = batches.validation;
        if let Some(training) = self.trainings.last_mut() {
            batches.columns.iter().for_each(|column| training.column(column));
        }
    }

    fn values(&mut self, values: Values) {
        let Values { pairs, steps, seconds, is_bar, .. } = values.clone();
        if let (true, Some(training)) = (self.has_ended, self.trainings.last_mut()) {
            let names: Vec<String> =
                pairs.iter().map(|pair| format!("`{}`", pair.column)).collect();
            training
                .remarks
                .push(format!("behind the end stand {}: passed over", names.join(", ")));
            return;
        }
        self.reached = steps.or(self.reached);
        let Some(training) = self.trainings.last_mut() else {
            self.headless.push(values);
            return;
        };
        let metrics = || pairs.iter().filter_map(|pair| Some((pair, metric(&pair.column)?)));
        let is_validated = metrics().any(|(_, metric)| metric.split() != Split::Train);
        let stands_again = metrics().any(|(pair, _)| training.has(&pair.column));
        let is_of_fit = pairs.iter().all(|pair| self.of_fit.contains(&pair.column));
        let another_count =
            steps.is_some_and(|(_, of)| self.whole_epoch.is_some_and(|whole| whole != of));
        // What `evaluate` prints after `fit` looks like an epoch's line.
        if stands_again && !is_validated && is_of_fit && (training.is_validated() || another_count)
        {
            training.evaluates(pairs.iter().map(|pair| &pair.column));
            return;
        }
        if is_validated || steps.is_some() {
            self.of_fit.extend(pairs.iter().map(|pair| pair.column.clone()));
        }
        self.whole_epoch = self.whole_epoch.or(steps.map(|(_, of)| of));
        self.reached = self.reached.filter(|(at, of)| at == of);
        // A line is drawn again when the validation has been added to it.
        let is_drawn_again = steps.is_some()
            && !self.last.is_empty()
            && self.last.iter().all(|old| {
                pairs
                    .iter()
                    .any(|new| new.column == old.column && (is_bar || new.value == old.value))
            });
        training.shows_bars |= is_bar;
        let again = if is_drawn_again { Again::Replaces } else { Again::Adds };
        for Pair { column, value, is_percent, .. } in &pairs {
            training.put(column, *value, again);
            if *is_percent {
                training.is_in_percent(column);
            }
        }
        self.last = if steps.is_some() { pairs } else { Vec::new() };
        if let Some(seconds) = seconds {
            training.put_seconds(seconds);
        }
    }

    fn finish(mut self, may_lack_headings: bool) -> Vec<Training> {
        // A number that begins a line is perhaps the epoch's, and perhaps not.
        let may_be_counted = may_lack_headings
            && !self.has_batches
            && self.headless.len() > 1
            && !self.headless.iter().any(|line| line.has_lead);
        if self.trainings.is_empty() && may_be_counted {
            let counted = self.counted();
            self.trainings.push(counted);
        } else if let (Some(training), Some(line)) =
            (self.trainings.first_mut(), self.headless.first())
        {
            let names: Vec<String> =
                line.pairs.iter().map(|pair| format!("`{}`", pair.column)).collect();
            training
                .remarks
                .push(format!("before the first epoch stand {}: passed over", names.join(", ")));
        }
        if let Some(training) = self.trainings.last_mut() {
            if let Some((at, of)) = self.reached.filter(|(at, of)| at < of) {
                training.remarks.push(format!("the log ends at step {at} of {of}"));
            }
            training.drop_stale(&self.stale, true);
        }
        self.trainings.retain(Training::has_epochs);
        self.trainings
    }

    /// Lines without headings, counted.
    fn counted(&mut self) -> Training {
        let mut training = Training::default();
        for (number, line) in (1..).zip(std::mem::take(&mut self.headless)) {
            training.enter(number, None);
            for pair in line.pairs {
                training.put(&pair.column, pair.value, Again::Adds);
                if pair.is_percent {
                    training.is_in_percent(&pair.column);
                }
            }
        }
        training.remarks.push("no epoch has a number in it: its lines are counted".to_owned());
        training
    }
}
