//! Networks of inverted residual units (Sandler et al. 2018, *MobileNetV2: Inverted Residuals and
//! Linear Bottlenecks*): a 1×1 convolution to many channels, a depthwise one, and a 1×1 convolution
//! back to few, without an activation. A unit that changes neither size nor channels is residual.

use thaw_conv::Activation;

use super::{Block, Names};
use crate::layers::{BatchNorm, Convolution, Layer, Layers, Padding, Residual};

/// Neighbouring units that put out the same channels.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    /// Channels inside a unit for each of its input; 1 leaves the first convolution out.
    pub(super) expansion: usize,
    /// Side of the depthwise kernels.
    pub(super) kernel: usize,
    /// Stride of the first unit.
    pub(super) stride: usize,
    /// Channels that a unit puts out.
    pub(super) outputs: usize,
    /// Number of units.
    pub(super) units: usize,
}

/// What libraries do differently.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    /// The library whose names the tensors have.
    pub(super) library: Library,
    /// Whether zeros are put around as TensorFlow's `SAME` does.
    pub(super) pads_same: bool,
    /// ε of the normalisations.
    pub(super) epsilon: f64,
}

/// A way of naming the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    /// `torchvision.models.mobilenet_v2`.
    Torchvision,
    /// timm's `mobilenetv2_100`, `efficientnet_lite0`.
    Timm,
    /// `keras.applications.MobileNetV2`.
    Keras,
    /// The PyPI packages `efficientnet-pytorch` and `efficientnet-lite-pytorch`.
    EfficientnetPytorch,
}

/// A convolution of the network.
#[derive(Clone, Copy)]
enum Part {
    Stem,
    Expand(Unit),
    Depthwise(Unit),
    Project(Unit),
    Head { units: usize },
}

/// The place of a unit, counted from 0.
#[derive(Clone, Copy)]
struct Unit {
    stage: usize,
    in_stage: usize,
    /// Among the units of all stages.
    number: usize,
    has_expansion: bool,
}

impl Library {
    /// The names of a convolution and its normalisation.
    fn names(self, part: Part) -> [String; 2] {
        let plain = |names: [&str; 2]| names.map(str::to_owned);
        match self {
            Self::Torchvision => {
                let of_unit = |unit: Unit, place: usize| {
                    // Without the first convolution the others move up.
                    let place = place - usize::from(!unit.has_expansion);
                    format!("features.{}.conv.{place}", unit.number + 1)
                };
                let pair = |layer: String| ["0", "1"].map(|place| format!("{layer}.{place}"));
                match part {
                    Part::Stem => pair("features.0".to_owned()),
                    Part::Expand(unit) => pair(of_unit(unit, 0)),
                    Part::Depthwise(unit) => pair(of_unit(unit, 1)),
                    Part::Project(unit) => [2, 3].map(|place| of_unit(unit, place)),
                    Part::Head { units } => pair(format!("features.{}", units + 1)),
                }
            }
            Self::Timm => {
                let of_unit = |unit: Unit, names: [&str; 2]| {
                    names.map(|name| format!("blocks.{}.{}.{name}", unit.stage, unit.in_stage))
                };
                match part {
                    Part::Stem => plain(["conv_stem", "bn1"]),
                    Part::Expand(unit) => of_unit(unit, ["conv_pw", "bn1"]),
                    Part::Depthwise(unit) if unit.has_expansion => {
                        of_unit(unit, ["conv_dw", "bn2"])
                    }
                    Part::Depthwise(unit) => of_unit(unit, ["conv_dw", "bn1"]),
                    Part::Project(unit) if unit.has_expansion => of_unit(unit, ["conv_pwl", "bn3"]),
                    Part::Project(unit) => of_unit(unit, ["conv_pw", "bn2"]),
                    Part::Head { .. } => plain(["conv_head", "bn2"]),
                }
            }
            Self::Keras => {
                let of_unit = |unit: Unit, part: &str| {
                    let unit = match unit.number {
                        0 => "expanded_conv".to_owned(),
                        number => format!("block_{number}"),
                    };
                    ["", "_BN"].map(|kind| format!("{unit}_{part}{kind}"))
                };
                match part {
                    Part::Stem => plain(["Conv1", "bn_Conv1"]),
                    Part::Expand(unit) => of_unit(unit, "expand"),
                    Part::Depthwise(unit) => of_unit(unit, "depthwise"),
                    Part::Project(unit) => of_unit(unit, "project"),
                    Part::Head { .. } => plain(["Conv_1", "Conv_1_bn"]),
                }
            }
            Self::EfficientnetPytorch => {
                let of_unit = |unit: Unit, names: [&str; 2]| {
                    names.map(|name| format!("_blocks.{}.{name}", unit.number))
                };
                match part {
                    Part::Stem => plain(["_conv_stem", "_bn0"]),
                    Part::Expand(unit) => of_unit(unit, ["_expand_conv", "_bn0"]),
                    Part::Depthwise(unit) => of_unit(unit, ["_depthwise_conv", "_bn1"]),
                    Part::Project(unit) => of_unit(unit, ["_project_conv", "_bn2"]),
                    Part::Head { .. } => plain(["_conv_head", "_bn1"]),
                }
            }
        }
    }
}

