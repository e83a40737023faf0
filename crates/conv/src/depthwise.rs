//! Depthwise convolution: each channel with a kernel of its own, `[height, width, channels]`.
//!
//! Channels are independent, so a vector holds some neighbouring channels of one pixel, and the
//! kernel of those stays in registers while the pixels of a row go by. As everywhere here, a sum is
//! one chain of fused multiply-adds in the order of the kernel's rows and columns; what lies outside
//! the image is left out of it.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::convolution::Accumulate;
use crate::maps::{Maps, MapsView};
use crate::simd::vectorized;
use crate::{Activation, ConvolutionGeometry};

/// Output pixels of one task.
const PIXELS_PER_TASK: usize = 1024;

/// Images whose kernel gradients are summed one after the other. Fixed, so that sums do not depend on
/// the number of threads.
const IMAGES_PER_SUM: usize = 4;

/// A correlation of each channel with its own kernel.
#[derive(Clone, Copy)]
struct Correlation<'a> {
    geometry: ConvolutionGeometry,
    /// `[kernel, kernel, channels]`.
    kernel: &'a [f32],
    bias: Option<&'a [f32]>,
    activation: Activation,
    accumulate: Accumulate,
}

/// Writes the convolution of a batch to the channels of `output` from `first_channel` on.
pub(crate) fn forward(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    kernel: &[f32],
    bias: &[f32],
    activation: Activation,
    output: &mut Maps,
    first_channel: usize,
) {
    Correlation {
        geometry: *geometry,
        kernel,
        bias: Some(bias),
        activation,
        accumulate: Accumulate::Overwrite,
    }
    .run(input, output, first_channel);
}

/// Writes the gradient of the input, given the kernel rotated by 180°.
pub(crate) fn input_gradient(
    geometry: &ConvolutionGeometry,
    gradient: MapsView<'_>,
    rotated: &[f32],
    accumulate: Accumulate,
    result: &mut Maps,
) {
    let (bias, activation) = (None, Activation::Linear);
    if geometry.stride == 1 {
        let geometry = geometry.of_input_gradient();
        Correlation { geometry, kernel: rotated, bias, activation, accumulate }
            .run(gradient, result, 0);
        return;
    }
    let correlation =
        Correlation { geometry: *geometry, kernel: rotated, bias, activation, accumulate };
    let [_, height, width, channels] = result.shape();
    let line = width * channels;
    result.values_mut().par_chunks_mut(height * line).enumerate().for_each(|(image, result)| {
        result.par_chunks_mut(line).enumerate().for_each(|(row, result)| {
            let image = gradient.image(image);
            let pixel_step = gradient.pixel_step;
            vectorized(Scattered { correlation, image, pixel_step, row, result });
        });
    });
}

impl Correlation<'_> {
    fn run(self, input: MapsView<'_>, output: &mut Maps, first_channel: usize) {
        let [_, height, width, output_step] = output.shape();
        let line = width * output_step;
        let rows_per_task = PIXELS_PER_TASK.div_ceil(width).min(height);
        output.values_mut().par_chunks_mut(height * line).enumerate().for_each(
            |(image, output)| {
                output.par_chunks_mut(rows_per_task * line).enumerate().for_each(
                    |(task, output)| {
                        vectorized(Rows {
                            correlation: self,
                            image: input.image(image),
                            pixel_step: input.pixel_step,
                            first_row: task * rows_per_task,
                            output: &mut output[first_channel..],
                            output_step,
                        });
                    },
                );
            },
        );
    }

    /// The kernel's rows, or columns, that lie inside an image of some length at a position of the
    /// output.
    fn inside(&self, position: usize, before: usize, length: usize) -> Range<usize> {
        let ConvolutionGeometry { kernel, stride, .. } = self.geometry;
        let first = position * stride;
        before.saturating_sub(first).min(kernel)
            ..kernel.min((length + before).saturating_sub(first))
    }
}

