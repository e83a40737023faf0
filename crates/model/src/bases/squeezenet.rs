//! SqueezeNet 1.0 (Iandola et al. 2016, *SqueezeNet: AlexNet-level accuracy with 50x fewer
//! parameters*). The classifier's place is taken by a 2×2 max-pool.
//!
//! Tensors are named as in `torchvision.models.squeezenet1_0`.

use super::{Block, halve, max_pool};
use crate::layers::{Convolution, Layer, Padding, Parallel};

pub(super) fn squeezenet1_0() -> Vec<Block> {
    let pool = || max_pool(3, 0, true);
    let first = Convolution {
        stride: 2,
        padding: Padding::Zeros(0),
        ..Convolution::with_relu("features.0".to_owned(), 3, 96, 7)
    };
    // Each block ends in a pool.
    let block = |modules: Vec<[Box<dyn Layer>; 2]>, last: Box<dyn Layer>| {
        modules.into_iter().flatten().chain([last]).collect::<Block>()
    };
    vec![
        vec![Box::new(first), pool()],
        block(vec![fire(3, 96, 16, 64), fire(4, 128, 16, 64), fire(5, 128, 32, 128)], pool()),
        block(
            vec![
                fire(7, 256, 32, 128),
                fire(8, 256, 48, 192),
                fire(9, 384, 48, 192),
                fire(10, 384, 64, 256),
            ],
            pool(),
        ),
        block(vec![fire(12, 512, 64, 256)], halve()),
    ]
}

/// A fire module: a 1×1 convolution, then a 1×1 and a 3×3 convolution side by side.
fn fire(place: usize, inputs: usize, between: usize, outputs: usize) -> [Box<dyn Layer>; 2] {
    let part = |part: &str, inputs: usize, outputs: usize, kernel: usize| {
        Convolution::with_relu(format!("features.{place}.{part}"), inputs, outputs, kernel)
    };
    [
        Box::new(part("squeeze", inputs, between, 1)),
        Box::new(Parallel(vec![
            part("expand1x1", between, outputs, 1),
            part("expand3x3", between, outputs, 3),
        ])),
    ]
}
