//! A residual connection (He et al. 2016, *Deep Residual Learning for Image Recognition*).

use std::sync::Arc;

use candle_core::Tensor;
use thaw_conv::{Activation, Maps, add};

use super::{
    Context, Cost, InputGradient, Layer, Layers, MapShape, MaskedBy, OutputGradient, Recorded,
    Scaling, TensorSpec, composed,
};
use crate::ModelError;
use crate::head::Mode;

/// `activation(branch(x) + shortcut(x))`; without layers in the shortcut, it is `x`.
#[derive(Debug)]
pub struct Residual {
    /// Layers of the branch, one or more.
    pub branch: Layers,
    /// Layers of the shortcut, if it has some.
    pub shortcut: Layers,
    /// What follows the sum, told by its output ([`Activation::is_told_by_output`]).
    pub activation: Activation,
}

impl Layer for Residual {
    fn tensors(&self) -> Vec<TensorSpec> {
        self.branch.iter().chain(&self.shortcut).flat_map(|layer| layer.tensors()).collect()
    }

    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        let mut through = |layers: &Layers| {
            layers.iter().try_fold(input, |shape, layer| layer.shape(shape, cost))
        };
        let (branch, shortcut) = (through(&self.branch)?, through(&self.shortcut)?);
        cost.output(branch, 1);
        (branch == shortcut).then_some(branch)
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        let shortcut = super::forward(&self.shortcut, context, input)?;
        let mut sum = match super::forward(&self.branch, context, input)? {
            Some(branch) => branch,
            None => input.copy(),
        };
        add(&mut sum, shortcut.as_ref().unwrap_or(input), self.activation);
        Ok(sum)
    }

    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
        masked_by: MaskedBy,
    ) -> Result<Recorded<'a>, ModelError> {
        let shortcut =
            super::forward_on_tape(&self.shortcut, context, input.clone(), MaskedBy::Itself)?;
        let branch = super::forward_on_tape(&self.branch, context, input, MaskedBy::Itself)?;
        // A layer may need its output on the way back.
        let mut sum = Arc::try_unwrap(branch.output).unwrap_or_else(|kept| kept.copy());
        add(&mut sum, &shortcut.output, self.activation);
        let output = Arc::new(sum);
        let kept = masked_by.kept(self.activation, &output);
        let (through_branch, through_shortcut) = (branch.backward, shortcut.backward);
        Ok(Recorded {
            output,
            activation: self.activation,
            backward: Box::new(move |gradients, gradient, wanted| {
                let gradient = gradient.masked(self.activation, kept.as_deref());
                // Both ways' gradients of the input are added behind what made it.
                let of_each = match wanted {
                    InputGradient::Needed(_) => InputGradient::Needed(Activation::Linear),
                    InputGradient::Unneeded => InputGradient::Unneeded,
                };
                let copy = OutputGradient::of(gradient.copy());
                let of_branch = through_branch(gradients, copy, of_each)?;
                let of_shortcut =
                    through_shortcut(gradients, OutputGradient::of(gradient), of_each)?;
                Ok(match (of_branch, of_shortcut) {
                    (Some(branch), Some(shortcut)) => {
                        let mut sum = branch.behind();
                        add(&mut sum, &shortcut.behind(), Activation::Linear);
                        Some(OutputGradient::of(sum))
                    }
                    _ => None,
                })
            }),
        })
    }

    fn compose(&self, context: &Context, mode: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        let shortcut = super::compose(&self.shortcut, context, mode, input)?;
        let branch = super::compose(&self.branch, context, mode, input)?;
        Ok(composed::activation(self.activation, &(branch + shortcut)?)?)
    }

    fn scaling(&self) -> Scaling {
        // Without layers in the shortcut both ways would have to be multiplied at their beginning.
        let of_both = [&self.branch, &self.shortcut].map(super::scaling);
        match of_both {
            [Scaling::OfTensors(branch), Scaling::OfTensors(shortcut)]
                if self.activation.commutes_with_positive_factors() =>
            {
                Scaling::OfTensors(branch.into_iter().chain(shortcut).collect())
            }
            _ => Scaling::None,
        }
    }
}
