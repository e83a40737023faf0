//! Recording expectations: bands that follow from the spread between seeds.

use thaw_spec::{Band, Metric, PerSeed, Selector, Statistic};

use crate::measurements::Measurements;
use crate::results::{ProcedureRuns, Results};

/// Images that any mean may be off without saying anything.
const TOLERATED_IMAGES: f64 = 3.0;

/// The smallest half-width of a loss's band, as a share of the mean.
const TOLERATED_LOSS: f64 = 0.02;

/// How far one seed's accuracy may be from the recorded one: rounding, carried through a training,
/// flips a few images.
const SEED_ACCURACY: f64 = 0.01;

/// How far one seed's loss may be from the recorded one, as a share of the mean.
const SEED_LOSS: f64 = 0.005;

/// What numbers of bands are rounded to.
const STEP: f64 = 1e-6;

/// A band for each procedure that has all its runs, none of which diverged, and each of the given
/// numbers.
///
/// A mean of the `n` seeds that were recorded and one of the `m` that the experiment plans, drawn from
/// the same procedure, differ by less than `t · s · √(1/n + 1/m)`
/// in 95 % of cases, with `s` the standard deviation between seeds, moderated by those of all
/// procedures as [`Measurements`] does, and `t` the 97.5 % quantile of Student's t with its degrees
/// of freedom. The band is the recorded mean plus or minus that, but at least three images for an
/// accuracy and 2 % for a loss. The images are the same, so their choice adds nothing. Each seed's
/// value is recorded too; repeated, it may differ by a point of accuracy or half a per cent of the
/// loss. Both are at least 1e-6, for that is what numbers are rounded to.
///
/// Where the images of a metric were evaluated after the last epoch alone, its number is `final`.
pub fn derive_bands(results: &Results, numbers: &[(Metric, Statistic)]) -> Vec<Band> {
    let mut measured: Vec<Measurements<'_>> = Vec::new();
    let mut bands = Vec::new();
    for procedure in results.procedures.iter().filter(|procedure| procedure.is_complete()) {
        let mut wanted: Vec<(Metric, Statistic)> = Vec::new();
        for &(metric, statistic) in numbers {
            let has = procedure.has_statistic(metric, statistic);
            let number = (metric, if has { statistic } else { Statistic::Final });
            if !wanted.contains(&number) {
                wanted.push(number);
            }
        }
        for (metric, statistic) in wanted {
            let is_known = |known: &Measurements<'_>| known.is_of(metric, statistic);
            let place = measured.iter().position(is_known).unwrap_or_else(|| {
                measured.push(Measurements::new(results, metric, statistic));
                measured.len() - 1
            });
            bands.extend(band(procedure, &measured[place]));
        }
    }
    bands
}

fn band(procedure: &ProcedureRuns, measurements: &Measurements<'_>) -> Option<Band> {
    let (metric, statistic) = (measurements.metric(), measurements.statistic());
    let estimate = measurements.level(procedure)?;
    let floor = if metric.is_accuracy() {
        TOLERATED_IMAGES / procedure.runs.first()?.images(metric.split()) as f64
    } else {
        TOLERATED_LOSS * estimate.mean
    };
    let ratio = estimate.count as f64 / procedure.planned_seeds.len().max(1) as f64;
    let between_means = estimate
        .over_seeds
        .map_or(0.0, |uncertainty| uncertainty.half_width() * (1.0 + ratio).sqrt());
    let half = between_means.max(floor).max(STEP);
    let (mut lower, mut upper) = (rounded(estimate.mean - half), rounded(estimate.mean + half));
    if metric.is_accuracy() {
        (lower, upper) = (lower.max(0.0), upper.min(1.0));
    }
    let tolerance = if metric.is_accuracy() { SEED_ACCURACY } else { SEED_LOSS * estimate.mean };
    let per_seed = PerSeed {
        seeds: procedure.runs.iter().map(|run| run.cell().seed).collect(),
        values: estimate.sample.values().iter().map(|value| rounded(*value)).collect(),
        tolerance: rounded(tolerance).max(STEP),
    };
    Some(Band {
        selector: Selector::exactly(&procedure.levels),
        metric,
        statistic,
        lower,
        upper,
        per_seed: Some(per_seed),
    })
}

/// A number with six digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
