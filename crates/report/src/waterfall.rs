//! From the one accuracy to the other, one change at a time; and every cell with its interval.

use thaw_analysis::{Attribution, Estimate, MeasuredRung, Results};
use thaw_spec::{Metric, Statistic};

use crate::number::{percent, points};
use crate::palette::{BLUE, DOWN, NEUTRAL, UP};
use crate::rows::{ChartRow, Mark, RowChart, padded_range};

/// Draws the ladder as a waterfall: its first number, then what each change adds or takes, then its
/// last. Nothing with fewer than two measured rungs.
pub fn waterfall(steps: &[MeasuredRung]) -> Option<RowChart> {
    let mut rows = Vec::new();
    let mut height: Option<f64> = None;
    for step in steps {
        let Some(estimate) = &step.estimate else {
            rows.push(ChartRow {
                label: step.label.clone(),
                mark: Mark::Nothing,
                interval: None,
                color: NEUTRAL,
                text: "not run".to_owned(),
            });
            height = None;
            continue;
        };
        rows.push(match (&step.change(), height) {
            (Some(change), Some(before)) => {
                let bar = bar(&step.label, before, change);
                if step.equal {
                    ChartRow { interval: None, text: "equal to the last bit".to_owned(), ..bar }
                } else {
                    bar
                }
            }
            _ => total(&step.label, estimate),
        });
        height = Some(estimate.mean);
    }
    let last = steps.iter().rev().find_map(|step| step.estimate.as_ref())?;
    rows.push(total("and so arrived at", last));
    (steps.iter().filter(|step| step.estimate.is_some()).count() > 1).then(|| {
        accuracy_chart("From the one accuracy to the other, one change at a time".to_owned(), rows)
    })
}

/// Draws the shares of an attribution as a waterfall.
pub fn shares(attribution: &Attribution, from: &str, to: &str) -> RowChart {
    let mut height = attribution.from.estimate().mean;
    let mut rows = vec![total(from, &attribution.from.estimate())];
    for (share, estimate) in attribution.shares.iter().zip(attribution.estimates()) {
        rows.push(bar(
            &format!("{}: {} → {}", share.factor, share.from, share.to),
            height,
            &estimate,
        ));
        height += estimate.mean;
    }
    rows.push(total(to, &attribution.to.estimate()));
    accuracy_chart("The gap divided over the factors (Shapley)".to_owned(), rows)
}

/// Draws every procedure that has run with the interval of its final validation accuracy; nothing
/// when none has run.
pub fn forest(results: &Results) -> Option<RowChart> {
    let rows: Vec<ChartRow> = results
        .procedures
        .iter()
        .filter_map(|procedure| {
            let estimate =
                procedure.sample(Metric::ValidationAccuracy, Statistic::Final)?.estimate();
            let color = if procedure.thawed() { UP } else { BLUE };
            let thawed = if procedure.thawed() { " thawed" } else { "" };
            Some(ChartRow {
                label: procedure.label(),
                mark: Mark::Point(estimate.mean),
                interval: estimate.interval,
                color,
                text: format!("{}{thawed}", percent(&estimate)),
            })
        })
        .collect();
    (!rows.is_empty())
        .then(|| accuracy_chart("Final validation accuracy of every cell".to_owned(), rows))
}

/// A change from a height on.
fn bar(label: &str, before: f64, change: &Estimate) -> ChartRow {
    ChartRow {
        label: label.to_owned(),
        mark: Mark::Bar(before, before + change.mean),
        interval: change.interval.map(|(low, high)| (before + low, before + high)),
        color: if change.mean > 0.0 { UP } else { DOWN },
        text: points(change),
    }
}

fn total(label: &str, estimate: &Estimate) -> ChartRow {
    ChartRow {
        label: label.to_owned(),
        mark: Mark::Point(estimate.mean),
        interval: estimate.interval,
        color: NEUTRAL,
        text: percent(estimate),
    }
}

pub(crate) fn accuracy_chart(title: String, rows: Vec<ChartRow>) -> RowChart {
    let marks = rows.iter().flat_map(|row| match row.mark {
        Mark::Bar(from, to) => vec![from, to],
        Mark::Point(value) => vec![value],
        Mark::Nothing => Vec::new(),
    });
    let ends = rows.iter().filter_map(|row| row.interval).flat_map(|(low, high)| [low, high]);
    let range = padded_range(marks.chain(ends));
    RowChart {
        title,
        axis: "validation accuracy in %, with 95 % confidence intervals".to_owned(),
        range,
        rows,
    }
}
