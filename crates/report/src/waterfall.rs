//! From the one accuracy to the other, one change at a time; and every cell with its interval.

use thaw_analysis::{Attribution, Estimate, MeasuredRung, Measurements};
use thaw_spec::{Labels, Statistic};

use crate::number::{percent, points, statistic_in_words};
use crate::palette::{BLUE, DOWN, NEUTRAL, UP};
use crate::rows::{ChartRow, Mark, RowChart, padded_range};

/// Draws the ladder of a validation accuracy as a waterfall: its first number, then what each change
/// adds or takes, then its last. Nothing with fewer than two measured rungs.
pub fn waterfall(steps: &[MeasuredRung], statistic: Statistic) -> Option<RowChart> {
    let mut rows = Vec::new();
    for step in steps {
        let Some(estimate) = &step.estimate else {
            rows.push(ChartRow {
                label: step.label.clone(),
                mark: Mark::Nothing,
                interval: None,
                wide: None,
                color: NEUTRAL,
                text: step.why_unmeasured(),
            });
            continue;
        };
        rows.push(match &step.change {
            // The change is between equal seeds, and the level over all of them: where the rung before
            // has other seeds, the bar ends at this level and begins elsewhere.
            Some(change) => {
                let bar = bar(&step.label, estimate.mean - change.mean, change, step.p_value);
                if step.equal {
                    let text = "equal to the last bit".to_owned();
                    ChartRow { interval: None, wide: None, text, ..bar }
                } else {
                    bar
                }
            }
            None => total(&step.label, estimate),
        });
    }
    let last = steps.iter().rev().find_map(|step| step.estimate.as_ref())?;
    rows.push(total("and so arrived at", last));
    (steps.iter().filter(|step| step.estimate.is_some()).count() > 1).then(|| {
        let title = "From the one accuracy to the other, one change at a time".to_owned();
        accuracy_chart(title, statistic, rows)
    })
}

/// Draws the shares of an attribution as a waterfall.
pub fn shares(attribution: &Attribution, from: &str, to: &str, statistic: Statistic) -> RowChart {
    let mut height = attribution.from.mean;
    let mut rows = vec![total(from, &attribution.from)];
    for share in &attribution.shares {
        let label = format!("{}: {} → {}", share.factor, share.from, share.to);
        rows.push(bar(&label, height, &share.share, share.p_value));
        height += share.share.mean;
    }
    rows.push(total(to, &attribution.to));
    accuracy_chart("The gap divided over the factors (Shapley)".to_owned(), statistic, rows)
}

/// Draws every procedure that has run with the interval of its validation accuracy; nothing when
/// none has run.
pub fn forest(measurements: &Measurements<'_>, labels: &Labels) -> Option<RowChart> {
    let rows: Vec<ChartRow> = measurements
        .results()
        .procedures
        .iter()
        .filter_map(|procedure| {
            let estimate = measurements.level(procedure)?;
            let (color, thawed) = if procedure.thawed() { (UP, " thawed") } else { (BLUE, "") };
            let text = format!("{}{thawed}", percent(&estimate));
            Some(ChartRow { color, text, ..total(&labels.procedure(&procedure.levels), &estimate) })
        })
        .collect();
    let title = "Validation accuracy of every cell".to_owned();
    (!rows.is_empty()).then(|| accuracy_chart(title, measurements.statistic(), rows))
}

/// A change from a height on.
fn bar(label: &str, before: f64, change: &Estimate, p_value: Option<f64>) -> ChartRow {
    let from_there = |(low, high): (f64, f64)| (before + low, before + high);
    ChartRow {
        label: label.to_owned(),
        mark: Mark::Bar(before, before + change.mean),
        interval: change.interval().map(from_there),
        wide: change.widest_interval().map(from_there),
        color: if change.mean > 0.0 { UP } else { DOWN },
        text: points(change, p_value),
    }
}

pub(crate) fn total(label: &str, estimate: &Estimate) -> ChartRow {
    ChartRow {
        label: label.to_owned(),
        mark: Mark::Point(estimate.mean),
        interval: estimate.interval(),
        wide: estimate.widest_interval(),
        color: NEUTRAL,
        text: percent(estimate),
    }
}

pub(crate) fn accuracy_chart(title: String, statistic: Statistic, rows: Vec<ChartRow>) -> RowChart {
    let marks = rows.iter().flat_map(|row| match row.mark {
        Mark::Bar(from, to) => vec![from, to],
        Mark::Point(value) => vec![value],
        Mark::Nothing => Vec::new(),
    });
    let intervals = rows.iter().flat_map(|row| [row.interval, row.wide]).flatten();
    let ends = intervals.flat_map(|(low, high)| [low, high]);
    let range = padded_range(marks.chain(ends));
    let words = statistic_in_words(statistic);
    RowChart {
        title,
        axis: format!(
            "validation accuracy in %, {words}; 95 % intervals: thick over seeds, thin with images"
        ),
        range,
        rows,
    }
}
