//! A split's images as bytes, decoded and resized once, then mapped into memory.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thaw_spec::{Resize, Split};

use crate::{Artifact, ArtifactWriter, DataError, Dataset, resize};

/// Treatment of an image that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnreadable {
    /// Stop with an error that names the image.
    Refuse,
    /// Leave the image out and list it among the skipped.
    Skip,
}

/// The images of a split: `[count, size, size, 3]` bytes of red, green, blue, with labels.
#[derive(Debug)]
pub struct Pixels {
    values: Artifact<u8>,
    labels: Vec<u32>,
    skipped: Vec<String>,
}

/// Images decoded between two writes.
const CHUNK: usize = 256;

impl Pixels {
    /// Decodes a split in parallel and writes it to `path`; `progress` is told how many images are
    /// done.
    ///
    /// # Errors
    /// When an image cannot be read (unless it may be skipped), a class has no readable image, or
    /// the disk refuses.
    pub fn prepare(
        dataset: &dyn Dataset,
        split: Split,
        size: usize,
        filter: Resize,
        unreadable: OnUnreadable,
        path: &Path,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), DataError> {
        let read = |&image: &usize| {
            dataset.image(split, image).map(|decoded| resize(&decoded, size, filter))
        };
        // Which images can be read must be known before the first byte is written, since the shape
        // stands in front.
        let (mut skipped, mut kept) =
            (Vec::new(), (0..dataset.counts().of(split) as usize).collect::<Vec<usize>>());
        if unreadable == OnUnreadable::Skip {
            // An error of the disk says nothing of the image.
            let is_bad = |&image: &usize| match dataset.image(split, image) {
                Ok(_) => Ok(false),
                Err(DataError::UnreadableImage { .. }) => Ok(true),
                Err(error) => Err(error),
            };
            let bad: Vec<bool> = kept.par_iter().map(is_bad).collect::<Result<_, _>>()?;
            skipped = kept
                .iter()
                .filter(|image| bad[**image])
                .map(|&image| dataset.name(split, image))
                .collect();
            kept.retain(|image| !bad[*image]);
        }
        let labels: Vec<u32> = kept.iter().map(|&image| dataset.label(split, image)).collect();
        for (label, class) in (0u32..).zip(dataset.classes()) {
            if !labels.contains(&label) {
                return Err(DataError::NothingReadable { split, class: class.clone() });
            }
        }
        let json = |value: serde_json::Value| value.to_string();
        let metadata = HashMap::from([
            ("labels".to_owned(), json(labels.into())),
            ("skipped".to_owned(), json(skipped.into())),
        ]);
        let mut writer = ArtifactWriter::create(path, &[kept.len(), size, size, 3], &metadata)?;
        for chunk in kept.chunks(CHUNK) {
            let decoded: Vec<Vec<u8>> = chunk.par_iter().map(read).collect::<Result<_, _>>()?;
            for image in &decoded {
                writer.write(image)?;
            }
            progress(chunk.len() as u64);
        }
        writer.finish()
    }

    /// Maps a prepared split.
    ///
    /// # Errors
    /// When it is missing or damaged, or images were skipped in it and that is not wanted.
    pub fn open(path: &Path, unreadable: OnUnreadable) -> Result<Self, DataError> {
        let values = Artifact::<u8>::open(path)?;
        let damaged = |reason: &str| DataError::DamagedArtifact {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let text = |key: &str| {
            values.metadata().get(key).ok_or_else(|| damaged("its metadata is incomplete"))
        };
        let labels: Vec<u32> = serde_json::from_str(text("labels")?)
            .map_err(|_| damaged("its labels cannot be read"))?;
        let skipped: Vec<String> = serde_json::from_str(text("skipped")?)
            .map_err(|_| damaged("its skipped images cannot be read"))?;
        if values.shape().len() != 4 || labels.len() != values.shape()[0] {
            return Err(damaged("its labels and images differ in number"));
        }
        if let (OnUnreadable::Refuse, Some(image)) = (unreadable, skipped.first()) {
            let path = image.into();
            return Err(DataError::UnreadableImage {
                path,
                reason: "the image could not be read when the dataset was decoded".to_owned(),
            });
        }
        Ok(Self { values, labels, skipped })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Side of the square images, in pixels.
    pub fn size(&self) -> usize {
        self.values.shape()[1]
    }

    /// Bytes of one image, row by row.
    pub fn image(&self, index: usize) -> &[u8] {
        let length = self.size() * self.size() * 3;
        &self.values.values()[index * length..][..length]
    }

    /// Labels of all images.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Images that could not be read and were left out, relative to the dataset's folder.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }
}
