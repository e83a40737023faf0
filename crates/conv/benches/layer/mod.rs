//! Layers with everything that they read and write, for the benchmarks and the counts of instructions.

use std::sync::Arc;

use thaw_conv::{
    Algorithm, BufferPool, Convolution, ConvolutionGeometry, Maps, Padding, PoolGeometry,
};

/// Side of the image, input channels, output channels, side of the kernel, stride, padding. As many
/// output channels as input channels with a kernel of 3 or 5 and `DEPTHWISE` added to the padding are
/// a depthwise convolution.
pub(crate) type Shape = (usize, usize, usize, usize, usize, usize);

pub(crate) const DEPTHWISE: usize = 100;

/// A layer with everything it reads and writes.
pub(crate) struct Layer {
    pub(crate) convolution: Convolution,
    pub(crate) input: Maps,
    pub(crate) kernel: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) output: Maps,
}

/// Numbers of no pattern between -1 and 1.
pub(crate) fn values(length: usize) -> Vec<f32> {
    (0..length).map(|index| (index * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
}

fn maps(pool: &Arc<BufferPool>, shape: [usize; 4]) -> Maps {
    let mut maps = Maps::new(pool, shape);
    maps.values_mut().copy_from_slice(&values(shape.iter().product()));
    maps
}

/// A layer of a shape, for a batch of some images.
pub(crate) fn layer(
    algorithm: Algorithm,
    (size, input_channels, output_channels, kernel, stride, padding): Shape,
    batch: usize,
) -> Layer {
    thaw_conv::keep_freed_memory();
    let pool = &Arc::default();
    let groups = if padding >= DEPTHWISE { input_channels } else { 1 };
    let geometry = ConvolutionGeometry {
        height: size,
        width: size,
        input_channels,
        output_channels,
        kernel,
        stride,
        padding: Padding::symmetric(padding % DEPTHWISE),
        groups,
    };
    Layer {
        convolution: Convolution { geometry, algorithm },
        input: maps(pool, [batch, size, size, input_channels]),
        kernel: values(kernel * kernel * input_channels / groups * output_channels),
        bias: vec![0.5; output_channels],
        output: maps(
            pool,
            [batch, geometry.output_height(), geometry.output_width(), output_channels],
        ),
    }
}

/// A max-pool at stride 2 with what it reads and writes.
pub(crate) fn pool(
    size: usize,
    channels: usize,
    window: usize,
    batch: usize,
) -> (PoolGeometry, Maps, Maps) {
    let geometry = PoolGeometry { window, stride: 2, padding: 0, ceil: window == 3 };
    let input = maps(&Arc::default(), [batch, size, size, channels]);
    let output = Maps::new(&Arc::default(), geometry.output_shape(input.shape()));
    (geometry, input, output)
}
