//! Images with zeros around, row by row.

use std::ops::Range;

use crate::ConvolutionGeometry;
use crate::maps::MapsView;

/// Some rows of an image with zeros around, `step − 1` zeros between neighbouring pixels.
pub(crate) struct Padded<'a> {
    /// The image, from its first number on.
    pub(crate) image: &'a [f32],
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// Numbers from one pixel of the image to the next.
    pub(crate) pixel_step: usize,
    pub(crate) above: usize,
    pub(crate) before: usize,
    pub(crate) step: usize,
    pub(crate) padded_width: usize,
}

impl<'a> Padded<'a> {
    /// An image with the zeros around it that a convolution sees.
    pub(crate) fn of_input(
        geometry: &ConvolutionGeometry,
        input: MapsView<'a>,
        image: usize,
    ) -> Self {
        Self {
            image: input.image(image),
            height: geometry.height,
            width: geometry.width,
            channels: input.channels,
            pixel_step: input.pixel_step,
            above: geometry.padding.top,
            before: geometry.padding.left,
            step: 1,
            padded_width: geometry.padded_width(),
        }
    }

    /// The gradient of an output as the convolution with the rotated kernel sees it that yields the
    /// gradient of the input: its pixels as far apart as the stride, with zeros around.
    pub(crate) fn of_gradient(
        geometry: &ConvolutionGeometry,
        gradient: MapsView<'a>,
        image: usize,
    ) -> Self {
        let side = geometry.kernel;
        Self {
            image: gradient.image(image),
            height: geometry.output_height(),
            width: geometry.output_width(),
            channels: gradient.channels,
            pixel_step: gradient.pixel_step,
            above: side - 1 - geometry.padding.top,
            before: side - 1 - geometry.padding.left,
            step: geometry.stride,
            padded_width: geometry.width + side - 1,
        }
    }

    /// Writes the given rows of the padded image.
    pub(crate) fn fill(&self, rows: Range<usize>, padded: &mut [f32]) {
        for (row, padded) in rows.zip(padded.chunks_exact_mut(self.padded_width * self.channels)) {
            let source = row
                .checked_sub(self.above)
                .filter(|row| row.is_multiple_of(self.step))
                .map(|row| row / self.step);
            let Some(source) = source.filter(|&row| row < self.height) else {
                padded.fill(0.0);
                continue;
            };
            let source = &self.image[source * self.width * self.pixel_step..];
            let (before, line) = (self.before * self.channels, self.width * self.channels);
            padded[..before].fill(0.0);
            if self.step == 1 && self.pixel_step == self.channels {
                padded[before..][..line].copy_from_slice(&source[..line]);
                padded[before + line..].fill(0.0);
            } else {
                padded[before..].fill(0.0);
                for (pixel, values) in source.chunks(self.pixel_step).take(self.width).enumerate() {
                    padded[before + pixel * self.step * self.channels..][..self.channels]
                        .copy_from_slice(&values[..self.channels]);
                }
            }
        }
    }
}
