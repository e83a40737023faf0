//! `thaw diagnose`: which procedure produced a training log.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thaw_analysis::{
    Answer, Candidate, Classifier, Diagnosis, HeldOutResult, Results, Score, Work, pace,
    typical_seconds,
};
use thaw_exchange::{ReadLogs, number_ranges, read_logs};
use thaw_report::{Entry, Table};
use thaw_spec::{BaseTraining, Metric, TrainingLog};

use crate::arguments::{positive, seed};
use crate::drawing::{read, say_damage};
use crate::error::{CANNOT_TELL, CliError, SUCCESS};
use crate::selection::{CellSelection, ResultsArgument};
use crate::terminal::{say, say_lines};

#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// Training logs: JSON, tables, notebooks, TensorBoard's files or folders, or what was printed; each
    /// may hold several trainings
    #[arg(required_unless_present = "held_out", value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The experiment whose procedures are compared with [default: the miniature, which is part of
    /// the program]
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    #[command(flatten)]
    results: ResultsArgument,
    /// Only this training of each log
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Duration of one forward pass of the base over the training images on the log's machine (time
    /// conv_base.predict)
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    forward_seconds: Option<f64>,
    /// Examine runs whose procedure is known: those of these seeds by what the other seeds say, or
    /// else each run by what all others say
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', value_parser = seed, num_args = 0.., conflicts_with = "logs")]
    held_out: Option<Vec<u64>>,
    /// Compare only so many epochs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..))]
    epochs: Option<u32>,
}

/// Candidates that a person is shown, if they are not more likely than this.
const SHOWN: usize = 4;
const LIKELY: f64 = 0.001;

