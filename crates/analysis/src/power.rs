//! What an experiment of this size could have seen at all.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal, StudentsT};

use crate::estimate::{Estimate, Uncertainty};

/// The chance that a two-sided t-test at 5 % with these degrees of freedom notices a true difference
/// of `shift` standard errors.
///
/// The statistic is noncentral t: (Z + shift) / √(V/ν) with Z normal and V chi-squared; the integral
/// over V is taken by Simpson's rule.
fn power(shift: f64, freedom: f64) -> Option<f64> {
    let critical = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975);
    let (normal, chi_squared) = (Normal::new(0.0, 1.0).ok()?, ChiSquared::new(freedom).ok()?);
    // Over u = √V, where the integrand is smooth from 0 on for one degree of freedom and more.
    let integrand = |root: f64| {
        let spread = critical * root / freedom.sqrt();
        let outside = normal.sf(spread - shift) + normal.cdf(-spread - shift);
        // At 0 the density is 0, but for one degree of freedom, where it is the half-normal's.
        let density = match (root == 0.0, freedom == 1.0) {
            // The density itself overflows at about 300 degrees of freedom (statrs 0.19).
            (false, _) => 2.0 * root * chi_squared.ln_pdf(root * root).exp(),
            (true, true) => (2.0 / std::f64::consts::PI).sqrt(),
            (true, false) => 0.0,
        };
        outside * density
    };
    const STEPS: u32 = 4_000;
    let end = freedom.sqrt() + 9.0;
    // Below this the density is nothing, and with many degrees of freedom the rest is narrow.
    let start = (freedom.sqrt() - 9.0).max(0.0);
    let step = (end - start) / f64::from(STEPS);
    let inner = (1..STEPS).map(|place| {
        integrand(start + f64::from(place) * step) * if place % 2 == 1 { 4.0 } else { 2.0 }
    });
    Some((inner.sum::<f64>() + integrand(start) + integrand(end)) * step / 3.0)
}

/// The smallest true difference, in its own unit, that four experiments of five like this one would
/// notice at 5 %, over seeds and images where predictions were recorded; nothing with one seed.
pub fn smallest_difference(estimate: &Estimate) -> Option<f64> {
    let Uncertainty { standard_error, freedom } =
        estimate.over_seeds_and_images.or(estimate.over_seeds)?;
    let (mut low, mut high) = (0.0, 64.0);
    // Below one degree of freedom the density has no bound at 0.
    let freedom = freedom.max(1.0);
    power(high, freedom)?;
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if power(middle, freedom)? < 0.8 { low = middle } else { high = middle }
    }
    Some(high * standard_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Sample;

    #[test]
    fn the_smallest_difference_is_scipys() {
        // From scipy.stats.nct of SciPy 1.17.1, by tools/golden/sample_statistics.py: in standard
        // deviations of the differences between so many pairs.
        for (pairs, expected) in SCIPY {
            let count = pairs as f64;
            let uncertainty =
                Uncertainty { standard_error: 1.0 / count.sqrt(), freedom: count - 1.0 };
            let estimate = Estimate {
                mean: 0.0,
                count: pairs,
                over_seeds: Some(uncertainty),
                over_seeds_and_images: None,
                bounds: (f64::NEG_INFINITY, f64::INFINITY),
                sample: Sample::new(vec![0.0; pairs]).expect("values"),
            };
            let found = smallest_difference(&estimate).expect("two pairs or more");
            assert!(
                (found - expected).abs() < 1e-5 * expected,
                "{pairs}: {found} against {expected}"
            );
        }
        // With one degree of freedom the density begins at its highest. By the integral over Z
        // instead of V, ∫ φ(z) (2 Φ(|z + shift| / 12.706205) − 1) dz, in Python.
        for (shift, expected) in
            [(0.0, 0.05), (1.0, 0.072_988_894), (10.0, 0.567_306_566), (20.0, 0.883_394_433)]
        {
            let found = power(shift, 1.0).expect("freedom");
            assert!((found - expected).abs() < 1e-6, "{shift}: {found}");
        }
        assert!((power(0.0, 2.0).expect("freedom") - 0.05).abs() < 1e-6);
        assert!((power(0.0, 1e4).expect("freedom") - 0.05).abs() < 1e-6);
    }

    const SCIPY: [(usize, f64); 5] = [
        (3, 3.2640435496995726),
        (5, 1.6819969659555556),
        (10, 0.9960013714554438),
        (30, 0.5292356151129528),
        (301, 0.16199971443256336),
    ];
}
