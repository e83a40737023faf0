//! Records to `epochs.parquet` and `drift.parquet`, whole after every epoch; at the end predictions
//! to `predictions.parquet`.

use std::collections::BTreeMap;
use std::sync::Arc;

use polars::prelude::{DataFrame, ParquetWriter, PolarsResult};
use thaw_spec::{Cell, ContentHash, EpochRecord, Prediction, RecordSink, SinkError};
use thaw_store::Store;

use crate::AnalysisError;
use crate::schema::{drift_frame, epoch_frame, prediction_frame};
use crate::store::key;

/// Names of the files in a cell's folder.
pub(crate) const EPOCHS: &str = "epochs.parquet";
pub(crate) const DRIFT: &str = "drift.parquet";
pub(crate) const PREDICTIONS: &str = "predictions.parquet";

/// Writes the records of one cell. The files are put as a whole after every epoch.
#[derive(Debug)]
pub struct ParquetSink {
    store: Arc<dyn Store>,
    cell: Cell,
    records: Vec<EpochRecord>,
    hashes: BTreeMap<String, ContentHash>,
}

impl ParquetSink {
    /// A sink for the records of a cell, into a store.
    pub fn new(store: Arc<dyn Store>, cell: Cell) -> Self {
        Self { store, cell, records: Vec::new(), hashes: BTreeMap::new() }
    }

    /// The hashes of the files as they were last written, by their names.
    pub fn hashes(&self) -> &BTreeMap<String, ContentHash> {
        &self.hashes
    }

    fn write(&mut self, name: &str, frame: PolarsResult<DataFrame>) -> Result<(), SinkError> {
        let key = key(&self.cell.id(), name);
        let bytes = frame.and_then(|mut frame| {
            let mut bytes = Vec::new();
            ParquetWriter::new(&mut bytes).finish(&mut frame)?;
            Ok(bytes)
        });
        let written = bytes
            .map_err(AnalysisError::parquet(&self.store.place(&key), "write"))
            .and_then(|bytes| {
                self.store.put(&key, &bytes)?;
                self.hashes.insert(name.to_owned(), ContentHash::of_bytes(&bytes));
                Ok(())
            });
        written.map_err(|error| SinkError(error.into()))
    }

    fn write_epochs(&mut self) -> Result<(), SinkError> {
        if self.records.iter().any(|record| !record.tensor_drifts.is_empty()) {
            self.write(DRIFT, drift_frame(&self.cell, &self.records))?;
        }
        self.write(EPOCHS, epoch_frame(&self.cell, &self.records))
    }
}

impl RecordSink for ParquetSink {
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        self.records = resumed.to_vec();
        if self.records.is_empty() { Ok(()) } else { self.write_epochs() }
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        self.records.push(record.clone());
        self.write_epochs()
    }

    fn predictions(&mut self, predictions: &[Prediction]) -> Result<(), SinkError> {
        self.write(PREDICTIONS, prediction_frame(&self.cell, predictions))
    }
}
