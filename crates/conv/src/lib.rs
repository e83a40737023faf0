//! The layers of a convolutional base as differentiable Candle operations for the CPU.
//!
//! Candle's own CPU convolution is several times slower than the arithmetic needs, its max-pool has
//! a wrong gradient and its ReLU passes gradient at zero. The operations here replace all three.
//! Activations lie as `[batch, height, width, channels]` and kernels as `[height, width, input
//! channels, output channels]`, so that one pixel's channels are neighbours in memory and a
//! convolution is a matrix product of pixels with the kernel.
//!
//! **What a layer puts out for an image depends neither on its batch, nor on the number of threads, nor
//! on the width of the processor's vectors.** Every sum of products is one chain of fused multiply-adds
//! in a fixed order, and sums over images are taken in groups that follow from the shape of the batch
//! alone. Cached and freshly computed activations are therefore equal to the last bit. Gradients depend
//! neither on threads nor on vectors. With [`Algorithm::WinogradSix`] images may share tiles on the way
//! back, so that an image's gradient has errors relative to the largest values of those beside it.
//!
//! In the order in which one meets them:
//!
//! - [`Maps`]: the activations of a batch, in memory that a [`BufferPool`] hands out again; a [`MapsView`]
//!   shows some of their channels.
//! - [`ConvolutionGeometry`]: the shape of a convolution on one image.
//! - [`Convolution`]: such a shape with an [`Algorithm`]; forward, and the gradients of input and
//!   kernel. They read a [`PreparedKernel`] and a [`PreparedGradientKernel`].
//! - [`Activation`]: nothing, ReLU, ReLU6 or SiLU, and their gradients; [`column_sums`] of a gradient are
//!   that of a bias.
//! - [`Normalized`]: batch normalisation, from [`channel_statistics`], and its gradient.
//! - [`max_pool()`], [`max_pool_with_places`], [`average_pool()`], [`dense()`], [`add()`] and their gradients.
//!
//! ```
//! use std::sync::Arc;
//!
//! use thaw_conv::{
//!     Activation, Algorithm, BufferPool, Convolution, ConvolutionGeometry, Maps, Padding,
//! };
//!
//! let convolution = Convolution {
//!     geometry: ConvolutionGeometry {
//!         height: 3,
//!         width: 4,
//!         input_channels: 1,
//!         output_channels: 1,
//!         kernel: 3,
//!         stride: 1,
//!         padding: Padding::symmetric(1),
//!         groups: 1,
//!     },
//!     algorithm: Algorithm::Direct,
//! };
//! let memory = Arc::new(BufferPool::default());
//! let mut input = Maps::new(&memory, [1, 3, 4, 1]);
//! input.values_mut().fill(1.0);
//! let mut output = Maps::new(&memory, [1, 3, 4, 1]);
//! let kernel = convolution.prepare(&[1.0; 9]);
//! convolution.forward(input.view(), &kernel, &[-5.0], Activation::Relu, &mut output, 0);
//! // Four or six ones lie under the kernel at the edge, nine in the middle. The bias takes five,
//! // and ReLU what is below zero.
//! let expected = [
//!     0.0, 1.0, 1.0, 0.0, //
//!     1.0, 4.0, 4.0, 1.0, //
//!     0.0, 1.0, 1.0, 0.0,
//! ];
//! assert_eq!(output.values(), expected);
//! ```

mod activation;
mod allocation;
mod arithmetic;
mod batch_norm;
mod buffer;
mod convolution;
mod dense;
mod depthwise;
mod direct;
mod elementwise;
mod geometry;
mod maps;
mod padded;
mod pool;
mod product;
mod scratch;
mod simd;
mod storage;
mod strided;
mod winograd;

pub use activation::{Activation, column_sums};
pub use allocation::{give_back_freed_memory, keep_freed_memory};
pub use batch_norm::{
    ChannelStatistics, NormalizationGradient, Normalized, channel_statistics, scale_and_shift,
};
pub use buffer::BufferPool;
pub use convolution::{Accumulate, Algorithm, Convolution, PreparedGradientKernel, PreparedKernel};
pub use dense::{add_dense_weights_gradient, dense, dense_forward, dense_input_gradient};
pub use elementwise::add;
pub use geometry::{ConvolutionGeometry, Padding};
pub use maps::{Maps, MapsView};
pub use pool::{
    Places, PoolGeometry, average_pool, average_pool_gradient, max_pool, max_pool_gradient,
    max_pool_with_places,
};
pub use storage::{with_all_values, with_values};
