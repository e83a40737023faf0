//! The section on what was declared frozen, what the optimizer held, and what moved.

use std::collections::BTreeSet;

use maud::{Markup, html};
use thaw_analysis::ProcedureRuns;
use thaw_spec::TensorAudit;

use super::{Page, block_in_words, table};
use crate::drift::{DriftRange, drift_ranges, has_statistics};
use crate::number::magnitude;
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
                Entry::text(self.label(procedure)),
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
                    Entry::text(self.label(procedure)),
                    Entry::whole(number + 1),
                    Entry::whole(phase.epochs),
                    Entry::whole(declared),
                    Entry::whole(collected),
                    Entry::whole(moved),
                    Entry::text(if thawed { "THAWED" } else { "as declared" }),
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
            p { "A tensor that was declared frozen should not be collected by the optimizer, and should not move. Where the first was not honoured, the optimizer moved it; a moving statistic moves without the optimizer, whenever a batch is seen in training." }
            (self.blocks())
            (table("Freezing, seen from three sides (first seed; drift: all seeds)", &headings, rows.collect()))
            @if !phases.is_empty() {
                (table("The same for each phase by itself, from its start to its end (first seed)", &of_phase, phases))
            }
        }
    }
}

/// How far a block moved, as a shade from 1 to 9: half a decade each, the darkest from a drift of 1 on.
fn shade(drift: f64) -> u8 {
    (9.0 + (2.0 * drift.log10()).floor()).clamp(1.0, 9.0) as u8
}

impl Page<'_> {
    /// The blocks of every base that moved: how far, and what moved them. Bases that stayed are named
    /// in a sentence.
    fn blocks(&self) -> Markup {
        let first = self.runs().next().map_or(&[][..], |run| &run.outcome.audit);
        let blocks: BTreeSet<Option<usize>> =
            first.iter().map(|tensor| self.block_of(tensor)).collect();
        let (moved, stayed): (Vec<_>, Vec<_>) =
            self.ran().partition(|procedure| tensors(procedure).any(|tensor| tensor.moved));
        let caption =
            "Relative drift at the end, the largest of a block's tensors and of all seeds";
        html! {
            @if !moved.is_empty() {
                div class="scroll" tabindex="0" role="group" aria-label=(caption) {
                    table class="drift" {
                        caption { (caption) }
                        thead { tr { th scope="col" { "cell" } @for block in &blocks { th scope="col" { (block_in_words(*block)) } } } }
                        tbody { @for procedure in &moved { tr {
                            th scope="row" { (self.label(procedure)) }
                            @for block in &blocks { (self.block(procedure, *block)) }
                        } } }
                    }
                }
                p class="faint" { "The darker, the further; “!” stands where a tensor that was declared frozen moved, “~” where one moved without the optimizer. Drift is the length of the change divided by the length of the tensor at the start. " code { "plots/" } " has a map of each such cell, tensor by tensor and epoch by epoch." }
            }
            @if !stayed.is_empty() {
                p { "In " (stayed.len()) " of " (moved.len() + stayed.len()) " cells no tensor of the base moved, not by a bit." }
            }
        }
    }

    /// A block of a procedure's base.
    fn block(&self, procedure: &ProcedureRuns, block: Option<usize>) -> Markup {
        let of_block: Vec<&TensorAudit> =
            tensors(procedure).filter(|tensor| self.block_of(tensor) == block).collect();
        let drift = of_block.iter().map(|tensor| tensor.relative_drift).fold(0.0, f64::max);
        let marks = [
            ("!", of_block.iter().any(|tensor| tensor.thawed())),
            ("~", of_block.iter().any(|tensor| tensor.moved_without_optimizer())),
        ];
        html! {
            @if of_block.iter().all(|tensor| !tensor.moved) { td class="number" { "0" } }
            @else {
                td class={ "number drift-" (shade(drift)) } {
                    (magnitude(drift))
                    @for (mark, _) in marks.iter().filter(|(_, holds)| *holds) { " " (mark) }
                }
            }
        }
    }
}

/// What the audits of all seeds say of each tensor.
fn tensors(procedure: &ProcedureRuns) -> impl Iterator<Item = &TensorAudit> {
    procedure.runs.iter().flat_map(|run| &run.outcome.audit)
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
