//! The whole pipeline with a scripted executor: plan → records → report → check with exact numbers,
//! in milliseconds.

use std::collections::BTreeSet;

use tempfile::TempDir;
use thaw_analysis::{
    AttributionError, CellState, Measurements, Results, ResultsFolder, attribute, check,
    derive_bands, evaluate_ladder, variant_series,
};
use thaw_run::scripted::{ScriptedExecutor, cost_facts};
use thaw_run::{CellFailure, Limits, RunError, Silent, execute, refuse_what_cannot_fit};
use thaw_spec::{
    Cell, ContentHash, Expectations, Experiment, Inputs, Metric, PerSeed, Plan, Prediction,
    RunStatus, Selector, Split, Statistic, VerdictKind,
};
use thaw_train::TrainError;

const EXPERIMENT: &str = r#"
name = "scripted"
seeds = [0, 1, 2]
[dataset]
source = "folder"
[base]
architecture = "vgg16"
[procedure]
epochs = 4
[matrix.regime]
cached = { cache = "features" }
end_to_end = {}
thawed = { optimizer_collects = "everything" }
"#;

const EXPECTED: &str = r#"
[[band]]
where = { regime = "cached" }
metric = "validation_accuracy"
statistic = "final"
lower = 0.90
upper = 0.92

[[relation]]
kind = "equal_curve"
left = { regime = "cached" }
right = { regime = "end_to_end" }
metric = "validation_accuracy"

[[relation]]
kind = "greater_by_at_least"
left = { regime = "thawed" }
right = { regime = "cached" }
metric = "validation_accuracy"
statistic = "final"
margin = 0.03

[[audit]]
where = { regime = ["cached", "end_to_end"] }
status = "completed"

[[audit]]
where = { regime = "thawed" }
status = "thawed"
"#;

/// Validation accuracy in per mille of a regime by seed: 91 % ± 0.5 cached, 96 % ± 0.5 thawed.
fn script(cell: &Cell) -> u64 {
    let wobble = [905, 910, 915][cell.seed as usize];
    if cell.procedure.frozen_blocks() == 0 { wobble + 50 } else { wobble }
}

/// What every scripted model says: it takes two dogs for cats.
fn said() -> Vec<Prediction> {
    let prediction = |image: u32| Prediction {
        split: Split::Validation,
        image,
        label: u32::from(image > 1),
        predicted: 0,
        loss: 0.25 * image as f32,
    };
    (0..4).map(prediction).collect()
}

/// An executor that follows the script; the frozen cells end to end answer `fault` more right.
fn scripted(fault: u64) -> ScriptedExecutor {
    ScriptedExecutor::new(move |cell, epoch| {
        let fault = if cell.levels[0].1 == "end_to_end" { fault } else { 0 };
        Ok(script(cell) - 10 * (cell.procedure.epochs - epoch) as u64 + fault)
    })
    .with_predictions(said())
}

/// One whose cell of a regime and seed fails in its third epoch.
fn broken(regime: &'static str, seed: u64, how: fn(usize) -> RunError) -> ScriptedExecutor {
    ScriptedExecutor::new(move |cell, epoch| {
        if cell.levels[0].1 == regime && cell.seed == seed && epoch == 3 {
            return Err(how(epoch));
        }
        Ok(script(cell) - 10 * (cell.procedure.epochs - epoch) as u64)
    })
    .with_predictions(said())
}

struct Stage {
    root: TempDir,
    experiment: Experiment,
    cells: Vec<Cell>,
}

impl Stage {
    fn new() -> Self {
        Self::of(EXPERIMENT)
    }

    fn of(text: &str) -> Self {
        let experiment = Experiment::parse("scripted.toml", text).expect("an experiment");
        let hash = ContentHash::of_bytes(b"scripted");
        let inputs = Inputs {
            dataset: hash.clone(),
            weights: hash,
            classes: vec!["cats".into(), "dogs".into()],
        };
        Self {
            root: TempDir::new().expect("a folder"),
            cells: experiment.cells(&inputs),
            experiment,
        }
    }

    fn folder(&self) -> ResultsFolder {
        let folder = ResultsFolder::new(self.root.path().join("scripted"));
        folder.prepare().expect("writable");
        folder
    }

