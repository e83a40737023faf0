//! The backward pass of a base.
//!
//! It is written out instead of being left to Candle's graph, which holds every gradient in fresh
//! memory, fills that with zeros and adds: a seventh of a training step. Here a gradient is changed
//! in place, and its memory is used again for the next layer's.

use std::fmt;

use candle_core::Tensor;

use crate::layers::{Backward, Context, InputGradient, OutputGradient};
use crate::{Gradients, ModelError};

/// Activations that a forward pass of a base kept for its backward pass.
pub struct Tape<'a>(Option<Recording<'a>>);

/// What was kept, and the leaf that stands for the output in the graph that goes on from it.
struct Recording<'a> {
    context: &'a Context,
    backward: Backward<'a>,
    leaf: Tensor,
}

impl fmt::Debug for Tape<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaf = self.0.as_ref().map(|recording| &recording.leaf);
        formatter.debug_tuple("Tape").field(&leaf).finish()
    }
}

impl<'a> Tape<'a> {
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn new(context: &'a Context, backward: Backward<'a>, leaf: Tensor) -> Self {
        Self(Some(Recording { context, backward, leaf }))
    }

    /// Carries the gradient of the output, which must be among `gradients`, back to the variables,
    /// and adds theirs. Activations are given up on the way.
    ///
    /// # Errors
    /// When the output has no gradient.
    pub fn backward(self, gradients: &mut Gradients) -> Result<(), ModelError> {
        let Some(Recording { context, backward, leaf }) = self.0 else { return Ok(()) };
        let Some(gradient) = gradients.store.remove(&leaf) else {
            return Err(
                candle_core::Error::Msg("the loss does not depend on the base".to_owned()).into()
            );
        };
        // Nothing is variable before the first layer.
        let gradient = OutputGradient::of(context.gradient_maps(&gradient)?);
        backward(gradients, gradient, InputGradient::Unneeded)?;
        Ok(())
    }
}
