//! Which procedure produced a training log? The likelihoods of its curves under what the seeds of
//! each procedure did, and "none of these" where no procedure produces such curves.

mod features;
mod pace;
mod population;

use std::collections::BTreeSet;

use thaw_spec::{BaseTraining, Metric, Split, TrainingLog};

pub use self::pace::{Pace, Work, pace, typical_seconds};

use self::features::{COEFFICIENTS, features};
use self::population::{Fit, Population};
use crate::results::{CellRun, ProcedureRuns, Results};

/// The metrics that logs have.
const METRICS: [Metric; 4] =
    [Metric::TrainAccuracy, Metric::TrainLoss, Metric::ValidationAccuracy, Metric::ValidationLoss];

/// The probability from which on a procedure is the answer.
const SURE: f64 = 0.95;

/// A procedure fits when its p-value is at least this.
const SMALLEST_P_VALUE: f64 = 0.01;

/// Why nothing can be said about a log.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosisError {
    /// No procedure has run with two seeds or more.
    #[error(
        "no procedure has run with two seeds or more, so nothing is known of how its curves spread"
    )]
    NoSpread,
    /// The log has no metric that runs are compared by.
    #[error("the log has none of train and validation accuracy and loss")]
    NoMetric,
    /// The log and the runs have too few epochs in common to describe a curve.
    #[error("the log and the runs have {0} epoch(s) in common; three are needed")]
    TooShort(usize),
}

/// Procedures that no curve of the compared epochs can tell apart: their runs are the same to the
/// last bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Factor levels of each of the procedures.
    pub procedures: Vec<Vec<(String, String)>>,
    /// Number of known runs.
    pub runs: usize,
    /// How much of the base its runs train within the compared epochs.
    pub base_training: BaseTraining,
}

impl Candidate {
    /// Names all its procedures in words, since a log cannot tell which of them it was.
    pub fn label(&self) -> String {
        let mut labels =
            self.procedures.iter().map(|levels| thaw_spec::Selector::exactly(levels).to_string());
        let Some(first) = labels.next() else { return String::new() };
        let others: Vec<String> = labels.collect();
        match &others[..] {
            [] => first,
            others => format!("{first}, which gives the same curves as {}", others.join(" and ")),
        }
    }
}

/// Fit of a log to one candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Index among the [`Classifier::candidates`].
    pub candidate: usize,
    /// Natural logarithm of the density of the log's features under the candidate.
    pub log_likelihood: f64,
    /// Posterior probability of the candidate, given that the log is of one of the candidates and
    /// that they are equally likely beforehand.
    pub probability: f64,
    /// Share of the candidate's runs that would be less typical of it than the log, in [0, 1], by
    /// stretched distances.
    pub p_value: f64,
    /// Typicality of each curve alone.
    pub by_curve: Vec<(Metric, f64)>,
}

/// Conclusion from the scores of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The likeliest candidate alone has 95 % of the probability.
    Identified,
    /// This many of the likeliest candidates together have 95 % of the probability.
    Among(usize),
    /// Even the likeliest candidate produces such curves in less than one of a hundred runs.
    NoneOfThese,
}

/// Classification of one log.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// Scores of all candidates, the likeliest first.
    pub scores: Vec<Score>,
    /// Conclusion from the scores.
    pub answer: Answer,
}

impl Diagnosis {
    /// Where even the likeliest candidate is not typical enough, the others that are: a candidate may
    /// fit badly by its mean and still spread so much that such a run is nothing unusual for it.
    pub fn typical_all_the_same(&self) -> impl Iterator<Item = &Score> {
        let none = self.answer == Answer::NoneOfThese;
        self.scores.iter().skip(1).filter(move |score| none && score.p_value >= SMALLEST_P_VALUE)
    }
}

/// Classification of a run whose procedure is known and which the classifier has not learnt from.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOutResult {
    /// Index of the candidate that the run belongs to.
    pub truth: usize,
    /// Classification among all candidates.
    pub diagnosis: Diagnosis,
    /// Classification with the run's own candidate left out, for which "none of these" is right.
    pub without_truth: Diagnosis,
}

/// Distribution of the curves of each procedure, learnt from its runs.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// Candidates that curves can tell apart, in the order of the matrix.
    pub candidates: Vec<Candidate>,
    /// Compared metrics, each with the numbers of the compared epochs, counted from 1.
    pub curves: Vec<(Metric, Vec<usize>)>,
    /// Divisor of log-likelihoods, at least 1, by which probabilities of held-out runs are as often
    /// right as they say.
    pub temperature: f64,
    /// Divisor of squared distances, at least 1, by which runs of seeds that nothing was learnt from
    /// are seldom taken for those of no procedure.
    stretch: f64,
    /// Features of each candidate's runs.
    known: Vec<Vec<Vec<f64>>>,
    /// Seeds of each candidate's runs.
    seeds: Vec<Vec<u64>>,
    training_images: f64,
    validation_images: f64,
}

