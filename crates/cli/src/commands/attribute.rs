//! `thaw attribute`: the gap between two procedures, divided over the factors in which they differ.

use std::process::ExitCode;

use clap::Args;
use thaw_analysis::{
    Attribution, AttributionError, Estimate, Measurements, Results, ResultsFolder, attribute,
};
use thaw_report::{
    changed, equal_levels_in_words, interactions_table, measured, orders, shares_judged_over,
    shares_table, single_changes_table, statistic_in_words, unit, with_images,
};
use thaw_spec::{Experiment, Metric, Procedure, Selector, Statistic};

use crate::arguments::{LauncherName, Sweep};
use crate::drawing::damage;
use crate::error::{CANNOT_TELL, CliError, SUCCESS, unless_damaged};
use crate::sweeping::sweep;
use crate::terminal::{say, say_lines, say_on_stderr};

#[derive(Debug, Args)]
pub(crate) struct Attribute {
    #[command(flatten)]
    sweep: Sweep,
    /// The levels of the one procedure, such as 'regime=cached dropout=0.5'
    #[arg(long, value_name = "LEVELS")]
    from: String,
    /// The levels of the other
    #[arg(long, value_name = "LEVELS")]
    to: String,
    /// What is compared: train, validation or test, with _accuracy or _loss
    #[arg(long, default_value = "validation_accuracy", value_name = "METRIC")]
    metric: Metric,
    /// How a curve becomes a number: final, best, or last_N for the mean over the last N epochs
    /// [default: the experiment's statistic; final for images that are evaluated after the last epoch
    /// alone]
    #[arg(long, value_name = "STATISTIC")]
    statistic: Option<Statistic>,
    /// Run the cells that are missing
    #[arg(long)]
    run: bool,
}

/// Interactions that are named: the largest.
const INTERACTIONS: usize = 5;

