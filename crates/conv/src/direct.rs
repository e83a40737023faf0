//! Convolution by definition: each output pixel's window times the kernel as a matrix, without gathering the windows.
//!
//! In an image padded with zeros, the window of a `k × k` kernel at one output pixel is `k` segments of `k · channels` neighbouring numbers,
//! which is what [`Left`] describes.

use std::ops::Range;

use rayon::prelude::*;

use crate::product::{Left, Panels, Start, add_transposed_product, multiply};
use crate::scratch::with_scratch;
use crate::{Activation, ConvolutionGeometry};

/// Output pixels of one task: enough to be worth it, few enough that their windows stay in the second-level cache.
const PIXELS_PER_TASK: usize = 1024;

/// Images whose kernel gradients are summed by one task. Fixed, so that sums do not depend on the number of threads.
const IMAGES_PER_SUM: usize = 4;

/// Kernels of more numbers than this have their gradient divided among tasks by rows instead of by images.
const LARGE_KERNEL: usize = 1 << 16;

/// Some rows of an image with zeros around, `step − 1` zeros between neighbouring pixels.
struct Padding<'a> {
    image: &'a [f32],
    width: usize,
    channels: usize,
    before: usize,
    step: usize,
    padded_width: usize,
}

impl Padding<'_> {
    /// Writes the given rows of the padded image.
    fn fill(&self, rows: Range<usize>, padded: &mut [f32]) {
        let line = self.width * self.channels;
        let height = self.image.len() / line;
        for (row, padded) in rows.zip(padded.chunks_exact_mut(self.padded_width * self.channels)) {
            let source = row.checked_sub(self.before).filter(|row| row.is_multiple_of(self.step)).map(|row| row / self.step);
            let Some(source) = source.filter(|&row| row < height) else {
                padded.fill(0.0);
                continue;
            };
            let source = &self.image[source * line..][..line];
            let before = self.before * self.channels;
            padded[..before].fill(0.0);
            if self.step == 1 {
                padded[before..][..line].copy_from_slice(source);
                padded[before + line..].fill(0.0);
            } else {
                padded[before..].fill(0.0);
                for (pixel, values) in source.chunks_exact(self.channels).enumerate() {
                    padded[before + pixel * self.step * self.channels..][..self.channels].copy_from_slice(values);
                }
            }
        }
    }
}

/// `activation(start + window · kernel)` at every output pixel of a batch of images.
struct Correlation<'a> {
    kernel: usize,
    stride: usize,
    channels: usize,
    output_height: usize,
    output_width: usize,
    padded_width: usize,
    panels: &'a Panels,
    start: Start<'a>,
    activation: Activation,
}

impl Correlation<'_> {
    /// The windows of some output rows, the first of which begins at the data's first number.
    fn windows<'d>(&self, data: &'d [f32], rows: usize) -> Left<'d> {
        Left {
            data,
            rows: rows * self.output_width,
            line: self.output_width,
            row_step: self.stride * self.channels,
            line_step: self.stride * self.padded_width * self.channels,
            segments: self.kernel,
            segment_length: self.kernel * self.channels,
            segment_step: self.padded_width * self.channels,
        }
    }

    /// Computes `output` `[batch, output height, output width, output channels]`, many rows per task.
    fn run<'i>(&self, padding: impl Fn(usize) -> Padding<'i> + Sync, output_channels: usize, output: &mut [f32]) {
        let line = self.output_width * output_channels;
        let rows_per_task = PIXELS_PER_TASK.div_ceil(self.output_width).min(self.output_height);
        output.par_chunks_mut(self.output_height * line).enumerate().for_each(|(image, output)| {
            let padding = padding(image);
            output.par_chunks_mut(rows_per_task * line).enumerate().for_each(|(task, output)| {
                let (first, rows) = (task * rows_per_task, output.len() / line);
                let mut product = |data: &[f32]| {
                    multiply(self.windows(data, rows), self.panels.matrix(0), self.start, self.activation, output, output_channels);
                };
                let needed = first * self.stride..(first + rows - 1) * self.stride + self.kernel;
                let step = self.padded_width * self.channels;
                if padding.before == 0 && padding.step == 1 && padding.padded_width == padding.width {
                    product(&padding.image[needed.start * step..needed.end * step]);
                } else {
                    with_scratch(needed.len() * step, |padded| {
                        padding.fill(needed, padded);
                        product(padded);
                    });
                }
            });
        });
    }
}

/// The convolution of a batch.
pub(crate) fn forward(geometry: &ConvolutionGeometry, input: &[f32], kernel: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
    let channels = geometry.output_channels;
    let correlation = Correlation {
        kernel: geometry.kernel,
        stride: geometry.stride,
        channels: geometry.input_channels,
        output_height: geometry.output_height(),
        output_width: geometry.output_width(),
        padded_width: geometry.width + 2 * geometry.padding,
        panels: &Panels::pack(kernel, geometry.patch(), channels, channels, 1),
        start: Start::Columns(bias),
        activation,
    };
    let mut output = vec![0f32; input.len() / geometry.input_length() * geometry.output_length()];
    correlation.run(|image| padding(geometry, input, image), channels, &mut output);
    output
}

