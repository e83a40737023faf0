//! Batch normalisation by channel (Ioffe & Szegedy 2015) and its gradient.
//!
//! With `x̂ = (x − μ)/√(σ² + ε)` and `y = γ·x̂ + β`, μ and σ² those of the `N` values of the batch,
//! and `g` the gradient of `y`: `dβ = Σ g`, `dγ = Σ g·x̂`, and `dx = γ/√(σ² + ε) · (g − dβ/N −
//! x̂·dγ/N)`.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Activation;
use crate::activation::group_of_rows;
use crate::maps::Maps;
use crate::simd::vectorized;

/// Mean and variance of each channel of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// Means.
    pub mean: Vec<f32>,
    /// Variances, divided by the number of values.
    pub variance: Vec<f32>,
    /// Number of values of a channel.
    pub count: usize,
}

/// Mean and variance of each channel. Each group of rows is read twice while it is in the cache; the
/// groups' moments are put together in order (Chan, Golub & LeVeque 1979, equation 2.1).
pub fn channel_statistics(maps: &Maps) -> ChannelStatistics {
    let channels = maps.shape()[3];
    let groups: Vec<[Vec<f32>; 2]> = maps
        .values()
        .par_chunks(group_of_rows(channels))
        .map(|rows| {
            let (mut sums, mut squares) = (vec![0f32; channels], vec![0f32; channels]);
            vectorized(Moments { rows, sums: &mut sums, squares: &mut squares });
            [sums, squares]
        })
        .collect();
    let (mut count, mut mean, mut squares) = (0.0, vec![0f64; channels], vec![0f64; channels]);
    for (rows, [group_mean, group_squares]) in
        maps.values().chunks(group_of_rows(channels)).zip(&groups)
    {
        let added = (rows.len() / channels) as f64;
        let total = count + added;
        for (channel, (mean, squares)) in mean.iter_mut().zip(&mut squares).enumerate() {
            let distance = f64::from(group_mean[channel]) - *mean;
            *mean += distance * added / total;
            *squares +=
                f64::from(group_squares[channel]) + distance * distance * count * added / total;
        }
        count = total;
    }
    ChannelStatistics {
        mean: mean.into_iter().map(|mean| mean as f32).collect(),
        variance: squares.into_iter().map(|squares| (squares / count) as f32).collect(),
        count: count as usize,
    }
}

/// The mean of each column and the sum of squared distances from it.
struct Moments<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
    squares: &'a mut [f32],
}

impl WithSimd for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rows, sums, squares } = self;
        let channels = sums.len();
        for row in rows.chunks_exact(channels) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let count = (rows.len() / channels) as f32;
        sums.iter_mut().for_each(|sum| *sum /= count);
        for row in rows.chunks_exact(channels) {
            for ((squares, value), mean) in squares.iter_mut().zip(row).zip(sums.iter()) {
                let distance = value - mean;
                *squares += distance * distance;
            }
        }
    }
}

/// Writes `activation(scale·x + shift)`, by channel.
pub fn scale_and_shift(
    input: &Maps,
    scale: &[f32],
    shift: &[f32],
    activation: Activation,
    output: &mut Maps,
) {
    let length = group_of_rows(scale.len());
    output.values_mut().par_chunks_mut(length).zip(input.values().par_chunks(length)).for_each(
        |(output, input)| {
            vectorized(ScaleAndShift { input, scale, shift, activation, output });
        },
    );
}

struct ScaleAndShift<'a> {
    input: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    activation: Activation,
    output: &'a mut [f32],
}

impl WithSimd for ScaleAndShift<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { input, scale, shift, activation, output } = self;
        match activation {
            Activation::Linear => each_row(input, scale, shift, output, |value| value),
            Activation::Relu => {
                each_row(input, scale, shift, output, |value| Activation::Relu.apply(value))
            }
            Activation::Relu6 => {
                each_row(input, scale, shift, output, |value| Activation::Relu6.apply(value))
            }
            Activation::Silu => {
                each_row(input, scale, shift, output, |value| Activation::Silu.apply(value))
            }
        }
    }
}

#[inline(always)]
fn each_row(
    input: &[f32],
    scale: &[f32],
    shift: &[f32],
    output: &mut [f32],
    activation: impl Fn(f32) -> f32,
) {
    let channels = scale.len();
    for (output, input) in output.chunks_exact_mut(channels).zip(input.chunks_exact(channels)) {
        let factors = scale.iter().zip(shift);
        for ((output, input), (scale, shift)) in output.iter_mut().zip(input).zip(factors) {
            *output = activation(input * scale + shift);
        }
    }
}

/// What a batch was normalised by.
#[derive(Clone, Debug)]
pub struct Normalized {
    mean: Vec<f32>,
    /// 1 / √(σ² + ε).
    inverse_deviation: Vec<f32>,
    /// γ / √(σ² + ε).
    pub scale: Vec<f32>,
    /// β − μ·γ / √(σ² + ε).
    pub shift: Vec<f32>,
}

/// Gradients of a normalisation.
#[derive(Clone, Debug)]
pub struct NormalizationGradient {
    /// Gradient of γ.
    pub of_gamma: Vec<f32>,
    /// Gradient of β.
    pub of_beta: Vec<f32>,
}

