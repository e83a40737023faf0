//! A dataset as a folder: `train|validation|test / class / image`. Folders within a class are
//! walked, as Keras and torchvision walk them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::{ImageFormat, RgbImage};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use thaw_spec::{ContentHash, Split, SplitCounts};
use walkdir::WalkDir;

use crate::{DataError, Dataset, decode};

/// An image file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Split, class and the path within its folder, with `/` between the parts.
    pub path: String,
    /// The file, relative to the dataset's folder.
    pub file: PathBuf,
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
    passed_over: Vec<String>,
    renamed: Vec<String>,
    /// SHA-256 of each image file, split after split, once they were read.
    digests: OnceLock<Vec<FileDigest>>,
}

/// SHA-256 of a file.
type FileDigest = [u8; 32];

/// What a file of these names is meant to be, whatever it holds. Others are images if their first
/// bytes say so.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "bmp", "gif"];

/// Files that systems leave in folders of photographs.
const NOT_OURS: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// Other names of the folder of validation images.
const VALIDATION: [&str; 3] = ["val", "valid", "dev"];

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
        let (mut passed_over, mut renamed) = (Vec::new(), Vec::new());
        for (split, images) in Split::ALL.into_iter().zip(&mut splits) {
            let name = folder_name(root, split)?;
            if name != split.name() {
                renamed.push(format!("{name}/ holds the {split} images"));
            }
            let folder = root.join(&name);
            if split == Split::Test && fs::symlink_metadata(&folder).is_err() {
                continue;
            }
            if !folder.is_dir() {
                return Err(DataError::MissingFolder { path: folder });
            }
            let (folders, beside): (Vec<_>, Vec<_>) =
                entries(&folder)?.into_iter().partition(|entry| folder.join(&entry.name).is_dir());
            passed_over.extend(beside.iter().map(|entry| format!("{name}/{}", entry.text)));
            let found: Vec<String> = folders.iter().map(|entry| entry.text.clone()).collect();
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
            for ((label, class), entry) in (0u32..).zip(&classes).zip(&folders) {
                let class_folder = folder.join(&entry.name);
                let before = images.len();
                for (file, is_file) in files(&class_folder)? {
                    // What is no file, such as a pipe, may never end; nothing is read of it.
                    let within = file.iter().map(text_of).collect::<Vec<_>>().join("/");
                    if is_file && is_image(&class_folder.join(&file))? {
                        let path = format!("{split}/{class}/{within}");
                        let file = Path::new(&name).join(&entry.name).join(file);
                        images.push(ImageFile { path, file, label });
                    } else {
                        passed_over.push(format!("{name}/{class}/{within}"));
                    }
                }
                if images.len() == before {
                    return Err(DataError::EmptyClass { path: class_folder });
                }
                // Names that are not UTF-8 may differ and have the same text.
                images[before..].sort_unstable_by(|one, other| {
                    (&one.path, &one.file).cmp(&(&other.path, &other.file))
                });
            }
        }
        passed_over.sort_unstable();
        let root = root.to_owned();
        Ok(Self { root, classes, splits, passed_over, renamed, digests: OnceLock::new() })
    }

    /// The shorter sides of up to `most` training images, evenly chosen, in pixels. Images whose
    /// size cannot be read are left out.
    pub fn shorter_sides(&self, most: usize) -> Vec<u32> {
        let images = self.images(Split::Train);
        let stride = images.len().div_ceil(most.max(1)).max(1);
        let shorter_side = |image: &ImageFile| {
            let reader = image::ImageReader::open(self.root.join(&image.file)).ok()?;
            let (width, height) = reader.with_guessed_format().ok()?.into_dimensions().ok()?;
            Some(width.min(height))
        };
        images.iter().step_by(stride).filter_map(shorter_side).collect()
    }

    /// The images of a split, in the order of their labels and names.
    pub fn images(&self, split: Split) -> &[ImageFile] {
        &self.splits[split as usize]
    }

    /// SHA-256 of each image file, split after split.
    fn digests(&self) -> Result<&[FileDigest], DataError> {
        if let Some(known) = self.digests.get() {
            return Ok(known);
        }
        let images: Vec<&ImageFile> = self.splits.iter().flatten().collect();
        let digest = |image: &&ImageFile| {
            let path = self.root.join(&image.file);
            fs::read(&path)
                .map(|bytes| Sha256::digest(&bytes).into())
                .map_err(DataError::unreadable(&path, "cannot read"))
        };
        let digests = images.par_iter().map(digest).collect::<Result<_, _>>()?;
        Ok(self.digests.get_or_init(|| digests))
    }

    /// The images of a split with their digests; none before the files were read.
    fn with_digests(&self, split: Split) -> impl Iterator<Item = (&ImageFile, &FileDigest)> {
        let before: usize = self.splits[..split as usize].iter().map(Vec::len).sum();
        let digests = self.digests.get().map_or(&[][..], |digests| &digests[before..]);
        self.images(split).iter().zip(digests)
    }

    /// Says how many images of a split are training images too, byte by byte; nothing where none is, or the
    /// files were not read yet.
    fn seen_in_training(&self, split: Split) -> Option<String> {
        let mut trained: BTreeMap<&FileDigest, BTreeSet<u32>> = BTreeMap::new();
        for (image, digest) in self.with_digests(Split::Train) {
            trained.entry(digest).or_default().insert(image.label);
        }
        let twins = self
            .with_digests(split)
            .filter_map(|(image, digest)| Some((image, trained.get(digest)?)));
        let twins: Vec<_> = twins.collect();
        let (first, _) = twins.first()?;
        let elsewhere = twins.iter().filter(|(image, labels)| !labels.contains(&image.label));
        let of_another_class = match elsewhere.count() {
            0 => String::new(),
            count => format!("; {count} of them with another class"),
        };
        let count = twins.len();
        let are =
            if count == 1 { "image is a training image" } else { "images are training images" };
        Some(format!("{count} {split} {are} as well, the first {}{of_another_class}", first.path))
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

    fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    fn remarks(&self) -> Vec<String> {
        let passed_over = self.passed_over.first().map(|first| match self.passed_over.len() {
            1 => format!("{first} is no image and is passed over"),
            count => format!("{count} files are no images and are passed over, the first {first}"),
        });
        let twins = [Split::Validation, Split::Test].map(|split| self.seen_in_training(split));
        let twins = twins.into_iter().flatten();
        self.renamed.iter().cloned().chain(passed_over).chain(twins).collect()
    }

    fn image(&self, split: Split, index: usize) -> Result<RgbImage, DataError> {
        decode(&self.root.join(&self.images(split)[index].file))
    }

    /// SHA-256 over every image's relative path, label and content.
    fn content_hash(&self) -> Result<ContentHash, DataError> {
        let mut all = Sha256::new();
        for (image, digest) in self.splits.iter().flatten().zip(self.digests()?) {
            all.update((image.path.len() as u64).to_le_bytes());
            all.update(image.path.as_bytes());
            all.update(image.label.to_le_bytes());
            all.update(digest);
        }
        Ok(ContentHash::from_digest(&all.finalize()))
    }

    /// SHA-256 over every image's relative path, label and size in bytes.
    fn listing_hash(&self) -> Result<ContentHash, DataError> {
        let listed = |image: &ImageFile| {
            let path = self.root.join(&image.file);
            let size = fs::metadata(&path).map_err(DataError::unreadable(&path, "cannot read"))?;
            Ok((image.path.clone(), image.label, size.len()))
        };
        let listed = self.splits.iter().flatten().map(listed);
        Ok(ContentHash::of_value(&listed.collect::<Result<Vec<_>, DataError>>()?))
    }
}

