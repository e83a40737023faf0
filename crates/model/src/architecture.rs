//! The bases as data: blocks of layers with the names their tensors have in torchvision's files.

use thaw_conv::{ConvolutionGeometry, PoolGeometry};
use thaw_spec::Architecture;

use crate::ModelError;

/// A convolution with bias and ReLU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Name of the layer; its tensors are `<name>.weight` and `<name>.bias`.
    pub name: String,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Side of the kernel, in pixels.
    pub kernel: usize,
    /// Distance between two positions of the kernel, in pixels.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
}

impl Filter {
    /// The convolution on maps of the given height and width; nothing when they are smaller than
    /// the kernel.
    pub fn on(&self, height: usize, width: usize) -> Option<ConvolutionGeometry> {
        let &Self {
            inputs: input_channels, outputs: output_channels, kernel, stride, padding, ..
        } = self;
        let fits = height + 2 * padding >= kernel && width + 2 * padding >= kernel;
        fits.then_some(ConvolutionGeometry {
            height,
            width,
            input_channels,
            output_channels,
            kernel,
            stride,
            padding,
        })
    }
}

/// A layer of a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A single convolution.
    Convolution(Filter),
    /// SqueezeNet's module: a 1×1 convolution, then a 1×1 and a 3×3 convolution side by side, their
    /// channels one after the other.
    Fire {
        /// The 1×1 convolution `<module>.squeeze`.
        squeeze: Filter,
        /// The side-by-side convolutions `<module>.expand1x1` and `<module>.expand3x3`.
        expand: [Filter; 2],
    },
    /// A max-pool without padding.
    MaxPool(PoolGeometry),
}

/// The layers between two possible freeze boundaries.
pub type Block = Vec<Layer>;

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
pub fn blocks(architecture: Architecture) -> Vec<Block> {
    match architecture {
        Architecture::Vgg16 => vgg16(),
        Architecture::Squeezenet1_0 => squeezenet1_0(),
        Architecture::MiniVgg => mini_vgg(),
    }
}

const HALVE: Layer = Layer::MaxPool(PoolGeometry { window: 2, stride: 2, ceil: false });

/// Simonyan & Zisserman 2014, configuration D; names of `torchvision.models.vgg16`.
fn vgg16() -> Vec<Block> {
    vgg(&[(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)])
}

/// thaw's own: the same plan with fewer and narrower layers.
fn mini_vgg() -> Vec<Block> {
    vgg(&[(2, 16), (2, 32), (2, 64), (1, 128)])
}

/// Blocks of 3×3 convolutions, each block halved by a max-pool, given as (convolutions, channels).
fn vgg(plan: &[(usize, usize)]) -> Vec<Block> {
    let mut index = 0;
    let mut inputs = 3;
    let block = |&(convolutions, outputs): &(usize, usize)| {
        let mut layers = Vec::new();
        for _ in 0..convolutions {
            let name = format!("features.{index}");
            layers.push(Layer::Convolution(Filter {
                name,
                inputs,
                outputs,
                kernel: 3,
                stride: 1,
                padding: 1,
            }));
            inputs = outputs;
            index += 2;
        }
        index += 1;
        layers.push(HALVE);
        layers
    };
    plan.iter().map(block).collect()
}

/// Iandola et al. 2016, version 1.0; names of `torchvision.models.squeezenet1_0`. The classifier's
/// place is taken by a 2×2 max-pool.
fn squeezenet1_0() -> Vec<Block> {
    let pool = || Layer::MaxPool(PoolGeometry { window: 3, stride: 2, ceil: true });
    let fire = |index: usize, inputs: usize, between: usize, outputs: usize| {
        let filter = |part: &str, inputs: usize, outputs: usize, kernel: usize| {
            let name = format!("features.{index}.{part}");
            Filter { name, inputs, outputs, kernel, stride: 1, padding: kernel / 2 }
        };
        Layer::Fire {
            squeeze: filter("squeeze", inputs, between, 1),
            expand: [
                filter("expand1x1", between, outputs, 1),
                filter("expand3x3", between, outputs, 3),
            ],
        }
    };
    let first = Filter {
        name: "features.0".to_owned(),
        inputs: 3,
        outputs: 96,
        kernel: 7,
        stride: 2,
        padding: 0,
    };
    let first = Layer::Convolution(first);
    vec![
        vec![first, pool()],
        vec![fire(3, 96, 16, 64), fire(4, 128, 16, 64), fire(5, 128, 32, 128), pool()],
        vec![
            fire(7, 256, 32, 128),
            fire(8, 256, 48, 192),
            fire(9, 384, 48, 192),
            fire(10, 384, 64, 256),
            pool(),
        ],
        vec![fire(12, 512, 64, 256), HALVE],
    ]
}

