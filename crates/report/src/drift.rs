//! How far the base drifted, kernels and biases apart: a bias starts near 0, so it can move by many
//! times its own length while the kernels hardly move.

use thaw_analysis::{ProcedureRuns, Sample};
use thaw_spec::TensorRole;

use crate::number::magnitude;

/// Relative drifts of one kind of tensors at the end of training: the median of those that are finite,
/// and the largest of all tensors and seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DriftRange {
    pub(crate) median: f64,
    pub(crate) largest: f64,
}

impl DriftRange {
    fn of(drifts: Vec<f64>) -> Option<Self> {
        let largest = drifts.iter().copied().reduce(f64::max)?;
        let finite = drifts.into_iter().filter(|drift| drift.is_finite()).collect();
        let median = Sample::new(finite).map_or(largest, |sample| sample.median());
        Some(Self { median, largest })
    }

    /// As `median 0.018, largest 0.036`.
    pub(crate) fn in_words(self) -> String {
        format!("median {}, largest {}", magnitude(self.median), magnitude(self.largest))
    }
}

/// Whether a base of some procedures has moving statistics.
pub(crate) fn has_statistics<'a>(procedures: impl IntoIterator<Item = &'a ProcedureRuns>) -> bool {
    let runs = procedures.into_iter().flat_map(|procedure| &procedure.runs);
    let mut tensors = runs.flat_map(|run| &run.outcome.audit);
    tensors.any(|tensor| tensor.role == TensorRole::Statistic)
}

/// Drifts of the base's kernels and factors, of its biases, and of its moving statistics, over all
/// seeds; nothing before the first run, or where there are no such tensors.
pub(crate) fn drift_ranges(procedure: &ProcedureRuns) -> [Option<DriftRange>; 3] {
    let mut drifts = [Vec::new(), Vec::new(), Vec::new()];
    for tensor in procedure.runs.iter().flat_map(|run| &run.outcome.audit) {
        let kind = match tensor.role {
            TensorRole::Weight if tensor.name.ends_with(".weight") => 0,
            TensorRole::Weight => 1,
            TensorRole::Statistic => 2,
        };
        drifts[kind].push(tensor.relative_drift);
    }
    drifts.map(DriftRange::of)
}

/// The largest drift of a kernel and of a bias, as `0.036, 7.04`, and of a moving statistic where there
/// are some; `0` where nothing moved.
pub(crate) fn drift_in_words(procedure: &ProcedureRuns) -> String {
    let largest = drift_ranges(procedure).map(|range| range.map(|range| range.largest));
    match largest {
        [None, None, None] => "–".to_owned(),
        all if all.iter().all(|drift| drift.unwrap_or(0.0) == 0.0) => "0".to_owned(),
        [kernels, others, statistics] => {
            let words = |drift: Option<f64>| drift.map_or_else(|| "–".to_owned(), magnitude);
            let of_statistics =
                statistics.map_or_else(String::new, |drift| format!(", {}", magnitude(drift)));
            format!("{}, {}{of_statistics}", words(kernels), words(others))
        }
    }
}
