//! The part with a row for every procedure.

use maud::{Markup, html};
use thaw_analysis::ProcedureRuns;

use super::{Page, figure};
use crate::number::statistic_in_words;
use crate::table::Entry;
use crate::tables::{audit_in_words, level, seeds};
use crate::{ReportError, forest, overview};

impl Page<'_> {
    pub(super) fn cells(&self) -> Result<Markup, ReportError> {
        let labels = &self.experiment.labels;
        let chart = forest(self.accuracy, labels).map(|chart| chart.svg()).transpose()?;
        let words = "The validation accuracy of each cell with its 95 % confidence intervals; the numbers are in the table above.";
        let all = overview("Mean validation accuracy", self.results, labels);
        let all = all.map(|figure| figure.svg()).transpose()?;
        let words_of_all = "Mean validation accuracy by epoch, a panel for each combination of the later factors and a line for each level of the first. The numbers are in the tables of each cell below.";
        Ok(html! {
            div id="explore" hidden {}
            (self.table_of_cells())
            @if let Some(svg) = chart { (figure(&svg, words, "Points are means over seeds. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.")) }
            @if let Some(svg) = all { details id="overview" { summary { "All cells by epoch, side by side" } (figure(&svg, words_of_all, "Means over seeds. Lines that lie on each other are drawn broken over unbroken.")) } }
        })
    }

    fn table_of_cells(&self) -> Markup {
        let caption = "Accuracies: means over seeds with 95 % confidence intervals";
        let [words, test_words] = [self.accuracy, self.test_accuracy]
            .map(|measurements| statistic_in_words(measurements.statistic()));
        let headings = [
            "cell",
            "seeds",
            &format!("validation, {words}"),
            "with images",
            &format!("test, {test_words}"),
            "audit",
        ];
        html! {
            div class="scroll" tabindex="0" role="group" aria-label=(caption) {
                table id="cells-table" {
                    caption { (caption) }
                    thead { tr { @for heading in headings { th scope="col" { button type="button" { (heading) } } } } }
                    tbody { @for (place, procedure) in self.results.procedures.iter().enumerate() {
                        tr data-cell=(place) {
                            th scope="row" title=(procedure.label()) { (self.label(procedure)) }
                            @for entry in self.row(procedure) { (entry.html()) }
                        }
                    } }
                }
            }
        }
    }

    fn row(&self, procedure: &ProcedureRuns) -> Vec<Entry> {
        let [accuracy, with_images] = level(self.accuracy, procedure);
        let [test, _] = level(self.test_accuracy, procedure);
        let audit = Entry::text(audit_in_words(procedure));
        vec![seeds(procedure), accuracy, with_images, test, audit]
    }
}
