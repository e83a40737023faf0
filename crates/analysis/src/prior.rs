//! What the variances of all procedures say of each one's.

use special::Gamma as _;
use statrs::function::gamma::digamma;

/// The least degrees of freedom that the spread of all procedures lends to each one's own: next to
/// none.
const LEAST_LENT: f64 = 0.01;

/// Distribution of a variance, learnt from the variances of all procedures: for each feature a
/// scaled inverse chi-squared distribution (Smyth 2004).
#[derive(Clone, Debug)]
pub(crate) struct VariancePrior {
    /// Prior variance of each feature.
    pub(crate) variances: Vec<f64>,
    /// Prior degrees of freedom, common to all features.
    pub(crate) freedom: f64,
}

impl VariancePrior {
    /// Estimates the prior by the mean and the variance of the logarithms of the variances (Smyth
    /// 2004, section 6.2): the less they differ between procedures, the more freedom. All features
    /// say together how much that is, since the multivariate t distribution has one number for all,
    /// and since few procedures say little. It is never more than the variances of the others have,
    /// which is what one variance of all procedures would have.
    pub(crate) fn of(variances: &[Vec<f64>], degrees: &[f64]) -> Self {
        let (count, width) = (variances.len() as f64, variances.first().map_or(0, Vec::len));
        let logarithms: Vec<Vec<f64>> = (0..width)
            .map(|feature| {
                variances
                    .iter()
                    .zip(degrees)
                    .map(|(row, degrees)| row[feature].ln() - expected_logarithm(*degrees))
                    .collect()
            })
            .collect();
        let means: Vec<f64> =
            logarithms.iter().map(|column| column.iter().sum::<f64>() / count).collect();
        let squares = |(column, mean): (&Vec<f64>, &f64)| {
            column.iter().map(|logarithm| (logarithm - mean).powi(2)).sum::<f64>()
        };
        let spread = logarithms.iter().zip(&means).map(squares).sum::<f64>()
            / ((count - 1.0) * width as f64);
        let excess =
            spread - degrees.iter().map(|degrees| (degrees / 2.0).trigamma()).sum::<f64>() / count;
        // The trigamma function falls.
        let (mut low, mut high) =
            (LEAST_LENT, (degrees.iter().sum::<f64>() * (1.0 - 1.0 / count)).max(LEAST_LENT));
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            if (middle / 2.0).trigamma() > excess { low = middle } else { high = middle }
        }
        Self {
            variances: means.iter().map(|mean| (mean + expected_logarithm(high)).exp()).collect(),
            freedom: high,
        }
    }

    /// Draws a feature's variance towards the prior.
    pub(crate) fn moderate(&self, feature: usize, variance: f64, degrees: f64) -> f64 {
        (self.freedom * self.variances[feature] + degrees * variance) / (self.freedom + degrees)
    }
}

/// The expected logarithm of a variance that is estimated with some degrees of freedom, where the
/// true variance is 1.
fn expected_logarithm(degrees: f64) -> f64 {
    digamma(degrees / 2.0) - (degrees / 2.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_moderated_as_smyth_does() {
        // By tools/golden/sample_statistics.py.
        let (variances, degrees) = (
            [[0.5, 3.0], [2.0, 1.0], [0.01, 40.0], [0.9, 0.2]].map(Vec::from),
            [2.0, 2.0, 1.0, 3.0],
        );
        let prior = VariancePrior::of(&variances, &degrees);
        assert!((prior.freedom - 1.327_257_437_904_461).abs() < 1e-9, "{prior:?}");
        assert!(
            prior
                .variances
                .iter()
                .zip([0.247_403_557_912_995_31, 1.777_862_313_448_725_5])
                .all(|(found, expected)| (found - expected).abs() < 1e-9),
            "{prior:?}"
        );
        let expected = [
            2.512_483_970_690_245_5,
            1.310_292_654_072_665_4,
            18.201_544_998_492_69,
            0.683_962_306_741_824_8,
        ];
        let moderated =
            variances.iter().zip(degrees).map(|(row, degrees)| prior.moderate(1, row[1], degrees));
        assert!(moderated.zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9));
        // Variances that differ less than chance would have it are taken for one, of three times
        // two degrees of freedom.
        let alike =
            VariancePrior::of(&[0.50, 0.51, 0.52].map(|variance| vec![variance]), &[2.0; 3]);
        assert!((alike.freedom - 4.0).abs() < 1e-9, "{alike:?}");
        assert_eq!(VariancePrior::of(&[vec![0.5]], &[2.0]).freedom, LEAST_LENT, "nobody lends");
    }
}
