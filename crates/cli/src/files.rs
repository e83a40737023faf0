//! Files that are there whole or not at all.

use std::path::Path;

use crate::error::CliError;

/// Writes a file at once, or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    thaw_store::write_whole(path, bytes)
        .map_err(|source| CliError::Unwritable { path: path.to_owned(), source })
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