/// The positions of an output at which the whole kernel lies inside an image of some length.
fn interior(
    geometry: &ConvolutionGeometry,
    before: usize,
    length: usize,
    outputs: usize,
) -> Range<usize> {
    let ConvolutionGeometry { kernel, stride, .. } = *geometry;
    let first = before.div_ceil(stride).min(outputs);
    let last = (length + before).checked_sub(kernel).map_or(0, |room| room / stride + 1);
    first..last.clamp(first, outputs)
}

/// Some rows of the output of one image.
struct Rows<'a> {
    correlation: Correlation<'a>,
    image: &'a [f32],
    pixel_step: usize,
    first_row: usize,
    output: &'a mut [f32],
    output_step: usize,
}

/// The vector that begins at a place.
#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32], place: usize, lanes: usize) -> S::f32s {
    if lanes == S::F32_LANES {
        S::as_simd_f32s(&values[place..place + S::F32_LANES]).0[0]
    } else {
        simd.partial_load_f32s(&values[place..place + lanes])
    }
}

#[inline(always)]
fn store<S: Simd>(simd: S, values: &mut [f32], place: usize, lanes: usize, vector: S::f32s) {
    if lanes == S::F32_LANES {
        S::as_mut_simd_f32s(&mut values[place..place + S::F32_LANES]).0[0] = vector;
    } else {
        simd.partial_store_f32s(&mut values[place..place + lanes], vector);
    }
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.correlation.geometry.output_channels;
        for first in (0..channels).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(channels - first);
            let ConvolutionGeometry { kernel, stride, .. } = self.correlation.geometry;
            match (kernel, stride, lanes == S::F32_LANES) {
                (3, 1, true) => self.channels::<S, 3, 1, 4, 6>(simd, first),
                (3, 2, true) => self.channels::<S, 3, 2, 4, 9>(simd, first),
                (5, 1, true) => self.channels::<S, 5, 1, 4, 8>(simd, first),
                (5, 2, true) => self.channels::<S, 5, 2, 2, 7>(simd, first),
                _ => {
                    let width = self.correlation.geometry.output_width();
                    for row in 0..self.rows() {
                        self.pixels(simd, row, 0..width, first, lanes);
                    }
                }
            }
        }
    }
}

