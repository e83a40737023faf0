//! What an experiment of this size could have seen at all.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal, StudentsT};

/// The chance that Student's paired test (two-sided, 5 %) notices a true mean difference of `shift`
/// standard deviations of the differences.
///
/// The statistic is noncentral t with `pairs` − 1 degrees of freedom, (Z + δ) / √(V/ν) with δ =
/// shift · √pairs, Z normal and V chi-squared; the integral over V is taken by Simpson's rule.
pub fn power(shift: f64, pairs: usize) -> Option<f64> {
    let freedom = pairs.checked_sub(1).filter(|freedom| *freedom > 0)? as f64;
    let critical = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975);
    let (normal, chi_squared) = (Normal::new(0.0, 1.0).ok()?, ChiSquared::new(freedom).ok()?);
    let center = shift * (pairs as f64).sqrt();
    // Over u = √V, where the integrand is smooth from 0 on even for one degree of freedom.
    let integrand = |root: f64| {
        let spread = critical * root / freedom.sqrt();
        let outside = normal.sf(spread - center) + normal.cdf(-spread - center);
        // At 0 the density is 0, but for one degree of freedom, where it is the half-normal's.
        let density = match (root == 0.0, freedom == 1.0) {
            (false, _) => 2.0 * root * chi_squared.pdf(root * root),
            (true, true) => (2.0 / std::f64::consts::PI).sqrt(),
            (true, false) => 0.0,
        };
        outside * density
    };
    const STEPS: u32 = 2_000;
    let end = freedom.sqrt() + 9.0;
    let step = end / f64::from(STEPS);
    let inner = (1..STEPS)
        .map(|place| integrand(f64::from(place) * step) * if place % 2 == 1 { 4.0 } else { 2.0 });
    Some((inner.sum::<f64>() + integrand(0.0) + integrand(end)) * step / 3.0)
}

/// The smallest true mean difference, in standard deviations of the differences between pairs, that
/// four experiments of five would notice at 5 %; nothing for fewer than two pairs.
pub fn smallest_shift(pairs: usize) -> Option<f64> {
    let (mut low, mut high) = (0.0, 64.0);
    power(high, pairs)?;
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if power(middle, pairs)? < 0.8 { low = middle } else { high = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_shift_is_scipys() {
        // From scipy.stats.nct of SciPy 1.17.1, by tools/golden/sample_statistics.py.
        for (pairs, expected) in SCIPY {
            let found = smallest_shift(pairs).expect("two pairs or more");
            assert!(
                (found - expected).abs() < 1e-5 * expected,
                "{pairs}: {found} against {expected}"
            );
        }
        assert_eq!(smallest_shift(1), None);
        assert!((power(0.0, 3).expect("pairs") - 0.05).abs() < 1e-6);
    }

    const SCIPY: [(usize, f64); 4] = [
        (3, 3.2640435496995726),
        (5, 1.6819969659555556),
        (10, 0.9960013714554438),
        (30, 0.5292356151129528),
    ];
}
