//! Convolution by definition: each output pixel's window times the kernel as a matrix, without
//! gathering the windows.
//!
//! In an image padded with zeros, the window of a `k × k` kernel at one output pixel is `k`
//! segments of `k · channels` neighbouring numbers, which is what [`StridedRows`] describes.

use std::ops::Range;

use rayon::prelude::*;

use crate::arithmetic::Elements;
use crate::buffer::{Buffer, BufferPool};
use crate::maps::{Maps, MapsView};
use crate::padded::Padded;
use crate::product::{InitialSum, Panels, Rows, StridedRows, add_transposed_product, multiply};
use crate::scratch::with_scratch;
use crate::{Activation, ConvolutionGeometry, Padding};

/// Output pixels of one task: enough to be worth it, few enough that their windows stay in the
/// second-level cache.
const PIXELS_PER_TASK: usize = 1024;

/// Pixels from which on a product of its own is worth it, and beyond which they leave the first-level
/// cache, in a 1×1 convolution.
const LEAST_PIXELS_PER_TASK: usize = 96;
const MOST_PIXELS_PER_TASK: usize = 384;

/// Images whose kernel gradients are summed by one task. Fixed, so that sums do not depend on the
/// number of threads.
const IMAGES_PER_SUM: usize = 4;

/// Rows of a kernel's gradient that one task sums.
const ROWS_PER_TASK: usize = 48;

/// Kernels of more numbers than this have their gradient divided among tasks by rows instead of by
/// images.
const LARGE_KERNEL: usize = 1 << 16;

/// `activation(initial + window · kernel)` at every output pixel of a batch of images.
struct Correlation<'a> {
    kernel: usize,
    stride: usize,
    channels: usize,
    output_height: usize,
    output_width: usize,
    padded_width: usize,
    panels: &'a Panels,
    initial: InitialSum<'a>,
    activation: Activation,
}

impl Correlation<'_> {
    /// The windows of some output rows, the first of which begins at the data's first number;
    /// pixels are `pixel_step` apart.
    fn windows<'d>(&self, data: &'d [f32], pixel_step: usize, rows: usize) -> StridedRows<'d> {
        StridedRows {
            data,
            rows: rows * self.output_width,
            line: self.output_width,
            row_step: self.stride * pixel_step,
            line_step: self.stride * self.padded_width * pixel_step,
            segments: self.kernel,
            segment_length: self.kernel * self.channels,
            segment_step: self.padded_width * pixel_step,
            elements: Elements::Numbers,
        }
    }

    /// Computes the channels of `output` from `first_channel` on, many rows per task.
    fn run<'i>(
        &self,
        padded: impl Fn(usize) -> Padded<'i> + Sync,
        output: &mut Maps,
        first_channel: usize,
    ) {
        let [_, _, _, output_step] = output.shape();
        let line = self.output_width * output_step;
        let rows_per_task = PIXELS_PER_TASK.div_ceil(self.output_width).min(self.output_height);
        output.values_mut().par_chunks_mut(self.output_height * line).enumerate().for_each(
            |(image, output)| {
                let source = padded(image);
                output.par_chunks_mut(rows_per_task * line).enumerate().for_each(
                    |(task, output)| {
                        let (first, rows) = (task * rows_per_task, output.len() / line);
                        let mut product = |data: &[f32], pixel_step: usize| {
                            let windows = self.windows(data, pixel_step, rows);
                            multiply(
                                windows,
                                self.panels.matrix(0),
                                self.initial,
                                self.activation,
                                &mut output[first_channel..],
                                output_step,
                            );
                        };
                        let needed =
                            first * self.stride..(first + rows - 1) * self.stride + self.kernel;
                        // Segments of more than one pixel must not have gaps.
                        let is_dense = self.kernel == 1 || source.pixel_step == self.channels;
                        if is_dense
                            && [source.above, source.before] == [0; 2]
                            && source.padded_width == source.width
                            && needed.end <= source.height
                        {
                            product(
                                &source.image[needed.start * source.width * source.pixel_step..],
                                source.pixel_step,
                            );
                        } else {
                            with_scratch(
                                needed.len() * self.padded_width * self.channels,
                                |padded| {
                                    source.fill(needed, padded);
                                    product(padded, self.channels);
                                },
                            );
                        }
                    },
                );
            },
        );
    }
}

/// `activation(initial + pixel · kernel)` at every pixel of every image: a 1×1 convolution at stride 1
/// is a single product, however small the images are.
fn pointwise(
    input: MapsView<'_>,
    panels: &Panels,
    initial: InitialSum<'_>,
    activation: Activation,
    output: &mut Maps,
    first_channel: usize,
) {
    let [batch, height, width, output_step] = output.shape();
    let per_thread = (batch * height * width).div_ceil(2 * rayon::current_num_threads());
    let pixels = per_thread.clamp(LEAST_PIXELS_PER_TASK, MOST_PIXELS_PER_TASK);
    output.values_mut().par_chunks_mut(pixels * output_step).enumerate().for_each(
        |(task, output)| {
            let data = &input.data[task * pixels * input.pixel_step..];
            let rows = output.len() / output_step;
            let rows = StridedRows::matrix(data, rows, input.channels, input.pixel_step);
            let output = &mut output[first_channel..];
            multiply(rows, panels.matrix(0), initial, activation, output, output_step);
        },
    );
}

