//! The tables that both the terminal and the page show.

use thaw_analysis::{
    Attribution, EqualLevels, Estimate, MeasuredRung, Measurements, ProcedureRuns, Share,
    diverged_in_words,
};
use thaw_spec::{Metric, RunStatus};

use crate::drift::{drift_in_words, has_statistics};
use crate::number::{
    changed, changed_by_itself, difference, magnitude, measured, statistic_in_words, with_images,
};
use crate::table::{Entry, Table};

/// Heading of a column with the half-widths of intervals over seeds and images.
const WITH_IMAGES: &str = "with images";

/// Every procedure: validation and test accuracy, drift, audit, time. The numbers of validation and
/// of test are given.
pub fn procedures_table(validation: &Measurements<'_>, test: &Measurements<'_>) -> Table {
    let rows = validation.results().procedures.iter().map(|procedure| {
        let [accuracy, with_images] = level(validation, procedure);
        vec![
            Entry::text(procedure.label()),
            seeds(procedure),
            accuracy,
            with_images,
            level(test, procedure)[0].clone(),
            Entry::text(drift_in_words(procedure)),
            Entry::text(audit_in_words(procedure)),
            Entry::maybe(procedure.mean_seconds(), magnitude),
        ]
    });
    let [words, test_words] =
        [validation, test].map(|measurements| statistic_in_words(measurements.statistic()));
    let headings = [
        "cell",
        "seeds",
        &format!("validation, {words}"),
        WITH_IMAGES,
        &format!("test, {test_words}"),
        if has_statistics(&validation.results().procedures) {
            "largest drift of kernels, biases, moving statistics"
        } else {
            "largest drift of kernels, biases"
        },
        "audit",
        "seconds per run",
    ];
    Table::new("Means over seeds with 95 % confidence intervals", &headings, rows)
}

/// What each change of a ladder does to the validation accuracy.
pub fn ladder_table(rungs: &[MeasuredRung], measurements: &Measurements<'_>) -> Table {
    let metric = measurements.metric();
    let rows = rungs.iter().map(|rung| {
        let [change, change_with_images] = match (&rung.change, rung.equal) {
            (_, true) => [
                Entry::Number("0, equal to the last bit".to_owned(), 0.0),
                Entry::Number(String::new(), 0.0),
            ],
            (Some(change), false) => change_of(change, rung.p_value, metric),
            (None, false) => [Entry::missing("–"), Entry::missing("")],
        };
        let [value, value_with_images] = rung.estimate.as_ref().map_or_else(
            || [Entry::missing(&rung.why_unmeasured()), Entry::missing("")],
            |estimate| level_of(estimate, metric),
        );
        let label = Entry::text(rung.label.clone());
        vec![label, value, value_with_images, change, change_with_images]
    });
    let number = format!("{metric}, {}", statistic_in_words(measurements.statistic()));
    Table::new(
        "Each line changes one thing in the line above",
        &["step", &number, WITH_IMAGES, &format!("change in {}", unit(metric)), WITH_IMAGES],
        rows,
    )
}

/// The share of each factor in a gap, with their sum.
pub fn shares_table(attribution: &Attribution, metric: Metric) -> Table {
    let rows = attribution.shares.iter().map(|share| {
        let [value, with_images] = change_of(&share.share, share.p_value, metric);
        vec![
            Entry::text(share.factor.clone()),
            Entry::text(format!("{} → {}", share.from, share.to)),
            value,
            with_images,
        ]
    });
    let sum = vec![
        Entry::text("sum"),
        Entry::text(""),
        Entry::Number(difference(attribution.gap.mean, metric), attribution.gap.mean),
        Entry::Number(String::new(), attribution.gap.mean),
    ];
    let share = format!("share in {}", unit(metric));
    let headings = ["factor", "from → to", share.as_str(), WITH_IMAGES];
    Table::new(orders(attribution), &headings, rows.chain([sum]))
}

/// Each factor's main effect, and what changing it does first and last.
pub fn single_changes_table(attribution: &Attribution, metric: Metric) -> Table {
    let rows = attribution.shares.iter().map(|share| {
        let possible = |estimate: &Option<Estimate>| {
            estimate.as_ref().map_or_else(
                || Entry::missing("no such cell has run"),
                |estimate| alone(estimate, metric),
            )
        };
        vec![
            Entry::text(share.factor.clone()),
            alone(&share.main_effect, metric),
            Entry::whole(share.combinations),
            possible(&share.first),
            possible(&share.last),
        ]
    });
    let headings =
        ["factor", "main effect", "mean over combinations", "changed first", "changed last"];
    Table::new(format!("One change at a time, in {}", unit(metric)), &headings, rows)
}