pub(crate) fn run(options: &Attribute) -> Result<ExitCode, CliError> {
    if options.run && options.sweep.launcher == LauncherName::Slurm {
        let message = "--run divides the gap when the cells have run, so it cannot be used with --launcher slurm, which does not wait; use `thaw sweep --launcher slurm` first";
        return Err(CliError::Usage { message: message.to_owned() });
    }
    let selection = &options.sweep.selection;
    let experiment = selection.load()?;
    let known = experiment.known_levels();
    let selector = |flag: &str, text: &str| {
        let words = words(text, &known);
        let selector = Selector::from_arguments(&words)
            .and_then(|selector| selector.check(&known).map(|()| selector));
        selector.map_err(|message| CliError::Usage { message: format!("{flag}: {message}") })
    };
    let (from, to) = (selector("--from", &options.from)?, selector("--to", &options.to)?);
    let ends = [only_one(&experiment, &from)?, only_one(&experiment, &to)?];
    // Levels that are left out lie between the ends all the same, and tell how much runs spread.
    let whole = selection.with_every_level().load()?;
    let statistic = options.statistic.unwrap_or(whole.statistic_of(options.metric));
    let lacks =
        |(_, procedure): &(_, &Procedure)| !procedure.has_statistic(options.metric, statistic);
    if let Some((levels, _)) = experiment.procedures().find(lacks) {
        let message = format!(
            "--statistic {statistic}: the {} images of `{}` are evaluated after the last epoch alone; take final, or leave it out",
            options.metric.split(),
            Selector::exactly(levels)
        );
        return Err(CliError::Usage { message });
    }
    let divide = |folder: &ResultsFolder| -> Result<_, CliError> {
        let results = Results::read(folder, &whole)?;
        let number = Measurements::new(&results, options.metric, statistic).with_images(folder)?;
        let damaged = damage(&results, std::slice::from_ref(&number));
        Ok((attribute(&number, &ends[0], &ends[1]), damaged))
    };
    let read = selection.read_folder(&experiment)?;
    let written = selection.written_folder(&experiment)?;
    let mut divided = divide(&read)?;
    if matches!(divided.0, Err(AttributionError::Missing { .. })) && read.root() != written.root() {
        // Once a cell has run there, it is read alone, so all of them have to run there.
        let there = divide(&written)?;
        if matches!(there.0, Err(AttributionError::Missing { .. })) {
            say_on_stderr(&format!(
                "cells run in {}, which is read alone from then on, so those of {} are needed there too; to run only what is missing beside them, name their folder by --results",
                written.root().display(),
                read.root().display()
            ));
            divided = there;
        }
    }
    let only = |levels: &[(String, String)]| {
        let mut one = options.sweep.clone();
        // Its own levels say all; others would be alternatives.
        one.selection.only =
            levels.iter().map(|(factor, level)| format!("{factor}={level}")).collect();
        one
    };
    if let (Err(AttributionError::Missing { cells, .. }), true) = (&divided.0, options.run) {
        for levels in cells.clone() {
            // Damage is said at the end.
            match sweep(&only(&levels), None, None) {
                Ok(_) | Err(CliError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        divided = divide(&written)?;
    }
    let (outcome, damaged) = divided;
    match outcome {
        Ok(attribution) => {
            say_lines(report(&attribution, &from, &to, options.metric, statistic));
            unless_damaged(SUCCESS, damaged)
        }
        Err(ref missing @ AttributionError::Missing { ref cells, .. }) => {
            say(&format!("{missing}; run them, or give --run:"));
            for levels in cells {
                say(&format!("  {}", only(levels).command()));
            }
            unless_damaged(CANNOT_TELL, damaged)
        }
        Err(error) => {
            damaged.iter().for_each(|line| say_on_stderr(&format!("warning: {line}")));
            Err(CliError::Usage { message: error.to_string() })
        }
    }
}

/// The only procedure of an experiment that a selector chooses, by all its levels.
fn only_one(experiment: &Experiment, selector: &Selector) -> Result<Selector, CliError> {
    let levels = experiment.procedures().map(|(levels, _)| levels);
    let chosen: Vec<_> = levels.filter(|levels| selector.matches(levels)).collect();
    match chosen[..] {
        [levels] => Ok(Selector::exactly(levels)),
        _ => {
            let (selector, count) = (selector.to_string(), chosen.len());
            let message = AttributionError::NotOne { selector, count }.to_string();
            Err(CliError::Usage { message })
        }
    }
}

/// The levels in an argument such as `regime=cached dropout=0.5`, with spaces or commas between. A
/// name may hold both: a word begins where a factor does.
fn words<'a>(text: &'a str, known: &[(String, Vec<String>)]) -> Vec<&'a str> {
    let is_between = |character: char| character == ' ' || character == ',';
    let begins = |word: &str| {
        known.iter().any(|(factor, _)| {
            word.strip_prefix(factor.as_str()).is_some_and(|rest| rest.starts_with('='))
        })
    };
    let is_start = |place: &usize| {
        begins(&text[*place..]) && text[..*place].chars().next_back().is_none_or(is_between)
    };
    let starts: Vec<usize> = text.char_indices().map(|(place, _)| place).filter(is_start).collect();
    let first = starts.first().copied().unwrap_or(text.len());
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    // What stands before the first factor is a mistake that is named.
    let unknown = text[..first].split(is_between);
    unknown
        .chain(
            starts
                .iter()
                .zip(ends)
                .map(|(start, end)| text[*start..end].trim_end_matches(is_between)),
        )
        .filter(|word| !word.is_empty())
        .collect()
}

fn report(
    attribution: &Attribution,
    from: &Selector,
    to: &Selector,
    metric: Metric,
    statistic: Statistic,
) -> Vec<String> {
    let number = |estimate: &Estimate| {
        format!("{} {}", measured(estimate, metric), with_images(estimate, metric))
            .trim_end()
            .to_owned()
    };
    let gap = &attribution.gap;
    let seeds = attribution.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![format!("{metric}, {}, seeds {seeds}", statistic_in_words(statistic))];
    lines.extend(intervals_in_words(gap).map(str::to_owned));
    lines.extend([
        format!("from  {from}: {}", number(&attribution.from)),
        format!("to    {to}: {}", number(&attribution.to)),
        format!(
            "gap   {} {} {}",
            changed(gap, gap.p_value(), metric),
            unit(metric),
            with_images(gap, metric)
        )
        .trim_end()
        .to_owned(),
    ]);
    lines.extend(equal_levels_in_words(attribution));
    lines.push(String::new());
    lines.extend(shares_table(attribution, metric).lines());
    lines.push(orders(attribution));
    let judged = shares_judged_over(&attribution.shares);
    lines.extend(judged.map(|over| format!("whether a share may be chance is judged over {over}")));
    lines.push(String::new());
    lines.extend(single_changes_table(attribution, metric).lines());
    lines.push("a main effect is a mean over combinations of the other factors with which both cells exist and have run".to_owned());
    let mut interactions = interactions_table(attribution, metric);
    interactions.rows.truncate(INTERACTIONS);
    if !interactions.rows.is_empty() {
        lines.push(String::new());
        lines.extend(interactions.lines());
    }
    lines
}

/// What the intervals beside numbers are over; nothing with one seed, which has none.
fn intervals_in_words(gap: &Estimate) -> Option<&'static str> {
    match (gap.over_seeds, gap.over_seeds_and_images) {
        (_, Some(_)) => Some(
            "95 % confidence intervals: the first ± over seeds, the second over seeds and images",
        ),
        (Some(_), None) => Some("95 % confidence intervals: ± over seeds"),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_told_apart_by_their_factors() {
        let known = ["regime", "a b"].map(|factor| (factor.to_owned(), Vec::new()));
        for (text, expected) in [
            ("regime=cached a b=0.5", &["regime=cached", "a b=0.5"][..]),
            ("regime=cached,a b=0.5", &["regime=cached", "a b=0.5"]),
            (" regime=one, two three ,a b=x=y ", &["regime=one, two three", "a b=x=y"]),
            ("regmie=cached dropout=1", &["regmie=cached", "dropout=1"]),
            ("xregime=a", &["xregime=a"]),
            ("", &[]),
        ] {
            assert_eq!(words(text, &known), expected, "{text}");
        }
    }
}
