//! Layers one after the other, as one.

use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::Maps;

use super::{Context, Cost, Layer, Layers, MapShape, MaskedBy, Recorded, Scaling, TensorSpec};
use crate::ModelError;
use crate::head::Mode;

/// Layers one after the other.
#[derive(Debug)]
pub struct Sequence(pub Layers);

impl Layer for Sequence {
    fn tensors(&self) -> Vec<TensorSpec> {
        self.0.iter().flat_map(|layer| layer.tensors()).collect()
    }

    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        self.0.iter().try_fold(input, |shape, layer| layer.shape(shape, cost))
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        Ok(super::forward(&self.0, context, input)?.unwrap_or_else(|| input.copy()))
    }

    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
        masked_by: MaskedBy,
    ) -> Result<Recorded<'a>, ModelError> {
        super::forward_on_tape(&self.0, context, input, masked_by)
    }

    fn masks_without_its_input(&self) -> bool {
        self.0.first().is_some_and(|layer| layer.masks_without_its_input())
    }

    fn compose(&self, context: &Context, mode: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        super::compose(&self.0, context, mode, input)
    }

    fn scaling(&self) -> Scaling {
        super::scaling(&self.0)
    }
}