/// What two factors do together more than each alone, the largest first.
pub fn interactions_table(attribution: &Attribution, metric: Metric) -> Table {
    let rows = attribution.interactions.iter().map(|interaction| {
        vec![
            Entry::text(interaction.factors.join(" and ")),
            alone(&interaction.effect, metric),
            Entry::whole(interaction.combinations),
        ]
    });
    let headings = ["factors", "together more than each alone", "mean over combinations"];
    Table::new(format!("Interactions, in {}", unit(metric)), &headings, rows)
}

/// Levels that were taken for one, in words; nothing when there are none.
pub fn equal_levels_in_words(attribution: &Attribution) -> Option<String> {
    let words = |equal: &EqualLevels| {
        let EqualLevels { factor, levels: [one, other], pairs } = equal;
        format!("{factor} `{one}` and `{other}` (in {pairs} of {pairs} pairs of cells)")
    };
    let all: Vec<String> = attribution.equal_levels.iter().map(words).collect();
    (!all.is_empty())
        .then(|| format!("equal to the last bit, and so one level here: {}", all.join(", ")))
}

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

/// What chance is judged over for shares, in words; nothing with one seed, which does not tell.
pub fn shares_judged_over(shares: &[Share]) -> Option<String> {
    let over = judged_over(&shares.iter().map(|share| &share.share).collect::<Vec<_>>())?;
    let together = match shares.len() {
        1 => String::new(),
        count => format!(", for all {count} together (Holm)"),
    };
    Some(format!("{over}{together}"))
}

/// What chance is judged over, in words; nothing where no change has more than one seed.
pub fn judged_over(changes: &[&Estimate]) -> Option<&'static str> {
    let has_images = |change: &&&Estimate| change.over_seeds_and_images.is_some();
    let over = match changes.iter().filter(has_images).count() {
        count if count == changes.len() => "seeds and images",
        0 => "seeds alone, for what the runs say of each image is not known",
        _ => "seeds, and over images where what the runs say of each is known",
    };
    changes.iter().any(|change| change.over_seeds.is_some()).then_some(over)
}

/// The unit of a difference.
pub fn unit(metric: Metric) -> &'static str {
    if metric.is_accuracy() { "points" } else { "nats" }
}

/// Seeds that have run; of those planned, where some have not.
pub(crate) fn seeds(procedure: &ProcedureRuns) -> Entry {
    let (run, planned) = (procedure.runs.len(), procedure.planned_seeds.len());
    let words = if procedure.is_complete() {
        run.to_string()
    } else {
        format!("{}/{planned}", planned - procedure.missing_seeds().len())
    };
    Entry::Number(words, run as f64)
}

/// A procedure's number, and half of the width of its interval over seeds and images.
pub(crate) fn level(measurements: &Measurements<'_>, procedure: &ProcedureRuns) -> [Entry; 2] {
    if let Some((seed, _)) = procedure.diverged(measurements.metric()) {
        return [Entry::missing(&diverged_in_words(seed)), Entry::missing("")];
    }
    measurements.level(procedure).map_or_else(
        || [Entry::missing("–"), Entry::missing("")],
        |estimate| level_of(&estimate, measurements.metric()),
    )
}

fn level_of(estimate: &Estimate, metric: Metric) -> [Entry; 2] {
    [
        Entry::Number(measured(estimate, metric), estimate.mean),
        Entry::Number(with_images(estimate, metric), half_with_images(estimate)),
    ]
}

/// A difference with a verdict, and half of the width of its interval over seeds and images.
pub(crate) fn change_of(change: &Estimate, p_value: Option<f64>, metric: Metric) -> [Entry; 2] {
    [
        Entry::Number(changed(change, p_value, metric), change.mean),
        Entry::Number(with_images(change, metric), half_with_images(change)),
    ]
}

/// A difference whose verdict is its own.
fn alone(change: &Estimate, metric: Metric) -> Entry {
    Entry::Number(changed_by_itself(change, change.p_value(), metric), change.mean)
}

fn half_with_images(estimate: &Estimate) -> f64 {
    estimate.over_seeds_and_images.map_or(0.0, |uncertainty| uncertainty.half_width())
}

/// The verdict of the audit over all seeds.
pub(crate) fn audit_in_words(procedure: &ProcedureRuns) -> &'static str {
    match (procedure.runs.is_empty(), procedure.thawed()) {
        (true, _) => "not run",
        (false, true) if procedure.has_diverged() => "THAWED, diverged",
        (false, false) if procedure.has_diverged() => "diverged",
        (false, true)
            if procedure
                .runs
                .iter()
                .filter(|run| run.outcome.status == RunStatus::Thawed)
                .all(|run| run.outcome.thawed_without_optimizer()) =>
        {
            "THAWED, by statistics alone"
        }
        (false, true) => "THAWED",
        (false, false) => "as declared",
    }
}
