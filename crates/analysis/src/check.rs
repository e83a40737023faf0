//! Verdicts: do results meet expectations?
//!
//! A band fails when the mean lies outside it and so does the whole 95 % confidence interval over
//! seeds; when the interval reaches into the band, the runs cannot tell. With a single seed there is
//! no interval, and the value itself decides. A band that was recorded also fails when a seed does
//! not give the value that it gave then. A difference is judged by the interval of the differences
//! between runs of equal seeds, and needs at least two of them. What cannot be told yet says how
//! many seeds would tell it.

use thaw_spec::{
    Band, Expectations, ExpectedStatus, Metric, PerSeed, Relation, RelationKind, RunStatus,
    Selector, Statistic, Verdict, VerdictKind,
};

use crate::estimate::Estimate;
use crate::measurements::Measurements;
use crate::results::{CellRun, ProcedureRuns, Results};

/// Answers every expectation, in the order of the file.
///
/// # Example
/// ```
/// use thaw_analysis::{Results, ResultsFolder, check};
/// use thaw_spec::{Expectations, Experiment, VerdictKind};
///
/// // The committed results of the miniature.
/// let text = std::fs::read_to_string("../../experiments/miniature.toml")?;
/// let experiment = Experiment::parse("miniature.toml", &text)?;
/// let folder = ResultsFolder::new("../../results/miniature".into());
/// let results = Results::read(&folder, &experiment)?;
/// let expected = |regime: &str| {
///     let text = format!("[[audit]]\nwhere = {{ regime = '{regime}' }}\nstatus = 'completed'");
///     Expectations::parse("example.expected.toml", &text)
/// };
///
/// // A base that was frozen end to end did not move, and one that was unfrozen by accident did.
/// for (regime, kind) in [
///     ("frozen_end_to_end", VerdictKind::Pass),
///     ("accidentally_unfrozen", VerdictKind::Fail),
/// ] {
///     let verdicts = check(&expected(regime)?, &results);
///     assert!(!verdicts.is_empty());
///     assert!(verdicts.iter().all(|verdict| verdict.kind == kind), "{verdicts:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(expectations: &Expectations, results: &Results) -> Vec<Verdict> {
    check_only(expectations, results, &Selector::default())
}

/// Answers what is expected of the procedures that a selector chooses, in the order of the file. How much
/// runs spread, all procedures tell.
pub fn check_only(expectations: &Expectations, results: &Results, only: &Selector) -> Vec<Verdict> {
    let measured = Measured::of(expectations, results, only);
    let bands = expectations.bands.iter().flat_map(|band| check_band(band, &measured));
    let relations =
        expectations.relations.iter().map(|relation| check_relation(relation, &measured));
    let audits = expectations.audits.iter().flat_map(|audit| check_status(audit, &measured));
    bands.chain(relations).chain(audits).collect()
}

/// Every number that expectations speak of, measured once.
struct Measured<'a> {
    results: &'a Results,
    /// The procedures that are judged.
    only: &'a Selector,
    numbers: Vec<Measurements<'a>>,
}

impl<'a> Measured<'a> {
    fn of(expectations: &Expectations, results: &'a Results, only: &'a Selector) -> Self {
        let mut wanted: Vec<(Metric, Statistic)> =
            expectations.bands.iter().map(|band| (band.metric, band.statistic)).collect();
        wanted.extend(expectations.relations.iter().filter_map(|relation| match relation.kind {
            RelationKind::IntervalAbove { statistic }
            | RelationKind::GreaterByAtLeast { statistic, .. } => {
                Some((relation.metric, statistic))
            }
            RelationKind::EqualCurve { .. } => None,
        }));
        let mut numbers: Vec<Measurements<'a>> = Vec::new();
        for (metric, statistic) in wanted {
            if !numbers.iter().any(|known| known.is_of(metric, statistic)) {
                numbers.push(Measurements::new(results, metric, statistic));
            }
        }
        Self { results, only, numbers }
    }

    /// The procedures that are judged and that a selector chooses.
    fn select(&self, selector: &Selector) -> Vec<&'a ProcedureRuns> {
        let chosen = self.results.select(selector);
        chosen.filter(|procedure| self.only.matches(&procedure.levels)).collect()
    }

    fn number(&self, metric: Metric, statistic: Statistic) -> Option<&Measurements<'a>> {
        self.numbers.iter().find(|known| known.is_of(metric, statistic))
    }
}

