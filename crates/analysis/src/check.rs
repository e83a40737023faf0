//! Verdicts: do results meet expectations?
//!
//! A band fails when the mean lies outside it and so does the whole 95 % confidence interval; when
//! the interval reaches into the band, the runs cannot tell. With a single seed there is no
//! interval, and the value itself decides. A band that was recorded also fails when a seed does not
//! give the value that it gave then. A difference is judged by the interval of the differences
//! between runs of equal seeds, and needs at least two of them.

use thaw_spec::{
    Band, Expectations, ExpectedStatus, Metric, PerSeed, Relation, RelationKind, RunStatus,
    Selector, Statistic, Verdict, VerdictKind,
};

use crate::estimate::{Estimate, Sample, reduce};
use crate::results::{CellRun, ProcedureRuns, Results};

/// Answers every expectation, in the order of the file.
pub fn check(expectations: &Expectations, results: &Results) -> Vec<Verdict> {
    let bands = expectations.bands.iter().flat_map(|band| check_band(band, results));
    let relations = expectations.relations.iter().map(|relation| check_relation(relation, results));
    let audits = expectations.audits.iter().flat_map(|audit| check_status(audit, results));
    bands.chain(relations).chain(audits).collect()
}

fn verdict(kind: VerdictKind, subject: &str, reason: String) -> Verdict {
    Verdict { kind, subject: subject.to_owned(), reason }
}

/// The chosen procedures, or a verdict when there is nothing to judge.
fn chosen<'a>(
    selector: &Selector,
    subject: &str,
    results: &'a Results,
) -> Result<Vec<&'a ProcedureRuns>, Verdict> {
    let procedures: Vec<&ProcedureRuns> = results.select(selector).collect();
    if procedures.is_empty() {
        return Err(verdict(
            VerdictKind::Missing,
            subject,
            format!("no cell of the experiment is `{selector}`"),
        ));
    }
    Ok(procedures)
}

/// Judges each chosen procedure by itself. `subject` says what is expected of the cells with a
/// label.
fn judge_each(
    selector: &Selector,
    results: &Results,
    subject: impl Fn(&str) -> String,
    judge: impl Fn(&ProcedureRuns, &str) -> Verdict,
) -> Vec<Verdict> {
    let judge = |procedure: &&ProcedureRuns| {
        let subject = subject(&procedure.label());
        not_run(procedure, &subject).unwrap_or_else(|| judge(procedure, &subject))
    };
    match chosen(selector, &subject(&selector.to_string()), results) {
        Ok(procedures) => procedures.iter().map(judge).collect(),
        Err(missing) => vec![missing],
    }
}

fn not_run(procedure: &ProcedureRuns, subject: &str) -> Option<Verdict> {
    let (found, planned) = (procedure.runs.len(), procedure.planned_seeds);
    (found < planned).then(|| {
        verdict(
            VerdictKind::Missing,
            subject,
            format!(
                "`{}` has {found} of {planned} runs; `thaw sweep` runs the others",
                procedure.label()
            ),
        )
    })
}

fn check_band(band: &Band, results: &Results) -> Vec<Verdict> {
    let subject = |label: &str| {
        format!(
            "{} {} of `{label}` in [{}, {}]",
            band.statistic, band.metric, band.lower, band.upper
        )
    };
    judge_each(&band.selector, results, subject, |procedure, subject| {
        let Some(sample) = procedure.sample(band.metric, band.statistic) else {
            return verdict(
                VerdictKind::Missing,
                subject,
                format!("the runs have no {}", band.metric),
            );
        };
        let estimate = sample.estimate();
        let inside = |value: f64| (band.lower..=band.upper).contains(&value);
        let reaches_in = |(low, high): (f64, f64)| low <= band.upper && high >= band.lower;
        let changed =
            band.per_seed.as_ref().and_then(|recorded| changed_seed(procedure, band, recorded));
        let kind = match estimate.interval {
            _ if changed.is_some() => VerdictKind::Fail,
            _ if inside(estimate.mean) => VerdictKind::Pass,
            Some(interval) if reaches_in(interval) => VerdictKind::Inconclusive,
            _ => VerdictKind::Fail,
        };
        let changed = changed.map_or_else(String::new, |changed| format!("; {changed}"));
        verdict(kind, subject, format!("the mean is {}{changed}", describe(&estimate)))
    })
}

