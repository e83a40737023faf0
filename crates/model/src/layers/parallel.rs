//! Convolutions of one input side by side, their channels one after the other.

use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::{Accumulate, BufferPool, Maps};

use super::{
    Context, Convolution, Cost, InputGradient, Layer, MapShape, MaskedBy, OutputGradient, Recorded,
    Scaling, TensorSpec,
};
use crate::head::Mode;
use crate::{Gradients, ModelError};

/// Convolutions of one input, none of them normalised, whose outputs have one size and one
/// activation, told by its output ([`thaw_conv::Activation::is_told_by_output`]); each writes to its own channels of the output.
#[derive(Clone, Debug)]
pub struct Parallel(pub Vec<Convolution>);

impl Parallel {
    fn outputs(&self) -> usize {
        self.0.iter().map(|part| part.outputs).sum()
    }

    /// The output, in that memory.
    fn output(
        &self,
        context: &Context,
        memory: &Arc<BufferPool>,
        input: &Maps,
    ) -> Result<Maps, ModelError> {
        let geometry = self.0[0].on(context, input.view())?.geometry;
        let (height, width) = (geometry.output_height(), geometry.output_width());
        let shape = [input.shape()[0], height, width, self.outputs()];
        let mut output = Maps::new(memory, shape);
        let mut first_channel = 0;
        for part in &self.0 {
            part.write(context, input.view(), &mut output, first_channel)?;
            first_channel += part.outputs;
        }
        Ok(output)
    }
}

impl Layer for Parallel {
    fn tensors(&self) -> Vec<TensorSpec> {
        self.0.iter().flat_map(Layer::tensors).collect()
    }

    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        let mut output = None;
        for part in &self.0 {
            output = Some(part.shape(input, cost)?);
        }
        output.map(|output| MapShape { channels: self.outputs(), ..output })
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        self.output(context, &context.buffers, input)
    }

    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
        masked_by: MaskedBy,
    ) -> Result<Recorded<'a>, ModelError> {
        let output = Arc::new(self.output(context, masked_by.memory(context), &input)?);
        let activation = self.0[0].activation;
        let kept = masked_by.kept(activation, &output);
        let backward = move |gradients: &mut Gradients, gradient: OutputGradient, wanted| {
            let (gradient, sums) = gradient.masked_with_sums(activation, kept.as_deref());
            let mut result = (wanted != InputGradient::Unneeded)
                .then(|| Maps::new(&context.transient, input.shape()));
            let mut end = self.outputs();
            let mut accumulate = Accumulate::Overwrite;
            for part in self.0.iter().rev() {
                let channels = end - part.outputs..end;
                end = channels.start;
                let of_part = gradient.channels(channels.clone());
                part.add_gradients(context, gradients, input.view(), of_part, &sums[channels])?;
                if let Some(result) = &mut result {
                    part.input_gradient(context, input.view(), of_part, accumulate, result)?;
                }
                accumulate = Accumulate::Add;
            }
            Ok(result.map(OutputGradient::of))
        };
        Ok(Recorded { output, activation, backward: Box::new(backward) })
    }

    fn compose(&self, context: &Context, mode: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        let parts: Vec<Tensor> = self
            .0
            .iter()
            .map(|part| part.compose(context, mode, input))
            .collect::<Result<_, _>>()?;
        Ok(Tensor::cat(&parts, 3)?)
    }

    fn scaling(&self) -> Scaling {
        let mut tensors = Vec::new();
        for part in &self.0 {
            let Scaling::OfTensors(of_part) = part.scaling() else { return Scaling::None };
            tensors.extend(of_part);
        }
        Scaling::OfTensors(tensors)
    }
}
