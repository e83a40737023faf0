//! Convolution with bias and ReLU as one differentiable operation.
//!
//! Forward: `Y = relu(P·W + b)` with `P` the `[pixels, patch]` matrix of windows. Backward, with `Z` the gradient of `Y` where `Y > 0`
//! and zero elsewhere: `dW = Pᵀ·Z`, `db` the column sums of `Z`, and `dX` the correlation of `Z` with the kernel turned by 180°. ReLU's
//! gradient at exactly 0 is 0, as in PyTorch and TensorFlow.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::product::{Start, vectorized};
use crate::storage::{slice, with_slice};
use crate::winograd::{self, CHANNEL_STEP, TransformedKernel, turned};
use crate::{ConvolutionGeometry, direct};

/// How a convolution is computed. A layer to which the named algorithm does not apply is computed by definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// By definition.
    Direct,
    /// Winograd's F(2×2, 3×3): 2.25 times fewer multiplications, and hardly less precise than the definition.
    WinogradTwo,
    /// Winograd's F(3×3, 3×3): 3.24 times fewer multiplications.
    #[default]
    WinogradThree,
}

impl Algorithm {
    /// The minimal algorithm that computes a layer, or nothing for the definition. Winograd's are for 3×3 kernels at stride 1.
    fn minimal(self, geometry: &ConvolutionGeometry) -> Option<winograd::Size> {
        let channels = [geometry.input_channels, geometry.output_channels];
        let applies = geometry.kernel == 3 && geometry.stride == 1 && channels.iter().all(|count| count.is_multiple_of(CHANNEL_STEP));
        match self {
            Self::WinogradTwo if applies => Some(winograd::Size::Two),
            Self::WinogradThree if applies => Some(winograd::Size::Three),
            Self::Direct | Self::WinogradTwo | Self::WinogradThree => None,
        }
    }
}

/// What follows the affine part of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// max(0, x).
    Relu,
}

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
    algorithm: Algorithm,
) -> Result<Tensor> {
    let (_, height, width, input_channels) = input.dims4()?;
    let (side, second_side, kernel_channels, output_channels) = kernel.dims4()?;
    if side != second_side || kernel_channels != input_channels || bias.dims() != [output_channels] {
        bail!("convolution of {:?} with kernel {:?} and bias {:?}", input.shape(), kernel.shape(), bias.shape());
    }
    if padding >= side {
        bail!("a padding of {padding} is not smaller than the {side}×{side} kernel");
    }
    if height + 2 * padding < side || width + 2 * padding < side {
        bail!("an input of {height}×{width} is smaller than the {side}×{side} kernel");
    }
    let geometry = ConvolutionGeometry { height, width, input_channels, output_channels, kernel: side, stride, padding };
    input.contiguous()?.apply_op3(kernel, bias, Convolution { geometry, activation, algorithm })
}

struct Convolution {
    geometry: ConvolutionGeometry,
    activation: Activation,
    algorithm: Algorithm,
}

impl Convolution {
    fn forward(&self, input: &[f32], kernel: &[f32], bias: &[f32]) -> Vec<f32> {
        let geometry = &self.geometry;
        match self.algorithm.minimal(geometry) {
            Some(size) => {
                let kernel = TransformedKernel::new(size, kernel, geometry.input_channels, geometry.output_channels);
                winograd::convolve(geometry, input, &kernel, Start::Columns(bias), self.activation)
            }
            None => direct::forward(geometry, input, kernel, bias, self.activation),
        }
    }

    fn input_gradient(&self, kernel: &[f32], gradient: &[f32]) -> Vec<f32> {
        let geometry = &self.geometry;
        match self.algorithm.minimal(geometry) {
            Some(size) => {
                let (inputs, outputs) = (geometry.input_channels, geometry.output_channels);
                let kernel = TransformedKernel::new(size, &turned(kernel, inputs, outputs), outputs, inputs);
                winograd::convolve(&geometry.of_input_gradient(), gradient, &kernel, Start::Zero, Activation::Linear)
            }
            None => direct::input_gradient(geometry, kernel, gradient),
        }
    }

    fn kernel_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        match self.algorithm.minimal(&self.geometry) {
            Some(size) => winograd::kernel_gradient(size, &self.geometry, input, gradient),
            None => direct::kernel_gradient(&self.geometry, input, gradient),
        }
    }
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
        let output = self.forward(input, kernel, bias);
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
        let (gradient, sums) = affine_gradient(output, output_gradient, geometry.output_channels, self.activation)?;
        let device = input.device();
        let input_gradient = match input.track_op() {
            true => {
                Some(Tensor::from_vec(with_slice(kernel, |kernel| Ok(self.input_gradient(kernel, &gradient)))?, input.shape(), device)?)
            }
            false => None,
        };
        let kernel_gradient = match kernel.track_op() {
            true => Some(Tensor::from_vec(with_slice(input, |input| Ok(self.kernel_gradient(input, &gradient)))?, kernel.shape(), device)?),
            false => None,
        };
        let bias_gradient = match bias.track_op() {
            true => Some(Tensor::from_vec(sums, bias.shape(), device)?),
            false => None,
        };
        Ok((input_gradient, kernel_gradient, bias_gradient))
    }
}

/// The gradient before the activation, `[rows, columns]`, and its column sums, which are the bias's gradient.
pub(crate) fn affine_gradient(output: &Tensor, gradient: &Tensor, columns: usize, activation: Activation) -> Result<(Vec<f32>, Vec<f32>)> {
    let gradient = gradient.contiguous()?;
    with_slice(&gradient, |gradient| {
        with_slice(output, |output| {
            let mut masked = vec![0f32; gradient.len()];
            // Sums are taken in groups whose size does not depend on the number of threads.
            let group = (ELEMENTS_PER_TASK / columns).max(1) * columns;
            let groups = masked.par_chunks_mut(group).zip(gradient.par_chunks(group)).zip(output.par_chunks(group));
            let partial = groups.map(|((masked, gradient), output)| {
                let mut sums = vec![0f32; columns];
                vectorized(Mask { gradient, output, activation, masked, sums: &mut sums });
                sums
            });
            let partial: Vec<Vec<f32>> = partial.collect();
            let mut sums = vec![0f32; columns];
            for partial in &partial {
                sums.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
            }
            Ok((masked, sums))
        })
    })
}

const ELEMENTS_PER_TASK: usize = 1 << 14;

/// Lets the gradient through where the activation did, and adds up columns.
struct Mask<'a> {
    gradient: &'a [f32],
    output: &'a [f32],
    activation: Activation,
    masked: &'a mut [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { gradient, output, activation, masked, sums } = self;
        let columns = sums.len();
        let rows = masked.chunks_exact_mut(columns).zip(gradient.chunks_exact(columns)).zip(output.chunks_exact(columns));
        for ((masked, gradient), output) in rows {
            for (((masked, gradient), output), sum) in masked.iter_mut().zip(gradient).zip(output).zip(sums.iter_mut()) {
                *masked = if activation == Activation::Linear || *output > 0.0 { *gradient } else { 0.0 };
                *sum += *masked;
            }
        }
    }
}
