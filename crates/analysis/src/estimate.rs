//! A number with its uncertainty.

use statrs::distribution::{ContinuousCDF as _, StudentsT};
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

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The variance (n − 1), from two values on.
    pub fn variance(&self) -> Option<f64> {
        let freedom = self.0.len().checked_sub(1).filter(|freedom| *freedom > 0)? as f64;
        let mean = self.mean();
        Some(self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom)
    }

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

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// How far a mean may be from what it estimates: by Student's t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uncertainty {
    /// Standard deviation of the mean.
    pub standard_error: f64,
    /// Degrees of freedom of the standard error.
    pub freedom: f64,
}

impl Uncertainty {
    /// Half of the 95 % confidence interval's width.
    pub fn half_width(&self) -> f64 {
        self.student().inverse_cdf(0.975) * self.standard_error
    }

    /// The chance of a mean at least as far from `hypothesis`, on either side, if that were true.
    pub fn p_value(&self, mean: f64, hypothesis: f64) -> f64 {
        2.0 * self.student().sf((mean - hypothesis).abs() / self.standard_error)
    }

    fn student(&self) -> StudentsT {
        // With more the distribution is normal to five digits, and statrs 0.19 computes it wrongly
        // or not at all.
        const MOST: f64 = 1e5;
        StudentsT::new(0.0, 1.0, self.freedom.min(MOST)).expect("some degrees of freedom")
    }
}

/// A mean over seeds, or a difference of such means, and its uncertainty.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Number of seeds.
    pub count: usize,
    /// Uncertainty of the mean on these images, with other seeds; from two seeds on.
    pub over_seeds: Option<Uncertainty>,
    /// Uncertainty of the mean with other seeds and other images of the same kind; from two seeds
    /// on, where the predictions for each image were recorded.
    pub over_seeds_and_images: Option<Uncertainty>,
    /// The lowest and the highest value that is possible.
    pub bounds: (f64, f64),
    /// The number of each seed.
    pub sample: Sample,
}

impl Estimate {
    /// The 95 % confidence interval over seeds, within the bounds.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.over_seeds.map(|uncertainty| self.within(uncertainty))
    }

    /// The 95 % confidence interval over seeds and images, within the bounds; over seeds alone where
    /// predictions were not recorded.
    pub fn widest_interval(&self) -> Option<(f64, f64)> {
        self.widest().map(|uncertainty| self.within(uncertainty))
    }

    /// The chance of a mean at least as far from 0, if that were the truth: over seeds and images
    /// where predictions were recorded, else over seeds.
    pub fn p_value(&self) -> Option<f64> {
        self.widest().map(|uncertainty| uncertainty.p_value(self.mean, 0.0))
    }

    fn widest(&self) -> Option<Uncertainty> {
        self.over_seeds_and_images.or(self.over_seeds)
    }

    fn within(&self, uncertainty: Uncertainty) -> (f64, f64) {
        let half = uncertainty.half_width();
        ((self.mean - half).max(self.bounds.0), (self.mean + half).min(self.bounds.1))
    }
}

