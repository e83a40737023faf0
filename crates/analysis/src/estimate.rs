//! A number with its uncertainty.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::gamma::ln_gamma;
use thaw_spec::{Metric, Statistic};

/// Values of one number, one per seed: at least one, all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// A sample of these values; nothing when there is none, or one is not finite.
    pub fn new(values: Vec<f64>) -> Option<Self> {
        (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(Self(values))
    }

    /// The values in the order of the seeds.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Mean, standard deviation and the 95 % confidence interval of the mean by Student's t, which
    /// two or more values have.
    pub fn estimate(&self) -> Estimate {
        let count = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / count;
        if self.0.len() < 2 {
            return Estimate {
                mean,
                standard_deviation: None,
                interval: None,
                count: self.0.len(),
            };
        }
        let variance =
            self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let deviation = variance.sqrt();
        let student =
            StudentsT::new(0.0, 1.0, count - 1.0).expect("one or more degrees of freedom");
        let half = student.inverse_cdf(0.975) * deviation / count.sqrt();
        Estimate {
            mean,
            standard_deviation: Some(deviation),
            interval: Some((mean - half, mean + half)),
            count: self.0.len(),
        }
    }
}

/// Resamples of a bootstrap whose resamples are too many to take them all.
const RESAMPLES: usize = 10_000;

