//! Text that others chose, such as names of files, classes, factors and runs: how it is shown, and
//! how it names files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ContentHash;

/// Whether a character shows nothing and does something: it ends a line, commands a terminal, turns
/// the direction of what stands beside it, or hides that two texts differ. The joiners of emoji and
/// of Persian words show what they do.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
        // Not characters at all.
        || u32::from(character) & 0xfffe == 0xfffe
}

/// A text with its hidden characters as escapes such as `\n` and `\u{1b}`, in one line.
///
/// ```
/// assert_eq!(thaw_spec::visible("cats\u{1b}[2J"), r"cats\u{1b}[2J");
/// assert_eq!(thaw_spec::visible("katzen, chats"), "katzen, chats");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The text of a JSON document in which strings hold no hidden character as it is, but its escape:
/// the same document, fit for a terminal and for YAML. Line breaks between the values stay.
pub fn visible_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        // The others need two escapes, which YAML does not understand, and do nothing.
        if is_hidden(character) && character != '\n' && character <= '\u{ffff}' {
            shown.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A word as a shell understands it: as it is, or in quotation marks where a shell would make
/// something else of it.
///
/// ```
/// assert_eq!(thaw_spec::shell_word("regime=cached"), "regime=cached");
/// assert_eq!(thaw_spec::shell_word("a; rm -rf 'x'"), r"'a; rm -rf '\''x'\'''");
/// ```
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let is_plain =
        |character: char| character.is_alphanumeric() || "-_./=,:+@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// Says why a text cannot be the name of a factor or of a level: every table, file and message that it
/// goes into has a line for it.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.contains(char::is_control) {
        return Err(format!(
            "the name `{}` has a line break or another control character; use characters that can be seen",
            visible(name)
        ));
    }
    Ok(())
}

/// Names of files may have 255 bytes; an extension and a mark of a file that is being written need
/// some of them.
const LONGEST_FILE_NAME: usize = 200;

/// Names of files for texts, in their order. Other texts get other names, also where a file system
/// does not tell capitals from small letters.
///
/// `stand_in` says what usually stands for a character in such a name: itself, or another one. Where
/// nothing does, `_` stands there. A name that so became ambiguous, or would be too long, ends with the
/// beginning of the text's hash.
pub fn file_names<T: AsRef<str>>(
    texts: &[T],
    stand_in: impl Fn(char) -> Option<char>,
) -> Vec<String> {
    let plain: Vec<(String, bool)> =
        texts.iter().map(|text| plain_file_name(text.as_ref(), &stand_in)).collect();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut shared: Vec<String> = Vec::new();
    for ((name, _), text) in plain.iter().zip(texts) {
        let folded = name.to_lowercase();
        if *owners.entry(folded.clone()).or_insert(text.as_ref()) != text.as_ref() {
            shared.push(folded);
        }
    }
    let distinct = plain.into_iter().zip(texts).map(|((name, is_exact), text)| {
        if is_exact && name.len() <= LONGEST_FILE_NAME && !shared.contains(&name.to_lowercase()) {
            return name;
        }
        let hash = ContentHash::of_bytes(text.as_ref().as_bytes());
        let longest = LONGEST_FILE_NAME - hash.short().len() - 1;
        let end = (0..=longest).rfind(|end| name.is_char_boundary(*end)).unwrap_or(0);
        format!("{}-{}", &name[..end], hash.short())
    });
    distinct.collect()
}

/// The characters' stand-ins, and whether each has one. A name that is empty or begins as a hidden
/// file, the folder above or an option does gets a `_` before it.
fn plain_file_name(text: &str, stand_in: impl Fn(char) -> Option<char>) -> (String, bool) {
    let mut is_exact = true;
    let mut name: String = text
        .chars()
        .map(|character| {
            stand_in(character).unwrap_or_else(|| {
                is_exact = false;
                '_'
            })
        })
        .collect();
    if name.is_empty() || name.starts_with(['.', '-']) {
        is_exact = false;
        name.insert(0, '_');
    }
    (name, is_exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_all_others_stay() {
        for (text, shown) in [
            ("cats and dogs", "cats and dogs"),
            ("\u{1b}]52;c;aGk=\u{7}", r"\u{1b}]52;c;aGk=\u{7}"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("a\nb\tc\r", r"a\nb\tc\r"),
            ("\u{202e}lived\u{2066}", r"\u{202e}lived\u{2066}"),
            ("z\u{200b}w\u{feff}", r"z\u{200b}w\u{feff}"),
            ("\u{2028}\u{7f}\u{0}\u{fffe}", r"\u{2028}\u{7f}\u{0}\u{fffe}"),
            ("חתול · ماه\u{200c}ها · 👩\u{200d}🔬 · é", "חתול · ماه\u{200c}ها · 👩\u{200d}🔬 · é"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible(&visible(text)), shown, "escapes are escaped no further");
        }
    }

    #[test]
    fn a_document_in_json_means_the_same_with_escapes() {
        let value =
            serde_json::json!({ "a\u{9b}": ["\u{202e}x\u{7f}", "👩\u{200d}🔬", "\n\u{1b}"] });
        let shown = visible_json(&format!("{value:#}"));
        assert!(!shown.contains(|character| is_hidden(character) && character != '\n'), "{shown}");
        assert!(shown.lines().count() > 1, "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
    }

    #[test]
    fn other_texts_have_other_file_names() {
        let stand_in = |character: char| match character {
            '.' => Some('p'),
            ' ' => Some('_'),
            _ => character.is_ascii_alphanumeric().then_some(character),
        };
        let long = "x".repeat(300);
        let longer = format!("{long}y");
        let texts = [
            "cached 0.5",
            "cached 0p5",
            "plain",
            "Plain",
            "a/b",
            "a\\b",
            "../b",
            "..",
            ".",
            "",
            "-rf",
            &long,
            &longer,
            "ünï",
            "plain",
        ];
        let names = file_names(&texts, stand_in);
        for (place, name) in names.iter().enumerate() {
            assert!(!name.is_empty() && name.len() <= LONGEST_FILE_NAME, "{name}");
            assert!(!name.starts_with(['.', '-']) && !name.contains(['/', '\\']), "{name}");
            let twins = names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count();
            assert_eq!(twins, if texts[place] == "plain" { 2 } else { 1 }, "{names:?}");
        }
        let usual = file_names(&["cached 0.5", "a"], stand_in);
        assert_eq!(usual, ["cached_0p5", "a"], "what is not ambiguous needs no hash");
        let alone = |text: &str| file_names(&[text], stand_in).concat();
        assert_ne!(alone("a/b"), alone("a\\b"), "texts that do not know of each other differ too");
    }

    #[test]
    fn a_shell_takes_each_word_for_one() {
        for (word, expected) in [
            ("tiny.toml", "tiny.toml"),
            ("a b", "'a b'"),
            ("$(id)`id`", "'$(id)`id`'"),
            ("it's\nso", "'it'\\''s\nso'"),
            ("", "''"),
            ("חתול", "חתול"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}
