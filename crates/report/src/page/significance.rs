//! The section on how sure the changes are.

use std::collections::BTreeSet;

use maud::{Markup, html};
use thaw_analysis::{CellRun, ProcedureRuns, Sample, smallest_difference};
use thaw_spec::{Metric, Split};

use super::{Page, VALIDATION, plain_percent, table};
use crate::number::{probability, signed};
use crate::table::Entry;
use crate::tables::change_of;

impl Page<'_> {
    /// What the seeds and images can tell apart.
    pub(super) fn significance(&self) -> Markup {
        let counts: BTreeSet<usize> = self.ran().map(|procedure| procedure.runs.len()).collect();
        let (fewest, most) =
            (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
        let seeds = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
        let images = self.runs().next().map_or(0, |run| run.manifest.images_of(Split::Validation));
        let rows = self.ladder.iter().skip(1).map(|step| {
            let change = step.change.as_ref();
            let [difference, with_images] = match (change, step.equal) {
                (_, true) => [Entry::missing("equal to the last bit"), Entry::missing("")],
                (None, _) => [Entry::missing("–"), Entry::missing("")],
                (Some(change), _) => change_of(change, step.p_value, VALIDATION),
            };
            let seen = change.filter(|_| !step.equal);
            vec![
                Entry::text(step.label.clone()),
                Entry::maybe(seen.map(|change| change.count as f64), |count| format!("{count}")),
                difference,
                with_images,
                Entry::maybe(step.p_value, probability),
                Entry::maybe(seen.and_then(smallest_difference), |value| {
                    format!("{:.2}", value * 100.0)
                }),
            ]
        });
        let headings = [
            "step",
            "seeds of both",
            "change in points",
            "with images",
            "p-value (Holm)",
            "smallest change that could be seen",
        ];
        html! {
            p {
                "Each procedure ran with " (seeds) @if seeds == "1" { " seed" } @else { " seeds" } " and was measured on " (images) " validation images. "
                "The first ± of a number is over seeds: what other seeds would give on the same images. The second, with images, is over seeds and images: what other seeds and other images of the same kind would give. "
                "Spreads between seeds are moderated by those of all procedures (Smyth 2004). Differences are taken between runs of equal seeds on the same images."
            }
            @if !self.ladder.is_empty() {
                (table("Each step of the ladder", &headings, rows.collect()))
                p class="faint" { "P-values are of the difference over seeds and images, adjusted for the number of steps that have one (Holm 1979); from 0.05 on a change may be chance. Smallest change: what four experiments of five of this size would notice at 5\u{a0}%, in points." }
            }
            details { summary { "Other summaries of every cell" } (self.other_summaries()) }
        }
    }

    /// What a mean over seeds does not show.
    fn other_summaries(&self) -> Markup {
        let rows = self.ran().map(|procedure| {
            let sample = procedure.sample(VALIDATION, self.accuracy.statistic());
            vec![
                Entry::text(self.label(procedure)),
                Entry::maybe(sample.as_ref().map(Sample::median), plain_percent),
                Entry::maybe(sample.as_ref().map(Sample::interquartile_mean), plain_percent),
                Entry::maybe(optimism(procedure), |value| signed(value * 100.0, 2)),
            ]
        });
        let headings = ["cell", "median", "interquartile mean", "optimism of the best epoch"];
        html! {
            (table("Validation accuracy over seeds", &headings, rows.collect()))
            p class="faint" { "Optimism: the best epoch's validation accuracy less the test accuracy of the same epoch, in points, mean over seeds. Who picks the epoch by the validation images overstates by about that much. A dash: the test images were not evaluated in that epoch." }
        }
    }
}

/// The best epoch's validation accuracy less the same epoch's test accuracy, mean over seeds.
fn optimism(procedure: &ProcedureRuns) -> Option<f64> {
    let values: Option<Vec<f64>> = procedure.runs.iter().map(optimism_of_run).collect();
    Some(Sample::new(values?)?.mean())
}

fn optimism_of_run(run: &CellRun) -> Option<f64> {
    let (validation, test) = (run.curve(VALIDATION), run.by_epoch(Metric::TestAccuracy));
    let best = (0..validation.len())
        .reduce(|best, epoch| if validation[epoch] > validation[best] { epoch } else { best })?;
    Some(validation[best] - test.get(best).copied().flatten()?)
}
