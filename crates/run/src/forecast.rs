//! How long a plan takes on this machine.

use thaw_spec::{CostFacts, Plan, Step};
use thaw_train::fit_memory_bytes;

use crate::RunError;
use crate::launch::Limits;
use crate::rates::{Rates, Share};
use crate::schedule::{arranged, side_by_side, stages, work};

/// What the execution of a plan is expected to take.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// Seconds of each step, as it will be run: alone, or beside others. None for what is there.
    pub steps: Vec<Option<f64>>,
    /// Seconds of all of it on this machine.
    pub seconds: f64,
    /// The chain of steps, each of which needs the one before, that takes longest: no number of
    /// machines makes the whole shorter.
    pub critical: Vec<usize>,
    /// Seconds of that chain.
    pub critical_seconds: f64,
}

impl Forecast {
    /// Foretells a plan; `exists` says whether a step's artifact is there already.
    ///
    /// # Errors
    /// When a kind of work cannot be tried.
    pub fn new(
        plan: &Plan,
        facts: &CostFacts,
        limits: &Limits,
        rates: &Rates<'_>,
        exists: impl Fn(&Step) -> bool,
    ) -> Result<Self, RunError> {
        let mut forecast = Self { steps: vec![None; plan.steps.len()], ..Self::default() };
        let alone = Share { jobs: 1, threads: limits.threads };
        for stage in stages(plan) {
            if let [first] = stage[..]
                && !matches!(plan.steps[first], Step::Fit(_))
            {
                if !exists(&plan.steps[first]) {
                    let seconds = rates.seconds(plan, &plan.steps[first], alone)?;
                    forecast.steps[first] = Some(seconds);
                    forecast.seconds += seconds;
                }
                continue;
            }
            let mut largest = 1;
            for number in &stage {
                if let Step::Fit(cell) = &plan.steps[*number] {
                    largest = largest.max(fit_memory_bytes(cell, facts.images.train)?);
                }
            }
            let (jobs, [narrow, wide]) =
                arranged(stage, limits, largest, |number| work(plan, &plan.steps[*number], facts));
            let of_narrow = Share { jobs, threads: (limits.threads / jobs).max(1) };
            for (numbers, share) in [(narrow, of_narrow), (wide, alone)] {
                let mut seconds = Vec::new();
                for number in numbers {
                    let step = rates.seconds(plan, &plan.steps[number], share)?;
                    forecast.steps[number] = Some(step);
                    seconds.push(step);
                }
                forecast.seconds += side_by_side(&seconds, share.jobs);
            }
        }
        forecast.find_critical(plan, facts);
        Ok(forecast)
    }

    fn find_critical(&mut self, plan: &Plan, facts: &CostFacts) {
        let needs = plan.needs(facts.sharing);
        let mut ends: Vec<f64> = Vec::new();
        let mut before: Vec<Option<usize>> = Vec::new();
        for (number, needs) in needs.iter().enumerate() {
            let last =
                needs.iter().copied().max_by(|one, other| ends[*one].total_cmp(&ends[*other]));
            before.push(last);
            ends.push(last.map_or(0.0, |last| ends[last]) + self.steps[number].unwrap_or(0.0));
        }
        let mut at = (0..ends.len()).max_by(|one, other| ends[*one].total_cmp(&ends[*other]));
        self.critical_seconds = at.map_or(0.0, |at| ends[at]);
        while let Some(number) = at {
            if self.steps[number].is_some() {
                self.critical.insert(0, number);
            }
            at = before[number];
        }
    }
}
