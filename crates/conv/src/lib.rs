//! The layers of a convolutional base as differentiable Candle operations for the CPU.
//!
//! Candle's own CPU convolution is several times slower than the arithmetic needs, its max-pool has a wrong gradient and its ReLU
//! passes gradient at zero. The operations here replace all three. Activations lie as `[batch, height, width, channels]` and kernels as
//! `[height, width, input channels, output channels]`, so that one pixel's channels are neighbours in memory and a convolution is a
//! matrix product of pixels with the kernel.
//!
//! **An image's result does not depend on its batch, nor on the number of threads.** Work is divided into pieces whose borders follow
//! from the shape of one image alone, each piece is one single-threaded product, and sums over images are taken in a fixed order.
//! Cached and freshly computed activations are therefore equal to the last bit.

mod allocation;
mod convolution;
mod dense;
mod im2row;
mod pool;
mod product;
mod storage;

pub use allocation::keep_freed_memory;
pub use convolution::{Activation, ConvolutionGeometry, convolution};
pub use dense::dense;
pub use pool::{PoolGeometry, max_pool};

/// The name of the convolution's algorithm, for a run's provenance.
pub const ALGORITHM: &str = "nhwc-im2row-gemm";