impl Rows<'_> {
    /// Number of rows of this task.
    fn rows(&self) -> usize {
        let line = self.correlation.geometry.output_width() * self.output_step;
        self.output.len().div_ceil(line)
    }

    /// One vector of channels of all rows, with a `K × K` kernel at stride `D`, `P` pixels at a time,
    /// which see `I` columns of the image.
    #[inline(always)]
    fn channels<S: Simd, const K: usize, const D: usize, const P: usize, const I: usize>(
        &mut self,
        simd: S,
        first: usize,
    ) {
        let Correlation { geometry, kernel, bias, activation, accumulate } = self.correlation;
        let ConvolutionGeometry { height, width, output_channels, padding, .. } = geometry;
        let lanes = S::F32_LANES;
        let kernel: [[S::f32s; K]; K] = std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                load(simd, kernel, (row * K + column) * output_channels + first, lanes)
            })
        });
        let bias = bias.map_or(simd.splat_f32s(0.0), |bias| load(simd, bias, first, lanes));
        let output_width = geometry.output_width();
        let rows = interior(&geometry, padding.top, height, geometry.output_height());
        let columns = interior(&geometry, padding.left, width, output_width);
        for row in 0..self.rows() {
            let position = self.first_row + row;
            if !rows.contains(&position) {
                self.pixels(simd, row, 0..output_width, first, lanes);
                continue;
            }
            self.pixels(simd, row, 0..columns.start, first, lanes);
            let mut column = columns.start;
            while column + P <= columns.end {
                let mut sums = [bias; P];
                let place = (row * output_width + column) * self.output_step + first;
                if accumulate == Accumulate::Add {
                    for (number, sum) in sums.iter_mut().enumerate() {
                        *sum = load(simd, self.output, place + number * self.output_step, lanes);
                    }
                }
                let corner = (position * D - padding.top) * width + column * D - padding.left;
                for (number, kernel) in kernel.iter().enumerate() {
                    let line = &self.image[(corner + number * width) * self.pixel_step + first..];
                    let pixels: [S::f32s; I] = std::array::from_fn(|pixel| {
                        load(simd, line, pixel * self.pixel_step, lanes)
                    });
                    for (column, weight) in kernel.iter().enumerate() {
                        for (pixel, sum) in sums.iter_mut().enumerate() {
                            *sum = simd.mul_add_f32s(pixels[pixel * D + column], *weight, *sum);
                        }
                    }
                }
                for (number, sum) in sums.into_iter().enumerate() {
                    let sum = activation.vector(simd, sum);
                    store(simd, self.output, place + number * self.output_step, lanes, sum);
                }
                column += P;
            }
            self.pixels(simd, row, column..output_width, first, lanes);
        }
    }

    /// Some pixels of a row, whatever the kernel and wherever they lie.
    #[inline(always)]
    fn pixels<S: Simd>(
        &mut self,
        simd: S,
        row: usize,
        columns: Range<usize>,
        first: usize,
        lanes: usize,
    ) {
        let Correlation { geometry, kernel, bias, activation, accumulate } = self.correlation;
        let ConvolutionGeometry { height, width, output_channels, padding, stride, .. } = geometry;
        let position = self.first_row + row;
        let kernel_rows = self.correlation.inside(position, padding.top, height);
        for column in columns {
            let kernel_columns = self.correlation.inside(column, padding.left, width);
            let place = (row * geometry.output_width() + column) * self.output_step + first;
            let mut sum = match (accumulate, bias) {
                (Accumulate::Add, _) => load(simd, self.output, place, lanes),
                (_, Some(bias)) => load(simd, bias, first, lanes),
                (_, None) => simd.splat_f32s(0.0),
            };
            for kernel_row in kernel_rows.clone() {
                for kernel_column in kernel_columns.clone() {
                    let pixel = (position * stride + kernel_row - padding.top) * width
                        + column * stride
                        + kernel_column
                        - padding.left;
                    let weight = (kernel_row * geometry.kernel + kernel_column) * output_channels;
                    sum = simd.mul_add_f32s(
                        load(simd, self.image, pixel * self.pixel_step + first, lanes),
                        load(simd, kernel, weight + first, lanes),
                        sum,
                    );
                }
            }
            store(simd, self.output, place, lanes, activation.vector(simd, sum));
        }
    }
}

/// One row of the gradient of the input of a convolution with a stride: each of its pixels lay under
/// few places of the kernel.
struct Scattered<'a> {
    /// The forward pass, with the kernel rotated.
    correlation: Correlation<'a>,
    /// Gradient of the output.
    image: &'a [f32],
    pixel_step: usize,
    row: usize,
    result: &'a mut [f32],
}

/// The place of the kernel and of the output of every sum that a place of the input was part of.
fn uses(
    place: usize,
    before: usize,
    geometry: &ConvolutionGeometry,
    outputs: usize,
) -> impl Iterator<Item = (usize, usize)> + Clone {
    let ConvolutionGeometry { kernel, stride, .. } = *geometry;
    (0..kernel).filter_map(move |tap| {
        let first = (place + before).checked_sub(tap)?;
        (first.is_multiple_of(stride) && first / stride < outputs).then_some((tap, first / stride))
    })
}