impl Normalized {
    /// The normalisation by some statistics.
    pub fn new(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f64) -> Self {
        let of_variance = |variance: &f32| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32;
        let inverse_deviation: Vec<f32> = variance.iter().map(of_variance).collect();
        let scale: Vec<f32> =
            gamma.iter().zip(&inverse_deviation).map(|(gamma, inverse)| gamma * inverse).collect();
        let of_channel = beta.iter().zip(mean).zip(&scale);
        let shift = of_channel.map(|((beta, mean), scale)| beta - mean * scale).collect();
        Self { mean: mean.to_vec(), inverse_deviation, scale, shift }
    }

    /// Turns the gradient behind the activation into that of the input that was normalised by its own
    /// statistics.
    pub fn gradient(
        &self,
        input: &Maps,
        activation: Activation,
        gradient: &mut Maps,
    ) -> NormalizationGradient {
        let channels = self.scale.len();
        let count = (input.values().len() / channels) as f64;
        let length = group_of_rows(channels);
        let partial: Vec<[Vec<f32>; 2]> = gradient
            .values_mut()
            .par_chunks_mut(length)
            .zip(input.values().par_chunks(length))
            .map(|(gradient, input)| {
                let mut sums = [vec![0f32; channels], vec![0f32; channels]];
                let [plain, weighted] = &mut sums;
                let normalized = self;
                vectorized(BeforeActivation {
                    normalized,
                    activation,
                    input,
                    gradient,
                    plain,
                    weighted,
                });
                sums
            })
            .collect();
        let mut totals = [vec![0f64; channels], vec![0f64; channels]];
        for partial in &partial {
            for (totals, partial) in totals.iter_mut().zip(partial) {
                totals.iter_mut().zip(partial).for_each(|(total, sum)| *total += f64::from(*sum));
            }
        }
        let [of_beta, weighted] = totals;
        let of_gamma: Vec<f64> = weighted
            .iter()
            .zip(&self.inverse_deviation)
            .map(|(weighted, inverse)| weighted * f64::from(*inverse))
            .collect();
        // dx = scale·g + slope·x + constant.
        let (mut slope, mut constant) = (vec![0f32; channels], vec![0f32; channels]);
        for channel in 0..channels {
            let (scale, inverse) =
                (f64::from(self.scale[channel]), f64::from(self.inverse_deviation[channel]));
            let of_input = -scale * inverse * of_gamma[channel] / count;
            slope[channel] = of_input as f32;
            constant[channel] = (-scale * of_beta[channel] / count
                - of_input * f64::from(self.mean[channel])) as f32;
        }
        let (slope, constant) = (&slope, &constant);
        gradient
            .values_mut()
            .par_chunks_mut(length)
            .zip(input.values().par_chunks(length))
            .for_each(|(gradient, input)| {
                vectorized(OfInput { scale: &self.scale, slope, constant, input, gradient });
            });
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        NormalizationGradient { of_gamma: single(of_gamma), of_beta: single(of_beta) }
    }
}

/// Turns the gradient behind the activation into that before it, and sums it up by channel, plain
/// and weighted with the distance of the input from its mean.
struct BeforeActivation<'a> {
    normalized: &'a Normalized,
    activation: Activation,
    input: &'a [f32],
    gradient: &'a mut [f32],
    plain: &'a mut [f32],
    weighted: &'a mut [f32],
}

impl WithSimd for BeforeActivation<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        match self.activation {
            Activation::Linear => self.rows(|_| 1.0),
            Activation::Relu => self.rows(|value| Activation::Relu.derivative(value)),
            Activation::Relu6 => self.rows(|value| Activation::Relu6.derivative(value)),
            Activation::Silu => self.rows(|value| Activation::Silu.derivative(value)),
        }
    }
}

impl BeforeActivation<'_> {
    #[inline(always)]
    fn rows(&mut self, derivative: impl Fn(f32) -> f32) {
        let channels = self.plain.len();
        let Normalized { mean, scale, shift, .. } = self.normalized;
        let (mean, scale, shift) = (&mean[..channels], &scale[..channels], &shift[..channels]);
        let (plain, weighted) = (&mut self.plain[..channels], &mut self.weighted[..channels]);
        let rows = self.gradient.chunks_exact_mut(channels).zip(self.input.chunks_exact(channels));
        for (gradient, input) in rows {
            for channel in 0..channels {
                let before = gradient[channel]
                    * derivative(input[channel] * scale[channel] + shift[channel]);
                gradient[channel] = before;
                plain[channel] += before;
                weighted[channel] += before * (input[channel] - mean[channel]);
            }
        }
    }
}

/// `scale·g + slope·x + constant`, by channel, in the place of g.
struct OfInput<'a> {
    scale: &'a [f32],
    slope: &'a [f32],
    constant: &'a [f32],
    input: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for OfInput<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.scale.len();
        let (scale, slope, constant) =
            (&self.scale[..channels], &self.slope[..channels], &self.constant[..channels]);
        let rows = self.gradient.chunks_exact_mut(channels).zip(self.input.chunks_exact(channels));
        for (gradient, input) in rows {
            for channel in 0..channels {
                gradient[channel] = gradient[channel] * scale[channel]
                    + (input[channel] * slope[channel] + constant[channel]);
            }
        }
    }
}