fn verdict(kind: VerdictKind, subject: &str, reason: String) -> Verdict {
    Verdict { kind, subject: subject.to_owned(), reason }
}

/// The chosen procedures, or a verdict when there is nothing to judge.
fn chosen<'a>(
    selector: &Selector,
    subject: &str,
    measured: &Measured<'a>,
) -> Result<Vec<&'a ProcedureRuns>, Verdict> {
    let procedures = measured.select(selector);
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
    measured: &Measured<'_>,
    subject: impl Fn(&str) -> String,
    judge: impl Fn(&ProcedureRuns, &str) -> Verdict,
) -> Vec<Verdict> {
    match chosen(selector, &subject(&selector.to_string()), measured) {
        Ok(procedures) => procedures
            .into_iter()
            .map(|procedure| {
                let subject = subject(&procedure.label());
                not_run(procedure, &subject).unwrap_or_else(|| judge(procedure, &subject))
            })
            .collect(),
        Err(missing) => vec![missing],
    }
}

/// The only procedure of the experiment that a selector chooses, if all its seeds have run; else a verdict.
fn exactly_one<'a>(
    selector: &Selector,
    subject: &str,
    measured: &Measured<'a>,
) -> Result<&'a ProcedureRuns, Verdict> {
    chosen(selector, subject, measured)?;
    let procedures: Vec<&ProcedureRuns> = measured.results.select(selector).collect();
    let [procedure] = procedures[..] else {
        let reason = format!(
            "`{selector}` chooses {} procedures; name enough factors to choose one",
            procedures.len()
        );
        return Err(verdict(VerdictKind::Missing, subject, reason));
    };
    not_run(procedure, subject).map_or(Ok(procedure), Err)
}

