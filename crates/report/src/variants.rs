//! Accuracy against the number of cached variants.

use thaw_analysis::{Measurements, VariantSeries};
use thaw_spec::Labels;

use crate::palette::LEVELS;
use crate::rows::{ChartRow, RowChart};
use crate::waterfall::{accuracy_chart, total};

/// Draws a point with its interval for each number of variants, series after series; nothing
/// without a series.
pub fn variants(
    series: &[VariantSeries<'_>],
    measurements: &Measurements<'_>,
    labels: &Labels,
) -> Option<RowChart> {
    let rows = series.iter().zip(LEVELS.into_iter().cycle()).flat_map(|(series, color)| {
        series.points.iter().filter_map(move |(count, procedure)| {
            let estimate = measurements.level(procedure)?;
            Some(ChartRow { color, ..total(&named(series, *count, labels), &estimate) })
        })
    });
    let rows: Vec<ChartRow> = rows.collect();
    let title = "Validation accuracy by the number of cached variants".to_owned();
    (!rows.is_empty()).then(|| accuracy_chart(title, measurements.statistic(), rows))
}

/// Label of a point of a series.
fn named(series: &VariantSeries<'_>, count: usize, labels: &Labels) -> String {
    if series.levels.is_empty() {
        variant_count_in_words(count)
    } else {
        format!("{} · {}", labels.procedure(&series.levels), variant_count_in_words(count))
    }
}

/// A number of variants in words.
pub(crate) fn variant_count_in_words(count: usize) -> String {
    match count {
        0 => "not augmented".to_owned(),
        1 => "1 variant".to_owned(),
        many => format!("{many} variants"),
    }
}
