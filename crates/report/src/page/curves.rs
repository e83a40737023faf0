//! The section with the accuracy and the loss of each procedure by epoch.

use maud::{Markup, html};
use thaw_analysis::ProcedureRuns;
use thaw_spec::Metric;

use super::{Page, VALIDATION, figure};
use crate::curves::{Points, last_epoch_only, mean_curve};
use crate::{ReportError, SeedLines, curves};

impl Page<'_> {
    pub(super) fn curves(&self) -> Result<Markup, ReportError> {
        let mut folded = Vec::new();
        let ran = self.results.procedures.iter().zip(&self.overlays);
        for (procedure, overlays) in ran.filter(|(procedure, _)| !procedure.runs.is_empty()) {
            let label = self.label(procedure);
            let words = format!(
                "Accuracy and loss of {label} by epoch for training, validation and test images, the mean over seeds."
            );
            let phased = procedure
                .runs
                .first()
                .is_some_and(|run| !run.cell().procedure.later_phases.is_empty());
            let upright = if phased { " Upright: a new phase begins." } else { "" };
            let dot = if last_epoch_only(procedure, Metric::TestAccuracy) {
                " Dot: the test images, which were evaluated after the last epoch alone."
            } else {
                ""
            };
            let caption = format!(
                "Bold: mean over seeds. Shaded: from the lowest to the highest seed. Broken and dotted: published.{dot}{upright}"
            );
            let mut picture = curves(procedure, overlays, SeedLines::LeftOut);
            picture.title.clone_from(&label);
            folded.push((label, figure(&picture.svg()?, &words, &caption), epochs(procedure)));
        }
        Ok(html! {
            p class="faint print-only" { (folded.len()) " figures with their tables, one for each cell, are folded on the screen and are not printed." }
            @for (label, picture, numbers) in folded { details { summary { (label) } (picture) (numbers) } }
        })
    }
}

/// The means over seeds by epoch. The rows are in the only order that makes sense, so nothing is
/// there to sort by.
fn epochs(procedure: &ProcedureRuns) -> Markup {
    let metrics = [
        Metric::TrainAccuracy,
        VALIDATION,
        Metric::TestAccuracy,
        Metric::TrainLoss,
        Metric::ValidationLoss,
    ];
    let means = metrics.map(|metric| mean_curve(procedure, metric));
    let last = means.iter().filter_map(|mean| mean.last()).map(|(epoch, _)| *epoch).max();
    let value = |mean: &Points, epoch: usize| {
        let found = mean.iter().find(|(number, _)| *number == epoch).map(|(_, value)| *value);
        found.filter(|value| value.is_finite())
    };
    let shown = |metric: Metric, value: f64| {
        if metric.is_accuracy() { format!("{:.2}", value * 100.0) } else { format!("{value:.4}") }
    };
    let headings = ["epoch", "training", "validation", "test", "training loss", "validation loss"];
    html! {
        details {
            summary { "Numbers" }
            div class="scroll" tabindex="0" role="group" aria-label="Means over seeds by epoch" {
                table class="numbers" {
                    caption { "Means over seeds; accuracies in %, losses in nats" }
                    thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
                    tbody { @for epoch in 1..=last.unwrap_or(0) {
                        tr {
                            th scope="row" { (epoch) }
                            @for (metric, mean) in metrics.iter().zip(&means) {
                                td { @match value(mean, epoch) {
                                    Some(value) => (shown(*metric, value)),
                                    None => "–",
                                } }
                            }
                        }
                    } }
                }
            }
        }
    }
}
