//! Batch normalisation (Ioffe & Szegedy 2015), `y = γ·(x − μ) / √(σ² + ε) + β` by channel, in its
//! two modes: with the moving statistics, as in evaluation, or with those of the batch, as in
//! training, where they also move the moving ones.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use thaw_conv::{
    Activation, BufferPool, ChannelStatistics, Maps, NormalizationGradient, Normalized,
    channel_statistics, scale_and_shift,
};
use thaw_spec::TensorRole;

use super::{Context, Initial, TensorSpec};
use crate::head::Mode;
use crate::{Gradients, ModelError};

/// The normalisation of a convolution's output.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Name of the layer; its tensors are `<name>.weight` (γ), `<name>.bias` (β),
    /// `<name>.running_mean` (μ) and `<name>.running_var` (σ²).
    pub name: String,
    /// Number of channels.
    pub channels: usize,
    /// ε.
    pub epsilon: f64,
}

/// What a forward pass by a batch's statistics kept.
pub(crate) struct Kept<'a> {
    layer: &'a BatchNorm,
    input: Maps,
    normalized: Normalized,
    activation: Activation,
}

impl BatchNorm {
    fn tensor(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.name)
    }

    /// The names of γ and β.
    pub(crate) fn affine_tensors(&self) -> [String; 2] {
        ["weight", "bias"].map(|suffix| self.tensor(suffix))
    }

    /// The names of μ and σ².
    fn statistics(&self) -> [String; 2] {
        ["running_mean", "running_var"].map(|suffix| self.tensor(suffix))
    }

    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let [weight, bias] = self.affine_tensors();
        let [mean, variance] = self.statistics();
        let tensors = [
            (weight, TensorRole::Weight, 1.0),
            (bias, TensorRole::Weight, 0.0),
            (mean, TensorRole::Statistic, 0.0),
            (variance, TensorRole::Statistic, 1.0),
        ];
        let spec = |(name, role, initial)| TensorSpec {
            name,
            shape: vec![self.channels],
            role,
            initial: Initial::Constant(initial),
        };
        tensors.map(spec).to_vec()
    }

    /// The normalisation by the moving statistics.
    pub(crate) fn by_moving_statistics(&self, context: &Context) -> Result<Normalized, ModelError> {
        let [mean, variance] = self.statistics().map(|name| context.numbers(&name));
        self.by_statistics(context, &mean?, &variance?)
    }

    fn by_statistics(
        &self,
        context: &Context,
        mean: &[f32],
        variance: &[f32],
    ) -> Result<Normalized, ModelError> {
        let [gamma, beta] = self.affine_tensors().map(|name| context.numbers(&name));
        Ok(Normalized::new(&gamma?, &beta?, mean, variance, self.epsilon))
    }

    /// The normalisation of some sums by their own statistics, which move the moving ones, followed
    /// by an activation, in that memory; and what the way back needs.
    pub(crate) fn forward<'a>(
        &'a self,
        context: &'a Context,
        memory: &Arc<BufferPool>,
        input: Maps,
        activation: Activation,
    ) -> Result<(Maps, Kept<'a>), ModelError> {
        let ChannelStatistics { mean, variance, count } = channel_statistics(&input);
        let normalized = self.by_statistics(context, &mean, &variance)?;
        let tensor = |values| Tensor::from_vec(values, self.channels, &Device::Cpu);
        self.follow(context, &tensor(mean)?, &tensor(variance)?, count)?;
        let mut output = Maps::new(memory, input.shape());
        scale_and_shift(&input, &normalized.scale, &normalized.shift, activation, &mut output);
        Ok((output, Kept { layer: self, input, normalized, activation }))
    }

    /// Moves the moving statistics, where they may move, towards those of a batch of `count` values
    /// by channel, of which the variance is the population's.
    fn follow(
        &self,
        context: &Context,
        mean: &Tensor,
        variance: &Tensor,
        count: usize,
    ) -> Result<(), ModelError> {
        if count < 2 {
            return Err(ModelError::SingleValue { layer: self.name.clone() });
        }
        let of_batch = [mean.clone(), (variance * context.moving.variance.correction(count))?];
        for (name, of_batch) in self.statistics().iter().zip(of_batch) {
            if let Some(moving) = &context.parameter(name).variable {
                let share = context.moving.share_of(context.next_update(name));
                let kept = (moving.as_tensor() * (1.0 - share))?;
                moving.set(&(kept + (of_batch * share)?)?)?;
            }
        }
        Ok(())
    }

    /// The normalisation by Candle's operations, along the last dimension: by the batch in training,
    /// by the moving statistics in evaluation.
    pub(crate) fn compose(
        &self,
        context: &Context,
        mode: Mode,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let [gamma, beta] = self.affine_tensors().map(|name| mode.tracked(context.value(&name)));
        let [mean, variance] = match mode {
            Mode::Evaluation => self.statistics().map(|name| context.value(&name).detach()),
            Mode::Training => {
                let values = input.reshape(((), self.channels))?;
                let mean = values.mean(0)?;
                let variance = values.broadcast_sub(&mean)?.sqr()?.mean(0)?;
                let count = values.dim(0)?;
                self.follow(context, &mean.detach(), &variance.detach(), count)?;
                [mean, variance]
            }
        };
        let scale = (gamma / (variance + self.epsilon)?.sqrt()?)?;
        Ok(input.broadcast_sub(&mean)?.broadcast_mul(&scale)?.broadcast_add(&beta)?)
    }
}

impl Kept<'_> {
    /// Turns the gradient behind the activation into that of the input, and adds those of γ and β to
    /// the others. What is added to all values of a channel changes nothing, so the gradient of the
    /// input sums to zero by channel.
    pub(crate) fn backward(
        self,
        context: &Context,
        gradients: &mut Gradients,
        mut gradient: Maps,
    ) -> Result<Maps, ModelError> {
        let Self { layer, input, normalized, activation } = self;
        let NormalizationGradient { of_gamma, of_beta } =
            normalized.gradient(&input, activation, &mut gradient);
        for (name, values) in layer.affine_tensors().iter().zip([of_gamma, of_beta]) {
            let weight = context.value(name);
            let values = Tensor::from_vec(values, weight.shape(), &Device::Cpu)?;
            gradients.store.insert(weight, values);
        }
        Ok(gradient)
    }
}
