//! Max-pool with any window, stride and rounding, and the true gradient.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::product::vectorized;
use crate::storage::{slice, with_slice};

/// Window and stride of a max-pool without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolGeometry {
    /// Side of the window.
    pub window: usize,
    /// Step of the window.
    pub stride: usize,
    /// Whether a window that reaches beyond the edge still counts (Caffe's and PyTorch's `ceil_mode`); it must start inside.
    pub ceil: bool,
}

impl PoolGeometry {
    /// Length of the output along an axis of the given length.
    pub fn output_length(&self, length: usize) -> usize {
        let span = length.saturating_sub(self.window);
        let steps = if self.ceil { span.div_ceil(self.stride) } else { span / self.stride };
        // As PyTorch: the last window may not start outside the input.
        if self.ceil && steps * self.stride >= length { steps } else { steps + 1 }
    }
}

/// The largest value under each window of `input` `[batch, height, width, channels]`, per channel.
///
/// The gradient goes to the first largest element of the window in row-major order, as in PyTorch.
///
/// # Errors
/// When the input is smaller than the window, is not made of 32-bit floats, or does not lie on the CPU.
pub fn max_pool(input: &Tensor, geometry: PoolGeometry) -> Result<Tensor> {
    let (_, height, width, _) = input.dims4()?;
    if height < geometry.window || width < geometry.window {
        bail!("an input of {height}×{width} is smaller than the {0}×{0} window", geometry.window);
    }
    input.contiguous()?.apply_op1(MaxPool { geometry })
}

struct MaxPool {
    geometry: PoolGeometry,
}

impl MaxPool {
    /// Calls `visit(output pixel, input pixel, whether it is the window's first)` for every output pixel of an image and every input pixel
    /// under its window, in row-major order.
    #[inline(always)]
    fn for_each_window(&self, height: usize, width: usize, mut visit: impl FnMut(usize, usize, bool)) {
        let PoolGeometry { window, stride, .. } = self.geometry;
        let output_width = self.geometry.output_length(width);
        for output_row in 0..self.geometry.output_length(height) {
            for output_column in 0..output_width {
                let (first_row, first_column) = (output_row * stride, output_column * stride);
                for row in first_row..(first_row + window).min(height) {
                    for column in first_column..(first_column + window).min(width) {
                        let is_first = row == first_row && column == first_column;
                        visit(output_row * output_width + output_column, row * width + column, is_first);
                    }
                }
            }
        }
    }
}

/// The pooled image.
struct Forward<'a> {
    pool: &'a MaxPool,
    height: usize,
    width: usize,
    channels: usize,
    image: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pool, height, width, channels, image, output } = self;
        pool.for_each_window(height, width, |pixel, source, is_first| {
            let largest = &mut output[pixel * channels..][..channels];
            let values = &image[source * channels..][..channels];
            if is_first {
                largest.copy_from_slice(values);
            } else {
                for (largest, &value) in largest.iter_mut().zip(values) {
                    *largest = if value > *largest || value.is_nan() { value } else { *largest };
                }
            }
        });
    }
}

/// The gradient of one image.
struct Backward<'a> {
    pool: &'a MaxPool,
    height: usize,
    width: usize,
    channels: usize,
    image: &'a [f32],
    output: &'a [f32],
    output_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pool, height, width, channels, image, output, output_gradient, gradient } = self;
        // What is left of each channel's gradient: all of it until the first largest element has taken it, then nothing.
        let mut left = vec![0f32; channels];
        pool.for_each_window(height, width, |pixel, source, is_first| {
            if is_first {
                left.copy_from_slice(&output_gradient[pixel * channels..][..channels]);
            }
            let largest = &output[pixel * channels..][..channels];
            let values = &image[source * channels..][..channels];
            let gradient = &mut gradient[source * channels..][..channels];
            for channel in 0..channels {
                let taken = if values[channel] == largest[channel] { left[channel] } else { 0.0 };
                gradient[channel] += taken;
                left[channel] = if values[channel] == largest[channel] { 0.0 } else { left[channel] };
            }
        });
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn cpu_fwd(&self, input: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, height, width, channels) = layout.shape().dims4()?;
        let input = slice(input, layout)?;
        let (output_height, output_width) = (self.geometry.output_length(height), self.geometry.output_length(width));
        let mut output = vec![0f32; batch * output_height * output_width * channels];
        let images = input.par_chunks(height * width * channels);
        output.par_chunks_mut(output_height * output_width * channels).zip(images).for_each(|(output, image)| {
            vectorized(Forward { pool: self, height, width, channels, image, output });
        });
        Ok((CpuStorage::F32(output), (batch, output_height, output_width, channels).into()))
    }

    fn bwd(&self, input: &Tensor, output: &Tensor, output_gradient: &Tensor) -> Result<Option<Tensor>> {
        let (batch, height, width, channels) = input.dims4()?;
        let output_length = output.elem_count() / batch;
        let output_gradient = output_gradient.contiguous()?;
        let mut gradient = vec![0f32; input.elem_count()];
        with_slice(input, |input| {
            with_slice(output, |output| {
                with_slice(&output_gradient, |output_gradient| {
                    let images = gradient.par_chunks_mut(height * width * channels).zip(input.par_chunks(height * width * channels));
                    let results = output.par_chunks(output_length).zip(output_gradient.par_chunks(output_length));
                    images.zip(results).for_each(|((gradient, image), (output, output_gradient))| {
                        vectorized(Backward { pool: self, height, width, channels, image, output, output_gradient, gradient });
                    });
                    Ok(())
                })
            })
        })?;
        Ok(Some(Tensor::from_vec(gradient, input.shape(), input.device())?))
    }
}
