//! The section with a row for every procedure.

use maud::{Markup, html};
use thaw_analysis::{CellRun, ProcedureRuns, Sample};
use thaw_spec::Metric;

use super::{Page, VALIDATION, figure, plain_percent, table};
use crate::number::{signed, statistic_in_words};
use crate::table::Entry;
use crate::tables::{level, seeds};
use crate::{ReportError, forest};

impl Page<'_> {
    pub(super) fn cells(&self) -> Result<Markup, ReportError> {
        let rows = self.results.procedures.iter().map(|procedure| {
            let sample = procedure.sample(VALIDATION, self.accuracy.statistic());
            let [accuracy, with_images] = level(self.accuracy, procedure);
            vec![
                Entry::text(procedure.label()),
                seeds(procedure),
                accuracy,
                with_images,
                Entry::maybe(sample.as_ref().map(Sample::median), plain_percent),
                Entry::maybe(sample.as_ref().map(Sample::interquartile_mean), plain_percent),
                Entry::maybe(optimism(procedure), |value| signed(value * 100.0, 2)),
                level(self.test_accuracy, procedure)[0].clone(),
            ]
        });
        let words = statistic_in_words(self.accuracy.statistic());
        let headings = [
            "cell",
            "seeds",
            &format!("validation, {words}"),
            "with images",
            "median",
            "interquartile mean",
            "optimism of the best epoch",
            &format!("test, {words}"),
        ];
        let chart = forest(self.accuracy).map(|chart| chart.svg()).transpose()?;
        let words = "The validation accuracy of each cell with its 95 % confidence intervals; the numbers are in the table below.";
        Ok(html! {
            @if let Some(svg) = chart { (figure(&svg, words, "Points are means over seeds. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.")) }
            (table("Accuracies; means over seeds with 95 % confidence intervals", &headings, rows.collect()))
            p class="faint" { "Median and interquartile mean are over seeds. Optimism: the best epoch's validation accuracy less the test accuracy of the same epoch, in points, mean over seeds. Who picks the epoch by the validation images overstates by about that much." }
        })
    }
}

/// The best epoch's validation accuracy less the same epoch's test accuracy, mean over seeds.
fn optimism(procedure: &ProcedureRuns) -> Option<f64> {
    let values: Option<Vec<f64>> = procedure.runs.iter().map(optimism_of_run).collect();
    Some(Sample::new(values?)?.mean())
}

fn optimism_of_run(run: &CellRun) -> Option<f64> {
    let (validation, test) = (run.curve(VALIDATION), run.curve(Metric::TestAccuracy));
    let best = (0..validation.len())
        .reduce(|best, epoch| if validation[epoch] > validation[best] { epoch } else { best })?;
    Some(validation[best] - test.get(best)?)
}
