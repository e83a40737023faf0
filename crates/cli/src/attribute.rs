//! `thaw attribute`: the gap between two procedures, divided over the factors in which they differ.

use std::process::ExitCode;

use thaw_analysis::{Attribution, AttributionError, Estimate, Results, Sample, Share, attribute};
use thaw_report::{changed, measured, orders, resampled_change};
use thaw_spec::{Metric, Selector, Statistic};

use crate::arguments::{Attribute, Sweep};
use crate::error::{CANNOT_TELL, CliError, SUCCESS};
use crate::markdown::{Column, table};
use crate::sweep;
use crate::terminal::say;

/// Interactions that are named: the largest.
const INTERACTIONS: usize = 5;

pub(crate) fn run(options: &Attribute) -> Result<ExitCode, CliError> {
    let study = &options.sweep.study;
    let experiment = study.load()?;
    let known = experiment.known_levels();
    let selector = |flag: &str, text: &str| {
        let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let selector = Selector::from_arguments(&words)
            .and_then(|selector| selector.check(&known).map(|()| selector));
        selector.map_err(|message| CliError::Usage { message: format!("{flag}: {message}") })
    };
    let (from, to) = (selector("--from", &options.from)?, selector("--to", &options.to)?);
    let divide = || -> Result<_, CliError> {
        let results = Results::read(&study.read_folder(&experiment)?, &experiment)?;
        Ok(attribute(&results, &from, &to, options.metric, options.statistic))
    };
    let mut outcome = divide()?;
    if let (Err(AttributionError::Missing(cells)), true) = (&outcome, options.run) {
        for levels in cells.clone() {
            let mut one = Sweep { study: study.clone(), ..options.sweep.clone() };
            one.study.only.extend(levels.iter().map(|(factor, level)| format!("{factor}={level}")));
            sweep::run(&one)?;
        }
        outcome = divide()?;
    }
    match outcome {
        Ok(attribution) => {
            say(&report(&attribution, &from, &to, options.metric, options.statistic));
            Ok(ExitCode::from(SUCCESS))
        }
        Err(AttributionError::Missing(cells)) => {
            say(&format!("{}; run them, or give --run:", AttributionError::Missing(cells.clone())));
            for levels in &cells {
                let only: Vec<String> = levels
                    .iter()
                    .map(|(factor, level)| format!("--only {factor}={level}"))
                    .collect();
                say(&format!("  {} {}", study.command("sweep"), only.join(" ")));
            }
            Ok(ExitCode::from(CANNOT_TELL))
        }
        Err(error) => Err(CliError::Usage { message: error.to_string() }),
    }
}

fn report(
    attribution: &Attribution,
    from: &Selector,
    to: &Selector,
    metric: Metric,
    statistic: Statistic,
) -> String {
    let number = |sample: &Sample| measured(&sample.estimate(), metric);
    let change = |sample: &Sample| {
        format!("{} {}", changed(&sample.estimate(), metric), resampled_change(sample, metric))
            .trim_end()
            .to_owned()
    };
    let other = |sample: &Option<Sample>| {
        sample.as_ref().map_or_else(|| "cannot exist".to_owned(), &change)
    };
    let unit = if metric.is_accuracy() { "points" } else { "nats" };
    let seeds = attribution.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!(
            "{statistic} {metric}, seeds {seeds}; 95 % confidence intervals: ± by Student's t, [in brackets] by the bootstrap"
        ),
        format!("from  {from}: {}", number(&attribution.from)),
        format!("to    {to}: {}", number(&attribution.to)),
        format!("gap   {} {unit}", change(&attribution.gap)),
        String::new(),
    ];
    let mean = attribution.estimates().iter().map(|estimate| estimate.mean).sum();
    let sum =
        changed(&Estimate { mean, standard_deviation: None, interval: None, count: 1 }, metric);
    let rows = attribution.shares.iter().map(|Share { factor, from, to, share, .. }| {
        vec![factor.clone(), format!("{from} → {to}"), change(share)]
    });
    let rows: Vec<Vec<String>> = rows.chain([vec!["sum".to_owned(), String::new(), sum]]).collect();
    lines.extend(table(
        &[
            Column::Left("factor"),
            Column::Left("from → to"),
            Column::Left(&format!("share in {unit}")),
        ],
        &rows,
    ));
    lines.push(orders(attribution));
    lines.push(String::new());
    let rows =
        attribution.shares.iter().map(|Share { factor, main_effect, first, last, .. }| {
            vec![factor.clone(), change(main_effect), other(first), other(last)]
        });
    lines.extend(table(
        &["factor", "main effect", "changed first", "changed last"].map(Column::Left),
        &rows.collect::<Vec<_>>(),
    ));
    lines.push("a main effect is the mean over all combinations of the other factors with which both cells exist".to_owned());
    for interaction in attribution.interactions.iter().take(INTERACTIONS) {
        let [first, second] = &interaction.factors;
        lines.push(format!(
            "interaction of {first} and {second}: {} {unit}",
            change(&interaction.effect)
        ));
    }
    lines.join("\n")
}
