//! Which seeds to run next, so that the differences that an experiment speaks of become as precise
//! as is wanted, at little cost.
//!
//! Widths alone decide, never what lies between the ends: whoever stops because a difference has
//! become significant finds one that is not there. And a difference counts as precise only when it
//! is so with one seed fewer as well: a spread that looks small by luck seldom does so twice. How
//! often the intervals hold the truth when a sweep stops by their width is in `docs/certainty.md`.

use std::collections::BTreeSet;

use thaw_spec::{Expectations, Experiment, Metric, Relation, RelationKind, Selector, Statistic};

use crate::estimate::{Estimate, Uncertainty};
use crate::measurements::Measurements;
use crate::results::Results;
use crate::{AnalysisError, ResultsFolder};

/// The half-width of an accuracy of which nothing is known.
const WHOLE: f64 = 1.0;

/// How the 95 % interval over seeds of a difference narrows with the number of seeds, if the spread
/// between seeds stays as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SeedForecast {
    /// Variance of one difference between runs of equal seeds.
    pub(crate) variance: f64,
    /// Degrees of freedom that the spread of all procedures lends.
    pub(crate) lent: f64,
}

impl SeedForecast {
    /// By the spread of an estimate, from two seeds on.
    pub(crate) fn of(estimate: &Estimate) -> Option<Self> {
        let (now, count) = (estimate.over_seeds?, estimate.count as f64);
        let variance = now.standard_error.powi(2) * count;
        Some(Self { variance, lent: now.freedom - (count - 1.0) })
    }

    /// Half of the interval's width with so many seeds, at least two.
    pub(crate) fn half_width(self, seeds: usize) -> f64 {
        let standard_error = (self.variance / seeds as f64).sqrt();
        Uncertainty { standard_error, freedom: self.lent + (seeds as f64 - 1.0) }.half_width()
    }
}

impl Estimate {
    /// How many more seeds would tell the mean from a number, over seeds, if it and its spread stay
    /// as they are; nothing when more than 10,000 would not, or with one seed.
    pub fn seeds_to_settle(&self, number: f64) -> Option<usize> {
        const MOST: usize = 10_000;
        let (forecast, distance) = (SeedForecast::of(self)?, (self.mean - number).abs());
        (1..MOST).find(|more| forecast.half_width(self.count + more) < distance)
    }
}

/// A difference of accuracies that an experiment speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedDifference {
    /// What is compared, in words.
    pub label: String,
    /// The metric that is compared.
    pub metric: Metric,
    /// The statistic that makes a number of its curve.
    pub statistic: Statistic,
    /// Places of the two procedures in [`Results::procedures`]: the difference is second − first.
    pub procedures: [usize; 2],
    /// The difference as far as the runs tell; nothing when the two share no seed.
    pub estimate: Option<Estimate>,
    /// Whether a run of one of the two diverged. With its seed there is no difference, whatever else is
    /// run, so no seeds are added.
    pub has_diverged: bool,
    /// The half-width with the last seed left out, from three seeds on.
    half_width_before: Option<f64>,
    forecast: Option<SeedForecast>,
}

impl WantedDifference {
    /// Half of the 95 % interval's width over seeds, from two seeds on.
    pub fn half_width(&self) -> Option<f64> {
        self.estimate.as_ref()?.over_seeds.map(|uncertainty| uncertainty.half_width())
    }

    /// The half-width to expect with so many seeds, if the spread between seeds stays as it is;
    /// nothing where no run tells that spread.
    pub fn expected_half_width(&self, seeds: usize) -> Option<f64> {
        let forecast = self.forecast.filter(|_| seeds >= 2)?;
        Some(forecast.half_width(seeds).min(WHOLE))
    }

    /// The half-width to expect with so many seeds: all there can be where that is unknown.
    fn expected(&self, seeds: usize) -> f64 {
        self.expected_half_width(seeds).unwrap_or(WHOLE)
    }
}

