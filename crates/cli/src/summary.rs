//! The table a sweep ends with.

use std::fmt::Write as _;

use thaw_analysis::{Estimate, ProcedureRuns, Results, climb};
use thaw_spec::{Experiment, Metric, Statistic};

/// A Markdown table of every procedure: final and best validation accuracy, final test accuracy, audit, time.
pub(crate) fn table(results: &Results) -> String {
    let width = results.procedures.iter().map(|procedure| procedure.label().len()).max().unwrap_or(0);
    let mut text =
        format!("| {:width$} | seeds | final validation | best validation |  final test      | base drift | audit     | s/run |\n", "cell");
    let _ = writeln!(
        text,
        "|{}|------:|:-----------------|:----------------|:-----------------|-----------:|:----------|------:|",
        "-".repeat(width + 2)
    );
    for procedure in &results.procedures {
        let number =
            |metric, statistic| procedure.sample(metric, statistic).map_or_else(|| "–".to_owned(), |sample| show(&sample.estimate()));
        let _ = writeln!(
            text,
            "| {:width$} | {:>2}/{:<2} | {:16} | {:15} | {:16} | {:>10} | {:9} | {:>5} |",
            procedure.label(),
            procedure.runs.len(),
            procedure.planned_seeds,
            number(Metric::ValidationAccuracy, Statistic::Final),
            number(Metric::ValidationAccuracy, Statistic::Best),
            number(Metric::TestAccuracy, Statistic::Final),
            drift(procedure),
            audit(procedure),
            seconds(procedure),
        );
    }
    text
}

/// A Markdown table of the ladder: what each change does to the final validation accuracy; nothing when the experiment has no ladder.
pub(crate) fn answer(experiment: &Experiment, results: &Results) -> Option<String> {
    let steps = climb(&experiment.ladder, results, Metric::ValidationAccuracy, Statistic::Final);
    if steps.is_empty() {
        return None;
    }
    let width = steps.iter().map(|step| step.label.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("| {:width$} | final validation | change in points               |\n", "step");
    let _ = writeln!(text, "|{}|:-----------------|:-------------------------------|", "-".repeat(width + 2));
    for step in &steps {
        let estimate = step.estimate.as_ref().map_or_else(|| "not run".to_owned(), show);
        let change = match (&step.change, step.equal) {
            (_, true) => "0, equal to the last bit".to_owned(),
            (Some(change), false) => points(change),
            (None, false) => String::new(),
        };
        let _ = writeln!(text, "| {:width$} | {estimate:16} | {change:30} |", step.label);
    }
    Some(text)
}

/// A difference with its interval, and whether the interval leaves out zero.
fn points(change: &Estimate) -> String {
    let mean = change.mean * 100.0;
    match change.interval {
        Some((low, high)) => {
            let verdict = if low > 0.0 || high < 0.0 { "" } else { " (may be chance)" };
            format!("{mean:+.2} ± {:.2}{verdict}", (high - low) / 2.0 * 100.0)
        }
        None => format!("{mean:+.2}"),
    }
}

fn show(estimate: &Estimate) -> String {
    match estimate.interval {
        Some((low, high)) => format!("{:.2} ± {:.2} %", estimate.mean * 100.0, (high - low) / 2.0 * 100.0),
        None => format!("{:.2} %", estimate.mean * 100.0),
    }
}

fn drift(procedure: &ProcedureRuns) -> String {
    let largest = procedure.runs.iter().map(|run| run.final_drift()).reduce(f64::max);
    largest.map_or_else(|| "–".to_owned(), |drift| if drift == 0.0 { "0".to_owned() } else { format!("{drift:.1e}") })
}

fn audit(procedure: &ProcedureRuns) -> &'static str {
    match (procedure.runs.is_empty(), procedure.thawed()) {
        (true, _) => "not run",
        (false, true) => "THAWED",
        (false, false) => "completed",
    }
}

fn seconds(procedure: &ProcedureRuns) -> String {
    let count = procedure.runs.len() as f64;
    if procedure.runs.is_empty() {
        "–".to_owned()
    } else {
        format!("{:.0}", procedure.runs.iter().map(|run| run.seconds()).sum::<f64>() / count)
    }
}
