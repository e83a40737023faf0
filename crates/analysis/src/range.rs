//! How large a gap between the lowest and the highest of several means chance alone makes.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal};

use crate::estimate::Estimate;

/// Half of the number of intervals of Simpson's rule, over spreads and over places of a mean.
const SPREADS: u32 = 250;
const PLACES: u32 = 100;

/// The chance that `count` independent normal means, all equal, lie at least `range` apart, the
/// lowest from the highest, in units of the standard error of one of them, which is estimated with
/// some degrees of freedom: the distribution of the studentised range (Tukey 1949).
///
/// With u = √(V/ν) and V chi-squared it is 1 − ∫ f(u) W(range · u) du, where W(w) = k ∫ φ(z)
/// (Φ(z) − Φ(z − w))ᵏ⁻¹ dz is the same for a standard error that is known.
fn studentised_range(range: f64, count: usize, freedom: f64) -> Option<f64> {
    let (normal, chi_squared) = (Normal::new(0.0, 1.0).ok()?, ChiSquared::new(freedom).ok()?);
    let known = |width: f64| {
        let others = count as f64 - 1.0;
        let integrand = |place: f64| {
            normal.pdf(place) * (normal.cdf(place) - normal.cdf(place - width)).powf(others)
        };
        (others + 1.0) * simpson(-8.0, 8.0, PLACES, integrand)
    };
    // Over √V, where the density is smooth from 0 on.
    let integrand = |root: f64| {
        let density = if root > 0.0 {
            // The density itself overflows at about 300 degrees of freedom (statrs 0.19).
            2.0 * root * chi_squared.ln_pdf(root * root).exp()
        } else if freedom == 1.0 {
            (2.0 / std::f64::consts::PI).sqrt()
        } else {
            0.0
        };
        density * known(range * root / freedom.sqrt())
    };
    let (start, end) = ((freedom.sqrt() - 9.0).max(0.0), freedom.sqrt() + 9.0);
    Some((1.0 - simpson(start, end, SPREADS, integrand)).clamp(0.0, 1.0))
}

/// The integral from `start` to `end` by Simpson's rule with twice as many intervals as `half`.
fn simpson(start: f64, end: f64, half: u32, integrand: impl Fn(f64) -> f64) -> f64 {
    let step = (end - start) / f64::from(2 * half);
    let at = |place: u32| integrand(start + f64::from(place) * step);
    let odd: f64 = (0..half).map(|place| at(2 * place + 1)).sum();
    let even: f64 = (1..half).map(|place| at(2 * place)).sum();
    (integrand(start) + integrand(end) + 4.0 * odd + 2.0 * even) * step / 3.0
}

impl Estimate {
    /// The chance of a gap at least this large between the lowest and the highest of so many
    /// procedures, if there were no difference between any of them: over seeds and images where
    /// predictions were recorded, else over seeds; nothing with one seed.
    pub fn p_value_of_extremes(&self, procedures: usize) -> Option<f64> {
        let uncertainty = self.over_seeds_and_images.or(self.over_seeds)?;
        // The standard error is that of a difference of two means, √2 times that of one.
        let range = self.mean.abs() * std::f64::consts::SQRT_2 / uncertainty.standard_error;
        // Below one degree of freedom the density has no bound at 0.
        studentised_range(range, procedures.max(2), uncertainty.freedom.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_scipys() {
        // scipy.stats.studentized_range.sf of SciPy 1.17.1, by tools/golden/sample_statistics.py.
        for ((range, count, freedom), expected) in SCIPY {
            let found = studentised_range(range, count, freedom).expect("some degrees of freedom");
            assert!(
                (found - expected).abs() < 1e-6,
                "{range} {count} {freedom}: {found} against {expected}"
            );
        }
        assert!(studentised_range(0.0, 5, 9.0).is_some_and(|all| (all - 1.0).abs() < 1e-9));
    }

    const SCIPY: [((f64, usize, f64), f64); 7] = [
        ((3.0, 2, 2.0), 0.167_949_705_662_156_28),
        ((3.5, 4, 6.5), 0.155_110_456_594_030_9),
        ((5.0, 12, 24.0), 0.058_092_163_971_676_714),
        ((4.0, 20, 3.2), 0.529_153_044_957_508_9),
        ((6.0, 20, 60.0), 0.010_335_057_618_760_857),
        ((4.5, 30, 1.0), 0.630_436_028_254_950_6),
        ((4.0, 12, 301.0), 0.173_530_226_637_244_82),
    ];
}
