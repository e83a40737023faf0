//! The optimizer, which is RMSprop.

use serde::{Deserialize, Serialize};

/// Position of RMSprop's ε in the divisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsilonPosition {
    /// Outside the root, `g / (√a + ε)`: Keras up to 2.2, PyTorch.
    OutsideRoot,
    /// Inside the root, `g / √(a + ε)`: Keras 2.12 and 3.
    InsideRoot,
}

/// RMSprop without momentum, centring or bias correction: `a ← ρ·a + (1 − ρ)·g²`, then `w ← w −
/// η·g/(√a + ε)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Step size η, positive.
    pub learning_rate: f64,
    /// Decay ρ of the running mean of squared gradients, in [0, 1).
    pub rho: f64,
    /// Constant ε that keeps the divisor from zero, positive.
    pub epsilon: f64,
    /// Position of ε, outside or inside the root.
    pub epsilon_position: EpsilonPosition,
}
