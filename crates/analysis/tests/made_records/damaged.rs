//! Records that no run wrote.

use std::path::Path;

use tempfile::TempDir;
use thaw_analysis::ResultsFolder;
use thaw_spec::{DriftSummary, EpochRecord, RecordSink as _, TensorDrift};

use crate::made::{Curve, Made};

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
