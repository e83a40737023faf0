//! Depthwise convolution: each channel with a kernel of its own, `[height, width, channels]`.
//!
//! Channels are independent, so a vector holds some neighbouring channels of one pixel, and the
//! kernel of those stays in registers while the pixels of a row go by. Images are padded first, so
//! that there are no edges. As everywhere here, a sum is one chain of fused multiply-adds, in the
//! order of the kernel's rows and columns.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::direct::sum_in_order;
use crate::maps::{Maps, MapsView};
use crate::padded::Padded;
use crate::product::InitialSum;
use crate::scratch::with_scratch;
use crate::simd::vectorized;
use crate::{Activation, ConvolutionGeometry};

/// Output pixels of one task.
const PIXELS_PER_TASK: usize = 1024;

/// Images whose kernel gradients are summed one after the other. Fixed, so that sums do not depend on
/// the number of threads.
const IMAGES_PER_SUM: usize = 4;

/// `activation(initial + window · kernel)`, each channel by itself, at every output pixel of a batch.
#[derive(Clone, Copy)]
struct Correlation<'a> {
    side: usize,
    stride: usize,
    channels: usize,
    output_height: usize,
    output_width: usize,
    padded_width: usize,
    /// `[side, side, channels]`.
    kernel: &'a [f32],
    initial: InitialSum<'a>,
    activation: Activation,
}

/// Writes the convolution of a batch to the channels of `output` from `first_channel` on.
pub(crate) fn forward(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    kernel: &[f32],
    initial: InitialSum<'_>,
    activation: Activation,
    output: &mut Maps,
    first_channel: usize,
) {
    let correlation = Correlation {
        side: geometry.kernel,
        stride: geometry.stride,
        channels: geometry.output_channels,
        output_height: geometry.output_height(),
        output_width: geometry.output_width(),
        padded_width: geometry.padded_width(),
        kernel,
        initial,
        activation,
    };
    correlation.run(|image| Padded::of_input(geometry, input, image), output, first_channel);
}

/// Writes the gradient of the input, given the kernel rotated by 180°.
pub(crate) fn input_gradient(
    geometry: &ConvolutionGeometry,
    gradient: MapsView<'_>,
    rotated: &[f32],
    initial: InitialSum<'_>,
    result: &mut Maps,
) {
    let correlation = Correlation {
        side: geometry.kernel,
        stride: 1,
        channels: geometry.input_channels,
        output_height: geometry.height,
        output_width: geometry.width,
        padded_width: geometry.width + geometry.kernel - 1,
        kernel: rotated,
        initial,
        activation: Activation::Linear,
    };
    correlation.run(|image| Padded::of_gradient(geometry, gradient, image), result, 0);
}

impl Correlation<'_> {
    fn run<'i>(
        self,
        padded: impl Fn(usize) -> Padded<'i> + Sync,
        output: &mut Maps,
        first_channel: usize,
    ) {
        let output_step = output.shape()[3];
        let line = self.output_width * output_step;
        let rows_per_task = PIXELS_PER_TASK.div_ceil(self.output_width).min(self.output_height);
        output.values_mut().par_chunks_mut(self.output_height * line).enumerate().for_each(
            |(image, output)| {
                let source = padded(image);
                output.par_chunks_mut(rows_per_task * line).enumerate().for_each(
                    |(task, output)| {
                        let (first, rows) = (task * rows_per_task, output.len() / line);
                        let needed =
                            first * self.stride..(first + rows - 1) * self.stride + self.side;
                        let length = needed.len() * self.padded_width * self.channels;
                        with_scratch(length, |padded| {
                            source.fill(needed, padded);
                            let output = &mut output[first_channel..];
                            let correlation = self;
                            vectorized(Rows { correlation, rows, padded, output, output_step });
                        });
                    },
                );
            },
        );
    }
}

/// Some rows of the output of one image.
struct Rows<'a> {
    correlation: Correlation<'a>,
    rows: usize,
    padded: &'a [f32],
    output: &'a mut [f32],
    output_step: usize,
}

/// The vector that begins at a place, or so many of its numbers.
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
        let Correlation { side, stride, channels, .. } = self.correlation;
        for first in (0..channels).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(channels - first);
            match (side, stride, lanes == S::F32_LANES) {
                (3, 1, true) => self.channels::<S, 3, 1, 4, 6>(simd, first),
                (3, 2, true) => self.channels::<S, 3, 2, 4, 9>(simd, first),
                (5, 1, true) => self.channels::<S, 5, 1, 4, 8>(simd, first),
                (5, 2, true) => self.channels::<S, 5, 2, 2, 7>(simd, first),
                _ => self.any(simd, first, lanes),
            }
        }
    }
}

