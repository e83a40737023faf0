//! ResNet (He et al. 2016, *Deep Residual Learning for Image Recognition*): a stem and four stages of
//! residual units.
//!
//! Torchvision and timm agree on names and numbers. Keras' ResNet-50 differs from theirs: its
//! convolutions have biases, its ε is 1.001e-5, and a stage's stride stands in its first 1×1
//! convolution, as in the paper, where torchvision has it in the 3×3 one.

use thaw_conv::Activation;

use super::{Block, max_pool};
use crate::layers::{BatchNorm, Convolution, Layer, Layers, Padding, Residual};

/// Residual units and width of each stage of ResNet-18.
const STAGES_18: [(usize, usize); 4] = [(2, 64), (2, 128), (2, 256), (2, 512)];

/// Residual units and width of each stage of ResNet-50.
const STAGES_50: [(usize, usize); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];

/// Units of two 3×3 convolutions, as in `torchvision.models.resnet18`.
pub(super) fn resnet18() -> Vec<Block> {
    imagenet(Library::Torchvision, &STAGES_18, 1)
}

/// Units of a 1×1, a 3×3 and a 1×1 convolution, as in `torchvision.models.resnet50`.
pub(super) fn resnet50() -> Vec<Block> {
    imagenet(Library::Torchvision, &STAGES_50, 4)
}

/// The same as in `keras.applications.ResNet50`.
pub(super) fn resnet50_keras() -> Vec<Block> {
    imagenet(Library::Keras, &STAGES_50, 4)
}

/// thaw's own: a 3×3 stem and three stages of one unit each, all of which halve the map.
pub(super) fn mini_resnet() -> Vec<Block> {
    let library = Library::Torchvision;
    let stem = library.convolution(library.stem(), [3, 16], [3, 1], Activation::Relu);
    let stages = [(1, 32), (1, 48), (1, 64)];
    let mut blocks = vec![vec![Box::new(stem) as Box<dyn Layer>]];
    blocks.extend(network(library, 16, &stages, 1, 2));
    blocks
}

/// Whose ResNet it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Library {
    Torchvision,
    Keras,
}

/// A convolution of a residual unit.
#[derive(Clone, Copy)]
enum Part {
    /// One of the branch, counted from 1.
    Branch(usize),
    Shortcut,
}

impl Library {
    /// The names of the stem's convolution and normalisation.
    fn stem(self) -> [String; 2] {
        match self {
            Self::Torchvision => ["conv1", "bn1"],
            Self::Keras => ["conv1_conv", "conv1_bn"],
        }
        .map(str::to_owned)
    }

    /// The names of a convolution and its normalisation; stages are counted from 1, units from 0.
    fn names(self, stage: usize, unit: usize, part: Part) -> [String; 2] {
        match (self, part) {
            (Self::Torchvision, Part::Branch(number)) => {
                ["conv", "bn"].map(|kind| format!("layer{stage}.{unit}.{kind}{number}"))
            }
            (Self::Torchvision, Part::Shortcut) => {
                ["0", "1"].map(|place| format!("layer{stage}.{unit}.downsample.{place}"))
            }
            (Self::Keras, part) => {
                let number = if let Part::Branch(number) = part { number } else { 0 };
                ["conv", "bn"]
                    .map(|kind| format!("conv{}_block{}_{number}_{kind}", stage + 1, unit + 1))
            }
        }
    }

    /// A normalised convolution, padded so that at stride 1 a map keeps its size.
    fn convolution(
        self,
        [name, normalization]: [String; 2],
        [inputs, outputs]: [usize; 2],
        [kernel, stride]: [usize; 2],
        activation: Activation,
    ) -> Convolution {
        let epsilon = match self {
            Self::Torchvision => 1e-5,
            Self::Keras => 1.001e-5,
        };
        let normalization = BatchNorm { name: normalization, channels: outputs, epsilon };
        Convolution {
            stride,
            padding: Padding::Zeros(kernel / 2),
            has_bias: self == Self::Keras,
            normalization: Some(normalization),
            activation,
            ..Convolution::with_relu(name, inputs, outputs, kernel)
        }
    }
}

/// A network for ImageNet: the stem divides the sides of a map by four.
fn imagenet(library: Library, stages: &[(usize, usize)], expansion: usize) -> Vec<Block> {
    let stem = library.convolution(library.stem(), [3, 64], [7, 2], Activation::Relu);
    let mut blocks = vec![vec![Box::new(stem) as Box<dyn Layer>, max_pool(3, 1, false)]];
    blocks.extend(network(library, 64, stages, expansion, 1));
    blocks
}

/// Stages, given as (units, width), behind a stem that puts out `inputs` channels; the first of them
/// has the given stride. Units are of 3×3 convolutions if they put out as many channels as they
/// compute with, and otherwise `expansion` times as many, by 1×1 convolutions around a 3×3 one.
fn network(
    library: Library,
    mut inputs: usize,
    stages: &[(usize, usize)],
    expansion: usize,
    first_stride: usize,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (number, &(units, width)) in (1..).zip(stages) {
        let mut block = Block::new();
        for unit in 0..units {
            let stride = match (unit, number) {
                (0, 1) => first_stride,
                (0, _) => 2,
                _ => 1,
            };
            let place = (number, unit);
            block.push(Box::new(residual(library, place, [inputs, width], stride, expansion)));
            inputs = width * expansion;
        }
        blocks.push(block);
    }
    blocks
}

fn residual(
    library: Library,
    (stage, unit): (usize, usize),
    [inputs, width]: [usize; 2],
    stride: usize,
    expansion: usize,
) -> Residual {
    let outputs = width * expansion;
    // Channels, kernel and stride of each convolution.
    let plan = match (expansion, library) {
        (1, _) => vec![([inputs, width], [3, stride]), ([width, outputs], [3, 1])],
        (_, library) => {
            let [first, second] = match library {
                Library::Torchvision => [1, stride],
                Library::Keras => [stride, 1],
            };
            vec![
                ([inputs, width], [1, first]),
                ([width, width], [3, second]),
                ([width, outputs], [1, 1]),
            ]
        }
    };
    let last = plan.len();
    let mut branch = Layers::new();
    for (number, (channels, kernel)) in (1..).zip(plan) {
        let activation = if number == last { Activation::Linear } else { Activation::Relu };
        let names = library.names(stage, unit, Part::Branch(number));
        branch.push(Box::new(library.convolution(names, channels, kernel, activation)));
    }
    let mut shortcut = Layers::new();
    if unit == 0 && (stride > 1 || inputs != outputs) {
        let names = library.names(stage, unit, Part::Shortcut);
        let channels = [inputs, outputs];
        shortcut.push(Box::new(library.convolution(
            names,
            channels,
            [1, stride],
            Activation::Linear,
        )));
    }
    Residual { branch, shortcut, activation: Activation::Relu }
}