impl Sample {
    /// The 95 % percentile interval of the mean by the bootstrap (Efron 1979), from two values on:
    /// over all resamples where these are at most 10,000, as they are up to five values, otherwise
    /// over so many drawn ones. With few values it is too narrow; see [`Estimate::interval`].
    pub fn bootstrap(&self) -> Option<(f64, f64)> {
        let count = self.0.len();
        if count < 2 {
            return None;
        }
        let all = u32::try_from(count)
            .ok()
            .and_then(|power| count.checked_pow(power))
            .filter(|all| *all <= RESAMPLES);
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut means: Vec<f64> = (0..all.unwrap_or(RESAMPLES))
            .map(|mut resample| {
                let pick = |_| {
                    let place = match all {
                        Some(_) => resample % count,
                        None => (random.next_u64() % count as u64) as usize,
                    };
                    resample /= count;
                    self.0[place]
                };
                (0..count).map(pick).sum::<f64>() / count as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[(share * (means.len() - 1) as f64).round() as usize];
        Some((at(0.025), at(0.975)))
    }
}

impl Sample {
    /// The middle value, or the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }

    /// The mean without the lowest and the highest quarter of the values, rounded down: with fewer
    /// than four values, the mean. What Agarwal et al. (2021) recommend for few runs.
    pub fn interquartile_mean(&self) -> f64 {
        let sorted = self.sorted();
        let cut = sorted.len() / 4;
        let inner = &sorted[cut..sorted.len() - cut];
        inner.iter().sum::<f64>() / inner.len() as f64
    }

    /// Hedges' g of a sample of paired differences: their mean in units of their standard
    /// deviation, corrected for the bias of few pairs (Hedges 1981). From two values on that are
    /// not all the same; with two, the correction has no finite value and there is none.
    pub fn effect_size(&self) -> Option<f64> {
        let estimate = self.estimate();
        let deviation = estimate
            .standard_deviation
            .filter(|_| self.0.iter().any(|value| *value != self.0[0]))?;
        let freedom = (self.0.len() - 1) as f64;
        let correction = (ln_gamma(freedom / 2.0) - ln_gamma((freedom - 1.0) / 2.0)).exp()
            / (freedom / 2.0).sqrt();
        (freedom > 1.0).then_some(estimate.mean / deviation * correction)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Mean of a sample and its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The sample's mean.
    pub mean: f64,
    /// The sample's standard deviation (n − 1), from two values on.
    pub standard_deviation: Option<f64>,
    /// The 95 % confidence interval of the mean, from two values on.
    pub interval: Option<(f64, f64)>,
    /// Number of values.
    pub count: usize,
}

/// Reduces a curve to one number; nothing for an empty curve.
pub(crate) fn reduce(statistic: Statistic, metric: Metric, curve: &[f64]) -> Option<f64> {
    let better = if metric.is_accuracy() { f64::max } else { f64::min };
    match statistic {
        Statistic::Final => curve.last().copied(),
        Statistic::Best => curve.iter().copied().reduce(better),
        Statistic::Last(epochs) => {
            let last = &curve[curve.len().saturating_sub(epochs)..];
            (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // 95 % of Student's t with 2 degrees of freedom lie within ±4.302653 (any table of
        // quantiles).
        let estimate = Sample::new(vec![0.90, 0.91, 0.95]).expect("three values").estimate();
        let (low, high) = estimate.interval.expect("an interval");
        let (mean, half) = (0.92, 4.302_652_73 * 0.026_457_513_1 / 3f64.sqrt());
        assert!((estimate.mean - mean).abs() < 1e-12);
        assert!(
            (low - (mean - half)).abs() < 1e-7 && (high - (mean + half)).abs() < 1e-7,
            "{low} {high}"
        );
    }

    #[test]
    fn the_bootstraps_interval_is_scipys() {
        // numpy.percentile over all 27 resamples, and 200,000 resamples of scipy.stats.bootstrap
        // (SciPy 1.17.1), by tools/golden/sample_statistics.py.
        let (low, high) = Sample::new(vec![0.90, 0.91, 0.95])
            .expect("three values")
            .bootstrap()
            .expect("an interval");
        assert!(
            (low - 0.903_333_333_333_333_3).abs() < 1e-12
                && (high - 0.936_666_666_666_666_6).abs() < 1e-12,
            "{low} {high}"
        );
        let nine =
            Sample::new(vec![0.3, 0.9, 0.1, 0.7, 0.2, 0.65, 0.4, 0.8, 0.35]).expect("nine values");
        // Of 10,000 resamples an end has a standard error of √(0.025 · 0.975 / 10,000) ÷ density ≈
        // 0.0024: four of these.
        let (low, high) = nine.bootstrap().expect("an interval");
        assert!(
            (low - 0.316_666_666_666_666_65).abs() < 0.01
                && (high - 0.661_111_111_111_111_2).abs() < 0.01,
            "{low} {high}"
        );
        assert_eq!(Sample::new(vec![0.5]).expect("one value").bootstrap(), None);
    }

    #[test]
    fn one_value_has_no_interval_and_none_is_no_sample() {
        assert_eq!(Sample::new(vec![0.5]).expect("one value").estimate().interval, None);
        assert_eq!(Sample::new(vec![]), None);
        assert_eq!(Sample::new(vec![0.5, f64::NAN]), None);
    }

    #[test]
    fn robust_means_and_effect_sizes_are_scipys() {
        // NumPy and SciPy 1.17.1, by tools/golden/sample_statistics.py.
        let sample =
            Sample::new(vec![0.3, 0.9, 0.1, 0.7, 0.2, 0.65, 0.4, 0.8, 0.35]).expect("nine values");
        assert_eq!(sample.median(), 0.4);
        assert!((sample.interquartile_mean() - 0.48).abs() < 1e-15);
        let differences = Sample::new(vec![0.03, 0.05, 0.01, 0.04]).expect("four values");
        assert!(
            (differences.effect_size().expect("they spread") - 1.377_016_908_362_673_8).abs()
                < 1e-12
        );
        assert_eq!(Sample::new(vec![0.1, 0.1, 0.1]).expect("three values").effect_size(), None);
        assert_eq!(Sample::new(vec![0.1, 0.2]).expect("two values").effect_size(), None);
        assert!((Sample::new(vec![0.1, 0.2]).expect("two values").median() - 0.15).abs() < 1e-15);
    }

    #[test]
    fn curves_are_reduced_as_their_metric_wants() {
        let curve = [0.5, 0.9, 0.7, 0.8];
        assert_eq!(reduce(Statistic::Final, Metric::ValidationAccuracy, &curve), Some(0.8));
        assert_eq!(reduce(Statistic::Best, Metric::ValidationAccuracy, &curve), Some(0.9));
        assert_eq!(reduce(Statistic::Best, Metric::ValidationLoss, &curve), Some(0.5));
        assert_eq!(reduce(Statistic::Last(2), Metric::ValidationAccuracy, &curve), Some(0.75));
        assert_eq!(reduce(Statistic::Last(9), Metric::ValidationAccuracy, &[0.5, 0.7]), Some(0.6));
        assert_eq!(reduce(Statistic::Final, Metric::ValidationAccuracy, &[]), None);
    }
}