impl Classifier {
    /// Learns from all runs of the results that did not diverge: the given metrics, each at the epochs of
    /// the given numbers that every run has. A metric with fewer than three of them is not compared.
    ///
    /// # Errors
    /// When there is too little to compare.
    pub fn learn(
        results: &Results,
        curves: &[(Metric, Vec<usize>)],
    ) -> Result<Self, DiagnosisError> {
        let results = &results.without_diverged();
        let repeated = results.procedures.iter().filter(|procedure| procedure.runs.len() > 1);
        let shortest = repeated
            .flat_map(|procedure| &procedure.runs)
            .map(|run| run.outcome.epochs)
            .min()
            .unwrap_or(0);
        let in_common = |(metric, numbers): &(Metric, Vec<usize>)| {
            let numbers = numbers.iter().copied().filter(|number| *number <= shortest).collect();
            METRICS.contains(metric).then_some((*metric, numbers))
        };
        let mut curves: Vec<(Metric, Vec<usize>)> = curves.iter().filter_map(in_common).collect();
        curves.sort_by_key(|(metric, _)| METRICS.iter().position(|other| other == metric));
        let most = curves.iter().map(|(_, numbers)| numbers.len()).max();
        curves.retain(|(_, numbers)| numbers.len() >= COEFFICIENTS);
        let epochs = last_epoch(&curves).unwrap_or(shortest);
        let groups = groups(results, epochs);
        let Some(first) = groups
            .first()
            .and_then(|group| group.first())
            .and_then(|procedure| procedure.runs.first())
        else {
            return Err(DiagnosisError::NoSpread);
        };
        if curves.is_empty() {
            return Err(most.map_or(DiagnosisError::NoMetric, DiagnosisError::TooShort));
        }
        let mut classifier = Self {
            candidates: Vec::new(),
            curves,
            temperature: 1.0,
            stretch: 1.0,
            known: Vec::new(),
            seeds: Vec::new(),
            training_images: first.images(Split::Train) as f64,
            validation_images: first.images(Split::Validation) as f64,
        };
        for group in &groups {
            let runs = most_runs(group);
            let logs = runs.iter().filter_map(|run| Some((run.cell().seed, run.log()?)));
            let (seeds, features) =
                logs.map(|(seed, log)| (seed, classifier.features(&log))).unzip();
            classifier.known.push(features);
            classifier.seeds.push(seeds);
            classifier.candidates.push(Candidate {
                procedures: group.iter().map(|procedure| procedure.levels.clone()).collect(),
                runs: runs.len(),
                base_training: runs
                    .iter()
                    .map(|run| run.outcome.base_training_within(epochs))
                    .max()
                    .unwrap_or(BaseTraining::Frozen),
            });
        }
        classifier.temperature = classifier.calibrated();
        classifier.stretch = classifier.stretched();
        Ok(classifier)
    }

    /// Number of the last compared epoch.
    pub fn epochs(&self) -> usize {
        last_epoch(&self.curves).unwrap_or(0)
    }

    /// Classifies a log that has the classifier's metrics at its epochs.
    pub fn classify(&self, log: &TrainingLog) -> Diagnosis {
        let all: Vec<usize> = (0..self.candidates.len()).collect();
        self.diagnose(&self.features(log), &self.all_runs(), &all)
    }

    /// Classifies each known run by what is known of the others; only runs of candidates with three
    /// runs or more can be left out.
    pub fn leave_one_out(&self) -> Vec<HeldOutResult> {
        self.removable_runs()
            .map(|(truth, place)| {
                let others = self.all_runs_but(truth, place);
                self.held_out_result(truth, &self.known[truth][place], &others)
            })
            .collect()
    }

    /// Classifies runs of the same experiment that did not diverge and that the classifier has not learnt
    /// from, such as those of other seeds. Of procedures that one candidate stands for, since their curves are
    /// equal, each seed counts once.
    pub fn classify_runs(&self, unseen: &Results) -> Vec<HeldOutResult> {
        let mut results = Vec::new();
        let mut seen = BTreeSet::new();
        for procedure in &unseen.without_diverged().procedures {
            let Some(truth) = self
                .candidates
                .iter()
                .position(|candidate| candidate.procedures.contains(&procedure.levels))
            else {
                continue;
            };
            let logs = procedure
                .runs
                .iter()
                .filter(|run| seen.insert((truth, run.cell().seed)))
                .filter_map(CellRun::log)
                .filter(|log| log.epochs() >= self.epochs());
            results.extend(
                logs.map(|log| self.held_out_result(truth, &self.features(&log), &self.all_runs())),
            );
        }
        results
    }

