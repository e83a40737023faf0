//! The first screen: one sentence, the waterfall, and its numbers.

use maud::{Markup, html};
use thaw_analysis::{CellRun, MeasuredRung, ProcedureRuns, Sample};
use thaw_spec::Rung;

use super::{Page, VALIDATION, figure};
use crate::escape::name;
use crate::number::{percent, points, statistic_in_words};
use crate::tables::ladder_table;
use crate::{ReportError, waterfall};

impl Page<'_> {
    /// The first screen: one sentence, the waterfall, and its numbers.
    pub(super) fn answer(&self) -> Result<Markup, ReportError> {
        if let Some(chart) = waterfall(self.ladder, self.accuracy.statistic()) {
            let caption = "Bars are changes against the line above. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.";
            return Ok(html! {
                @if let Some(headline) = self.headline() { p class="answer" { (headline) } }
                @if let Some(rising) = self.rising() { p { (rising) } }
                (figure(&chart.svg()?, &in_words(self.ladder), caption))
                details { summary { "The same as a table" } (ladder_table(self.ladder, self.accuracy).html()) }
            });
        }
        Ok(html! {
            p class="answer" { (self.range()) }
            @if let Some(division) = self.divisions.first() {
                (self.divided_figure(division)?)
                p { a href="#division" { "The same as tables" } }
            }
        })
    }

    /// The lowest and the highest cell, where there is no ladder.
    fn range(&self) -> Markup {
        let Some(ends) = self.results.extremes(VALIDATION, self.accuracy.statistic()) else {
            return html! {
                @match self.ran().count() {
                    0 => "No cell has run.",
                    1 => "One cell has run.",
                    count if self.compared() == 1 => { "All " (count) " cells that have run are equal to the last bit." }
                    _ => "No two cells with different accuracies have run.",
                }
            };
        };
        let [low, high] = ends.map(|procedure| {
            let accuracy =
                self.accuracy.level(procedure).as_ref().map_or_else(String::new, percent);
            html! { (accuracy) " (" (name(&self.label(procedure))) ")" }
        });
        html! {
            "Validation accuracy (" (statistic_in_words(self.accuracy.statistic())) ") lies between "
            (low) " and " (high) "."
        }
    }

    /// Number of procedures that have run, of which the lowest and the highest are chosen; those that
    /// are equal to the last bit count once.
    pub(super) fn compared(&self) -> usize {
        let ran: Vec<&ProcedureRuns> = self.ran().collect();
        let is_new = |place: &usize| !ran[..*place].iter().any(|known| known.equals(ran[*place]));
        (0..ran.len()).filter(is_new).count()
    }

    /// Which procedures' curves still rise at the end, where a number that is a mean over epochs, or
    /// the last of them, lags behind; nothing where none does.
    fn rising(&self) -> Option<Markup> {
        let rising: Vec<String> = self
            .ran()
            .filter(|procedure| still_rises(procedure))
            .map(|procedure| self.label(procedure))
            .collect();
        let (first, others) = rising.split_first()?;
        let others = match others.len() {
            0 => String::new(),
            1 => " and of one more procedure".to_owned(),
            count => format!(" and of {count} more procedures"),
        };
        Some(html! {
            "The validation accuracy of “" (name(first)) "”" (others) " still rises at the end: with more epochs the numbers would be others."
        })
    }

    /// The steps between the ends of the gap in question, each with the place of its procedure; the whole
    /// ladder where fewer than two of them have a number.
    fn way(&self) -> Vec<(usize, &MeasuredRung)> {
        let place = |rung: &Rung| {
            let procedures = &self.results.procedures;
            procedures.iter().position(|procedure| rung.selector.matches(&procedure.levels))
        };
        // What `--only` leaves out is no step.
        let places = self.experiment.ladder.iter().filter_map(place);
        let mut way: Vec<(usize, &MeasuredRung)> = places.zip(self.ladder).collect();
        let gap = self.experiment.gap().iter().filter_map(place).count();
        if way[..gap].iter().filter(|(_, step)| step.estimate.is_some()).count() > 1 {
            way.truncate(gap);
        }
        way
    }

    /// The places, among the procedures, of the ends of the gap in question: of the first step on the way
    /// that has a number, and of the last.
    pub(super) fn question(&self) -> Option<[usize; 2]> {
        let way = self.way();
        let mut ends = way.iter().filter(|(_, step)| step.estimate.is_some());
        Some([ends.next()?, ends.next_back()?].map(|(place, _)| *place))
    }

    /// The gap in question, and the largest of the changes on the way; nothing where fewer than two steps
    /// have a number.
    fn headline(&self) -> Option<Markup> {
        let steps: Vec<&MeasuredRung> = self.way().into_iter().map(|(_, step)| step).collect();
        let mut measured = steps.iter().filter(|step| step.estimate.is_some());
        let (first, last) = (measured.next()?, measured.next_back()?);
        Some(html! {
            "From “" (name(&first.label)) "” (" (level(first)) ") to “" (name(&last.label)) "” (" (level(last)) "): "
            (self.gap()) " (" (statistic_in_words(self.accuracy.statistic())) ")."
            (self.changes(&steps)) (equal_steps(&steps)) (self.missing())
        })
    }

    /// How far the ends of the gap in question lie apart, in words.
    fn gap(&self) -> String {
        let ends = self.question().map(|ends| ends.map(|place| &self.results.procedures[place]));
        let Some([from, to]) = ends else { return String::new() };
        if from.equals(to) {
            return "equal to the last bit".to_owned();
        }
        match self.accuracy.difference(from, to) {
            Some(gap) => {
                let gap = points(&gap, gap.p_value());
                format!("{gap} points of validation accuracy between equal seeds")
            }
            None => "the two have no seed in common, so their gap is not known".to_owned(),
        }
    }

    /// The largest of several changes, in a sentence with a blank before it: the largest that is certain;
    /// where none is, or a larger one was measured once, that one as well.
    fn changes(&self, steps: &[&MeasuredRung]) -> Markup {
        let changed = || steps.iter().filter(|step| step.change.is_some() && !step.equal);
        let count = changed().count();
        let certain = changed().filter(|step| is_certain(step));
        let largest = certain.max_by(|a, b| size(a).total_cmp(&size(b)));
        let doing = if steps.iter().any(|step| step.equal) { " that do something" } else { "" };
        html! {
            @match largest {
                _ if count < 2 => {},
                Some(step) => {
                    " Of the " (count) " measured changes" (doing) ", the largest beyond chance is “" (name(&step.label)) "”, "
                    (step.change.as_ref().map_or_else(String::new, |change| points(change, step.p_value))) " points."
                },
                None if changed().any(|step| step.p_value.is_some()) => {
                    " Of the " (count) " measured changes" (doing) ", none is larger than chance could make it with these seeds and images."
                },
                None => {
                    " Each of the " (count) " measured changes has one seed, which cannot tell it from chance."
                },
            }
            (self.single(steps, largest.filter(|_| count > 1).map_or(0.0, |step| size(step))))
        }
    }

    /// How many steps of the ladder have no number, in sentences with a blank before each.
    fn missing(&self) -> String {
        let unmeasured = |diverged: bool| {
            let without = self.ladder.iter().filter(|step| step.estimate.is_none());
            without.filter(|step| step.diverged.is_some() == diverged).count()
        };
        let said = |count: usize, what: &str| match count {
            0 => String::new(),
            1 => format!(" 1 of {} steps has {what}.", self.ladder.len()),
            count => format!(" {count} of {} steps have {what}.", self.ladder.len()),
        };
        said(unmeasured(false), "not run") + &said(unmeasured(true), "diverged")
    }

    /// The largest change beyond a size that one seed alone speaks for, in a sentence; empty where there
    /// is none.
    fn single(&self, steps: &[&MeasuredRung], beyond: f64) -> Markup {
        let once = |step: &MeasuredRung| {
            step.change.as_ref().is_some_and(|change| change.over_seeds.is_none())
        };
        let single = steps.iter().filter(|step| !step.equal && once(step) && size(step) > beyond);
        let largest = single.max_by(|a, b| size(a).total_cmp(&size(b)));
        html! {
            @if let Some((step, change)) = largest.and_then(|step| Some((step, step.change.as_ref()?))) {
                " The largest that was measured once is “" (name(&step.label)) "”, " (points(change, None)) " points: more seeds will say whether it stands."
            }
        }
    }
}

