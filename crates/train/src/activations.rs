//! Activations at the freeze boundary: stored once, or computed for each batch.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use thaw_data::{
    Artifact, ArtifactWriter, DataError, Pixels, Purpose, Stream, Transform, preprocess,
    preprocess_interpolated,
};
use thaw_model::Base;
use thaw_spec::{
    Augmentation, Extraction, Interpolation, Preprocessing, Procedure, Resampling, Variants,
};

use crate::{Stop, TrainError};

/// Activations that were computed once, `[variants, images, height, width, channels]`, mapped into
/// memory.
#[derive(Debug)]
pub struct StoredActivations {
    artifact: Artifact<f32>,
    /// The blocks that the images ran through.
    blocks: usize,
    /// The epoch that shows the first variant, counted from 0.
    first_epoch: usize,
    /// Variants that are shown in turn; the artifact may hold more.
    variants: usize,
}

impl StoredActivations {
    /// Maps a finished extraction, or one of more variants that begins with it.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn open(extraction: &Extraction, path: &Path) -> Result<Self, TrainError> {
        let artifact = Artifact::open(path)?;
        let damaged = |reason: String| DataError::DamagedArtifact { path: path.to_owned(), reason };
        let &[held, _, _, _, _] = artifact.shape() else {
            return Err(damaged(format!(
                "it has {} dimensions instead of 5",
                artifact.shape().len()
            ))
            .into());
        };
        let (first_epoch, variants) = match extraction.variants {
            Variants::Plain => (0, 1),
            Variants::Augmented { first, count, .. } => (first, count),
        };
        if held < variants {
            return Err(damaged(format!("it has {held} variants instead of {variants}")).into());
        }
        Ok(Self { artifact, blocks: extraction.blocks, first_epoch, variants })
    }

    /// The rows of some images in the variant that belongs to an epoch (counted from 0).
    fn batch(&self, images: &[usize], epoch: usize, device: &Device) -> Result<Tensor, TrainError> {
        let &[_, count, height, width, channels] = self.artifact.shape() else {
            unreachable!("checked when opened")
        };
        // Plain images look the same in every epoch, before the first as well.
        let first = (epoch.saturating_sub(self.first_epoch) % self.variants) * count;
        let variant = &self.artifact.values()[first * height * width * channels..];
        Ok(rows(variant, images, [height, width, channels], device)?)
    }
}

/// The activations of some images, from those of all.
fn rows(
    values: &[f32],
    images: &[usize],
    [height, width, channels]: [usize; 3],
    device: &Device,
) -> candle_core::Result<Tensor> {
    let length = height * width * channels;
    let mut chosen = Vec::with_capacity(images.len() * length);
    for image in images {
        chosen.extend_from_slice(&values[image * length..][..length]);
    }
    Tensor::from_vec(chosen, (images.len(), height, width, channels), device)
}

/// Features of the training images that were normalised by the batches of one training pass,
/// `[images, height, width, channels]`.
#[derive(Debug)]
pub(crate) struct FeaturesOfBatches {
    values: Vec<f32>,
    shape: [usize; 3],
}

impl FeaturesOfBatches {
    /// Runs the images through the frozen blocks in an order of all of them.
    pub(crate) fn extract(
        data: &SplitData,
        base: &Base,
        procedure: &Procedure,
        order: &[usize],
        version: ImageVersion,
    ) -> Result<Self, TrainError> {
        let (mut values, mut shape) = (Vec::new(), [0; 3]);
        for images in order.chunks(procedure.batch_size) {
            let features = data.boundary(base, procedure, images, version, base.device())?;
            let (_, height, width, channels) = features.dims4()?;
            shape = [height, width, channels];
            let length = height * width * channels;
            values.resize(order.len() * length, 0.0);
            let features = features.flatten_all()?.to_vec1::<f32>()?;
            for (&image, features) in images.iter().zip(features.chunks_exact(length)) {
                values[image * length..][..length].copy_from_slice(features);
            }
        }
        Ok(Self { values, shape })
    }

    /// The features of some images.
    pub(crate) fn batch(&self, images: &[usize], device: &Device) -> Result<Tensor, TrainError> {
        Ok(rows(&self.values, images, self.shape, device)?)
    }
}

/// The images of one split in whatever form a cell wants them.
#[derive(Debug)]
pub struct SplitData {
    /// Decoded images and their labels.
    pub pixels: Pixels,
    /// Activations of the images at the freeze boundary, when those are stored.
    pub stored: Option<StoredActivations>,
}

/// Version of the images that a batch shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ImageVersion {
    /// The unchanged images.
    Plain,
    /// The images as an epoch of training with this seed shows them.
    Training { seed: u64, epoch: usize },
}

impl SplitData {
    /// Activations at the freeze boundary for some images: read as far as they are stored, computed
    /// otherwise.
    pub(crate) fn boundary(
        &self,
        base: &Base,
        procedure: &Procedure,
        images: &[usize],
        version: ImageVersion,
        device: &Device,
    ) -> Result<Tensor, TrainError> {
        if let Some(stored) = &self.stored {
            let epoch = match version {
                ImageVersion::Plain => 0,
                ImageVersion::Training { epoch, .. } => epoch,
            };
            let activations = stored.batch(images, epoch, device)?;
            return Ok(base.forward(&activations, stored.blocks..procedure.frozen_blocks())?);
        }
        let input = inputs(
            &self.pixels,
            images,
            version,
            (procedure.augmentation, procedure.resampling()),
            &procedure.preprocessing,
            device,
        )?;
        let blocks = 0..procedure.frozen_blocks();
        Ok(match version {
            ImageVersion::Plain => base.forward(&input, blocks)?,
            ImageVersion::Training { .. } => base.forward_in_training(&input, blocks)?,
        })
    }
}

