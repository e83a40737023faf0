//! Numbers as people read them.

use thaw_analysis::{Estimate, Sample};
use thaw_spec::Metric;

/// Factor and number of digits behind the point by which a metric is shown: accuracies in per cent,
/// losses in nats.
fn scale(metric: Metric) -> (f64, usize) {
    if metric.is_accuracy() { (100.0, 2) } else { (1.0, 4) }
}

/// Formats a metric with the half-width of its interval.
pub fn measured(estimate: &Estimate, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    let unit = if metric.is_accuracy() { " %" } else { "" };
    let mean = estimate.mean * scale;
    match estimate.interval {
        Some((low, high)) => {
            format!("{mean:.digits$} ± {:.digits$}{unit}", (high - low) / 2.0 * scale)
        }
        None => format!("{mean:.digits$}{unit}"),
    }
}

/// Formats a difference of a metric, in points or nats, with the half-width of its interval, and
/// says when the interval includes zero.
pub fn changed(change: &Estimate, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    let mean = change.mean * scale;
    match change.interval {
        Some((low, high)) => {
            // Seeds that all agree leave nothing to chance.
            let verdict =
                if low > 0.0 || high < 0.0 || low == high { "" } else { " (may be chance)" };
            format!("{} ± {:.digits$}{verdict}", signed(mean, digits), (high - low) / 2.0 * scale)
        }
        None => signed(mean, digits),
    }
}

/// Formats the bootstrap's 95 % percentile interval of a mean difference, in points or nats, as
/// `[+0.42, +1.20]`; empty for a single value.
pub fn resampled_change(differences: &Sample, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    bracketed(differences, |end| signed(end * scale, digits))
}

/// The bootstrap's 95 % percentile interval of a mean metric, as `[76.10, 77.30]`; empty for a
/// single value.
pub(crate) fn resampled_mean(values: &Sample, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    bracketed(values, |end| format!("{:.digits$}", end * scale))
}

fn bracketed(sample: &Sample, show: impl Fn(f64) -> String) -> String {
    sample
        .bootstrap()
        .map_or_else(String::new, |(low, high)| format!("[{}, {}]", show(low), show(high)))
}

/// Formats a number with its sign, the minus as print has it. What rounds to zero has no minus.
pub(crate) fn signed(value: f64, digits: usize) -> String {
    let text = format!("{value:+.digits$}");
    let is_nothing = !text.contains(|character| ('1'..='9').contains(&character));
    text.replace('-', if is_nothing { "+" } else { "−" })
}

/// Formats an accuracy in per cent with the half-width of its interval.
pub fn percent(estimate: &Estimate) -> String {
    measured(estimate, Metric::ValidationAccuracy)
}

/// Formats a difference of accuracies in points, as [`changed`] does.
pub fn points(change: &Estimate) -> String {
    changed(change, Metric::ValidationAccuracy)
}

/// Formats a size of any order, not negative, with three significant digits: `2.74`, `0.0318`,
/// `3.18e-7`.
pub fn magnitude(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        small if small < 1e-3 => format!("{small:.2e}"),
        value => {
            let before_the_point = value.log10().floor() as i32 + 1;
            format!("{value:.*}", usize::try_from(3 - before_the_point).unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_are_per_cent_and_losses_nats() {
        let estimate = |mean: f64, half: f64| Estimate {
            mean,
            standard_deviation: None,
            interval: Some((mean - half, mean + half)),
            count: 3,
        };
        assert_eq!(percent(&estimate(0.7653, 0.018)), "76.53 ± 1.80 %");
        assert_eq!(points(&estimate(-0.002, 0.0149)), "−0.20 ± 1.49 (may be chance)");
        assert_eq!(measured(&estimate(0.5, 0.25), Metric::TrainLoss), "0.5000 ± 0.2500");
        assert_eq!(changed(&estimate(0.5, 0.25), Metric::TrainLoss), "+0.5000 ± 0.2500");
        let differences = Sample::new(vec![-0.012, 0.004]).expect("two values");
        assert_eq!(resampled_change(&differences, Metric::TestAccuracy), "[−1.20, +0.40]");
        assert_eq!(
            [-0.004, -0.006, 10.0].map(|value| signed(value, 2)),
            ["+0.00", "−0.01", "+10.00"]
        );
        assert_eq!(
            resampled_mean(&Sample::new(vec![0.5, 0.75]).expect("two values"), Metric::TestLoss),
            "[0.5000, 0.7500]"
        );
        assert_eq!(
            resampled_mean(&Sample::new(vec![0.5]).expect("one value"), Metric::TestLoss),
            ""
        );
        assert_eq!(changed(&estimate(0.0, 0.0), Metric::TrainLoss), "+0.0000 ± 0.0000");
    }

    #[test]
    fn magnitudes_have_three_digits_that_count() {
        let expected =
            ["0", "3.18e-7", "0.00318", "0.0318", "0.500", "1.00", "2.74", "27.4", "274", "2742"];
        assert_eq!(
            [0.0, 3.18e-7, 3.18e-3, 0.0318, 0.5, 1.0, 2.742, 27.42, 274.2, 2742.0].map(magnitude),
            expected
        );
    }
}
