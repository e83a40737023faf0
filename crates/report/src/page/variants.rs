//! The section on how many cached variants it takes.

use maud::{Markup, html};

use super::{Page, figure, table};
use crate::number::{magnitude, statistic_in_words};
use crate::table::Entry;
use crate::tables::level;
use crate::variants::variant_count_in_words;
use crate::{ReportError, variants};

impl Page<'_> {
    /// Empty where no two procedures differ in how many variants they cache.
    pub(super) fn variants(&self) -> Result<Markup, ReportError> {
        let series: Vec<_> = self.variants.iter().map(|(series, _)| series.clone()).collect();
        let Some(chart) = variants(&series, self.accuracy, &self.experiment.labels) else {
            return Ok(Markup::default());
        };
        let rows = self.variants.iter().flat_map(|(series, bytes)| {
            series.points.iter().map(move |(count, procedure)| {
                let [accuracy, with_images] = level(self.accuracy, procedure);
                let passes = (*count).max(1);
                let bytes = passes as u64 * bytes;
                vec![
                    Entry::text(self.experiment.labels.procedure(&series.levels)),
                    Entry::Number(variant_count_in_words(*count), *count as f64),
                    Entry::whole(procedure.runs.len()),
                    accuracy,
                    with_images,
                    Entry::whole(passes),
                    Entry::Number(format!("{:.0} MB", bytes as f64 / 1e6), bytes as f64),
                    Entry::maybe(procedure.mean_seconds(), magnitude),
                ]
            })
        });
        let headings = [
            "procedure",
            "cached variants of each image",
            "seeds",
            &format!("validation, {}", statistic_in_words(self.accuracy.statistic())),
            "with images",
            "passes of the training images through the base",
            "disk",
            "seconds to train the head",
        ];
        let words = "Validation accuracy for each number of cached variants, with its 95 % confidence intervals; the numbers are in the table below.";
        let caption = "Epoch e trains on variant e mod K of each image, so that K = epochs is augmentation end to end. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.";
        Ok(html! {
            (figure(&chart.svg()?, words, caption))
            (table("What each number of variants costs", &headings, rows.collect()))
        })
    }
}
