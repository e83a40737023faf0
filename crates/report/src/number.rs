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
