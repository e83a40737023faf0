//! Layers out of Candle's own operations, for devices that the hand-written ones do not run on.
//!
//! Candle's convolution and matrix products are used as they are. Its max-pool and its ReLU have
//! wrong gradients, so they are put together here from a selection whose factors are constants: the
//! gradient of `Σ xₖ·mₖ` with respect to `xₖ` is `mₖ`, on every device.

use candle_core::{DType, Result, Tensor};
use thaw_conv::{Activation, Padding, PoolGeometry};

/// max(0, x), with gradient 0 at 0.
fn relu(input: &Tensor) -> Result<Tensor> {
    let values = input.detach();
    input * values.gt(&values.zeros_like()?)?.to_dtype(DType::F32)?
}

/// What follows a sum.
pub(crate) fn activation(activation: Activation, input: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Linear => Ok(input.clone()),
        Activation::Relu => relu(input),
        Activation::Relu6 => {
            let values = input.detach();
            let [is_above, is_below] = [values.gt(0f64)?, values.lt(6f64)?];
            let is_between = (&is_above * &is_below)?.to_dtype(DType::F32)?;
            let at_the_top = (values.ge(6f64)?.to_dtype(DType::F32)? * 6.0)?;
            (input * is_between)? + at_the_top
        }
        Activation::Silu => input / (input.neg()?.exp()? + 1.0)?,
    }
}

/// `input ∗ kernel` of `[batch, height, width, channels]` and `[height, width, input channels /
/// groups, output channels]`.
pub(super) fn convolution(
    input: &Tensor,
    kernel: &Tensor,
    padding: Padding,
    stride: usize,
    groups: usize,
) -> Result<Tensor> {
    let Padding { top, bottom, left, right } = padding;
    let kernel = kernel.permute((3, 2, 0, 1))?.contiguous()?;
    let mut input = input.permute((0, 3, 1, 2))?.contiguous()?;
    let mut on_each_side = 0;
    if [bottom, left, right] == [top; 3] {
        on_each_side = top;
    } else {
        input = input.pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)?;
    }
    let output = input.conv2d(&kernel, on_each_side, stride, 1, groups)?;
    output.permute((0, 2, 3, 1))?.contiguous()
}

/// The input with `value` around it, as far as the windows of a pool reach, and the sides of the
/// pool's output.
fn padded(geometry: PoolGeometry, input: &Tensor, value: f32) -> Result<(Tensor, [usize; 2])> {
    let mut padded = input.clone();
    let mut outputs = [0; 2];
    for (axis, outputs) in (1..).zip(&mut outputs) {
        let length = padded.dim(axis)?;
        *outputs = geometry.output_length(length);
        let reach = (*outputs - 1) * geometry.stride + geometry.window;
        let after = reach.saturating_sub(geometry.padding + length);
        let outside = |count: usize| {
            let mut shape = padded.dims().to_vec();
            shape[axis] = count;
            Tensor::full(value, shape, padded.device())
        };
        let parts = [(geometry.padding > 0).then(|| outside(geometry.padding)).transpose()?];
        let last = (after > 0).then(|| outside(after)).transpose()?;
        let parts: Vec<&Tensor> =
            parts.iter().flatten().chain([&padded]).chain(last.iter()).collect();
        if parts.len() > 1 {
            padded = Tensor::cat(&parts, axis)?;
        }
    }
    Ok((padded, outputs))
}

/// What lies at each place of the windows, in row-major order.
fn candidates(geometry: PoolGeometry, padded: &Tensor, outputs: [usize; 2]) -> Result<Vec<Tensor>> {
    let places = |first: usize, count: usize| {
        let indices: Vec<u32> =
            (0..count).map(|number| (first + number * geometry.stride) as u32).collect();
        Tensor::new(indices, padded.device())
    };
    let mut candidates = Vec::new();
    for row in 0..geometry.window {
        let rows = padded.index_select(&places(row, outputs[0])?, 1)?;
        for column in 0..geometry.window {
            candidates.push(rows.index_select(&places(column, outputs[1])?, 2)?);
        }
    }
    Ok(candidates)
}

/// The largest value under each window; the gradient goes to the first of them in row-major order.
pub(super) fn max_pool(geometry: PoolGeometry, input: &Tensor) -> Result<Tensor> {
    // Finite, because it is multiplied by zero.
    let (padded, outputs) = padded(geometry, input, f32::MIN)?;
    let candidates = candidates(geometry, &padded, outputs)?;
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

/// The mean of what lies inside the input under each window.
pub(super) fn average_pool(geometry: PoolGeometry, input: &Tensor) -> Result<Tensor> {
    let sum = |values: &Tensor| {
        let (padded, outputs) = padded(geometry, values, 0.0)?;
        let candidates = candidates(geometry, &padded, outputs)?;
        candidates[1..].iter().try_fold(candidates[0].clone(), |sum, candidate| sum + candidate)
    };
    sum(input)? / sum(&input.ones_like()?)?
}

/// `input · weights + bias`.
pub(crate) fn dense(input: &Tensor, weights: &Tensor, bias: &Tensor) -> Result<Tensor> {
    input.matmul(weights)?.broadcast_add(bias)
}