/// The name of a split's folder: its own, or for validation another that people use.
fn folder_name(root: &Path, split: Split) -> Result<String, DataError> {
    let own = split.name();
    let others: Vec<&str> = match split {
        Split::Validation => {
            VALIDATION.into_iter().filter(|name| root.join(name).is_dir()).collect()
        }
        Split::Train | Split::Test => Vec::new(),
    };
    match (root.join(own).is_dir(), &others[..]) {
        (true, []) | (false, []) => Ok(own.to_owned()),
        (false, [other]) => Ok((*other).to_owned()),
        (true, [other, ..]) | (false, [_, other, ..]) => Err(DataError::TwoFolders {
            path: root.to_owned(),
            split,
            first: if root.join(own).is_dir() { own } else { others[0] }.to_owned(),
            second: (*other).to_owned(),
        }),
    }
}

/// Whether an entry is hidden, or left behind by a system.
fn is_not_ours(name: &str) -> bool {
    name.starts_with('.') || NOT_OURS.contains(&name.to_ascii_lowercase().as_str())
}

/// An entry of a folder.
struct Entry {
    /// Its name.
    name: OsString,
    /// The name as text: bytes that are not UTF-8 as `\xff`, so that other names have other texts.
    text: String,
}

/// The entries of a folder, sorted by their names as text, those that are not ours left out.
fn entries(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::unreadable(folder, "cannot list"))? {
        let entry = entry.map_err(DataError::unreadable(folder, "cannot list"))?;
        let name = entry.file_name();
        let text = text_of(&name);
        if !is_not_ours(&text) {
            entries.push(Entry { name, text });
        }
    }
    entries.sort_unstable_by(|one, other| (&one.text, &one.name).cmp(&(&other.text, &other.name)));
    Ok(entries)
}

