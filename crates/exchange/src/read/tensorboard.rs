//! The trainings in TensorBoard's event files: one file, or every one below a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::training::{Again, Training, is_epoch, number, whole_epoch};
use crate::ExchangeError;
use crate::name::{is_split, metric};
use crate::tensorboard::events;

/// A scalar as it was written.
struct Scalar {
    time: f64,
    step: i64,
    tag: String,
    value: f64,
}

/// Scalars of a training by tag, each by step with the time when it was written.
type Scalars = BTreeMap<String, BTreeMap<i64, (f64, f64)>>;

/// The largest step; no training has so many batches.
const LARGEST_STEP: u64 = 1 << 50;

pub(super) fn read_file(path: &Path, bytes: &[u8]) -> Result<Vec<Training>, ExchangeError> {
    let mut scalars = Vec::new();
    collect(bytes, &mut scalars).map_err(malformed(path))?;
    Ok(trainings("", scalars))
}

/// Reads every training below a folder: each folder with event files is one or several, but `train`
/// and `validation` are halves of their parent's, as Keras writes them, and so are the folders
/// `Loss_train` and `Loss_val` of PyTorch's `add_scalars`. A folder of another name that ends so,
/// such as `first_test`, is a run, and so is one whose tags are of other splits.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<Training>, ExchangeError> {
    let mut by_folder: BTreeMap<PathBuf, Vec<Scalar>> = BTreeMap::new();
    for path in event_files(folder)? {
        let bytes = std::fs::read(&path).map_err(ExchangeError::unreadable(&path))?;
        let parent = path.parent().unwrap_or(folder);
        let scalars = by_folder.entry(parent.strip_prefix(folder).unwrap_or(parent).to_owned());
        collect(&bytes, scalars.or_default()).map_err(malformed(&path))?;
    }
    if by_folder.is_empty() {
        let reason = "is a folder without TensorBoard's event files (`…tfevents…`); name a file";
        return Err(ExchangeError::malformed(folder, reason));
    }
    let folders: BTreeSet<PathBuf> = by_folder.keys().cloned().collect();
    let mut runs: BTreeMap<String, Vec<Scalar>> = BTreeMap::new();
    for (folder, mut scalars) in by_folder {
        let mut run = folder.as_path();
        if let Some(half) = half(&folder, &folders, &scalars) {
            run = folder.parent().unwrap_or(run);
            for scalar in scalars.iter_mut().filter(|scalar| !is_epoch(&scalar.tag)) {
                scalar.tag = format!("{half}/{}", scalar.tag);
            }
        }
        runs.entry(run.to_string_lossy().into_owned()).or_default().extend(scalars);
    }
    Ok(runs.into_iter().flat_map(|(run, scalars)| trainings(&run, scalars)).collect())
}

