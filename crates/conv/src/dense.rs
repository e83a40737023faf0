//! A densely connected layer with bias and activation as one operation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::Activation;
use crate::product::{InitialSum, Panels, Rows, StridedRows, add_transposed_product, multiply};
use crate::storage::{slice, with_values};

/// `activation(input · weights + bias)` with `input` `[batch, inputs]`, `weights` `[inputs,
/// outputs]` and `bias` `[outputs]`.
///
/// # Errors
/// When shapes do not agree, a tensor is not made of 32-bit floats, or it does not lie on the CPU.
pub fn dense(
    input: &Tensor,
    weights: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> Result<Tensor> {
    let (_, inputs) = input.dims2()?;
    let (rows, outputs) = weights.dims2()?;
    if !activation.is_told_by_output() {
        bail!(
            "a dense layer keeps its output alone, which does not tell the gradient of {activation:?}"
        );
    }
    if inputs != rows || bias.dims() != [outputs] {
        bail!(
            "dense layer of {:?} with weights {:?} and bias {:?}",
            input.shape(),
            weights.shape(),
            bias.shape()
        );
    }
    input.contiguous()?.apply_op3(weights, bias, Dense { inputs, outputs, activation })
}

/// `[batch, outputs]` from `input` `[batch, inputs]`, `weights` `[inputs, outputs]` and `bias`
/// `[outputs]`.
///
/// The inputs are divided among tasks, whose partial products are added in order: a layer of few
/// outputs has nothing else to divide.
pub fn dense_forward(
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    let outputs = bias.len();
    let inputs = weights.len() / outputs;
    let batch = input.len() / inputs;
    let partial = |(task, weights): (usize, &[f32])| {
        let rows = weights.len() / outputs;
        let panels = Panels::pack(weights, rows, outputs, outputs, 1);
        let mut product = vec![0f32; batch * outputs];
        let columns = StridedRows::matrix(&input[task * INPUTS_PER_TASK..], batch, rows, inputs);
        multiply(
            columns,
            panels.matrix(0),
            InitialSum::Zero,
            Activation::Linear,
            &mut product,
            outputs,
        );
        product
    };
    let partial: Vec<Vec<f32>> =
        weights.par_chunks(INPUTS_PER_TASK * outputs).enumerate().map(partial).collect();
    let mut output = bias.repeat(batch);
    for partial in &partial {
        output.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
    }
    activation.apply_to(&mut output);
    output
}

/// Gradient of the input, `[batch, inputs]`, given the gradient before the activation, `[batch,
/// outputs]`.
pub fn dense_input_gradient(gradient: &[f32], weights: &[f32], outputs: usize) -> Vec<f32> {
    let (batch, inputs) = (gradient.len() / outputs, weights.len() / outputs);
    // [inputs, batch] in blocks of inputs, then transposed: tasks must own what they write.
    let mut transposed = vec![0f32; inputs * batch];
    let panels = Panels::pack(gradient, outputs, batch, 1, outputs);
    let weights = weights.par_chunks(INPUTS_PER_TASK * outputs);
    transposed.par_chunks_mut(INPUTS_PER_TASK * batch).zip(weights).for_each(
        |(result, weights)| {
            let weights = StridedRows::matrix(weights, weights.len() / outputs, outputs, outputs);
            multiply(
                weights,
                panels.matrix(0),
                InitialSum::Zero,
                Activation::Linear,
                result,
                batch,
            );
        },
    );
    let mut result = vec![0f32; transposed.len()];
    for (input, values) in transposed.chunks_exact(batch).enumerate() {
        values
            .iter()
            .enumerate()
            .for_each(|(image, value)| result[image * inputs + input] = *value);
    }
    result
}

/// Adds the gradient of some rows of the weights, from `first_row` on, to `result` `[rows,
/// outputs]`: `inputᵀ · gradient`, given the gradient before the activation, `[batch, outputs]`.
pub fn add_dense_weights_gradient(
    input: &[f32],
    gradient: &[f32],
    outputs: usize,
    first_row: usize,
    result: &mut [f32],
) {
    let batch = gradient.len() / outputs;
    let columns = StridedRows::matrix(
        &input[first_row..],
        batch,
        result.len() / outputs,
        input.len() / batch,
    );
    add_transposed_product(columns, gradient, outputs, outputs, result, Rows::InCache);
}

struct Dense {
    inputs: usize,
    outputs: usize,
    activation: Activation,
}

/// Inputs that one task takes care of; fixed, so that sums do not depend on the number of threads.
const INPUTS_PER_TASK: usize = 512;

impl Dense {
    /// Gradient of the weights, `[inputs, outputs]`, given the gradient before the activation.
    fn weights_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut result = vec![0f32; self.inputs * self.outputs];
        result.par_chunks_mut(INPUTS_PER_TASK * self.outputs).enumerate().for_each(
            |(task, result)| {
                let first_row = task * INPUTS_PER_TASK;
                add_dense_weights_gradient(input, gradient, self.outputs, first_row, result);
            },
        );
        result
    }
}

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (input, weights, bias) = (
            slice(input, input_layout)?,
            slice(weights, weights_layout)?,
            slice(bias, bias_layout)?,
        );
        let output = dense_forward(input, weights, bias, self.activation);
        let batch = input.len() / self.inputs;
        Ok((CpuStorage::F32(output), (batch, self.outputs).into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        output_gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradient = output_gradient.flatten_all()?.to_vec1::<f32>()?;
        let sums = with_values(output, |output| {
            self.activation.gradient(output, &mut gradient, self.outputs)
        })?;
        let device = input.device();
        let input_gradient = if input.track_op() {
            let result = with_values(weights, |weights| {
                dense_input_gradient(&gradient, weights, self.outputs)
            })?;
            Some(Tensor::from_vec(result, input.shape(), device)?)
        } else {
            None
        };
        let weights_gradient = if weights.track_op() {
            let result = with_values(input, |input| self.weights_gradient(input, &gradient))?;
            Some(Tensor::from_vec(result, weights.shape(), device)?)
        } else {
            None
        };
        let bias_gradient = if bias.track_op() {
            Some(Tensor::from_vec(sums, bias.shape(), device)?)
        } else {
            None
        };
        Ok((input_gradient, weights_gradient, bias_gradient))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn an_activation_that_its_output_does_not_tell_is_refused() {
        let ones = |shape| Tensor::ones(shape, DType::F32, &Device::Cpu);
        let (input, weights) = (ones((1, 2)).expect("ones"), ones((2, 1)).expect("ones"));
        let bias = Tensor::zeros(1, DType::F32, &Device::Cpu).expect("zeros");
        let error = dense(&input, &weights, &bias, Activation::Silu).expect_err("SiLU");
        assert!(error.to_string().contains("does not tell the gradient of Silu"), "{error}");
        assert!(dense(&input, &weights, &bias, Activation::Relu).is_ok());
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for activation in
            [Activation::Linear, Activation::Relu, Activation::Relu6, Activation::Silu]
        {
            let output = dense_forward(&[f32::NAN, 1.0], &[1.0, 1.0], &[0.0], activation);
            assert!(output[0].is_nan(), "{activation:?}: {output:?}");
        }
    }
}
