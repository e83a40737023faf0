//! The densely connected classifier on top of a base.

use candle_core::{Device, Tensor, Var};
use thaw_conv::{
    Activation, dense, dense_forward, dense_input_gradient, with_all_values, with_values,
};
use thaw_spec::Initializer;

use crate::gradients::OuterProduct;
use crate::{Gradients, Loss, ModelError, composed};

/// Use of a forward pass of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A backward pass follows: activations are kept for the gradients of the variables.
    Training,
    /// No backward pass follows: nothing is kept.
    Evaluation,
}

impl Mode {
    /// A variable to compute with: tracked for gradients in training, detached in evaluation.
    pub(crate) fn tracked(self, variable: &Tensor) -> Tensor {
        match self {
            Self::Training => variable.clone(),
            Self::Evaluation => variable.detach(),
        }
    }
}

/// The classifier: Dense(hidden, ReLU) → dropout → Dense(1) for two classes, Dense(classes) for
/// more. Inputs are flattened in `[height, width, channels]` order, as Keras flattens.
#[derive(Debug)]
pub struct Head {
    hidden_weights: Var,
    hidden_bias: Var,
    output_weights: Var,
    output_bias: Var,
    /// Factor that activations are multiplied by first; 1 but for pretraining.
    pub input_factor: f64,
}

impl Head {
    /// A head drawn as its initializer says. `draw(tensor)` yields the source of uniform numbers in
    /// [0, 1) for the first and the second layer's weights (tensors 0 and 1) and biases (2 and 3).
    ///
    /// # Errors
    /// When the device refuses.
    pub fn new<D: FnMut() -> f64>(
        inputs: usize,
        hidden_units: usize,
        loss: Loss,
        initializer: Initializer,
        mut draw: impl FnMut(usize) -> D,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let outputs = loss.outputs();
        let mut layer =
            |number: usize, inputs: usize, outputs: usize| -> Result<(Var, Var), ModelError> {
                let (weights, bias) = match initializer {
                    Initializer::GlorotUniform => {
                        (glorot_uniform(inputs, outputs, draw(number)), vec![0f32; outputs])
                    }
                    Initializer::TorchLinear => {
                        let bound = 1.0 / (inputs as f64).sqrt();
                        (
                            symmetric(inputs * outputs, bound, draw(number)),
                            symmetric(outputs, bound, draw(number + 2)),
                        )
                    }
                };
                Ok((
                    Var::from_vec(weights, (inputs, outputs), device)?,
                    Var::from_vec(bias, outputs, device)?,
                ))
            };
        let (hidden_weights, hidden_bias) = layer(0, inputs, hidden_units)?;
        let (output_weights, output_bias) = layer(1, hidden_units, outputs)?;
        Ok(Self { hidden_weights, hidden_bias, output_weights, output_bias, input_factor: 1.0 })
    }

