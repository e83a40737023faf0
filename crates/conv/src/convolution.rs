//! Convolution with bias and ReLU as one operation: patches as rows (im2row), times the kernel as a matrix.
//!
//! Forward: `Y = relu(P·W + b)` with `P` the `[pixels, patch]` matrix of patches. Backward, with `Z` the gradient of `Y` where `Y > 0`
//! and zero elsewhere: `dW = Pᵀ·Z`, `db` the column sums of `Z`, and `dX` the sum of the rows of `Z·Wᵀ` put back to where the patches
//! came from. ReLU's gradient at exactly 0 is 0, as in PyTorch and TensorFlow.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::im2row::{gather, scatter_add, with_scratch};
use crate::product::{Into, Matrix, multiply};
use crate::storage::{slice, with_slice};

/// What follows the affine part of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// max(0, x).
    Relu,
}

/// The shape of a convolution on one image, with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionGeometry {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub input_channels: usize,
    /// Channels of the output.
    pub output_channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
}

impl ConvolutionGeometry {
    /// Rows of the output.
    pub fn output_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn output_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Floats under the kernel at one output pixel.
    pub fn patch(&self) -> usize {
        self.kernel * self.kernel * self.input_channels
    }

    /// Multiply-adds of one image, forward.
    pub fn multiply_adds(&self) -> u64 {
        (self.output_pixels() * self.patch() * self.output_channels) as u64
    }

    fn input_length(&self) -> usize {
        self.height * self.width * self.input_channels
    }

    fn output_pixels(&self) -> usize {
        self.output_height() * self.output_width()
    }

    fn output_length(&self) -> usize {
        self.output_pixels() * self.output_channels
    }

    /// Whether the patches are the pixels themselves.
    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// Output rows that are computed as one product: some hundred pixels, fixed by the shape alone.
    fn rows_per_block(&self) -> usize {
        (PIXELS_PER_BLOCK / self.output_width()).clamp(1, self.output_height())
    }
}

/// Enough pixels to keep a product efficient, few enough that their patches stay in the second-level cache.
const PIXELS_PER_BLOCK: usize = 256;

/// Patches of so many floats are gathered at once for the kernel's gradient.
const PATCH_FLOATS: usize = 1 << 21;

/// Convolves `input` `[batch, height, width, input channels]` with `kernel` `[k, k, input channels, output channels]`, adds `bias`
/// `[output channels]` and applies `activation`; returns `[batch, output height, output width, output channels]`.
///
/// # Errors
/// When shapes do not agree, a tensor is not made of 32-bit floats, or it does not lie on the CPU.
pub fn convolution(
    input: &Tensor,
    kernel: &Tensor,
    bias: &Tensor,
    stride: usize,
    padding: usize,
    activation: Activation,
) -> Result<Tensor> {
    let (_, height, width, input_channels) = input.dims4()?;
    let (side, second_side, kernel_channels, output_channels) = kernel.dims4()?;
    if side != second_side || kernel_channels != input_channels || bias.dims() != [output_channels] {
        bail!("convolution of {:?} with kernel {:?} and bias {:?}", input.shape(), kernel.shape(), bias.shape());
    }
    if height + 2 * padding < side || width + 2 * padding < side {
        bail!("an input of {height}×{width} is smaller than the {side}×{side} kernel");
    }
    let geometry = ConvolutionGeometry { height, width, input_channels, output_channels, kernel: side, stride, padding };
    input.contiguous()?.apply_op3(kernel, bias, Convolution { geometry, activation })
}

struct Convolution {
    geometry: ConvolutionGeometry,
    activation: Activation,
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        kernel: &CpuStorage,
        kernel_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (input, kernel, bias) = (slice(input, input_layout)?, slice(kernel, kernel_layout)?, slice(bias, bias_layout)?);
        let geometry = &self.geometry;
        let batch = input.len() / geometry.input_length();
        let mut output = vec![0f32; batch * geometry.output_length()];
        let weights = Matrix::row_major(kernel, geometry.patch(), geometry.output_channels);
        let rows = geometry.rows_per_block();
        let row_length = geometry.output_width() * geometry.output_channels;
        output.par_chunks_mut(geometry.output_length()).zip(input.par_chunks(geometry.input_length())).for_each(|(output, image)| {
            output.par_chunks_mut(rows * row_length).enumerate().for_each(|(block, output)| {
                let first_row = block * rows;
                let pixels = output.len() / geometry.output_channels;
                if geometry.is_pointwise() {
                    let pixels_before = first_row * geometry.width;
                    let patches = &image[pixels_before * geometry.input_channels..][..pixels * geometry.input_channels];
                    multiply(output, Into::Replace, Matrix::row_major(patches, pixels, geometry.patch()), weights);
                } else {
                    with_scratch(pixels * geometry.patch(), |patches| {
                        gather(geometry, image, first_row..first_row + output.len() / row_length, patches);
                        multiply(output, Into::Replace, Matrix::row_major(patches, pixels, geometry.patch()), weights);
                    });
                }
                finish(output, bias, self.activation);
            });
        });
        let shape = (batch, geometry.output_height(), geometry.output_width(), geometry.output_channels);
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        kernel: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        output_gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let geometry = &self.geometry;
        let gradient = affine_gradient(output, output_gradient, self.activation)?;
        let device = input.device();
        let input_gradient = match input.track_op() {
            true => Some(Tensor::from_vec(
                with_slice(kernel, |kernel| Ok(input_gradient(geometry, kernel, &gradient)))?,
                input.shape(),
                device,
            )?),
            false => None,
        };
        let kernel_gradient = match kernel.track_op() {
            true => {
                Some(Tensor::from_vec(with_slice(input, |input| Ok(kernel_gradient(geometry, input, &gradient)))?, kernel.shape(), device)?)
            }
            false => None,
        };
        let bias_gradient = match bias.track_op() {
            true => Some(Tensor::from_vec(column_sums(&gradient, geometry.output_channels), bias.shape(), device)?),
            false => None,
        };
        Ok((input_gradient, kernel_gradient, bias_gradient))
    }
}