impl WithSimd for Scattered<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Correlation { geometry, kernel, accumulate, .. } = self.correlation;
        let ConvolutionGeometry { width, input_channels: channels, padding, kernel: side, .. } =
            geometry;
        let outputs = [geometry.output_height(), geometry.output_width()];
        let rows: Vec<(usize, usize)> =
            uses(self.row, padding.top, &geometry, outputs[0]).collect();
        for column in 0..width {
            let columns = uses(column, padding.left, &geometry, outputs[1]);
            for first in (0..channels).step_by(S::F32_LANES) {
                let lanes = S::F32_LANES.min(channels - first);
                let place = column * channels + first;
                let mut sum = match accumulate {
                    Accumulate::Add => load(simd, self.result, place, lanes),
                    Accumulate::Overwrite => simd.splat_f32s(0.0),
                };
                for &(kernel_row, row) in &rows {
                    for (kernel_column, column) in columns.clone() {
                        // The kernel is rotated.
                        let tap = side * side - 1 - (kernel_row * side + kernel_column);
                        let pixel = row * outputs[1] + column;
                        sum = simd.mul_add_f32s(
                            load(simd, self.image, pixel * self.pixel_step + first, lanes),
                            load(simd, kernel, tap * channels + first, lanes),
                            sum,
                        );
                    }
                }
                store(simd, self.result, place, lanes, sum);
            }
        }
    }
}

/// The gradient of the kernel, `[kernel, kernel, channels]`: summed by row of the output, then over
/// rows, then over images in order.
pub(crate) fn kernel_gradient(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    gradient: MapsView<'_>,
) -> Vec<f32> {
    let length = geometry.kernel * geometry.kernel * geometry.output_channels;
    let groups = (0..input.batch().div_ceil(IMAGES_PER_SUM)).into_par_iter();
    let partial: Vec<Vec<f32>> = groups
        .map(|group| {
            let mut sums = vec![0f32; length];
            for image in group * IMAGES_PER_SUM..input.batch().min((group + 1) * IMAGES_PER_SUM) {
                let correlation = Correlation {
                    geometry: *geometry,
                    kernel: &[],
                    bias: None,
                    activation: Activation::Linear,
                    accumulate: Accumulate::Add,
                };
                vectorized(KernelGradient {
                    correlation,
                    image: input.image(image),
                    pixel_step: input.pixel_step,
                    gradient: gradient.image(image),
                    gradient_step: gradient.pixel_step,
                    sums: &mut sums,
                });
            }
            sums
        })
        .collect();
    let mut partial = partial.into_iter();
    let first = partial.next().unwrap_or_default();
    partial.fold(first, |mut sum, partial| {
        sum.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
        sum
    })
}

/// Adds what one image contributes to the gradient of the kernel.
struct KernelGradient<'a> {
    correlation: Correlation<'a>,
    image: &'a [f32],
    pixel_step: usize,
    gradient: &'a [f32],
    gradient_step: usize,
    sums: &'a mut [f32],
}

