//! The patches of an image as rows of a matrix, and back.

use std::cell::Cell;
use std::ops::Range;

use crate::ConvolutionGeometry;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends a buffer with `length` floats of any value, kept per thread.
pub(crate) fn with_scratch<R>(length: usize, run: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = run(&mut buffer[..length]);
    SCRATCH.set(buffer);
    result
}

/// Writes the patch under each output pixel of some output rows of one image as a row of `geometry.patch()` floats, zero outside.
pub(crate) fn gather(geometry: &ConvolutionGeometry, image: &[f32], output_rows: Range<usize>, patches: &mut [f32]) {
    let channels = geometry.input_channels;
    let mut patches = patches.chunks_exact_mut(channels);
    for_each_tap(geometry, output_rows, |source| {
        let Some(patch) = patches.next() else { return };
        match source {
            Some(pixel) => patch.copy_from_slice(&image[pixel * channels..][..channels]),
            None => patch.fill(0.0),
        }
    });
}

/// Adds each row of `patches` to the pixels it was gathered from: the adjoint of [`gather`].
pub(crate) fn scatter_add(geometry: &ConvolutionGeometry, patches: &[f32], output_rows: Range<usize>, image: &mut [f32]) {
    let channels = geometry.input_channels;
    let mut patches = patches.chunks_exact(channels);
    for_each_tap(geometry, output_rows, |source| {
        let Some(patch) = patches.next() else { return };
        if let Some(pixel) = source {
            for (sum, value) in image[pixel * channels..][..channels].iter_mut().zip(patch) {
                *sum += value;
            }
        }
    });
}

/// Visits, for each output pixel of some rows and each tap of the kernel, the input pixel under it, `None` in the padding.
fn for_each_tap(geometry: &ConvolutionGeometry, output_rows: Range<usize>, mut visit: impl FnMut(Option<usize>)) {
    let ConvolutionGeometry { height, width, kernel, stride, padding, .. } = *geometry;
    let output_width = geometry.output_width();
    for output_row in output_rows {
        for output_column in 0..output_width {
            for kernel_row in 0..kernel {
                let row = (output_row * stride + kernel_row).checked_sub(padding).filter(|&row| row < height);
                for kernel_column in 0..kernel {
                    let column = (output_column * stride + kernel_column).checked_sub(padding).filter(|&column| column < width);
                    visit(row.zip(column).map(|(row, column)| row * width + column));
                }
            }
        }
    }
}