impl Rows<'_> {
    /// One vector of channels of all rows, with a `K × K` kernel at stride `D`, `P` pixels at a time,
    /// which see `I` columns of the image.
    #[inline(always)]
    fn channels<S: Simd, const K: usize, const D: usize, const P: usize, const I: usize>(
        &mut self,
        simd: S,
        first: usize,
    ) {
        let Correlation { channels, kernel, output_width, .. } = self.correlation;
        let mut weights = [[simd.splat_f32s(0.0); K]; K];
        for (row, weights) in weights.iter_mut().enumerate() {
            for (column, weight) in weights.iter_mut().enumerate() {
                let place = (row * K + column) * channels + first;
                *weight = load(simd, kernel, place, S::F32_LANES);
            }
        }
        for row in 0..self.rows {
            let mut column = 0;
            while column + P <= output_width {
                self.pixels::<S, K, D, P, I>(simd, &weights, row, column, first);
                column += P;
            }
            while column < output_width {
                self.pixels::<S, K, D, 1, K>(simd, &weights, row, column, first);
                column += 1;
            }
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const K: usize, const D: usize, const P: usize, const I: usize>(
        &mut self,
        simd: S,
        weights: &[[S::f32s; K]; K],
        row: usize,
        column: usize,
        first: usize,
    ) {
        let Correlation { channels, output_width, padded_width, .. } = self.correlation;
        let lanes = S::F32_LANES;
        let place = (row * output_width + column) * self.output_step + first;
        let mut sums = [simd.splat_f32s(0.0); P];
        match self.correlation.initial {
            InitialSum::Zero => {}
            InitialSum::Columns(bias) => sums = [load(simd, bias, first, lanes); P],
            InitialSum::Output => {
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    *sum = load(simd, self.output, place + pixel * self.output_step, lanes);
                }
            }
        }
        let corner = (row * D * padded_width + column * D) * channels + first;
        for (kernel_row, weights) in weights.iter().enumerate() {
            let line = &self.padded[corner + kernel_row * padded_width * channels..];
            let mut pixels = [simd.splat_f32s(0.0); I];
            for (pixel, values) in pixels.iter_mut().enumerate() {
                *values = load(simd, line, pixel * channels, lanes);
            }
            for (kernel_column, weight) in weights.iter().enumerate() {
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add_f32s(pixels[pixel * D + kernel_column], *weight, *sum);
                }
            }
        }
        self.correlation.activation.vectors(simd, &mut sums);
        for (pixel, sum) in sums.into_iter().enumerate() {
            store(simd, self.output, place + pixel * self.output_step, lanes, sum);
        }
    }

    /// Up to one vector of channels of all rows, whatever the kernel.
    #[inline(always)]
    fn any<S: Simd>(&mut self, simd: S, first: usize, lanes: usize) {
        let Correlation { side, stride, channels, kernel, output_width, padded_width, .. } =
            self.correlation;
        for pixel in 0..self.rows * output_width {
            let (row, column) = (pixel / output_width, pixel % output_width);
            let place = pixel * self.output_step + first;
            let mut sum = match self.correlation.initial {
                InitialSum::Zero => simd.splat_f32s(0.0),
                InitialSum::Columns(bias) => load(simd, bias, first, lanes),
                InitialSum::Output => load(simd, self.output, place, lanes),
            };
            for tap in 0..side * side {
                let (kernel_row, kernel_column) = (tap / side, tap % side);
                let source =
                    (row * stride + kernel_row) * padded_width + column * stride + kernel_column;
                let value = load(simd, self.padded, source * channels + first, lanes);
                let weight = load(simd, kernel, tap * channels + first, lanes);
                sum = simd.mul_add_f32s(value, weight, sum);
            }
            let mut sums = [sum];
            self.correlation.activation.vectors(simd, &mut sums);
            store(simd, self.output, place, lanes, sums[0]);
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
    let padded_length = geometry.padded_height() * geometry.padded_width() * input.channels;
    let groups = (0..input.batch().div_ceil(IMAGES_PER_SUM)).into_par_iter();
    let partial: Vec<Vec<f32>> = groups
        .map(|group| {
            let mut sums = vec![0f32; length];
            for image in group * IMAGES_PER_SUM..input.batch().min((group + 1) * IMAGES_PER_SUM) {
                with_scratch(padded_length, |padded| {
                    Padded::of_input(geometry, input, image)
                        .fill(0..geometry.padded_height(), padded);
                    vectorized(KernelGradient {
                        geometry,
                        padded,
                        gradient: gradient.image(image),
                        gradient_step: gradient.pixel_step,
                        sums: &mut sums,
                    });
                });
            }
            sums
        })
        .collect();
    sum_in_order(partial)
}

/// Adds what one image contributes to the gradient of the kernel.
struct KernelGradient<'a> {
    geometry: &'a ConvolutionGeometry,
    padded: &'a [f32],
    gradient: &'a [f32],
    gradient_step: usize,
    sums: &'a mut [f32],
}

