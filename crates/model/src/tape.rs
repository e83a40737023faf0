//! The backward pass of a base.
//!
//! It is written out instead of being left to Candle's graph, which holds every gradient in fresh
//! memory, fills that with zeros and adds: a seventh of a training step. Here a gradient is changed
//! in place, and its memory is used again for the next layer's.

use candle_core::{Device, Tensor};
use thaw_conv::{
    Accumulate, Activation, Convolution, Maps, MapsView, max_pool_gradient, with_values,
};

use crate::architecture::{Filter, Layer};
use crate::{Base, Gradients, ModelError};

/// Activations that a forward pass of a base kept for its backward pass.
#[derive(Debug)]
pub struct Tape<'a> {
    base: &'a Base,
    layers: Vec<SavedLayer<'a>>,
    /// Output of the last layer, and the leaf that stands for it in the graph that goes on from it.
    output: Option<(Maps, Tensor)>,
}

/// A layer of a forward pass with its input.
#[derive(Debug)]
pub(crate) struct SavedLayer<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) input: Maps,
    /// Output of a fire module's first convolution.
    pub(crate) squeezed: Option<Maps>,
}

impl<'a> Tape<'a> {
    pub(crate) fn empty(base: &'a Base) -> Self {
        Self { base, layers: Vec::new(), output: None }
    }

    pub(crate) fn new(
        base: &'a Base,
        layers: Vec<SavedLayer<'a>>,
        output: Maps,
        leaf: Tensor,
    ) -> Self {
        Self { base, layers, output: Some((output, leaf)) }
    }

    /// Carries the gradient of the output, which must be among `gradients`, back to the variables,
    /// and adds theirs. Activations are given up on the way.
    ///
    /// # Errors
    /// When the output has no gradient.
    pub fn backward(self, gradients: &mut Gradients) -> Result<(), ModelError> {
        let Some((mut output, leaf)) = self.output else { return Ok(()) };
        let Some(gradient) = gradients.store.remove(&leaf) else {
            return Err(
                candle_core::Error::Msg("the loss does not depend on the base".to_owned()).into()
            );
        };
        let mut gradient = self.base.maps(&gradient)?;
        for (number, saved) in self.layers.into_iter().enumerate().rev() {
            // Nothing is variable before the first layer.
            let needs_input_gradient = number > 0;
            let mut pass = BackwardPass { base: self.base, gradients, needs_input_gradient };
            gradient = pass.layer(&saved, &output, gradient)?;
            output = saved.input;
        }
        Ok(())
    }
}

/// The backward pass of one layer.
struct BackwardPass<'a> {
    base: &'a Base,
    gradients: &'a mut Gradients,
    needs_input_gradient: bool,
}

impl BackwardPass<'_> {
    /// The gradient of the input, or, where it is not needed, of anything.
    fn layer(
        &mut self,
        saved: &SavedLayer<'_>,
        output: &Maps,
        mut gradient: Maps,
    ) -> Result<Maps, ModelError> {
        let [.., channels] = output.shape();
        let input = &saved.input;
        let mut input_gradient = Maps::new(
            &self.base.buffers,
            if self.needs_input_gradient { input.shape() } else { [0; 4] },
        );
        match (saved.layer, &saved.squeezed) {
            (Layer::MaxPool(geometry), _) if self.needs_input_gradient => {
                max_pool_gradient(*geometry, input, output, &gradient, &mut input_gradient)
            }
            (Layer::MaxPool(_), _) => {}
            (Layer::Convolution(filter), _) => {
                let sums =
                    Activation::Relu.gradient(output.values(), gradient.values_mut(), channels);
                self.filter(filter, input.view(), gradient.view(), &sums)?;
                if self.needs_input_gradient {
                    self.input_gradient(
                        filter,
                        input.view(),
                        gradient.view(),
                        Accumulate::Overwrite,
                        &mut input_gradient,
                    )?;
                }
            }
            (Layer::Fire { squeeze, expand }, Some(squeezed)) => {
                let sums =
                    Activation::Relu.gradient(output.values(), gradient.values_mut(), channels);
                let mut between = Maps::new(&self.base.buffers, squeezed.shape());
                let mut end = channels;
                // From the last part, which is convolved by Winograd's algorithm and replaces, to
                // the first, which adds.
                for (filter, accumulate) in
                    expand.iter().zip([Accumulate::Add, Accumulate::Overwrite]).rev()
                {
                    let part = end - filter.outputs..end;
                    end = part.start;
                    self.filter(
                        filter,
                        squeezed.view(),
                        gradient.channels(part.clone()),
                        &sums[part.clone()],
                    )?;
                    self.input_gradient(
                        filter,
                        squeezed.view(),
                        gradient.channels(part),
                        accumulate,
                        &mut between,
                    )?;
                }
                let sums = Activation::Relu.gradient(
                    squeezed.values(),
                    between.values_mut(),
                    squeeze.outputs,
                );
                self.filter(squeeze, input.view(), between.view(), &sums)?;
                if self.needs_input_gradient {
                    self.input_gradient(
                        squeeze,
                        input.view(),
                        between.view(),
                        Accumulate::Overwrite,
                        &mut input_gradient,
                    )?;
                }
            }
            (Layer::Fire { .. }, None) => {
                unreachable!("a fire module is recorded with what lies between its convolutions")
            }
        }
        Ok(input_gradient)
    }

    /// The gradients of a filter's kernel and bias.
    fn filter(
        &mut self,
        filter: &Filter,
        input: MapsView<'_>,
        gradient: MapsView<'_>,
        sums: &[f32],
    ) -> Result<(), ModelError> {
        let own = &self.base.convolutions[&filter.name];
        let [kernel, bias] =
            [own.kernel, own.bias].map(|number| self.base.parameters()[number].value());
        let of_kernel = self.base.convolution(filter, input)?.kernel_gradient(input, gradient);
        self.gradients
            .store
            .insert(kernel, Tensor::from_vec(of_kernel, kernel.shape(), &Device::Cpu)?);
        self.gradients.store.insert(bias, Tensor::from_slice(sums, bias.shape(), &Device::Cpu)?);
        Ok(())
    }

    /// The gradient of a filter's input.
    fn input_gradient(
        &self,
        filter: &Filter,
        input: MapsView<'_>,
        gradient: MapsView<'_>,
        accumulate: Accumulate,
        result: &mut Maps,
    ) -> Result<(), ModelError> {
        let convolution: Convolution = self.base.convolution(filter, input)?;
        let kernel = self.base.parameters()[self.base.convolutions[&filter.name].kernel].value();
        let prepared =
            with_values(kernel, |kernel| convolution.prepare_for_input_gradient(kernel))?;
        convolution.input_gradient(gradient, &prepared, accumulate, result);
        Ok(())
    }
}
