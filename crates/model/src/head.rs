//! The densely connected classifier on top of a base.

use candle_core::{Device, Tensor, Var};
use thaw_conv::{Activation, dense};

use crate::{Loss, Mode, ModelError};

/// Dense(hidden, ReLU) → dropout → Dense(1) for two classes, Dense(classes) for more. Inputs are flattened in `[height, width, channels]`
/// order, as Keras flattens.
#[derive(Debug)]
pub struct Head {
    hidden_weights: Var,
    hidden_bias: Var,
    output_weights: Var,
    output_bias: Var,
}

impl Head {
    /// A head with Glorot-uniform weights and zero biases. `draw(tensor)` yields the source of uniform numbers in [0, 1) for the first and
    /// the second layer's weights (tensors 0 and 1).
    ///
    /// # Errors
    /// When the device refuses.
    pub fn new<D: FnMut() -> f64>(
        inputs: usize,
        hidden_units: usize,
        loss: Loss,
        mut draw: impl FnMut(usize) -> D,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let outputs = loss.outputs();
        let mut layer = |number: usize, inputs: usize, outputs: usize| -> Result<(Var, Var), ModelError> {
            let weights = Var::from_vec(glorot_uniform(inputs, outputs, draw(number)), (inputs, outputs), device)?;
            Ok((weights, Var::from_vec(vec![0f32; outputs], outputs, device)?))
        };
        let (hidden_weights, hidden_bias) = layer(0, inputs, hidden_units)?;
        let (output_weights, output_bias) = layer(1, hidden_units, outputs)?;
        Ok(Self { hidden_weights, hidden_bias, output_weights, output_bias })
    }

    /// Logits `[batch, outputs]` of `[batch, …]` activations. `mask` `[batch, hidden units]` multiplies the hidden units: zero for dropped
    /// ones and 1 / (1 − rate) for the others, or nothing when evaluating.
    ///
    /// # Errors
    /// When shapes do not agree.
    pub fn forward(&self, activations: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<Tensor, ModelError> {
        let layer = |input: &Tensor, weights: &Var, bias: &Var, activation| dense(input, &mode.view(weights), &mode.view(bias), activation);
        let hidden = layer(&activations.flatten_from(1)?, &self.hidden_weights, &self.hidden_bias, Activation::Relu)?;
        let hidden = match mask {
            Some(mask) => (hidden * mask)?,
            None => hidden,
        };
        Ok(layer(&hidden, &self.output_weights, &self.output_bias, Activation::Linear)?)
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

/// Uniform in ±√(6 / (inputs + outputs)) (Glorot & Bengio 2010), `[inputs, outputs]` in row-major order.
pub fn glorot_uniform(inputs: usize, outputs: usize, mut draw: impl FnMut() -> f64) -> Vec<f32> {
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    (0..inputs * outputs).map(|_| ((2.0 * draw() - 1.0) * bound) as f32).collect()
}
