//! What runs of each procedure look like: a mean per procedure, a spread per procedure that borrows
//! from the others, and one correlation.

use statrs::distribution::{ContinuousCDF, FisherSnedecor};
use statrs::function::gamma::ln_gamma;

use super::features::COEFFICIENTS;
use crate::prior::VariancePrior;

/// The smallest variance of a feature: what four printed digits hide.
const PRECISION: f64 = 1e-8;

/// The least that correlations are shrunk, so that their matrix has an inverse.
const LEAST_SHRINKAGE: f64 = 0.05;

/// Normal populations with means and spreads of their own and one correlation matrix.
#[derive(Clone, Debug)]
pub(super) struct Population {
    members: Vec<Member>,
    correlation: Vec<Vec<f64>>,
    whole: CholeskyFactor,
}

/// Distribution of the runs of one procedure.
#[derive(Clone, Debug)]
struct Member {
    mean: Vec<f64>,
    /// Standard deviation of each feature of a new run around the mean of the known runs.
    deviations: Vec<f64>,
    freedom: f64,
}

/// Fit of a run to one procedure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    /// Natural logarithm of the predictive density.
    pub(super) log_likelihood: f64,
    /// Squared distance from the procedure's mean, in units of its spread.
    distance: f64,
    /// The same for each curve alone.
    by_curve: Vec<f64>,
    width: usize,
    freedom: f64,
}

impl Fit {
    /// The share of the procedure's runs that would lie farther from its mean, if squared distances
    /// are `stretch` times what the known runs let expect.
    pub(super) fn p_value(&self, stretch: f64) -> f64 {
        upper_tail(self.distance / stretch, self.width, self.freedom)
    }

    /// Typicality of each curve alone.
    pub(super) fn p_values_by_curve(&self, stretch: f64) -> impl Iterator<Item = f64> {
        self.by_curve
            .iter()
            .map(move |distance| upper_tail(distance / stretch, COEFFICIENTS, self.freedom))
    }
}

impl Population {
    /// Learns from at least two runs of each procedure.
    ///
    /// Variances are moderated as by Smyth (2004); correlations of the standardised residuals are
    /// shrunk towards none as by Schäfer and Strimmer (2005).
    pub(super) fn learn(procedures: &[Vec<&[f64]>]) -> Self {
        let width = procedures.first().and_then(|runs| runs.first()).map_or(0, |run| run.len());
        let means: Vec<Vec<f64>> = procedures
            .iter()
            .map(|runs| (0..width).map(|feature| mean(runs, feature)).collect())
            .collect();
        let degrees: Vec<f64> = procedures.iter().map(|runs| runs.len() as f64 - 1.0).collect();
        let mut variances: Vec<Vec<f64>> = procedures
            .iter()
            .zip(&means)
            .map(|(runs, mean)| {
                (0..width).map(|feature| variance(runs, feature, mean[feature])).collect()
            })
            .collect();
        let prior = VariancePrior::of(&variances, &degrees);
        for (row, degrees) in variances.iter_mut().zip(&degrees) {
            row.iter_mut().enumerate().for_each(|(feature, variance)| {
                *variance = prior.moderate(feature, *variance, *degrees)
            });
        }
        let residuals: Vec<Vec<f64>> = procedures
            .iter()
            .zip(means.iter().zip(&variances))
            .flat_map(|(runs, (mean, variance))| {
                runs.iter().map(|run| {
                    (0..width)
                        .map(|feature| (run[feature] - mean[feature]) / variance[feature].sqrt())
                        .collect()
                })
            })
            .collect();
        let correlation = shrunk_correlation(&residuals, width);
        let whole = CholeskyFactor::new(&correlation);
        let members =
            means.into_iter().zip(variances).zip(procedures).map(|((mean, variances), runs)| {
                let count = runs.len() as f64;
                let deviations = variances
                    .iter()
                    .map(|variance| (variance * (1.0 + 1.0 / count)).sqrt())
                    .collect();
                Member { mean, deviations, freedom: prior.freedom + count - 1.0 }
            });
        Self { members: members.collect(), correlation, whole }
    }

