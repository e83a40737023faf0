//! `docs/records.md` names every column and field that a cell's records have, and no other.

#[path = "../../cli/tests/program/markdown.rs"]
mod markdown;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use markdown::{repository, rows};
use polars::prelude::{ParquetReader, SerReader as _};
use serde_json::Value;
use tempfile::TempDir;
use thaw_analysis::{ResultsFolder, SCHEMA_VERSION};
use thaw_spec::{
    Cell, CellManifest, ContentHash, DriftSummary, Environment, EpochRecord, Experiment, Inputs,
    Outcome, PhaseAudit, Prediction, PreprocessingName, RecordSink as _, Split, SplitRecord,
    TensorAudit, TensorDrift, TensorRole, TrainingActivations,
};

/// One cell, all of whose settings are written into its manifest.
const EXPERIMENT: &str = r#"
name = "everything"
seeds = [3]
[dataset]
source = "folder"
[base]
architecture = "resnet18"
[procedure]
profile = "keras-2.2"
loss_clip = 1e-7
initializer = "torch_linear"
pooling = "average"
frozen_statistics = "batch"
clip_norm = 1.0
validation_sampling = "prefetched_away"
evaluate_test = "last_epoch"
shuffle = false
transform_center = "minus_half_axes_swapped"
augmentation = "book"
[[phase]]
[[phase]]
augmentation = "none"
freeze = "block_5"
optimizer = "sgd"
schedule = "step"
[[phase]]
augmentation = "none"
optimizer = "adam"
schedule = "plateau"
[[phase]]
augmentation = "none"
schedule = "cosine"
[matrix]
dropout = [0.5]
"#;

fn cell(text: &str) -> Cell {
    let inputs = Inputs {
        dataset: ContentHash::of_bytes(b"images"),
        weights: ContentHash::of_bytes(b"weights"),
        classes: vec!["cats".to_owned(), "dogs".to_owned()],
    };
    let experiment = Experiment::parse("everything.toml", text).expect("an experiment");
    experiment.cells(&inputs).remove(0)
}

fn manifest() -> CellManifest {
    manifest_of(cell(EXPERIMENT))
}

fn manifest_of(cell: Cell) -> CellManifest {
    CellManifest {
        experiment: "everything".to_owned(),
        id: cell.id(),
        procedure_id: cell.procedure_id(),
        cell,
        images: [2, 1, 1],
        skipped_images: vec!["train/cats/broken.jpg".to_owned()],
        passed_over_files: vec!["train/cats/notes.txt".to_owned()],
        training_activations: TrainingActivations::Computed,
        weights_file: "weights.h5".to_owned(),
        weights_origin: Some("somewhere".to_owned()),
        weights_preprocessing: Some(PreprocessingName::Caffe),
        environment: Environment {
            thaw: "0".to_owned(),
            commit: "0".to_owned(),
            candle: "0".to_owned(),
            platform: "none".to_owned(),
            instruction_sets: String::new(),
            device: "cpu".to_owned(),
            convolution: "direct".to_owned(),
            threads: 1,
            started_unix_seconds: 0,
        },
    }
}

fn outcome() -> Outcome {
    let audit = vec![TensorAudit {
        name: "bn1.running_mean".to_owned(),
        role: TensorRole::Statistic,
        elements: 4,
        declared_frozen: false,
        collected: true,
        moved: true,
        relative_drift: 0.5,
    }];
    let phase = PhaseAudit { epochs: 1, audit: audit.clone() };
    Outcome::new(2, audit, vec![phase.clone(), phase])
}

fn epoch() -> EpochRecord {
    let of_split =
        |split| SplitRecord { split, loss_sum: 1.0, correct: 1, count: 2, distinct_images: 2 };
    EpochRecord {
        epoch: 1,
        splits: Split::ALL.map(of_split).to_vec(),
        drift: DriftSummary { tensors: 1, moved: 1, maximum: 0.5, mean: 0.5 },
        tensor_drifts: vec![TensorDrift { tensor: "features.0.weight".to_owned(), relative: 0.5 }],
        seconds: 1.0,
        images_per_second: 2.0,
        peak_memory_bytes: Some(1),
    }
}

/// A folder of results in which this version has written one cell.
fn written() -> (TempDir, PathBuf) {
    let root = TempDir::new().expect("a folder");
    let folder = ResultsFolder::new(root.path().to_owned());
    let manifest = manifest();
    let mut sink = folder.begin(&manifest).expect("a cell");
    sink.begin(&[]).expect("a sink");
    sink.epoch(&epoch()).expect("written");
    let prediction =
        Prediction { split: Split::Validation, image: 0, label: 0, predicted: 1, loss: 0.5 };
    sink.predictions(&[prediction]).expect("written");
    let records = sink.hashes().clone();
    folder.finish(&manifest.id, &Outcome { records, ..outcome() }).expect("written");
    let cell = root.path().join("cells").join(manifest.id.as_str());
    (root, cell)
}

/// All committed files of this name, `results/**/cells/<cell>/<name>`.
fn committed(name: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of results") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, name, found);
            } else if path.ends_with(name) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&repository().join("results"), name, &mut found);
    assert!(found.len() > 60, "only {} files {name} were found", found.len());
    found
}