/// The first seed whose value is not the recorded one, in words.
fn changed_seed(procedure: &ProcedureRuns, band: &Band, recorded: &PerSeed) -> Option<String> {
    let PerSeed { seeds, values, tolerance } = recorded;
    procedure.runs.iter().find_map(|run| {
        let seed = run.cell().seed;
        let (_, before) = seeds.iter().zip(values).find(|(known, _)| **known == seed)?;
        let now = reduce(band.statistic, band.metric, &run.curve(band.metric))?;
        ((now - before).abs() > *tolerance)
            .then(|| format!("seed {seed} gave {now:.4} where {before:.4} was recorded, so the procedure or its arithmetic has changed"))
    })
}

fn check_relation(relation: &Relation, results: &Results) -> Verdict {
    let (left, right) = (&relation.left, &relation.right);
    let subject = match relation.kind {
        RelationKind::IntervalAbove { statistic } => {
            format!(
                "the interval of {statistic} {} of `{left}` lies above that of `{right}`",
                relation.metric
            )
        }
        RelationKind::EqualCurve { tolerance } => {
            format!("{} of `{left}` equals that of `{right}` within {tolerance}", relation.metric)
        }
        RelationKind::GreaterByAtLeast { statistic, margin } => {
            format!(
                "{statistic} {} of `{left}` exceeds that of `{right}` by at least {margin}",
                relation.metric
            )
        }
    };
    let only = |selector: &Selector| {
        let procedures = chosen(selector, &subject, results)?;
        let [procedure] = procedures[..] else {
            let reason = format!(
                "`{selector}` chooses {} procedures; name enough factors to choose one",
                procedures.len()
            );
            return Err(verdict(VerdictKind::Missing, &subject, reason));
        };
        not_run(procedure, &subject).map_or(Ok(procedure), Err)
    };
    let pairs = only(left).and_then(|left| Ok((left, only(right)?))).map(|(left, right)| {
        let twin =
            |run: &'_ CellRun| right.runs.iter().find(|other| other.cell().seed == run.cell().seed);
        left.runs
            .iter()
            .filter_map(|run| Some((run, twin(run)?)))
            .collect::<Vec<(&CellRun, &CellRun)>>()
    });
    match (pairs, relation.kind) {
        (Err(missing), _) => missing,
        (Ok(pairs), RelationKind::IntervalAbove { statistic }) => {
            interval_above(&subject, &pairs, relation.metric, statistic)
        }
        (Ok(pairs), RelationKind::EqualCurve { tolerance }) => {
            equal_curves(&subject, &pairs, relation.metric, tolerance)
        }
        (Ok(pairs), RelationKind::GreaterByAtLeast { statistic, margin }) => {
            exceeds(&subject, &pairs, relation.metric, statistic, margin)
        }
    }
}

fn equal_curves(
    subject: &str,
    pairs: &[(&CellRun, &CellRun)],
    metric: Metric,
    tolerance: f64,
) -> Verdict {
    let mut largest: Option<(f64, u64, usize)> = None;
    let mut epochs = 0;
    for (left, right) in pairs {
        for (epoch, (a, b)) in (1..).zip(left.curve(metric).iter().zip(right.curve(metric))) {
            let difference = (a - b).abs();
            epochs += 1;
            if largest.is_none_or(|(so_far, ..)| difference > so_far) {
                largest = Some((difference, left.cell().seed, epoch));
            }
        }
    }
    let Some((difference, seed, epoch)) = largest else {
        return verdict(
            VerdictKind::Missing,
            subject,
            format!("the runs share no seed with {metric}"),
        );
    };
    if difference <= tolerance {
        return verdict(
            VerdictKind::Pass,
            subject,
            format!(
                "the largest difference in {epochs} epochs of {} seeds is {difference:.3e}",
                pairs.len()
            ),
        );
    }
    verdict(
        VerdictKind::Fail,
        subject,
        format!("they differ by {difference:.3e} in epoch {epoch} of seed {seed}"),
    )
}