/// Writes the convolution of a batch to the channels of `output` from `first_channel` on.
pub(crate) fn forward(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    panels: &Panels,
    initial: InitialSum<'_>,
    activation: Activation,
    output: &mut Maps,
    first_channel: usize,
) {
    if geometry.is_pointwise() {
        return pointwise(input, panels, initial, activation, output, first_channel);
    }
    let correlation = Correlation {
        kernel: geometry.kernel,
        stride: geometry.stride,
        channels: geometry.input_channels,
        output_height: geometry.output_height(),
        output_width: geometry.output_width(),
        padded_width: geometry.padded_width(),
        panels,
        initial,
        activation,
    };
    correlation.run(|image| Padded::of_input(geometry, input, image), output, first_channel);
}

/// The gradient of the input at stride 1: the output's gradient correlated with the kernel rotated by
/// 180°.
pub(crate) fn input_gradient(
    geometry: &ConvolutionGeometry,
    gradient: MapsView<'_>,
    rotated: &Panels,
    initial: InitialSum<'_>,
    result: &mut Maps,
    first_channel: usize,
) {
    if geometry.is_pointwise() {
        return pointwise(gradient, rotated, initial, Activation::Linear, result, first_channel);
    }
    let (side, outputs) = (geometry.kernel, geometry.output_channels);
    let correlation = Correlation {
        kernel: side,
        stride: 1,
        channels: outputs,
        output_height: geometry.height,
        output_width: geometry.width,
        padded_width: geometry.width + side - 1,
        panels: rotated,
        initial,
        activation: Activation::Linear,
    };
    let padded = |image: usize| Padded::of_gradient(geometry, gradient, image);
    correlation.run(padded, result, first_channel);
}

/// The gradient of the kernel: at each output pixel, its window times the gradient there, summed
/// over pixels, then over images in order.
pub(crate) fn kernel_gradient(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    gradient: MapsView<'_>,
) -> Vec<f32> {
    let line = geometry.padded_width() * geometry.input_channels;
    let padded_length = geometry.padded_height() * line;
    let storage: Buffer;
    let padded: &[f32] = if geometry.padding == Padding::default() && input.is_dense() {
        input.data
    } else {
        let mut filled = BufferPool::of_kernels().take(input.batch() * padded_length);
        filled.par_chunks_mut(padded_length).enumerate().for_each(|(image, values)| {
            Padded::of_input(geometry, input, image).fill(0..geometry.padded_height(), values);
        });
        storage = filled;
        &storage
    };
    let segment = geometry.kernel * geometry.input_channels;
    let channels = geometry.output_channels;
    // Windows of larger kernels overlap, so that most of a row is in the cache already.
    let place = if geometry.kernel == 1 { Rows::InMemory } else { Rows::InCache };
    // Adds what some images contribute to some neighbouring rows of the kernel's matrix, which lie
    // within one segment.
    let add = |images: Range<usize>, first_row: usize, result: &mut [f32]| {
        for image in images {
            let start = first_row / segment * line + first_row % segment;
            let windows = StridedRows {
                data: &padded[image * padded_length..][start..padded_length],
                rows: geometry.output_pixels(),
                line: geometry.output_width(),
                row_step: geometry.stride * geometry.input_channels,
                line_step: geometry.stride * line,
                segments: 1,
                segment_length: result.len() / channels,
                segment_step: 0,
                elements: Elements::Numbers,
            };
            add_transposed_product(
                windows,
                gradient.image(image),
                gradient.pixel_step,
                channels,
                result,
                place,
            );
        }
    };
    let length = geometry.patch() * channels;
    if length > LARGE_KERNEL {
        let mut result = vec![0f32; length];
        let rows = (LARGE_KERNEL / 4 / channels).next_multiple_of(12).min(segment);
        result.par_chunks_mut(segment * channels).enumerate().for_each(|(number, result)| {
            result.par_chunks_mut(rows * channels).enumerate().for_each(|(task, result)| {
                add(0..input.batch(), number * segment + task * rows, result);
            });
        });
        return result;
    }
    let groups = (0..input.batch().div_ceil(IMAGES_PER_SUM)).into_par_iter();
    let partial = groups.map(|group| {
        let mut result = vec![0f32; length];
        // Image by image, so that its windows are read from the cache for every segment but the
        // first.
        for image in group * IMAGES_PER_SUM..input.batch().min((group + 1) * IMAGES_PER_SUM) {
            result.par_chunks_mut(segment * channels).enumerate().for_each(|(number, result)| {
                result.par_chunks_mut(ROWS_PER_TASK * channels).enumerate().for_each(
                    |(task, result)| {
                        add(image..image + 1, number * segment + task * ROWS_PER_TASK, result);
                    },
                );
            });
        }
        result
    });
    let partial: Vec<Vec<f32>> = partial.collect();
    sum_in_order(partial)
}

/// The sum of what groups of images contribute, from the first to the last.
pub(crate) fn sum_in_order(partial: Vec<Vec<f32>>) -> Vec<f32> {
    let mut sums = partial.into_iter();
    let first = sums.next().unwrap_or_default();
    sums.fold(first, |mut sum, partial| {
        sum.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
        sum
    })
}