    fn sweep(&self, executor: &ScriptedExecutor) -> Vec<CellFailure> {
        let folder = self.folder();
        let finished: BTreeSet<_> = self
            .cells
            .iter()
            .filter(|cell| folder.state(cell).expect("readable") == CellState::Complete)
            .map(Cell::id)
            .collect();
        let facts = cost_facts();
        let limits = Limits { threads: 2, jobs: None, memory_bytes: Some(16 << 30), repeat: false };
        execute(
            &Plan::new(&self.cells, &finished, &facts, |_| false),
            &facts,
            executor,
            &folder,
            &limits,
            &Silent,
        )
        .expect("threads")
    }

    /// Runs every cell that has not run.
    fn sweep_all(&self) {
        assert!(self.sweep(&scripted(0)).is_empty());
    }

    fn verdicts(&self) -> Vec<VerdictKind> {
        let expectations =
            Expectations::parse("scripted.expected.toml", EXPECTED).expect("expectations");
        let results = Results::read(&self.folder(), &self.experiment).expect("results");
        check(&expectations, &results).into_iter().map(|verdict| verdict.kind).collect()
    }
}

use VerdictKind::{Fail, Inconclusive, Missing, Pass};

#[test]
fn records_go_through_parquet_to_exact_estimates_and_verdicts() {
    let stage = Stage::new();
    stage.sweep_all();
    let results = Results::read(&stage.folder(), &stage.experiment).expect("results");
    assert_eq!(results.procedures.len(), 3);
    let cached = &results.procedures[0];
    let sample = cached.sample(Metric::ValidationAccuracy, Statistic::Final).expect("a sample");
    assert_eq!(sample.values(), [0.905, 0.910, 0.915]);
    assert_eq!(
        cached.sample(Metric::ValidationAccuracy, Statistic::Last(2)).expect("a sample").values(),
        [0.900, 0.905, 0.910]
    );
    assert_eq!(
        cached.sample(Metric::TestAccuracy, Statistic::Final),
        None,
        "there is no test split"
    );
    assert_eq!(results.procedures[2].runs[0].outcome.status, RunStatus::Thawed);
    let [lowest, highest] =
        results.extremes(Metric::ValidationAccuracy, Statistic::Final).expect("two accuracies");
    assert_eq!(
        (lowest.label(), highest.label()),
        ("regime=cached".to_owned(), "regime=thawed".to_owned())
    );
    assert!(results.extremes(Metric::TestAccuracy, Statistic::Final).is_none());
    assert!(
        results.extremes(Metric::ValidationLoss, Statistic::Final).is_none(),
        "every loss is the same"
    );
    assert_eq!(stage.verdicts(), [Pass, Pass, Pass, Pass, Pass, Pass]);
    // Nothing is left to do.
    let again = scripted(0);
    stage.sweep(&again);
    assert!(again.made().is_empty() && again.trained().is_empty());
}

#[test]
fn a_cell_that_fails_stops_no_other_and_is_missing_in_the_verdicts() {
    let stage = Stage::new();
    let fails = |epoch| RunError::OtherInputs { subject: format!("epoch {epoch}") };
    let failures = stage.sweep(&broken("cached", 1, fails));
    let [CellFailure { cell, error }] = &failures[..] else { panic!("one cell fails") };
    assert_eq!((cell.label().as_str(), cell.seed), ("regime=cached", 1));
    assert!(error.to_string().contains("epoch 3"), "{error}");
    assert_eq!(stage.verdicts(), [Missing, Missing, Missing, Missing, Pass, Pass]);
    let folder = stage.folder();
    let states: Vec<CellState> =
        stage.cells.iter().map(|cell| folder.state(cell).expect("readable")).collect();
    assert_eq!(states.iter().filter(|state| **state == CellState::Complete).count(), 8);
    assert!(states.contains(&CellState::Partial));
    stage.sweep_all();
    assert_eq!(stage.verdicts(), [Pass; 6]);
}

