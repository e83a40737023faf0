//! The bases as data: blocks of layers with the names their tensors have in torchvision's files.

use thaw_conv::{ConvolutionGeometry, PoolGeometry};
use thaw_spec::Architecture;

use crate::ModelError;

/// A layer of a base. Every convolution is followed by a ReLU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// One convolution with bias.
    Convolution {
        /// Its tensors are `<name>.weight` and `<name>.bias`.
        name: String,
        /// Channels of the input.
        inputs: usize,
        /// Channels of the output.
        outputs: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Step of the kernel.
        stride: usize,
        /// Zeros on each side.
        padding: usize,
    },
    /// SqueezeNet's module: a 1×1 convolution, then a 1×1 and a 3×3 convolution side by side, their channels one after the other.
    Fire {
        /// Its convolutions are `<name>.squeeze`, `<name>.expand1x1` and `<name>.expand3x3`.
        name: String,
        /// Channels of the input.
        inputs: usize,
        /// Channels between.
        squeeze: usize,
        /// Channels of each of the two results.
        expand: usize,
    },
    /// A max-pool.
    MaxPool(PoolGeometry),
}

/// The layers between two possible freeze boundaries.
pub type Block = Vec<Layer>;

/// What a block does to one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShape {
    /// Rows of the output.
    pub height: usize,
    /// Columns of the output.
    pub width: usize,
    /// Channels of the output.
    pub channels: usize,
    /// Multiply-adds, forward.
    pub multiply_adds: u64,
    /// Floats that all its layers put out, as a measure of memory.
    pub activations: usize,
}

impl BlockShape {
    /// Floats of the output.
    pub fn floats(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// The blocks of a base, from the pixels upwards.
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
            layers.push(Layer::Convolution { name: format!("features.{index}"), inputs, outputs, kernel: 3, stride: 1, padding: 1 });
            inputs = outputs;
            index += 2;
        }
        index += 1;
        layers.push(HALVE);
        layers
    };
    plan.iter().map(block).collect()
}

/// Iandola et al. 2016, version 1.0; names of `torchvision.models.squeezenet1_0`. The classifier's place is taken by a 2×2 max-pool.
fn squeezenet1_0() -> Vec<Block> {
    let pool = || Layer::MaxPool(PoolGeometry { window: 3, stride: 2, ceil: true });
    let fire = |index: usize, inputs: usize, squeeze: usize, expand: usize| Layer::Fire {
        name: format!("features.{index}"),
        inputs,
        squeeze,
        expand,
    };
    let first = Layer::Convolution { name: "features.0".to_owned(), inputs: 3, outputs: 96, kernel: 7, stride: 2, padding: 0 };
    vec![
        vec![first, pool()],
        vec![fire(3, 96, 16, 64), fire(4, 128, 16, 64), fire(5, 128, 32, 128), pool()],
        vec![fire(7, 256, 32, 128), fire(8, 256, 48, 192), fire(9, 384, 48, 192), fire(10, 384, 64, 256), pool()],
        vec![fire(12, 512, 64, 256), HALVE],
    ]
}

/// The convolutions of a layer as (name, inputs, outputs, kernel), in the order in which its tensors are listed.
pub(crate) fn convolutions(layer: &Layer) -> Vec<(String, usize, usize, usize)> {
    match layer {
        Layer::Convolution { name, inputs, outputs, kernel, .. } => vec![(name.clone(), *inputs, *outputs, *kernel)],
        Layer::Fire { name, inputs, squeeze, expand } => vec![
            (format!("{name}.squeeze"), *inputs, *squeeze, 1),
            (format!("{name}.expand1x1"), *squeeze, *expand, 1),
            (format!("{name}.expand3x3"), *squeeze, *expand, 3),
        ],
        Layer::MaxPool(_) => Vec::new(),
    }
}

/// The convolutions of a layer behind which it has no other.
pub(crate) fn final_convolutions(layer: &Layer) -> Vec<String> {
    match layer {
        Layer::Convolution { name, .. } => vec![name.clone()],
        Layer::Fire { name, .. } => vec![format!("{name}.expand1x1"), format!("{name}.expand3x3")],
        Layer::MaxPool(_) => Vec::new(),
    }
}

/// The names and shapes of a base's tensors in torchvision's layout (`[output, input, height, width]` and `[output]`), in the order of
/// its layers.
pub fn tensor_shapes(architecture: Architecture) -> Vec<(String, Vec<usize>)> {
    let of_convolution = |(name, inputs, outputs, kernel): (String, usize, usize, usize)| {
        [(format!("{name}.weight"), vec![outputs, inputs, kernel, kernel]), (format!("{name}.bias"), vec![outputs])]
    };
    blocks(architecture).iter().flatten().flat_map(convolutions).flat_map(of_convolution).collect()
}

/// The shape behind each block for images of `size` × `size` pixels.
///
/// # Errors
/// When the images are too small.
pub fn shapes(architecture: Architecture, size: usize) -> Result<Vec<BlockShape>, ModelError> {
    let mut shape = BlockShape { height: size, width: size, channels: 3, multiply_adds: 0, activations: 0 };
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
    let convolve = |shape: &mut BlockShape, inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize| {
        if shape.height + 2 * padding < kernel {
            return None;
        }
        let geometry = ConvolutionGeometry {
            height: shape.height,
            width: shape.width,
            input_channels: inputs,
            output_channels: outputs,
            kernel,
            stride,
            padding,
        };
        shape.multiply_adds += geometry.multiply_adds();
        (shape.height, shape.width) = (geometry.output_height(), geometry.output_width());
        shape.channels = outputs;
        shape.activations += shape.floats();
        Some(())
    };
    match *layer {
        Layer::Convolution { inputs, outputs, kernel, stride, padding, .. } => {
            convolve(&mut shape, inputs, outputs, kernel, stride, padding)?
        }
        Layer::Fire { inputs, squeeze, expand, .. } => {
            convolve(&mut shape, inputs, squeeze, 1, 1, 0)?;
            convolve(&mut shape, squeeze, expand, 1, 1, 0)?;
            convolve(&mut shape, squeeze, expand, 3, 1, 1)?;
            shape.channels = 2 * expand;
            shape.activations += shape.floats();
        }
        Layer::MaxPool(pool) => {
            if shape.height < pool.window {
                return None;
            }
            (shape.height, shape.width) = (pool.output_length(shape.height), pool.output_length(shape.width));
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
        assert_eq!(error, "images of 32×32 pixels vanish in squeezenet1_0: block 4 is given 1×1; set a larger image_size");
    }
}
