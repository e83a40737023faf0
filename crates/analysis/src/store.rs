//! The folder of an experiment's results: `cells/<cell>/` with `cell.json`, `epochs.parquet`,
//! `drift.parquet`, `predictions.parquet` and `outcome.json`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{DataFrame, PolarsResult};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thaw_spec::{Cell, CellId, CellManifest, ContentHash, Outcome, Prediction, Split, TensorDrift};
use thaw_store::{Claimed, FolderStore, Owner, Store};

use crate::examination::sound;
use crate::schema::{self, Row, drifts, other_cell, predictions, rows, wanted_columns};
use crate::sink::{DRIFT, EPOCHS, PREDICTIONS};
use crate::{AnalysisError, CellRun, Damage, ParquetSink, ProcedureRuns, parquet};

/// How far a cell has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    /// Nothing was run.
    Absent,
    /// It was begun and not finished.
    Partial,
    /// Every epoch was run, or it diverged.
    Complete,
}

/// Names of the other files of a cell, and of the place of all cells.
const MANIFEST: &str = "cell.json";
const OUTCOME: &str = "outcome.json";
const FAILURE: &str = "failure.json";
pub(crate) const CELLS: &str = "cells";

/// What is done about a damaged cell.
pub(crate) const REMEDY: &str =
    "`thaw doctor --set-aside` moves its cell away, and the next sweep runs it again";

/// Why a cell failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub reason: String,
    /// When, in seconds since 1970.
    pub at_unix_seconds: u64,
}

/// What a cell has recorded so far, by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Number of epochs.
    pub epochs: usize,
    /// Fraction of the validation images that were classified correctly.
    pub validation_accuracy: Vec<f64>,
    /// Duration of each epoch.
    pub seconds: Vec<f64>,
    /// Largest relative L2 drift of a tensor of the base in the last epoch.
    pub drift: f64,
}

/// How far a tensor was from its start.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftCurve {
    /// The tensor.
    pub tensor: String,
    /// ‖w − w₀‖₂ / ‖w₀‖₂ at the end of each epoch.
    pub by_epoch: Vec<f64>,
}

/// An experiment's results: cells in a store.
#[derive(Clone, Debug)]
pub struct ResultsFolder {
    pub(crate) store: Arc<dyn Store>,
}

/// The key of a cell's file.
pub(crate) fn key(id: &CellId, file: &str) -> String {
    format!("{CELLS}/{id}/{file}")
}

