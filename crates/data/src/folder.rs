//! A dataset as a folder: `train|validation|test / class / image`.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use thaw_spec::{ContentHash, Split, SplitCounts};

use crate::{DataError, Dataset, decode};

/// An image file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Path relative to the dataset's folder, with `/` between the parts.
    pub path: String,
    /// The position of its class among the sorted class names.
    pub label: u32,
}

/// The image files of a dataset's folder, none of which is decoded yet.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The dataset's folder.
    pub root: PathBuf,
    /// Class names, sorted; the position is the label.
    pub classes: Vec<String>,
    splits: [Vec<ImageFile>; 3],
}

const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "bmp", "gif"];

impl Folder {
    /// Lists the images of a dataset, classes and files in sorted order. The test split may be
    /// missing.
    ///
    /// # Errors
    /// When a folder is missing or cannot be read, there are fewer than two classes, a class is
    /// empty, or the splits disagree.
    pub fn scan(root: &Path) -> Result<Self, DataError> {
        if !root.is_dir() {
            return Err(DataError::MissingFolder { path: root.to_owned() });
        }
        let mut classes = Vec::new();
        let mut splits: [Vec<ImageFile>; 3] = Default::default();
        for (split, images) in Split::ALL.into_iter().zip(&mut splits) {
            let folder = root.join(split.name());
            if split == Split::Test && !folder.exists() {
                continue;
            }
            if !folder.is_dir() {
                return Err(DataError::MissingFolder { path: folder });
            }
            let found = entries(&folder, |entry| entry.path().is_dir())?;
            if found.len() < 2 {
                return Err(DataError::TooFewClasses { path: folder, found: found.len() });
            }
            if split == Split::Train {
                classes = found;
            } else if found != classes {
                return Err(DataError::DifferentClasses {
                    path: folder,
                    split,
                    found,
                    expected: classes,
                });
            }
            for (label, class) in (0u32..).zip(&classes) {
                let class_folder = folder.join(class);
                let files = entries(&class_folder, |entry| is_image(&entry.path()))?;
                if files.is_empty() {
                    return Err(DataError::EmptyClass { path: class_folder });
                }
                images.extend(
                    files
                        .into_iter()
                        .map(|file| ImageFile { path: format!("{split}/{class}/{file}"), label }),
                );
            }
        }
        Ok(Self { root: root.to_owned(), classes, splits })
    }

    /// The shorter sides of up to `most` training images, evenly chosen, in pixels. Images whose
    /// size cannot be read are left out.
    pub fn shorter_sides(&self, most: usize) -> Vec<u32> {
        let images = self.images(Split::Train);
        let stride = images.len().div_ceil(most.max(1)).max(1);
        let shorter_side = |image: &ImageFile| {
            let reader = image::ImageReader::open(self.root.join(&image.path)).ok()?;
            let (width, height) = reader.with_guessed_format().ok()?.into_dimensions().ok()?;
            Some(width.min(height))
        };
        images.iter().step_by(stride).filter_map(shorter_side).collect()
    }

    /// The images of a split, in the order of their labels and names.
    pub fn images(&self, split: Split) -> &[ImageFile] {
        &self.splits[split as usize]
    }
}

impl Dataset for Folder {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn counts(&self) -> SplitCounts {
        let count = |split: Split| self.images(split).len() as u64;
        SplitCounts {
            train: count(Split::Train),
            validation: count(Split::Validation),
            test: count(Split::Test),
        }
    }

    fn label(&self, split: Split, index: usize) -> u32 {
        self.images(split)[index].label
    }

    fn name(&self, split: Split, index: usize) -> String {
        self.images(split)[index].path.clone()
    }

    fn image(&self, split: Split, index: usize) -> Result<RgbImage, DataError> {
        decode(&self.root.join(&self.images(split)[index].path))
    }

    /// SHA-256 over every image's relative path, label and content.
    fn content_hash(&self) -> Result<ContentHash, DataError> {
        let images: Vec<&ImageFile> = self.splits.iter().flatten().collect();
        let digest = |image: &&ImageFile| {
            let path = self.root.join(&image.path);
            fs::read(&path)
                .map(|bytes| Sha256::digest(&bytes))
                .map_err(DataError::unreadable(&path, "cannot read"))
        };
        let digests: Vec<_> = images.par_iter().map(digest).collect::<Result<_, _>>()?;
        let mut all = Sha256::new();
        for (image, digest) in images.iter().zip(digests) {
            all.update((image.path.len() as u64).to_le_bytes());
            all.update(image.path.as_bytes());
            all.update(image.label.to_le_bytes());
            all.update(digest);
        }
        Ok(ContentHash::from_digest(&all.finalize()))
    }
}

/// The sorted names of a folder's entries, hidden ones left out.
fn entries(folder: &Path, keep: impl Fn(&fs::DirEntry) -> bool) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::unreadable(folder, "cannot list"))? {
        let entry = entry.map_err(DataError::unreadable(folder, "cannot list"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && keep(&entry) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_image(path: &Path) -> bool {
    let extension =
        path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    path.is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}
