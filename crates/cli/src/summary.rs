//! The table a sweep ends with.

use std::fmt::Write as _;

use thaw_analysis::{ProcedureRuns, Results, Step};
use thaw_report::{magnitude, percent, points};
use thaw_spec::{Metric, Statistic};

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
            |metric, statistic| procedure.sample(metric, statistic).map_or_else(|| "–".to_owned(), |sample| percent(&sample.estimate()));
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
pub(crate) fn answer(steps: &[Step]) -> Option<String> {
    if steps.is_empty() {
        return None;
    }
    let width = steps.iter().map(|step| step.label.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("| {:width$} | final validation | change in points               |\n", "step");
    let _ = writeln!(text, "|{}|:-----------------|:-------------------------------|", "-".repeat(width + 2));
    for step in steps {
        let estimate = step.estimate.as_ref().map_or_else(|| "not run".to_owned(), percent);
        let change = match (&step.change(), step.equal) {
            (_, true) => "0, equal to the last bit".to_owned(),
            (Some(change), false) => points(change),
            (None, false) => String::new(),
        };
        let _ = writeln!(text, "| {:width$} | {estimate:16} | {change:30} |", step.label);
    }
    Some(text)
}

/// The lines that a sweep leaves on the screen, at most ten: the ladder where there is one, else the procedures with the lowest and the highest
/// accuracy; what thawed; and how many cells have run.
pub(crate) fn last_screen(title: &str, steps: &[Step], results: &Results) -> Vec<String> {
    const LADDER: usize = 7;
    let mut lines = vec![title.to_owned()];
    if steps.is_empty() {
        let mut ranked: Vec<_> = results
            .procedures
            .iter()
            .filter_map(|procedure| Some((procedure.sample(Metric::ValidationAccuracy, Statistic::Final)?.estimate(), procedure)))
            .collect();
        ranked.sort_by(|a, b| b.0.mean.total_cmp(&a.0.mean));
        let shown = ranked.len().min(3);
        let (best, worst) = (ranked.iter().take(shown), ranked.iter().skip(ranked.len() - shown.min(ranked.len() - shown)));
        lines.extend(best.chain(worst).map(|(estimate, procedure)| format!("  {:18} {}", percent(estimate), procedure.label())));
    }
    for step in steps.iter().take(LADDER) {
        let value = step.estimate.as_ref().map_or_else(|| "not run".to_owned(), percent);
        let change = match (&step.change(), step.equal) {
            (_, true) => "equal".to_owned(),
            (Some(change), false) => points(change),
            (None, false) => String::new(),
        };
        lines.push(format!("  {value:18} {change:30} {}", step.label));
    }
    if steps.len() > LADDER {
        lines.push(format!("  and {} more steps, in the report", steps.len() - LADDER));
    }
    let count = |wanted: &dyn Fn(&ProcedureRuns) -> bool| results.procedures.iter().filter(|procedure| wanted(procedure)).count();
    let (all, complete) = (results.procedures.len(), count(&|procedure| procedure.runs.len() == procedure.planned_seeds));
    let audit = match count(&ProcedureRuns::thawed) {
        0 => "what was declared frozen stayed frozen".to_owned(),
        thawed => format!("THAWED: in {thawed} of them a base that was declared frozen moved"),
    };
    lines.push(format!("{complete} of {all} procedures have run with every seed; {audit}"));
    lines
}

fn drift(procedure: &ProcedureRuns) -> String {
    let largest = procedure.runs.iter().map(|run| run.final_drift()).reduce(f64::max);
    largest.map_or_else(|| "–".to_owned(), magnitude)
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
