//! One kind of table for the terminal, the summary and the page.

use maud::{Markup, html};
use thaw_spec::visible;

use crate::escape::markdown_text;

/// An entry of a table.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Text.
    Text(String),
    /// A number as text, and its value, by which the page sorts.
    Number(String, f64),
}

impl Entry {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub fn whole(number: usize) -> Self {
        Self::Number(number.to_string(), number as f64)
    }

    /// A number that may be missing.
    pub fn maybe(value: Option<f64>, show: impl Fn(f64) -> String) -> Self {
        value.map_or_else(|| Self::missing("–"), |value| Self::Number(show(value), value))
    }

    /// Words where a number should be; they sort below all numbers.
    pub fn missing(words: &str) -> Self {
        Self::Number(words.to_owned(), -1e300)
    }

    /// The entry as a cell of a table in HTML.
    pub(crate) fn html(&self) -> Markup {
        html! {
            @match self {
                Self::Text(text) => td { (text) },
                // JavaScript reads no `inf`.
                Self::Number(text, value) => td class="number" data-value=(value.clamp(-1e300, 1e300)) { (text) },
            }
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text, _) => text,
        }
    }
}

/// A table. The summary shows it as Markdown, the terminal in the same lines, the page as HTML.
#[derive(Clone, Debug)]
pub struct Table {
    /// Caption, for the page.
    pub caption: String,
    /// Heading of each column.
    pub headings: Vec<String>,
    /// Rows with an entry for every column.
    pub rows: Vec<Vec<Entry>>,
}

impl Table {
    /// A table of rows that have an entry for every heading.
    pub fn new(
        caption: impl Into<String>,
        headings: &[&str],
        rows: impl IntoIterator<Item = Vec<Entry>>,
    ) -> Self {
        Self {
            caption: caption.into(),
            headings: headings.iter().map(|heading| (*heading).to_owned()).collect(),
            rows: rows.into_iter().collect(),
        }
    }

    /// The lines of the table in Markdown, in which every entry shows itself.
    pub fn markdown(&self) -> Vec<String> {
        self.drawn(markdown_text)
    }

    /// The same lines for a terminal, on which nothing is markup.
    pub fn lines(&self) -> Vec<String> {
        self.drawn(|entry| visible(entry).into_owned())
    }

    /// The lines of the table, easy to read as they are: each column is as wide as its widest entry, and
    /// columns of numbers are flush right.
    fn drawn(&self, escape: impl Fn(&str) -> String) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|heading| escape(heading)).collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|entry| escape(entry.shown())).collect())
            .collect();
        let width = |place: usize| {
            let entries = rows.iter().chain([&headings]).map(|row| row[place].chars().count());
            entries.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let columns = 0..self.headings.len();
        let line = |entries: &Vec<String>| {
            let padded = columns.clone().zip(entries).map(|(place, entry)| {
                let width = widths[place];
                if self.is_numeric(place) {
                    format!(" {entry:>width$} |")
                } else {
                    format!(" {entry:width$} |")
                }
            });
            format!("|{}", padded.collect::<String>())
        };
        let rule = columns.clone().map(|place| {
            let dashes = "-".repeat(widths[place] + 1);
            if self.is_numeric(place) { format!("{dashes}:|") } else { format!(":{dashes}|") }
        });
        let rule = format!("|{}", rule.collect::<String>());
        [line(&headings), rule].into_iter().chain(rows.iter().map(line)).collect()
    }

    fn is_numeric(&self, place: usize) -> bool {
        self.rows.iter().all(|row| matches!(row[place], Entry::Number(..))) && !self.rows.is_empty()
    }

    /// The table in HTML, which the reader can sort by any column.
    pub(crate) fn html(&self) -> Markup {
        html! {
            div class="scroll" tabindex="0" role="group" aria-label=(self.caption) {
                table {
                    caption { (self.caption) }
                    thead { tr { @for heading in &self.headings { th scope="col" { button type="button" { (heading) } } } } }
                    tbody {
                        @for row in &self.rows {
                            tr { @for entry in row { (entry.html()) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let rows = [
            vec![Entry::text("cached → frozen"), Entry::whole(1)],
            vec![Entry::text("<none>"), Entry::whole(100)],
        ];
        Table::new("Time", &["cell", "s"], rows)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        assert_eq!(
            table().lines(),
            [
                "| cell            |   s |",
                "|:----------------|----:|",
                "| cached → frozen |   1 |",
                "| <none>          | 100 |"
            ]
        );
    }

    #[test]
    fn what_a_column_is_sorted_by_is_a_number_that_javascript_reads() {
        let value = |value: f64| Entry::Number("not finite".to_owned(), value).html().into_string();
        assert!(!value(f64::INFINITY).contains("inf"), "{}", value(f64::INFINITY));
        assert!(value(f64::NEG_INFINITY).contains("data-value=\"-1"));
    }

    #[test]
    fn an_entry_of_any_characters_is_one_cell_of_one_line() {
        let rows = [vec![Entry::text("a|b\n`c`\u{1b}"), Entry::whole(1)]];
        let table = Table::new("Time", &["cell|", "s"], rows);
        assert_eq!(
            table.markdown(),
            [
                r"| cell\|              | s |",
                r"|:--------------------|--:|",
                r"| a\|b\\n\`c\`\\u{1b} | 1 |"
            ]
        );
        assert_eq!(table.lines()[2], r"| a|b\n`c`\u{1b} | 1 |");
    }

    #[test]
    fn the_page_shows_the_same_entries() {
        let html = table().html().into_string();
        for entry in ["cached → frozen", "&lt;none&gt;", "data-value=\"100\">100<"] {
            assert!(html.contains(entry), "{entry}: {html}");
        }
    }
}
