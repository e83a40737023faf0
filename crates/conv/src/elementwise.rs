//! Operations on each number by itself.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Activation;
use crate::activation::ELEMENTS_PER_TASK;
use crate::maps::Maps;
use crate::simd::vectorized;

/// Replaces `sum` by `activation(sum + other)`; both have one shape.
pub fn add(sum: &mut Maps, other: &Maps, activation: Activation) {
    let parts = sum.values_mut().par_chunks_mut(ELEMENTS_PER_TASK);
    parts.zip(other.values().par_chunks(ELEMENTS_PER_TASK)).for_each(|(sum, other)| {
        vectorized(Add { sum, other, activation });
    });
}

struct Add<'a> {
    sum: &'a mut [f32],
    other: &'a [f32],
    activation: Activation,
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pairs = self.sum.iter_mut().zip(self.other);
        match self.activation {
            Activation::Linear => pairs.for_each(|(sum, other)| *sum += other),
            Activation::Relu => pairs.for_each(|(sum, other)| {
                *sum = Activation::Relu.apply(*sum + other);
            }),
            Activation::Relu6 => pairs.for_each(|(sum, other)| {
                *sum = Activation::Relu6.apply(*sum + other);
            }),
            Activation::Silu => pairs.for_each(|(sum, other)| {
                *sum = Activation::Silu.apply(*sum + other);
            }),
        }
    }
}
