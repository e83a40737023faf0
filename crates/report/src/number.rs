//! Numbers as people read them.

use thaw_analysis::{Estimate, Uncertainty};
use thaw_spec::{Metric, Statistic};

/// The largest p-value that is not called chance.
const LEVEL: f64 = 0.05;

/// Factor and number of digits behind the point by which a metric is shown: accuracies in per cent,
/// losses in nats.
fn scale(metric: Metric) -> (f64, usize) {
    if metric.is_accuracy() { (100.0, 2) } else { (1.0, 4) }
}

/// A statistic in words, for headings: `final`, `best`, `last 10 epochs`.
pub fn statistic_in_words(statistic: Statistic) -> String {
    match statistic {
        Statistic::Final => "final".to_owned(),
        Statistic::Best => "best".to_owned(),
        Statistic::Last(1) => "last epoch".to_owned(),
        Statistic::Last(epochs) => format!("last {epochs} epochs"),
    }
}

/// Formats a metric with its 95 % confidence interval over seeds: by half of its width, or by its
/// ends where it is cut off at 0 or 100 %.
pub fn measured(estimate: &Estimate, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    let unit = if metric.is_accuracy() { " %" } else { "" };
    let mean = estimate.mean * scale;
    match estimate.interval() {
        Some((low, high)) if estimate.bounds.0 == low || estimate.bounds.1 == high => {
            let (low, high) = (low * scale, high * scale);
            format!("{mean:.digits$}{unit} ({low:.digits$} to {high:.digits$})")
        }
        Some((low, high)) => {
            format!("{mean:.digits$} ± {:.digits$}{unit}", (high - low) / 2.0 * scale)
        }
        None => format!("{mean:.digits$}{unit} (one seed)"),
    }
}

/// Formats half of the width of the 95 % confidence interval over seeds and images, as `± 1.50`;
/// empty where predictions were not recorded, or with one seed.
pub fn with_images(estimate: &Estimate, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    let half = estimate.over_seeds_and_images.as_ref().map(Uncertainty::half_width);
    half.map_or_else(String::new, |half| format!("± {:.digits$}", half * scale))
}

/// Formats a difference of a metric, in points or nats, with half of the width of its 95 %
/// confidence interval over seeds. `p_value` is that of the difference, adjusted for all comparisons
/// that are made with it; where it is 5 % or more, the words `(may be chance)` follow.
pub fn changed(change: &Estimate, p_value: Option<f64>, metric: Metric) -> String {
    let verdict = if is_beyond_chance(p_value) { "" } else { " (may be chance)" };
    with_verdict(change, verdict, metric)
}

/// Formats a difference that stands without a column for its interval over seeds and images, as
/// [`changed`] does. Where it is that interval alone that holds zero, the words give it.
pub(crate) fn changed_by_itself(change: &Estimate, p_value: Option<f64>, metric: Metric) -> String {
    let holds_zero = |uncertainty: &Uncertainty| uncertainty.half_width() >= change.mean.abs();
    let is_decided_by_images = !change.over_seeds.as_ref().is_some_and(holds_zero)
        && change.over_seeds_and_images.as_ref().is_some_and(holds_zero);
    if is_beyond_chance(p_value) || !is_decided_by_images {
        return changed(change, p_value, metric);
    }
    let verdict = format!(" ({} with images: may be chance)", with_images(change, metric));
    with_verdict(change, &verdict, metric)
}

fn is_beyond_chance(p_value: Option<f64>) -> bool {
    p_value.is_some_and(|p_value| p_value < LEVEL)
}

fn with_verdict(change: &Estimate, verdict: &str, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    let mean = signed(change.mean * scale, digits);
    let Some(uncertainty) = &change.over_seeds else { return format!("{mean} (one seed)") };
    format!("{mean} ± {:.digits$}{verdict}", uncertainty.half_width() * scale)
}

/// Formats a p-value. A few seeds do not tell how tiny one is, so below 0.001 only that is said.
pub(crate) fn probability(p_value: f64) -> String {
    if p_value < 1e-3 { "< 0.001".to_owned() } else { magnitude(p_value) }
}

