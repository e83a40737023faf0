//! The initial weights of the head.

use serde::{Deserialize, Serialize};

/// Distribution of the initial weights of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Weights uniform in ±√(6 / (inputs + outputs)), biases zero: Keras.
    #[default]
    GlorotUniform,
    /// Weights and biases uniform in ±1/√inputs: `torch.nn.Linear`.
    TorchLinear,
}
