//! Files mapped into memory: the one place of this crate that needs `unsafe`.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::DataError;

/// Maps a whole file for reading.
pub(crate) fn map(path: &Path) -> Result<Mmap, DataError> {
    let file = File::open(path).map_err(DataError::unreadable(path, "cannot open"))?;
    // SAFETY: the mapping is sound as long as nobody truncates or changes the file while it is
    // mapped. Artifacts are written under a temporary name, renamed into place when complete, and
    // never written again; their folder belongs to thaw.
    #[expect(unsafe_code, reason = "mapping files has no safe interface")]
    let mapped = unsafe { Mmap::map(&file) };
    mapped.map_err(DataError::unreadable(path, "cannot map into memory"))
}
