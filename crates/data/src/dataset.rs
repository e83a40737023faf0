//! What a folder of photographs and a source of synthetic pictures have in common.

use image::RgbImage;
use thaw_spec::{ContentHash, Split, SplitCounts};

use crate::DataError;

/// Labelled images that can be asked for one by one, those of a split numbered from 0, class after
/// class.
pub trait Dataset: Sync {
    /// Class names; the position is the label.
    fn classes(&self) -> &[String];

    /// Number of images in each split.
    fn counts(&self) -> SplitCounts;

    /// Label of an image: the position of its class among [`Dataset::classes`].
    fn label(&self, split: Split, index: usize) -> u32;

    /// Name of an image for people: its path relative to the dataset.
    fn name(&self, split: Split, index: usize) -> String;

    /// Files of the dataset that are no images, as paths relative to it.
    fn passed_over(&self) -> &[String] {
        &[]
    }

    /// What a person should know of how the dataset was understood, in sentences. What only the contents tell
    /// is among them once [`content_hash`](Self::content_hash) has read them.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Decodes or draws an image.
    ///
    /// # Errors
    /// When it cannot be read.
    fn image(&self, split: Split, index: usize) -> Result<RgbImage, DataError>;

    /// A digest of everything that decides the images and their labels.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn content_hash(&self) -> Result<ContentHash, DataError>;

    /// A digest of what can be told of the images without reading them. Where it is the same, a digest
    /// of their contents that is known is taken for theirs.
    ///
    /// # Errors
    /// When a file cannot be found.
    fn listing_hash(&self) -> Result<ContentHash, DataError> {
        self.content_hash()
    }
}