/// The differences that an experiment speaks of: the steps of its ladder, and the relations of
/// accuracies that are expected, each once. Procedures that are equal to the last bit have none, nor
/// has a number of epochs in which a procedure does not evaluate. The predictions for each image are
/// taken into account where the folder is given.
///
/// # Errors
/// When predictions cannot be read.
pub fn wanted_differences(
    experiment: &Experiment,
    expectations: &Expectations,
    results: &Results,
    folder: Option<&ResultsFolder>,
) -> Result<Vec<WantedDifference>, AnalysisError> {
    let place = |selector: &Selector| {
        results.procedures.iter().position(|known| selector.matches(&known.levels))
    };
    let mut asked: Vec<(String, Metric, Statistic, [usize; 2])> = Vec::new();
    for step in experiment.ladder.windows(2) {
        let [before, rung] = step else { continue };
        let (Some(from), Some(to)) = (place(&before.selector), place(&rung.selector)) else {
            continue;
        };
        let metric = Metric::ValidationAccuracy;
        asked.push((rung.label.clone(), metric, experiment.statistic, [from, to]));
    }
    for Relation { left, right, metric, kind } in &expectations.relations {
        let statistic = match kind {
            RelationKind::IntervalAbove { statistic }
            | RelationKind::GreaterByAtLeast { statistic, .. } => *statistic,
            RelationKind::EqualCurve { .. } => continue,
        };
        let mut chosen = experiment
            .procedures()
            .filter(|(levels, _)| left.matches(levels) || right.matches(levels));
        let is_recorded = chosen.all(|(_, procedure)| procedure.has_statistic(*metric, statistic));
        let is_known = metric.is_accuracy() && is_recorded;
        if let (true, Some(from), Some(to)) = (is_known, place(right), place(left)) {
            asked.push((format!("{left} against {right}"), *metric, statistic, [from, to]));
        }
    }
    let mut numbers: Vec<Measurements<'_>> = Vec::new();
    let mut wanted: Vec<WantedDifference> = Vec::new();
    for (label, metric, statistic, procedures) in asked {
        let [from, to] = procedures.map(|place| &results.procedures[place]);
        let known = wanted.iter().any(|other| {
            (other.metric, other.statistic) == (metric, statistic)
                && procedures.iter().all(|place| other.procedures.contains(place))
        });
        if known || procedures[0] == procedures[1] || from.equals(to) {
            continue;
        }
        if !numbers.iter().any(|number| number.is_of(metric, statistic)) {
            let number = Measurements::new(results, metric, statistic);
            numbers.push(match folder {
                Some(folder) => number.with_images(folder)?,
                None => number,
            });
        }
        let number = numbers.iter().find(|number| number.is_of(metric, statistic));
        wanted.push(WantedDifference {
            label,
            metric,
            statistic,
            procedures,
            estimate: number.and_then(|number| number.difference(from, to)),
            has_diverged: [from, to].iter().any(|one| one.diverged(metric).is_some()),
            half_width_before: number.and_then(|number| number.half_width_before(from, to)),
            forecast: number.and_then(|number| number.forecast(from, to)),
        });
    }
    Ok(wanted)
}

/// Runs that bring one more seed to a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Addition {
    /// The cells: places of procedures in [`Results::procedures`], and the seed.
    pub cells: Vec<(usize, u64)>,
    /// The place of the difference that they are run for, although others may gain as well.
    pub wanted: usize,
    /// What they are expected to take, in seconds.
    pub seconds: f64,
}

/// How precise differences are to be, and what that may cost.
pub struct PrecisionTarget<'a> {
    /// Half of the 95 % interval's width over seeds, as a fraction of 1.
    pub half_width: f64,
    /// The most seeds that a difference gets.
    pub most_seeds: usize,
    /// The most seconds that additions may take; nothing for as long as it takes.
    pub budget_seconds: Option<f64>,
    /// What a procedure's run with a seed is expected to take, in seconds.
    pub seconds: &'a dyn Fn(usize, u64) -> f64,
}

