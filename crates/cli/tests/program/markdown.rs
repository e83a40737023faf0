//! Tables of the documents, so that tests can compare them with the program.

use std::path::{Path, PathBuf};

/// The folder that holds everything.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A row of a table.
pub(crate) struct Row {
    columns: Vec<String>,
    cells: Vec<String>,
}

impl Row {
    /// The text in the column of this name.
    pub(crate) fn cell(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| name == column);
        &self.cells[place.unwrap_or_else(|| panic!("no column `{column}` in {:?}", self.columns))]
    }

    /// What stands between backticks in the first column.
    pub(crate) fn name(&self) -> &str {
        self.cells[0].split('`').nth(1).unwrap_or_else(|| panic!("no name in {:?}", self.cells))
    }
}

/// The rows of the tables whose first columns have these names, below a heading of a document and
/// down to the next heading that is not below it. There is at least one.
pub(crate) fn rows(document: &str, heading: &str, first_columns: &[&str]) -> Vec<Row> {
    let text = std::fs::read_to_string(repository().join("docs").join(document)).expect(document);
    let level = |line: &str| line.chars().take_while(|character| *character == '#').count();
    let start = text
        .lines()
        .position(|line| level(line) > 0 && line.trim_start_matches('#').trim() == heading)
        .unwrap_or_else(|| panic!("{document} has no heading `{heading}`"));
    let own = level(text.lines().nth(start).unwrap_or_default());
    let mut rows = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for line in text.lines().skip(start + 1) {
        if (1..=own).contains(&level(line)) {
            break;
        }
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            columns = None;
            continue;
        };
        let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
        match &columns {
            None => columns = Some(cells),
            Some(_) if cells.iter().all(|cell| cell.trim_matches([':', '-']).is_empty()) => {}
            Some(columns) if columns.iter().zip(first_columns).all(|(is, wanted)| is == wanted) => {
                assert_eq!(cells.len(), columns.len(), "{document}: {line}");
                rows.push(Row { columns: columns.clone(), cells });
            }
            Some(_) => {}
        }
    }
    assert!(!rows.is_empty(), "{document}: `{heading}` has no table of {first_columns:?}");
    rows
}
