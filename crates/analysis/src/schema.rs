//! The columns of `epochs.parquet` (one row per epoch and split), `drift.parquet` (per epoch and
//! tensor that the optimizer holds) and `predictions.parquet` (per evaluated image). Nowhere else
//! stands a column's name.

use polars::prelude::*;
use thaw_spec::{Cell, CellId, EpochRecord, Prediction, Split, SplitRecord, TensorDrift};

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
const TENSOR: &str = "tensor";
const RELATIVE_DRIFT: &str = "relative_drift";
const IMAGE: &str = "image";
const LABEL: &str = "label";
const PREDICTED: &str = "predicted";

/// Columns that differ from run to run.
pub(crate) const TIMES: [&str; 3] = [SECONDS, IMAGES_PER_SECOND, PEAK_MEMORY_BYTES];
/// Columns that name what a row is about.
pub(crate) const KEYS: [&str; 4] = [EPOCH, SPLIT, TENSOR, IMAGE];

/// The rows of some epochs of a cell.
pub(crate) fn epoch_frame(cell: &Cell, records: &[EpochRecord]) -> PolarsResult<DataFrame> {
    let rows: Vec<(&EpochRecord, &SplitRecord)> = records
        .iter()
        .flat_map(|record| record.splits.iter().map(move |split| (record, split)))
        .collect();
    let same = |name: &str, text: &str| Column::new(name.into(), vec![text; rows.len()]);
    let mut columns = vec![
        Column::new(VERSION.into(), vec![SCHEMA_VERSION; rows.len()]),
        same(CELL, cell.id().as_str()),
        same(PROCEDURE, &cell.procedure_id().to_string()),
        Column::new(SEED.into(), vec![cell.seed; rows.len()]),
    ];
    columns.extend(
        cell.levels.iter().map(|(factor, level)| same(&format!("{FACTOR_PREFIX}{factor}"), level)),
    );
    macro_rules! column {
        ($name:expr, |$record:ident, $split:ident| $value:expr) => {
            columns.push(Column::new(
                $name.into(),
                rows.iter().map(|&($record, $split)| $value).collect::<Vec<_>>(),
            ))
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

/// How far each tensor was from its start, by epoch.
pub(crate) fn drift_frame(cell: &Cell, records: &[EpochRecord]) -> PolarsResult<DataFrame> {
    let rows = || {
        records
            .iter()
            .flat_map(|record| record.tensor_drifts.iter().map(move |drift| (record.epoch, drift)))
    };
    let count = rows().count();
    let columns = vec![
        Column::new(VERSION.into(), vec![SCHEMA_VERSION; count]),
        Column::new(CELL.into(), vec![cell.id().as_str(); count]),
        Column::new(EPOCH.into(), rows().map(|(epoch, _)| epoch as u64).collect::<Vec<_>>()),
        Column::new(
            TENSOR.into(),
            rows().map(|(_, drift)| drift.tensor.as_str()).collect::<Vec<_>>(),
        ),
        Column::new(
            RELATIVE_DRIFT.into(),
            rows().map(|(_, drift)| drift.relative).collect::<Vec<_>>(),
        ),
    ];
    DataFrame::new(count, columns)
}

/// What a cell's model said about each image.
pub(crate) fn prediction_frame(cell: &Cell, predictions: &[Prediction]) -> PolarsResult<DataFrame> {
    let count = predictions.len();
    macro_rules! column {
        ($name:expr, |$prediction:ident| $value:expr) => {
            Column::new(
                $name.into(),
                predictions.iter().map(|$prediction| $value).collect::<Vec<_>>(),
            )
        };
    }
    let columns = vec![
        Column::new(VERSION.into(), vec![SCHEMA_VERSION; count]),
        Column::new(CELL.into(), vec![cell.id().as_str(); count]),
        column!(SPLIT, |prediction| prediction.split.name()),
        column!(IMAGE, |prediction| prediction.image),
        column!(LABEL, |prediction| prediction.label),
        column!(PREDICTED, |prediction| prediction.predicted),
        column!(LOSS, |prediction| prediction.loss),
    ];
    DataFrame::new(count, columns)
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
pub(crate) fn wanted_columns() -> Vec<String> {
    [VERSION, CELL, EPOCH, SPLIT, LOSS_SUM, CORRECT, COUNT, DRIFT_MAXIMUM, SECONDS]
        .map(str::to_owned)
        .to_vec()
}

/// Reads rows out of a frame with the [`wanted_columns`].
pub(crate) fn rows(frame: &DataFrame) -> PolarsResult<Vec<Row>> {
    let text = |name: &str| frame.column(name)?.str();
    let whole = |name: &str| frame.column(name)?.u64();
    let real = |name: &str| frame.column(name)?.f64();
    let (cells, splits) = (text(CELL)?, text(SPLIT)?);
    let (epochs, corrects, counts) = (whole(EPOCH)?, whole(CORRECT)?, whole(COUNT)?);
    let (losses, drifts, seconds) = (real(LOSS_SUM)?, real(DRIFT_MAXIMUM)?, real(SECONDS)?);
    let row = |index: usize| -> Option<Row> {
        Some(Row {
            cell: cells.get(index)?.to_owned(),
            epoch: epochs.get(index)?,
            split: split(splits.get(index))?,
            loss_sum: losses.get(index)?,
            correct: corrects.get(index)?,
            count: counts.get(index).filter(|count| *count > 0)?,
            drift_maximum: drifts.get(index)?,
            seconds: seconds.get(index)?,
        })
    };
    every_row(frame, row)
}

/// Reads what [`drift_frame`] wrote: epoch, tensor and relative drift.
pub(crate) fn drifts(frame: &DataFrame) -> PolarsResult<Vec<(usize, TensorDrift)>> {
    let (epochs, tensors) = (frame.column(EPOCH)?.u64()?, frame.column(TENSOR)?.str()?);
    let relatives = frame.column(RELATIVE_DRIFT)?.f64()?;
    let row = |index: usize| {
        let drift =
            TensorDrift { tensor: tensors.get(index)?.to_owned(), relative: relatives.get(index)? };
        // They are counted from 1.
        let epoch = usize::try_from(epochs.get(index)?).ok().filter(|epoch| *epoch > 0)?;
        Some((epoch, drift))
    };
    every_row(frame, row)
}

/// Reads what [`prediction_frame`] wrote.
pub(crate) fn predictions(frame: &DataFrame) -> PolarsResult<Vec<Prediction>> {
    let splits = frame.column(SPLIT)?.str()?;
    let whole = |name: &str| frame.column(name)?.u32();
    let (images, labels, predicted) = (whole(IMAGE)?, whole(LABEL)?, whole(PREDICTED)?);
    let losses = frame.column(LOSS)?.f32()?;
    let row = |index: usize| {
        Some(Prediction {
            split: split(splits.get(index))?,
            image: images.get(index)?,
            label: labels.get(index)?,
            predicted: predicted.get(index)?,
            loss: losses.get(index)?,
        })
    };
    every_row(frame, row)
}

/// The other cell that a row names, if one does.
pub(crate) fn other_cell(frame: &DataFrame, id: &CellId) -> PolarsResult<Option<String>> {
    let cells = frame.column(CELL)?.str()?;
    let mut names = (0..frame.height()).filter_map(|row| cells.get(row));
    Ok(names.find(|name| *name != id.as_str()).map(str::to_owned))
}

fn split(name: Option<&str>) -> Option<Split> {
    Split::ALL.into_iter().find(|split| Some(split.name()) == name)
}

/// The rows of a frame, all of which must be of this version and whole.
fn every_row<T>(frame: &DataFrame, row: impl Fn(usize) -> Option<T>) -> PolarsResult<Vec<T>> {
    let versions = frame.column(VERSION)?.u32()?;
    let missing = || polars_err!(ComputeError: "a row has missing values or was written by another version of thaw");
    let current = |index: usize| versions.get(index) == Some(SCHEMA_VERSION);
    (0..frame.height())
        .map(|index| row(index).filter(|_| current(index)).ok_or_else(missing))
        .collect()
}
