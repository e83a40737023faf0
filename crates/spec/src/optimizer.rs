//! The optimizer, which is RMSprop.

use serde::{Deserialize, Serialize};

/// Where RMSprop's ε stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsilonPosition {
    /// `g / (√a + ε)`: Keras up to 2.2, PyTorch.
    OutsideRoot,
    /// `g / √(a + ε)`: Keras 2.12 and 3.
    InsideRoot,
}

/// RMSprop without momentum, centring or bias correction: `a ← ρ·a + (1 − ρ)·g²`, then `w ← w −
/// η·g/(√a + ε)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// η.
    pub learning_rate: f64,
    /// ρ.
    pub rho: f64,
    /// ε.
    pub epsilon: f64,
    /// Inside or outside the root.
    pub epsilon_position: EpsilonPosition,
}
