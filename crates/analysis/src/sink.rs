//! Records to `epochs.parquet`, whole after every epoch.

use std::path::{Path, PathBuf};

use polars::prelude::ParquetWriter;
use tempfile::NamedTempFile;
use thaw_spec::{Cell, EpochRecord, RecordSink, SinkError};

use crate::AnalysisError;
use crate::schema::to_frame;

/// Writes the records of one cell. The file is replaced as a whole after every epoch: by temporary file, fsync and rename.
#[derive(Debug)]
pub struct ParquetSink {
    path: PathBuf,
    cell: Cell,
    records: Vec<EpochRecord>,
}

impl ParquetSink {
    /// A sink for the records of a cell.
    pub fn new(path: PathBuf, cell: Cell) -> Self {
        Self { path, cell, records: Vec::new() }
    }

    fn write(&self) -> Result<(), AnalysisError> {
        let mut frame = to_frame(&self.cell, &self.records).map_err(AnalysisError::parquet(&self.path, "write"))?;
        replace(&self.path, |file| {
            ParquetWriter::new(file).finish(&mut frame).map(|_| ()).map_err(AnalysisError::parquet(&self.path, "write"))
        })
    }
}

impl RecordSink for ParquetSink {
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        self.records = resumed.to_vec();
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        self.records.push(record.clone());
        self.write().map_err(|error| SinkError(error.into()))
    }
}

/// How the names of temporary files begin.
pub(crate) const TEMPORARY: &str = ".thaw-";

/// Replaces a file: what `write` puts into a temporary file beside it appears under its name at once, or not at all.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut NamedTempFile) -> Result<(), AnalysisError>) -> Result<(), AnalysisError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(folder)
        .map_err(AnalysisError::io(folder, "cannot write into the folder"))?;
    write(&mut file)?;
    file.as_file().sync_all().map_err(AnalysisError::io(path, "cannot write"))?;
    // Temporary files are private to their owner; results are for everybody.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let readable = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(AnalysisError::io(path, "cannot write"))?;
    }
    file.persist(path).map_err(|error| AnalysisError::io(path, "cannot write")(error.error))?;
    Ok(())
}