fn padding<'a>(geometry: &ConvolutionGeometry, input: &'a [f32], image: usize) -> Padding<'a> {
    Padding {
        image: &input[image * geometry.input_length()..][..geometry.input_length()],
        width: geometry.width,
        channels: geometry.input_channels,
        before: geometry.padding,
        step: 1,
        padded_width: geometry.width + 2 * geometry.padding,
    }
}

/// The gradient of the input: the output's gradient, its pixels `stride` apart, correlated with the kernel turned by 180°.
pub(crate) fn input_gradient(geometry: &ConvolutionGeometry, kernel: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (side, inputs, outputs) = (geometry.kernel, geometry.input_channels, geometry.output_channels);
    let mut turned = vec![0f32; kernel.len()];
    for (tap, values) in turned.chunks_exact_mut(outputs * inputs).enumerate() {
        let source = &kernel[(side * side - 1 - tap) * inputs * outputs..][..inputs * outputs];
        for (output, values) in values.chunks_exact_mut(inputs).enumerate() {
            values.iter_mut().enumerate().for_each(|(input, value)| *value = source[input * outputs + output]);
        }
    }
    let correlation = Correlation {
        kernel: side,
        stride: 1,
        channels: outputs,
        output_height: geometry.height,
        output_width: geometry.width,
        padded_width: geometry.width + side - 1,
        panels: &Panels::pack(&turned, side * side * outputs, inputs, inputs, 1),
        start: Start::Zero,
        activation: Activation::Linear,
    };
    let mut result = vec![0f32; gradient.len() / geometry.output_length() * geometry.input_length()];
    let padding = |image: usize| Padding {
        image: &gradient[image * geometry.output_length()..][..geometry.output_length()],
        width: geometry.output_width(),
        channels: outputs,
        before: side - 1 - geometry.padding,
        step: geometry.stride,
        padded_width: geometry.width + side - 1,
    };
    correlation.run(padding, inputs, &mut result);
    result
}

/// The gradient of the kernel: at each output pixel, its window times the gradient there, summed over pixels, then over images in order.
pub(crate) fn kernel_gradient(geometry: &ConvolutionGeometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let padded_width = geometry.width + 2 * geometry.padding;
    let line = padded_width * geometry.input_channels;
    let padded_length = (geometry.height + 2 * geometry.padding) * line;
    let storage: Vec<f32>;
    let padded: &[f32] = if geometry.padding == 0 {
        input
    } else {
        let mut filled = vec![0f32; input.len() / geometry.input_length() * padded_length];
        filled.par_chunks_mut(padded_length).enumerate().for_each(|(image, padded)| {
            padding(geometry, input, image).fill(0..geometry.height + 2 * geometry.padding, padded);
        });
        storage = filled;
        &storage
    };
    let segment = geometry.kernel * geometry.input_channels;
    let channels = geometry.output_channels;
    // Adds what some images contribute to some neighbouring rows of the kernel's matrix, which lie within one segment.
    let add = |images: &[f32], gradients: &[f32], first_row: usize, result: &mut [f32]| {
        for (image, gradient) in images.chunks_exact(padded_length).zip(gradients.chunks_exact(geometry.output_length())) {
            let start = first_row / segment * line + first_row % segment;
            let windows = Left {
                data: &image[start..],
                rows: geometry.output_pixels(),
                line: geometry.output_width(),
                row_step: geometry.stride * geometry.input_channels,
                line_step: geometry.stride * line,
                segments: 1,
                segment_length: result.len() / channels,
                segment_step: 0,
            };
            add_transposed_product(windows, gradient, channels, channels, result);
        }
    };
    let length = geometry.patch() * channels;
    if length > LARGE_KERNEL {
        let mut result = vec![0f32; length];
        let rows = (LARGE_KERNEL / 4 / channels).next_multiple_of(12).min(segment);
        result.par_chunks_mut(segment * channels).enumerate().for_each(|(number, result)| {
            result.par_chunks_mut(rows * channels).enumerate().for_each(|(task, result)| {
                add(padded, gradient, number * segment + task * rows, result);
            });
        });
        return result;
    }
    let images = padded.par_chunks(IMAGES_PER_SUM * padded_length);
    let partial = images.zip(gradient.par_chunks(IMAGES_PER_SUM * geometry.output_length())).map(|(images, gradients)| {
        let mut result = vec![0f32; length];
        // Image by image, so that its windows are read from the cache for every segment but the first.
        for (image, gradient) in images.chunks_exact(padded_length).zip(gradients.chunks_exact(geometry.output_length())) {
            for (number, result) in result.chunks_exact_mut(segment * channels).enumerate() {
                add(image, gradient, number * segment, result);
            }
        }
        result
    });
    let partial: Vec<Vec<f32>> = partial.collect();
    let mut sums = partial.into_iter();
    let first = sums.next().unwrap_or_default();
    sums.fold(first, |mut sum, partial| {
        sum.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
        sum
    })
}
