//! EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019, *EfficientNet: Rethinking Model Scaling for
//! Convolutional Neural Networks*, table 1) without squeeze-and-excitation and with ReLU6 in the place
//! of SiLU (Liu 2020, *Higher accuracy on vision models with EfficientNet-Lite*).
//!
//! Tensors are named as in timm. The published weights (timm's `tf_efficientnet_lite0`) pad as
//! TensorFlow does and have ε = 1e-3; those that timm trained itself (`efficientnet_lite0`) pad alike
//! on all sides and have ε = 1e-5. No file tells them apart.

use super::inverted_residual::{self, Library, Stage, Variant};
use super::{Block, Names};

const STAGES: [Stage; 7] = [
    Stage { expansion: 1, kernel: 3, stride: 1, outputs: 16, units: 1 },
    Stage { expansion: 6, kernel: 3, stride: 2, outputs: 24, units: 2 },
    Stage { expansion: 6, kernel: 5, stride: 2, outputs: 40, units: 2 },
    Stage { expansion: 6, kernel: 3, stride: 2, outputs: 80, units: 3 },
    Stage { expansion: 6, kernel: 5, stride: 1, outputs: 112, units: 3 },
    Stage { expansion: 6, kernel: 5, stride: 2, outputs: 192, units: 4 },
    Stage { expansion: 6, kernel: 3, stride: 1, outputs: 320, units: 1 },
];

const TIMM: Variant = Variant { library: Library::Timm, pads_same: false, epsilon: 1e-5 };

/// As published for TensorFlow.
pub(super) fn efficientnet_lite0() -> Vec<Block> {
    let variant = Variant { pads_same: true, epsilon: 1e-3, ..TIMM };
    inverted_residual::network(&STAGES, variant)
}

/// As timm trained it again.
pub(super) fn efficientnet_lite0_timm() -> Vec<Block> {
    inverted_residual::network(&STAGES, TIMM)
}

/// The names of the packages `efficientnet-pytorch` and `efficientnet-lite-pytorch`, each with timm's.
pub(super) fn efficientnet_pytorch_names() -> Names {
    inverted_residual::names(&STAGES, Library::EfficientnetPytorch, Library::Timm)
}