    /// How well a run fits each procedure: by the multivariate t distribution of a new run.
    pub(super) fn fits(&self, run: &[f64]) -> Vec<Fit> {
        self.members.iter().map(|member| self.fit(member, run)).collect()
    }

    /// How well a run fits the procedure at a place.
    pub(super) fn fit_at(&self, place: usize, run: &[f64]) -> Fit {
        self.fit(&self.members[place], run)
    }

    fn fit(&self, member: &Member, run: &[f64]) -> Fit {
        let standardised: Vec<f64> = run
            .iter()
            .zip(&member.mean)
            .zip(&member.deviations)
            .map(|((value, mean), deviation)| (value - mean) / deviation)
            .collect();
        let distance = self.whole.squared_distance(&standardised);
        let ln_volume = 0.5 * self.whole.ln_determinant()
            + member.deviations.iter().map(|deviation| deviation.ln()).sum::<f64>();
        Fit {
            log_likelihood: ln_density(distance, ln_volume, run.len(), member.freedom),
            distance,
            by_curve: (0..run.len())
                .step_by(COEFFICIENTS)
                .map(|first| self.distance_of_curve(&standardised, first))
                .collect(),
            width: run.len(),
            freedom: member.freedom,
        }
    }

    /// The squared distance of the curve that begins with the feature `first`.
    fn distance_of_curve(&self, standardised: &[f64], first: usize) -> f64 {
        let part = first..first + COEFFICIENTS;
        let block: Vec<Vec<f64>> =
            self.correlation[part.clone()].iter().map(|row| row[part.clone()].to_vec()).collect();
        CholeskyFactor::new(&block).squared_distance(&standardised[part])
    }
}

/// The variance of a feature between runs.
fn variance(runs: &[&[f64]], feature: usize, mean: f64) -> f64 {
    let squares: f64 = runs.iter().map(|run| (run[feature] - mean).powi(2)).sum();
    squares / (runs.len() as f64 - 1.0) + PRECISION
}

fn mean(runs: &[&[f64]], feature: usize) -> f64 {
    runs.iter().map(|run| run[feature]).sum::<f64>() / runs.len() as f64
}

/// Correlations of residuals, of which each is multiplied by 1 − λ; λ is the sum of the estimated
/// variances of the correlations divided by the sum of their squares.
fn shrunk_correlation(residuals: &[Vec<f64>], width: usize) -> Vec<Vec<f64>> {
    let count = residuals.len() as f64;
    let scale: Vec<f64> = (0..width)
        .map(|feature| {
            (residuals.iter().map(|row| row[feature].powi(2)).sum::<f64>() / count)
                .sqrt()
                .max(f64::MIN_POSITIVE)
        })
        .collect();
    let product =
        |row: &[f64], one: usize, other: usize| row[one] / scale[one] * row[other] / scale[other];
    let mut correlation = vec![vec![1.0; width]; width];
    let (mut uncertainty, mut squares) = (0.0, 0.0);
    for (one, other) in (0..width).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let value = residuals.iter().map(|row| product(row, one, other)).sum::<f64>() / count;
        uncertainty +=
            residuals.iter().map(|row| (product(row, one, other) - value).powi(2)).sum::<f64>()
                / (count - 1.0).powi(2);
        squares += value * value;
        (correlation[one][other], correlation[other][one]) = (value, value);
    }
    let shrinkage =
        if squares > 0.0 { (uncertainty / squares).clamp(LEAST_SHRINKAGE, 1.0) } else { 1.0 };
    for (one, row) in correlation.iter_mut().enumerate() {
        row.iter_mut()
            .enumerate()
            .filter(|(other, _)| *other != one)
            .for_each(|(_, value)| *value *= 1.0 - shrinkage);
    }
    correlation
}

