//! One CSV file, with a row for each epoch of each run.

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
    heading.extend(factors.iter().map(|factor| factor.as_str()));
    heading.extend(["seed", "status", "epoch"]);
    heading.extend(metrics.iter().map(|metric| keras_name(*metric)));
    heading.extend(["drift", "seconds"]);
    writer.write_record(&heading)?;
    for run in runs {
        let level = |factor: &&String| {
            run.levels
                .iter()
                .find(|(name, _)| name == *factor)
                .map_or(String::new(), |(_, level)| level.clone())
        };
        for epoch in 0..run.log.epochs() {
            let number =
                |values: &[f64]| values.get(epoch).map_or_else(String::new, f64::to_string);
            let mut row = vec![run.name.clone(), run.id.clone()];
            row.extend(factors.iter().map(level));
            row.extend([run.seed.to_string(), run.status.clone(), (epoch + 1).to_string()]);
            row.extend(metrics.iter().map(|metric| number(run.log.curve(*metric))));
            row.extend([number(&run.drift), number(run.log.seconds())]);
            writer.write_record(&row)?;
        }
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}
