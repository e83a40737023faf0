//! The bases, as data: blocks of layers under the names that their tensors have in files. A base of
//! known layers is one file here, and its name in [`Architecture`].

mod efficientnet;
mod inverted_residual;
mod mobilenet;
mod resnet;
mod squeezenet;
mod vgg;

use thaw_conv::PoolGeometry;
use thaw_spec::{Architecture, PreprocessingName};

use crate::ModelError;
use crate::layers::{Cost, Layer, Layers, MapShape, Pool, PoolKind, TensorSpec};

/// The layers between two possible freeze boundaries.
pub(crate) type Block = Layers;

/// Output shape and cost of a block for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShape {
    /// Rows of the output.
    pub height: usize,
    /// Columns of the output.
    pub width: usize,
    /// Channels of the output.
    pub channels: usize,
    /// Multiply-adds of the forward pass.
    pub multiply_adds: u64,
    /// Floats in the outputs of all its layers, as a measure of memory.
    pub activations: usize,
}

impl BlockShape {
    /// Floats in the output.
    pub fn floats(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// The blocks of a base, from the input on.
pub(crate) fn blocks(architecture: Architecture) -> Vec<Block> {
    match architecture {
        Architecture::Vgg16 => vgg::vgg16(),
        Architecture::Vgg19 => vgg::vgg19(),
        Architecture::Squeezenet1_0 => squeezenet::squeezenet1_0(),
        Architecture::Resnet18 => resnet::resnet18(),
        Architecture::Resnet50 => resnet::resnet50(),
        Architecture::Resnet50Keras => resnet::resnet50_keras(),
        Architecture::MobilenetV2 => mobilenet::mobilenet_v2(),
        Architecture::MobilenetV2Keras => mobilenet::mobilenet_v2_keras(),
        Architecture::EfficientnetLite0 => efficientnet::efficientnet_lite0(),
        Architecture::EfficientnetLite0Timm => efficientnet::efficientnet_lite0_timm(),
        Architecture::MiniVgg => vgg::mini_vgg(),
        Architecture::MiniResnet => resnet::mini_resnet(),
    }
}

/// Names of layers in a file, each with the name here.
pub(crate) type Names = Vec<(String, String)>;

/// The base of an architecture in the files of Keras.
pub(crate) struct KerasBase {
    /// Its layers.
    pub(crate) names: Names,
    /// What Keras' own weights were trained on.
    pub(crate) preprocessing: PreprocessingName,
}

/// The base as Keras has it, where it does.
pub(crate) fn keras(architecture: Architecture) -> Option<KerasBase> {
    let (names, preprocessing) = match architecture {
        Architecture::Vgg16 | Architecture::Vgg19 | Architecture::MiniVgg => {
            (vgg::keras_names(&blocks(architecture)), PreprocessingName::Caffe)
        }
        Architecture::Resnet50Keras => (own_names(architecture), PreprocessingName::Caffe),
        Architecture::MobilenetV2Keras => (own_names(architecture), PreprocessingName::Tf),
        Architecture::Squeezenet1_0
        | Architecture::Resnet18
        | Architecture::Resnet50
        | Architecture::MobilenetV2
        | Architecture::EfficientnetLite0
        | Architecture::EfficientnetLite0Timm
        | Architecture::MiniResnet => return None,
    };
    Some(KerasBase { names, preprocessing })
}

/// Names that layers have in files of PyTorch beside those here.
pub(crate) fn other_names(architecture: Architecture) -> Names {
    match architecture {
        Architecture::MobilenetV2 => mobilenet::timm_names(),
        Architecture::EfficientnetLite0 | Architecture::EfficientnetLite0Timm => {
            efficientnet::efficientnet_pytorch_names()
        }
        _ => Names::new(),
    }
}

/// The names of the layers, each with itself.
fn own_names(architecture: Architecture) -> Names {
    let mut names = Names::new();
    for TensorSpec { name, .. } in tensors(architecture) {
        let layer = name.rsplit_once('.').map_or(name.as_str(), |(layer, _)| layer).to_owned();
        if names.last().is_none_or(|(last, _)| *last != layer) {
            names.push((layer.clone(), layer));
        }
    }
    names
}

/// A max-pool at stride 2.
fn max_pool(window: usize, padding: usize, ceil: bool) -> Box<dyn Layer> {
    let geometry = PoolGeometry { window, stride: 2, padding, ceil };
    Box::new(Pool { kind: PoolKind::Max, geometry })
}

/// A 2×2 max-pool at stride 2.
fn halve() -> Box<dyn Layer> {
    max_pool(2, 0, false)
}

/// The tensors of a base in the order of its layers, as PyTorch's files name and shape them.
pub fn tensors(architecture: Architecture) -> Vec<TensorSpec> {
    blocks(architecture).iter().flatten().flat_map(|layer| layer.tensors()).collect()
}

/// The same tensors' names, each with the number of its block, counted from 0.
pub fn blocks_of_tensors(architecture: Architecture) -> Vec<(String, usize)> {
    let blocks = blocks(architecture).into_iter().enumerate();
    blocks
        .flat_map(|(number, block)| {
            let tensors = block.into_iter().flat_map(|layer| layer.tensors());
            tensors.map(move |tensor| (tensor.name, number)).collect::<Vec<_>>()
        })
        .collect()
}

/// The shape behind each block for images of `size` × `size` pixels.
///
/// # Errors
/// When the images are too small.
pub fn shapes(architecture: Architecture, size: usize) -> Result<Vec<BlockShape>, ModelError> {
    let mut shape = MapShape { height: size, width: size, channels: 3 };
    let mut result = Vec::new();
    for (number, block) in (1..).zip(blocks(architecture)) {
        let mut cost = Cost::default();
        for layer in &block {
            shape = layer.shape(shape, &mut cost).ok_or_else(|| ModelError::TooSmall {
                size,
                base: architecture.to_string(),
                reason: format!("block {number} is given {}×{}", shape.height, shape.width),
            })?;
        }
        let MapShape { height, width, channels } = shape;
        let Cost { multiply_adds, activations, .. } = cost;
        result.push(BlockShape { height, width, channels, multiply_adds, activations });
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use thaw_spec::TensorRole;

    use super::*;

    #[test]
    fn every_base_has_the_blocks_that_its_name_promises() {
        for architecture in Architecture::ALL {
            assert_eq!(blocks(architecture).len(), architecture.blocks(), "{architecture}");
            let is_statistic = |tensor: &TensorSpec| tensor.role == TensorRole::Statistic;
            let has_statistics = tensors(architecture).iter().any(is_statistic);
            assert_eq!(has_statistics, architecture.has_batch_norm(), "{architecture}");
        }
    }

    #[test]
    fn both_bases_end_in_four_by_four_maps_of_512_channels_at_150_pixels() {
        for architecture in [Architecture::Vgg16, Architecture::Squeezenet1_0] {
            let shapes = shapes(architecture, 150).expect("large enough");
            let last = shapes[shapes.len() - 1];
            assert_eq!((last.height, last.width, last.channels), (4, 4, 512), "{architecture}");
        }
    }

    #[test]
    fn the_smallest_images_leave_something_and_smaller_ones_vanish_or_are_never_shown() {
        for architecture in Architecture::ALL {
            let least = architecture.smallest_image();
            shapes(architecture, least).expect("something");
            assert!(least == 32 || shapes(architecture, least - 1).is_err(), "{architecture}");
        }
    }

    #[test]
    fn images_that_vanish_are_refused() {
        let error = shapes(Architecture::Squeezenet1_0, 32).expect_err("too small").to_string();
        assert_eq!(
            error,
            "images of 32×32 pixels vanish in squeezenet1_0: block 4 is given 1×1; set a larger image_size"
        );
    }
}
