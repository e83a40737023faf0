//! `thaw attribute`: the gap between two procedures, divided over the factors in which they differ.

use std::process::ExitCode;

use thaw_analysis::{Attribution, AttributionError, Estimate, Results, Sample, Share, attribute};
use thaw_report::{changed, measured};
use thaw_spec::{Metric, Selector, Statistic};

use crate::arguments::{Attribute, Sweep};
use crate::error::{CANNOT_TELL, CliError, SUCCESS, say};
use crate::sweep;

pub(crate) fn run(options: &Attribute) -> Result<ExitCode, CliError> {
    let study = &options.sweep.study;
    let experiment = study.load()?;
    let known = experiment.known_levels();
    let selector = |flag: &str, text: &str| {
        let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let selector = Selector::from_arguments(&words).and_then(|selector| selector.check(&known).map(|()| selector));
        selector.map_err(|message| CliError::Usage { message: format!("{flag}: {message}") })
    };
    let (from, to) = (selector("--from", &options.from)?, selector("--to", &options.to)?);
    let folder = study.results_folder(&experiment);
    let divide = || -> Result<_, CliError> {
        let results = Results::read(&folder, &experiment)?;
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
                let only: Vec<String> = levels.iter().map(|(factor, level)| format!("--only {factor}={level}")).collect();
                say(&format!("  {} {}", study.command("sweep"), only.join(" ")));
            }
            Ok(ExitCode::from(CANNOT_TELL))
        }
        Err(error) => Err(CliError::Usage { message: error.to_string() }),
    }
}

fn report(attribution: &Attribution, from: &Selector, to: &Selector, metric: Metric, statistic: Statistic) -> String {
    let number = |sample: &Sample| measured(&sample.estimate(), metric);
    let change = |sample: &Sample| changed(&sample.estimate(), metric);
    let unit = if metric.is_accuracy() { "points" } else { "nats" };
    let seeds = attribution.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("{statistic} {metric}, seeds {seeds}; 95 % confidence intervals by Student's t"),
        format!("from  {from}: {}", number(&attribution.from)),
        format!("to    {to}: {}", number(&attribution.to)),
        format!("gap   {} {unit}", change(&attribution.gap)),
        String::new(),
        format!("| factor | from → to | share in {unit} | bootstrap | changed first | changed last |"),
        "|:-------|:----------|:----------------|:----------|:--------------|:-------------|".to_owned(),
    ];
    for Share { factor, from, to, share, first, last } in &attribution.shares {
        let other = |sample: &Option<Sample>| sample.as_ref().map_or_else(|| "cannot exist".to_owned(), &change);
        let scale = if metric.is_accuracy() { 100.0 } else { 1.0 };
        let bootstrap =
            share.bootstrap().map_or_else(|| "–".to_owned(), |(low, high)| format!("{:+.2} to {:+.2}", low * scale, high * scale));
        lines.push(format!("| {factor} | {from} → {to} | {} | {bootstrap} | {} | {} |", change(share), other(first), other(last)));
    }
    let sum: f64 = attribution.estimates().iter().map(|estimate| estimate.mean).sum();
    lines.push(format!(
        "| sum | | {} | | | |",
        changed(&Estimate { mean: sum, standard_deviation: None, interval: None, count: 1 }, metric)
    ));
    lines.push(String::new());
    let [possible, all] = attribution.orders;
    lines.push(match possible == all {
        true => format!("shares are means over all {all} orders of change (Shapley)"),
        false => format!("shares are means over the {possible} of {all} orders of change that pass through cells that can exist"),
    });
    for interaction in attribution.interactions.iter().take(5) {
        let [first, second] = &interaction.factors;
        lines.push(format!("interaction of {first} and {second}: {} {unit}", change(&interaction.effect)));
    }
    lines.join("\n")
}
