//! VGG (Simonyan & Zisserman 2014, *Very Deep Convolutional Networks for Large-Scale Image
//! Recognition*): blocks of 3×3 convolutions, each halved by a max-pool.
//!
//! Tensors are named as in `torchvision.models.vgg16`: `features.` and the place among
//! convolutions, activations and pools.

use super::{Block, Names, halve};
use crate::layers::Convolution;

/// Configuration D.
pub(super) fn vgg16() -> Vec<Block> {
    vgg(&[(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)])
}

/// Configuration E.
pub(super) fn vgg19() -> Vec<Block> {
    vgg(&[(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)])
}

/// thaw's own: the same plan with fewer and narrower layers.
pub(super) fn mini_vgg() -> Vec<Block> {
    vgg(&[(2, 16), (2, 32), (2, 64), (1, 128)])
}

/// Blocks given as (convolutions, channels).
fn vgg(plan: &[(usize, usize)]) -> Vec<Block> {
    let mut place = 0;
    let mut inputs = 3;
    let block = |&(convolutions, outputs): &(usize, usize)| {
        let mut block = Block::new();
        for _ in 0..convolutions {
            let name = format!("features.{place}");
            block.push(Box::new(Convolution::with_relu(name, inputs, outputs, 3)));
            inputs = outputs;
            place += 2;
        }
        place += 1;
        block.push(halve());
        block
    };
    plan.iter().map(block).collect()
}

/// Keras' names of the convolutions (`block1_conv1`), each with the name here.
pub(super) fn keras_names(blocks: &[Block]) -> Names {
    let mut names = Names::new();
    for (block, layers) in (1..).zip(blocks) {
        for (place, tensors) in (1..).zip(layers.iter().map(|layer| layer.tensors())) {
            if let Some(name) =
                tensors.first().and_then(|tensor| tensor.name.strip_suffix(".weight"))
            {
                names.push((format!("block{block}_conv{place}"), name.to_owned()));
            }
        }
    }
    names
}
