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
    /// `min(max(0, x), 6)` (Krizhevsky 2010, *Convolutional Deep Belief Networks on CIFAR-10*).
    Relu6,
    /// `x / (1 + e⁻ˣ)` (Elfwing, Uchibe & Doya 2018, *Sigmoid-Weighted Linear Units*).
    Silu,
}

/// Numbers of one task.
pub(crate) const ELEMENTS_PER_TASK: usize = 1 << 14;

/// Numbers of a group of whole rows. Its size does not depend on the number of threads, so that sums
/// do not either.
pub(crate) fn group_of_rows(columns: usize) -> usize {
    (ELEMENTS_PER_TASK / columns).max(1) * columns
}

impl Activation {
    /// Its value.
    #[inline(always)]
    pub(crate) fn apply(self, value: f32) -> f32 {
        match self {
            Self::Linear => value,
            // What is no number stays none.
            Self::Relu => {
                if value < 0.0 {
                    0.0
                } else {
                    value
                }
            }
            Self::Relu6 => value.clamp(0.0, 6.0),
            Self::Silu => value / (1.0 + (-value).exp()),
        }
    }

    /// Its derivative where its argument is `value`. Where there is a kink it is 0, as in PyTorch and
    /// TensorFlow.
    #[inline(always)]
    pub(crate) fn derivative(self, value: f32) -> f32 {
        match self {
            Self::Silu => {
                let sigmoid = 1.0 / (1.0 + (-value).exp());
                sigmoid * (1.0 + value * (1.0 - sigmoid))
            }
            _ if self.passes(value) => 1.0,
            _ => 0.0,
        }
    }

    /// Whether a gradient passes it where it put out `output`. Of SiLU the output does not tell.
    #[inline(always)]
    pub(crate) fn passes(self, output: f32) -> bool {
        match self {
            Self::Linear | Self::Silu => true,
            Self::Relu => output > 0.0,
            Self::Relu6 => output > 0.0 && output < 6.0,
        }
    }

    /// A vector of gradients where they pass, as [`Activation::passes`], and zeros elsewhere.
    #[inline(always)]
    pub(crate) fn mask_vector<S: Simd>(
        self,
        simd: S,
        output: S::f32s,
        gradient: S::f32s,
    ) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        let where_positive = || {
            let is_positive = simd.less_than_f32s(zero, output);
            simd.select_f32s(is_positive, gradient, zero)
        };
        match self {
            Self::Linear | Self::Silu => gradient,
            Self::Relu => where_positive(),
            Self::Relu6 => {
                let is_below = simd.less_than_f32s(output, simd.splat_f32s(6.0));
                simd.select_f32s(is_below, where_positive(), zero)
            }
        }
    }

    /// Its values on vectors. Of SiLU nothing is done: it follows as a pass of its own.
    #[inline(always)]
    pub(crate) fn vectors<S: Simd>(self, simd: S, vectors: &mut [S::f32s]) {
        // Loops, for the closure of a `map` may be compiled without the processor's vectors. NaN
        // second, so that it is kept: the instruction returns its second operand when one of them is
        // no number.
        let zero = simd.splat_f32s(0.0);
        match self {
            Self::Linear | Self::Silu => {}
            Self::Relu => {
                for values in vectors {
                    *values = simd.max_f32s(zero, *values);
                }
            }
            Self::Relu6 => {
                let six = simd.splat_f32s(6.0);
                for values in vectors {
                    *values = simd.min_f32s(six, simd.max_f32s(zero, *values));
                }
            }
        }
    }

    /// Whether what follows from a multiplied argument is the multiplied value, for positive
    /// factors.
    pub fn commutes_with_positive_factors(self) -> bool {
        matches!(self, Self::Linear | Self::Relu)
    }

    /// Whether its derivative follows from its value.
    pub fn is_told_by_output(self) -> bool {
        self != Self::Silu
    }

    /// Replaces values by their activations.
    pub fn apply_to(self, values: &mut [f32]) {
        if self == Self::Linear {
            return;
        }
        values.par_chunks_mut(ELEMENTS_PER_TASK).for_each(|values| {
            values.iter_mut().for_each(|value| *value = self.apply(*value));
        });
    }

    /// Turns the gradient behind the activation into the one before it, told as in
    /// [`Activation::gradient`].
    pub fn mask(self, told_by: &[f32], gradient: &mut [f32]) {
        if self == Self::Linear {
            return;
        }
        let parts = gradient.par_chunks_mut(ELEMENTS_PER_TASK);
        parts.zip(told_by.par_chunks(ELEMENTS_PER_TASK)).for_each(|(gradient, told_by)| {
            // As one row of many columns, whose sums nobody needs.
            let mut sums = vec![0f32; gradient.len()];
            vectorized(Mask { gradient, told_by, activation: self, sums: &mut sums });
        });
    }

    /// Turns the gradient behind the activation, `[rows, columns]`, into the one before it, and
    /// returns its column sums, which are the bias's gradient. ReLU's gradient at exactly 0 is 0,
    /// as in PyTorch and TensorFlow. It is told by the output, or where that does not tell it
    /// ([`Activation::is_told_by_output`]) by the argument.
    pub fn gradient(self, told_by: &[f32], gradient: &mut [f32], columns: usize) -> Vec<f32> {
        let group = group_of_rows(columns);
        let parts = gradient.par_chunks_mut(group).zip(told_by.par_chunks(group));
        let sums = parts.map(|(gradient, told_by)| {
            let mut sums = vec![0f32; columns];
            vectorized(Mask { gradient, told_by, activation: self, sums: &mut sums });
            sums
        });
        added_in_order(sums, columns)
    }
}

/// The sums of the columns of a gradient before an activation, `[rows, columns]`, which are the bias's
/// gradient, `[columns]`: with the bits that [`Activation::gradient`] gives.
///
/// # Panics
/// When there are no columns.
pub fn column_sums(gradient: &[f32], columns: usize) -> Vec<f32> {
    let sums = gradient.par_chunks(group_of_rows(columns)).map(|rows| {
        let mut sums = vec![0f32; columns];
        vectorized(AddRows { rows, sums: &mut sums });
        sums
    });
    added_in_order(sums, columns)
}

/// The sum of the sums of some groups.
fn added_in_order(sums: impl IndexedParallelIterator<Item = Vec<f32>>, columns: usize) -> Vec<f32> {
    let of_groups: Vec<Vec<f32>> = sums.collect();
    let mut total = vec![0f32; columns];
    for sums in &of_groups {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// Adds rows to sums.
struct AddRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rows, sums } = self;
        for row in rows.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// Lets the gradient through where the activation changes with its argument, and adds up columns.
struct Mask<'a> {
    gradient: &'a mut [f32],
    /// The output, or the argument.
    told_by: &'a [f32],
    activation: Activation,
    sums: &'a mut [f32],
}

impl WithSimd for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { gradient, told_by, activation, sums } = self;
        let columns = sums.len();
        for (gradient, told_by) in
            gradient.chunks_exact_mut(columns).zip(told_by.chunks_exact(columns))
        {
            for ((gradient, value), sum) in gradient.iter_mut().zip(told_by).zip(sums.iter_mut()) {
                *gradient = match activation {
                    Activation::Silu => *gradient * activation.derivative(*value),
                    _ if activation.passes(*value) => *gradient,
                    _ => 0.0,
                };
                *sum += *gradient;
            }
        }
    }
}