impl ResultsFolder {
    /// The results in a folder, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self::on(Arc::new(FolderStore::new(root)))
    }

    /// The results in a folder or an object store, as [`thaw_store::open`] knows them.
    ///
    /// # Errors
    /// When the place is a URL that leads to no store.
    pub fn open(place: &Path) -> Result<Self, AnalysisError> {
        Ok(Self::on(thaw_store::open(place)?))
    }

    /// The results in a store.
    pub fn on(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Where they lie, for messages and for what is drawn of them.
    pub fn root(&self) -> PathBuf {
        self.store.place("")
    }

    /// Makes the folder, and proves that it can be written to before a minute is spent.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn prepare(&self) -> Result<(), AnalysisError> {
        Ok(self.store.prepare()?)
    }

    /// Puts what was drawn or written about the cells beside them, such as `plots/overview.svg`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(&self, name: &str, bytes: &[u8]) -> Result<(), AnalysisError> {
        Ok(self.store.put(name, bytes)?)
    }

    /// Where something is that was [published](Self::publish), for messages.
    pub fn place(&self, name: &str) -> PathBuf {
        self.store.place(name)
    }

    /// Claims a cell for this worker, unless a living one has it.
    ///
    /// # Errors
    /// When claims cannot be read or written.
    pub fn claim(&self, id: &CellId) -> Result<Claimed, AnalysisError> {
        Ok(self.store.claim(id.as_str())?)
    }

    /// The worker that trains a cell now.
    ///
    /// # Errors
    /// When claims cannot be read.
    pub fn claimed_by(&self, id: &CellId) -> Result<Option<Owner>, AnalysisError> {
        Ok(self.store.claimed_by(id.as_str())?)
    }

    /// The records of a cell, for messages.
    pub fn epochs(&self, id: &CellId) -> PathBuf {
        self.store.place(&key(id, EPOCHS))
    }

    /// The records of a cell that has ended, as far as analysis needs them.
    pub(crate) fn read_epochs(
        &self,
        id: &CellId,
        outcome: &Outcome,
    ) -> Result<Vec<Row>, AnalysisError> {
        if outcome.epochs == 0 {
            return Ok(Vec::new());
        }
        let Some(bytes) = self.store.get(&key(id, EPOCHS))? else {
            return Err(self.missing(&key(id, EPOCHS)));
        };
        self.is_as_recorded(id, EPOCHS, &bytes, outcome)?;
        self.parquet(id, EPOCHS, bytes, Some(wanted_columns()), rows)
    }

    /// The error of a file that should be there.
    pub(crate) fn missing(&self, key: &str) -> AnalysisError {
        let reason = format!("is missing, and other files of its cell are there; {REMEDY}");
        AnalysisError::Malformed { path: self.store.place(key), reason }
    }

    /// Refuses a file that is not the one whose hash the outcome tells.
    pub(crate) fn is_as_recorded(
        &self,
        id: &CellId,
        file: &str,
        bytes: &[u8],
        outcome: &Outcome,
    ) -> Result<(), AnalysisError> {
        let recorded = outcome.records.get(file);
        if recorded.is_none_or(|recorded| *recorded == ContentHash::of_bytes(bytes)) {
            return Ok(());
        }
        let path = self.store.place(&key(id, file));
        let reason = format!("is not the file whose hash {OUTCOME} holds; {REMEDY}");
        Err(AnalysisError::Malformed { path, reason })
    }

    /// What a cell has recorded so far.
    ///
    /// # Errors
    /// When the records are there and cannot be read.
    pub fn recorded(&self, id: &CellId) -> Result<Recorded, AnalysisError> {
        let rows = self.read_parquet(id, EPOCHS, Some(wanted_columns()), rows)?.unwrap_or_default();
        let mut recorded = Recorded::default();
        for row in rows {
            match row.split {
                Split::Train => {
                    recorded.epochs = recorded.epochs.max(row.epoch as usize);
                    recorded.seconds.push(row.seconds);
                    recorded.drift = row.drift_maximum;
                }
                Split::Validation => {
                    recorded.validation_accuracy.push(row.correct as f64 / row.count as f64);
                }
                Split::Test => {}
            }
        }
        Ok(recorded)
    }

    /// How far a cell has come. Files that belong to another cell do not count.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn state(&self, cell: &Cell) -> Result<CellState, AnalysisError> {
        let Some(manifest) = self.manifest(&cell.id())? else { return Ok(CellState::Absent) };
        if manifest.cell.id() != cell.id() {
            return Ok(CellState::Absent);
        }
        let outcome = self.outcome(&cell.id())?;
        let outcome = outcome.filter(|outcome| outcome.is_final(cell.procedure.total_epochs()));
        Ok(match outcome {
            // One that diverged in its first epoch recorded none.
            Some(outcome) if outcome.epochs == 0 => CellState::Complete,
            Some(_) if self.store.has(&key(&cell.id(), EPOCHS))? => CellState::Complete,
            _ => CellState::Partial,
        })
    }

    /// Writes a cell's manifest and takes back an earlier outcome: from now on the cell is partial.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn begin(&self, manifest: &CellManifest) -> Result<ParquetSink, AnalysisError> {
        let folder = format!("{CELLS}/{}", manifest.id);
        self.store.tidy(&folder)?;
        let there = self.store.list(&folder)?;
        // The outcome first: it is what lists the others.
        for file in [OUTCOME, FAILURE, DRIFT, PREDICTIONS] {
            if there.iter().any(|name| name == file) {
                self.store.remove(&key(&manifest.id, file))?;
            }
        }
        self.write_json(&manifest.id, MANIFEST, manifest)?;
        Ok(ParquetSink::new(self.store.clone(), manifest.cell.clone()))
    }

    /// Writes a cell's outcome: from now on it is complete.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn finish(&self, id: &CellId, outcome: &Outcome) -> Result<(), AnalysisError> {
        self.write_json(id, OUTCOME, outcome)
    }

    /// Writes why a cell failed, until it is begun again.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn fail(&self, id: &CellId, failure: &Failure) -> Result<(), AnalysisError> {
        self.write_json(id, FAILURE, failure)
    }

    /// Why a cell failed, if it did.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn failure(&self, id: &CellId) -> Result<Option<Failure>, AnalysisError> {
        self.read_json(id, FAILURE)
    }

    /// A cell's manifest, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn manifest(&self, id: &CellId) -> Result<Option<CellManifest>, AnalysisError> {
        self.read_json(id, MANIFEST)
    }

    /// A cell's outcome, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn outcome(&self, id: &CellId) -> Result<Option<Outcome>, AnalysisError> {
        self.read_json(id, OUTCOME)
    }

    /// What a cell's model said about each image after the last epoch; nothing for cells of
    /// versions that did not keep it.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or is another than the cell's.
    pub fn read_predictions(&self, id: &CellId) -> Result<Option<Vec<Prediction>>, AnalysisError> {
        self.read_listed(id, PREDICTIONS, None, predictions)
    }

    /// The same of a run, whose outcome is known.
    pub(crate) fn predictions_of(
        &self,
        run: &CellRun,
    ) -> Result<Option<Vec<Prediction>>, AnalysisError> {
        self.read_listed(&run.manifest.id, PREDICTIONS, Some(&run.outcome), predictions)
    }

    /// How far each tensor of a cell's base was from its start: epoch, counted from 1, and drift.
    /// Nothing for a base that cannot change.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or is another than the cell's.
    pub fn read_drift(&self, id: &CellId) -> Result<Vec<(usize, TensorDrift)>, AnalysisError> {
        Ok(self.read_listed(id, DRIFT, None, drifts)?.unwrap_or_default())
    }

    /// How far each tensor of a procedure's base was from its start, in the mean over its runs that have
    /// the epoch: one that diverged has fewer.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn mean_drift(&self, procedure: &ProcedureRuns) -> Result<Vec<DriftCurve>, AnalysisError> {
        let mut drifts: Vec<(String, Vec<Vec<f64>>)> = Vec::new();
        for run in &procedure.runs {
            let epochs = run.cell().procedure.total_epochs();
            let id = &run.manifest.id;
            let of_run = self.read_listed(id, DRIFT, Some(&run.outcome), schema::drifts)?;
            for (epoch, drift) in of_run.unwrap_or_default() {
                if epoch > epochs {
                    let reason = format!("holds epoch {epoch} of {epochs}; {REMEDY}");
                    let path = self.store.place(&key(id, DRIFT));
                    return Err(AnalysisError::Malformed { path, reason });
                }
                let place = drifts.iter().position(|(tensor, _)| *tensor == drift.tensor);
                let place = place.unwrap_or_else(|| {
                    drifts.push((drift.tensor.clone(), Vec::new()));
                    drifts.len() - 1
                });
                let by_epoch = &mut drifts[place].1;
                by_epoch.resize(by_epoch.len().max(epoch), Vec::new());
                by_epoch[epoch - 1].push(drift.relative);
            }
        }
        let mean = |values: &Vec<f64>| {
            let share = 1.0 / values.len().max(1) as f64;
            values.iter().map(|value| value * share).sum()
        };
        let curves = drifts.iter().map(|(tensor, by_epoch)| DriftCurve {
            tensor: tensor.clone(),
            by_epoch: by_epoch.iter().map(mean).collect(),
        });
        Ok(curves.collect())
    }

    /// Whether any cell was begun.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn has_cells(&self) -> Result<bool, AnalysisError> {
        Ok(!self.store.list(CELLS)?.is_empty())
    }

    /// The manifests of all cells, in the order of their names, and those that cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be listed, or its store cannot be reached.
    pub fn manifests(&self) -> Result<(Vec<CellManifest>, Vec<Damage>), AnalysisError> {
        let (mut manifests, mut damaged) = (Vec::new(), Vec::new());
        for name in self.store.list(CELLS)? {
            match sound(&name, self.manifest_of(&name))? {
                Ok(manifest) => manifests.extend(manifest),
                Err(damage) => damaged.push(damage),
            }
        }
        Ok((manifests, damaged))
    }

    /// The manifest in the folder of a name, if there is one.
    pub(crate) fn manifest_of(&self, name: &str) -> Result<Option<CellManifest>, AnalysisError> {
        let key = format!("{CELLS}/{name}/{MANIFEST}");
        let Some(manifest) = self.read_key::<CellManifest>(&key)? else {
            let has_records = self.has_records(name)?;
            return if has_records { Err(self.missing(&key)) } else { Ok(None) };
        };
        let (is_of, procedure) = (manifest.cell.id(), manifest.cell.procedure_id());
        if manifest.id == is_of && name == is_of.as_str() && manifest.procedure_id == procedure {
            return Ok(Some(manifest));
        }
        let reason = format!(
            "the folder and `id` should be `{is_of}`, which is what its cell is called, and `procedure_id` should be `{procedure}`; {REMEDY}"
        );
        Err(AnalysisError::Malformed { path: self.store.place(&key), reason })
    }

    /// Whether a folder holds what only a cell that was begun has. A cell that failed before has its
    /// failure alone.
    fn has_records(&self, name: &str) -> Result<bool, AnalysisError> {
        let files = self.store.list(&format!("{CELLS}/{name}"))?;
        let is_record =
            |file: &String| [EPOCHS, DRIFT, PREDICTIONS, OUTCOME].contains(&file.as_str());
        Ok(files.iter().any(is_record))
    }

    /// The error of records that are of another number of epochs than the outcome tells.
    pub(crate) fn other_number(
        &self,
        id: &CellId,
        epochs: usize,
        outcome: &Outcome,
    ) -> AnalysisError {
        let reason = format!("holds {epochs} epochs of {}; {REMEDY}", outcome.epochs);
        AnalysisError::Malformed { path: self.epochs(id), reason }
    }

    fn write_json<T: Serialize>(
        &self,
        id: &CellId,
        file: &str,
        value: &T,
    ) -> Result<(), AnalysisError> {
        let key = key(id, file);
        let text = serde_json::to_vec_pretty(value);
        let mut text = text.map_err(|error| AnalysisError::Malformed {
            path: self.store.place(&key),
            reason: format!("cannot be written as JSON ({error})"),
        })?;
        text.push(b'\n');
        Ok(self.store.put(&key, &text)?)
    }

    fn read_json<T: DeserializeOwned>(
        &self,
        id: &CellId,
        file: &str,
    ) -> Result<Option<T>, AnalysisError> {
        self.read_key(&key(id, file))
    }

    fn read_key<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, AnalysisError> {
        let Some(text) = self.store.get(key)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let reason = format!("is not what this version of thaw writes ({error}); {REMEDY}");
            AnalysisError::Malformed { path: self.store.place(key), reason }
        })
    }

    /// Reads a file of a cell, whole or some of its columns; nothing where it is not there.
    fn read_parquet<T>(
        &self,
        id: &CellId,
        file: &str,
        columns: Option<Vec<String>>,
        rows: impl Fn(&DataFrame) -> PolarsResult<Vec<T>>,
    ) -> Result<Option<Vec<T>>, AnalysisError> {
        let bytes = self.store.get(&key(id, file))?;
        bytes.map(|bytes| self.parquet(id, file, bytes, columns, rows)).transpose()
    }

    /// Reads a file that a cell may have beside its epochs; nothing where the outcome lists other files,
    /// or where it is not there and is not listed. The outcome is read where it is not known.
    fn read_listed<T>(
        &self,
        id: &CellId,
        file: &str,
        outcome: Option<&Outcome>,
        rows: impl Fn(&DataFrame) -> PolarsResult<Vec<T>>,
    ) -> Result<Option<Vec<T>>, AnalysisError> {
        let Some(bytes) = self.store.get(&key(id, file))? else {
            let is_missing = self.is_missing(id, file, outcome)?;
            return if is_missing { Err(self.missing(&key(id, file))) } else { Ok(None) };
        };
        // Behind the file: of a cell that begins anew meanwhile, there is no outcome any more.
        let read = if outcome.is_none() { self.outcome(id)? } else { None };
        if let Some(outcome) = outcome.or(read.as_ref()) {
            // Older versions listed none.
            if !outcome.records.is_empty() && !outcome.records.contains_key(file) {
                return Ok(None);
            }
            self.is_as_recorded(id, file, &bytes, outcome)?;
        }
        let path = self.store.place(&key(id, file));
        let both = |frame: DataFrame| Ok((rows(&frame)?, other_cell(&frame, id)?));
        match parquet::read(&path, bytes, None, both)? {
            (rows, None) => Ok(Some(rows)),
            (_, Some(other)) => {
                let reason = format!("is of the cell `{other}`, not of this one; {REMEDY}");
                Err(AnalysisError::Malformed { path, reason })
            }
        }
    }

    /// Whether a file that is not there should be, by the outcome that was known and by the one that is
    /// there now: a cell that begins anew has none, and one that ends has the file before it.
    fn is_missing(
        &self,
        id: &CellId,
        file: &str,
        known: Option<&Outcome>,
    ) -> Result<bool, AnalysisError> {
        let lists = |outcome: &Outcome| outcome.records.contains_key(file);
        if known.is_some_and(|known| !lists(known)) {
            return Ok(false);
        }
        let is_listed = self.outcome(id)?.as_ref().is_some_and(lists);
        Ok(is_listed && !self.store.has(&key(id, file))?)
    }

    fn parquet<T>(
        &self,
        id: &CellId,
        file: &str,
        bytes: Vec<u8>,
        columns: Option<Vec<String>>,
        rows: impl Fn(&DataFrame) -> PolarsResult<Vec<T>>,
    ) -> Result<Vec<T>, AnalysisError> {
        let place = self.store.place(&key(id, file));
        parquet::read(&place, bytes, columns, |frame| rows(&frame))
    }

    /// All columns of a file of a cell; nothing where it is not there.
    pub(crate) fn frame(
        &self,
        id: &CellId,
        file: &str,
    ) -> Result<Option<DataFrame>, AnalysisError> {
        let key = key(id, file);
        let Some(bytes) = self.store.get(&key)? else { return Ok(None) };
        parquet::read(&self.store.place(&key), bytes, None, Ok).map(Some)
    }
}
