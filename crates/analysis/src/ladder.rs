//! The way from one procedure to another, one change at a time, and what each change does to the
//! accuracy.

use thaw_spec::Rung;

use crate::estimate::{Estimate, holm};
use crate::measurements::Measurements;
use crate::results::ProcedureRuns;

/// A rung of the ladder with its measured number.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredRung {
    /// Change that leads to this rung, in a few words.
    pub label: String,
    /// The number at this rung, when the procedure has run.
    pub estimate: Option<Estimate>,
    /// Difference from the rung before, between runs of equal seeds, when both have run.
    pub change: Option<Estimate>,
    /// P-value of the change, adjusted for the number of changes on the ladder (Holm 1979).
    pub p_value: Option<f64>,
    /// Whether all curves of this rung and the rung before are equal to the last bit for every seed
    /// they share.
    pub equal: bool,
}

/// Estimates a number at each rung whose procedure exists, and its change from the rung before.
pub fn evaluate_ladder(ladder: &[Rung], measurements: &Measurements<'_>) -> Vec<MeasuredRung> {
    let mut before: Option<&ProcedureRuns> = None;
    let mut rungs = Vec::new();
    for rung in ladder {
        let Some(procedure) = measurements.results().select(&rung.selector).next() else {
            continue;
        };
        rungs.push(MeasuredRung {
            label: rung.label.clone(),
            estimate: measurements.level(procedure),
            change: before.and_then(|before| measurements.difference(before, procedure)),
            p_value: None,
            equal: before.is_some_and(|before| before.equals(procedure)),
        });
        before = Some(procedure);
    }
    let p_values: Vec<Option<f64>> = rungs
        .iter()
        .map(|rung| rung.change.as_ref().filter(|_| !rung.equal).and_then(Estimate::p_value))
        .collect();
    for (rung, p_value) in rungs.iter_mut().zip(holm(&p_values)) {
        rung.p_value = p_value;
    }
    rungs
}