/// Formats a number with its sign, the minus as print has it. What rounds to zero has no minus.
pub(crate) fn signed(value: f64, digits: usize) -> String {
    let text = format!("{value:+.digits$}");
    let is_nothing = !text.contains(|character| ('1'..='9').contains(&character));
    text.replace('-', if is_nothing { "+" } else { "−" })
}

/// Formats a difference without an interval, in points or nats.
pub(crate) fn difference(value: f64, metric: Metric) -> String {
    let (scale, digits) = scale(metric);
    signed(value * scale, digits)
}

/// Formats an accuracy in per cent, as [`measured`] does.
pub fn percent(estimate: &Estimate) -> String {
    measured(estimate, Metric::ValidationAccuracy)
}

/// Formats a difference of accuracies in points, as [`changed`] does. Where the interval over seeds and
/// images alone holds zero, the words give it.
pub fn points(change: &Estimate, p_value: Option<f64>) -> String {
    changed_by_itself(change, p_value, Metric::ValidationAccuracy)
}

/// Formats a size of any order, not negative, with three significant digits: `2.74`, `0.0318`,
/// `3.18e-7`.
pub fn magnitude(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if !value.is_finite() => "not finite".to_owned(),
        small if small < 1e-3 => format!("{small:.2e}"),
        value => {
            let before_the_point = value.log10().floor() as i32 + 1;
            format!("{value:.*}", usize::try_from(3 - before_the_point).unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use thaw_analysis::Sample;

    use super::*;

    fn estimate(mean: f64, standard_error: f64) -> Estimate {
        // Student's t with so many degrees of freedom is all but normal.
        let uncertainty = Uncertainty { standard_error, freedom: 1e9 };
        Estimate {
            mean,
            count: 3,
            over_seeds: Some(uncertainty),
            over_seeds_and_images: Some(Uncertainty {
                standard_error: 2.0 * standard_error,
                ..uncertainty
            }),
            bounds: (0.0, 1.0),
            sample: Sample::new(vec![mean; 3]).expect("three values"),
        }
    }

    #[test]
    fn accuracies_are_per_cent_and_losses_nats() {
        let accuracy = estimate(0.7653, 0.01);
        assert_eq!(percent(&accuracy), "76.53 ± 1.96 %");
        assert_eq!(with_images(&accuracy, Metric::TestAccuracy), "± 3.92");
        assert_eq!(measured(&estimate(0.5, 0.1), Metric::TrainLoss), "0.5000 ± 0.1960");
        assert_eq!(points(&estimate(0.002, 0.01), Some(0.8)), "+0.20 ± 1.96 (may be chance)");
        assert_eq!(points(&estimate(-0.1, 0.01), Some(1e-9)), "−10.00 ± 1.96");
        // Other seeds would not make it nothing, and other images might.
        let of_images = estimate(0.03, 0.01);
        assert_eq!(
            points(&of_images, Some(0.13)),
            "+3.00 ± 1.96 (± 3.92 with images: may be chance)"
        );
        assert_eq!(points(&of_images, Some(0.04)), "+3.00 ± 1.96");
        let in_a_table = changed(&of_images, Some(0.13), Metric::ValidationAccuracy);
        assert_eq!(in_a_table, "+3.00 ± 1.96 (may be chance)");
        assert_eq!([2e-17, 0.0014, 0.77].map(probability), ["< 0.001", "0.00140", "0.770"]);
        assert_eq!(changed(&estimate(0.5, 0.1), Some(0.04), Metric::TrainLoss), "+0.5000 ± 0.1960");
        assert_eq!(
            [-0.004, -0.006, 10.0].map(|value| signed(value, 2)),
            ["+0.00", "−0.01", "+10.00"]
        );
    }

    #[test]
    fn an_interval_that_is_cut_off_shows_its_ends() {
        assert_eq!(percent(&estimate(0.99, 0.01)), "99.00 % (97.04 to 100.00)");
    }

    #[test]
    fn one_seed_says_so_and_has_no_verdict() {
        let one = Estimate { over_seeds: None, over_seeds_and_images: None, ..estimate(0.5, 0.1) };
        assert_eq!(percent(&one), "50.00 % (one seed)");
        assert_eq!(points(&one, None), "+50.00 (one seed)");
        assert_eq!(with_images(&one, Metric::TestAccuracy), "");
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
