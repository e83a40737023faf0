//! The folder of an experiment's results: `cells/<cell>/` with `cell.json`, `epochs.parquet`,
//! `drift.parquet`, `predictions.parquet` and `outcome.json`.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{
    DataFrame, FileMetadata, ParquetReader, PolarsResult, SerReader as _, polars_bail,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thaw_spec::{Cell, CellId, CellManifest, Outcome, Prediction, Split, TensorDrift};
use thaw_store::{Claimed, FolderStore, Owner, Store};

use crate::schema::{Row, drifts, predictions, rows, wanted_columns};
use crate::sink::{DRIFT, EPOCHS, PREDICTIONS};
use crate::{AnalysisError, ParquetSink, ProcedureRuns};

/// How far a cell has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    /// Nothing was run.
    Absent,
    /// It was begun and not finished.
    Partial,
    /// Every epoch was run.
    Complete,
}

/// Names of the other files of a cell, and of the place of all cells.
const MANIFEST: &str = "cell.json";
const OUTCOME: &str = "outcome.json";
const FAILURE: &str = "failure.json";
const CELLS: &str = "cells";

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
    store: Arc<dyn Store>,
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

    /// A cell's records, as far as analysis needs them.
    pub(crate) fn read_epochs(&self, id: &CellId) -> Result<Vec<Row>, AnalysisError> {
        let found = self.read_parquet(id, EPOCHS, Some(wanted_columns()), rows)?;
        found.ok_or_else(|| {
            let source = std::io::ErrorKind::NotFound.into();
            AnalysisError::Unreadable { path: self.epochs(id), action: "cannot read", source }
        })
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
        let finished = self
            .outcome(&cell.id())?
            .is_some_and(|outcome| outcome.epochs == cell.procedure.total_epochs());
        Ok(if finished && self.store.has(&key(&cell.id(), EPOCHS))? {
            CellState::Complete
        } else {
            CellState::Partial
        })
    }

    /// Writes a cell's manifest and takes back an earlier outcome: from now on the cell is partial.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn begin(&self, manifest: &CellManifest) -> Result<ParquetSink, AnalysisError> {
        let folder = format!("{CELLS}/{}", manifest.id);
        self.store.tidy(&folder)?;
        for file in self.store.list(&folder)? {
            if [OUTCOME, FAILURE].contains(&file.as_str()) {
                self.store.remove(&key(&manifest.id, &file))?;
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
    /// When the file is there and cannot be read.
    pub fn read_predictions(&self, id: &CellId) -> Result<Option<Vec<Prediction>>, AnalysisError> {
        self.read_parquet(id, PREDICTIONS, None, predictions)
    }

    /// How far each tensor of a cell's base was from its start: epoch, counted from 1, and drift.
    /// Nothing for a base that cannot change.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read_drift(&self, id: &CellId) -> Result<Vec<(usize, TensorDrift)>, AnalysisError> {
        Ok(self.read_parquet(id, DRIFT, None, drifts)?.unwrap_or_default())
    }

    /// How far each tensor of a procedure's base was from its start, in the mean over its runs.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn mean_drift(&self, procedure: &ProcedureRuns) -> Result<Vec<DriftCurve>, AnalysisError> {
        let mut curves: Vec<DriftCurve> = Vec::new();
        for run in &procedure.runs {
            let share = 1.0 / procedure.runs.len() as f64;
            let epochs = run.cell().procedure.total_epochs();
            for (epoch, drift) in self.read_drift(&run.manifest.id)? {
                if epoch > epochs {
                    let reason = format!(
                        "holds epoch {epoch} of {epochs}; delete its folder and run the cell again"
                    );
                    let path = self.store.place(&key(&run.manifest.id, DRIFT));
                    return Err(AnalysisError::Malformed { path, reason });
                }
                let place = curves
                    .iter()
                    .position(|curve| curve.tensor == drift.tensor)
                    .unwrap_or_else(|| {
                        curves.push(DriftCurve {
                            tensor: drift.tensor.clone(),
                            by_epoch: Vec::new(),
                        });
                        curves.len() - 1
                    });
                let by_epoch = &mut curves[place].by_epoch;
                by_epoch.resize(by_epoch.len().max(epoch), 0.0);
                by_epoch[epoch - 1] += drift.relative * share;
            }
        }
        Ok(curves)
    }

    /// Whether any cell was begun.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn has_cells(&self) -> Result<bool, AnalysisError> {
        Ok(!self.store.list(CELLS)?.is_empty())
    }

    /// The manifests of all cells, in the order of their names.
    ///
    /// # Errors
    /// When the folder or a manifest cannot be read.
    pub fn manifests(&self) -> Result<Vec<CellManifest>, AnalysisError> {
        let names = self.store.list(CELLS)?;
        let manifests =
            names.iter().map(|name| self.read_key(&format!("{CELLS}/{name}/{MANIFEST}")));
        manifests.filter_map(Result::transpose).collect()
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
            let reason = format!("is not what this version of thaw writes ({error}); delete its folder and run the cell again");
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
        let key = key(id, file);
        let Some(bytes) = self.store.get(&key)? else { return Ok(None) };
        let place = self.store.place(&key);
        let length = bytes.len();
        let read = || {
            let mut reader = ParquetReader::new(Cursor::new(bytes)).with_columns(columns);
            check_sizes(reader.get_metadata()?, length)?;
            reader.finish().and_then(|frame| rows(&frame))
        };
        // Of a damaged file polars answers some parts with a panic (0.55.2): flags in its footer, and
        // lengths within its pages, which cannot be looked at beforehand.
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(read) => read.map(Some).map_err(AnalysisError::parquet(&place, "read")),
            Err(_) => {
                let reason = "is damaged; delete its folder and run the cell again".to_owned();
                Err(AnalysisError::Malformed { path: place, reason })
            }
        }
    }
}

/// How many times its bytes a file of records may hold, and how many rows for each of its bytes.
const LARGEST_RATIO: usize = 1_000;

/// Refuses what a file declares and cannot hold, before anything is made of it.
fn check_sizes(metadata: &FileMetadata, length: usize) -> PolarsResult<()> {
    let most = length.saturating_mul(LARGEST_RATIO);
    let columns = || metadata.row_groups.iter().flat_map(|group| group.parquet_columns());
    let ends_within = |end: u64| usize::try_from(end).is_ok_and(|end| end <= length);
    if !columns().all(|column| ends_within(column.byte_range().end)) {
        polars_bail!(ComputeError: "it ends before its columns do; delete its folder and run the cell again");
    }
    let unpacked =
        columns().map(|column| usize::try_from(column.uncompressed_size()).unwrap_or(usize::MAX));
    let rows = metadata.row_groups.iter().map(|group| group.num_rows());
    let counts = [unpacked.fold(0, usize::saturating_add), rows.fold(0, usize::saturating_add)];
    if counts.into_iter().chain([metadata.num_rows]).any(|count| count > most) {
        polars_bail!(ComputeError: "it declares more than it can hold; delete its folder and run the cell again");
    }
    Ok(())
}
