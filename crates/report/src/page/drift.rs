//! The section on how far tensors moved.

use maud::{Markup, html};

use super::{Page, figure, table};
use crate::number::magnitude;
use crate::table::Entry;
use crate::{ReportError, decades};

impl Page<'_> {
    pub(super) fn drift(&self) -> Result<Markup, ReportError> {
        let mut parts = Vec::new();
        let decades = decades(&self.drifts);
        for map in &self.drifts {
            let rows = map.rows.iter().map(|row| {
                vec![
                    Entry::text(row.tensor.clone()),
                    Entry::maybe(row.by_epoch.first().copied(), magnitude),
                    Entry::maybe(row.by_epoch.last().copied(), magnitude),
                ]
            });
            let largest = map
                .rows
                .iter()
                .filter_map(|row| Some((row.by_epoch.last()?, &row.tensor)))
                .max_by(|a, b| a.0.total_cmp(b.0));
            let words = largest.map_or_else(String::new, |(drift, tensor)| {
                let (count, drift) = (map.rows.len(), magnitude(*drift));
                format!("Relative drift of {count} tensors by epoch. The largest at the end is {drift}, of {tensor}.")
            });
            let numbers = table(
                "Relative drift, mean over seeds",
                &["tensor", "after the first epoch", "after the last"],
                rows.collect(),
            );
            parts.push(html! {
                (figure(&map.svg(decades)?, &words, "Relative drift is the length of the change divided by the length of the tensor at the start; mean over seeds. All maps have the same shades."))
                details { summary { "Numbers" } (numbers) }
            });
        }
        Ok(html! {
            @if parts.is_empty() { p { "No tensor of any base moved, or the runs are of a version that did not record it." } }
            @for part in parts { (part) }
        })
    }
}
