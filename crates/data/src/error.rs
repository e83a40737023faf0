//! What can be wrong with images and artifacts, said so that it can be mended.

use std::path::{Path, PathBuf};

use thaw_spec::Split;

/// A dataset or artifact that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A folder is not where it should be.
    #[error("{}: there is no such folder; the dataset needs train/<class>/<image> and validation/<class>/<image>", path.display())]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Two folders could hold the images of a split.
    #[error("{}: both {first}/ and {second}/ could hold the {split} images; remove one of them", path.display())]
    TwoFolders {
        /// The dataset's folder.
        path: PathBuf,
        /// The split.
        split: Split,
        /// The one folder's name.
        first: String,
        /// The other's.
        second: String,
    },
    /// A split has fewer than two classes.
    #[error("{}: found {found} class folder(s), but a classifier needs at least two; put the images of each class into a folder of its own", path.display())]
    TooFewClasses {
        /// The split's folder.
        path: PathBuf,
        /// Number of class folders in it.
        found: usize,
    },
    /// A class folder has no image.
    #[error("{}: the class has no image (JPEG, PNG, WebP, BMP, GIF, TIFF, PNM); add some or remove the folder", path.display())]
    EmptyClass {
        /// The class's folder.
        path: PathBuf,
    },
    /// The splits do not have the same classes.
    #[error("{}: the {split} split has the classes {found:?}, the train split {expected:?}; make the folders agree", path.display())]
    DifferentClasses {
        /// The split's folder.
        path: PathBuf,
        /// The split.
        split: Split,
        /// Its classes.
        found: Vec<String>,
        /// The train split's classes.
        expected: Vec<String>,
    },
    /// A link within a class leads nowhere, or to a folder that it lies in.
    #[error("{}: it is a link {leads}; mend or remove it", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads, in words.
        leads: &'static str,
    },
    /// An image cannot be read.
    #[error("{}: {reason}; mend or remove it", path.display())]
    UnreadableImage {
        /// The image.
        path: PathBuf,
        /// The reason, in words.
        reason: String,
    },
    /// No image of a class is left after unreadable ones were skipped.
    #[error(
        "{split}/{class}: no readable image of the class is left; add some or remove the class"
    )]
    NothingReadable {
        /// The split.
        split: Split,
        /// The class.
        class: String,
    },
    /// A kept artifact is damaged.
    #[error("{}: the cached artifact is damaged ({reason}); run the same command again, which makes it again", path.display())]
    DamagedArtifact {
        /// The file.
        path: PathBuf,
        /// The reason, in words.
        reason: String,
    },
    /// A file or folder cannot be read.
    #[error("{}: {action}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed, such as `cannot list`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{}: {action}: {source}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed, such as `cannot remove`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl DataError {
    pub(crate) fn unreadable(
        path: &Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, action, source }
    }

    pub(crate) fn unwritable(
        path: &Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unwritable { path, action, source }
    }
}
