//! Reading Parquet that may be damaged in any way.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::{
    DataFrame, FileMetadata, ParquetReader, PolarsResult, SerReader as _, polars_bail,
};

use crate::AnalysisError;
use crate::store::REMEDY;

/// What is made of a file, or of some of its columns, which may be damaged in any way.
pub(crate) fn read<T>(
    place: &Path,
    bytes: Vec<u8>,
    columns: Option<Vec<String>>,
    made: impl FnOnce(DataFrame) -> PolarsResult<T>,
) -> Result<T, AnalysisError> {
    let length = bytes.len();
    let answer = || {
        let mut reader = ParquetReader::new(Cursor::new(bytes)).with_columns(columns);
        check_sizes(reader.get_metadata()?, length)?;
        reader.finish().and_then(made)
    };
    // Of a damaged file polars answers some parts with a panic (0.55.2): flags in its footer, and
    // lengths within its pages, which cannot be looked at beforehand.
    match catch_unwind(AssertUnwindSafe(answer)) {
        Ok(answer) => answer.map_err(AnalysisError::parquet(place, "read")),
        Err(_) => {
            let (path, reason) = (place.to_owned(), format!("is damaged; {REMEDY}"));
            Err(AnalysisError::Malformed { path, reason })
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
        polars_bail!(ComputeError: "it ends before its columns do; {}", REMEDY);
    }
    let unpacked =
        columns().map(|column| usize::try_from(column.uncompressed_size()).unwrap_or(usize::MAX));
    let rows = metadata.row_groups.iter().map(|group| group.num_rows());
    let counts = [unpacked.fold(0, usize::saturating_add), rows.fold(0, usize::saturating_add)];
    if counts.into_iter().chain([metadata.num_rows]).any(|count| count > most) {
        polars_bail!(ComputeError: "it declares more than it can hold; {}", REMEDY);
    }
    Ok(())
}