    /// Logits `[batch, outputs]` of `[batch, …]` activations. `mask` `[batch, hidden units]`
    /// multiplies the hidden units: zero for dropped ones and 1 / (1 − rate) for the others, or
    /// nothing when evaluating.
    ///
    /// # Errors
    /// When shapes do not agree.
    pub fn forward(
        &self,
        activations: &Tensor,
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<Tensor, ModelError> {
        let input = self.input(activations)?;
        let (weights, bias) = (mode.tracked(&self.hidden_weights), mode.tracked(&self.hidden_bias));
        let hidden = dense_layer(&input, &weights, &bias, Activation::Relu)?;
        let hidden = match mask {
            Some(mask) => (hidden * mask)?,
            None => hidden,
        };
        let (weights, bias) = (mode.tracked(&self.output_weights), mode.tracked(&self.output_bias));
        Ok(dense_layer(&hidden, &weights, &bias, Activation::Linear)?)
    }

    /// Flattens activations to `[batch, inputs]` and multiplies them by the input factor.
    fn input(&self, activations: &Tensor) -> Result<Tensor, ModelError> {
        let input = activations.flatten_from(1)?.contiguous()?;
        Ok(if self.input_factor == 1.0 { input } else { (input * self.input_factor)? })
    }

    /// Runs a forward pass for training, as [`Head::forward`] does, on a tape: the gradient of the
    /// hidden weights is never written out.
    ///
    /// # Errors
    /// When shapes do not agree.
    pub fn forward_on_tape(
        &self,
        activations: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<(Tensor, HeadTape<'_>), ModelError> {
        if !activations.device().is_cpu() {
            // The graph is the tape.
            return Ok((
                self.forward(activations, mask, Mode::Training)?,
                HeadTape { head: self, saved: None },
            ));
        }
        let input = self.input(activations)?;
        let units = self.hidden_bias.elem_count();
        let hidden = with_all_values(
            [&input, self.hidden_weights.as_tensor(), self.hidden_bias.as_tensor()],
            |[input, weights, bias]| dense_forward(input, weights, bias, Activation::Relu),
        )?;
        let leaf = Var::from_vec(hidden, (input.dim(0)?, units), input.device())?.into_inner();
        let masked = match mask {
            Some(mask) => (&leaf * mask)?,
            None => leaf.clone(),
        };
        let logits = dense(&masked, &self.output_weights, &self.output_bias, Activation::Linear)?;
        let saved = SavedTensors { activations: activations.clone(), input, hidden: leaf };
        Ok((logits, HeadTape { head: self, saved: Some(saved) }))
    }

    /// The variables with their names, in a fixed order.
    pub fn variables(&self) -> [(&'static str, &Var); 4] {
        [
            ("head.hidden.weight", &self.hidden_weights),
            ("head.hidden.bias", &self.hidden_bias),
            ("head.output.weight", &self.output_weights),
            ("head.output.bias", &self.output_bias),
        ]
    }
}

/// `activation(input · weights + bias)` on any device.
fn dense_layer(
    input: &Tensor,
    weights: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> candle_core::Result<Tensor> {
    if input.device().is_cpu() {
        return dense(input, weights, bias, activation);
    }
    let output = composed::dense(input, weights, bias)?;
    match activation {
        Activation::Linear => Ok(output),
        Activation::Relu => composed::relu(&output),
    }
}

/// Tensors that a forward pass of the head kept for its backward pass.
#[derive(Debug)]
pub struct HeadTape<'a> {
    head: &'a Head,
    /// Nothing where Candle's graph computes all gradients.
    saved: Option<SavedTensors>,
}

/// Tensors of one forward pass.
#[derive(Debug)]
struct SavedTensors {
    activations: Tensor,
    /// The activations as `[batch, inputs]`.
    input: Tensor,
    /// Output of the hidden layer: the leaf of the graph that goes on from it.
    hidden: Tensor,
}

impl HeadTape<'_> {
    /// Carries the gradient of the hidden units, which must be among `gradients`, back to the
    /// hidden layer, and to the activations if those are a leaf that a base waits behind.
    ///
    /// # Errors
    /// When the hidden units have no gradient.
    pub fn backward(self, gradients: &mut Gradients) -> Result<(), ModelError> {
        let Some(SavedTensors { activations, input, hidden }) = self.saved else { return Ok(()) };
        let Some(gradient) = gradients.store.remove(&hidden) else {
            return Err(
                candle_core::Error::Msg("the loss does not depend on the head".to_owned()).into()
            );
        };
        let (weights, bias) =
            (self.head.hidden_weights.as_tensor(), self.head.hidden_bias.as_tensor());
        let outputs = bias.elem_count();
        let mut gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
        let sums = with_values(&hidden, |hidden| {
            Activation::Relu.gradient(hidden, &mut gradient, outputs)
        })?;
        gradients.store.insert(bias, Tensor::from_vec(sums, bias.shape(), bias.device())?);
        if activations.is_variable() {
            let mut of_input =
                with_values(weights, |weights| dense_input_gradient(&gradient, weights, outputs))?;
            of_input.iter_mut().for_each(|value| *value *= self.head.input_factor as f32);
            gradients.store.insert(
                &activations,
                Tensor::from_vec(of_input, activations.shape(), weights.device())?,
            );
        }
        gradients.insert_product(weights, OuterProduct { input, gradient, outputs });
        Ok(())
    }
}

/// Initial weights `[inputs, outputs]` in row-major order, uniform in ±√(6 / (inputs + outputs))
/// (Glorot & Bengio 2010); `draw` yields uniform numbers in [0, 1).
pub fn glorot_uniform(inputs: usize, outputs: usize, draw: impl FnMut() -> f64) -> Vec<f32> {
    symmetric(inputs * outputs, (6.0 / (inputs + outputs) as f64).sqrt(), draw)
}

/// Numbers uniform in ±`bound`.
fn symmetric(length: usize, bound: f64, mut draw: impl FnMut() -> f64) -> Vec<f32> {
    (0..length).map(|_| ((2.0 * draw() - 1.0) * bound) as f32).collect()
}