impl PrecisionTarget<'_> {
    /// Whether a difference is as precise as is wanted, and was so with one seed fewer.
    pub fn is_reached(&self, wanted: &WantedDifference) -> bool {
        let is_narrow = |half: Option<f64>| half.is_some_and(|half| half <= self.half_width);
        is_narrow(wanted.half_width()) && is_narrow(wanted.half_width_before)
    }

    /// The same for so many seeds, as far as it can be expected.
    fn is_expected(&self, wanted: &WantedDifference, seeds: usize) -> bool {
        wanted.expected(seeds - 1) <= self.half_width
    }

    /// The runs to do next, given the seeds that each procedure has: those after which most
    /// uncertainty is expected to be gone per second. Nothing when every difference is precise, or
    /// has all the seeds that it may get, or the budget is spent.
    pub fn next(&self, wanted: &[WantedDifference], seeds: &[BTreeSet<u64>]) -> Option<Addition> {
        self.best(wanted, seeds, &|wanted, _| !self.is_reached(wanted))
    }

    /// All the runs to expect, if the spreads stay as they are. A difference whose spread is unknown
    /// gets the two seeds that tell it.
    pub fn forecast(&self, wanted: &[WantedDifference], seeds: &[BTreeSet<u64>]) -> Vec<Addition> {
        let (mut seeds, mut additions, mut spent) = (seeds.to_vec(), Vec::new(), 0.0);
        let is_open = |wanted: &WantedDifference, shared: usize| match wanted.forecast {
            _ if self.is_reached(wanted) => false,
            Some(_) => shared < 2 || !self.is_expected(wanted, shared),
            None => shared < 2,
        };
        loop {
            let left = self.budget_seconds.map(|budget| budget - spent);
            let target = PrecisionTarget { budget_seconds: left, ..*self };
            let Some(addition) = target.best(wanted, &seeds, &is_open) else { return additions };
            spent += addition.seconds;
            for (procedure, seed) in &addition.cells {
                seeds[*procedure].insert(*seed);
            }
            additions.push(addition);
        }
    }

    /// The best next runs for the differences that are open, given how many seeds they have.
    fn best(
        &self,
        wanted: &[WantedDifference],
        seeds: &[BTreeSet<u64>],
        is_open: &dyn Fn(&WantedDifference, usize) -> bool,
    ) -> Option<Addition> {
        // What one more seed is expected to take from the half-width of each open difference, on the
        // way to its target.
        let gains: Vec<Option<f64>> = wanted
            .iter()
            .map(|wanted| {
                let now = wanted.procedures.map(|place| &seeds[place]);
                let now = now[0].intersection(now[1]).count();
                if now >= self.most_seeds || wanted.has_diverged || !is_open(wanted, now) {
                    return None;
                }
                let enough = (now + 1..self.most_seeds)
                    .find(|seeds| self.is_expected(wanted, *seeds))
                    .unwrap_or(self.most_seeds);
                let gain = wanted.expected(now) - wanted.expected(enough);
                Some(gain.max(f64::MIN_POSITIVE) / (enough - now) as f64)
            })
            .collect();
        let addition = |(place, gain): (usize, &Option<f64>)| {
            (*gain)?;
            let [from, to] = wanted[place].procedures;
            let seed = next_seed(&seeds[from], &seeds[to]);
            let cells: Vec<(usize, u64)> = [from, to]
                .into_iter()
                .filter(|procedure| !seeds[*procedure].contains(&seed))
                .map(|procedure| (procedure, seed))
                .collect();
            let has = |procedure: usize| {
                seeds[procedure].contains(&seed) || cells.contains(&(procedure, seed))
            };
            // What these cells complete for other differences counts as well.
            let gain: f64 = wanted
                .iter()
                .zip(&gains)
                .filter(|(other, _)| {
                    let [from, to] = other.procedures;
                    let is_new = !seeds[from].contains(&seed) || !seeds[to].contains(&seed);
                    is_new && has(from) && has(to)
                })
                .filter_map(|(_, gain)| *gain)
                .sum();
            let seconds = cells.iter().map(|(procedure, seed)| (self.seconds)(*procedure, *seed));
            let addition = Addition { seconds: seconds.sum(), wanted: place, cells };
            Some((gain / addition.seconds.max(1e-3), addition))
        };
        gains
            .iter()
            .enumerate()
            .filter_map(addition)
            .filter(|(_, addition)| self.budget_seconds.is_none_or(|left| addition.seconds <= left))
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, addition)| addition)
    }
}

