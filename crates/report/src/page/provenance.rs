//! The part on where the numbers come from and how to have them again.

use std::collections::BTreeSet;

use maud::{Markup, html};
use thaw_spec::skipped_in_words;

use super::scripts::CHARTS_LICENCE;
use super::{Page, table};
use crate::table::Entry;

impl Page<'_> {
    pub(super) fn provenance(&self) -> Markup {
        let facts = [
            (
                "images",
                self.distinct(|run| {
                    let [train, validation, test] = run.manifest.images;
                    let skipped = skipped_in_words(&run.manifest.skipped_images);
                    format!(
                        "{train} for training, {validation} for validation, {test} for the test, SHA-256 {}{}",
                        run.cell().inputs.dataset,
                        skipped.map_or_else(String::new, |words| format!(" ({words})"))
                    )
                }),
            ),
            (
                "weights",
                self.distinct(|run| {
                    format!("{}, SHA-256 {}", run.manifest.weights_file, run.cell().inputs.weights)
                }),
            ),
            (
                "thaw",
                self.distinct(|run| {
                    format!(
                        "{} at commit {}",
                        run.manifest.environment.thaw, run.manifest.environment.commit
                    )
                }),
            ),
            ("Candle", self.distinct(|run| run.manifest.environment.candle.clone())),
            (
                "machine",
                self.distinct(|run| {
                    format!(
                        "{} ({}), {}",
                        run.manifest.environment.platform,
                        run.manifest.environment.instruction_sets,
                        run.manifest.environment.device
                    )
                }),
            ),
            ("convolution", self.distinct(|run| run.manifest.environment.convolution.clone())),
            (
                "seeds",
                self.runs()
                    .map(|run| run.cell().seed)
                    .collect::<BTreeSet<_>>()
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        ];
        let cells = self.runs().map(|run| {
            vec![
                Entry::text(run.manifest.id.to_string()),
                Entry::text(run.cell().label()),
                Entry::whole(run.cell().seed as usize),
                Entry::text(run.manifest.environment.commit.clone()),
            ]
        });
        html! {
            h3 id="reproduce" { "Do it again" }
            (self.reproduce())
            h3 id="origin" { "Where the numbers come from" }
            table class="facts" { tbody { @for (name, value) in facts { tr { th scope="row" { (name) } td { (value) } } } } }
            details { summary { "Every run by name" } (table("The folders below cells/", &["run", "cell", "seed", "commit"], cells.collect())) }
            details { summary { "Charts are drawn by uPlot; its licence" } pre tabindex="0" { (CHARTS_LICENCE) } }
            h3 id="cost" { "What it cost" }
            (self.cost())
        }
    }
}
