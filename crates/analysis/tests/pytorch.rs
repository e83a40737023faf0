//! The committed results of `experiments/efficientnet.toml` beside PyTorch, which made the same
//! mistakes on the same pixels with the same draws: `tools/golden/torch_statistics.py`.

use std::path::Path;

use thaw_analysis::{Results, ResultsFolder};
use thaw_spec::{Experiment, Metric, Selector};

#[test]
fn pytorch_makes_the_same_mistakes_with_the_same_accuracies() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = repository.join("experiments/efficientnet.toml");
    let text = std::fs::read_to_string(&path).expect("readable");
    let experiment = Experiment::parse("efficientnet.toml", &text).expect("an experiment");
    let folder = ResultsFolder::new(repository.join("results/efficientnet"));
    let results = Results::read(&folder, &experiment).expect("results");

    let published = repository.join("experiments/published/torch-efficientnet.csv");
    let rows = std::fs::read_to_string(published).expect("readable");
    let (mut compared, mut differences) = (0, Vec::new());
    for row in rows.lines().skip(1) {
        let [run, epoch, accuracy, moved, _] = row.split(',').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let (mode, seed) = run.split_once(" seed ").expect("a mode and a seed");
        let (regime, moves) = match mode {
            "eval" => ("frozen", 0),
            "momentum 0" => ("normalised_by_the_batch", 0),
            "train" => ("moving_statistics", 98),
            other => panic!("{other}"),
        };
        assert_eq!(moved.parse(), Ok(moves), "{row}");
        let levels =
            [format!("regime={regime}"), "augmentation=none".into(), "preprocessing=tf".into()];
        let selector = Selector::from_arguments(&levels).expect("a selector");
        let procedure = results.select(&selector).next().expect("the procedure");
        let runs = || procedure.runs.iter();
        let ours = runs().find(|run| run.cell().seed.to_string() == seed).expect("the seed");
        assert_eq!(ours.outcome.audit.iter().filter(|tensor| tensor.moved).count(), moves);
        let epoch: usize = epoch.parse().expect("a number");
        let ours = ours.curve(Metric::ValidationAccuracy)[epoch - 1];
        let theirs: f64 = accuracy.parse().expect("a number");
        differences.push(((ours - theirs) * 1000.0).round().abs());
        compared += 1;
    }
    assert_eq!(compared, 3 * 3 * 5, "three modes, three seeds, five epochs");
    // Both add in orders of their own, which moves no image across the boundary here.
    assert!(differences.iter().all(|difference| *difference == 0.0), "{differences:?}");
}
