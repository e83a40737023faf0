//! The section on how to do it again.

use maud::{Markup, html};
use thaw_spec::{DatasetSource, shell_word};

use super::Page;

/// Suffix of the name of weights that come with the program.
const SHIPPED: &str = "(shipped)";

impl Page<'_> {
    pub(super) fn reproduce(&self) -> Markup {
        let report = self.command("report");
        let ways = [
            ("the runs themselves: what has not run yet", self.sweep_command()),
            ("every figure and table of this page, from the records", report.clone()),
            (
                "the waterfall alone, all curves, and each cell's",
                format!("{report} # they lie in plots/, as SVG and PNG"),
            ),
            (
                "a gap divided",
                format!("{} --from 'LEVELS' --to 'LEVELS'", self.command("attribute")),
            ),
            ("what differs between two runs, and on which images", "thaw diff RUN RUN".to_owned()),
            (
                "more of the contact sheet",
                format!("{} --augmentation book{}", self.on_file("preview"), self.photographs()),
            ),
            ("the records, for other programs", format!("{} --format csv", self.command("export"))),
            ("whether the numbers are as expected", self.command("check")),
        ];
        html! {
            div class="scroll" tabindex="0" role="group" aria-label="Commands" {
                table { tbody { @for (what, command) in &ways { tr { th scope="row" { (what) } td { code { (command) } } } } } }
            }
        }
    }

    /// How to run what has not run yet.
    fn sweep_command(&self) -> String {
        let weights = self.runs().next().map(|run| &run.manifest.weights_file);
        let weights = weights
            .filter(|name| !name.ends_with(SHIPPED))
            .map_or_else(String::new, |name| format!(" --weights {}", shell_word(name)));
        format!("{}{}{weights}", self.command("sweep"), self.photographs())
    }

    /// The option that names the photographs, where the experiment needs any.
    fn photographs(&self) -> &'static str {
        match self.experiment.dataset {
            DatasetSource::Folder {} => " --data FOLDER",
            DatasetSource::Synthetic(_) => "",
        }
    }

    /// A command on the cells of this page, where they are.
    pub(super) fn command(&self, verb: &str) -> String {
        self.on_file(verb) + &self.options
    }

    /// A command on the experiment.
    fn on_file(&self, verb: &str) -> String {
        self.file.as_ref().map_or_else(
            || format!("thaw {verb}"),
            |file| format!("thaw {verb} {}", shell_word(file)),
        )
    }
}
