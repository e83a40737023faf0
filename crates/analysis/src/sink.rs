//! Records to `epochs.parquet` and `drift.parquet`, whole after every epoch; at the end predictions
//! to `predictions.parquet`.

use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, ParquetWriter, PolarsResult};
use tempfile::NamedTempFile;
use thaw_spec::{Cell, EpochRecord, Prediction, RecordSink, SinkError};

use crate::AnalysisError;
use crate::schema::{drift_frame, epoch_frame, prediction_frame};

/// Names of the files in a cell's folder.
pub(crate) const EPOCHS: &str = "epochs.parquet";
pub(crate) const DRIFT: &str = "drift.parquet";
pub(crate) const PREDICTIONS: &str = "predictions.parquet";

/// Writes the records of one cell. The files are replaced as a whole after every epoch: by
/// temporary file, fsync and rename.
#[derive(Debug)]
pub struct ParquetSink {
    folder: PathBuf,
    cell: Cell,
    records: Vec<EpochRecord>,
}

impl ParquetSink {
    /// A sink for the records of a cell, into the cell's folder.
    pub fn new(folder: PathBuf, cell: Cell) -> Self {
        Self { folder, cell, records: Vec::new() }
    }

    fn write(&self, name: &str, frame: PolarsResult<DataFrame>) -> Result<(), SinkError> {
        let path = self.folder.join(name);
        let result = frame.map_err(AnalysisError::parquet(&path, "write")).and_then(|mut frame| {
            replace(&path, |file| {
                let written = ParquetWriter::new(file).finish(&mut frame);
                written.map(|_| ()).map_err(AnalysisError::parquet(&path, "write"))
            })
        });
        result.map_err(|error| SinkError(error.into()))
    }
}

impl RecordSink for ParquetSink {
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        self.records = resumed.to_vec();
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        self.records.push(record.clone());
        if self.records.iter().any(|record| !record.tensor_drifts.is_empty()) {
            self.write(DRIFT, drift_frame(&self.cell, &self.records))?;
        }
        self.write(EPOCHS, epoch_frame(&self.cell, &self.records))
    }

    fn predictions(&mut self, predictions: &[Prediction]) -> Result<(), SinkError> {
        self.write(PREDICTIONS, prediction_frame(&self.cell, predictions))
    }
}

/// How the names of temporary files begin.
pub(crate) const TEMPORARY: &str = ".thaw-";

/// Replaces a file: what `write` puts into a temporary file beside it appears under its name at
/// once, or not at all.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut NamedTempFile) -> Result<(), AnalysisError>,
) -> Result<(), AnalysisError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(folder)
        .map_err(AnalysisError::unwritable(folder, "cannot write into the folder"))?;
    write(&mut file)?;
    file.as_file().sync_all().map_err(AnalysisError::unwritable(path, "cannot write"))?;
    // Temporary files are private to their owner; results are for everybody.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let readable = std::fs::Permissions::from_mode(0o644);
        file.as_file()
            .set_permissions(readable)
            .map_err(AnalysisError::unwritable(path, "cannot write"))?;
    }
    file.persist(path)
        .map_err(|error| AnalysisError::unwritable(path, "cannot write")(error.error))?;
    Ok(())
}