/// The convolutions of a layer, in the order in which its tensors are listed.
pub(crate) fn filters(layer: &Layer) -> Vec<&Filter> {
    match layer {
        Layer::Convolution(filter) => vec![filter],
        Layer::Fire { squeeze, expand: [narrow, wide] } => vec![squeeze, narrow, wide],
        Layer::MaxPool(_) => Vec::new(),
    }
}

/// The convolutions of a layer behind which it has no other.
pub(crate) fn final_filters(layer: &Layer) -> Vec<&Filter> {
    match layer {
        Layer::Convolution(filter) => vec![filter],
        Layer::Fire { expand, .. } => expand.iter().collect(),
        Layer::MaxPool(_) => Vec::new(),
    }
}

/// The names and shapes of a base's tensors in torchvision's layout (`[output, input, height,
/// width]` and `[output]`), in the order of its layers.
pub fn tensor_shapes(architecture: Architecture) -> Vec<(String, Vec<usize>)> {
    let of_filter = |filter: &Filter| {
        let Filter { name, inputs, outputs, kernel, .. } = filter;
        [
            (format!("{name}.weight"), vec![*outputs, *inputs, *kernel, *kernel]),
            (format!("{name}.bias"), vec![*outputs]),
        ]
    };
    blocks(architecture).iter().flatten().flat_map(filters).flat_map(of_filter).collect()
}

/// The shape behind each block for images of `size` × `size` pixels.
///
/// # Errors
/// When the images are too small.
pub fn shapes(architecture: Architecture, size: usize) -> Result<Vec<BlockShape>, ModelError> {
    let mut shape =
        BlockShape { height: size, width: size, channels: 3, multiply_adds: 0, activations: 0 };
    let mut result = Vec::new();
    for (number, block) in (1..).zip(blocks(architecture)) {
        (shape.multiply_adds, shape.activations) = (0, 0);
        for layer in &block {
            shape = advance(shape, layer).ok_or_else(|| ModelError::TooSmall {
                size,
                base: architecture.to_string(),
                reason: format!("block {number} is given {}×{}", shape.height, shape.width),
            })?;
        }
        result.push(shape);
    }
    Ok(result)
}

fn advance(mut shape: BlockShape, layer: &Layer) -> Option<BlockShape> {
    let convolve = |shape: &mut BlockShape, filter: &Filter| {
        let geometry = filter.on(shape.height, shape.width)?;
        shape.multiply_adds += geometry.multiply_adds();
        (shape.height, shape.width) = (geometry.output_height(), geometry.output_width());
        shape.channels = filter.outputs;
        shape.activations += shape.floats();
        Some(())
    };
    match layer {
        Layer::Convolution(filter) => convolve(&mut shape, filter)?,
        Layer::Fire { squeeze, expand } => {
            convolve(&mut shape, squeeze)?;
            expand.iter().try_for_each(|filter| convolve(&mut shape, filter))?;
            shape.channels = expand.iter().map(|filter| filter.outputs).sum();
        }
        Layer::MaxPool(pool) => {
            if shape.height < pool.window {
                return None;
            }
            (shape.height, shape.width) =
                (pool.output_length(shape.height), pool.output_length(shape.width));
            shape.activations += shape.floats();
        }
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bases_end_in_four_by_four_maps_of_512_channels_at_150_pixels() {
        for architecture in [Architecture::Vgg16, Architecture::Squeezenet1_0] {
            let shapes = shapes(architecture, 150).expect("large enough");
            assert_eq!(shapes.len(), architecture.blocks());
            let last = shapes[shapes.len() - 1];
            assert_eq!((last.height, last.width, last.channels), (4, 4, 512), "{architecture}");
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
