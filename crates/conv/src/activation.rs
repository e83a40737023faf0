//! What follows the affine part of a layer, and its gradient.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::vectorized;

/// Function that follows the affine part of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The identity.
    Linear,
    /// `max(0, x)`.
    Relu,
}

const ELEMENTS_PER_TASK: usize = 1 << 14;

impl Activation {
    /// Turns the gradient behind the activation, `[rows, columns]`, into the one before it, and
    /// returns its column sums, which are the bias's gradient. ReLU's gradient at exactly 0 is 0,
    /// as in PyTorch and TensorFlow.
    pub fn gradient(self, output: &[f32], gradient: &mut [f32], columns: usize) -> Vec<f32> {
        // Sums are taken in groups whose size does not depend on the number of threads.
        let group = (ELEMENTS_PER_TASK / columns).max(1) * columns;
        let partial = gradient.par_chunks_mut(group).zip(output.par_chunks(group)).map(
            |(gradient, output)| {
                let mut sums = vec![0f32; columns];
                vectorized(Mask { gradient, output, activation: self, sums: &mut sums });
                sums
            },
        );
        let partial: Vec<Vec<f32>> = partial.collect();
        let mut sums = vec![0f32; columns];
        for partial in &partial {
            sums.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
        }
        sums
    }
}

/// Lets the gradient through where the activation did, and adds up columns.
struct Mask<'a> {
    gradient: &'a mut [f32],
    output: &'a [f32],
    activation: Activation,
    sums: &'a mut [f32],
}

impl WithSimd for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { gradient, output, activation, sums } = self;
        let columns = sums.len();
        for (gradient, output) in
            gradient.chunks_exact_mut(columns).zip(output.chunks_exact(columns))
        {
            for ((gradient, output), sum) in gradient.iter_mut().zip(output).zip(sums.iter_mut()) {
                *gradient =
                    if activation == Activation::Linear || *output > 0.0 { *gradient } else { 0.0 };
                *sum += *gradient;
            }
        }
    }
}
