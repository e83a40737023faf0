//! Text that others chose, in Markdown, in SVG and on the page.

use maud::{Markup, html};
use thaw_spec::{is_hidden, visible};

/// A text within a line of Markdown or a cell of its tables: it shows itself, and is neither markup nor
/// HTML nor a link.
pub fn markdown_text(text: &str) -> String {
    let text = visible(text);
    let mut escaped = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    for (place, character) in text.char_indices() {
        let after = &text[place + character.len_utf8()..];
        let is_markup = match character {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '&' | '#' | '~' | '$' | '@' => true,
            // Within a word it is a letter.
            '_' => {
                !before.is_some_and(char::is_alphanumeric)
                    || !after.starts_with(char::is_alphanumeric)
            }
            // Addresses become links by themselves.
            ':' => after.starts_with("//"),
            '.' => text[..place].to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if is_markup {
            escaped.push('\\');
        }
        escaped.push(character);
        before = Some(character);
    }
    escaped
}

/// A document with the hidden characters of its texts as escapes; so XML can hold all of it. Line
/// breaks stay.
pub(crate) fn shown(document: String) -> String {
    let is_shown = |character: char| character == '\n' || !is_hidden(character);
    if document.chars().all(is_shown) {
        return document;
    }
    let mut escaped = String::with_capacity(document.len() + 16);
    for character in document.chars() {
        if is_shown(character) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_default());
        }
    }
    escaped
}

/// A name within a sentence: where it is written from right to left, the sentence around it is not.
pub(crate) fn name(text: &str) -> Markup {
    html! { bdi { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_names_as_they_are() {
        for (text, escaped) in [
            (
                "regime=accidentally_unfrozen dropout=0.5",
                "regime=accidentally_unfrozen dropout=0.5",
            ),
            ("the book's 1st procedure: cached, 2 × 2", "the book's 1st procedure: cached, 2 × 2"),
            ("a|b", r"a\|b"),
            (r"a\|b", r"a\\\|b"),
            ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
            ("![x](http://e)", r"!\[x\](http\://e)"),
            ("`x` *y* _z_ ~u~", r"\`x\` \*y\* \_z\_ \~u\~"),
            ("&lt; # $x$ @me www.e.org", r"\&lt; \# \$x\$ \@me www\.e.org"),
            ("one\ntwo\u{202e}", r"one\\ntwo\\u{202e}"),
        ] {
            assert_eq!(markdown_text(text), escaped);
        }
    }

    #[test]
    fn a_document_holds_no_hidden_character() {
        let document = "<text>\na\u{1b}\u{202e}\u{fffe}\u{0}b</text>".to_owned();
        assert_eq!(shown(document), "<text>\na\\u{1b}\\u{202e}\\u{fffe}\\u{0}b</text>");
        assert_eq!(shown("חתול\n".to_owned()), "חתול\n");
    }

    #[test]
    fn a_name_in_a_sentence_is_isolated_and_escaped() {
        assert_eq!(name("<b>\"חתול").into_string(), "<bdi>&lt;b&gt;&quot;חתול</bdi>");
    }
}
