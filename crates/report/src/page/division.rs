//! The section of the report that divides gaps over the factors.

use maud::{Markup, html};
use thaw_analysis::{Attribution, Sample};
use thaw_spec::Metric;

use super::table::{Entry, table};
use super::{Division, Page, figure};
use crate::number::{points, resampled_change};
use crate::{ReportError, shares};

/// Names the orders of change that shares are means over.
pub fn orders(attribution: &Attribution) -> String {
    let [possible, all] = attribution.orders;
    if possible == all {
        format!("shares are means over all {all} orders of change (Shapley)")
    } else {
        format!(
            "shares are means over the {possible} of {all} orders of change that pass through cells that can exist"
        )
    }
}

impl Page<'_> {
    pub(super) fn divided(&self) -> Result<Markup, ReportError> {
        let parts: Vec<Markup> = self
            .divisions
            .iter()
            .map(|division| self.division(division))
            .collect::<Result<_, _>>()?;
        Ok(html! {
            @if parts.is_empty() { p { "There is no gap between cells that differ in several factors and have all the cells between them." } }
            @else {
                p { "Changes do not simply add. A factor's share is the mean of what changing it does over all orders in which the factors can be changed (Shapley 1953), so that the shares add up to the gap. Its main effect is the mean over all combinations of the other factors with which both cells exist; main effects need not add up. Changed first and changed last are the steps of the two ladders that one would climb by hand. Two factors interact where they do more together, or less, than each alone." }
            }
            @for part in parts { (part) }
        })
    }

    /// The shares as a waterfall.
    pub(super) fn divided_figure(
        &self,
        Division { from, to, attribution }: &Division,
    ) -> Result<Markup, ReportError> {
        let words = attribution.shares.iter().map(|share| {
            format!(
                "{} from {} to {}: {} points.",
                share.factor,
                share.from,
                share.to,
                points(&share.share.estimate())
            )
        });
        let words = words.collect::<Vec<_>>().join(" ");
        let caption = "Bars are the factors' shares, whiskers their 95 % confidence intervals over seeds (Student's t).";
        Ok(figure(&shares(attribution, &from.label, &to.label).svg()?, &words, caption))
    }

    fn division(&self, division: &Division) -> Result<Markup, ReportError> {
        let Division { from, to, attribution } = division;
        let rows = attribution.shares.iter().map(|share| {
            vec![
                Entry::text(share.factor.clone()),
                Entry::text(format!("{} → {}", share.from, share.to)),
                change(&share.share),
                resampled(&share.share),
            ]
        });
        let single = attribution.shares.iter().map(|share| {
            vec![
                Entry::text(share.factor.clone()),
                change(&share.main_effect),
                resampled(&share.main_effect),
                possible_change(share.first.as_ref()),
                possible_change(share.last.as_ref()),
            ]
        });
        let gap = points(&attribution.gap.estimate());
        let caption = format!("{gap} points; {}", orders(attribution));
        let headings = ["factor", "from → to", "share in points", "its bootstrap"];
        let single_headings =
            ["factor", "main effect", "its bootstrap", "changed first", "changed last"];
        let interactions = attribution.interactions.iter().map(|interaction| {
            let factors = interaction.factors.join(" and ");
            vec![Entry::text(factors), change(&interaction.effect), resampled(&interaction.effect)]
        });
        let interactions: Vec<_> = interactions.collect();
        Ok(html! {
            h3 { "From “" (from.label) "” to “" (to.label) "”" }
            (self.divided_figure(division)?)
            (table(&caption, &headings, rows.collect()))
            (table("One change at a time, in points", &single_headings, single.collect()))
            @if !interactions.is_empty() { (table("Interactions, in points", &["factors", "together more than each alone", "its bootstrap"], interactions)) }
            pre tabindex="0" { code { (self.command("attribute")) " --from '" (from.selector) "' --to '" (to.selector) "'" } }
        })
    }
}

fn change(sample: &Sample) -> Entry {
    Entry::Number(points(&sample.estimate()), sample.estimate().mean)
}

fn resampled(sample: &Sample) -> Entry {
    Entry::Number(resampled_change(sample, Metric::ValidationAccuracy), sample.estimate().mean)
}

/// A change to or from a cell that may not exist.
fn possible_change(sample: Option<&Sample>) -> Entry {
    sample.map_or_else(|| Entry::missing("cannot exist"), change)
}
