//! The tables that both the terminal and the page show.

use thaw_analysis::{Attribution, Estimate, MeasuredRung, ProcedureRuns, Results, Sample};
use thaw_spec::{Metric, Statistic};

use crate::number::{changed, magnitude, measured, percent, resampled_change};
use crate::table::{Entry, Table};

/// Every procedure: final and best validation accuracy, final test accuracy, drift, audit, time.
pub fn procedures_table(results: &Results) -> Table {
    let rows = results.procedures.iter().map(|procedure| {
        vec![
            Entry::text(procedure.label()),
            seeds(procedure),
            accuracy(procedure, Metric::ValidationAccuracy, Statistic::Final),
            accuracy(procedure, Metric::ValidationAccuracy, Statistic::Best),
            accuracy(procedure, Metric::TestAccuracy, Statistic::Final),
            Entry::maybe(largest_drift(procedure), magnitude),
            Entry::text(audit_in_words(procedure)),
            Entry::maybe(mean_seconds(procedure), magnitude),
        ]
    });
    let headings = [
        "cell",
        "seeds",
        "final validation",
        "best validation",
        "final test",
        "base drift",
        "audit",
        "seconds per run",
    ];
    Table::new("Means over seeds with 95 % confidence intervals", &headings, rows)
}

/// What each change of a ladder does to the final validation accuracy.
pub fn ladder_table(rungs: &[MeasuredRung]) -> Table {
    let rows = rungs.iter().map(|rung| {
        let change = match (rung.change(), rung.equal) {
            (_, true) => Entry::Number("0, equal to the last bit".to_owned(), 0.0),
            (Some(change), false) => change_of(&change, Metric::ValidationAccuracy),
            (None, false) => Entry::missing("–"),
        };
        let value = rung.estimate.as_ref().map_or_else(
            || Entry::missing("not run"),
            |estimate| Entry::Number(percent(estimate), estimate.mean),
        );
        vec![Entry::text(rung.label.clone()), value, change]
    });
    Table::new(
        "Each line changes one thing in the line above",
        &["step", "final validation accuracy", "change in points"],
        rows,
    )
}

/// The share of each factor in a gap, with their sum.
pub fn shares_table(attribution: &Attribution, metric: Metric) -> Table {
    let rows = attribution.shares.iter().map(|share| {
        vec![
            Entry::text(share.factor.clone()),
            Entry::text(format!("{} → {}", share.from, share.to)),
            change(&share.share, metric),
            bootstrap(&share.share, metric),
        ]
    });
    let mean = attribution.estimates().iter().map(|estimate| estimate.mean).sum();
    let sum = Estimate { mean, standard_deviation: None, interval: None, count: 1 };
    let sum = vec![
        Entry::text("sum"),
        Entry::text(""),
        change_of(&sum, metric),
        Entry::Number(String::new(), mean),
    ];
    let share = format!("share in {}", unit(metric));
    let headings = ["factor", "from → to", share.as_str(), "its bootstrap"];
    Table::new(orders(attribution), &headings, rows.chain([sum]))
}

/// Each factor's main effect, and what changing it does first and last.
pub fn single_changes_table(attribution: &Attribution, metric: Metric) -> Table {
    let rows = attribution.shares.iter().map(|share| {
        let possible = |sample: &Option<Sample>| {
            sample
                .as_ref()
                .map_or_else(|| Entry::missing("cannot exist"), |sample| change(sample, metric))
        };
        vec![
            Entry::text(share.factor.clone()),
            change(&share.main_effect, metric),
            bootstrap(&share.main_effect, metric),
            possible(&share.first),
            possible(&share.last),
        ]
    });
    let headings = ["factor", "main effect", "its bootstrap", "changed first", "changed last"];
    Table::new(format!("One change at a time, in {}", unit(metric)), &headings, rows)
}

/// What two factors do together more than each alone, the largest first.
pub fn interactions_table(attribution: &Attribution, metric: Metric) -> Table {
    let rows = attribution.interactions.iter().map(|interaction| {
        vec![
            Entry::text(interaction.factors.join(" and ")),
            change(&interaction.effect, metric),
            bootstrap(&interaction.effect, metric),
        ]
    });
    let headings = ["factors", "together more than each alone", "its bootstrap"];
    Table::new(format!("Interactions, in {}", unit(metric)), &headings, rows)
}

/// Names the orders of change that shares are means over.
pub fn orders(attribution: &Attribution) -> String {
    let [possible, all] = attribution.orders;
    if possible == all {
        format!("shares are means over all {all} orders of change (Shapley)")
    } else {
        format!(
            "shares are means over the {possible} of {all} orders of change that pass through cells that can exist"
        )
    }
}

/// The unit of a difference.
pub fn unit(metric: Metric) -> &'static str {
    if metric.is_accuracy() { "points" } else { "nats" }
}

/// Seeds that have run, of those planned.
pub(crate) fn seeds(procedure: &ProcedureRuns) -> Entry {
    let (run, planned) = (procedure.runs.len(), procedure.planned_seeds);
    Entry::Number(format!("{run}/{planned}"), run as f64)
}

/// The mean of a metric over seeds with its interval.
pub(crate) fn accuracy(procedure: &ProcedureRuns, metric: Metric, statistic: Statistic) -> Entry {
    match procedure.sample(metric, statistic).map(|sample| sample.estimate()) {
        Some(estimate) => Entry::Number(measured(&estimate, metric), estimate.mean),
        None => Entry::missing("–"),
    }
}

/// The verdict of the audit over all seeds.
pub(crate) fn audit_in_words(procedure: &ProcedureRuns) -> &'static str {
    match (procedure.runs.is_empty(), procedure.thawed()) {
        (true, _) => "not run",
        (false, true) => "THAWED",
        (false, false) => "completed",
    }
}

/// The largest relative drift of the base over seeds.
pub(crate) fn largest_drift(procedure: &ProcedureRuns) -> Option<f64> {
    procedure.runs.iter().map(|run| run.final_drift()).reduce(f64::max)
}

/// The mean duration of a run.
pub(crate) fn mean_seconds(procedure: &ProcedureRuns) -> Option<f64> {
    let total: f64 = procedure.runs.iter().map(|run| run.seconds()).sum();
    (!procedure.runs.is_empty()).then(|| total / procedure.runs.len() as f64)
}

fn change(sample: &Sample, metric: Metric) -> Entry {
    change_of(&sample.estimate(), metric)
}

fn change_of(estimate: &Estimate, metric: Metric) -> Entry {
    Entry::Number(changed(estimate, metric), estimate.mean)
}

fn bootstrap(sample: &Sample, metric: Metric) -> Entry {
    Entry::Number(resampled_change(sample, metric), sample.estimate().mean)
}
