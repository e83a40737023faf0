//! What is said of runs that diverged, and of those beside them.

use thaw_analysis::{
    Classifier, DiagnosisError, Measurements, ResultsFolder, WantedDifference, evaluate_ladder,
    wanted_differences,
};
use thaw_spec::{Expectations, Metric, Rung, Selector, Statistic};

use crate::made::{Curve, Made};

/// So many seeds of each procedure, whose curves differ between seeds.
fn made(levels: &[&str], seeds: u64) -> Made {
    let mut made = Made::new(levels, seeds as usize, 4);
    for (place, level) in (0..).zip(levels) {
        (0..seeds).for_each(|seed| made.run(level, seed, &curve(4, place, seed)));
    }
    made
}

fn curve(epochs: usize, place: u64, seed: u64) -> Curve {
    let mut curve = Curve::steady(epochs, 700 + 20 * place + seed);
    let shift = 0.01 * seed as f64 + 0.05 * place as f64;
    curve.losses.iter_mut().for_each(|loss| *loss += shift);
    curve
}

fn ladder(levels: &[&str]) -> Vec<Rung> {
    let selector = |level: &str| Selector::exactly(&[("regime".to_owned(), level.to_owned())]);
    let rung = |level: &&str| Rung {
        label: (*level).to_owned(),
        selector: selector(level),
        gap_ends: false,
    };
    levels.iter().map(rung).collect()
}

#[test]
fn a_base_that_is_no_number_any_more_thawed_and_its_record_can_be_read() {
    let mut made = made(&["a"], 2);
    made.diverged_run("a", 1, &curve(1, 0, 1));
    let results = made.results();
    assert!(results.damaged.is_empty(), "{:?}", results.damaged);
    let procedure = &results.procedures[0];
    assert!(procedure.has_diverged() && procedure.thawed());
    assert_eq!(procedure.runs[1].outcome.audit[0].relative_drift, f64::INFINITY);
}

#[test]
fn the_log_of_a_run_that_diverged_has_the_epochs_that_it_recorded() {
    let mut made = Made::new(&["a"], 2, 4).with_tests(&["a"]);
    made.diverged_run("a", 0, &curve(2, 0, 0));
    made.diverged_run("a", 1, &curve(0, 0, 1));
    let results = made.results();
    let runs = &results.procedures[0].runs;
    assert_eq!(runs[0].curve(Metric::ValidationLoss).len(), 4, "no number from then on");
    let log = runs[0].log().expect("two epochs");
    assert_eq!((log.epochs(), log.seconds().len()), (2, 2));
    assert_eq!(log.epochs_of(Metric::ValidationLoss), [1, 2]);
    assert!(log.curve(Metric::TestLoss).is_empty(), "it never came to its test images");
    assert!(runs[1].log().is_none());
}

#[test]
fn a_log_is_compared_with_the_runs_that_did_not_diverge() {
    let curves = [(Metric::ValidationLoss, vec![1, 2, 3, 4])];
    let mut made = made(&["a", "b"], 3);
    let classifier = Classifier::learn(&made.results(), &curves).expect("candidates");
    assert_eq!(classifier.candidates.iter().map(|one| one.runs).collect::<Vec<_>>(), [3, 3]);
    // After one epoch, and after enough for a curve.
    for epochs in [1, 3] {
        made.diverged_run("b", 2, &curve(epochs, 1, 2));
        let results = made.results();
        let classifier = Classifier::learn(&results, &curves).expect("candidates");
        assert_eq!(classifier.candidates.iter().map(|one| one.runs).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(classifier.epochs(), 4);
        let log = results.procedures[1].runs[0].log().expect("a log");
        let probabilities: f64 =
            classifier.classify(&log).scores.iter().map(|score| score.probability).sum();
        assert!((probabilities - 1.0).abs() < 1e-9, "{probabilities}");
    }
    // With one run of each left nobody knows how runs spread.
    for level in ["a", "b"] {
        (1..3).for_each(|seed| made.diverged_run(level, seed, &curve(3, 0, seed)));
    }
    let nothing = Classifier::learn(&made.results(), &curves);
    assert!(matches!(nothing, Err(DiagnosisError::NoSpread)), "{nothing:?}");
}

#[test]
fn a_rung_behind_one_that_is_missing_has_no_change() {
    let made = made(&["a", "b"], 3);
    let results = made.results();
    let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let rungs = evaluate_ladder(&ladder(&["a", "left_out", "b"]), &accuracy);
    let changes: Vec<bool> = rungs.iter().map(|rung| rung.change.is_some()).collect();
    assert_eq!(changes, [false, false], "{rungs:?}");
    let rungs = evaluate_ladder(&ladder(&["left_out", "a", "b"]), &accuracy);
    assert!(rungs[1].change.is_some(), "{rungs:?}");
    let mut experiment = made.experiment().clone();
    let wanted = |ladder| -> Vec<WantedDifference> {
        experiment.ladder = ladder;
        wanted_differences(&experiment, &Expectations::default(), &results, None).expect("records")
    };
    let counts = [["a", "left_out", "b"], ["left_out", "a", "b"]].map(|levels| ladder(&levels));
    let counts: Vec<usize> = counts.into_iter().map(wanted).map(|wanted| wanted.len()).collect();
    assert_eq!(counts, [0, 1]);
}

#[test]
fn a_rung_that_diverged_is_not_called_one_that_has_not_run() {
    let mut made = Made::new(&["a", "b", "c"], 2, 4);
    for seed in 0..2 {
        made.run("a", seed, &curve(4, 0, seed));
        made.diverged_run("b", seed, &curve(1, 1, seed));
    }
    let results = made.results();
    let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let rungs = evaluate_ladder(&ladder(&["a", "b", "c"]), &accuracy);
    assert_eq!(rungs[1].why_unmeasured(), "diverged (seed 0)");
    assert_eq!(rungs[2].why_unmeasured(), "not run");
}

#[test]
fn a_diverged_run_of_another_seed_widens_no_interval() {
    let half_width = |with_another: bool| {
        let mut made = Made::new(&["a", "b"], 3, 4);
        for seed in 1..3 {
            made.run("a", seed, &curve(4, 0, seed));
            made.run("b", seed, &curve(4, 1, seed));
        }
        if with_another {
            made.diverged_run("a", 0, &curve(0, 0, 0));
        }
        let results = made.results();
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let [a, b] = [&results.procedures[0], &results.procedures[1]];
        let difference = accuracy.difference(a, b).expect("two shared seeds");
        difference.over_seeds.expect("an interval").half_width()
    };
    // That run tells nothing of the spread of its procedure, so that fewer lend theirs.
    let [with, without] = [true, false].map(half_width);
    assert!(with < 2.0 * without, "{with} and {without}");
}

#[test]
fn mean_drift_is_that_of_the_runs_that_have_the_epoch() {
    let mut made = Made::new(&["a"], 2, 3);
    let drifting = |epochs: usize, drift: f64| Curve {
        drift: vec![drift; epochs],
        ..Curve::steady(epochs, 800)
    };
    made.run("a", 0, &drifting(3, 0.5));
    made.diverged_run("a", 1, &drifting(1, 0.25));
    let folder = ResultsFolder::new(made.root().to_owned());
    let curves = folder.mean_drift(&made.results().procedures[0]).expect("drift");
    assert_eq!(curves[0].by_epoch, [0.375, 0.5, 0.5]);
}
