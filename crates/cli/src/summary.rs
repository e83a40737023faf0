//! The table a sweep ends with.

use thaw_analysis::{MeasuredRung, ProcedureRuns, Results};
use thaw_report::{magnitude, percent, points};
use thaw_spec::{Metric, Statistic};

use crate::markdown::{self, Column};

/// A Markdown table of every procedure: final and best validation accuracy, final test accuracy,
/// audit, time.
pub(crate) fn table(results: &Results) -> String {
    let columns = [
        Column::Left("cell"),
        Column::Right("seeds"),
        Column::Left("final validation"),
        Column::Left("best validation"),
        Column::Left("final test"),
        Column::Right("base drift"),
        Column::Left("audit"),
        Column::Right("s/run"),
    ];
    let row = |procedure: &ProcedureRuns| {
        let number = |metric, statistic| {
            procedure
                .sample(metric, statistic)
                .map_or_else(|| "–".to_owned(), |sample| percent(&sample.estimate()))
        };
        vec![
            procedure.label(),
            format!("{}/{}", procedure.runs.len(), procedure.planned_seeds),
            number(Metric::ValidationAccuracy, Statistic::Final),
            number(Metric::ValidationAccuracy, Statistic::Best),
            number(Metric::TestAccuracy, Statistic::Final),
            drift(procedure),
            audit(procedure).to_owned(),
            seconds(procedure),
        ]
    };
    markdown::table(&columns, &results.procedures.iter().map(row).collect::<Vec<_>>()).join("\n")
        + "\n"
}

/// A Markdown table of the ladder: what each change does to the final validation accuracy; nothing
/// when the experiment has no ladder.
pub(crate) fn answer(steps: &[MeasuredRung]) -> Option<String> {
    if steps.is_empty() {
        return None;
    }
    let row = |step: &MeasuredRung| {
        let estimate = step.estimate.as_ref().map_or_else(|| "not run".to_owned(), percent);
        vec![step.label.clone(), estimate, change(step, "0, equal to the last bit")]
    };
    let columns = ["step", "final validation", "change in points"].map(Column::Left);
    Some(markdown::table(&columns, &steps.iter().map(row).collect::<Vec<_>>()).join("\n") + "\n")
}

/// What a step changes, in points.
fn change(step: &MeasuredRung, equal: &str) -> String {
    if step.equal {
        equal.to_owned()
    } else {
        step.change().as_ref().map_or_else(String::new, points)
    }
}

/// The lines that a sweep leaves on the screen, at most ten: the ladder where there is one, else
/// the procedures with the lowest and the highest accuracy; what thawed; and how many cells have
/// run.
pub(crate) fn last_screen(title: &str, steps: &[MeasuredRung], results: &Results) -> Vec<String> {
    const LADDER: usize = 7;
    let mut lines = vec![title.to_owned()];
    if steps.is_empty() {
        let mut ranked: Vec<_> = results
            .procedures
            .iter()
            .filter_map(|procedure| {
                Some((
                    procedure.sample(Metric::ValidationAccuracy, Statistic::Final)?.estimate(),
                    procedure,
                ))
            })
            .collect();
        ranked.sort_by(|a, b| b.0.mean.total_cmp(&a.0.mean));
        let shown = ranked.len().min(3);
        let (best, worst) = (
            ranked.iter().take(shown),
            ranked.iter().skip(ranked.len() - shown.min(ranked.len() - shown)),
        );
        lines.extend(best.chain(worst).map(|(estimate, procedure)| {
            format!("  {:18} {}", percent(estimate), procedure.label())
        }));
    }
    for step in steps.iter().take(LADDER) {
        let value = step.estimate.as_ref().map_or_else(|| "not run".to_owned(), percent);
        lines.push(format!("  {value:18} {:30} {}", change(step, "equal"), step.label));
    }
    if steps.len() > LADDER {
        lines.push(format!("  and {} more steps, in the report", steps.len() - LADDER));
    }
    let count = |wanted: &dyn Fn(&ProcedureRuns) -> bool| {
        results.procedures.iter().filter(|procedure| wanted(procedure)).count()
    };
    let (all, complete) = (
        results.procedures.len(),
        count(&|procedure| procedure.runs.len() == procedure.planned_seeds),
    );
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