/// P-values of several comparisons, so that the chance of any false alarm among them stays what it
/// is for one (Holm 1979). A comparison without a p-value counts for nothing.
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> =
        (0..p_values.len()).filter(|&place| p_values[place].is_some()).collect();
    order.sort_by(|&a, &b| {
        p_values[a].partial_cmp(&p_values[b]).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut adjusted = vec![None; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        let Some(p_value) = p_values[place] else { continue };
        largest = largest.max((p_value * (order.len() - rank) as f64).min(1.0));
        adjusted[place] = Some(largest);
    }
    adjusted
}

/// Reduces a curve to one number, which is not finite where the curve is not; nothing for an empty
/// curve.
pub(crate) fn reduce(statistic: Statistic, metric: Metric, curve: &[f64]) -> Option<f64> {
    // A run that diverged has no best epoch, although `f64::max` would find one.
    let better = |a: f64, b: f64| match (a.is_nan() || b.is_nan(), metric.is_accuracy()) {
        (true, _) => f64::NAN,
        (false, true) => a.max(b),
        (false, false) => a.min(b),
    };
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
        // quantiles), and 5 % farther out.
        let uncertainty = Uncertainty { standard_error: 0.01, freedom: 2.0 };
        let half = uncertainty.half_width();
        assert!((half - 0.043_026_527_3).abs() < 1e-9, "{half}");
        assert!((uncertainty.p_value(0.92, 0.92 - half) - 0.05).abs() < 1e-9);
        // The normal distribution's, however many degrees of freedom there are.
        let normal = Uncertainty { standard_error: 1.0, freedom: 1e12 };
        assert!((normal.half_width() - 1.959_964).abs() < 1e-4, "{}", normal.half_width());
    }

    #[test]
    fn an_interval_ends_where_its_number_does() {
        let estimate = Estimate {
            mean: 0.99,
            count: 3,
            over_seeds: Some(Uncertainty { standard_error: 0.01, freedom: 2.0 }),
            over_seeds_and_images: None,
            bounds: (0.0, 1.0),
            sample: Sample::new(vec![0.99; 3]).expect("three values"),
        };
        let (low, high) = estimate.interval().expect("three seeds");
        assert!((low - (0.99 - 0.043_026_527_3)).abs() < 1e-9 && high == 1.0, "{low} {high}");
    }

    #[test]
    fn images_make_an_interval_wider_where_they_were_recorded() {
        let seeds = Uncertainty { standard_error: 0.01, freedom: 2.0 };
        let images = Uncertainty { standard_error: 0.02, freedom: 2.0 };
        let estimate = |mean: f64, over_seeds_and_images| Estimate {
            mean,
            count: 3,
            over_seeds: Some(seeds),
            over_seeds_and_images,
            bounds: (-1.0, 1.0),
            sample: Sample::new(vec![mean; 3]).expect("three values"),
        };
        // ±4.302653 standard errors, and never beyond the bounds.
        let near = |found: Option<(f64, f64)>, low: f64, high: f64| {
            let (found_low, found_high) = found.expect("three seeds");
            (found_low - low).abs() < 1e-7 && (found_high - high).abs() < 1e-7
        };
        let narrow = estimate(0.5, None);
        assert!(near(narrow.interval(), 0.456_973_47, 0.543_026_53));
        assert!(near(narrow.widest_interval(), 0.456_973_47, 0.543_026_53));
        let wide = estimate(0.5, Some(images));
        assert!(near(wide.interval(), 0.456_973_47, 0.543_026_53));
        assert!(near(wide.widest_interval(), 0.413_946_95, 0.586_053_05));
        assert!(near(estimate(-0.99, None).interval(), -1.0, -0.946_973_47));
        assert!(near(estimate(0.99, None).interval(), 0.946_973_47, 1.0));
        // 5 % at 4.302653 standard errors from 0, on either side of it.
        for (mean, over) in [(0.043_026_527, None), (-0.086_053_05, Some(images))] {
            let p_value = estimate(mean, over).p_value().expect("three seeds");
            assert!((p_value - 0.05).abs() < 1e-6, "{mean}: {p_value}");
        }
    }

    #[test]
    fn several_comparisons_are_adjusted_as_holm_did() {
        // statsmodels' multipletests(…, method="holm"), by tools/golden/sample_statistics.py.
        let adjusted = holm(&[Some(0.01), Some(0.04), None, Some(0.03), Some(0.005)]);
        let expected = [Some(0.03), Some(0.06), None, Some(0.06), Some(0.02)];
        for (found, expected) in adjusted.iter().zip(expected) {
            assert_eq!(found.is_some(), expected.is_some());
            assert!((found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn one_value_has_no_variance_and_none_is_no_sample() {
        assert_eq!(Sample::new(vec![0.5]).expect("one value").variance(), None);
        assert_eq!(Sample::new(vec![]), None);
        assert_eq!(Sample::new(vec![0.5, f64::NAN]), None);
    }

    #[test]
    fn robust_means_are_scipys() {
        // NumPy and SciPy 1.17.1, by tools/golden/sample_statistics.py.
        let sample =
            Sample::new(vec![0.3, 0.9, 0.1, 0.7, 0.2, 0.65, 0.4, 0.8, 0.35]).expect("nine values");
        assert_eq!(sample.median(), 0.4);
        assert!((sample.interquartile_mean() - 0.48).abs() < 1e-15);
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
        for curve in [[0.5, f64::NAN, 0.2], [f64::NAN, 0.5, 0.2], [0.5, 0.2, f64::NAN]] {
            let best = reduce(Statistic::Best, Metric::ValidationLoss, &curve);
            assert!(best.is_some_and(f64::is_nan), "{curve:?}");
        }
    }
}
