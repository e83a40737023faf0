//! The trainings in TensorBoard's event files: one file, or every one below a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::log::assemble;
use crate::name::{Quantity, quantity};
use crate::tensorboard::events;
use crate::{ExchangeError, NamedLog};

/// Scalars of a training by tag, each by step with the time when it was written. A step that stands
/// there twice was run again: the later counts.
type Scalars = BTreeMap<String, BTreeMap<i64, (f64, f64)>>;

pub(super) fn read_file(path: &Path, bytes: &[u8]) -> Result<Vec<NamedLog>, ExchangeError> {
    let mut scalars = Scalars::new();
    collect(bytes, "", &mut scalars)
        .and_then(|()| training("", &scalars))
        .map(|log| vec![log])
        .map_err(malformed(path))
}

/// Reads every training below a folder: each folder with event files is one, but `train` and
/// `validation` are halves of their parent's, as Keras writes them.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<NamedLog>, ExchangeError> {
    let mut trainings: BTreeMap<String, Scalars> = BTreeMap::new();
    for path in event_files(folder)? {
        let parent = path.parent().unwrap_or(folder);
        let relative = parent.strip_prefix(folder).unwrap_or(parent);
        let last = relative
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let half = ["train", "validation", "val", "test"].contains(&last.as_str());
        let run = if half { relative.parent().unwrap_or(relative) } else { relative };
        let bytes = std::fs::read(&path).map_err(ExchangeError::unreadable(&path))?;
        let scalars = trainings.entry(run.to_string_lossy().into_owned()).or_default();
        collect(&bytes, if half { &last } else { "" }, scalars).map_err(malformed(&path))?;
    }
    if trainings.is_empty() {
        let reason = "is a folder without TensorBoard's event files (`…tfevents…`); name a file";
        return Err(ExchangeError::malformed(folder, reason));
    }
    trainings
        .iter()
        .map(|(run, scalars)| training(run, scalars).map_err(malformed(folder)))
        .collect()
}

fn malformed(path: &Path) -> impl Fn(String) -> ExchangeError {
    move |reason| ExchangeError::malformed(path, reason)
}

/// The event files below a folder, in the order of their names.
fn event_files(folder: &Path) -> Result<Vec<PathBuf>, ExchangeError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(ExchangeError::unreadable(&folder))? {
            let path = entry.map_err(ExchangeError::unreadable(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().contains("tfevents"))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Adds the scalars of one file, under its half's name if it has one.
fn collect(bytes: &[u8], half: &str, scalars: &mut Scalars) -> Result<(), String> {
    for event in events(bytes)? {
        let event = event?;
        for value in event.summary.iter().flat_map(|summary| &summary.value) {
            let tag =
                if half.is_empty() { value.tag.clone() } else { format!("{half}/{}", value.tag) };
            if let (Some(Quantity::Metric(_)), Some(scalar)) = (quantity(&tag), value.scalar()) {
                scalars.entry(tag).or_default().insert(event.step, (scalar, event.wall_time));
            }
        }
    }
    Ok(())
}

fn training(run: &str, scalars: &Scalars) -> Result<NamedLog, String> {
    let mut columns: Vec<(String, Vec<f64>)> = scalars
        .iter()
        .map(|(tag, by_step)| (tag.clone(), by_step.values().map(|(value, _)| *value).collect()))
        .collect();
    // The last metric of an epoch is written at its end; the first epoch's beginning is not on
    // record.
    let ends: Vec<f64> = scalars
        .values()
        .map(|by_step| by_step.values().map(|(_, time)| *time).collect())
        .fold(Vec::new(), |ends, times: Vec<f64>| {
            if ends.len() == times.len() {
                ends.iter().zip(&times).map(|(end, time)| end.max(*time)).collect()
            } else {
                times
            }
        });
    columns.push(("seconds".to_owned(), ends.windows(2).map(|pair| pair[1] - pair[0]).collect()));
    assemble(run, columns)
}
