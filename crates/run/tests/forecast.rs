//! What a plan is expected to take, on the real executor's work.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;
use thaw_data::Synthetic;
use thaw_model::Weights;
use thaw_run::{Cache, Forecast, Limits, Rates, RunInputs};
use thaw_spec::{DatasetSource, Experiment, Step};

const EXPERIMENT: &str = r#"
name = "forecast"
seeds = [0, 1, 2]
dataset = { source = "synthetic", train = 40, validation = 20, test = 0 }
base = { architecture = "mini_vgg" }
procedure = { image_size = 32, epochs = 2, batch_size = 8 }
[matrix.regime]
cached = { cache = "features" }
thawed = { optimizer_collects = "everything" }
"#;

fn inputs(text: &str, cache: &Path) -> RunInputs {
    let experiment = Experiment::parse("forecast.toml", text).expect("an experiment");
    let DatasetSource::Synthetic(drawn) = experiment.dataset else { panic!("drawn") };
    let weights = Weights::shipped(experiment.architecture).expect("shipped").expect("weights");
    let dataset = Box::new(Synthetic::new(drawn));
    RunInputs::new(&experiment, dataset, weights, Cache::in_folder(cache)).expect("inputs")
}

#[test]
fn a_forecast_counts_steps_side_by_side_and_finds_the_longest_chain() {
    let desk = TempDir::new().expect("a folder");
    let inputs = inputs(EXPERIMENT, &desk.path().join("cache"));
    let facts = inputs.cost_facts().expect("facts");
    let plan = inputs.plan(&facts, &BTreeSet::new()).expect("a plan");
    let limits = Limits { threads: 2, jobs: Some(2), memory_bytes: None, repeat: false };
    let rates = Rates::new(&inputs, &facts);
    let forecast = |exists: &dyn Fn(&Step) -> bool| {
        Forecast::new(&plan, &facts, &limits, &rates, exists).expect("tried")
    };
    let whole = forecast(&|_| false);
    assert!(whole.steps.iter().all(|seconds| seconds.is_some_and(|seconds| seconds > 0.0)));
    let seconds = |number: &usize| whole.steps[*number].expect("foretold");
    // Two cells at a time: all of it takes less than its parts, and at least the longest chain.
    let parts: f64 = (0..plan.steps.len()).map(|number| seconds(&number)).sum();
    assert!(whole.seconds < parts && whole.seconds >= whole.critical_seconds);
    let chain: f64 = whole.critical.iter().map(seconds).sum();
    assert!((chain - whole.critical_seconds).abs() < 1e-9);
    let needs = plan.needs(facts.sharing);
    for pair in whole.critical.windows(2) {
        assert!(needs[pair[1]].contains(&pair[0]), "{pair:?}");
    }
    assert!(matches!(plan.steps[*whole.critical.last().expect("a step")], Step::Fit(_)));
    // The same seeds of one procedure take the same; what is there takes nothing.
    let later = forecast(&|step| !matches!(step, Step::Fit(_)));
    for (number, step) in plan.steps.iter().enumerate() {
        let expected = matches!(step, Step::Fit(_)).then(|| whole.steps[number]).flatten();
        assert_eq!(later.steps[number], expected);
    }
    assert!(later.seconds < whole.seconds);
    assert!(!desk.path().join("cache").exists(), "a forecast leaves nothing behind");
}

/// The second phase of the first level leaves all blocks frozen, and sees its images behind those that
/// the first has left as they were: the same as those of the second level.
const REFROZEN: &str = r#"
name = "refrozen"
seeds = [0]
dataset = { source = "synthetic", train = 40, validation = 20, test = 0 }
base = { architecture = "mini_vgg" }
procedure = { image_size = 32, epochs = 2, batch_size = 8 }
[matrix.regime]
refrozen = { phase = [{ freeze = "block_4" }, { freeze = "all", batch_size = 4 }] }
tuned = { freeze = "block_4", batch_size = 4 }
"#;

#[test]
fn a_phase_is_tried_behind_the_blocks_that_none_before_it_has_trained() {
    let desk = TempDir::new().expect("a folder");
    let inputs = inputs(REFROZEN, &desk.path().join("cache"));
    let facts = inputs.cost_facts().expect("facts");
    let plan = inputs.plan(&facts, &BTreeSet::new()).expect("a plan");
    let fits: Vec<_> = plan.fits().collect();
    assert_eq!(fits.len(), 2);
    let boundaries =
        fits[0].procedure.phases().iter().map(|phase| phase.untouched_blocks).collect::<Vec<_>>();
    assert_eq!(boundaries, [3, 3]);
    let limits = Limits { threads: 1, jobs: Some(1), memory_bytes: None, repeat: false };
    let rates = Rates::new(&inputs, &facts);
    let forecast = Forecast::new(&plan, &facts, &limits, &rates, |_| false).expect("tried");
    assert!(forecast.steps.iter().all(|seconds| seconds.is_some_and(|seconds| seconds > 0.0)));
}

#[test]
fn steps_need_the_artifacts_that_they_read_and_no_others() {
    let inputs = inputs(EXPERIMENT, "cache".as_ref());
    let facts = inputs.cost_facts().expect("facts");
    let plan = inputs.plan(&facts, &BTreeSet::new()).expect("a plan");
    let needs = plan.needs(facts.sharing);
    for (number, step) in plan.steps.iter().enumerate() {
        assert!(needs[number].iter().all(|needed| *needed < number), "artifacts come first");
        let of = |kind: &dyn Fn(&Step) -> bool| {
            needs[number].iter().filter(|needed| kind(&plan.steps[**needed])).count()
        };
        let (decoded, extracted) = (
            of(&|step| matches!(step, Step::Decode { .. })),
            of(&|step| matches!(step, Step::Extract(_))),
        );
        let expected = match step {
            Step::Decode { .. } => (0, 0),
            Step::Extract(_) => (1, 0),
            Step::Fit(cell) if cell.label() == "regime=cached" => (2, 2),
            Step::Fit(_) => (2, 0),
        };
        assert_eq!((decoded, extracted), expected, "{}", step.id());
    }
    let ids: BTreeSet<String> = plan.steps.iter().map(Step::id).collect();
    assert_eq!(ids.len(), plan.steps.len(), "every step has a name of its own");
}
