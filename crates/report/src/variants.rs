//! Accuracy against the number of cached variants.

use thaw_analysis::VariantSeries;
use thaw_spec::{Metric, Statistic};

use crate::number::percent;
use crate::palette::LEVELS;
use crate::rows::{ChartRow, Mark, RowChart};
use crate::waterfall::accuracy_chart;

/// Draws a point with its interval for each number of variants, series after series; nothing
/// without a series.
pub fn variants(series: &[VariantSeries<'_>]) -> Option<RowChart> {
    let rows = series.iter().zip(LEVELS.into_iter().cycle()).flat_map(|(series, color)| {
        series.points.iter().filter_map(move |(count, procedure)| {
            let estimate =
                procedure.sample(Metric::ValidationAccuracy, Statistic::Final)?.estimate();
            Some(ChartRow {
                label: named(series, *count),
                mark: Mark::Point(estimate.mean),
                interval: estimate.interval,
                color,
                text: percent(&estimate),
            })
        })
    });
    let rows: Vec<ChartRow> = rows.collect();
    (!rows.is_empty()).then(|| {
        accuracy_chart(
            "Final validation accuracy by the number of cached variants".to_owned(),
            rows,
        )
    })
}

/// Label of a point of a series.
fn named(series: &VariantSeries<'_>, count: usize) -> String {
    if series.levels.is_empty() {
        variant_count_in_words(count)
    } else {
        format!("{} · {}", series.label(), variant_count_in_words(count))
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