pub(crate) fn run(options: &Diagnose) -> Result<ExitCode, CliError> {
    let selection = CellSelection {
        results: options.results.clone(),
        ..CellSelection::plain(options.experiment.clone())
    };
    let experiment = selection.load()?;
    let folder = selection.read_folder(&experiment)?;
    let mut results = read(&selection, &experiment, &folder)?;
    say_damage(&results);
    // What is examined is not learnt from.
    let held_out = options.held_out.as_deref().unwrap_or_default();
    for procedure in &mut results.procedures {
        procedure.runs.retain(|run| !held_out.contains(&run.cell().seed));
    }
    let most_epochs = options.epochs.map_or(usize::MAX, |epochs| epochs as usize);
    let learn = |subject: PathBuf, curves: Vec<(Metric, Vec<usize>)>| {
        Classifier::learn(&results, &curves)
            .map_err(|source| CliError::Diagnosis { subject, source })
    };
    if let Some(seeds) = &options.held_out {
        let runs = results.procedures.iter().flat_map(|procedure| &procedure.runs);
        let longest = runs.map(|run| run.outcome.epochs).max().unwrap_or(0).min(most_epochs);
        let all = Metric::ALL.map(|metric| (metric, (1..=longest).collect()));
        let classifier = learn(folder.root().to_owned(), all.into())?;
        let trials = if seeds.is_empty() {
            classifier.leave_one_out()
        } else {
            let others = CellSelection { seeds: Some(seeds.clone()), ..selection.clone() };
            classifier.classify_runs(&Results::read(&folder, &others.load()?)?)
        };
        if trials.is_empty() {
            let message = format!(
                "{}: no run can be held out; run other seeds, or three seeds of each procedure",
                folder.root().display()
            );
            return Err(CliError::Usage { message });
        }
        confusion(&classifier, &trials).iter().for_each(|line| say(line));
        return Ok(ExitCode::from(SUCCESS));
    }
    let images = results
        .procedures
        .iter()
        .flat_map(|procedure| &procedure.runs)
        .map(|run| run.manifest.images)
        .next()
        .unwrap_or([1; 3]);
    let validation_share = images[1] as f64 / images[0].max(1) as f64;
    let mut certain = true;
    let mut paces: Vec<(String, f64)> = Vec::new();
    for path in &options.logs {
        let logs = chosen(options, path)?;
        for (name, reason) in &logs.unreadable {
            certain = false;
            say(&format!("{}, run `{name}`: not read, since {reason}", path.display()));
            say("");
        }
        let several = logs.trainings.len() > 1;
        for training in logs.trainings {
            let title = if training.name.is_empty() {
                path.display().to_string()
            } else {
                format!("{}, run `{}`", path.display(), training.name)
            };
            say(&format!("{title}: {}", training.summary()));
            training.remarks.iter().for_each(|remark| say(&format!("  {remark}")));
            let log = training.log;
            let up_to = |epochs: &[usize]| {
                epochs.iter().copied().filter(|epoch| *epoch <= most_epochs).collect()
            };
            let curves =
                log.metrics().map(|metric| (metric, up_to(log.epochs_of(metric)))).collect();
            let classifier = match learn(path.clone(), curves) {
                Ok(classifier) => classifier,
                Err(error) if several => {
                    certain = false;
                    say(&format!("not compared: {error}"));
                    say("");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let diagnosis = classifier.classify(&log);
            certain &= diagnosis.answer == Answer::Identified;
            say(&format!("compared: {}", compared(&classifier.curves)));
            let runs: usize = classifier.candidates.iter().map(|candidate| candidate.runs).sum();
            let count = classifier.candidates.len();
            say(&format!(
                "beside {count} procedures of `{}` that curves can tell apart, {runs} runs",
                experiment.name
            ));
            say_lines(not_compared(&results));
            say("");
            say_lines(table(&classifier, &diagnosis));
            say("");
            say_lines(answer(&classifier, &diagnosis));
            say_lines(timing(
                &classifier,
                &diagnosis,
                &log,
                options.forward_seconds,
                validation_share,
            ));
            say("");
            paces.extend(typical_seconds(log.seconds()).map(|seconds| (title, seconds)));
        }
    }
    ratio(&mut paces, validation_share).iter().for_each(|line| say(line));
    Ok(ExitCode::from(if certain { SUCCESS } else { CANNOT_TELL }))
}

/// The procedures that a log is not compared with: of one run nobody knows how such runs spread, and one
/// that diverged has no whole curve.
fn not_compared(all: &Results) -> Vec<String> {
    let results = all.without_diverged();
    let with = |count: usize| {
        results.procedures.iter().filter(move |procedure| procedure.runs.len() == count)
    };
    let runs = |results: &Results| -> usize {
        results.procedures.iter().map(|procedure| procedure.runs.len()).sum()
    };
    let mut lines = Vec::new();
    let diverged = runs(all) - runs(&results);
    if diverged > 0 {
        lines.push(format!("not compared: {diverged} run(s) that diverged"));
    }
    let absent = with(0).count();
    if absent > 0 {
        lines.push(format!(
            "not compared: {absent} procedure(s) of the experiment that have no whole run"
        ));
    }
    if with(1).next().is_some() {
        lines.push(
            "not compared, since one run does not tell how such runs spread (run another seed):"
                .to_owned(),
        );
        lines.extend(with(1).map(|procedure| format!("  {}", procedure.label())));
    }
    lines
}

/// The trainings of a log that were asked for.
fn chosen(options: &Diagnose, path: &Path) -> Result<ReadLogs, CliError> {
    let logs = read_logs(path)?;
    Ok(match &options.run {
        Some(run) => ReadLogs { trainings: vec![logs.take(path, run)?], ..ReadLogs::default() },
        None => logs,
    })
}

/// The compared metrics, those of the same epochs together.
fn compared(curves: &[(Metric, Vec<usize>)]) -> String {
    let mut groups: Vec<(Vec<String>, &Vec<usize>)> = Vec::new();
    for (metric, epochs) in curves {
        match groups.iter_mut().find(|(_, known)| *known == epochs) {
            Some((metrics, _)) => metrics.push(metric.to_string()),
            None => groups.push((vec![metric.to_string()], epochs)),
        }
    }
    let words = groups.iter().map(|(metrics, epochs)| {
        format!("{} at the epochs {}", metrics.join(", "), number_ranges(epochs))
    });
    words.collect::<Vec<_>>().join("; ")
}

fn table(classifier: &Classifier, diagnosis: &Diagnosis) -> Vec<String> {
    let shown = diagnosis
        .scores
        .iter()
        .enumerate()
        .filter(|(place, score)| *place < SHOWN || score.probability >= LIKELY);
    let row = |(_, Score { candidate, probability, p_value, .. }): (usize, &Score)| {
        let candidate = &classifier.candidates[*candidate];
        let probability = match diagnosis.answer {
            Answer::NoneOfThese => Entry::missing("–"),
            _ => Entry::Number(format!("{:.1} %", probability * 100.0), *probability),
        };
        vec![
            probability,
            Entry::Number(p_value_in_words(*p_value), *p_value),
            Entry::text(candidate.label()),
        ]
    };
    let headings = ["probability", "p-value", "procedure"];
    let mut lines = Table::new("Procedures", &headings, shown.map(row)).lines();
    lines.push(String::new());
    lines.push(
        "probability: if it is one of these, all equally likely beforehand · p-value: the share of the procedure's runs that would lie as far from its mean"
            .to_owned(),
    );
    lines
}

fn p_value_in_words(p_value: f64) -> String {
    if p_value >= 0.001 { format!("{p_value:.3}") } else { format!("{p_value:.0e}") }
}

/// The answer, in lines.
fn answer(classifier: &Classifier, diagnosis: &Diagnosis) -> Vec<String> {
    let label = |score: &Score| classifier.candidates[score.candidate].label();
    let Some(first) = diagnosis.scores.first() else {
        return vec!["answer: there is nothing to compare with".to_owned()];
    };
    match diagnosis.answer {
        Answer::Identified => vec![format!("answer: {}", label(first))],
        Answer::Among(count) => {
            let among = diagnosis.scores[..count].iter().map(|score| format!("  {}", label(score)));
            std::iter::once("answer: undecided, one of".to_owned()).chain(among).collect()
        }
        Answer::NoneOfThese => {
            let mut worst = first.by_curve.clone();
            worst.sort_by(|a, b| a.1.total_cmp(&b.1));
            let misfits: Vec<String> = worst
                .iter()
                .take_while(|(_, p_value)| *p_value < 0.05)
                .map(|(metric, p_value)| format!("{metric} ({})", p_value_in_words(*p_value)))
                .collect();
            let what = if misfits.is_empty() {
                "no curve alone is odd, but all together".to_owned()
            } else {
                misfits.join(", ")
            };
            let typical: Vec<String> = diagnosis
                .typical_all_the_same()
                .map(|score| format!("{} ({})", label(score), p_value_in_words(score.p_value)))
                .collect();
            let mut lines = vec![format!(
                "answer: none of these. Even the likeliest, {}, has a p-value of {}.",
                label(first),
                p_value_in_words(first.p_value)
            )];
            if !typical.is_empty() {
                lines.push(format!(
                    "Less likely, but not unusual for such a run (p-value): {}.",
                    typical.join("; ")
                ));
            }
            lines.push(format!("What does not fit it (p-value): {what}."));
            lines.push("Another base, other images, or a procedure that is no cell of this experiment: add it to the matrix, and run it.".to_owned());
            lines
        }
    }
}

/// What the log's durations say, or how they could.
fn timing(
    classifier: &Classifier,
    diagnosis: &Diagnosis,
    log: &TrainingLog,
    forward_seconds: Option<f64>,
    validation_share: f64,
) -> Option<String> {
    // Of other epochs the procedure is not known.
    let compared = log.seconds().len().min(classifier.epochs());
    let seconds = typical_seconds(&log.seconds()[..compared])?;
    let Some(forward) = forward_seconds else {
        return Some(format!(
            "time: {seconds:.1} s per epoch; --forward-seconds lets it tell whether the base was trained"
        ));
    };
    let found = pace(seconds, forward, validation_share);
    let measure = format!(
        "time: an epoch takes {:.1} forward passes over the training images; a frozen base would take {:.1}, one that is trained {:.1}",
        found.forward_passes, found.frozen, found.trained
    );
    let likeliest = diagnosis.scores.first().filter(|_| diagnosis.answer != Answer::NoneOfThese);
    let training = likeliest.map(|score| classifier.candidates[score.candidate].base_training);
    let verdict = match (found.work, training) {
        (Work::ForwardAndBackward, Some(BaseTraining::Frozen)) => {
            ": IMPLAUSIBLE for a frozen base, it takes as long as training everything"
        }
        (Work::Nothing | Work::Forward, Some(BaseTraining::Whole)) => {
            ": IMPLAUSIBLE for a base that is trained, there is no time for its backward pass"
        }
        (Work::Nothing | Work::Forward, Some(BaseTraining::Partial)) => {
            ": plausible for a base of which a part is trained, or which is trained in some of the epochs"
        }
        (Work::ForwardAndBackward, _) => ": the base was trained",
        (Work::Forward, _) => ": the base was run and not trained",
        (Work::Nothing, _) => ": the base was not run, so its features were cached",
    };
    Some(format!("{measure}{verdict}"))
}

/// How the slowest log compares with the quickest.
fn ratio(paces: &mut [(String, f64)], validation_share: f64) -> Option<String> {
    paces.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (quick, slow) = (paces.first()?, paces.last().filter(|_| paces.len() > 1)?);
    Some(format!(
        "time: an epoch of {} takes {:.1} times as long as one of {}; on the same machine and images, training the whole base takes {:.1} times as long as running it frozen",
        slow.0,
        slow.1 / quick.1,
        quick.0,
        (3.0 + validation_share) / (1.0 + validation_share)
    ))
}

/// How runs of known procedures were diagnosed: in numbers, and which was taken for which.
fn confusion(classifier: &Classifier, trials: &[HeldOutResult]) -> Vec<String> {
    let first = |diagnosis: &Diagnosis| diagnosis.scores.first().map(|score| score.candidate);
    let count = |wanted: &dyn Fn(&HeldOutResult) -> bool| {
        trials.iter().filter(|trial| wanted(trial)).count()
    };
    let right = |trial: &HeldOutResult| first(&trial.diagnosis) == Some(trial.truth);
    let is = |trial: &HeldOutResult, answer: Answer| trial.diagnosis.answer == answer;
    let unsure = |trial: &HeldOutResult| matches!(trial.diagnosis.answer, Answer::Among(_));
    let among = |trial: &HeldOutResult| match trial.diagnosis.answer {
        Answer::Among(count) => {
            trial.diagnosis.scores[..count].iter().any(|score| score.candidate == trial.truth)
        }
        _ => false,
    };
    let all = trials.len();
    let likeliest = count(&|trial| right(trial) && !is(trial, Answer::NoneOfThese));
    let mut lines = vec![
        format!(
            "{all} runs of {} procedures, {} epochs each (temperature {:.2})",
            classifier.candidates.len(),
            classifier.epochs(),
            classifier.temperature
        ),
        format!(
            "  the likeliest procedure is the right one: {likeliest} ({:.0} %)",
            100.0 * likeliest as f64 / all as f64
        ),
        format!(
            "  sure and right: {}",
            count(&|trial| is(trial, Answer::Identified) && right(trial))
        ),
        format!(
            "  sure and wrong: {}",
            count(&|trial| is(trial, Answer::Identified) && !right(trial))
        ),
        format!("  unsure, the right one among those named: {}", count(&among)),
        format!(
            "  unsure, the right one not among them: {}",
            count(&|trial| unsure(trial) && !among(trial))
        ),
        format!("  none of these: {}", count(&|trial| is(trial, Answer::NoneOfThese))),
        "the same runs, with their own procedure taken from the candidates:".to_owned(),
        format!(
            "  none of these: {}",
            count(&|trial| trial.without_truth.answer == Answer::NoneOfThese)
        ),
        format!(
            "  unsure: {}",
            count(&|trial| matches!(trial.without_truth.answer, Answer::Among(_)))
        ),
        format!(
            "  sure of a procedure that is not theirs: {}",
            count(&|trial| trial.without_truth.answer == Answer::Identified)
        ),
        String::new(),
    ];
    let numbers: Vec<String> =
        (1..=classifier.candidates.len()).map(|number| number.to_string()).collect();
    let headings: Vec<&str> = ["taken for"]
        .into_iter()
        .chain(numbers.iter().map(String::as_str))
        .chain(["none"])
        .collect();
    let row = |(truth, candidate): (usize, &Candidate)| {
        let taken = |place: Option<usize>| {
            let found = |trial: &HeldOutResult| {
                if is(trial, Answer::NoneOfThese) { None } else { first(&trial.diagnosis) }
            };
            match count(&|trial| trial.truth == truth && found(trial) == place) {
                0 => Entry::Number(String::new(), 0.0),
                number => Entry::whole(number),
            }
        };
        let places = (0..numbers.len()).map(Some).chain([None]);
        [Entry::text(format!("{} {}", truth + 1, candidate.label()))]
            .into_iter()
            .chain(places.map(taken))
            .collect()
    };
    let rows = classifier.candidates.iter().enumerate().map(row);
    lines.extend(Table::new("Taken for", &headings, rows).lines());
    lines
}
