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
    /// The seed of a run that diverged, so that there is no number.
    pub diverged: Option<u64>,
    /// Difference from the rung before, between runs of equal seeds, when both have run.
    pub change: Option<Estimate>,
    /// P-value of the change, adjusted for the number of changes on the ladder (Holm 1979).
    pub p_value: Option<f64>,
    /// Whether all curves of this rung and the rung before are equal to the last bit for every seed
    /// they share.
    pub equal: bool,
}

impl MeasuredRung {
    /// Why there is no number, in words.
    pub fn why_unmeasured(&self) -> String {
        self.diverged.map_or_else(|| "not run".to_owned(), diverged_in_words)
    }
}

/// What is said in the place of a number that a diverged run has not.
pub fn diverged_in_words(seed: u64) -> String {
    format!("diverged (seed {seed})")
}

/// Estimates a number at each rung whose procedure exists, and its change from the rung before where
/// that one exists as well.
pub fn evaluate_ladder(ladder: &[Rung], measurements: &Measurements<'_>) -> Vec<MeasuredRung> {
    let mut before: Option<&ProcedureRuns> = None;
    let mut rungs = Vec::new();
    for rung in ladder {
        let Some(procedure) = measurements.results().select(&rung.selector).next() else {
            // The next rung changes more than its label says.
            before = None;
            continue;
        };
        rungs.push(MeasuredRung {
            label: rung.label.clone(),
            estimate: measurements.level(procedure),
            diverged: procedure.diverged(measurements.metric()).map(|(seed, _)| seed),
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