/// The seed that two procedures share next: the smallest that one of them has, or else the smallest
/// that neither has.
fn next_seed(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> u64 {
    one.symmetric_difference(other).min().copied().unwrap_or_else(|| {
        (0..).find(|seed| !one.contains(seed)).expect("there are more seeds than runs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Sample;

    /// Differences whose standard deviation is 1, with so many degrees of freedom from elsewhere.
    fn estimate(count: usize, lent: f64) -> Estimate {
        Estimate {
            mean: 0.0,
            count,
            over_seeds: Some(Uncertainty {
                standard_error: 1.0 / (count as f64).sqrt(),
                freedom: count as f64 - 1.0 + lent,
            }),
            over_seeds_and_images: None,
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            sample: Sample::new(vec![0.0; count]).expect("values"),
        }
    }

    #[test]
    fn intervals_narrow_as_a_table_of_students_t_says() {
        // The 97.5 % quantile with n − 1 + lent degrees of freedom, divided by √n: with 3, 6, 9 and
        // 15 degrees 3.182446, 2.446912, 2.262157 and 2.131450.
        for (count, lent, seeds, expected) in [
            (3, 0.0, 4, 3.182_446 / 2.0),
            (3, 0.0, 7, 2.446_912 / 7.0f64.sqrt()),
            (5, 0.0, 4, 3.182_446 / 2.0),
            (3, 4.0, 6, 2.262_157 / 6.0f64.sqrt()),
            (9, 7.0, 9, 2.131_450 / 3.0),
        ] {
            let forecast = SeedForecast::of(&estimate(count, lent)).expect("two seeds or more");
            assert!(
                (forecast.variance - 1.0).abs() < 1e-12 && (forecast.lent - lent).abs() < 1e-12
            );
            let found = forecast.half_width(seeds);
            assert!((found - expected).abs() < 1e-5, "{count} {lent} {seeds}: {found}");
        }
    }

    #[test]
    fn as_many_seeds_settle_a_number_as_bring_the_interval_below_its_distance() {
        // Half-widths of 3 to 7 seeds: 2.484, 1.591, 1.242, 1.049, 0.925; with four degrees lent, of 4
        // to 6: 1.182, 1.031, 0.924.
        for (count, lent, number, expected) in [
            (3, 0.0, 1.0, Some(4)),
            (3, 0.0, -1.0, Some(4)),
            (3, 0.0, 1.06, Some(3)),
            (3, 0.0, 2.0, Some(1)),
            (6, 0.0, 1.0, Some(1)),
            (3, 4.0, 1.0, Some(3)),
            (3, 0.0, 0.0, None),
        ] {
            let found = estimate(count, lent).seeds_to_settle(number);
            assert_eq!(found, expected, "{count} {lent} {number}");
        }
        let one = Estimate { over_seeds: None, ..estimate(1, 0.0) };
        assert_eq!(one.seeds_to_settle(1.0), None);
    }

    #[test]
    fn two_procedures_share_the_smallest_seed_that_one_lacks() {
        for (one, other, expected) in [
            (&[][..], &[][..], 0),
            (&[0, 1], &[0, 1], 2),
            (&[0, 2], &[0, 2], 1),
            (&[0, 5], &[0], 5),
            (&[0, 5], &[0, 3], 3),
        ] {
            let seeds = |seeds: &[u64]| seeds.iter().copied().collect::<BTreeSet<u64>>();
            assert_eq!(next_seed(&seeds(one), &seeds(other)), expected, "{one:?} {other:?}");
        }
    }
}
