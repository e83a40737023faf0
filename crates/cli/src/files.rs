//! Files that are there whole or not at all.

use std::path::Path;

use thaw_spec::file_names;

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

/// File names without extension that are made of levels, such as `regime-cached_dropout-0p5`. Other
/// levels have other names.
pub(crate) fn file_stems<'a>(all: impl IntoIterator<Item = &'a [(String, String)]>) -> Vec<String> {
    // No name has these characters, so that the texts differ wherever levels do.
    const WITHIN: char = '\u{1f}';
    const BETWEEN: char = '\u{1e}';
    let stand_in = |character: char| match character {
        WITHIN => Some('-'),
        BETWEEN => Some('_'),
        _ => file_character(character),
    };
    let text = |levels: &[(String, String)]| {
        if levels.is_empty() {
            return "cell".to_owned();
        }
        let words: Vec<String> =
            levels.iter().map(|(factor, level)| format!("{factor}{WITHIN}{level}")).collect();
        words.join(&BETWEEN.to_string())
    };
    let texts: Vec<String> = all.into_iter().map(text).collect();
    file_names(&texts, stand_in)
}

/// A text as a file name without extension: letters, digits, `-` and `_`, as many as the name of an
/// experiment may have.
pub(crate) fn file_stem_of(text: &str) -> String {
    const LONGEST: usize = 200;
    let characters = text.chars().map(|character| file_character(character).unwrap_or('_'));
    characters.take(LONGEST).collect()
}

/// What stands for a character in a file's name, if anything does. Dots are replaced too: what follows one
/// would be taken for an extension.
fn file_character(character: char) -> Option<char> {
    match character {
        '.' => Some('p'),
        _ => (character.is_ascii_alphanumeric() || "-_".contains(character)).then_some(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_levels_have_other_file_names() {
        let levels = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs
                .iter()
                .map(|(factor, level)| ((*factor).to_owned(), (*level).to_owned()))
                .collect()
        };
        let all = [
            levels(&[("regime", "cached"), ("dropout", "0.5")]),
            levels(&[("regime", "cached"), ("dropout", "0p5")]),
            levels(&[("regime", "cached"), ("dropout", "0.25")]),
            levels(&[("a", "../x")]),
            levels(&[("a", "..:x")]),
            levels(&[("a", "x_b-y"), ("b", "z")]),
            levels(&[("a", "x"), ("b", "y_b-z")]),
            levels(&[("a", &"x".repeat(300))]),
            levels(&[]),
        ];
        let stems = file_stems(all.iter().map(Vec::as_slice));
        let distinct: std::collections::BTreeSet<&String> = stems.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{stems:?}");
        assert_eq!(stems[2], "regime-cached_dropout-0p25");
        assert_eq!(stems[8], "cell");
        assert!(stems.iter().all(|stem| stem.len() <= 200 && !stem.contains('/')), "{stems:?}");
    }
}
