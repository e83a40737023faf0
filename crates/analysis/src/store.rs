//! The folder of an experiment's results: `cells/<cell>/` with `cell.json`, `epochs.parquet`,
//! `drift.parquet`, `predictions.parquet` and `outcome.json`.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, ParquetReader, PolarsResult, SerReader as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thaw_spec::{Cell, CellId, CellManifest, Outcome, Prediction, TensorDrift};

use crate::schema::{Row, drifts, predictions, rows, wanted_columns};
use crate::sink::{DRIFT, EPOCHS, PREDICTIONS, TEMPORARY, replace};
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

/// The file whose lock says that a process writes into the folder. It stays; only its lock counts,
/// which the system takes back from a process that ends.
const LOCK: &str = ".lock";

/// The exclusive lock on a folder of results, held until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// How far a tensor was from its start.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftCurve {
    /// The tensor.
    pub tensor: String,
    /// ‖w − w₀‖₂ / ‖w₀‖₂ at the end of each epoch.
    pub by_epoch: Vec<f64>,
}

/// The folder of an experiment's results.
#[derive(Clone, Debug)]
pub struct ResultsFolder {
    root: PathBuf,
}

impl ResultsFolder {
    /// The folder at a path, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder, proves that it can be written to before a minute is spent, and keeps other
    /// processes from claiming it as long as the claim lives.
    ///
    /// # Errors
    /// When it cannot be written to, or another process has claimed it.
    pub fn lock(&self) -> Result<FolderLock, AnalysisError> {
        let cells = self.root.join("cells");
        std::fs::create_dir_all(&cells)
            .map_err(AnalysisError::unwritable(&cells, "cannot make the results folder"))?;
        let unwritable = "cannot write into the results folder";
        tempfile::NamedTempFile::new_in(&cells)
            .map_err(AnalysisError::unwritable(&cells, unwritable))?;
        let path = self.root.join(LOCK);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(AnalysisError::unwritable(&path, unwritable))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(AnalysisError::Locked { path: self.root.clone() }),
            // Some file systems have no locks; then nobody is kept out.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(FolderLock { _file: file }),
        }
    }

    fn cell(&self, id: &CellId) -> PathBuf {
        self.root.join("cells").join(id.as_str())
    }

    /// The records of a cell.
    pub fn epochs(&self, id: &CellId) -> PathBuf {
        self.cell(id).join(EPOCHS)
    }

    /// A cell's records, as far as analysis needs them.
    pub(crate) fn read_epochs(&self, id: &CellId) -> Result<Vec<Row>, AnalysisError> {
        read_parquet(&self.epochs(id), Some(wanted_columns()), rows)
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
        Ok(if finished && self.epochs(&cell.id()).is_file() {
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
        let folder = self.cell(&manifest.id);
        std::fs::create_dir_all(&folder)
            .map_err(AnalysisError::unwritable(&folder, "cannot make the folder"))?;
        remove_torn_files(&folder)?;
        let outcome = folder.join("outcome.json");
        if outcome.exists() {
            std::fs::remove_file(&outcome)
                .map_err(AnalysisError::unwritable(&outcome, "cannot remove"))?;
        }
        write_json(&folder.join("cell.json"), manifest)?;
        Ok(ParquetSink::new(folder, manifest.cell.clone()))
    }

    /// Writes a cell's outcome: from now on it is complete.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn finish(&self, id: &CellId, outcome: &Outcome) -> Result<(), AnalysisError> {
        write_json(&self.cell(id).join("outcome.json"), outcome)
    }

    /// A cell's manifest, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn manifest(&self, id: &CellId) -> Result<Option<CellManifest>, AnalysisError> {
        read_json(&self.cell(id).join("cell.json"))
    }

    /// A cell's outcome, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn outcome(&self, id: &CellId) -> Result<Option<Outcome>, AnalysisError> {
        read_json(&self.cell(id).join("outcome.json"))
    }

    /// What a cell's model said about each image after the last epoch; nothing for cells of
    /// versions that did not keep it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read_predictions(&self, id: &CellId) -> Result<Option<Vec<Prediction>>, AnalysisError> {
        let path = self.cell(id).join(PREDICTIONS);
        path.is_file().then(|| read_parquet(&path, None, predictions)).transpose()
    }

    /// How far each tensor of a cell's base was from its start: epoch, counted from 1, and drift.
    /// Nothing for a base that cannot change.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read_drift(&self, id: &CellId) -> Result<Vec<(usize, TensorDrift)>, AnalysisError> {
        let path = self.cell(id).join(DRIFT);
        if path.is_file() { read_parquet(&path, None, drifts) } else { Ok(Vec::new()) }
    }

    /// How far each tensor of a procedure's base was from its start, in the mean over its runs.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn mean_drift(&self, procedure: &ProcedureRuns) -> Result<Vec<DriftCurve>, AnalysisError> {
        let mut curves: Vec<DriftCurve> = Vec::new();
        for run in &procedure.runs {
            let share = 1.0 / procedure.runs.len() as f64;
            for (epoch, drift) in self.read_drift(&run.manifest.id)? {
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
        Ok(!self.cell_folders()?.is_empty())
    }

    /// The manifests of all cells, in the order of their names.
    ///
    /// # Errors
    /// When the folder or a manifest cannot be read.
    pub fn manifests(&self) -> Result<Vec<CellManifest>, AnalysisError> {
        let mut paths = self.cell_folders()?;
        paths.sort();
        paths.iter().filter_map(|path| read_json(&path.join("cell.json")).transpose()).collect()
    }

    /// The folders of all cells; none where there is no folder of results.
    fn cell_folders(&self) -> Result<Vec<PathBuf>, AnalysisError> {
        let cells = self.root.join("cells");
        let entries = match std::fs::read_dir(&cells) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(AnalysisError::unreadable(&cells, "cannot list")(error)),
        };
        entries
            .map(|entry| {
                Ok(entry.map_err(AnalysisError::unreadable(&cells, "cannot list"))?.path())
            })
            .collect()
    }
}

/// Removes temporary files that a killed run left behind.
fn remove_torn_files(folder: &Path) -> Result<(), AnalysisError> {
    for entry in
        std::fs::read_dir(folder).map_err(AnalysisError::unreadable(folder, "cannot list"))?
    {
        let entry = entry.map_err(AnalysisError::unreadable(folder, "cannot list"))?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            std::fs::remove_file(entry.path())
                .map_err(AnalysisError::unwritable(folder, "cannot remove a temporary file"))?;
        }
    }
    Ok(())
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), AnalysisError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| AnalysisError::Malformed {
        path: path.to_owned(),
        reason: format!("cannot be written as JSON ({error})"),
    })?;
    text.push(b'\n');
    replace(path, |file| {
        file.write_all(&text).map_err(AnalysisError::unwritable(path, "cannot write"))
    })
}

/// Reads a file, whole or some of its columns.
fn read_parquet<T>(
    path: &Path,
    columns: Option<Vec<String>>,
    rows: impl Fn(&DataFrame) -> PolarsResult<Vec<T>>,
) -> Result<Vec<T>, AnalysisError> {
    let file = std::fs::File::open(path).map_err(AnalysisError::unreadable(path, "cannot read"))?;
    ParquetReader::new(file)
        .with_columns(columns)
        .finish()
        .and_then(|frame| rows(&frame))
        .map_err(AnalysisError::parquet(path, "read"))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AnalysisError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AnalysisError::unreadable(path, "cannot read")(error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let reason = format!("is not what this version of thaw writes ({error}); delete its folder and run the cell again");
        AnalysisError::Malformed { path: path.to_owned(), reason }
    })
}
