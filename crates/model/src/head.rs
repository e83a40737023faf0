//! The densely connected classifier on top of a base.

use candle_core::{Device, Tensor, Var};
use thaw_conv::{
    Activation, dense, dense_forward, dense_input_gradient, with_all_values, with_values,
};
use thaw_spec::{Initializer, Pooling};

use crate::gradients::OuterProduct;
use crate::{Gradients, Loss, ModelError, layers};

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
/// more; without a hidden layer, dropout → Dense. Inputs are flattened in `[height, width,
/// channels]` order, as Keras flattens, or averaged over height and width.
#[derive(Debug)]
pub struct Head {
    hidden: Option<Dense>,
    output: Dense,
    /// What becomes of the base's activations first.
    pub pooling: Pooling,
    /// Factor that activations are multiplied by first; 1 but for pretraining.
    pub input_factor: f64,
}

/// The variables of a dense layer: weights `[inputs, outputs]` and bias `[outputs]`.
#[derive(Debug)]
struct Dense {
    weights: Var,
    bias: Var,
}

impl Head {
    /// A head that flattens, without a hidden layer if that has no units, drawn as its initializer
    /// says. `draw(tensor)` yields the source of uniform numbers in
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
            |number: usize, inputs: usize, outputs: usize| -> Result<Dense, ModelError> {
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
                Ok(Dense {
                    weights: Var::from_vec(weights, (inputs, outputs), device)?,
                    bias: Var::from_vec(bias, outputs, device)?,
                })
            };
        let hidden = (hidden_units > 0).then(|| layer(0, inputs, hidden_units)).transpose()?;
        let output = layer(1, if hidden_units > 0 { hidden_units } else { inputs }, outputs)?;
        Ok(Self { hidden, output, pooling: Pooling::Flatten, input_factor: 1.0 })
    }

    /// Number of units that dropout may drop: those of the hidden layer, or without one the inputs.
    pub fn units(&self) -> usize {
        self.output.weights.dims()[0]
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
        let layer = |input: &Tensor, layer: &Dense, activation| {
            let (weights, bias) = (mode.tracked(&layer.weights), mode.tracked(&layer.bias));
            dense_layer(input, &weights, &bias, activation)
        };
        let features = match &self.hidden {
            Some(hidden) => layer(&input, hidden, Activation::Relu)?,
            None => input,
        };
        let features = match mask {
            Some(mask) => (features * mask)?,
            None => features,
        };
        Ok(layer(&features, &self.output, Activation::Linear)?)
    }

    /// Makes `[batch, inputs]` of activations and multiplies them by the input factor.
    fn input(&self, activations: &Tensor) -> Result<Tensor, ModelError> {
        let input = match self.pooling {
            Pooling::Flatten => activations.flatten_from(1)?,
            Pooling::Average => activations.mean((1, 2))?,
        };
        let input = input.contiguous()?;
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
        // A graph below the head would be cut off.
        let is_leaf = activations.is_variable() || !activations.track_op();
        let is_taped = is_leaf && activations.device().is_cpu();
        let Some(layer) = self.hidden.as_ref().filter(|_| is_taped) else {
            // The graph is the tape.
            return Ok((
                self.forward(activations, mask, Mode::Training)?,
                HeadTape { saved: None },
            ));
        };
        let input = self.input(activations)?;
        let units = layer.bias.elem_count();
        let hidden = with_all_values(
            [&input, layer.weights.as_tensor(), layer.bias.as_tensor()],
            |[input, weights, bias]| dense_forward(input, weights, bias, Activation::Relu),
        )?;
        let leaf = Var::from_vec(hidden, (input.dim(0)?, units), input.device())?.into_inner();
        let masked = match mask {
            Some(mask) => (&leaf * mask)?,
            None => leaf.clone(),
        };
        let Dense { weights, bias } = &self.output;
        let logits = dense(&masked, weights, bias, Activation::Linear)?;
        let saved = SavedTensors {
            layer,
            pooling: self.pooling,
            input_factor: self.input_factor as f32,
            activations: activations.clone(),
            input,
            hidden: leaf,
        };
        Ok((logits, HeadTape { saved: Some(saved) }))
    }

    /// The variables with their names, in a fixed order.
    pub fn variables(&self) -> Vec<(&'static str, &Var)> {
        let hidden = self.hidden.iter().flat_map(|Dense { weights, bias }| {
            [("head.hidden.weight", weights), ("head.hidden.bias", bias)]
        });
        let Dense { weights, bias } = &self.output;
        hidden.chain([("head.output.weight", weights), ("head.output.bias", bias)]).collect()
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
    layers::composed_activation(activation, &layers::composed_dense(input, weights, bias)?)
}

/// Tensors that a forward pass of the head kept for its backward pass.
#[derive(Debug)]
pub struct HeadTape<'a> {
    /// Nothing where Candle's graph computes all gradients.
    saved: Option<SavedTensors<'a>>,
}

/// Tensors of one forward pass through a head with a hidden layer.
#[derive(Debug)]
struct SavedTensors<'a> {
    /// The hidden layer.
    layer: &'a Dense,
    pooling: Pooling,
    input_factor: f32,
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
        let Some(SavedTensors { layer, pooling, input_factor, activations, input, hidden }) =
            self.saved
        else {
            return Ok(());
        };
        let Some(gradient) = gradients.store.remove(&hidden) else {
            return Err(
                candle_core::Error::Msg("the loss does not depend on the head".to_owned()).into()
            );
        };
        let (weights, bias) = (layer.weights.as_tensor(), layer.bias.as_tensor());
        let outputs = bias.elem_count();
        let mut gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
        let sums = with_values(&hidden, |hidden| {
            Activation::Relu.gradient(hidden, &mut gradient, outputs)
        })?;
        gradients.store.insert(bias, Tensor::from_vec(sums, bias.shape(), bias.device())?);
        if activations.is_variable() {
            let mut of_input =
                with_values(weights, |weights| dense_input_gradient(&gradient, weights, outputs))?;
            of_input.iter_mut().for_each(|value| *value *= input_factor);
            let of_activations = match pooling {
                Pooling::Flatten => {
                    Tensor::from_vec(of_input, activations.shape(), weights.device())?
                }
                Pooling::Average => {
                    let (batch, height, width, channels) = activations.dims4()?;
                    let share = 1.0 / (height * width) as f64;
                    (Tensor::from_vec(of_input, (batch, 1, 1, channels), weights.device())?
                        * share)?
                        .broadcast_as(activations.shape())?
                        .contiguous()?
                }
            };
            gradients.store.insert(&activations, of_activations);
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