impl WithSimd for KernelGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let geometry = self.correlation.geometry;
        for first in (0..geometry.output_channels).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(geometry.output_channels - first);
            for row in 0..geometry.output_height() {
                let rows = self.correlation.inside(row, geometry.padding.top, geometry.height);
                for kernel_row in rows {
                    match (geometry.kernel, geometry.stride, lanes == S::F32_LANES) {
                        (3, 1, true) => self.row::<S, 3, 1, 4, 6>(simd, row, kernel_row, first),
                        (3, 2, true) => self.row::<S, 3, 2, 4, 9>(simd, row, kernel_row, first),
                        (5, 1, true) => self.row::<S, 5, 1, 4, 8>(simd, row, kernel_row, first),
                        (5, 2, true) => self.row::<S, 5, 2, 2, 7>(simd, row, kernel_row, first),
                        _ => {
                            for kernel_column in 0..geometry.kernel {
                                let all = 0..geometry.output_width();
                                self.tap(simd, row, all, (kernel_row, kernel_column), first, lanes);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl KernelGradient<'_> {
    /// What a row of the output contributes to a row of a `K × K` kernel at stride `D`.
    #[inline(always)]
    fn row<S: Simd, const K: usize, const D: usize, const P: usize, const I: usize>(
        &mut self,
        simd: S,
        row: usize,
        kernel_row: usize,
        first: usize,
    ) {
        let geometry = self.correlation.geometry;
        let ConvolutionGeometry { width, padding, output_channels: channels, .. } = geometry;
        let (lanes, output_width) = (S::F32_LANES, geometry.output_width());
        let columns = interior(&geometry, padding.left, width, output_width);
        let mut sums = [simd.splat_f32s(0.0); K];
        let line =
            &self.image[(row * D + kernel_row - padding.top) * width * self.pixel_step + first..];
        let gradient = &self.gradient[row * output_width * self.gradient_step + first..];
        let mut column = columns.start;
        while column + P <= columns.end {
            let line = &line[(column * D - padding.left) * self.pixel_step..];
            let pixels: [S::f32s; I] =
                std::array::from_fn(|pixel| load(simd, line, pixel * self.pixel_step, lanes));
            for pixel in 0..P {
                let of_output = load(simd, gradient, (column + pixel) * self.gradient_step, lanes);
                for (tap, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add_f32s(pixels[pixel * D + tap], of_output, *sum);
                }
            }
            column += P;
        }
        for (tap, sum) in sums.into_iter().enumerate() {
            let place = (kernel_row * K + tap) * channels + first;
            let before = load(simd, self.sums, place, lanes);
            store(simd, self.sums, place, lanes, simd.add_f32s(before, sum));
            let place = (kernel_row, tap);
            self.tap(simd, row, 0..columns.start, place, first, lanes);
            self.tap(simd, row, column..output_width, place, first, lanes);
        }
    }

    /// What some pixels of the output contribute to one place of the kernel.
    #[inline(always)]
    fn tap<S: Simd>(
        &mut self,
        simd: S,
        row: usize,
        columns: Range<usize>,
        (kernel_row, kernel_column): (usize, usize),
        first: usize,
        lanes: usize,
    ) {
        let geometry = self.correlation.geometry;
        let ConvolutionGeometry { width, padding, stride, .. } = geometry;
        let place =
            (kernel_row * geometry.kernel + kernel_column) * geometry.output_channels + first;
        let mut sum = simd.splat_f32s(0.0);
        for column in columns {
            let Some(at) = (column * stride + kernel_column).checked_sub(padding.left) else {
                continue;
            };
            if at >= width {
                break;
            }
            let pixel = (row * stride + kernel_row - padding.top) * width + at;
            let output = row * geometry.output_width() + column;
            sum = simd.mul_add_f32s(
                load(simd, self.image, pixel * self.pixel_step + first, lanes),
                load(simd, self.gradient, output * self.gradient_step + first, lanes),
                sum,
            );
        }
        let before = load(simd, self.sums, place, lanes);
        store(simd, self.sums, place, lanes, simd.add_f32s(before, sum));
    }
}

/// The kernel rotated by 180°.
pub(crate) fn rotated(kernel: &[f32], channels: usize) -> Vec<f32> {
    kernel.chunks_exact(channels).rev().flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Padding;

    #[test]
    fn the_interior_is_where_the_whole_kernel_lies_inside() {
        for (kernel, stride, length) in
            [(3, 1, 7), (3, 2, 7), (3, 2, 8), (5, 1, 3), (5, 2, 9), (5, 1, 5)]
        {
            let geometry = ConvolutionGeometry {
                height: length,
                width: length,
                input_channels: 1,
                output_channels: 1,
                kernel,
                stride,
                padding: Padding::same(length, length, kernel, stride),
                groups: 1,
            };
            let correlation = Correlation {
                geometry,
                kernel: &[],
                bias: None,
                activation: Activation::Linear,
                accumulate: Accumulate::Overwrite,
            };
            let (before, outputs) = (geometry.padding.left, geometry.output_width());
            let interior = interior(&geometry, before, length, outputs);
            for position in 0..outputs {
                let is_whole = correlation.inside(position, before, length).len() == kernel;
                assert_eq!(is_whole, interior.contains(&position), "{geometry:?} at {position}");
            }
        }
    }
}
