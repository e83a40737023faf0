//! The section of the report that divides gaps over the factors.

use maud::{Markup, html};
use thaw_analysis::{Attribution, EqualLevels};
use thaw_spec::shell_word;

use super::{Division, Page, Undivided, VALIDATION, figure};
use crate::escape::name;
use crate::number::points;
use crate::tables::{interactions_table, shares_judged_over, shares_table, single_changes_table};
use crate::{ReportError, shares};

/// Levels that were taken for one; nothing when there are none.
fn equal_levels(attribution: &Attribution) -> Markup {
    html! {
        @if !attribution.equal_levels.is_empty() {
            p {
                "equal to the last bit, and so one level here: "
                @for (place, EqualLevels { factor, levels: [one, other], pairs }) in attribution.equal_levels.iter().enumerate() {
                    @if place > 0 { ", " }
                    (name(factor)) " “" (name(one)) "” and “" (name(other)) "” (in " (pairs) " of " (pairs) " pairs of cells)"
                }
                "."
            }
        }
    }
}

/// A chance in per cent, which is never nothing.
fn rarely(chance: f64) -> String {
    match 100.0 * chance {
        percent if percent < 0.1 => "less than 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
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
            @if !parts.is_empty() {
                p { "Changes do not simply add. A factor's share is the mean of what changing it does over all orders in which the factors can be changed (Shapley 1953), so that the shares add up to the gap. Its main effect is the mean over all combinations of the other factors with which both cells exist and have run; main effects need not add up. Changed first and changed last are the steps of the two ladders that one would climb by hand. Two factors interact where they do more together, or less, than each alone." }
            }
            @for part in parts { (part) }
            @for Undivided { from, to, reason } in &self.undivided {
                p { "Not divided: from “" (name(&from.label)) "” to “" (name(&to.label)) "”, since " (reason) "." }
            }
        })
    }

    /// The shares as a waterfall.
    pub(super) fn divided_figure(
        &self,
        Division { from, to, attribution }: &Division,
    ) -> Result<Markup, ReportError> {
        let attribution = &self.labelled(attribution);
        let words = attribution.shares.iter().map(|share| {
            format!(
                "{} from {} to {}: {} points.",
                share.factor,
                share.from,
                share.to,
                points(&share.share, share.p_value)
            )
        });
        let words = words.collect::<Vec<_>>().join(" ");
        let caption = "Bars are the factors' shares. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.";
        let chart = shares(attribution, &from.label, &to.label, self.accuracy.statistic());
        Ok(figure(&chart.svg()?, &words, caption))
    }

    /// An attribution with labels in the place of names.
    fn labelled(&self, attribution: &Attribution) -> Attribution {
        let labels = &self.experiment.labels;
        // The factor is said beside its level.
        let level = |factor: &str, level: &str| {
            let words = labels.level(factor, level);
            words.strip_prefix(&format!("{} ", labels.factor(factor))).unwrap_or(&words).to_owned()
        };
        let mut labelled = attribution.clone();
        for share in &mut labelled.shares {
            share.from = level(&share.factor, &share.from);
            share.to = level(&share.factor, &share.to);
            share.factor = labels.factor(&share.factor).to_owned();
        }
        for interaction in &mut labelled.interactions {
            interaction.factors =
                interaction.factors.each_ref().map(|factor| labels.factor(factor).to_owned());
        }
        for EqualLevels { factor, levels, .. } in &mut labelled.equal_levels {
            *levels = levels.each_ref().map(|name| level(factor, name));
            *factor = labels.factor(factor).to_owned();
        }
        labelled
    }

    fn division(&self, division: &Division) -> Result<Markup, ReportError> {
        let Division { from, to, attribution } = division;
        let attribution = &self.labelled(attribution);
        let seeds = attribution.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let interactions = interactions_table(attribution, VALIDATION);
        let chosen = self.ladder.is_empty();
        let by_chance = attribution.gap.p_value_of_extremes(self.compared());
        Ok(html! {
            h3 { "From “" (name(&from.label)) "” to “" (name(&to.label)) "”" }
            (self.divided_figure(division)?)
            p {
                "The gap: " (points(&attribution.gap, if chosen { by_chance } else { attribution.gap.p_value() })) " points."
                @if chosen {
                    " The two were chosen after looking: of " (self.compared()) " procedures that differ they are the lowest and the highest, and chance alone makes a gap between such two. Whether this one may be chance is therefore judged by the range of that many procedures (Tukey 1949)"
                    @if let Some(by_chance) = by_chance { ": if all were alike, a gap this large would come up in " (rarely(by_chance)) " of such experiments" }
                    "."
                }
            }
            p {
                "Every number here is of the seeds that all cells between the two have run with (" (seeds) "), so it may differ a little from one over more seeds."
                @if let Some(over) = shares_judged_over(&attribution.shares) { " Whether a share may be chance is judged over " (over) "." }
            }
            (equal_levels(attribution))
            (shares_table(attribution, VALIDATION).html())
            (single_changes_table(attribution, VALIDATION).html())
            @if !interactions.rows.is_empty() { (interactions.html()) }
            pre tabindex="0" { code {
                (self.command("attribute")) " --from " (shell_word(&from.selector.to_string())) " --to " (shell_word(&to.selector.to_string()))
            } }
        })
    }
}
