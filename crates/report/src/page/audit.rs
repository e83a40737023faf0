//! The section on what was declared frozen, what the optimizer held, and what moved.

use maud::{Markup, html};
use thaw_spec::TensorAudit;

use super::{Page, table};
use crate::drift::{DriftRange, drift_ranges, has_statistics};
use crate::table::Entry;
use crate::tables::audit_in_words;

impl Page<'_> {
    pub(super) fn audit(&self) -> Markup {
        let has_statistics = has_statistics(self.ran());
        let rows = self.ran().filter_map(|procedure| {
            let tensors = &procedure.runs.first()?.outcome.audit;
            let [declared, collected, moved, alone] = audit_counts(tensors);
            let [kernels, others, statistics] = drift_ranges(procedure);
            let drift = |range: Option<DriftRange>| match range {
                None => Entry::missing("–"),
                Some(range) if range.largest == 0.0 => Entry::Number("0".to_owned(), 0.0),
                Some(range) => Entry::Number(range.in_words(), range.largest),
            };
            let mut row = vec![
                Entry::text(procedure.label()),
                Entry::whole(tensors.len()),
                Entry::whole(declared),
                Entry::whole(collected),
                Entry::whole(moved),
            ];
            if has_statistics {
                row.push(Entry::whole(alone));
            }
            row.extend([drift(kernels), drift(others)]);
            if has_statistics {
                row.push(drift(statistics));
            }
            row.push(Entry::text(audit_in_words(procedure)));
            Some(row)
        });
        let mut headings = vec![
            "cell",
            "tensors of the base",
            "declared frozen",
            "collected by the optimizer",
            "moved",
        ];
        if has_statistics {
            headings.push("moved without the optimizer");
        }
        headings.extend(["relative drift of kernels", "of biases"]);
        if has_statistics {
            headings.push("of moving statistics");
        }
        headings.push("verdict");
        let phases = self.ran().flat_map(|procedure| {
            let phases = procedure.runs.first().map_or(&[][..], |run| &run.outcome.phases);
            phases.iter().enumerate().map(|(number, phase)| {
                let [declared, collected, moved, _] = audit_counts(&phase.audit);
                let thawed = phase.audit.iter().any(TensorAudit::thawed);
                vec![
                    Entry::text(procedure.label()),
                    Entry::whole(number + 1),
                    Entry::whole(phase.epochs),
                    Entry::whole(declared),
                    Entry::whole(collected),
                    Entry::whole(moved),
                    Entry::text(if thawed { "THAWED" } else { "completed" }),
                ]
            })
        });
        let phases: Vec<_> = phases.collect();
        let of_phase = [
            "cell",
            "phase",
            "epochs",
            "declared frozen",
            "collected by the optimizer",
            "moved",
            "verdict",
        ];
        html! {
            (table("Freezing, seen from three sides (first seed; drift: all seeds)", &headings, rows.collect()))
            @if !phases.is_empty() {
                (table("The same for each phase by itself, from its start to its end (first seed)", &of_phase, phases))
            }
        }
    }
}

/// Number of tensors that were declared frozen, that the optimizer collected, that moved, and that
/// moved without the optimizer.
fn audit_counts(tensors: &[TensorAudit]) -> [usize; 4] {
    [
        tensors.iter().filter(|tensor| tensor.declared_frozen).count(),
        tensors.iter().filter(|tensor| tensor.collected).count(),
        tensors.iter().filter(|tensor| tensor.moved).count(),
        tensors.iter().filter(|tensor| tensor.moved_without_optimizer()).count(),
    ]
}
