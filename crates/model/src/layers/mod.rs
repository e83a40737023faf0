//! Layers. Each kind is a file that owns everything about itself: its tensors, the shape and cost of
//! its output, the forward and the backward pass by the hand-written operations of `thaw_conv`, and
//! the same layer composed of Candle's operations for devices that those do not run on.
//!
//! A new kind of layer is one new file here; a base of known layers needs none.

mod batch_norm;
mod composed;
mod context;
mod convolution;
mod parallel;
mod pool;
mod residual;
mod sequence;
mod tape;

use std::fmt;
use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::Maps;
use thaw_spec::TensorRole;

pub use batch_norm::BatchNorm;
pub(crate) use composed::{activation as composed_activation, dense as composed_dense};
pub use context::{Context, Parameter};
pub use convolution::{Convolution, Padding};
pub use parallel::Parallel;
pub use pool::{Pool, PoolKind};
pub use residual::Residual;
pub use sequence::Sequence;
pub(crate) use tape::forward_on_tape;
pub use tape::{Backward, InputGradient, MaskedBy, OutputGradient, Recorded};

use crate::ModelError;
use crate::head::Mode;

/// A layer of a base.
pub trait Layer: fmt::Debug + Send + Sync {
    /// Its tensors, in the order in which a base lists them.
    fn tensors(&self) -> Vec<TensorSpec> {
        Vec::new()
    }

    /// The shape of its output; nothing where the input is too small. What it costs is added.
    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape>;

    /// Its output as in evaluation: nothing is kept, and an image's values depend on no other.
    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError>;

    /// Its output as in training, and the way back. The last argument says who masks the gradient of the
    /// output.
    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
        masked_by: MaskedBy,
    ) -> Result<Recorded<'a>, ModelError>;

    /// Whether its way back masks the gradient of its input by any activation that is told by its output,
    /// and needs nothing of the input itself.
    fn masks_without_its_input(&self) -> bool {
        false
    }

    /// Its output by Candle's operations, `[batch, height, width, channels]` like its input; in
    /// training their graph is the tape.
    fn compose(&self, context: &Context, mode: Mode, input: &Tensor) -> Result<Tensor, ModelError>;

    /// How its output can be multiplied by a positive factor.
    fn scaling(&self) -> Scaling;
}

/// The layers of a sequence, in order.
pub type Layers = Vec<Box<dyn Layer>>;

/// A tensor that a layer needs.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Name, that of the layer and the tensor's own.
    pub name: String,
    /// Shape as in PyTorch's files; kernels are `[output, input, height, width]`.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: TensorRole,
    /// What it holds before any training.
    pub initial: Initial,
}

/// What a tensor holds before any training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Random numbers.
    Drawn,
    /// One number everywhere.
    Constant(f32),
}

/// Height, width and channels of one image's activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl MapShape {
    /// Number of its floats.
    pub fn floats(self) -> usize {
        self.height * self.width * self.channels
    }
}

/// What layers cost for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds of the forward pass.
    pub multiply_adds: u64,
    /// Floats in the outputs, as a measure of memory.
    pub activations: usize,
    /// Floats in the largest output.
    pub largest: usize,
}

impl Cost {
    /// Counts an output, so many times as training may keep it.
    pub fn output(&mut self, shape: MapShape, times: usize) {
        self.activations += times * shape.floats();
        self.largest = self.largest.max(shape.floats());
    }
}

/// How the output of a layer can be multiplied by a positive factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// By multiplying its input: it passes the factor on.
    OfInput,
    /// By multiplying these tensors.
    OfTensors(Vec<String>),
    /// Not at all.
    None,
}

/// The output of some layers, one after the other.
pub(crate) fn forward<'a>(
    layers: impl IntoIterator<Item = &'a Box<dyn Layer>>,
    context: &Context,
    input: &Maps,
) -> Result<Option<Maps>, ModelError> {
    let mut maps = None;
    for layer in layers {
        maps = Some(layer.forward(context, maps.as_ref().unwrap_or(input))?);
    }
    Ok(maps)
}

/// The output of some layers by Candle's operations.
pub(crate) fn compose<'a>(
    layers: impl IntoIterator<Item = &'a Box<dyn Layer>>,
    context: &Context,
    mode: Mode,
    input: &Tensor,
) -> Result<Tensor, ModelError> {
    layers.into_iter().try_fold(input.clone(), |input, layer| layer.compose(context, mode, &input))
}

/// The tensors that multiply the output of some layers, last layer first.
pub(crate) fn scaling<'a>(
    layers: impl IntoIterator<Item = &'a Box<dyn Layer>, IntoIter: DoubleEndedIterator>,
) -> Scaling {
    let mut from_the_end = layers.into_iter().rev().map(|layer| layer.scaling());
    from_the_end.find(|scaling| *scaling != Scaling::OfInput).unwrap_or(Scaling::OfInput)
}
