//! Records that no run wrote.

use std::path::Path;

use tempfile::TempDir;
use thaw_analysis::{CellRun, Measurements, ResultsFolder};
use thaw_spec::{
    CellId, DriftSummary, EpochRecord, Metric, Prediction, RecordSink as _, Split, Statistic,
    TensorDrift,
};

use crate::made::{Curve, Made};

/// A run with drift, and with predictions of the class `predicted`.
fn whole(predicted: u32) -> Curve {
    let prediction = |image: u32| Prediction {
        split: Split::Validation,
        image,
        label: image % 2,
        predicted,
        loss: 0.5,
    };
    let predictions = (0..4).map(prediction).collect();
    Curve { drift: vec![0.5, 0.25], predictions, ..Curve::steady(2, 800) }
}

/// Copies what is said of images, and the drift, from a cell to another.
fn copy(made: &Made, from: &CellId, to: &CellId) {
    for file in ["predictions.parquet", "drift.parquet"] {
        let [from, to] = [from, to].map(|id| made.root().join(format!("cells/{id}/{file}")));
        std::fs::copy(from, to).expect("copied");
    }
}

#[test]
fn a_file_of_another_cell_is_told_by_its_hash_or_by_the_cell_that_it_names() {
    for (with_hashes, words) in [(true, "is not the file whose hash"), (false, "is of the cell")] {
        let mut made = Made::new(&["a", "b"], 1, 2);
        if with_hashes {
            made = made.with_hashes();
        }
        made.run("a", 0, &whole(0));
        made.run("b", 0, &whole(1));
        let folder = ResultsFolder::new(made.root().to_owned());
        let results = made.results();
        let [one, other]: [&CellRun; 2] = [0, 1].map(|place| &results.procedures[place].runs[0]);
        let own = folder.read_predictions(&other.manifest.id).expect("its own");
        assert_eq!(own, Some(whole(1).predictions));
        assert_eq!(folder.read_drift(&other.manifest.id).expect("its own").len(), 2);
        copy(&made, &one.manifest.id, &other.manifest.id);
        for message in [
            folder.read_predictions(&other.manifest.id).expect_err("another's").to_string(),
            folder.mean_drift(&results.procedures[1]).expect_err("another's").to_string(),
        ] {
            let place = format!("cells/{}/", other.manifest.id);
            assert!(message.contains(&place) && message.contains(words), "{message}");
            assert!(message.contains("`thaw doctor --set-aside`"), "{message}");
        }
        // It is named, and the rest counts.
        let number = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let number = number.with_images(&folder).expect("the folder");
        assert_eq!(number.damaged().len(), 1, "{:?}", number.damaged());
        assert!(number.outcomes(one).is_some() && number.outcomes(other).is_none());
        let examined = folder.examine().expect("the folder");
        assert_eq!((examined.complete, examined.damaged.len()), (1, 1), "{examined:?}");
    }
}

#[test]
fn a_file_that_the_outcome_does_not_list_says_nothing() {
    let mut made = Made::new(&["a", "b"], 1, 2).with_hashes();
    made.run("a", 0, &whole(0));
    made.run("b", 0, &Curve::steady(2, 800));
    let results = made.results();
    let [from, to] = [0, 1].map(|place| &results.procedures[place].runs[0].manifest.id);
    copy(&made, from, to);
    let folder = ResultsFolder::new(made.root().to_owned());
    assert_eq!(folder.read_predictions(to).expect("nothing"), None);
    assert!(folder.read_drift(to).expect("nothing").is_empty());
}

#[test]
fn a_cell_that_begins_anew_keeps_nothing_but_its_epochs() {
    let mut made = Made::new(&["only"], 1, 2);
    made.run("only", 0, &whole(0));
    let manifest = made.results().procedures[0].runs[0].manifest.clone();
    let files = || {
        let cell = made.root().join(format!("cells/{}", manifest.id));
        let entries = std::fs::read_dir(cell).expect("a cell");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let [begun, recorded] = ["cell.json", "epochs.parquet"];
    let whole = [begun, "drift.parquet", recorded, "outcome.json", "predictions.parquet"];
    assert_eq!(files(), whole);
    ResultsFolder::new(made.root().to_owned()).begin(&manifest).expect("a cell");
    assert_eq!(files(), [begun, recorded]);
}

#[test]
fn drift_of_epochs_that_a_run_does_not_have_is_refused() {
    let mut made = Made::new(&["only"], 1, 2);
    made.run("only", 0, &Curve::steady(2, 800));
    let results = made.results();
    let procedure = &results.procedures[0];
    let manifest = &procedure.runs[0].manifest;
    let folder = ResultsFolder::new(made.root().to_owned());
    for (epoch, expected) in
        [(0, "a row has missing values"), (1_000_000_000_000, "holds epoch 1000000000000 of 2")]
    {
        let elsewhere = TempDir::new().expect("a folder");
        let mut sink =
            ResultsFolder::new(elsewhere.path().to_owned()).begin(manifest).expect("a cell");
        sink.epoch(&EpochRecord {
            epoch,
            splits: Vec::new(),
            drift: DriftSummary { tensors: 1, moved: 1, maximum: 0.5, mean: 0.5 },
            tensor_drifts: vec![TensorDrift { tensor: "features.0.weight".into(), relative: 0.5 }],
            seconds: 1.0,
            images_per_second: 1.0,
            peak_memory_bytes: None,
        })
        .expect("written");
        let file = format!("cells/{}/drift.parquet", manifest.id);
        std::fs::copy(elsewhere.path().join(&file), made.root().join(&file)).expect("copied");
        let message = folder.mean_drift(procedure).expect_err("no such epoch").to_string();
        assert!(message.contains("drift.parquet") && message.contains(expected), "{message}");
    }
}

/// Found by fuzzing: each made polars 0.55.2 panic.
#[test]
fn damaged_files_of_records_are_refused_by_name() {
    let mut made = Made::new(&["only"], 1, 2);
    made.run("only", 0, &Curve::steady(2, 800));
    let cell = made.results().procedures[0].runs[0].manifest.id.clone();
    let folder = ResultsFolder::new(made.root().to_owned());
    let damaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/damaged");
    for name in ["flag-in-footer", "column-behind-end", "bits-behind-page"] {
        let file = made.root().join(format!("cells/{cell}/drift.parquet"));
        std::fs::copy(damaged.join(format!("{name}.parquet")), &file).expect("copied");
        let message = folder.read_drift(&cell).expect_err(name).to_string();
        assert!(message.starts_with(&file.display().to_string()), "{name}: {message}");
        assert!(message.contains("damaged") || message.contains("columns"), "{name}: {message}");
    }
}
