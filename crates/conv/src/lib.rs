//! The layers of a convolutional base as differentiable Candle operations for the CPU.
//!
//! Candle's own CPU convolution is several times slower than the arithmetic needs, its max-pool has
//! a wrong gradient and its ReLU passes gradient at zero. The operations here replace all three.
//! Activations lie as `[batch, height, width, channels]` and kernels as `[height, width, input
//! channels, output channels]`, so that one pixel's channels are neighbours in memory and a
//! convolution is a matrix product of pixels with the kernel.
//!
//! **An image's result depends neither on its batch, nor on the number of threads, nor on the width
//! of the processor's vectors.** Every sum of products is one chain of fused multiply-adds in a
//! fixed order, and sums over images are taken in groups of fixed size. Cached and freshly computed
//! activations are therefore equal to the last bit.

mod activation;
mod allocation;
mod buffer;
mod convolution;
mod dense;
mod direct;
mod geometry;
mod maps;
mod max_pool;
mod product;
mod scratch;
mod simd;
mod storage;
mod winograd;

pub use activation::Activation;
pub use allocation::keep_freed_memory;
pub use buffer::BufferPool;
pub use convolution::{Accumulate, Algorithm, Convolution, PreparedKernel};
pub use dense::{add_dense_weights_gradient, dense, dense_forward, dense_input_gradient};
pub use geometry::ConvolutionGeometry;
pub use maps::{Maps, MapsView};
pub use max_pool::{PoolGeometry, max_pool, max_pool_gradient};
pub use storage::{with_all_values, with_values};
