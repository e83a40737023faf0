//! Whether two models differ on the same images: McNemar's test (McNemar 1947) in its exact form.

use statrs::distribution::{Binomial, DiscreteCDF};
use thaw_spec::{Prediction, Split};

/// Result of McNemar's test of two models on one split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McNemar {
    /// Number of images.
    pub images: u64,
    /// Images that the first model classifies correctly.
    pub first: u64,
    /// Images that the second model classifies correctly.
    pub second: u64,
    /// Images that only the first model classifies correctly.
    pub only_first: u64,
    /// Images that only the second model classifies correctly.
    pub only_second: u64,
    /// Probability of a division of the images on which they disagree that is at least as uneven,
    /// if each were a fair coin's toss (two-sided).
    pub p_value: f64,
}

/// Compares what two models say about the images of a split; nothing when these are not the same
/// images, or there are none.
pub fn mcnemar(first: &[Prediction], second: &[Prediction], split: Split) -> Option<McNemar> {
    let (first, second) = (of_split(first, split), of_split(second, split));
    let same_images = first.len() == second.len()
        && first.iter().zip(&second).all(|(a, b)| (a.image, a.label) == (b.image, b.label));
    if !same_images || first.is_empty() {
        return None;
    }
    let (mut first_correct, mut second_correct, mut only_first, mut only_second) = (0, 0, 0, 0);
    for (first, second) in first.iter().zip(&second) {
        let (first, second) = (first.is_correct(), second.is_correct());
        first_correct += u64::from(first);
        second_correct += u64::from(second);
        only_first += u64::from(first && !second);
        only_second += u64::from(second && !first);
    }
    Some(McNemar {
        images: first.len() as u64,
        first: first_correct,
        second: second_correct,
        only_first,
        only_second,
        p_value: p_value(only_first, only_second),
    })
}

/// The predictions for the images of a split, in the order of the images.
pub(crate) fn of_split(predictions: &[Prediction], split: Split) -> Vec<Prediction> {
    let mut chosen: Vec<Prediction> =
        predictions.iter().copied().filter(|prediction| prediction.split == split).collect();
    chosen.sort_by_key(|prediction| prediction.image);
    chosen
}

fn p_value(one: u64, other: u64) -> f64 {
    let coin = Binomial::new(0.5, one + other).expect("a half is a probability");
    (2.0 * coin.cdf(one.min(other))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_scipys() {
        // scipy.stats.binomtest(k, n, 0.5).pvalue of SciPy 1.17.1, by
        // tools/golden/sample_statistics.py.
        for (one, other, expected) in SCIPY {
            assert!(
                (p_value(one, other) - expected).abs() <= 1e-12 * expected.max(1e-3),
                "{one} {other}: {}",
                p_value(one, other)
            );
        }
    }

    const SCIPY: [(u64, u64, f64); 6] = [
        (0, 0, 1.0),
        (3, 1, 0.625),
        (10, 10, 1.0),
        (30, 12, 0.007915897334896727),
        (61, 100, 0.0026347303601547537),
        (5, 40, 7.878384167270269e-08),
    ];

    #[test]
    fn only_the_images_on_which_models_disagree_count() {
        let predictions = |wrong: &[u32]| -> Vec<Prediction> {
            (0..10)
                .map(|image| Prediction {
                    split: Split::Test,
                    image,
                    label: 0,
                    predicted: u32::from(wrong.contains(&image)),
                    loss: 0.0,
                })
                .collect()
        };
        let result = mcnemar(&predictions(&[0, 1]), &predictions(&[1, 2, 3, 4]), Split::Test)
            .expect("the same images");
        assert_eq!(
            (result.first, result.second, result.only_first, result.only_second),
            (8, 6, 3, 1)
        );
        assert_eq!(mcnemar(&predictions(&[]), &predictions(&[])[1..], Split::Test), None);
        assert_eq!(mcnemar(&predictions(&[]), &predictions(&[]), Split::Validation), None);
    }
}
