//! Tables that can be sorted.

use maud::{Markup, html};

/// An entry of a table.
pub(super) enum Entry {
    /// Text.
    Text(String),
    /// A number as text, and its value to sort by.
    Number(String, f64),
}

impl Entry {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn whole(number: usize) -> Self {
        Self::Number(number.to_string(), number as f64)
    }

    /// A number that may be missing.
    pub(super) fn maybe(value: Option<f64>, show: impl Fn(f64) -> String) -> Self {
        value.map_or_else(|| Self::missing("–"), |value| Self::Number(show(value), value))
    }

    /// Words where a number should be; they sort below all numbers.
    pub(super) fn missing(words: &str) -> Self {
        Self::Number(words.to_owned(), -1e300)
    }
}

/// A table whose columns sort it.
pub(super) fn table(caption: &str, headings: &[&str], rows: Vec<Vec<Entry>>) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for heading in headings { th scope="col" { button type="button" { (heading) } } } } }
                tbody {
                    @for row in rows {
                        tr { @for entry in row {
                            @match entry {
                                Entry::Text(text) => td { (text) },
                                Entry::Number(text, value) => td class="number" data-value=(value) { (text) },
                            }
                        } }
                    }
                }
            }
        }
    }
}
