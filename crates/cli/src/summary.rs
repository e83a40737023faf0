//! The lines a sweep ends with.

use thaw_analysis::{MeasuredRung, Measurements, ProcedureRuns};
use thaw_report::{percent, points, statistic_in_words};

/// What a step changes, in points.
fn change(step: &MeasuredRung) -> String {
    if step.equal {
        "equal".to_owned()
    } else {
        step.change.as_ref().map_or_else(String::new, |change| points(change, step.p_value))
    }
}

/// The lines that a sweep leaves on the screen, at most ten: the ladder where there is one, else
/// the procedures with the lowest and the highest accuracy; what thawed; and how many cells have
/// run.
pub(crate) fn last_screen(
    title: &str,
    steps: &[MeasuredRung],
    accuracy: &Measurements<'_>,
) -> Vec<String> {
    const LADDER: usize = 7;
    let results = accuracy.results();
    let mut lines = vec![
        title.to_owned(),
        format!(
            "{}, {}, with 95 % confidence intervals over seeds",
            accuracy.metric(),
            statistic_in_words(accuracy.statistic())
        ),
    ];
    if steps.is_empty() {
        let mut ranked: Vec<_> = results
            .procedures
            .iter()
            .filter_map(|procedure| Some((accuracy.level(procedure)?, procedure)))
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
        let value = step.estimate.as_ref().map_or_else(|| step.why_unmeasured(), percent);
        lines.push(format!("  {value:18} {:30} {}", change(step), step.label));
    }
    if steps.len() > LADDER {
        lines.push(format!("  and {} more steps, in the report", steps.len() - LADDER));
    }
    let count = |wanted: &dyn Fn(&ProcedureRuns) -> bool| {
        results.procedures.iter().filter(|procedure| wanted(procedure)).count()
    };
    let (all, complete) = (results.procedures.len(), count(&ProcedureRuns::is_complete));
    let audit = match count(&ProcedureRuns::thawed) {
        0 => "what was declared frozen stayed frozen".to_owned(),
        thawed => format!("THAWED: in {thawed} of them a base that was declared frozen moved"),
    };
    let diverged = match count(&ProcedureRuns::has_diverged) {
        0 => String::new(),
        diverged => format!("; DIVERGED: in {diverged} of them a loss was not finite"),
    };
    lines.push(format!(
        "{complete} of {all} procedures have run with every seed; {audit}{diverged}"
    ));
    lines
}
