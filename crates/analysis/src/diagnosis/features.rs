//! A whole curve in a few numbers.

use std::f64::consts::PI;

use thaw_spec::{Metric, TrainingLog};

/// Numbers per curve: level, trend and bend.
pub(super) const COEFFICIENTS: usize = 3;

/// What a loss is raised by before its logarithm is taken, in nats: losses are printed with four
/// digits, and below this they only say that the training images are known by heart.
const LOSS_FLOOR: f64 = 1e-3;

/// The first coefficients of the cosine transform (DCT-II, divided by the number of epochs) of each
/// metric at the epochs of the given numbers, as if they lay equally far apart: of the logits of accuracies, of the logarithms of losses, which spread
/// about equally everywhere. `images` is the size of a metric's split.
pub(super) fn features(
    log: &TrainingLog,
    curves: &[(Metric, Vec<usize>)],
    images: impl Fn(Metric) -> f64,
) -> Vec<f64> {
    curves
        .iter()
        .flat_map(|(metric, numbers)| {
            let values = log.epochs_of(*metric).iter().zip(log.curve(*metric));
            let compared = values.filter(|(number, _)| numbers.binary_search(number).is_ok());
            let transformed =
                compared.map(|(_, value)| transformed(*value, *metric, images(*metric)));
            coefficients(&transformed.collect::<Vec<f64>>())
        })
        .collect()
}

/// The logit of an accuracy, or the logarithm of a loss.
fn transformed(value: f64, metric: Metric, images: f64) -> f64 {
    if metric.is_accuracy() {
        // Half an image more on either side, so that 0 and 1 have logits too.
        ((value * images + 0.5) / ((1.0 - value) * images + 0.5)).ln()
    } else {
        (value + LOSS_FLOOR).ln()
    }
}

fn coefficients(values: &[f64]) -> [f64; COEFFICIENTS] {
    let count = values.len() as f64;
    std::array::from_fn(|frequency| {
        let scale = if frequency == 0 { 1.0 } else { 2f64.sqrt() } / count;
        let products = values.iter().enumerate().map(|(epoch, value)| {
            value * (PI * frequency as f64 * (epoch as f64 + 0.5) / count).cos()
        });
        scale * products.sum::<f64>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_its_level_trend_and_bend() {
        assert_eq!(
            coefficients(&[2.0; 5]).map(|value| (value * 1e12).round() / 1e12),
            [2.0, 0.0, 0.0]
        );
        // A falling line has a trend and no bend.
        let [level, trend, bend] = coefficients(&[3.0, 2.0, 1.0, 0.0]);
        assert!(
            (level - 1.5).abs() < 1e-12 && trend > 1.0 && bend.abs() < 1e-12,
            "{level} {trend} {bend}"
        );
        // Waves of these frequencies are found again.
        let wave = |frequency: f64| -> Vec<f64> {
            (0..8).map(|epoch| (PI * frequency * (f64::from(epoch) + 0.5) / 8.0).cos()).collect()
        };
        assert!((coefficients(&wave(2.0))[2] - 0.5f64.sqrt()).abs() < 1e-12);
        assert!(coefficients(&wave(5.0)).iter().all(|value| value.abs() < 1e-12));
    }
}
