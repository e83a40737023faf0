//! The layers out of Candle's own operations, for devices that the hand-written ones do not run on.
//!
//! Candle's convolution and matrix products are used as they are. Its max-pool and its ReLU have
//! wrong gradients, so both are put together here from a selection whose factors are constants: the
//! gradient of `Σ xₖ·mₖ` with respect to `xₖ` is `mₖ`, on every device.

use candle_core::{DType, Result, Tensor};
use thaw_conv::PoolGeometry;

use crate::architecture::Filter;

/// max(0, x), with gradient 0 at 0.
pub(crate) fn relu(input: &Tensor) -> Result<Tensor> {
    let values = input.detach();
    input * values.gt(&values.zeros_like()?)?.to_dtype(DType::F32)?
}

/// `relu(input ∗ kernel + bias)` of `[batch, height, width, channels]`.
pub(crate) fn convolution(
    filter: &Filter,
    input: &Tensor,
    kernel: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    let input = input.permute((0, 3, 1, 2))?.contiguous()?;
    let kernel = kernel.permute((3, 2, 0, 1))?.contiguous()?;
    let output = input.conv2d(&kernel, filter.padding, filter.stride, 1, 1)?;
    relu(&output.permute((0, 2, 3, 1))?.contiguous()?.broadcast_add(bias)?)
}

/// The largest value under each window; the gradient goes to the first of them in row-major order.
pub(crate) fn max_pool(geometry: PoolGeometry, input: &Tensor) -> Result<Tensor> {
    let mut padded = input.clone();
    let mut outputs = [0; 2];
    for (axis, outputs) in (1..).zip(&mut outputs) {
        let length = padded.dim(axis)?;
        *outputs = geometry.output_length(length);
        let reach = (*outputs - 1) * geometry.stride + geometry.window;
        if reach > length {
            // Finite, because it is multiplied by zero.
            let mut shape = padded.dims().to_vec();
            shape[axis] = reach - length;
            let outside = Tensor::full(f32::MIN, shape, padded.device())?;
            padded = Tensor::cat(&[&padded, &outside], axis)?;
        }
    }
    let places = |first: usize, count: usize| {
        let indices: Vec<u32> =
            (0..count).map(|number| (first + number * geometry.stride) as u32).collect();
        Tensor::new(indices, input.device())
    };
    let mut candidates = Vec::new();
    for row in 0..geometry.window {
        let rows = padded.index_select(&places(row, outputs[0])?, 1)?;
        for column in 0..geometry.window {
            candidates.push(rows.index_select(&places(column, outputs[1])?, 2)?);
        }
    }
    let mut largest = candidates[0].detach();
    for candidate in &candidates[1..] {
        largest = largest.maximum(&candidate.detach())?;
    }
    let mut left = largest.ones_like()?;
    let mut result = largest.zeros_like()?;
    for candidate in &candidates {
        let chosen = (candidate.detach().eq(&largest)?.to_dtype(DType::F32)? * &left)?;
        left = (left - &chosen)?;
        result = (result + (candidate * chosen)?)?;
    }
    Ok(result)
}

/// `input · weights + bias`.
pub(crate) fn dense(input: &Tensor, weights: &Tensor, bias: &Tensor) -> Result<Tensor> {
    input.matmul(weights)?.broadcast_add(bias)
}
