//! Max-pool and average pool.

use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::{
    Activation, Maps, PoolGeometry, average_pool, average_pool_gradient, max_pool,
    max_pool_gradient, max_pool_with_places,
};

use super::{
    Context, Cost, InputGradient, Layer, MapShape, MaskedBy, OutputGradient, Recorded, Scaling,
    composed,
};
use crate::ModelError;
use crate::head::Mode;

/// One value for each window, by channel.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// The value.
    pub kind: PoolKind,
    /// The windows.
    pub geometry: PoolGeometry,
}

/// What a pool makes of a window. What lies outside the input is neither largest nor counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest value.
    Max,
    /// The mean.
    Average,
}

impl Layer for Pool {
    /// The shape of its output; nothing where the window is larger than the padded input.
    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        let PoolGeometry { window, padding, .. } = self.geometry;
        if input.height.min(input.width) + 2 * padding < window {
            return None;
        }
        let output = MapShape {
            height: self.geometry.output_length(input.height),
            width: self.geometry.output_length(input.width),
            ..input
        };
        cost.output(output, 1);
        Some(output)
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        let mut output = Maps::new(&context.buffers, self.geometry.output_shape(input.shape()));
        match self.kind {
            PoolKind::Max => max_pool(self.geometry, input, &mut output),
            PoolKind::Average => average_pool(self.geometry, input, &mut output),
        }
        Ok(output)
    }

    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
        _: MaskedBy,
    ) -> Result<Recorded<'a>, ModelError> {
        let (geometry, shape) = (self.geometry, input.shape());
        let PoolKind::Max = self.kind else {
            return Ok(Recorded {
                output: Arc::new(self.forward(context, &input)?),
                activation: Activation::Linear,
                backward: Box::new(move |_, gradient, wanted| {
                    if wanted == InputGradient::Unneeded {
                        return Ok(None);
                    }
                    let mut result = Maps::new(&context.transient, shape);
                    average_pool_gradient(geometry, &gradient.behind(), &mut result);
                    Ok(Some(OutputGradient::of(result)))
                }),
            });
        };
        let mut output = Maps::new(&context.buffers, geometry.output_shape(shape));
        let places = max_pool_with_places(geometry, &input, &mut output);
        let output = Arc::new(output);
        let kept = output.clone();
        Ok(Recorded {
            output,
            activation: Activation::Linear,
            backward: Box::new(move |_, gradient, wanted| {
                let InputGradient::Needed(before) = wanted else { return Ok(None) };
                let gradient = gradient.behind();
                let mut maps = Maps::new(&context.transient, shape);
                max_pool_gradient(before, &places, &kept, &gradient, &mut maps);
                Ok(Some(OutputGradient { maps, before }))
            }),
        })
    }

    fn masks_without_its_input(&self) -> bool {
        self.kind == PoolKind::Max
    }

    fn compose(&self, _: &Context, _: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.kind {
            PoolKind::Max => composed::max_pool(self.geometry, input)?,
            PoolKind::Average => composed::average_pool(self.geometry, input)?,
        })
    }

    fn scaling(&self) -> Scaling {
        Scaling::OfInput
    }
}
