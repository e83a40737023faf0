//! TensorBoard's folders: one per run, in it one per split as Keras 2 and 3 write them, each with an event file.

use std::io;
use std::path::Path;

use thaw_spec::{Metric, Split};

use super::ExportedRun;
use crate::tensorboard::event_file;

pub(super) fn write(runs: &[ExportedRun], folder: &Path) -> io::Result<()> {
    for run in runs {
        let ends = run.epoch_ends();
        // Keras counts steps from 0.
        let scalar = |values: &[f64]| -> Vec<(i64, f64, f64)> {
            (0..).zip(&ends).zip(values).map(|((step, end), value)| (step, *end, *value)).collect()
        };
        for split in Split::ALL {
            let metrics = Metric::ALL.into_iter().filter(|metric| metric.split() == split);
            let mut scalars: Vec<(&str, Vec<(i64, f64, f64)>)> = metrics
                .map(|metric| (if metric.is_accuracy() { "epoch_accuracy" } else { "epoch_loss" }, scalar(run.log.curve(metric))))
                .collect();
            if split == Split::Train {
                scalars.push(("base/drift_maximum", scalar(&run.drift)));
            }
            scalars.retain(|(_, values)| !values.is_empty());
            if scalars.is_empty() {
                continue;
            }
            let folder = folder.join(run.folder_name()).join(split.name());
            std::fs::create_dir_all(&folder)?;
            let name = format!("events.out.tfevents.{}.thaw", run.started_unix_seconds);
            std::fs::write(folder.join(name), event_file(run.started_unix_seconds as f64, &scalars))?;
        }
    }
    Ok(())
}
