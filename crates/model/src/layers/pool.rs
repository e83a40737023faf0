//! Max-pool and average pool.

use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::{
    Maps, PoolGeometry, average_pool, average_pool_gradient, max_pool, max_pool_gradient,
};

use super::{Context, Cost, InputGradient, Layer, MapShape, Recorded, Scaling, composed};
use crate::ModelError;
use crate::head::Mode;

/// The largest value under each window, by channel. Nothing outside the input is ever the largest.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool(pub PoolGeometry);

/// The mean of the values under each window, by channel; what lies outside the input is not counted.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool(pub PoolGeometry);

/// The shape behind a pool; nothing where the window is larger than the padded input.
fn pooled(geometry: PoolGeometry, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
    let fits = |length: usize| length + 2 * geometry.padding >= geometry.window;
    if !(fits(input.height) && fits(input.width)) {
        return None;
    }
    let output = MapShape {
        height: geometry.output_length(input.height),
        width: geometry.output_length(input.width),
        ..input
    };
    cost.output(output, 1);
    Some(output)
}

impl Layer for MaxPool {
    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        pooled(self.0, input, cost)
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        let mut output = Maps::new(&context.buffers, self.0.output_shape(input.shape()));
        max_pool(self.0, input, &mut output);
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
            backward: Box::new(move |_, gradient, wanted| {
                Ok((wanted == InputGradient::Needed).then(|| {
                    let mut result = Maps::new(&context.buffers, input.shape());
                    max_pool_gradient(self.0, &input, &kept, &gradient, &mut result);
                    result
                }))
            }),
        })
    }

    fn compose(&self, _: &Context, _: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(composed::max_pool(self.0, input)?)
    }

    fn scaling(&self) -> Scaling {
        Scaling::OfInput
    }
}

impl Layer for AveragePool {
    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        pooled(self.0, input, cost)
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        let mut output = Maps::new(&context.buffers, self.0.output_shape(input.shape()));
        average_pool(self.0, input, &mut output);
        Ok(output)
    }

    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
    ) -> Result<Recorded<'a>, ModelError> {
        let output = Arc::new(self.forward(context, &input)?);
        let shape = input.shape();
        Ok(Recorded {
            output,
            backward: Box::new(move |_, gradient, wanted| {
                Ok((wanted == InputGradient::Needed).then(|| {
                    let mut result = Maps::new(&context.buffers, shape);
                    average_pool_gradient(self.0, &gradient, &mut result);
                    result
                }))
            }),
        })
    }

    fn compose(&self, _: &Context, _: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(composed::average_pool(self.0, input)?)
    }

    fn scaling(&self) -> Scaling {
        Scaling::OfInput
    }
}