/// Adds the bias to each row and applies the activation.
pub(crate) fn finish(output: &mut [f32], bias: &[f32], activation: Activation) {
    for row in output.chunks_exact_mut(bias.len()) {
        match activation {
            Activation::Linear => row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias),
            Activation::Relu => row.iter_mut().zip(bias).for_each(|(value, bias)| *value = (*value + bias).max(0.0)),
        }
    }
}

/// The gradient before the activation.
pub(crate) fn affine_gradient(output: &Tensor, gradient: &Tensor, activation: Activation) -> Result<Vec<f32>> {
    let gradient = gradient.contiguous()?;
    with_slice(&gradient, |gradient| match activation {
        Activation::Linear => Ok(gradient.to_vec()),
        Activation::Relu => with_slice(output, |output| {
            let mut masked = vec![0f32; gradient.len()];
            masked.par_chunks_mut(ELEMENTS_PER_TASK).enumerate().for_each(|(chunk, masked)| {
                let start = chunk * ELEMENTS_PER_TASK;
                let (gradient, output) = (&gradient[start..][..masked.len()], &output[start..][..masked.len()]);
                for ((masked, gradient), output) in masked.iter_mut().zip(gradient).zip(output) {
                    *masked = if *output > 0.0 { *gradient } else { 0.0 };
                }
            });
            Ok(masked)
        }),
    })
}

const ELEMENTS_PER_TASK: usize = 1 << 15;

/// Sums over rows, in groups whose size does not depend on the number of threads.
pub(crate) fn column_sums(rows: &[f32], columns: usize) -> Vec<f32> {
    let add = |mut sums: Vec<f32>, row: &[f32]| {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        sums
    };
    let group = (ELEMENTS_PER_TASK / columns).max(1) * columns;
    let partial: Vec<Vec<f32>> = rows.par_chunks(group).map(|group| group.chunks_exact(columns).fold(vec![0f32; columns], add)).collect();
    partial.iter().fold(vec![0f32; columns], |sums, partial| add(sums, partial))
}

/// `dX` for a batch: each image by itself, its blocks of rows one after the other since their patches overlap.
fn input_gradient(geometry: &ConvolutionGeometry, kernel: &[f32], gradient: &[f32]) -> Vec<f32> {
    let batch = gradient.len() / geometry.output_length();
    let weights = Matrix::row_major(kernel, geometry.patch(), geometry.output_channels).transposed();
    let mut result = vec![0f32; batch * geometry.input_length()];
    result.par_chunks_mut(geometry.input_length()).zip(gradient.par_chunks(geometry.output_length())).for_each(|(image, gradient)| {
        if geometry.is_pointwise() {
            multiply(image, Into::Replace, Matrix::row_major(gradient, geometry.output_pixels(), geometry.output_channels), weights);
            return;
        }
        let rows = geometry.rows_per_block();
        let row_length = geometry.output_width() * geometry.output_channels;
        for (block, gradient) in gradient.chunks(rows * row_length).enumerate() {
            let pixels = gradient.len() / geometry.output_channels;
            let first_row = block * rows;
            with_scratch(pixels * geometry.patch(), |patches| {
                multiply(patches, Into::Replace, Matrix::row_major(gradient, pixels, geometry.output_channels), weights);
                scatter_add(geometry, patches, first_row..first_row + gradient.len() / row_length, image);
            });
        }
    });
    result
}

/// `dW`, summed over the batch in the order of its images. Tasks own rows of the result, so no two of them add to the same place.
fn kernel_gradient(geometry: &ConvolutionGeometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (patch, channels) = (geometry.patch(), geometry.output_channels);
    let mut result = vec![0f32; patch * channels];
    let mut accumulate = |patches: Matrix<'_>, gradient: &[f32]| {
        let gradient = Matrix::row_major(gradient, patches.rows, channels);
        let rows = 16_384usize.div_ceil(channels).clamp(1, patch).next_multiple_of(16).min(patch);
        result.par_chunks_mut(rows * channels).enumerate().for_each(|(task, result)| {
            let left = patches.columns(task * rows, result.len() / channels).transposed();
            multiply(result, Into::Add, left, gradient);
        });
    };
    if geometry.is_pointwise() {
        accumulate(Matrix::row_major(input, input.len() / patch, patch), gradient);
        return result;
    }
    let images = (PATCH_FLOATS / (geometry.output_pixels() * patch)).max(1);
    let mut patches = vec![0f32; 0];
    let groups = input.chunks(images * geometry.input_length()).zip(gradient.chunks(images * geometry.output_length()));
    for (input, gradient) in groups {
        let pixels = gradient.len() / channels;
        patches.resize(pixels * patch, 0.0);
        let row_length = geometry.output_width() * patch;
        patches.par_chunks_mut(row_length).enumerate().for_each(|(row, patches)| {
            let (image, row) = (row / geometry.output_height(), row % geometry.output_height());
            gather(geometry, &input[image * geometry.input_length()..][..geometry.input_length()], row..row + 1, patches);
        });
        accumulate(Matrix::row_major(&patches, pixels, patch), gradient);
    }
    result
}
