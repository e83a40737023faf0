//! Max-pool and average pool.

use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::{
    Activation, Maps, PoolGeometry, average_pool, average_pool_gradient, max_pool,
    max_pool_gradient,
};

use super::{
    Context, Cost, InputGradient, Layer, MapShape, OutputGradient, Recorded, Scaling, composed,
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
    ) -> Result<Recorded<'a>, ModelError> {
        let output = Arc::new(self.forward(context, &input)?);
        let kept = output.clone();
        Ok(Recorded {
            output,
            activation: Activation::Linear,
            backward: Box::new(move |_, gradient, wanted| {
                let InputGradient::Needed(activation) = wanted else { return Ok(None) };
                let gradient = gradient.behind();
                let (geometry, mut result) =
                    (self.geometry, Maps::new(&context.gradients, input.shape()));
                Ok(Some(match self.kind {
                    PoolKind::Max => {
                        max_pool_gradient(
                            geometry,
                            activation,
                            &input,
                            &kept,
                            &gradient,
                            &mut result,
                        );
                        OutputGradient { maps: result, before: activation }
                    }
                    PoolKind::Average => {
                        average_pool_gradient(geometry, &gradient, &mut result);
                        OutputGradient::of(result)
                    }
                }))
            }),
        })
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