/// Channels behind the first convolution.
const STEM: usize = 32;

/// Channels behind the last.
const HEAD: usize = 1280;

/// The parts in order.
fn parts(stages: &[Stage]) -> Vec<Part> {
    let mut parts = vec![Part::Stem];
    let units = units(stages);
    for (unit, _, _) in &units {
        parts.extend(unit.has_expansion.then_some(Part::Expand(*unit)));
        parts.extend([Part::Depthwise(*unit), Part::Project(*unit)]);
    }
    parts.push(Part::Head { units: units.len() });
    parts
}

/// The units with their stages and channels of input.
fn units(stages: &[Stage]) -> Vec<(Unit, Stage, usize)> {
    let (mut units, mut inputs) = (Vec::new(), STEM);
    for (number, stage) in stages.iter().enumerate() {
        for in_stage in 0..stage.units {
            let unit = Unit {
                stage: number,
                in_stage,
                number: units.len(),
                has_expansion: stage.expansion > 1,
            };
            units.push((unit, *stage, inputs));
            inputs = stage.outputs;
        }
    }
    units
}

/// The names of the layers in a library, each with that in another.
pub(super) fn names(stages: &[Stage], theirs: Library, ours: Library) -> Names {
    let of_part = |part: Part| theirs.names(part).into_iter().zip(ours.names(part));
    parts(stages).into_iter().flat_map(of_part).collect()
}

/// The network in five blocks: the first three stages, the next two, the last two; the stem goes with
/// the first, the last convolution with the last.
pub(super) fn network(stages: &[Stage; 7], variant: Variant) -> Vec<Block> {
    const BLOCK_OF_STAGE: [usize; 7] = [0, 1, 2, 3, 3, 4, 4];
    let mut blocks: Vec<Block> = (0..5).map(|_| Block::new()).collect();
    let stem = variant.convolution(Part::Stem, [3, STEM], [3, 2], 1, Activation::Relu6);
    blocks[0].push(Box::new(stem));
    let units = units(stages);
    for (unit, stage, inputs) in &units {
        blocks[BLOCK_OF_STAGE[unit.stage]].push(variant.unit(*unit, *stage, *inputs));
    }
    let channels = [stages[6].outputs, HEAD];
    let head = Part::Head { units: units.len() };
    let head = variant.convolution(head, channels, [1, 1], 1, Activation::Relu6);
    blocks[4].push(Box::new(head));
    blocks
}

impl Variant {
    fn unit(self, unit: Unit, stage: Stage, inputs: usize) -> Box<dyn Layer> {
        let stride = if unit.in_stage == 0 { stage.stride } else { 1 };
        let inside = inputs * stage.expansion;
        let (relu6, linear) = (Activation::Relu6, Activation::Linear);
        let mut branch = Layers::new();
        if unit.has_expansion {
            let channels = [inputs, inside];
            branch.push(Box::new(self.convolution(Part::Expand(unit), channels, [1, 1], 1, relu6)));
        }
        let kernel = [stage.kernel, stride];
        let depthwise = self.convolution(Part::Depthwise(unit), [inside; 2], kernel, inside, relu6);
        branch.push(Box::new(depthwise));
        let channels = [inside, stage.outputs];
        branch.push(Box::new(self.convolution(Part::Project(unit), channels, [1, 1], 1, linear)));
        if stride == 1 && inputs == stage.outputs {
            return Box::new(Residual { branch, shortcut: Layers::new(), activation: linear });
        }
        Box::new(crate::layers::Sequence(branch))
    }

    fn convolution(
        self,
        part: Part,
        [inputs, outputs]: [usize; 2],
        [kernel, stride]: [usize; 2],
        groups: usize,
        activation: Activation,
    ) -> Convolution {
        let [name, normalization] = self.library.names(part);
        let normalization =
            BatchNorm { name: normalization, channels: outputs, epsilon: self.epsilon };
        Convolution {
            stride,
            padding: if self.pads_same { Padding::Same } else { Padding::Zeros(kernel / 2) },
            groups,
            has_bias: false,
            normalization: Some(normalization),
            activation,
            ..Convolution::with_relu(name, inputs, outputs, kernel)
        }
    }
}
