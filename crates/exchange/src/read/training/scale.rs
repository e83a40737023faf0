//! Percentages and rates of errors become fractions of right answers.

use super::Training;
use super::resolve::Told;
use crate::name::states_percent;

impl Training {
    /// Brings percentages that say so, and rates of errors, to fractions of right answers.
    pub(super) fn scale(&mut self, curves: &mut [Told]) {
        let largest = |told: &Told| told.values.values().copied().fold(0.0, f64::max);
        let is_percent =
            |told: &Told| self.in_percent.contains(&told.column) || states_percent(&told.column);
        let is_large = |told: &Told| is_percent(told) || largest(told) > 1.5;
        let shares = |is_error: bool| {
            curves.iter().filter(move |told| told.metric.is_accuracy() && told.is_error == is_error)
        };
        let in_percent = |is_error: bool| {
            shares(is_error).find(|told| is_large(told)).map(|told| told.column.clone())
        };
        let (accuracy, error) = (in_percent(false), in_percent(true));
        let mut remarks = Vec::new();
        let scales: Vec<f64> = curves
            .iter()
            .map(|told| {
                let is_small = !is_large(told) && told.metric.is_accuracy();
                match (told.is_error, &accuracy, &error) {
                    // Rates of errors of one training have one scale.
                    (true, _, Some(other)) => {
                        if is_small {
                            remarks.push(format!(
                                "`{}` is taken for percentages, as `{other}` is",
                                told.column
                            ));
                        }
                        100.0
                    }
                    (true, Some(other), None) => {
                        remarks.push(format!(
                            "`{}` is taken for fractions, though `{other}` has percentages",
                            told.column
                        ));
                        1.0
                    }
                    (false, Some(other), _) if is_small => {
                        remarks.push(format!(
                            "`{}` is taken for fractions, though `{other}` has percentages",
                            told.column
                        ));
                        1.0
                    }
                    (false, ..) if told.metric.is_accuracy() && is_percent(told) => 100.0,
                    _ => 1.0,
                }
            })
            .collect();
        for (told, scale) in curves.iter_mut().zip(scales) {
            let is_error = told.is_error;
            told.values.values_mut().for_each(|value| {
                *value = if is_error { (scale - *value) / scale } else { *value / scale };
            });
        }
        self.remarks.extend(remarks);
    }
}
