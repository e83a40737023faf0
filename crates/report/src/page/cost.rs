//! The section on what the cells cost.

use maud::{Markup, html};

use super::{Page, table};
use crate::table::Entry;

impl Page<'_> {
    pub(super) fn cost(&self) -> Markup {
        let rows = self.ran().map(|procedure| {
            let seconds: f64 = procedure.runs.iter().map(|run| run.seconds()).sum();
            let per_run = seconds / procedure.runs.len() as f64;
            let epochs = procedure.runs.first().map_or(1, |run| run.outcome.epochs).max(1);
            vec![
                Entry::text(self.label(procedure)),
                Entry::Number(format!("{per_run:.1}"), per_run),
                Entry::Number(format!("{:.2}", per_run / epochs as f64), per_run / epochs as f64),
                Entry::Number(format!("{seconds:.0}"), seconds),
            ]
        });
        let total: f64 = self.runs().map(|run| run.seconds()).sum();
        html! {
            details { summary { "Seconds of every cell" } (table("Seconds, as measured while other cells ran beside", &["cell", "per run", "per epoch", "all seeds"], rows.collect())) }
            p class="faint" { "All runs together: " (if total < 3600.0 { format!("{:.0} minutes", total / 60.0) } else { format!("{:.1} hours", total / 3600.0) }) " of training, several at a time. What cells share was computed once and is not counted in any." }
        }
    }
}
