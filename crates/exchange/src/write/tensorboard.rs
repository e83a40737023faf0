//! TensorBoard's folders: one per run, in it one per split as Keras 2 and 3 write them, each with
//! an event file.

use std::io;
use std::path::Path;

use thaw_spec::{Metric, Split, shell_word};

use super::{ExportedRun, Format, folder_names, write_folder};
use crate::tensorboard::{Series, event_file};

pub(super) const FORMAT: Format = Format {
    name: "tensorboard",
    default_output: "tensorboard",
    write: |export| write_folder(export.output, |folder| write(export.runs, folder)),
    opened_with: |output| {
        vec![format!(
            "open them with: tensorboard --logdir {}",
            shell_word(&output.to_string_lossy())
        )]
    },
};

fn write(runs: &[ExportedRun], folder: &Path) -> io::Result<()> {
    for (run, name) in runs.iter().zip(folder_names(runs)) {
        let ends = run.epoch_ends();
        for split in Split::ALL {
            let metrics = Metric::ALL.into_iter().filter(|metric| metric.split() == split);
            let tag =
                |metric: Metric| if metric.is_accuracy() { "epoch_accuracy" } else { "epoch_loss" };
            let mut scalars: Vec<Series<'_>> = metrics
                .map(|metric| {
                    let steps = run.log.epochs_of(metric).iter().map(|epoch| epoch - 1);
                    let values = steps.zip(run.log.curve(metric).iter().copied()).collect();
                    Series { tag: tag(metric), values }
                })
                .filter(|series| !series.values.is_empty())
                .collect();
            if scalars.is_empty() {
                continue;
            }
            if split == Split::Train {
                let values = run.drift.iter().copied().enumerate().collect();
                scalars.push(Series { tag: "base/drift_maximum", values });
            }
            let folder = folder.join(&name).join(split.name());
            std::fs::create_dir_all(&folder)?;
            let file = format!("events.out.tfevents.{}.thaw", run.started_unix_seconds);
            std::fs::write(
                folder.join(file),
                event_file(run.started_unix_seconds as f64, &ends, &scalars),
            )?;
        }
    }
    Ok(())
}
