//! The book's split of the cats-and-dogs archive (*Deep Learning with Python*, listing 5.4): of
//! each class the first 1,000 photographs by number to train on, the next 500 for validation, the
//! next 500 for test.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;

use crate::FetchError;

/// Photographs of the archive that decoders refuse, by folder and number.
const BROKEN: [(&str, &[u32]); 2] =
    [("Cat", &[666, 5370, 6435, 10404, 11095, 12080]), ("Dog", &[2317, 9500, 11233, 11702, 11912])];

/// Split, and photographs of each class in it.
const SPLITS: [(&str, usize); 3] = [("train", 1000), ("validation", 500), ("test", 500)];

/// Bytes that a photograph may have; the largest of this archive has less than one megabyte.
const LARGEST: u64 = 64 << 20;

/// How many times the bytes of an archive its photographs may have together: JPEG files hardly get smaller
/// when they are packed.
const LARGEST_RATIO: u64 = 4;

/// Count of the photographs that a split was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitReport {
    /// Number of photographs written.
    pub images: usize,
    /// Paths of the unreadable photographs that were passed over; the next number took the place of
    /// each.
    pub passed_over: Vec<String>,
}

/// Makes `folder` with `train/cats/cat.0.jpg` and so on from the archive. The folder appears when
/// it is complete, or not at all; what a killed split left beside it is removed.
///
/// # Errors
/// When the archive is damaged, lacks photographs, holds an entry whose name leads out of the folder, or
/// more than photographs can be packed into it; when the folder exists; when the disk refuses.
pub fn split_cats_and_dogs(archive: &Path, folder: &Path) -> Result<SplitReport, FetchError> {
    let wrong = |reason: String| FetchError::Archive { path: archive.to_owned(), reason };
    if folder.exists() {
        return Err(FetchError::Unwritable {
            path: folder.to_owned(),
            action: "cannot make the folder",
            source: std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it exists; remove it"),
        });
    }
    let file = File::open(archive).map_err(FetchError::unreadable(archive, "cannot read"))?;
    let size = file.metadata().map_err(FetchError::unreadable(archive, "cannot read"))?.len();
    let mut left = size.saturating_mul(LARGEST_RATIO);
    let mut zip = ZipArchive::new(file)
        .map_err(|error| wrong(format!("not a zip archive that can be read ({error})")))?;
    let photographs = by_class(&mut zip, archive)?;
    let parent =
        folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)
        .map_err(FetchError::unwritable(parent, "cannot make the folder"))?;
    let unfinished = thaw_store::unfinished_folder(parent)
        .map_err(FetchError::unwritable(parent, "cannot write into the folder"))?;
    let mut report = SplitReport { images: 0, passed_over: Vec::new() };
    for (class, broken) in BROKEN {
        let numbered = photographs
            .get(class)
            .ok_or_else(|| wrong(format!("it has no folder PetImages/{class}")))?;
        let mut sound = Vec::new();
        for (number, index) in numbered {
            if broken.contains(number) {
                report.passed_over.push(format!("{class}/{number}.jpg"));
            } else {
                sound.push((*number, *index));
            }
            if sound.len() == SPLITS.iter().map(|(_, count)| count).sum::<usize>() {
                break;
            }
        }
        let mut sound = sound.into_iter();
        for (split, count) in SPLITS {
            let target = class_folder(unfinished.path(), split, class);
            std::fs::create_dir_all(&target)
                .map_err(FetchError::unwritable(&target, "cannot make the folder"))?;
            for _ in 0..count {
                let (number, index) = sound.next().ok_or_else(|| {
                    wrong(format!("it has too few photographs in PetImages/{class}"))
                })?;
                let damaged = |error: &dyn std::fmt::Display| {
                    wrong(format!("PetImages/{class}/{number}.jpg is damaged ({error})"))
                };
                let entry = zip.by_index(index).map_err(|error| damaged(&error))?;
                // Whatever size the entry declares.
                let most = left.min(LARGEST);
                let mut content = Vec::new();
                entry.take(most + 1).read_to_end(&mut content).map_err(|error| damaged(&error))?;
                let length = content.len() as u64;
                if length > most {
                    return Err(wrong(format!(
                        "PetImages/{class}/{number}.jpg unpacks to more than a photograph can be packed to; the archive is not to be trusted"
                    )));
                }
                left -= length;
                let path = target.join(format!("{}.{number}.jpg", class.to_lowercase()));
                std::fs::write(&path, content)
                    .map_err(FetchError::unwritable(&path, "cannot write"))?;
                report.images += 1;
            }
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(unfinished.path(), readable)
            .map_err(FetchError::unwritable(unfinished.path(), "cannot make readable"))?;
    }
    // What cannot get its name is removed.
    std::fs::rename(unfinished.path(), folder)
        .map_err(FetchError::unwritable(folder, "cannot make the folder"))?;
    drop(unfinished.keep());
    Ok(report)
}

/// Whether a folder has all folders of the book's split. [`split_cats_and_dogs`] makes all of them with
/// their photographs, or none.
#[must_use]
pub fn holds_split(folder: &Path) -> bool {
    SPLITS.iter().all(|(split, _)| {
        BROKEN.iter().all(|(class, _)| class_folder(folder, split, class).is_dir())
    })
}

/// Where the photographs of a class lie in a split.
fn class_folder(folder: &Path, split: &str, class: &str) -> PathBuf {
    folder.join(split).join(format!("{}s", class.to_lowercase()))
}

type Numbered = BTreeMap<u32, usize>;

/// The places of the photographs in the archive by class and number. Every name is looked at: one
/// that leads out of the folder makes the whole archive suspect.
fn by_class(
    zip: &mut ZipArchive<File>,
    archive: &Path,
) -> Result<BTreeMap<String, Numbered>, FetchError> {
    let wrong = |reason: String| FetchError::Archive { path: archive.to_owned(), reason };
    let mut classes: BTreeMap<String, Numbered> = BTreeMap::new();
    for index in 0..zip.len() {
        let unreadable =
            |error: zip::result::ZipError| wrong(format!("entry {index} cannot be read ({error})"));
        let entry = zip.by_index_raw(index).map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?.into_owned();
        let inside = Path::new(&name)
            .components()
            .all(|component| matches!(component, Component::Normal(_)))
            && !name.contains('\\');
        if entry.is_symlink() || !inside {
            return Err(wrong(format!(
                "the entry `{name}` leads out of the folder; the archive is not to be trusted"
            )));
        }
        let words: Vec<&str> = name.split('/').collect();
        if let ["PetImages", class, file] = words[..]
            && let Some(number) = file.strip_suffix(".jpg").and_then(|number| number.parse().ok())
        {
            classes.entry(class.to_owned()).or_default().insert(number, index);
        }
    }
    Ok(classes)
}
