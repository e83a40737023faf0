//! Places that a person names: what has to be there, and is not.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::CliError;

/// Whether a place is a folder of this machine that is not there. What an object store has is known only
/// when it is asked.
pub(crate) fn is_missing(place: &Path) -> Result<bool, CliError> {
    let Some(folder) = thaw_store::folder(place)? else { return Ok(false) };
    Ok(match folder.try_exists() {
        Ok(is_there) => !is_there,
        // Nor is there a folder in a file.
        Err(error) => error.kind() == ErrorKind::NotADirectory,
    })
}

/// Refuses a file in the place of a folder, such as `a folder of results`, and says what to do.
pub(crate) fn refuse_file(place: &Path, wanted: &str, remedy: &str) -> Result<(), CliError> {
    let folder = thaw_store::folder(place)?;
    if folder.is_none_or(|folder| folder.is_dir() || !folder.exists()) {
        return Ok(());
    }
    let message = format!("{} is a file, not {wanted}; {remedy}", place.display());
    Err(CliError::NoFolder { message })
}

/// Refuses a folder that is not there, and a file in its place.
pub(crate) fn require_folder(place: &Path, wanted: &str, remedy: &str) -> Result<(), CliError> {
    refuse_file(place, wanted, remedy)?;
    if !is_missing(place)? {
        return Ok(());
    }
    let message = format!("{}: there is no such folder; {remedy}", place.display());
    Err(CliError::NoFolder { message })
}