/// Pixels of some images as a base sees them, `[images, size, size, 3]`, prepared in parallel.
fn inputs(
    pixels: &Pixels,
    images: &[usize],
    version: ImageVersion,
    (augmentation, resampling): (Augmentation, Resampling),
    preprocessing: &Preprocessing,
    device: &Device,
) -> Result<Tensor, TrainError> {
    let size = pixels.size();
    let length = size * size * 3;
    let mut values = vec![0f32; images.len() * length];
    let transform = |image: usize| match (version, augmentation) {
        (ImageVersion::Training { seed, epoch }, Augmentation::Affine(ranges)) => Some(
            Transform::draw(&ranges, size, &mut Stream::new(seed, Purpose::Augment, epoch, image)),
        ),
        (ImageVersion::Plain, _) | (_, Augmentation::None) => None,
    };
    let examples = values.par_chunks_mut(length).zip(images);
    match resampling.interpolation {
        Interpolation::Nearest => examples.for_each_init(
            || vec![0u8; length],
            |scratch, (values, &image)| match transform(image) {
                Some(transform) => {
                    transform.apply(pixels.image(image), size, size, resampling.center, scratch);
                    preprocess(scratch, preprocessing, values);
                }
                None => preprocess(pixels.image(image), preprocessing, values),
            },
        ),
        Interpolation::Bilinear => examples.for_each_init(
            || vec![0f32; length],
            |scratch, (values, &image)| match transform(image) {
                Some(transform) => {
                    transform.apply_bilinear(
                        pixels.image(image),
                        size,
                        size,
                        resampling.center,
                        scratch,
                    );
                    preprocess_interpolated(scratch, preprocessing, values);
                }
                None => preprocess(pixels.image(image), preprocessing, values),
            },
        ),
    }
    Ok(Tensor::from_vec(values, (images.len(), size, size, 3), device)?)
}

/// Number of images that pass through the base together. An image's result does not depend on it.
pub(crate) const BATCH: usize = 32;

/// What an interrupted extraction goes on from.
#[derive(Clone, Debug)]
pub struct ExtractionPolicy {
    /// Path of the note on how far the extraction is, which is removed when it is complete.
    pub note: PathBuf,
    /// Least time between two notes. A crash costs only the time since the last.
    pub interval: Duration,
    /// When this is requested, the extraction stops at the end of the batch.
    pub stop: Stop,
}

/// Runs a split through the frozen part of a base and writes the activations to `path`; with a
/// policy it goes on from what an interrupted extraction had written. `progress` is called with the
/// number of images that were done before, none at first, and of each batch that is done.
///
/// Returns what a person should know of damage in what had been written.
///
/// # Errors
/// When the disk refuses, or somebody asked to stop.
pub fn extract(
    extraction: &Extraction,
    base: &Base,
    pixels: &Pixels,
    path: &Path,
    policy: Option<&ExtractionPolicy>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<String>, TrainError> {
    let procedure = &extraction.cell.procedure;
    let shapes = thaw_model::shapes(procedure.architecture, procedure.image_size)?;
    let boundary = shapes[extraction.blocks - 1];
    let shape = [
        extraction.variants.count(),
        pixels.len(),
        boundary.height,
        boundary.width,
        boundary.channels,
    ];
    let metadata = HashMap::new();
    let mut writer = match policy {
        Some(policy) => ArtifactWriter::<f32>::resume(path, &shape, &metadata, &policy.note)?,
        None => ArtifactWriter::create(path, &shape, &metadata)?,
    };
    let done = writer.written() / (boundary.height * boundary.width * boundary.channels);
    progress(done as u64);
    let mut noted = Instant::now();
    let images: Vec<usize> = (0..pixels.len()).collect();
    for variant in 0..extraction.variants.count() {
        let (version, augmentation) = match extraction.variants {
            Variants::Plain => (ImageVersion::Plain, (Augmentation::None, Resampling::default())),
            Variants::Augmented { augmentation, seed, resampling, first, .. } => (
                ImageVersion::Training { seed, epoch: first + variant },
                (augmentation, resampling),
            ),
        };
        let done = done.saturating_sub(variant * images.len()).min(images.len());
        for batch in images[done..].chunks(BATCH) {
            let input = inputs(
                pixels,
                batch,
                version,
                augmentation,
                &procedure.preprocessing,
                base.device(),
            )?;
            let activations =
                base.forward(&input, 0..extraction.blocks)?.flatten_all()?.to_vec1::<f32>()?;
            writer.write(&activations)?;
            progress(batch.len() as u64);
            let Some(policy) = policy else { continue };
            if policy.stop.is_requested() {
                writer.leave()?;
                return Err(TrainError::Stopped);
            }
            if noted.elapsed() >= policy.interval {
                writer.note()?;
                noted = Instant::now();
            }
        }
    }
    let damage = writer.damage().map(str::to_owned);
    writer.finish()?;
    Ok(damage)
}
