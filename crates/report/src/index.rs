//! One page over the reports of all experiments in a folder of results.

use maud::{DOCTYPE, Markup, html};
use serde::{Deserialize, Serialize};

use crate::escape::shown;
use crate::page::head;

/// What the index says of an experiment. It lies beside the experiment's report, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// Title of the experiment.
    pub title: String,
    /// Number of procedures.
    pub procedures: usize,
    /// Number of those that have run.
    pub ran: usize,
    /// Number of runs, a procedure with a seed each.
    pub runs: usize,
    /// What makes one number of a curve, in words.
    pub statistic: String,
    /// The procedures with the lowest and the highest validation accuracy; nothing where no two differ.
    pub extremes: Option<[IndexedProcedure; 2]>,
    /// Number of procedures in which something moved that was declared frozen.
    pub thawed: usize,
    /// Number of procedures of which a run diverged.
    pub diverged: usize,
}

/// A procedure in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedProcedure {
    /// Its label.
    pub label: String,
    /// Its validation accuracy with an interval, in words.
    pub accuracy: String,
}

/// The page over experiments. Each has the name of its folder, and an entry if a report was drawn.
pub fn index_page(place: &str, experiments: &[(String, Option<IndexEntry>)]) -> String {
    let heading = "Reports of all experiments";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(heading, &[]))
            body {
                header { h1 { (heading) } }
                main {
                    p { "In " code { (place) } ", " (experiments.len()) " of them." }
                    div class="scroll" tabindex="0" role="group" aria-label=(heading) {
                        table {
                            caption { "Validation accuracies are means over seeds with 95 % confidence intervals" }
                            thead { tr {
                                @for heading in ["experiment", "procedures that ran", "runs", "lowest validation accuracy", "highest validation accuracy", "audit"] {
                                    th scope="col" { (heading) }
                                }
                            } }
                            tbody { @for (folder, entry) in experiments { (row(folder, entry.as_ref())) } }
                        }
                    }
                }
            }
        }
    };
    shown(page.into_string())
}

fn row(folder: &str, entry: Option<&IndexEntry>) -> Markup {
    let Some(entry) = entry else {
        return html! { tr { th scope="row" { (folder) } td colspan="5" { "no report yet: " code { "thaw report" } " draws it" } } };
    };
    let report = format!("{}/report.html", percent_encoded(folder));
    let extreme = |place: usize| {
        html! { @if let Some(extremes) = &entry.extremes {
            (extremes[place].accuracy) ", " (entry.statistic) br; span class="faint" { (extremes[place].label) }
        } @else { "–" } }
    };
    html! {
        tr {
            th scope="row" { a href=(report) { (entry.title) } br; span class="faint" { (folder) } }
            td class="number" { (entry.ran) " of " (entry.procedures) }
            td class="number" { (entry.runs) }
            td { (extreme(0)) }
            td { (extreme(1)) }
            td {
                @if entry.thawed > 0 { "THAWED: " (entry.thawed) }
                @if entry.diverged > 0 { " diverged: " (entry.diverged) }
                @if entry.thawed + entry.diverged == 0 { "as declared" }
            }
        }
    }
}

/// A folder's name as part of an address.
fn percent_encoded(name: &str) -> String {
    let encoded = name.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_links_reports_and_escapes_names() {
        let entry = IndexEntry {
            title: "<b>Pets</b>".to_owned(),
            procedures: 4,
            ran: 3,
            runs: 9,
            statistic: "final".to_owned(),
            extremes: Some([("low", "81.00 %"), ("high", "95.00 %")].map(|(label, accuracy)| {
                IndexedProcedure { label: label.to_owned(), accuracy: accuracy.to_owned() }
            })),
            thawed: 1,
            diverged: 0,
        };
        let page =
            index_page("runs", &[("a \"b\"".to_owned(), Some(entry)), ("bare".to_owned(), None)]);
        for part in [
            "href=\"a%20%22b%22/report.html\"",
            "&lt;b&gt;Pets&lt;/b&gt;",
            "3 of 4",
            "81.00 %, final",
            "THAWED: 1",
            "no report yet",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<script") && !page.contains("<b>"));
    }
}