fn exceeds(
    subject: &str,
    pairs: &[(&CellRun, &CellRun)],
    metric: Metric,
    statistic: Statistic,
    margin: f64,
) -> Verdict {
    let number = |run: &CellRun| reduce(statistic, metric, &run.curve(metric));
    let differences: Option<Vec<f64>> =
        pairs.iter().map(|(left, right)| Some(number(left)? - number(right)?)).collect();
    let Some(estimate) = differences.and_then(Sample::new).map(|sample| sample.estimate()) else {
        return verdict(
            VerdictKind::Missing,
            subject,
            format!("the runs share no seed with {metric}"),
        );
    };
    let kind = match estimate.interval {
        Some((low, _)) if low >= margin => VerdictKind::Pass,
        Some((_, high)) if high < margin => VerdictKind::Fail,
        _ => VerdictKind::Inconclusive,
    };
    verdict(kind, subject, format!("the mean difference is {}", describe(&estimate)))
}

fn interval_above(
    subject: &str,
    pairs: &[(&CellRun, &CellRun)],
    metric: Metric,
    statistic: Statistic,
) -> Verdict {
    let number = |run: &CellRun| reduce(statistic, metric, &run.curve(metric));
    let estimate = |runs: Vec<Option<f64>>| {
        runs.into_iter()
            .collect::<Option<Vec<f64>>>()
            .and_then(Sample::new)
            .map(|sample| sample.estimate())
    };
    let left = estimate(pairs.iter().map(|(left, _)| number(left)).collect());
    let right = estimate(pairs.iter().map(|(_, right)| number(right)).collect());
    let (Some(left), Some(right)) = (left, right) else {
        return verdict(
            VerdictKind::Missing,
            subject,
            format!("the runs share no seed with {metric}"),
        );
    };
    let kind = match (left.interval, right.interval) {
        (Some((low, _)), Some((_, high))) if low > high => VerdictKind::Pass,
        (Some(_), Some(_)) => VerdictKind::Fail,
        _ => VerdictKind::Inconclusive,
    };
    verdict(kind, subject, format!("{} against {}", describe(&left), describe(&right)))
}

fn check_status(expected: &ExpectedStatus, results: &Results) -> Vec<Verdict> {
    let name = |status| if status == RunStatus::Thawed { "thawed" } else { "completed" };
    let subject = |label: &str| format!("the audit of `{label}` says {}", name(expected.status));
    judge_each(&expected.selector, results, subject, |procedure, subject| {
        let Some(run) = procedure.runs.iter().find(|run| run.outcome.status != expected.status)
        else {
            return verdict(
                VerdictKind::Pass,
                subject,
                format!("in all {} runs", procedure.runs.len()),
            );
        };
        let moved = run.outcome.thawed_tensors();
        let (seed, status, tensors) =
            (run.cell().seed, name(run.outcome.status), run.outcome.audit.len());
        let reason = format!(
            "seed {seed} is {status}: {moved} of {tensors} tensors were declared frozen and moved"
        );
        verdict(VerdictKind::Fail, subject, reason)
    })
}

fn describe(estimate: &Estimate) -> String {
    match estimate.interval {
        Some((low, high)) => format!(
            "{:.4} (95 % confidence {low:.4} to {high:.4}, {} seeds)",
            estimate.mean, estimate.count
        ),
        None => format!("{:.4} (one seed)", estimate.mean),
    }
}
