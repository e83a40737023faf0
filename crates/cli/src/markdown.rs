//! Tables in Markdown that are also easy to read on a terminal: each column is as wide as its
//! widest entry.

/// A column's heading and on which side its entries are flush.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// Words.
    Left(&'a str),
    /// Numbers.
    Right(&'a str),
}

impl Column<'_> {
    fn heading(&self) -> &str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }

    fn pad(&self, entry: &str, width: usize) -> String {
        match self {
            Self::Left(_) => format!("{entry:width$}"),
            Self::Right(_) => format!("{entry:>width$}"),
        }
    }

    fn rule(&self, width: usize) -> String {
        let dashes = "-".repeat(width + 1);
        match self {
            Self::Left(_) => format!(":{dashes}"),
            Self::Right(_) => format!("{dashes}:"),
        }
    }
}

/// The lines of a table; every row has an entry for every column.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let widest = |place: usize, column: &Column| {
        let entries = rows.iter().map(|row| row[place].as_str()).chain([column.heading()]);
        entries.map(|entry| entry.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> =
        columns.iter().enumerate().map(|(place, column)| widest(place, column)).collect();
    let line = |entries: &mut dyn Iterator<Item = &str>| {
        let padded = columns
            .iter()
            .zip(&widths)
            .zip(entries)
            .map(|((column, width), entry)| format!(" {} |", column.pad(entry, *width)));
        format!("|{}", padded.collect::<String>())
    };
    let rule: String = columns
        .iter()
        .zip(&widths)
        .map(|(column, width)| format!("{}|", column.rule(*width)))
        .collect();
    let head = [line(&mut columns.iter().map(Column::heading)), format!("|{rule}")];
    head.into_iter()
        .chain(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let rows = [
            vec!["cached → frozen".to_owned(), "1".to_owned()],
            vec!["–".to_owned(), "100".to_owned()],
        ];
        let lines = table(&[Column::Left("cell"), Column::Right("s")], &rows);
        assert_eq!(
            lines,
            [
                "| cell            |   s |",
                "|:----------------|----:|",
                "| cached → frozen |   1 |",
                "| –               | 100 |"
            ]
        );
    }
}
