//! The section with the accuracy by epoch.

use maud::{Markup, html};
use thaw_analysis::ProcedureRuns;
use thaw_spec::Metric;

use super::{Page, VALIDATION, figure, plain_value, table};
use crate::table::Entry;
use crate::{ReportError, curves, overview};

impl Page<'_> {
    pub(super) fn curves(&self) -> Result<Markup, ReportError> {
        let mut folded = Vec::new();
        for (procedure, overlays) in self
            .results
            .procedures
            .iter()
            .zip(&self.overlays)
            .filter(|(procedure, _)| !procedure.runs.is_empty())
        {
            let label = procedure.label();
            let words = format!(
                "Accuracy and loss of {label} by epoch for training, validation and test images, each seed and their mean."
            );
            let phased = procedure
                .runs
                .first()
                .is_some_and(|run| !run.cell().procedure.later_phases.is_empty());
            let upright = if phased { " Upright: a new phase begins." } else { "" };
            let caption = format!(
                "Thin: each seed. Shaded: from the lowest to the highest seed. Bold: their mean. Broken and dotted: published.{upright}"
            );
            folded.push((
                label,
                figure(&curves(procedure, overlays).svg()?, &words, &caption),
                self.epochs(procedure),
            ));
        }
        let all = overview("Mean validation accuracy", self.results)
            .map(|figure| figure.svg())
            .transpose()?;
        let words = "Mean validation accuracy by epoch, a panel for each combination of the later factors and a line for each level of the first. The numbers are in the tables below.";
        Ok(html! {
            @if let Some(svg) = all { (figure(&svg, words, "Means over seeds. Lines that lie on each other are drawn broken over unbroken.")) }
            @for (label, picture, numbers) in folded { details { summary { (label) } (picture) (numbers) } }
        })
    }

    /// The means over seeds by epoch.
    fn epochs(&self, procedure: &ProcedureRuns) -> Markup {
        let metrics = [
            Metric::TrainAccuracy,
            VALIDATION,
            Metric::TestAccuracy,
            Metric::TrainLoss,
            Metric::ValidationLoss,
        ];
        let means = metrics.map(|metric| {
            let seeds: Vec<Vec<f64>> = procedure.runs.iter().map(|run| run.curve(metric)).collect();
            crate::curves::mean_curve(&seeds)
        });
        let epochs = means.iter().map(Vec::len).max().unwrap_or(0);
        let rows = (0..epochs).map(|epoch| {
            let mut row = vec![Entry::whole(epoch + 1)];
            row.extend(metrics.iter().zip(&means).map(|(metric, mean)| {
                let value = mean.get(epoch).copied().filter(|value| value.is_finite());
                Entry::maybe(value, |value| plain_value(value, *metric))
            }));
            row
        });
        let headings = [
            "epoch",
            "training accuracy",
            "validation accuracy",
            "test accuracy",
            "training loss",
            "validation loss",
        ];
        html! { details { summary { "Numbers" } (table("Means over seeds; losses in nats", &headings, rows.collect())) } }
    }
}
