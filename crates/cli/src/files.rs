//! Files that are there whole or not at all.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::CliError;

/// Writes a file under a temporary name first.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let unwritable = |source| CliError::Unwritable { path: path.to_owned(), source };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let mut file = NamedTempFile::new_in(folder).map_err(unwritable)?;
    file.write_all(bytes).map_err(unwritable)?;
    let file = file.into_temp_path();
    readable(&file).map_err(unwritable)?;
    file.persist(path).map_err(|error| unwritable(error.error))
}

/// Writes a file that does not exist yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    if path.exists() {
        let message =
            format!("{}: the file exists; remove it, or name another by --output", path.display());
        return Err(CliError::Exists { message });
    }
    write_whole(path, bytes)
}

/// Temporary files are made for their owner alone; what is kept is for everybody the folder is for.
fn readable(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// A file name without extension that is made of levels, such as `regime-cached_dropout-0p5`.
pub(crate) fn file_stem(levels: &[(String, String)]) -> String {
    if levels.is_empty() {
        return "cell".to_owned();
    }
    let words: Vec<String> =
        levels.iter().map(|(factor, level)| format!("{factor}-{level}")).collect();
    file_stem_of(&words.join("_"))
}

/// A text as a file name without extension: letters, digits, `-` and `_`.
pub(crate) fn file_stem_of(text: &str) -> String {
    text.chars().map(file_character).collect()
}

/// Dots are replaced too: what follows one would be taken for an extension.
fn file_character(character: char) -> char {
    match character {
        '.' => 'p',
        _ if character.is_ascii_alphanumeric() || "-_".contains(character) => character,
        _ => '_',
    }
}
