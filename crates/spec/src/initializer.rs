//! The initial weights of the head.

use serde::{Deserialize, Serialize};

/// From what distribution the head's weights are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Uniform in ±√(6 / (inputs + outputs)), biases zero: Keras.
    #[default]
    GlorotUniform,
    /// Uniform in ±1/√inputs, weights and biases: `torch.nn.Linear`.
    TorchLinear,
}