/// The split whose half of a run a folder holds; nothing where the folder is a run.
fn half(folder: &Path, folders: &BTreeSet<PathBuf>, scalars: &[Scalar]) -> Option<String> {
    let last = folder.file_name()?.to_str()?;
    let (name, half) = last.rsplit_once('_').unwrap_or(("", last));
    let tags: BTreeSet<&str> = scalars.iter().map(|scalar| scalar.tag.as_str()).collect();
    let is_of_another =
        |tag: &&str| metric(tag).is_some() && metric(&format!("{half}/{tag}")).is_none();
    if !is_split(half) || tags.iter().any(is_of_another) {
        return None;
    }
    let is_of_scalars = |sibling: &PathBuf| {
        let of_name = sibling.file_name().and_then(|last| last.to_str()?.rsplit_once('_'));
        sibling.parent() == folder.parent()
            && of_name
                .is_some_and(|(other, split)| other == name && split != half && is_split(split))
    };
    let is_half = name.is_empty()
        || folders.iter().any(is_of_scalars)
        || tags.iter().all(|tag| is_epoch(tag) || tag.replace('/', "_") == name);
    is_half.then(|| half.to_owned())
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

/// Adds the scalars of one file.
fn collect(bytes: &[u8], scalars: &mut Vec<Scalar>) -> Result<(), String> {
    for event in events(bytes)? {
        let event = event?;
        if event.step.unsigned_abs() > LARGEST_STEP {
            continue;
        }
        for value in event.summary.into_iter().flat_map(|summary| summary.value) {
            let Some(scalar) = value.scalar() else { continue };
            let (time, step, tag) = (event.wall_time, event.step, value.tag);
            scalars.push(Scalar { time, step, tag, value: scalar });
        }
    }
    Ok(())
}

/// The trainings of one run, which may stand after each other in the same folder: where a tag comes
/// to its first step again, another begins. A step that comes again otherwise was run again.
fn trainings(run: &str, mut scalars: Vec<Scalar>) -> Vec<Training> {
    scalars.sort_by(|one, other| one.time.total_cmp(&other.time));
    let mut told = vec![Scalars::new()];
    let mut latest: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for Scalar { time, step, tag, value } in scalars {
        if latest
            .get(&tag)
            .is_some_and(|(first, last)| step <= *last && step == *first && last > first)
        {
            told.push(Scalars::new());
            latest.clear();
        }
        let (first, _) = latest.get(&tag).copied().unwrap_or((step, step));
        latest.insert(tag.clone(), (first, step));
        if let Some(current) = told.last_mut() {
            current.entry(tag).or_default().insert(step, (value, time));
        }
    }
    number(told.iter().map(training).collect(), run)
}

/// The epochs of one training.
fn training(scalars: &Scalars) -> Training {
    let mut training = Training::default();
    let metrics: Vec<_> = scalars.iter().filter(|(tag, _)| metric(tag).is_some()).collect();
    for tag in scalars.keys().filter(|tag| !is_epoch(tag)) {
        training.column(tag);
    }
    let steps: Vec<BTreeSet<i64>> =
        metrics.iter().map(|(_, by_step)| by_step.keys().copied().collect()).collect();
    let is_by_epoch = metrics.iter().all(|(tag, _)| is_by_epoch(tag));
    let named = named_epochs(scalars);
    let are_told = all_of(&steps).iter().filter(|step| named.contains_key(*step)).count() > 1;
    // Lightning writes `epoch` at the steps of its metrics; another tag may be a metric of its own.
    let epochs = if scalars.contains_key("epoch") || are_told {
        named
    } else if is_by_epoch && distance(&all_of(&steps)) == 1 {
        all_of(&steps).into_iter().map(|step| (step, step)).collect()
    } else {
        let (epochs, batches) = epochs_of_steps(&steps);
        if batches > 1 {
            training
                .remarks
                .push(format!("no tag names the epoch: {batches} steps are taken for one"));
        }
        epochs
    };
    let mut told: BTreeMap<i64, Vec<(&str, f64, f64)>> = BTreeMap::new();
    for (tag, by_step) in &metrics {
        let mut between = 0;
        for (step, (value, time)) in *by_step {
            match epochs.get(step) {
                Some(epoch) => told.entry(*epoch).or_default().push((tag, *value, *time)),
                None => between += 1,
            }
        }
        if between > 0 {
            training
                .remarks
                .push(format!("{between} values of `{tag}` lie between epochs: passed over"));
        }
    }
    // The last metric of an epoch is written at its end; the first epoch's beginning is not on
    // record.
    let mut end: Option<(i64, f64)> = None;
    for (epoch, values) in told {
        training.enter(epoch, None);
        let last = values.iter().map(|(.., time)| *time).fold(f64::NEG_INFINITY, f64::max);
        for (tag, value, _) in values {
            training.put(tag, value, Again::Adds);
        }
        if let Some((_, before)) = end.filter(|(number, _)| number + 1 == epoch) {
            training.put_seconds(last - before);
        }
        end = Some((epoch, last));
    }
    training
}

/// The epochs of steps by what Lightning writes as `epoch` and Hugging Face as `train/epoch`.
fn named_epochs(scalars: &Scalars) -> BTreeMap<i64, i64> {
    let tags = scalars.iter().filter(|(tag, _)| is_epoch(tag));
    let told = || tags.clone().flat_map(|(_, by_step)| by_step);
    let has_whole = told().any(|(_, (epoch, _))| epoch.fract() == 0.0 && *epoch > 0.0);
    let whole = told().map(|(step, (epoch, _))| (*step, whole_epoch(*epoch, has_whole)));
    whole.filter_map(|(step, epoch)| Some((step, epoch?))).collect()
}

/// Whether a tag says that its steps are epochs, as Keras' `epoch_loss`.
fn is_by_epoch(tag: &str) -> bool {
    tag.rsplit('/').next().is_some_and(|name| name.starts_with("epoch_"))
}

/// The epochs that steps stand for, and how many steps make one: the steps themselves where they
/// count by one, otherwise the number of the last batch of each, which those of the metric with the
/// fewest tell.
fn epochs_of_steps(steps: &[BTreeSet<i64>]) -> (BTreeMap<i64, i64>, i64) {
    let all = all_of(steps);
    let themselves = |steps: &BTreeSet<i64>| (steps.iter().map(|step| (*step, *step)).collect(), 1);
    let rarest = steps.iter().filter(|steps| steps.len() > 1).min_by_key(|steps| steps.len());
    let Some(rarest) = rarest else { return themselves(&all) };
    let (batches, first) = (distance(rarest), rarest.first().copied().unwrap_or(0));
    // Validated every other epoch, beside a metric of every epoch; or of batches.
    let every = distance(&all);
    if every == 1
        && (batches == 1 || steps.iter().any(|steps| steps.len() as i64 <= 2 * batches))
        && all.len() < 4 * rarest.len()
    {
        return themselves(&all);
    }
    // Epochs counted from the first on, beside steps of batches: these tell none.
    let is_counted = (0..=1).contains(&first)
        && rarest.iter().zip(first..).all(|(step, number)| *step == number);
    if batches == 1 && is_counted {
        return themselves(rarest);
    }
    // The last batch is counted from 0 or from 1; step 0 is before the first or the first epoch.
    let offset = if (first + 1) % batches == 0 { 1 } else { 0 };
    let number =
        |step: i64| ((step + offset) % batches == 0).then(|| (step, (step + offset) / batches));
    (all.into_iter().filter_map(number).collect(), batches)
}

fn all_of(steps: &[BTreeSet<i64>]) -> BTreeSet<i64> {
    steps.iter().flatten().copied().collect()
}

/// The greatest number of which all distances between steps are multiples.
fn distance(steps: &BTreeSet<i64>) -> i64 {
    let in_order: Vec<i64> = steps.iter().copied().collect();
    in_order.windows(2).map(|pair| pair[1] - pair[0]).fold(0, greatest_common_divisor)
}

fn greatest_common_divisor(one: i64, other: i64) -> i64 {
    if other == 0 { one.abs() } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use thaw_spec::Metric;

    use super::*;
    use crate::read::training::resolve_all;

    #[test]
    fn steps_of_batches_beside_epochs_tell_no_epochs() {
        let told = |all: &[Vec<i64>]| -> Vec<(i64, i64)> {
            let steps: Vec<BTreeSet<i64>> =
                all.iter().map(|steps| steps.iter().copied().collect()).collect();
            epochs_of_steps(&steps).0.into_iter().collect()
        };
        // Losses of batches, and accuracies of epochs counted from 0 or from 1.
        for first in [0, 1] {
            let by_epoch: Vec<i64> = (first..first + 10).collect();
            let expected: Vec<(i64, i64)> = by_epoch.iter().map(|step| (*step, *step)).collect();
            assert_eq!(told(&[(0..1000).collect(), by_epoch]), expected);
        }
        // Both by the last batch of an epoch.
        let ends: Vec<i64> = (1..=10).map(|epoch| 100 * epoch).collect();
        let expected: Vec<(i64, i64)> = (1..=10).map(|epoch| (100 * epoch, epoch)).collect();
        assert_eq!(told(&[(1..=1000).collect(), ends]), expected);
        assert!(is_by_epoch("train/epoch_loss") && !is_by_epoch("epoch/loss"));
    }

    #[test]
    fn what_is_called_epoch_is_told_by_epoch_where_its_steps_may_be() {
        let epochs = |tags: [(&str, Vec<i64>); 2]| -> Vec<Vec<i64>> {
            let scalars: Scalars = tags
                .into_iter()
                .map(|(tag, steps)| {
                    let values = steps.iter().map(|step| (*step, (0.5, *step as f64)));
                    (tag.to_owned(), values.collect())
                })
                .collect();
            let log = resolve_all(vec![training(&scalars)]).trainings.remove(0).log;
            [Metric::TrainLoss, Metric::ValidationLoss]
                .map(|metric| log.epochs_of(metric).iter().map(|epoch| *epoch as i64).collect())
                .to_vec()
        };
        // Keras, validated every fifth time.
        let told = epochs([
            ("train/epoch_loss", (0..20).collect()),
            ("validation/epoch_loss", vec![4, 9, 14, 19]),
        ]);
        assert_eq!(told, [(1..=20).collect::<Vec<_>>(), vec![5, 10, 15, 20]]);
        // The last batch of each epoch.
        let ends = vec![782, 1564, 2346];
        let told = epochs([("train/epoch_loss", ends.clone()), ("val/epoch_loss", ends)]);
        assert_eq!(told, [[1, 2, 3], [1, 2, 3]]);
    }
}