#[test]
fn a_cell_that_diverges_is_a_result_and_nothing_is_said_of_its_accuracy() {
    for first_epoch in [1, 3] {
        let stage = Stage::new();
        let script = move |cell: &Cell, epoch: usize| match cell.levels[0].1 == "thawed" {
            true if cell.seed == 1 && epoch >= first_epoch => {
                Err(TrainError::Diverged { epoch, loss: f64::NAN }.into())
            }
            _ => Ok(900),
        };
        assert!(stage.sweep(&ScriptedExecutor::new(script)).is_empty(), "no cell failed");
        let folder = stage.folder();
        for cell in &stage.cells {
            assert_eq!(folder.state(cell).expect("readable"), CellState::Complete);
        }
        let results = Results::read(&folder, &stage.experiment).expect("results");
        let thawed = &results.procedures[2];
        assert!(thawed.is_complete() && thawed.has_diverged());
        assert_eq!(thawed.diverged(Metric::ValidationLoss), Some((1, first_epoch)));
        assert_eq!(thawed.diverged(Metric::TestLoss), None, "there is no test split");
        assert_eq!(thawed.sample(Metric::ValidationAccuracy, Statistic::Final), None);
        assert_eq!(thawed.runs[1].curve(Metric::TrainLoss).len(), 4);
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let level = |level: &str| Selector::from_arguments(&[format!("regime={level}")]);
        let divided = attribute(
            &accuracy,
            &level("cached").expect("a selector"),
            &level("thawed").expect("a selector"),
        );
        let said = divided.expect_err("a run diverged").to_string();
        assert!(said.contains("seed 1") && said.contains("diverged"), "{said}");
        // Its band and its audit fail; the same would come of it again.
        assert!(stage.verdicts().contains(&Fail));
        let again = scripted(0);
        stage.sweep(&again);
        assert!(again.trained().is_empty());
    }
}

#[test]
fn a_cell_that_panics_stops_no_other() {
    let stage = Stage::new();
    let failures = stage.sweep(&broken("thawed", 2, |epoch| panic!("a bug in epoch {epoch}")));
    let [CellFailure { cell, error }] = &failures[..] else { panic!("one cell fails") };
    assert_eq!((cell.label().as_str(), cell.seed), ("regime=thawed", 2));
    assert!(error.to_string().contains("the program failed (a bug in epoch 3)"), "{error}");
    stage.sweep_all();
    assert_eq!(stage.verdicts(), [Pass; 6]);
}

#[test]
fn predictions_and_drift_by_tensor_come_back_as_they_were_told() {
    let stage = Stage::new();
    stage.sweep_all();
    let folder = stage.folder();
    for cell in &stage.cells {
        assert_eq!(folder.read_predictions(&cell.id()).expect("predictions"), Some(said()));
        let drift = folder.read_drift(&cell.id()).expect("drift");
        let relative: Vec<(usize, f64)> =
            drift.iter().map(|(epoch, drift)| (*epoch, drift.relative)).collect();
        let expected = if cell.levels[0].1 == "thawed" {
            vec![(1, 0.001), (2, 0.002), (3, 0.003), (4, 0.004)]
        } else {
            Vec::new()
        };
        assert_eq!(relative, expected);
    }
}

#[test]
fn curves_that_should_be_equal_and_are_not_fail_with_the_place() {
    let stage = Stage::new();
    assert!(stage.sweep(&scripted(1)).is_empty());
    assert_eq!(stage.verdicts(), [Pass, Fail, Pass, Pass, Pass, Pass]);
    let expectations =
        Expectations::parse("scripted.expected.toml", EXPECTED).expect("expectations");
    let results = Results::read(&stage.folder(), &stage.experiment).expect("results");
    let verdict = &check(&expectations, &results)[1];
    assert_eq!(verdict.reason, "they differ by 1.000e-3 in epoch 1 of seed 0");
}