/// The names and types of a file's columns; those of factors under one name.
fn columns(path: &Path) -> Vec<(String, String)> {
    let file = File::open(path).expect("a file");
    let frame = ParquetReader::new(file).finish().expect("Parquet");
    let mut columns: Vec<(String, String)> = frame
        .schema()
        .iter()
        .map(|(name, kind)| {
            let factor = name.starts_with("factor_");
            (if factor { "factor_<factor>" } else { name }.to_owned(), kind.to_string())
        })
        .collect();
    columns.dedup();
    columns
}

#[test]
fn every_column_is_documented_with_its_type_and_no_other() {
    let (_root, cell) = written();
    for name in ["epochs.parquet", "drift.parquet", "predictions.parquet"] {
        let documented: Vec<(String, String)> = rows("records.md", name, &["column", "type"])
            .iter()
            .map(|row| (row.name().to_owned(), row.cell("type").to_owned()))
            .collect();
        assert_eq!(documented, columns(&cell.join(name)), "{name}");
        for path in committed(name) {
            let unknown: Vec<_> =
                columns(&path).into_iter().filter(|column| !documented.contains(column)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        }
    }
    let version = rows("records.md", "epochs.parquet", &["column", "type"]);
    let said = format!("{SCHEMA_VERSION}. ");
    assert!(version[0].cell("meaning").starts_with(&said), "{}", version[0].cell("meaning"));
}

/// The paths and types of a value's fields. What has the fields of something else has their paths.
fn fields(value: &Value) -> BTreeMap<String, &'static str> {
    fn walk(path: &str, value: &Value, fields: &mut BTreeMap<String, &'static str>) {
        let path = match path {
            "phases[].audit[]" => "audit[]",
            file if file.starts_with("records.") => "records.<file>",
            other => other,
        };
        let kind = match value {
            Value::Object(object) => {
                let below = if path.ends_with("later_phases[].procedure") {
                    fields.insert(path.to_owned(), "object");
                    "cell.procedure"
                } else {
                    path
                };
                for (name, value) in object {
                    let dot = if below.is_empty() { "" } else { "." };
                    walk(&format!("{below}{dot}{name}"), value, fields);
                }
                return;
            }
            Value::Array(values) => {
                for value in values.iter().filter(|value| value.is_object()) {
                    walk(&format!("{path}[]"), value, fields);
                }
                "list"
            }
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_u64() => "whole number",
            Value::Number(_) => "number",
            Value::Null => "null",
        };
        let other = fields.insert(path.to_owned(), kind);
        assert!(other.is_none_or(|other| other == kind), "{path} is {kind} and {other:?}");
    }
    let mut found = BTreeMap::new();
    walk("", value, &mut found);
    found
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON")
}

#[test]
fn every_field_is_documented_with_its_type_and_no_other() {
    let (_root, folder) = written();
    for name in ["cell.json", "outcome.json"] {
        let documented = rows("records.md", name, &["field", "type", "present"]);
        let described: BTreeMap<String, &str> =
            documented.iter().map(|row| (row.name().to_owned(), row.cell("type"))).collect();
        let new = fields(&read(&folder.join(name)));
        assert_eq!(described, new, "{name}");
        let mut files = vec![new];
        if name == "cell.json" {
            // All committed cells were trained by RMSprop.
            let (plain, _) = EXPERIMENT.split_once("[[phase]]").expect("phases");
            for optimizer in ["sgd", "adam"] {
                let other = manifest_of(cell(&format!("{plain}optimizer = \"{optimizer}\"\n")));
                files.push(fields(&serde_json::to_value(other).expect("JSON")));
            }
        }
        for path in committed(name) {
            let found = fields(&read(&path));
            let unknown: Vec<_> =
                found.iter().filter(|(path, kind)| described.get(*path) != Some(*kind)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
            files.push(found);
        }
        for row in &documented {
            let everywhere = files.iter().all(|file| file.contains_key(row.name()));
            assert_eq!(row.cell("present") == "always", everywhere, "{name}: {}", row.name());
        }
    }
}

#[test]
fn every_committed_outcome_can_be_read() {
    for path in committed("outcome.json") {
        let outcome: Outcome = serde_json::from_value(read(&path)).expect("an outcome");
        assert!(outcome.epochs > 0, "{}", path.display());
    }
}

#[test]
fn a_cells_name_is_computed_as_the_document_says() {
    let manifest = manifest();
    let Cell { procedure, inputs, seed, .. } = &manifest.cell;
    let text = std::fs::read_to_string(repository().join("docs/records.md")).expect("readable");
    for (said, hash, name) in [
        (
            "`[1, procedure, inputs, seed]`",
            ContentHash::of_value(&(1, procedure, inputs, seed)),
            manifest.id.to_string(),
        ),
        (
            "`[1, procedure, inputs]`",
            ContentHash::of_value(&(1, procedure, inputs)),
            manifest.procedure_id.to_string(),
        ),
    ] {
        assert!(text.contains(said), "{said}");
        assert_eq!(&hash.as_str()[..16], name);
    }
}
