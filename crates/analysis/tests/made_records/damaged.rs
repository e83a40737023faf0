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
fn a_file_that_the_outcome_lists_and_that_is_missing_is_damage() {
    let mut made = Made::new(&["only"], 1, 2).with_hashes();
    made.run("only", 0, &whole(0));
    let results = made.results();
    let procedure = &results.procedures[0];
    let id = &procedure.runs[0].manifest.id;
    let folder = ResultsFolder::new(made.root().to_owned());
    for file in ["predictions.parquet", "drift.parquet"] {
        std::fs::remove_file(made.root().join(format!("cells/{id}/{file}"))).expect("removed");
    }
    for message in [
        folder.read_predictions(id).expect_err("missing").to_string(),
        folder.mean_drift(procedure).expect_err("missing").to_string(),
    ] {
        assert!(message.contains("is missing") && message.contains("--set-aside"), "{message}");
    }
    let number = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let number = number.with_images(&folder).expect("the folder");
    assert_eq!(number.damaged().len(), 1, "{:?}", number.damaged());
    // Of a cell that begins anew, nothing is missing.
    folder.begin(&procedure.runs[0].manifest).expect("a cell");
    assert_eq!(folder.read_predictions(id).expect("nothing"), None);
    assert!(folder.mean_drift(procedure).expect("nothing").is_empty());
}

#[test]
fn records_without_a_manifest_or_with_another_name_of_their_procedure_are_damage() {
    let mut made = Made::new(&["a", "b", "c"], 1, 2);
    ["a", "b", "c"].iter().for_each(|level| made.run(level, 0, &whole(0)));
    let results = made.results();
    let cell = |place: usize| {
        let manifest = &results.procedures[place].runs[0].manifest;
        made.root().join(format!("cells/{}", manifest.id))
    };
    std::fs::remove_file(cell(0).join("cell.json")).expect("removed");
    let manifest = std::fs::read_to_string(cell(1).join("cell.json")).expect("a manifest");
    let own = results.procedures[1].runs[0].manifest.procedure_id.to_string();
    let another = manifest.replace(&own, &own.chars().rev().collect::<String>());
    std::fs::write(cell(1).join("cell.json"), another).expect("written");
    // What failed before it began is no cell yet.
    let failed = made.root().join("cells/0123456789abcdef");
    std::fs::create_dir(&failed).expect("a folder");
    std::fs::write(failed.join("failure.json"), "{}").expect("written");
    let folder = ResultsFolder::new(made.root().to_owned());
    let read = made.results();
    let examined = folder.examine().expect("the folder");
    assert_eq!((examined.complete, examined.damaged.len()), (1, 2), "{examined:?}");
    for words in ["cell.json: is missing", "`procedure_id` should be"] {
        for damaged in [&read.damaged, &examined.damaged] {
            assert!(damaged.iter().any(|damage| damage.reason.contains(words)), "{damaged:?}");
        }
    }
    for damage in &examined.damaged {
        folder.set_aside(&damage.cell).expect("moved");
    }
    assert!(folder.examine().expect("the folder").damaged.is_empty());
}

#[test]
fn a_file_among_the_cells_is_passed_over_named_and_moved() {
    let mut made = Made::new(&["only"], 1, 2);
    made.run("only", 0, &whole(0));
    let notes = made.root().join("cells/notes.txt");
    std::fs::write(&notes, "mine").expect("written");
    let folder = ResultsFolder::new(made.root().to_owned());
    assert!(made.results().damaged.is_empty());
    let examined = folder.examine().expect("the folder");
    assert_eq!((examined.complete, examined.damaged.len()), (1, 0), "{examined:?}");
    assert_eq!(examined.passed_over, ["notes.txt"]);
    assert!(folder.orphans().expect("listed").is_empty());
    let place = folder.set_aside("notes.txt").expect("moved");
    assert_eq!(std::fs::read(&place).expect("a file"), b"mine");
    assert!(!notes.exists() && place.starts_with(made.root().join("set-aside")));
    assert!(folder.examine().expect("the folder").passed_over.is_empty());
}

#[test]
fn what_dead_workers_left_in_claims_and_in_narrowed_reports_is_found() {
    let mut made = Made::new(&["only"], 1, 2);
    made.run("only", 0, &whole(0));
    let left = ["claims/0123.json", "epochs-1/.thaw-1-1-elsewhere-a", "epochs-1/plots/.thaw-b"]
        .map(|name| made.root().join(name));
    for path in &left {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, "torn").expect("written");
        let before = std::time::SystemTime::now() - std::time::Duration::from_secs(200_000);
        let file = std::fs::File::options().append(true).open(path).expect("a file");
        file.set_modified(before).expect("an older file");
    }
    std::fs::write(made.root().join("report.html"), "<p>").expect("written");
    let folder = ResultsFolder::new(made.root().to_owned());
    let mut found = folder.orphans().expect("listed");
    found.sort();
    assert_eq!(found, left);
    folder.remove_orphans().expect("removed");
    assert!(folder.orphans().expect("listed").is_empty());
    assert!(left.iter().all(|path| !path.exists()));
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