/// A file's name as text, with bytes that are not UTF-8 as `\xff`.
fn text_of(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// What a class holds but for folders, in its folder and in the folders within, relative to it; and whether
/// it is a file.
fn files(folder: &Path) -> Result<Vec<(PathBuf, bool)>, DataError> {
    let walk = WalkDir::new(folder).min_depth(1).follow_links(true).into_iter();
    let mut files = Vec::new();
    for entry in walk.filter_entry(|entry| !is_not_ours(&entry.file_name().to_string_lossy())) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            let is_link = path.is_symlink();
            match error.io_error().map(std::io::Error::kind) {
                None if error.loop_ancestor().is_some() => {
                    DataError::Link { path, leads: "to a folder that it lies in" }
                }
                Some(ErrorKind::NotFound) if is_link => {
                    DataError::Link { path, leads: "to what is not there" }
                }
                _ => DataError::unreadable(&path, "cannot list")(error.into()),
            }
        })?;
        if !entry.file_type().is_dir() {
            let within = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            files.push((within.to_owned(), entry.file_type().is_file()));
        }
    }
    Ok(files)
}

/// Whether a file is an image, by its name or else by its first bytes.
fn is_image(path: &Path) -> Result<bool, DataError> {
    let extension =
        path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    if extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) {
        return Ok(true);
    }
    let unreadable = |error| DataError::unreadable(path, "cannot read")(error);
    let mut start = [0; 32];
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let length = file.read(&mut start).map_err(unreadable)?;
    Ok(begins_as_image(&start[..length]))
}

/// Whether a file begins as an image of a kind that is decoded. Two letters are not enough: a text may
/// begin with them.
fn begins_as_image(start: &[u8]) -> bool {
    match image::guess_format(start) {
        Ok(ImageFormat::Bmp) => has_bmp_header(start),
        Ok(ImageFormat::Pnm) => has_pnm_header(start),
        Ok(format) => matches!(
            format,
            ImageFormat::Jpeg
                | ImageFormat::Png
                | ImageFormat::WebP
                | ImageFormat::Gif
                | ImageFormat::Tiff
        ),
        Err(_) => false,
    }
}

/// Whether the length of a second header, of 12 to 124 bytes, stands behind the 14 bytes of the first.
fn has_bmp_header(start: &[u8]) -> bool {
    matches!(start.get(14..18), Some([12..=124, 0, 0, 0]))
}

/// Whether the letter and digit are followed as Netpbm follows them: by white space and a width or a
/// comment, and in a PAM by a line of its own.
fn has_pnm_header(start: &[u8]) -> bool {
    match start {
        [b'P', b'7', rest @ ..] => rest.starts_with(b"\n"),
        [_, _, b'#', ..] => true,
        [_, _, rest @ ..] => {
            let behind = rest.trim_ascii_start();
            behind.len() < rest.len() && matches!(behind, [b'0'..=b'9' | b'#', ..])
        }
        _ => false,
    }
}