impl WithSimd for KernelGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let ConvolutionGeometry { kernel, stride, output_channels: channels, .. } = *self.geometry;
        for first in (0..channels).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(channels - first);
            match (kernel, stride, lanes == S::F32_LANES) {
                (3, 1, true) => self.channels::<S, 3, 1>(simd, first),
                (3, 2, true) => self.channels::<S, 3, 2>(simd, first),
                (5, 1, true) => self.channels::<S, 5, 1>(simd, first),
                (5, 2, true) => self.channels::<S, 5, 2>(simd, first),
                _ => self.any(simd, first, lanes),
            }
        }
    }
}

impl KernelGradient<'_> {
    /// One vector of channels with a `K × K` kernel at stride `D`: the sums of a row of the kernel
    /// stay in registers while the pixels of a row of the output go by.
    #[inline(always)]
    fn channels<S: Simd, const K: usize, const D: usize>(&mut self, simd: S, first: usize) {
        let (lanes, channels) = (S::F32_LANES, self.geometry.output_channels);
        let (output_width, padded_width) =
            (self.geometry.output_width(), self.geometry.padded_width());
        for row in 0..self.geometry.output_height() {
            let gradient = &self.gradient[row * output_width * self.gradient_step + first..];
            for kernel_row in 0..K {
                let line = &self.padded[(row * D + kernel_row) * padded_width * channels + first..];
                let mut sums = [simd.splat_f32s(0.0); K];
                for column in 0..output_width {
                    let of_output = load(simd, gradient, column * self.gradient_step, lanes);
                    for (kernel_column, sum) in sums.iter_mut().enumerate() {
                        let place = (column * D + kernel_column) * channels;
                        *sum = simd.mul_add_f32s(load(simd, line, place, lanes), of_output, *sum);
                    }
                }
                for (kernel_column, sum) in sums.into_iter().enumerate() {
                    self.add(simd, kernel_row * K + kernel_column, first, lanes, sum);
                }
            }
        }
    }

    /// Up to one vector of channels, whatever the kernel.
    #[inline(always)]
    fn any<S: Simd>(&mut self, simd: S, first: usize, lanes: usize) {
        let ConvolutionGeometry { kernel: side, stride, output_channels: channels, .. } =
            *self.geometry;
        let (output_width, padded_width) =
            (self.geometry.output_width(), self.geometry.padded_width());
        for row in 0..self.geometry.output_height() {
            for tap in 0..side * side {
                let (kernel_row, kernel_column) = (tap / side, tap % side);
                let mut sum = simd.splat_f32s(0.0);
                for column in 0..output_width {
                    let source = (row * stride + kernel_row) * padded_width
                        + column * stride
                        + kernel_column;
                    let value = load(simd, self.padded, source * channels + first, lanes);
                    let place = (row * output_width + column) * self.gradient_step + first;
                    let of_output = load(simd, self.gradient, place, lanes);
                    sum = simd.mul_add_f32s(value, of_output, sum);
                }
                self.add(simd, tap, first, lanes, sum);
            }
        }
    }

    /// Adds to what a place of the kernel has.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, tap: usize, first: usize, lanes: usize, sum: S::f32s) {
        let place = tap * self.geometry.output_channels + first;
        let before = load(simd, self.sums, place, lanes);
        store(simd, self.sums, place, lanes, simd.add_f32s(before, sum));
    }
}

/// The kernel rotated by 180°.
pub(crate) fn rotated(kernel: &[f32], channels: usize) -> Vec<f32> {
    kernel.chunks_exact(channels).rev().flatten().copied().collect()
}
