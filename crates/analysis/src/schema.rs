//! The columns of `epochs.parquet`: one row per epoch and split. Nowhere else stands a column's name.

use polars::prelude::*;
use thaw_spec::{Cell, EpochRecord, Split, SplitRecord};

/// Raised when a column changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

const VERSION: &str = "schema_version";
const CELL: &str = "cell";
const PROCEDURE: &str = "procedure";
const SEED: &str = "seed";
/// A factor of the matrix has the column `factor_<name>`, with the level as text.
const FACTOR_PREFIX: &str = "factor_";
const EPOCH: &str = "epoch";
const SPLIT: &str = "split";
const LOSS_SUM: &str = "loss_sum";
const CORRECT: &str = "correct";
const COUNT: &str = "count";
const DISTINCT_IMAGES: &str = "distinct_images";
const LOSS: &str = "loss";
const ACCURACY: &str = "accuracy";
const BASE_TENSORS: &str = "base_tensors";
const MOVED_TENSORS: &str = "moved_tensors";
const DRIFT_MAXIMUM: &str = "drift_maximum";
const DRIFT_MEAN: &str = "drift_mean";
const SECONDS: &str = "seconds";
const IMAGES_PER_SECOND: &str = "images_per_second";
const PEAK_MEMORY_BYTES: &str = "peak_memory_bytes";

/// The rows of some epochs of a cell.
pub(crate) fn to_frame(cell: &Cell, records: &[EpochRecord]) -> PolarsResult<DataFrame> {
    let rows: Vec<(&EpochRecord, &SplitRecord)> =
        records.iter().flat_map(|record| record.splits.iter().map(move |split| (record, split))).collect();
    let same = |name: &str, text: &str| Column::new(name.into(), vec![text; rows.len()]);
    let mut columns = vec![
        Column::new(VERSION.into(), vec![SCHEMA_VERSION; rows.len()]),
        same(CELL, cell.id().as_str()),
        same(PROCEDURE, &cell.procedure_id().to_string()),
        Column::new(SEED.into(), vec![cell.seed; rows.len()]),
    ];
    columns.extend(cell.levels.iter().map(|(factor, level)| same(&format!("{FACTOR_PREFIX}{factor}"), level)));
    macro_rules! column {
        ($name:expr, |$record:ident, $split:ident| $value:expr) => {
            columns.push(Column::new($name.into(), rows.iter().map(|&($record, $split)| $value).collect::<Vec<_>>()))
        };
    }
    column!(EPOCH, |record, _split| record.epoch as u64);
    column!(SPLIT, |_record, split| split.split.name());
    column!(LOSS_SUM, |_record, split| split.loss_sum);
    column!(CORRECT, |_record, split| split.correct);
    column!(COUNT, |_record, split| split.count);
    column!(DISTINCT_IMAGES, |_record, split| split.distinct_images);
    column!(LOSS, |_record, split| split.loss());
    column!(ACCURACY, |_record, split| split.accuracy());
    column!(BASE_TENSORS, |record, _split| record.drift.tensors);
    column!(MOVED_TENSORS, |record, _split| record.drift.moved);
    column!(DRIFT_MAXIMUM, |record, _split| record.drift.maximum);
    column!(DRIFT_MEAN, |record, _split| record.drift.mean);
    column!(SECONDS, |record, _split| record.seconds);
    column!(IMAGES_PER_SECOND, |record, _split| record.images_per_second);
    column!(PEAK_MEMORY_BYTES, |record, _split| record.peak_memory_bytes);
    DataFrame::new(rows.len(), columns)
}

/// One row, as far as analysis needs it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) cell: String,
    pub(crate) epoch: u64,
    pub(crate) split: Split,
    pub(crate) loss_sum: f64,
    pub(crate) correct: u64,
    pub(crate) count: u64,
    pub(crate) drift_maximum: f64,
    pub(crate) seconds: f64,
}

/// The columns that [`rows`] reads.
pub(crate) fn wanted_columns() -> Vec<Expr> {
    [VERSION, CELL, EPOCH, SPLIT, LOSS_SUM, CORRECT, COUNT, DRIFT_MAXIMUM, SECONDS].map(col).to_vec()
}

/// Reads rows out of a frame with the [`wanted_columns`].
pub(crate) fn rows(frame: &DataFrame) -> PolarsResult<Vec<Row>> {
    let text = |name: &str| frame.column(name)?.str();
    let whole = |name: &str| frame.column(name)?.u64();
    let real = |name: &str| frame.column(name)?.f64();
    let (cells, splits) = (text(CELL)?, text(SPLIT)?);
    let (epochs, corrects, counts) = (whole(EPOCH)?, whole(CORRECT)?, whole(COUNT)?);
    let (losses, drifts, seconds) = (real(LOSS_SUM)?, real(DRIFT_MAXIMUM)?, real(SECONDS)?);
    let versions = frame.column(VERSION)?.u32()?;
    let row = |index: usize| -> Option<Row> {
        Some(Row {
            cell: cells.get(index)?.to_owned(),
            epoch: epochs.get(index)?,
            split: Split::ALL.into_iter().find(|split| Some(split.name()) == splits.get(index))?,
            loss_sum: losses.get(index)?,
            correct: corrects.get(index)?,
            count: counts.get(index).filter(|count| *count > 0)?,
            drift_maximum: drifts.get(index)?,
            seconds: seconds.get(index)?,
        })
        .filter(|_| versions.get(index) == Some(SCHEMA_VERSION))
    };
    let missing = || polars_err!(ComputeError: "a row has missing values or was written by another version of thaw");
    (0..frame.height()).map(|index| row(index).ok_or_else(missing)).collect()
}
