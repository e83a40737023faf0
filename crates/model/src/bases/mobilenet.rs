//! MobileNetV2 (Sandler et al. 2018, *MobileNetV2: Inverted Residuals and Linear Bottlenecks*,
//! table 2), with the names and numbers of torchvision and timm, or of Keras.

use super::inverted_residual::{self, Library, Stage, Variant};
use super::{Block, Names};

const STAGES: [Stage; 7] = [
    Stage { expansion: 1, kernel: 3, stride: 1, outputs: 16, units: 1 },
    Stage { expansion: 6, kernel: 3, stride: 2, outputs: 24, units: 2 },
    Stage { expansion: 6, kernel: 3, stride: 2, outputs: 32, units: 3 },
    Stage { expansion: 6, kernel: 3, stride: 2, outputs: 64, units: 4 },
    Stage { expansion: 6, kernel: 3, stride: 1, outputs: 96, units: 3 },
    Stage { expansion: 6, kernel: 3, stride: 2, outputs: 160, units: 3 },
    Stage { expansion: 6, kernel: 3, stride: 1, outputs: 320, units: 1 },
];

/// `torchvision.models.mobilenet_v2`.
pub(super) fn mobilenet_v2() -> Vec<Block> {
    let variant = Variant { library: Library::Torchvision, pads_same: false, epsilon: 1e-5 };
    inverted_residual::network(&STAGES, variant)
}

/// timm's names, which calls it `mobilenetv2_100`, each with torchvision's.
pub(super) fn timm_names() -> Names {
    inverted_residual::names(&STAGES, Library::Timm, Library::Torchvision)
}

/// `keras.applications.MobileNetV2`.
pub(super) fn mobilenet_v2_keras() -> Vec<Block> {
    let variant = Variant { library: Library::Keras, pads_same: true, epsilon: 1e-3 };
    inverted_residual::network(&STAGES, variant)
}