#[test]
fn bands_and_margins_are_judged_by_whole_intervals() {
    let stage = Stage::new();
    stage.sweep_all();
    let results = Results::read(&stage.folder(), &stage.experiment).expect("results");
    // The mean is 0.91, its interval 0.91 ± 2.776 · √(0.005² + 0.001² ÷ 12) / √3 = 0.902 to 0.918.
    let judge = |lower: f64, upper: f64| {
        let text = format!(
            "[[band]]\nwhere = {{ regime = \"cached\" }}\nmetric = \"validation_accuracy\"\nstatistic = \"final\"\nlower = {lower}\nupper = {upper}\n"
        );
        check(&Expectations::parse("x", &text).expect("a band"), &results)[0].kind
    };
    assert_eq!(
        [judge(0.905, 0.915), judge(0.915, 0.93), judge(0.923, 0.95), judge(0.80, 0.897)],
        [Pass, Inconclusive, Fail, Fail]
    );
    // All three differences are exactly 0.05; with what the procedures' spreads lend, 0.042 to
    // 0.058.
    let judge = |margin: f64| {
        let text = format!(
            "[[relation]]\nkind = \"greater_by_at_least\"\nleft = {{ regime = \"thawed\" }}\nright = {{ regime = \"cached\" }}\nmetric = \"validation_accuracy\"\nstatistic = \"final\"\nmargin = {margin}\n"
        );
        check(&Expectations::parse("x", &text).expect("a relation"), &results)[0].kind
    };
    assert_eq!(
        [judge(0.04), judge(0.049), judge(0.051), judge(0.06)],
        [Pass, Inconclusive, Inconclusive, Fail]
    );
    // Two of the three are equal to the last bit.
    let apart = |left: &str, right: &str| {
        let text = format!(
            "[[relation]]\nkind = \"interval_above\"\nleft = {{ regime = \"{left}\" }}\nright = {{ regime = \"{right}\" }}\nmetric = \"validation_accuracy\"\nstatistic = \"final\"\n"
        );
        check(&Expectations::parse("x", &text).expect("a relation"), &results)[0].kind
    };
    assert_eq!(
        [apart("thawed", "cached"), apart("cached", "thawed"), apart("cached", "end_to_end")],
        [Pass, Fail, Fail]
    );
    let none = "[[audit]]\nwhere = { regime = \"unheard\" }\nstatus = \"thawed\"\n";
    assert_eq!(
        check(&Expectations::parse("x", none).expect("an audit"), &results)[0].kind,
        Missing
    );
}

#[test]
fn recorded_bands_follow_from_the_spread_between_seeds() {
    let stage = Stage::new();
    stage.sweep_all();
    let results = Results::read(&stage.folder(), &stage.experiment).expect("results");
    let bands = derive_bands(
        &results,
        &[
            (Metric::ValidationAccuracy, Statistic::Final),
            (Metric::ValidationLoss, Statistic::Final),
        ],
    );
    assert_eq!(bands.len(), 2 * results.procedures.len());
    // 2.776445 · √((0.005² + 0.001² ÷ 12) · 2/3) = 0.0113539 about 0.91: Student's t with four
    // degrees of freedom, two of them lent by the other procedure, which has the same spread. The
    // loss is 0.3 for every seed, so its band is 2 % of that.
    assert_eq!((bands[0].lower, bands[0].upper), (0.898646, 0.921354));
    assert_eq!(
        bands[0].per_seed,
        Some(PerSeed { seeds: vec![0, 1, 2], values: vec![0.905, 0.91, 0.915], tolerance: 0.01 })
    );
    assert_eq!((bands[1].lower, bands[1].upper), (0.294, 0.306));
    let mut again = Expectations { bands, ..Expectations::default() };
    assert!(check(&again, &results).iter().all(|verdict| verdict.kind == Pass));
    // Two seeds exchanged leave the mean as it is, and are noticed.
    again.bands[0].per_seed.as_mut().expect("recorded").values = vec![0.915, 0.91, 0.905];
    let verdict = &check(&again, &results)[0];
    assert_eq!(verdict.kind, Fail);
    assert!(
        verdict.reason.contains("seed 0 gave 0.9050 where 0.9150 was recorded"),
        "{}",
        verdict.reason
    );
}

#[test]
fn a_ladder_says_what_each_step_changes() {
    let stage = Stage::new();
    stage.sweep_all();
    let ladder = "[[ladder]]\nlabel = \"a\"\nwhere = { regime = \"cached\" }\n[[ladder]]\nlabel = \"b\"\nwhere = { regime = \"end_to_end\" }\n[[ladder]]\nlabel = \"c\"\nwhere = { regime = \"thawed\" }\n";
    let experiment = Experiment::parse("scripted.toml", &format!("{EXPERIMENT}{ladder}"))
        .expect("an experiment");
    let results = Results::read(&stage.folder(), &experiment).expect("results");
    let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let steps = evaluate_ladder(&experiment.ladder, &accuracy);
    assert_eq!(steps.iter().map(|step| step.equal).collect::<Vec<_>>(), [false, true, false]);
    assert!(steps[0].change.is_none() && steps[1].p_value.is_none());
    let change = steps[2].change.as_ref().expect("a difference");
    assert!((change.mean - 0.05).abs() < 1e-12);
    // The three differences are the same, which is no certainty.
    assert!(change.interval().is_some_and(|(low, high)| high - low > 1e-3));
}

