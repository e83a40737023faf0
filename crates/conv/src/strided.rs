//! The gradient of the input of a convolution with a stride.
//!
//! Input pixels at one distance from the grid of the stride, a phase of it, lay under the same places
//! of the kernel, every `stride`-th one. So each phase is a convolution at stride 1 of the output's
//! gradient with its own part of the kernel, rotated, and no product is with a zero:
//!
//! ```text
//! y + top = stride·q + p        the row y of the input, in phase p
//! dX[y] = Σₜ dY[q − t] · W[p + stride·t]
//! ```

use std::ops::Range;

use rayon::prelude::*;

use crate::arithmetic::Elements;
use crate::buffer::BufferPool;
use crate::convolution::{Accumulate, transpose};
use crate::maps::{Maps, MapsView};
use crate::product::{InitialSum, Panels, StridedRows, multiply};
use crate::scratch::with_scratch;
use crate::{Activation, ConvolutionGeometry};

/// The part of a kernel that a phase of rows and columns sees.
#[derive(Debug)]
pub(crate) struct PhaseKernel {
    /// Phases of rows and columns.
    phase: [usize; 2],
    /// Rows and columns of the part; either may be 0.
    taps: [usize; 2],
    panels: Panels,
}

/// Prepares a kernel `[side, side, inputs, outputs]`: its parts, rotated, as matrices from output to
/// input channels.
pub(crate) fn prepare(geometry: &ConvolutionGeometry, kernel: &[f32]) -> Vec<PhaseKernel> {
    let ConvolutionGeometry {
        kernel: side,
        stride,
        input_channels: inputs,
        output_channels: outputs,
        ..
    } = *geometry;
    let phases = (0..stride * stride).map(|number| [number / stride, number % stride]);
    let part = |phase: [usize; 2]| {
        let taps = phase.map(|phase| side.saturating_sub(phase).div_ceil(stride));
        let mut matrix = BufferPool::of_kernels().take(taps[0] * taps[1] * inputs * outputs);
        matrix.par_chunks_mut(inputs * outputs).rev().enumerate().for_each(|(tap, transposed)| {
            let [row, column] = [tap / taps[1], tap % taps[1]];
            let [row, column] = [phase[0] + row * stride, phase[1] + column * stride];
            let tap = &kernel[(row * side + column) * inputs * outputs..][..inputs * outputs];
            transpose(tap, outputs, transposed);
        });
        let inner = taps[0] * taps[1] * outputs;
        PhaseKernel { phase, taps, panels: Panels::pack(&matrix, inner, inputs, inputs, 1) }
    };
    phases.map(part).collect()
}

/// Pixels of one phase along an axis.
#[derive(Clone, Copy)]
struct Axis {
    /// The first of them.
    first: usize,
    count: usize,
    /// Row or column of the padded gradient, minus this, is that of the gradient.
    before: isize,
}

impl Axis {
    fn new(length: usize, padding: usize, stride: usize, phase: usize, taps: usize) -> Self {
        let first = (phase + stride - padding % stride) % stride;
        let place = (first + padding) / stride;
        Self {
            first,
            count: length.saturating_sub(first).div_ceil(stride),
            before: taps as isize - 1 - place as isize,
        }
    }
}

/// Writes the gradient of the input to the channels of `result` from `first_channel` on.
pub(crate) fn input_gradient(
    geometry: &ConvolutionGeometry,
    gradient: MapsView<'_>,
    kernels: &[PhaseKernel],
    accumulate: Accumulate,
    result: &mut Maps,
    first_channel: usize,
) {
    let [_, height, width, step] = result.shape();
    let channels = first_channel..first_channel + geometry.input_channels;
    result.values_mut().par_chunks_mut(height * width * step).enumerate().for_each(
        |(image, result)| {
            for kernel in kernels {
                let source = Source { geometry, gradient, image };
                source.add_phase(kernel, accumulate, result, step, channels.clone());
            }
        },
    );
}

/// The gradient behind one image.
struct Source<'a> {
    geometry: &'a ConvolutionGeometry,
    gradient: MapsView<'a>,
    image: usize,
}

impl Source<'_> {
    /// Writes the pixels of one phase, `step` numbers apart.
    fn add_phase(
        &self,
        PhaseKernel { phase, taps, panels }: &PhaseKernel,
        accumulate: Accumulate,
        result: &mut [f32],
        step: usize,
        channels: Range<usize>,
    ) {
        let ConvolutionGeometry { height, width, stride, padding, .. } = *self.geometry;
        let rows = Axis::new(height, padding.top, stride, phase[0], taps[0]);
        let columns = Axis::new(width, padding.left, stride, phase[1], taps[1]);
        let (inputs, outputs) = (channels.len(), self.gradient.channels);
        let pixels = rows.count * columns.count;
        if pixels == 0 {
            return;
        }
        if taps.contains(&0) {
            if accumulate == Accumulate::Overwrite {
                for pixel in 0..pixels {
                    let place = self.place(rows, columns, pixel) * step;
                    result[place..][channels.clone()].fill(0.0);
                }
            }
            return;
        }
        let padded_width = columns.count + taps[1] - 1;
        let padded_height = rows.count + taps[0] - 1;
        let room = padded_height * padded_width * outputs;
        with_scratch(room + pixels * inputs, |scratch| {
            let (padded, products) = scratch.split_at_mut(room);
            self.fill(rows.before, columns.before, padded_width, padded);
            let windows = StridedRows {
                data: padded,
                rows: pixels,
                line: columns.count,
                row_step: outputs,
                line_step: padded_width * outputs,
                segments: taps[0],
                segment_length: taps[1] * outputs,
                segment_step: padded_width * outputs,
                elements: Elements::Numbers,
            };
            let (matrix, zero) = (panels.matrix(0), InitialSum::Zero);
            multiply(windows, matrix, zero, Activation::Linear, products, inputs);
            for (pixel, product) in products.chunks_exact(inputs).enumerate() {
                let place = self.place(rows, columns, pixel) * step;
                let target = &mut result[place..][channels.clone()];
                match accumulate {
                    Accumulate::Overwrite => target.copy_from_slice(product),
                    Accumulate::Add => {
                        target.iter_mut().zip(product).for_each(|(sum, value)| *sum += value);
                    }
                }
            }
        });
    }

    /// The place in the image of a pixel of a phase.
    fn place(&self, rows: Axis, columns: Axis, pixel: usize) -> usize {
        let stride = self.geometry.stride;
        let row = rows.first + pixel / columns.count * stride;
        row * self.geometry.width + columns.first + pixel % columns.count * stride
    }

    /// Writes the gradient with zeros around.
    fn fill(&self, above: isize, before: isize, padded_width: usize, padded: &mut [f32]) {
        let MapsView { height, width, channels, pixel_step, .. } = self.gradient;
        let image = self.gradient.image(self.image);
        for (row, line) in padded.chunks_exact_mut(padded_width * channels).enumerate() {
            let row = usize::try_from(row as isize - above).ok().filter(|row| *row < height);
            for (column, pixel) in line.chunks_exact_mut(channels).enumerate() {
                let column = usize::try_from(column as isize - before).ok();
                match row.zip(column.filter(|column| *column < width)) {
                    Some((row, column)) => {
                        let place = (row * width + column) * pixel_step;
                        pixel.copy_from_slice(&image[place..][..channels]);
                    }
                    None => pixel.fill(0.0),
                }
            }
        }
    }
}