/// The accuracy of a rung; empty where it has none.
fn level(step: &MeasuredRung) -> String {
    step.estimate.as_ref().map_or_else(String::new, percent)
}

/// The steps that change nothing, in a sentence with a blank before it; empty where there is none.
fn equal_steps(steps: &[&MeasuredRung]) -> Markup {
    let equal = steps.iter().filter(|step| step.equal).collect::<Vec<_>>();
    html! {
        @for (place, step) in equal.iter().enumerate() {
            @if place == 0 { " " } @else if place + 1 == equal.len() { " and " } @else { ", " }
            "“" (name(&step.label)) "”"
        }
        @match equal.len() {
            0 => {},
            1 => " changes nothing, to the last bit.",
            _ => " change nothing, to the last bit.",
        }
    }
}

/// Whether the change of a rung is more than chance would make.
fn is_certain(step: &MeasuredRung) -> bool {
    !step.equal && step.p_value.is_some_and(|p_value| p_value < 0.05)
}

/// The absolute change of a rung.
fn size(step: &MeasuredRung) -> f64 {
    step.change.as_ref().map_or(0.0, |change| change.mean.abs())
}

/// Whether the mean over the last fifth of the epochs lies above that over the fifth before it, by
/// more than seeds differ: in all seeds, and by half a point on average. Fewer than ten epochs do
/// not tell.
fn still_rises(procedure: &ProcedureRuns) -> bool {
    const RISE: f64 = 0.005;
    let rise = |run: &CellRun| {
        let curve = run.curve(VALIDATION);
        let fifth = curve.len() / 5;
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        (fifth >= 2).then(|| {
            let (before, last) = curve[curve.len() - 2 * fifth..].split_at(fifth);
            mean(last) - mean(before)
        })
    };
    let rises: Option<Vec<f64>> = procedure.runs.iter().map(rise).collect();
    let Some(rises) = rises.and_then(Sample::new) else { return false };
    rises.values().iter().all(|rise| *rise > 0.0) && rises.mean() > RISE
}

fn in_words(steps: &[MeasuredRung]) -> String {
    format!(
        "Waterfall of validation accuracy. {}",
        steps.iter().map(rung_in_words).collect::<Vec<_>>().join(" ")
    )
}

fn rung_in_words(step: &MeasuredRung) -> String {
    let value = step.estimate.as_ref().map_or_else(|| step.why_unmeasured(), percent);
    let change = step.change.as_ref().map_or_else(String::new, |change| {
        format!(", change {} points", points(change, step.p_value))
    });
    format!("{}: {value}{change}.", step.label)
}
