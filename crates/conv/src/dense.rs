//! A densely connected layer with bias and activation as one operation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::Activation;
use crate::product::{Left, Panels, Start, add_transposed_product, multiply};
use crate::storage::{slice, with_values};

/// `activation(input · weights + bias)` with `input` `[batch, inputs]`, `weights` `[inputs, outputs]` and `bias` `[outputs]`.
///
/// # Errors
/// When shapes do not agree, a tensor is not made of 32-bit floats, or it does not lie on the CPU.
pub fn dense(input: &Tensor, weights: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    let (_, inputs) = input.dims2()?;
    let (rows, outputs) = weights.dims2()?;
    if inputs != rows || bias.dims() != [outputs] {
        bail!("dense layer of {:?} with weights {:?} and bias {:?}", input.shape(), weights.shape(), bias.shape());
    }
    input.contiguous()?.apply_op3(weights, bias, Dense { inputs, outputs, activation })
}

struct Dense {
    inputs: usize,
    outputs: usize,
    activation: Activation,
}

/// Inputs that one task takes care of; fixed, so that sums do not depend on the number of threads.
const INPUTS_PER_TASK: usize = 512;

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    /// The inputs are divided among tasks, whose partial products are added in order: a layer of few outputs has nothing else to divide.
    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (input, weights, bias) = (slice(input, input_layout)?, slice(weights, weights_layout)?, slice(bias, bias_layout)?);
        let batch = input.len() / self.inputs;
        let partial = |(task, weights): (usize, &[f32])| {
            let rows = weights.len() / self.outputs;
            let panels = Panels::pack(weights, rows, self.outputs, self.outputs, 1);
            let mut product = vec![0f32; batch * self.outputs];
            let columns = Left::matrix(&input[task * INPUTS_PER_TASK..], batch, rows, self.inputs);
            multiply(columns, panels.matrix(0), Start::Zero, Activation::Linear, &mut product, self.outputs);
            product
        };
        let partial: Vec<Vec<f32>> = weights.par_chunks(INPUTS_PER_TASK * self.outputs).enumerate().map(partial).collect();
        let mut output = bias.repeat(batch);
        for partial in &partial {
            output.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
        }
        if self.activation == Activation::Relu {
            output.iter_mut().for_each(|value| *value = value.max(0.0));
        }
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
        let sums = with_values(output, |output| self.activation.gradient(output, &mut gradient, self.outputs))?;
        let batch = gradient.len() / self.outputs;
        let device = input.device();
        let input_gradient = match input.track_op() {
            true => {
                // [inputs, batch] in blocks of inputs, then transposed: tasks must own what they write.
                let mut transposed = vec![0f32; self.inputs * batch];
                let panels = Panels::pack(&gradient, self.outputs, batch, 1, self.outputs);
                with_values(weights, |weights| {
                    let weights = weights.par_chunks(INPUTS_PER_TASK * self.outputs);
                    transposed.par_chunks_mut(INPUTS_PER_TASK * batch).zip(weights).for_each(|(result, weights)| {
                        let weights = Left::matrix(weights, weights.len() / self.outputs, self.outputs, self.outputs);
                        multiply(weights, panels.matrix(0), Start::Zero, Activation::Linear, result, batch);
                    });
                })?;
                Some(Tensor::from_vec(transposed, (self.inputs, batch), device)?.t()?.contiguous()?)
            }
            false => None,
        };
        let weights_gradient = match weights.track_op() {
            true => {
                let mut result = vec![0f32; self.inputs * self.outputs];
                with_values(input, |input| {
                    result.par_chunks_mut(INPUTS_PER_TASK * self.outputs).enumerate().for_each(|(task, result)| {
                        let columns = Left::matrix(&input[task * INPUTS_PER_TASK..], batch, result.len() / self.outputs, self.inputs);
                        add_transposed_product(columns, &gradient, self.outputs, self.outputs, result);
                    });
                })?;
                Some(Tensor::from_vec(result, weights.shape(), device)?)
            }
            false => None,
        };
        let bias_gradient = match bias.track_op() {
            true => Some(Tensor::from_vec(sums, bias.shape(), device)?),
            false => None,
        };
        Ok((input_gradient, weights_gradient, bias_gradient))
    }
}
