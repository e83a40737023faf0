//! What is trained: convolutional bases and their weights files, the head, losses, initial values,
//! optimizers, and the audit of freezing.
//!
//! In the order in which one meets them:
//!
//! - [`Weights`]: the tensors of a base, from safetensors, PyTorch's state dict or Keras' HDF5, or
//!   those that come with thaw.
//! - [`Base`]: constant below its freeze boundary, variable above it; a list of [`Parameter`]s.
//!   [`tensors`] lists what it needs, [`shapes`] the sizes of its activations.
//! - [`Head`]: two dense layers behind the base, with a mask for dropout between.
//! - [`Loss`]: cross-entropy by image, in nats.
//! - [`Gradients`], completed by [`HeadTape`] and [`Tape`], and the [`Optimizer`] that applies them.
//! - [`audit()`]: which tensors were declared frozen, which the optimizer held, which moved.
//!
//! Activations are `[batch, height, width, channels]`, kernels `[height, width, input channels,
//! output channels]`, both 32-bit floats. Blocks are counted from 0 in ranges and from 1 in
//! messages. No image is read here and no random number is drawn: the caller hands them in.
//!
//! See [`Base::forward`] and [`audit()`] for examples.

mod audit;
mod base;
mod bases;
mod comparison;
mod error;
mod gradients;
mod head;
pub mod layers;
mod loss;
mod optimizers;
mod tape;
mod weights;

pub use audit::{audit, audit_phase, drift};
pub use base::{Base, Freezing};
pub use bases::{BlockShape, blocks_of_tensors, shapes, tensors};
pub use comparison::{
    Comparison, ComparisonOptions, ListedTensor, Listing, TensorComparison, UnreadableTensor,
    compare, list, list_bytes,
};
pub use error::ModelError;
pub use gradients::Gradients;
pub use head::{Head, HeadTape, Mode, glorot_uniform};
pub use layers::{Initial, Parameter, TensorSpec};
pub use loss::Loss;
pub use optimizers::{Optimizer, OptimizerState};
pub use tape::Tape;
pub use thaw_conv::{give_back_freed_memory, keep_freed_memory};
pub use weights::{OtherTensors, Weights, export, multiplied_tensors, weights_file};

/// The version of Candle that computes: the manifest demands exactly this one.
pub const CANDLE_VERSION: &str = "0.11.1";
