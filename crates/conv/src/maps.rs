//! Feature maps: the activations of a batch, `[batch, height, width, channels]`.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::Activation;
use crate::buffer::{Buffer, BufferPool};

/// Numbers that one task copies.
const NUMBERS_PER_COPY: usize = 1 << 16;

/// Feature maps of a batch, `[batch, height, width, channels]`: one pixel's channels are neighbours
/// in memory.
#[derive(Debug)]
pub struct Maps {
    buffer: Buffer,
    shape: [usize; 4],
}

impl Maps {
    /// Feature maps of this shape, `[batch, height, width, channels]`, with values of no meaning,
    /// to be written.
    pub fn new(buffers: &Arc<BufferPool>, shape: [usize; 4]) -> Self {
        Self { buffer: buffers.take(shape.iter().product()), shape }
    }

    /// The same values in memory of their own.
    pub fn copy(&self) -> Self {
        self.images(0..self.shape[0])
    }

    /// A copy of some of the images.
    pub fn images(&self, images: Range<usize>) -> Self {
        let [_, height, width, channels] = self.shape;
        let length = height * width * channels;
        let mut copy = Self {
            buffer: self.buffer.of_same_pool(images.len() * length),
            shape: [images.len(), height, width, channels],
        };
        let source = &self.buffer[images.start * length..images.end * length];
        let parts = copy.buffer.par_chunks_mut(NUMBERS_PER_COPY);
        parts.zip(source.par_chunks(NUMBERS_PER_COPY)).for_each(|(copy, source)| {
            copy.copy_from_slice(source);
        });
        copy
    }

    /// The images of several maps, whose images have one shape, one after the other.
    pub fn of_images(buffers: &Arc<BufferPool>, parts: &[Self]) -> Self {
        let [_, height, width, channels] = parts.first().map_or([0; 4], |part| part.shape);
        let batch = parts.iter().map(|part| part.shape[0]).sum();
        let mut all = Self::new(buffers, [batch, height, width, channels]);
        let mut rest = all.values_mut();
        for part in parts {
            let (own, behind) = rest.split_at_mut(part.values().len());
            own.copy_from_slice(part.values());
            rest = behind;
        }
        all
    }

    /// Shape: batch, height, width, channels.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// All values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.buffer
    }

    /// All values in row-major order, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.buffer
    }

    /// Replaces the values of some channels by their activations.
    pub(crate) fn apply(&mut self, activation: Activation, channels: Range<usize>) {
        let pixel_step = self.shape[3];
        if channels.len() == pixel_step {
            activation.apply_to(self.values_mut());
            return;
        }
        self.values_mut()
            .chunks_exact_mut(pixel_step)
            .for_each(|pixel| activation.apply_to(&mut pixel[channels.clone()]));
    }

    /// A view of all channels.
    pub fn view(&self) -> MapsView<'_> {
        self.channels(0..self.shape[3])
    }

    /// A view of some of the channels.
    pub fn channels(&self, channels: Range<usize>) -> MapsView<'_> {
        let [_, height, width, pixel_step] = self.shape;
        MapsView {
            data: &self.buffer[channels.start..],
            height,
            width,
            channels: channels.len(),
            pixel_step,
        }
    }
}

/// A view of some channels of feature maps.
#[derive(Clone, Copy, Debug)]
pub struct MapsView<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// Numbers from one pixel to the next.
    pub(crate) pixel_step: usize,
}

impl<'a> MapsView<'a> {
    /// Numbers from one image to the next.
    pub(crate) fn image_step(&self) -> usize {
        self.height * self.width * self.pixel_step
    }

    /// A view of some of its channels.
    pub(crate) fn channels(&self, channels: Range<usize>) -> Self {
        Self { data: &self.data[channels.start..], channels: channels.len(), ..*self }
    }

    /// Shape of one image: height, width, channels.
    pub fn image_shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    pub(crate) fn batch(&self) -> usize {
        // The last image ends early when the last channels are not in view.
        self.data.len().div_ceil(self.image_step())
    }

    /// The numbers of one image, from its first one on.
    pub(crate) fn image(&self, image: usize) -> &'a [f32] {
        let data = &self.data[image * self.image_step()..];
        &data[..data.len().min(self.image_step())]
    }

    /// Whether the pixels are neighbours in memory.
    pub(crate) fn is_dense(&self) -> bool {
        self.pixel_step == self.channels
    }
}