#[test]
fn an_attribution_divides_the_gap_and_names_what_is_missing() {
    let stage = Stage::new();
    let selector =
        |level: &str| Selector::from_arguments(&[format!("regime={level}")]).expect("a selector");
    let divide = || {
        let results = Results::read(&stage.folder(), &stage.experiment).expect("results");
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        attribute(&accuracy, &selector("cached"), &selector("thawed"))
    };
    assert!(matches!(divide(), Err(AttributionError::Missing { cells, .. }) if cells.len() == 2));
    stage.sweep_all();
    let attribution = divide().expect("every cell has run");
    assert_eq!(attribution.seeds, [0, 1, 2]);
    assert_eq!(attribution.orders, [1, 1]);
    let [share] = &attribution.shares[..] else { panic!("one factor differs") };
    assert_eq!(
        (share.factor.as_str(), share.from.as_str(), share.to.as_str()),
        ("regime", "cached", "thawed")
    );
    assert!(share.share.sample.values().iter().all(|share| (share - 0.05).abs() < 1e-12));
    let results = Results::read(&stage.folder(), &stage.experiment).expect("results");
    let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let same = attribute(&accuracy, &selector("cached"), &selector("cached"));
    assert_eq!(same, Err(AttributionError::Same));
    let equal = attribute(&accuracy, &selector("cached"), &selector("end_to_end"));
    assert_eq!(equal, Err(AttributionError::Equal));
    let test = Measurements::new(&results, Metric::TestAccuracy, Statistic::Final);
    let untold = attribute(&test, &selector("cached"), &selector("thawed"));
    assert_eq!(untold, Err(AttributionError::NoNumber("test accuracy".to_owned())));
}

#[test]
fn procedures_that_differ_in_their_number_of_variants_are_a_series() {
    let text = EXPERIMENT.replace(
        "end_to_end = {}",
        "two_variants = { cache = \"variants\", variants = 2, augmentation = \"book\" }\nall_variants = { cache = \"variants\", augmentation = \"book\" }",
    );
    let stage = Stage::of(&text);
    let read = || Results::read(&stage.folder(), &stage.experiment).expect("results");
    assert!(variant_series(&read()).is_empty(), "nothing has run");
    stage.sweep_all();
    let results = read();
    let [series] = &variant_series(&results)[..] else { panic!("one series") };
    let points: Vec<(usize, &str)> = series
        .points
        .iter()
        .map(|(count, procedure)| (*count, procedure.levels[0].1.as_str()))
        .collect();
    assert_eq!(points, [(0, "cached"), (2, "two_variants"), (4, "all_variants")]);
    assert!(series.levels.is_empty(), "the only factor differs");
}

#[test]
fn what_cannot_fit_is_told_what_needs_less() {
    let refused = |hidden_units: usize, allowed: u64| {
        let size = format!("epochs = 4\nhidden_units = {hidden_units}");
        let mut cells = Stage::of(&EXPERIMENT.replace("epochs = 4", &size)).cells;
        cells.retain(|cell| cell.levels[0].1 == "thawed");
        let facts = cost_facts();
        let plan = Plan::new(&cells, &BTreeSet::new(), &facts, |_| false);
        let limits = Limits { threads: 2, jobs: None, memory_bytes: Some(allowed), repeat: false };
        refuse_what_cannot_fit(&plan, &facts, &limits).expect_err("too little").to_string()
    };
    let said = refused(256, 400 << 20);
    assert!(said.ends_with("; a smaller batch_size needs less"), "{said}");
    let said = refused(1_000_000, 16 << 30);
    assert!(said.ends_with("; a smaller head (hidden_units) or image_size needs less"), "{said}");
}