/// Logarithm of the density of the multivariate t distribution at a squared Mahalanobis distance.
fn ln_density(distance: f64, ln_volume: f64, width: usize, freedom: f64) -> f64 {
    let width = width as f64;
    ln_gamma((freedom + width) / 2.0)
        - ln_gamma(freedom / 2.0)
        - width / 2.0 * (freedom * std::f64::consts::PI).ln()
        - ln_volume
        - (freedom + width) / 2.0 * (distance / freedom).ln_1p()
}

/// The probability of a larger distance: distance ÷ width is distributed as F.
fn upper_tail(distance: f64, width: usize, freedom: f64) -> f64 {
    FisherSnedecor::new(width as f64, freedom)
        .map_or(f64::NAN, |distribution| distribution.sf(distance / width as f64))
}

/// The lower Cholesky factor of a positive definite matrix.
#[derive(Clone, Debug)]
struct CholeskyFactor(Vec<Vec<f64>>);

impl CholeskyFactor {
    fn new(matrix: &[Vec<f64>]) -> Self {
        let mut factor: Vec<Vec<f64>> = Vec::new();
        for (row, values) in matrix.iter().enumerate() {
            let mut entries: Vec<f64> = Vec::new();
            for column in 0..=row {
                let known: f64 = if column == row {
                    entries.iter().map(|entry| entry * entry).sum()
                } else {
                    entries.iter().zip(&factor[column]).map(|(one, other)| one * other).sum()
                };
                let rest = values[column] - known;
                entries.push(if column == row {
                    rest.max(f64::MIN_POSITIVE).sqrt()
                } else {
                    rest / factor[column][column]
                });
            }
            factor.push(entries);
        }
        Self(factor)
    }

    /// Squared Mahalanobis distance `vᵀ M⁻¹ v`.
    fn squared_distance(&self, vector: &[f64]) -> f64 {
        let mut solved: Vec<f64> = Vec::new();
        for (row, value) in self.0.iter().zip(vector) {
            let known: f64 = row.iter().zip(&solved).map(|(entry, solved)| entry * solved).sum();
            solved.push((value - known) / row[solved.len()]);
        }
        solved.iter().map(|value| value * value).sum()
    }

    fn ln_determinant(&self) -> f64 {
        2.0 * self.0.iter().filter_map(|row| row.last()).map(|entry| entry.ln()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_and_tails_are_scipys() {
        // scipy.stats.multivariate_t and f of SciPy 1.17.1, by tools/golden/sample_statistics.py.
        let factor =
            CholeskyFactor::new(&[vec![2.0, 0.3, -0.1], vec![0.3, 1.0, 0.2], vec![-0.1, 0.2, 0.5]]);
        let distance = factor.squared_distance(&[0.5, 1.5, -0.5]);
        assert!((distance - 3.669_402_110_199_297_5).abs() < 1e-12, "{distance}");
        let density = ln_density(distance, 0.5 * factor.ln_determinant(), 3, 4.0);
        assert!((density - -4.794_369_950_565_296).abs() < 1e-10, "{density}");
        assert!((upper_tail(distance, 3, 4.0) - 0.410_153_906_767_556).abs() < 1e-10);
    }

    #[test]
    fn correlations_that_are_certain_stay_and_others_go() {
        let certain: Vec<Vec<f64>> =
            (0..40).map(|row| vec![f64::from(row - 20), f64::from(row - 20)]).collect();
        assert!(shrunk_correlation(&certain, 2)[0][1] > 0.9);
        // Pairs without any relation, few of them.
        let loose: Vec<Vec<f64>> = [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.1)]
            .map(|(one, other)| vec![one, other])
            .to_vec();
        assert_eq!(shrunk_correlation(&loose, 2)[0][1], 0.0);
    }
}
