//! What a program prints while it trains. Keras: `Epoch 3/30`, then a line with the metrics, redrawn by
//! backspaces or carriage returns as batches pass. Loops written by hand: a heading such as `Epoch 0/7`,
//! `Epoch [1/8]` or `epoch 3:` and metrics such as `train Loss: 0.88 Acc: 0.57`, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use thaw_spec::Split;

use super::line::{Dialect, Heading, Pair};
use super::training::{Again, Training, number, quoted};
use super::transcript::{Batches, Event, Transcript, Values};
use crate::name::metric;

/// The trainings that a text without terminal codes tells.
pub(super) fn trainings(text: &str, place: &str, may_lack_headings: bool) -> Vec<Training> {
    let dialect = Dialect::of(text);
    let told = Transcript::of(text, dialect);
    // Where a heading was not understood, lines are no epochs.
    let may_lack_headings = may_lack_headings && !dialect.names_epochs;
    let sources = told.sources();
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
    let is_heading = |event: &Event| matches!(event, Event::Heading(_));
    let (Some(first), Some(last)) =
        (events.iter().position(is_heading), events.iter().rposition(is_heading))
    else {
        return Order::BehindHeading;
    };
    let (before, behind) = (columns(&events[..first]), columns(&events[last..]));
    let headings = events.iter().filter_map(|event| match event {
        Event::Heading(heading) => Some(heading),
        _ => None,
    });
    let closing = headings.clone().filter(|heading| heading.closes).count();
    let mostly_closing = closing * 2 > headings.count();
    let has_batches = |event: &Event| matches!(event, Event::Batches(_));
    let ends = behind.is_empty() && !events[last..].iter().any(has_batches);
    if before.is_empty() && !(ends && mostly_closing) {
        return Order::BehindHeading;
    }
    if mostly_closing {
        return Order::BeforeHeading;
    }
    let all = columns(&events[first..]);
    let is_train =
        |column: &&str| metric(column).is_some_and(|metric| metric.split() == Split::Train);
    match (before.is_superset(&all), ends) {
        // Where only an evaluation is told, the first may be one before the training.
        (true, true) if all.iter().any(is_train) => Order::BeforeHeading,
        (true, _) => Order::Unknown,
        // A part of an epoch, or an evaluation.
        (false, true) if before.iter().any(is_train) => Order::Unknown,
        (false, _) => Order::BehindHeading,
    }
}

/// The metrics of events by their names.
fn columns(events: &[Event]) -> BTreeSet<&str> {
    let values = events.iter().filter_map(|event| match event {
        Event::Values(values) => Some(values),
        _ => None,
    });
    let names = values.flat_map(|values| &values.pairs).map(|pair| pair.column.as_str());
    names.filter(|column| metric(column).is_some()).collect()
}

/// The events with each heading before what it stands behind, and what is behind the last.
fn headings_first(events: Vec<Event>) -> (Vec<Event>, Vec<Event>) {
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
    (ordered, group)
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
        let (events, left) = match order {
            Order::BeforeHeading => headings_first(events),
            Order::BehindHeading | Order::Unknown => (events, Vec::new()),
        };
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
                    if !left.is_empty() {
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
        let Some(training) = self.trainings.last_mut() else {
            self.reached = values.steps.or(self.reached);
            self.headless.push(values);
            return;
        };
        let Values { pairs, steps, seconds, is_bar, .. } = values;
        if self.has_ended {
            let names = quoted(pairs.iter().map(|pair| &pair.column));
            training.remarks.push(format!("behind the end stand {names}: passed over"));
            return;
        }
        self.reached = steps.or(self.reached);
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
        training.tell(&pairs, again);
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
            let names = quoted(line.pairs.iter().map(|pair| &pair.column));
            training.remarks.push(format!("before the first epoch stand {names}: passed over"));
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
            training.tell(&line.pairs, Again::Adds);
        }
        training.remarks.push("no epoch has a number in it: its lines are counted".to_owned());
        training
    }
}