fn not_run(procedure: &ProcedureRuns, subject: &str) -> Option<Verdict> {
    let planned = procedure.planned_seeds.len();
    let found = planned - procedure.missing_seeds().len();
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

fn check_band(band: &Band, measured: &Measured<'_>) -> Vec<Verdict> {
    judge_each(
        &band.selector,
        measured,
        |label| band_subject(band, label),
        |procedure, subject| judge_band(band, measured, procedure, subject),
    )
}

fn band_subject(band: &Band, label: &str) -> String {
    format!("{} {} of `{label}` in [{}, {}]", band.statistic, band.metric, band.lower, band.upper)
}

fn judge_band(
    band: &Band,
    measured: &Measured<'_>,
    procedure: &ProcedureRuns,
    subject: &str,
) -> Verdict {
    if let Some(failed) = diverged(procedure.runs.iter(), band.metric, subject) {
        return failed;
    }
    if let Some(missing) = too_few_epochs([procedure], band.metric, band.statistic, subject) {
        return missing;
    }
    let number = measured.number(band.metric, band.statistic);
    let Some(estimate) = number.and_then(|number| number.level(procedure)) else {
        let reason = format!("the runs have no {}", band.metric);
        return verdict(VerdictKind::Missing, subject, reason);
    };
    let mean = format!("the mean is {}", describe(&estimate));
    let recorded = band.per_seed.as_ref();
    match recorded.and_then(|recorded| changed_seed(procedure, band, recorded)) {
        Some(changed) => verdict(VerdictKind::Fail, subject, format!("{mean}; {changed}")),
        None => {
            let kind = place_in_band(band, &estimate);
            let settled = match kind {
                VerdictKind::Inconclusive => {
                    let edge = estimate.mean.clamp(band.lower, band.upper);
                    what_would_settle(&estimate, edge, "seeds", [procedure])
                }
                _ => String::new(),
            };
            verdict(kind, subject, mean + &settled)
        }
    }
}

/// Whether a mean lies in a band, or could as far as its interval tells.
fn place_in_band(band: &Band, estimate: &Estimate) -> VerdictKind {
    if (band.lower..=band.upper).contains(&estimate.mean) {
        return VerdictKind::Pass;
    }
    match estimate.interval() {
        Some((low, high)) if low <= band.upper && high >= band.lower => VerdictKind::Inconclusive,
        _ => VerdictKind::Fail,
    }
}

/// The first seed whose value is not the recorded one, in words.
fn changed_seed(procedure: &ProcedureRuns, band: &Band, recorded: &PerSeed) -> Option<String> {
    let PerSeed { seeds, values, tolerance } = recorded;
    procedure.runs.iter().find_map(|run| {
        let seed = run.cell().seed;
        let (_, before) = seeds.iter().zip(values).find(|(known, _)| **known == seed)?;
        let now = run.value(band.metric, band.statistic)?;
        ((now - before).abs() > *tolerance)
            .then(|| format!("seed {seed} gave {now:.4} where {before:.4} was recorded, so the procedure or its arithmetic has changed"))
    })
}

fn check_relation(relation: &Relation, measured: &Measured<'_>) -> Verdict {
    let subject = relation_subject(relation);
    let procedures = exactly_one(&relation.left, &subject, measured)
        .and_then(|left| Ok((left, exactly_one(&relation.right, &subject, measured)?)));
    let (left, right) = match procedures {
        Ok(both) => both,
        Err(missing) => return missing,
    };
    if std::ptr::eq(left, right) {
        let reason =
            format!("`left` and `right` both choose `{}`; choose two procedures", left.label());
        return verdict(VerdictKind::Missing, &subject, reason);
    }
    let pairs = left.paired_with(right);
    let runs = pairs.iter().flat_map(|(left, right)| [*left, *right]);
    if let Some(failed) = diverged(runs, relation.metric, &subject) {
        return failed;
    }
    let statistic = match relation.kind {
        RelationKind::IntervalAbove { statistic }
        | RelationKind::GreaterByAtLeast { statistic, .. } => Some(statistic),
        RelationKind::EqualCurve { .. } => None,
    };
    let too_few = statistic
        .and_then(|statistic| too_few_epochs([left, right], relation.metric, statistic, &subject));
    if let Some(missing) = too_few {
        return missing;
    }
    match relation.kind {
        RelationKind::IntervalAbove { statistic } => {
            let number = measured.number(relation.metric, statistic);
            exceeds(&subject, number, [left, right], relation.metric, 0.0)
        }
        RelationKind::EqualCurve { tolerance } => {
            equal_curves(&subject, &pairs, relation.metric, tolerance)
        }
        RelationKind::GreaterByAtLeast { statistic, margin } => {
            let number = measured.number(relation.metric, statistic);
            exceeds(&subject, number, [left, right], relation.metric, margin)
        }
    }
}

fn relation_subject(relation: &Relation) -> String {
    let Relation { left, right, metric, kind } = relation;
    match kind {
        RelationKind::IntervalAbove { statistic } => {
            format!("{statistic} {metric} of `{left}` lies above that of `{right}`")
        }
        RelationKind::EqualCurve { tolerance } => {
            format!("{metric} of `{left}` equals that of `{right}` within {tolerance}")
        }
        RelationKind::GreaterByAtLeast { statistic, margin } => {
            format!(
                "{statistic} {metric} of `{left}` exceeds that of `{right}` by at least {margin}"
            )
        }
    }
}

/// A verdict when a metric of a run is not finite: nothing is expected of such a run.
fn diverged<'a>(
    runs: impl IntoIterator<Item = &'a CellRun>,
    metric: Metric,
    subject: &str,
) -> Option<Verdict> {
    let (run, epoch) = runs.into_iter().find_map(|run| Some((run, run.diverged(metric)?)))?;
    let reason = format!(
        "the {metric} of `{}` seed {} is not finite in epoch {epoch}: the run diverged",
        run.cell().label(),
        run.cell().seed
    );
    Some(verdict(VerdictKind::Fail, subject, reason))
}

/// A verdict when a procedure evaluated its images in fewer epochs than a statistic is made from: it
/// is never made from the others.
fn too_few_epochs<'a>(
    procedures: impl IntoIterator<Item = &'a ProcedureRuns>,
    metric: Metric,
    statistic: Statistic,
    subject: &str,
) -> Option<Verdict> {
    let mut procedures = procedures.into_iter();
    let procedure = procedures.find(|procedure| !procedure.has_statistic(metric, statistic))?;
    let reason = format!(
        "`{}` evaluated its {} images after the last epoch alone, which gives no `{statistic}`; expect `final`",
        procedure.label(),
        metric.split()
    );
    Some(verdict(VerdictKind::Missing, subject, reason))
}

