//! A file of a cell, of any bytes: the records of an experiment are read, or refused with the file's name.
//! The first byte says which file it is.

#![no_main]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use thaw_analysis::{Results, ResultsFolder};
use thaw_spec::Experiment;
use thaw_store::{Claimed, Owner, Store, StoreError};

const CELL: &str = "cells/008a0ec732de2196";

const FILES: [&str; 6] = [
    "cell.json",
    "outcome.json",
    "epochs.parquet",
    "drift.parquet",
    "predictions.parquet",
    "failure.json",
];

/// Files in memory.
#[derive(Clone, Debug, Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Store for Memory {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }
    fn put(&self, _key: &str, _bytes: &[u8]) -> Result<(), StoreError> {
        unreachable!("reading writes nothing")
    }
    fn remove(&self, _key: &str) -> Result<(), StoreError> {
        unreachable!("reading removes nothing")
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let within = self.0.keys().filter_map(|key| key.strip_prefix(prefix)?.strip_prefix('/'));
        let mut names: Vec<String> =
            within.filter_map(|rest| Some(rest.split('/').next()?.to_owned())).collect();
        names.dedup();
        Ok(names)
    }
    fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn claim(&self, _name: &str) -> Result<Claimed, StoreError> {
        unreachable!("reading claims nothing")
    }
    fn claimed_by(&self, _name: &str) -> Result<Option<Owner>, StoreError> {
        Ok(None)
    }
    fn place(&self, key: &str) -> PathBuf {
        PathBuf::from("fuzzed").join(key)
    }
}

/// The miniature, and a cell of its committed results.
static KNOWN: LazyLock<(Experiment, Memory)> = LazyLock::new(|| {
    // Those of polars are caught by the reader; every other panic ends the run.
    let end = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/polars-")) {
            end(panic);
        }
    }));
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let text = std::fs::read_to_string(root.join("experiments/miniature.toml")).expect("shipped");
    let mut files = BTreeMap::new();
    for file in FILES {
        if let Ok(bytes) = std::fs::read(root.join("results/miniature").join(CELL).join(file)) {
            files.insert(format!("{CELL}/{file}"), bytes);
        }
    }
    assert!(files.len() >= 4, "a complete cell");
    (Experiment::parse("miniature.toml", &text).expect("shipped"), Memory(files))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((file, bytes)) = bytes.split_first() else { return };
    let (experiment, known) = &*KNOWN;
    let mut memory = known.clone();
    let file = FILES[usize::from(*file) % FILES.len()];
    memory.0.insert(format!("{CELL}/{file}"), bytes.to_vec());
    let folder = ResultsFolder::on(Arc::new(memory));
    match Results::read(&folder, experiment) {
        Err(error) => assert!(error.to_string().contains("fuzzed"), "{error}"),
        Ok(results) => {
            for procedure in &results.procedures {
                let _ = folder.mean_drift(procedure);
                for run in &procedure.runs {
                    let _ = (run.log(), run.drift(), run.seconds());
                }
            }
        }
    }
    let (manifests, damaged) = folder.manifests().unwrap_or_default();
    let examined = folder.examine().map(|found| found.damaged).unwrap_or_default();
    for damage in damaged.iter().chain(&examined) {
        assert!(damage.reason.contains("fuzzed"), "{}", damage.reason);
    }
    for manifest in manifests {
        let _ = folder.state(&manifest.cell);
        let _ = folder.recorded(&manifest.id);
        let _ = folder.read_predictions(&manifest.id);
        let _ = folder.read_drift(&manifest.id);
        let _ = folder.failure(&manifest.id);
    }
});
