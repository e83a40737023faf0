//! Numbers as people read them.

use thaw_analysis::Estimate;

/// An accuracy with the half-width of its interval.
pub fn percent(estimate: &Estimate) -> String {
    match estimate.interval {
        Some((low, high)) => format!("{:.2} ± {:.2} %", estimate.mean * 100.0, (high - low) / 2.0 * 100.0),
        None => format!("{:.2} %", estimate.mean * 100.0),
    }
}

/// A difference of accuracies with the half-width of its interval, and whether the interval leaves out zero.
pub fn points(change: &Estimate) -> String {
    let mean = change.mean * 100.0;
    match change.interval {
        Some((low, high)) => {
            // Seeds that all agree leave nothing to chance.
            let verdict = if low > 0.0 || high < 0.0 || low == high { "" } else { " (may be chance)" };
            format!("{mean:+.2} ± {:.2}{verdict}", (high - low) / 2.0 * 100.0)
        }
        None => format!("{mean:+.2}"),
    }
}

/// A size of any order, not negative, with three digits that count: `2.74`, `0.0318`, `3.18e-7`.
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
    fn magnitudes_have_three_digits_that_count() {
        let expected = ["0", "3.18e-7", "0.00318", "0.0318", "0.500", "1.00", "2.74", "27.4", "274", "2742"];
        assert_eq!([0.0, 3.18e-7, 3.18e-3, 0.0318, 0.5, 1.0, 2.742, 27.42, 274.2, 2742.0].map(magnitude), expected);
    }
}
