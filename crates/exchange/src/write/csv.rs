//! One CSV file, with a row for each epoch of each run.

use std::borrow::Cow;
use std::io;

use thaw_spec::Metric;
use thaw_store::write_whole;

use super::{ExportedRun, Format};
use crate::name::keras_name;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    default_output: "export.csv",
    write: |export| write_whole(export.output, &table(export.runs)?),
    opened_with: |_| Vec::new(),
};

/// A row per epoch of each run: the run's name, its factors, seed and verdict, then metrics as
/// Keras calls them.
fn table(runs: &[ExportedRun]) -> io::Result<Vec<u8>> {
    let factors: Vec<&String> = runs
        .first()
        .map_or_else(Vec::new, |run| run.levels.iter().map(|(factor, _)| factor).collect());
    let metrics: Vec<Metric> = Metric::ALL
        .into_iter()
        .filter(|metric| runs.iter().any(|run| !run.log.curve(*metric).is_empty()))
        .collect();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut heading = vec!["run", "id"];
    let factor_headings: Vec<Cow<'_, str>> = factors.iter().map(|factor| cell(factor)).collect();
    heading.extend(factor_headings.iter().map(Cow::as_ref));
    heading.extend(["seed", "status", "epoch"]);
    heading.extend(metrics.iter().map(|metric| keras_name(*metric)));
    heading.extend(["drift", "seconds"]);
    writer.write_record(&heading)?;
    for run in runs {
        let level = |factor: &&String| {
            run.levels
                .iter()
                .find(|(name, _)| name == *factor)
                .map_or(String::new(), |(_, level)| cell(level).into_owned())
        };
        for epoch in 0..run.log.epochs() {
            let written = |value: Option<f64>| value.map_or_else(String::new, |it| it.to_string());
            let number = |values: &[f64]| written(values.get(epoch).copied());
            let mut row = vec![cell(&run.name).into_owned(), run.id.clone()];
            row.extend(factors.iter().map(level));
            row.extend([run.seed.to_string(), run.status.clone(), (epoch + 1).to_string()]);
            row.extend(metrics.iter().map(|metric| written(run.log.at(*metric, epoch + 1))));
            row.extend([number(&run.drift), number(run.log.seconds())]);
            writer.write_record(&row)?;
        }
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// A text as a cell: with an apostrophe before it where a spreadsheet would take it for a formula and
/// execute it. Numbers stay numbers, negative ones too.
fn cell(text: &str) -> Cow<'_, str> {
    // Some spreadsheets take full-width forms for the same signs.
    let formula = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.starts_with(formula) && text.parse::<f64>().is_err() {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use thaw_spec::TrainingLog;

    use super::*;

    #[test]
    fn what_would_be_a_formula_is_text_and_numbers_stay_numbers() {
        for (text, expected) in [
            ("=HYPERLINK(\"http://e\")", "'=HYPERLINK(\"http://e\")"),
            ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
            ("-rf", "'-rf"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("＝1+1", "'＝1+1"),
            ("-0.5", "-0.5"),
            ("+2", "+2"),
            ("-1e-5", "-1e-5"),
            ("cached", "cached"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_table_of_any_names_is_read_again() {
        let levels = [("@f,\"", "=1+1"), ("x", "-0.5"), ("y|", "a,\"b\"\n")];
        let levels = levels.map(|(factor, level)| (factor.to_owned(), level.to_owned()));
        let run = ExportedRun {
            id: "0123".to_owned(),
            name: "=x seed=0".to_owned(),
            levels: levels.into(),
            seed: 0,
            parameters: Vec::new(),
            status: "completed".to_owned(),
            started_unix_seconds: 0,
            log: TrainingLog::new([(Metric::TrainLoss, vec![0.5])].into(), Vec::new())
                .expect("a log"),
            drift: vec![0.0],
        };
        let bytes = table(&[run]).expect("a table");
        let mut reader = ::csv::Reader::from_reader(&bytes[..]);
        let heading: Vec<String> =
            reader.headers().expect("a heading").iter().map(str::to_owned).collect();
        assert_eq!(heading[2..5], ["'@f,\"", "x", "y|"]);
        let row = reader.records().next().expect("a row").expect("readable");
        let row: Vec<&str> = row.iter().collect();
        assert_eq!(row[..6], ["'=x seed=0", "0123", "'=1+1", "-0.5", "a,\"b\"\n", "0"]);
    }
}