fn no_common_seed(subject: &str, metric: Metric) -> Verdict {
    verdict(VerdictKind::Missing, subject, format!("the runs share no seed with {metric}"))
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
        let split = metric.split();
        let [one, other] =
            [left, right].map(|run| run.cell().procedure.evaluates_last_epoch_only(split));
        let numbers = left.epochs_of(metric);
        let (seed, left, right) = (left.cell().seed, left.curve(metric), right.curve(metric));
        if one != other {
            let reason = format!(
                "of one, the {split} images were evaluated after every epoch, of the other after the last alone; give both the same `evaluate_test`"
            );
            return verdict(VerdictKind::Missing, subject, reason);
        }
        if left.len() != right.len() {
            let reason = format!("seed {seed} has {} and {} epochs", left.len(), right.len());
            return verdict(VerdictKind::Fail, subject, reason);
        }
        for (epoch, (a, b)) in numbers.into_iter().zip(left.iter().zip(&right)) {
            let difference = (a - b).abs();
            epochs += 1;
            if largest.is_none_or(|(so_far, ..)| difference > so_far) {
                largest = Some((difference, seed, epoch));
            }
        }
    }
    let Some((difference, seed, epoch)) = largest else {
        return no_common_seed(subject, metric);
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

/// How many more seeds would tell an estimate from a number, and how long they take.
fn what_would_settle<'a>(
    estimate: &Estimate,
    number: f64,
    seeds: &str,
    procedures: impl IntoIterator<Item = &'a ProcedureRuns>,
) -> String {
    if estimate.over_seeds.is_none() {
        return "; one seed gives no interval, so a second is needed".to_owned();
    }
    let seconds: f64 = procedures.into_iter().filter_map(ProcedureRuns::mean_seconds).sum();
    match estimate.seeds_to_settle(number) {
        Some(more) => format!(
            "; {more} more {seeds} would tell, if it stays so: {:.0} s",
            more as f64 * seconds
        ),
        None => "; no number of seeds would tell, if it stays so".to_owned(),
    }
}

/// Whether the left procedure's number is greater by at least a margin.
fn exceeds(
    subject: &str,
    number: Option<&Measurements<'_>>,
    [left, right]: [&ProcedureRuns; 2],
    metric: Metric,
    margin: f64,
) -> Verdict {
    if left.equals(right) {
        let kind = if margin < 0.0 { VerdictKind::Pass } else { VerdictKind::Fail };
        return verdict(kind, subject, "they are equal to the last bit".to_owned());
    }
    let Some(estimate) = number.and_then(|number| number.difference(right, left)) else {
        return no_common_seed(subject, metric);
    };
    let kind = match estimate.interval() {
        Some((low, _)) if low >= margin => VerdictKind::Pass,
        Some((_, high)) if high < margin => VerdictKind::Fail,
        _ => VerdictKind::Inconclusive,
    };
    let mut reason = format!("the mean difference is {}", describe(&estimate));
    if kind == VerdictKind::Inconclusive {
        reason.push_str(&what_would_settle(&estimate, margin, "seeds of both", [left, right]));
    }
    verdict(kind, subject, reason)
}

fn check_status(expected: &ExpectedStatus, measured: &Measured<'_>) -> Vec<Verdict> {
    judge_each(
        &expected.selector,
        measured,
        |label| format!("the audit of `{label}` says {}", expected.status),
        |procedure, subject| judge_status(expected.status, procedure, subject),
    )
}

fn judge_status(expected: RunStatus, procedure: &ProcedureRuns, subject: &str) -> Verdict {
    let Some(run) = procedure.runs.iter().find(|run| run.outcome.status != expected) else {
        let reason = format!("in all {} runs", procedure.runs.len());
        return verdict(VerdictKind::Pass, subject, reason);
    };
    if run.outcome.status == RunStatus::Diverged {
        let (seed, epoch) = (run.cell().seed, run.outcome.epochs + 1);
        return verdict(
            VerdictKind::Fail,
            subject,
            format!("seed {seed} diverged in epoch {epoch}"),
        );
    }
    let moved = run.outcome.thawed_tensors();
    let (seed, status, tensors) = (run.cell().seed, run.outcome.status, run.outcome.audit.len());
    let reason = format!(
        "seed {seed} is {status}: {moved} of {tensors} tensors were declared frozen and moved"
    );
    verdict(VerdictKind::Fail, subject, reason)
}

fn describe(estimate: &Estimate) -> String {
    match estimate.interval() {
        Some((low, high)) => format!(
            "{:.4} (95 % confidence over seeds {low:.4} to {high:.4}, {} seeds)",
            estimate.mean, estimate.count
        ),
        None => format!("{:.4} (one seed)", estimate.mean),
    }
}
