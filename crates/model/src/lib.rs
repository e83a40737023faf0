//! What is trained: convolutional bases and their weights files, the head, losses, initial values,
//! RMSprop, and the audit of freezing.

mod architecture;
mod audit;
mod base;
mod comparison;
mod composed;
mod error;
mod formats;
mod gradients;
mod head;
mod layout;
mod loss;
mod rmsprop;
mod tape;
mod weights;

pub use architecture::{Block, BlockShape, Filter, Layer, blocks, shapes, tensor_shapes};
pub use audit::{audit, audit_phase, drift};
pub use base::{Base, Parameter};
pub use comparison::{Comparison, TensorComparison, compare};
pub use error::ModelError;
pub use gradients::Gradients;
pub use head::{Head, HeadTape, Mode, glorot_uniform};
pub use loss::Loss;
pub use rmsprop::RmsProp;
pub use tape::Tape;
pub use thaw_conv::keep_freed_memory;
pub use weights::{Weights, export, weights_file};
