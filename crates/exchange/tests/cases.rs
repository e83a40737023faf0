//! Logs as people really have them, written by `tools/cases/logs.py` with the real packages. Each must be
//! told by its numbers, which the script knows from the training itself.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thaw_exchange::{NamedLog, read_logs};
use thaw_spec::Metric;

const METRICS: [(Metric, &str); 6] = [
    (Metric::TrainAccuracy, "acc"),
    (Metric::TrainLoss, "loss"),
    (Metric::ValidationAccuracy, "val_acc"),
    (Metric::ValidationLoss, "val_loss"),
    (Metric::TestAccuracy, "test_acc"),
    (Metric::TestLoss, "test_loss"),
];

const TRUTH: &str = ".truth.json";

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// The logs in a folder of cases.
fn logs_of(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(cases().join(kind)).expect("the folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !path.to_string_lossy().ends_with(TRUTH))
        .collect();
    paths.sort();
    paths
}

/// What a log tells that is not so, if anything.
fn difference(path: &Path, tolerance: f64) -> Option<String> {
    let truth = fs::read(format!("{}{TRUTH}", path.display())).expect("a truth");
    let truth: Vec<Value> = serde_json::from_slice(&truth).expect("trainings");
    let logs = match read_logs(path) {
        Ok(logs) => logs,
        Err(_) if truth.is_empty() => return None,
        Err(error) => return Some(error.to_string()),
    };
    if logs.trainings.len() != truth.len() {
        return Some(format!(
            "{} trainings of {}, {:?}",
            logs.trainings.len(),
            truth.len(),
            logs.unreadable
        ));
    }
    logs.trainings.iter().zip(&truth).find_map(|(log, truth)| differs(log, truth, tolerance))
}

fn differs(
    NamedLog { name, log, remarks, .. }: &NamedLog,
    truth: &Value,
    tolerance: f64,
) -> Option<String> {
    if let Some(expected) = truth["name"].as_str().filter(|expected| expected != name) {
        return Some(format!("the training is named `{name}`, not `{expected}`"));
    }
    // Epochs are counted from 1, or as the truth says.
    let numbers = truth["epochs"]
        .as_array()
        .expect("epochs")
        .iter()
        .map(|number| number.as_f64().expect("a number"));
    let shift = if numbers.clone().any(|number| number == 0.0) { 1.0 } else { 0.0 };
    let numbers: Vec<Option<usize>> = match truth["counted"].as_array() {
        Some(counted) => {
            counted.iter().map(|number| number.as_u64().map(|number| number as usize)).collect()
        }
        None => numbers
            .map(|number| (number.fract() == 0.0).then_some((number + shift) as usize))
            .collect(),
    };
    METRICS.into_iter().find_map(|(metric, key)| {
        let values = truth[key].as_array().map_or(&[][..], Vec::as_slice);
        let expected: Vec<(usize, f64)> = numbers
            .iter()
            .zip(values)
            .filter_map(|(number, value)| Some(((*number)?, value.as_f64()?)))
            .collect();
        let read: Vec<(usize, f64)> =
            log.epochs_of(metric).iter().copied().zip(log.curve(metric).iter().copied()).collect();
        let is_equal = expected.len() == read.len()
            && expected
                .iter()
                .zip(&read)
                .all(|(one, other)| one.0 == other.0 && (one.1 - other.1).abs() <= tolerance);
        (!is_equal).then(|| format!("{metric}: {read:?}, not {expected:?}; {remarks:?}"))
    })
}

#[track_caller]
fn assert_all_are_told(kind: &str, tolerance: f64) {
    let logs = logs_of(kind);
    let wrong: Vec<String> = logs
        .iter()
        .filter_map(|path| Some(format!("{}: {}", path.display(), difference(path, tolerance)?)))
        .collect();
    assert!(
        logs.len() > 2 && wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        logs.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_keras_prints_is_told_in_every_dress() {
    assert_all_are_told("printed", 0.6e-4);
}

#[test]
fn what_hand_written_loops_print_is_told() {
    assert_all_are_told("hand", 0.6e-4);
}

/// As `tools/cases/log_shapes.py` writes them.
#[test]
fn other_shapes_are_told_or_refused() {
    assert_all_are_told("shapes", 0.6e-4);
}

#[test]
fn notebooks_are_told() {
    assert_all_are_told("notebooks", 0.6e-4);
}

#[test]
fn json_and_python_are_told() {
    // Tensors are printed with four digits.
    assert_all_are_told("json", 0.6e-4);
}

#[test]
fn tables_are_told() {
    assert_all_are_told("csv", 0.6e-5);
}

#[test]
fn events_of_tensorboard_are_told() {
    assert_all_are_told("board", 1e-6);
}

#[test]
fn what_is_no_log_is_named() {
    let kinds = [
        ("curves.png", "is a picture"),
        ("empty.csv", "is empty"),
        ("history-1.5.pt", "is a pickle of Python"),
        ("history.h5", "is an HDF5 file"),
        ("history.json", "is a web page"),
        ("history.npy", "is a file of NumPy"),
        ("history.npz", "is a zip archive"),
        ("history.parquet", "is a Parquet file"),
        ("history.pkl", "is a pickle of Python"),
        ("history.pt", "is a zip archive"),
        ("log.csv", "is a Git LFS pointer"),
        ("log.csv.gz", "is packed by gzip"),
        ("logs.zip", "is a zip archive"),
        ("mlflow.db", "is a database of SQLite"),
        ("model.h5", "is an HDF5 file"),
        ("model.onnx", "is an ONNX model"),
        ("trainHistoryDict", "is a pickle of Python"),
        ("val_acc.npy", "is a file of NumPy"),
    ];
    let logs = logs_of("not-logs");
    assert_eq!(logs.len(), kinds.len());
    for (path, (name, kind)) in logs.iter().zip(kinds) {
        let error = read_logs(path).expect_err(name).to_string();
        assert!(error.contains(&format!("{name}: {kind}, not a training log; ")), "{error}");
    }
}