    fn held_out_result(&self, truth: usize, run: &[f64], known: &[Vec<&[f64]>]) -> HeldOutResult {
        let others: Vec<usize> = (0..known.len()).filter(|place| *place != truth).collect();
        let all: Vec<usize> = (0..known.len()).collect();
        HeldOutResult {
            truth,
            diagnosis: self.diagnose(run, known, &all),
            without_truth: self.diagnose(run, known, &others),
        }
    }

    /// Classifies the features of a run among the candidates at some places, by known runs of all
    /// candidates.
    fn diagnose(&self, run: &[f64], known: &[Vec<&[f64]>], places: &[usize]) -> Diagnosis {
        let chosen: Vec<Vec<&[f64]>> = places.iter().map(|place| known[*place].clone()).collect();
        let fits = Population::learn(&chosen).fits(run);
        let probabilities = probabilities(&fits, self.temperature);
        let mut scores: Vec<Score> = places
            .iter()
            .zip(fits.into_iter().zip(probabilities))
            .map(|(candidate, (fit, probability))| Score {
                candidate: *candidate,
                log_likelihood: fit.log_likelihood,
                probability,
                p_value: fit.p_value(self.stretch),
                by_curve: self
                    .curves
                    .iter()
                    .map(|(metric, _)| *metric)
                    .zip(fit.p_values_by_curve(self.stretch))
                    .collect(),
            })
            .collect();
        scores.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood));
        let answer = answer(&scores);
        Diagnosis { scores, answer }
    }

    fn features(&self, log: &TrainingLog) -> Vec<f64> {
        features(log, &self.curves, |metric| self.images(metric))
    }

    /// Number of images that a metric is measured on.
    fn images(&self, metric: Metric) -> f64 {
        if metric.split() == Split::Train { self.training_images } else { self.validation_images }
    }

    /// Features of all known runs, by candidate.
    fn all_runs(&self) -> Vec<Vec<&[f64]>> {
        self.known.iter().map(|runs| runs.iter().map(Vec::as_slice).collect()).collect()
    }

    fn all_runs_but(&self, candidate: usize, run: usize) -> Vec<Vec<&[f64]>> {
        let mut all = self.all_runs();
        all[candidate].remove(run);
        all
    }

    /// Runs that can be left out: candidate and place.
    fn removable_runs(&self) -> impl Iterator<Item = (usize, usize)> {
        let rich = self.known.iter().enumerate().filter(|(_, runs)| runs.len() > 2);
        rich.flat_map(|(candidate, runs)| (0..runs.len()).map(move |run| (candidate, run)))
    }

    /// The least factor from 1 to 20 under which no more than one in twenty of all runs, each examined
    /// by what is known of the other seeds, is said not to be of its own procedure; one in a hundred
    /// should be. Procedures share what a seed draws: the head's initial weights, the order of
    /// the images. So where little else differs between runs, those of one seed lie on the same side,
    /// and three seeds of many procedures know no more of the spread than three seeds of one.
    fn stretched(&self) -> f64 {
        let seeds: BTreeSet<u64> = self.seeds.iter().flatten().copied().collect();
        let mut fits = Vec::new();
        for left_out in seeds {
            let others: Vec<Vec<&[f64]>> = self
                .known
                .iter()
                .zip(&self.seeds)
                .map(|(runs, seeds)| {
                    let kept = runs.iter().zip(seeds).filter(|(_, seed)| **seed != left_out);
                    kept.map(|(run, _)| run.as_slice()).collect()
                })
                .collect();
            let rich: Vec<usize> =
                (0..others.len()).filter(|place| others[*place].len() > 1).collect();
            if rich.is_empty() {
                continue;
            }
            let chosen: Vec<Vec<&[f64]>> =
                rich.iter().map(|place| others[*place].clone()).collect();
            let population = Population::learn(&chosen);
            for (member, place) in rich.into_iter().enumerate() {
                let runs = self.known[place].iter().zip(&self.seeds[place]);
                let of_seed = runs.filter(|(_, seed)| **seed == left_out);
                fits.extend(of_seed.map(|(run, _)| population.fit_at(member, run)));
            }
        }
        let rejected = |stretch: f64| {
            fits.iter().filter(|fit| fit.p_value(stretch) < SMALLEST_P_VALUE).count()
        };
        let mut factors = (0..=60).map(|step| 20f64.powf(f64::from(step) / 60.0));
        factors.find(|factor| rejected(*factor) * 20 <= fits.len()).unwrap_or(20.0)
    }

    /// The temperature from 1 to 20 under which the runs' own procedures are likeliest, each run
    /// examined by what is known of the others (temperature scaling, Guo et al. 2017). Without it,
    /// features that are not quite normal make probabilities too sure.
    fn calibrated(&self) -> f64 {
        let fits: Vec<(usize, Vec<Fit>)> = self
            .removable_runs()
            .map(|(truth, run)| {
                let others = Population::learn(&self.all_runs_but(truth, run));
                (truth, others.fits(&self.known[truth][run]))
            })
            .collect();
        let temperatures = (0..=60).map(|step| 20f64.powf(f64::from(step) / 60.0));
        temperatures
            .map(|temperature| (temperature, negative_log_likelihood(&fits, temperature)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(1.0, |best| best.0)
    }
}

/// Number of the last epoch of several curves.
fn last_epoch(curves: &[(Metric, Vec<usize>)]) -> Option<usize> {
    curves.iter().filter_map(|(_, numbers)| numbers.last()).max().copied()
}

/// The conclusion from the scores of all candidates, the likeliest first.
fn answer(scores: &[Score]) -> Answer {
    if scores.first().is_none_or(|first| first.p_value < SMALLEST_P_VALUE) {
        return Answer::NoneOfThese;
    }
    let mut together = 0.0;
    let enough = scores.iter().position(|score| {
        together += score.probability;
        together >= SURE
    });
    match enough {
        Some(0) => Answer::Identified,
        Some(place) => Answer::Among(place + 1),
        None => Answer::Among(scores.len()),
    }
}

/// The negative log-likelihood of the true candidates at a temperature.
fn negative_log_likelihood(fits: &[(usize, Vec<Fit>)], temperature: f64) -> f64 {
    fits.iter()
        .map(|(truth, fits)| -probabilities(fits, temperature)[*truth].max(f64::MIN_POSITIVE).ln())
        .sum()
}

/// Probabilities of equally likely candidates.
fn probabilities(fits: &[Fit], temperature: f64) -> Vec<f64> {
    let highest = fits.iter().map(|fit| fit.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> =
        fits.iter().map(|fit| ((fit.log_likelihood - highest) / temperature).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Procedures with two runs or more, those together whose runs are the same in the first epochs for
/// every seed they share.
fn groups(results: &Results, epochs: usize) -> Vec<Vec<&ProcedureRuns>> {
    let mut groups: Vec<Vec<&ProcedureRuns>> = Vec::new();
    for procedure in results.procedures.iter().filter(|procedure| procedure.runs.len() > 1) {
        match groups.iter_mut().find(|group| have_equal_runs(group[0], procedure, epochs)) {
            Some(group) => group.push(procedure),
            None => groups.push(vec![procedure]),
        }
    }
    groups
}

/// Whether the runs of equal seeds, of which there is at least one, have equal curves in the first
/// epochs.
fn have_equal_runs(one: &ProcedureRuns, other: &ProcedureRuns, epochs: usize) -> bool {
    let pairs = one.paired_with(other);
    !pairs.is_empty()
        && pairs.iter().all(|(run, twin)| {
            METRICS
                .into_iter()
                .all(|metric| beginning(run, metric, epochs) == beginning(twin, metric, epochs))
        })
}

/// A run's curve in the first epochs.
fn beginning(run: &CellRun, metric: Metric, epochs: usize) -> Vec<f64> {
    run.curve(metric).into_iter().take(epochs).collect()
}

/// The most runs that one of a group's procedures has.
fn most_runs<'a>(group: &[&'a ProcedureRuns]) -> &'a [CellRun] {
    group
        .iter()
        .map(|procedure| procedure.runs.as_slice())
        .max_by_key(|runs| runs.len())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_likeliest_does_not_fit_others_that_do_are_named() {
        let score = |candidate, probability, p_value| Score {
            candidate,
            log_likelihood: 0.0,
            probability,
            p_value,
            by_curve: Vec::new(),
        };
        let scores = vec![score(0, 0.9, 0.005), score(1, 0.08, 0.2), score(2, 0.02, 0.001)];
        let diagnosis = Diagnosis { answer: answer(&scores), scores };
        assert_eq!(diagnosis.answer, Answer::NoneOfThese);
        let others: Vec<usize> =
            diagnosis.typical_all_the_same().map(|score| score.candidate).collect();
        assert_eq!(others, [1]);
        // Where there is an answer, the probabilities say the rest.
        let scores = vec![score(0, 0.9, 0.5), score(1, 0.1, 0.2)];
        let diagnosis = Diagnosis { answer: answer(&scores), scores };
        assert_eq!(diagnosis.typical_all_the_same().count(), 0);
    }
}
