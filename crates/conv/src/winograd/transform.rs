//! The algorithms' linear maps, and `matrix · patch · matrixᵀ` on vectors of channels.

use std::ops::{Add, Mul, Sub};

use pulp::Simd;

use crate::arithmetic::Place;

/// A vector of channels with the operators that formulas are written in.
#[derive(Clone, Copy)]
pub(super) struct Channels<S: Simd> {
    simd: S,
    pub(super) values: S::f32s,
}

impl<S: Simd> Channels<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, values: S::f32s) -> Self {
        Self { simd, values }
    }

    #[inline(always)]
    pub(super) fn zero(simd: S) -> Self {
        Self::new(simd, simd.splat_f32s(0.0))
    }

    /// `self + factor · other`, rounded once.
    #[inline(always)]
    fn plus(self, factor: f32, other: Self) -> Self {
        Self::new(
            self.simd,
            self.simd.mul_add_f32s(self.simd.splat_f32s(factor), other.values, self.values),
        )
    }
}

impl<S: Simd> Add for Channels<S> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::new(self.simd, self.simd.add_f32s(self.values, other.values))
    }
}

impl<S: Simd> Sub for Channels<S> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self::new(self.simd, self.simd.sub_f32s(self.values, other.values))
    }
}

impl<S: Simd> Mul<Channels<S>> for f32 {
    type Output = Channels<S>;

    #[inline(always)]
    fn mul(self, vector: Channels<S>) -> Channels<S> {
        Channels::new(
            vector.simd,
            vector.simd.mul_f32s(vector.simd.splat_f32s(self), vector.values),
        )
    }
}

/// An `R × C` matrix, applied to vectors.
pub(super) trait Linear<const R: usize, const C: usize> {
    fn times<S: Simd>(vectors: [Channels<S>; C]) -> [Channels<S>; R];
}

/// A minimal algorithm F(m, 3): `M` outputs of a 3-tap filter from `P = M + 2` multiplications,
/// `Aᵀ[(G g) ⊙ (Bᵀ d)]`.
pub(super) trait Minimal<const P: usize, const M: usize> {
    /// Bᵀ, from pixels to the points of interpolation.
    type Pixels: Linear<P, P>;
    /// G, from the taps of a kernel to the points.
    type Kernel: Linear<P, 3>;
    /// Aᵀ, from the products at the points to outputs.
    type Output: Linear<M, P>;
    /// A, for gradients of outputs.
    type OutputGradient: Linear<P, M>;
    /// Gᵀ, for gradients of kernels.
    type KernelGradient: Linear<3, P>;
}

/// Defines a matrix by what it does to a vector.
macro_rules! linear {
    ($($name:ident [$rows:literal by $columns:literal]: $vector:tt => $result:expr;)*) => {
        $(
            pub(super) struct $name;

            impl Linear<$rows, $columns> for $name {
                #[inline(always)]
                fn times<S: Simd>($vector: [Channels<S>; $columns]) -> [Channels<S>; $rows] {
                    $result
                }
            }
        )*
    };
}

/// F(2, 3): points 0, 1, −1 and ∞ (Lavin & Gray 2016, equation 7).
pub(super) struct F2;

impl Minimal<4, 2> for F2 {
    type Pixels = PixelsTwo;
    type Kernel = KernelTwo;
    type Output = OutputTwo;
    type OutputGradient = OutputGradientTwo;
    type KernelGradient = KernelGradientTwo;
}

linear! {
    PixelsTwo [4 by 4]: [a, b, c, d] => [a - c, b + c, c - b, b - d];
    KernelTwo [4 by 3]: [a, b, c] => {
        let outer = 0.5 * (a + c);
        [a, outer.plus(0.5, b), outer.plus(-0.5, b), c]
    };
    OutputTwo [2 by 4]: [a, b, c, d] => [a + b + c, b - c - d];
    OutputGradientTwo [4 by 2]: [a, b] => [a, a + b, a - b, -1.0 * b];
    KernelGradientTwo [3 by 4]: [a, b, c, d] => {
        let (sum, difference) = (0.5 * (b + c), 0.5 * (b - c));
        [a + sum, difference, d + sum]
    };
}

/// F(3, 3): points 0, 1, −1, 2 and ∞, by the construction of Toom and Cook that Winograd 1980
/// describes.
pub(super) struct F3;

impl Minimal<5, 3> for F3 {
    type Pixels = PixelsThree;
    type Kernel = KernelThree;
    type Output = OutputThree;
    type OutputGradient = OutputGradientThree;
    type KernelGradient = KernelGradientThree;
}

const SIXTH: f32 = 1.0 / 6.0;
const THIRD: f32 = 1.0 / 3.0;

linear! {
    PixelsThree [5 by 5]: [a, b, c, d, e] => {
        let step = d - b;
        [step.plus(2.0, a - c), (d - c).plus(-2.0, b), (d - c).plus(2.0, b - c), step, (e - c).plus(-2.0, step)]
    };
    KernelThree [5 by 3]: [a, b, c] => {
        let outer = a + c;
        [0.5 * a, -0.5 * (outer + b), SIXTH * (b - outer), (SIXTH * a).plus(THIRD, b.plus(2.0, c)), c]
    };
    OutputThree [3 by 5]: [a, b, c, d, e] => {
        let sum = b + c;
        [a + sum + d, (b - c).plus(2.0, d), (sum + e).plus(4.0, d)]
    };
    OutputGradientThree [5 by 3]: [a, b, c] => {
        let outer = a + c;
        [a, outer + b, outer - b, a.plus(2.0, b.plus(2.0, c)), c]
    };
    KernelGradientThree [3 by 5]: [a, b, c, d, e] => {
        let sixth = SIXTH * (d - c);
        [sixth.plus(0.5, a - b), SIXTH * c.plus(2.0, d).plus(-3.0, b), (e - 0.5 * b).plus(2.0 * THIRD, d).plus(-SIXTH, c)]
    };
}

/// `matrix · patch · matrixᵀ`.
///
/// Plain loops: they are unrolled, and a closure would not be compiled for the vectors of the
/// function that it is in.
#[inline(always)]
pub(super) fn on_both_sides<S: Simd, L: Linear<R, C>, const R: usize, const C: usize>(
    simd: S,
    patch: &[[Channels<S>; C]; C],
) -> [[Channels<S>; R]; R] {
    let zero = Channels::zero(simd);
    let mut half = [[zero; R]; C];
    for row in 0..C {
        half[row] = L::times(patch[row]);
    }
    let mut result = [[zero; R]; R];
    for column in 0..R {
        let mut vectors = [zero; C];
        for row in 0..C {
            vectors[row] = half[row][column];
        }
        let values = L::times(vectors);
        for row in 0..R {
            result[row][column] = values[row];
        }
    }
    result
}

/// Writes the vectors at all points to their place, `step` vectors apart.
#[inline(always)]
pub(super) fn write_points<S: Simd, const R: usize>(
    simd: S,
    place: Place,
    vectors: &[[Channels<S>; R]; R],
    points: &mut [S::f32s],
    step: usize,
) {
    #[inline(always)]
    fn write<S: Simd, const R: usize>(
        simd: S,
        place: Place,
        vectors: &[[Channels<S>; R]; R],
        points: &mut [S::f32s],
        step: usize,
    ) {
        for (row, vectors) in vectors.iter().enumerate() {
            for (column, vector) in vectors.iter().enumerate() {
                place.write(simd, vector.values, &mut points[(row * R + column) * step]);
            }
        }
    }
    // A loop for each place, or every vector would ask for its own.
    match place {
        Place::Number => write(simd, Place::Number, vectors, points, step),
        Place::First => write(simd, Place::First, vectors, points, step),
        Place::Second => write(simd, Place::Second, vectors, points, step),
    }
}

#[cfg(test)]
#[expect(clippy::needless_range_loop, reason = "formulas with indices")]
mod tests {
    use super::*;

    /// The elements of a matrix, read off its columns.
    fn matrix<L: Linear<R, C>, const R: usize, const C: usize>() -> [[f32; C]; R] {
        let mut result = [[0.0; C]; R];
        for column in 0..C {
            let unit = std::array::from_fn(|row| {
                Channels::new(pulp::Scalar, if row == column { 1.0 } else { 0.0 })
            });
            for (row, value) in L::times(unit).into_iter().enumerate() {
                result[row][column] = value.values;
            }
        }
        result
    }

    /// The identity that makes an algorithm: for every tap and pixel, Σ over points of `Aᵀ G Bᵀ` is
    /// 1 where the tap meets the pixel and 0 elsewhere. It is linear in both, so it holds for all
    /// kernels and images if it holds for single taps and pixels.
    fn is_exact<const P: usize, const M: usize, A: Minimal<P, M>>() {
        let (pixels, kernel, outputs) =
            (matrix::<A::Pixels, P, P>(), matrix::<A::Kernel, P, 3>(), matrix::<A::Output, M, P>());
        for output in 0..M {
            for tap in 0..3 {
                for pixel in 0..P {
                    let at = |p: usize| {
                        f64::from(outputs[output][p])
                            * f64::from(kernel[p][tap])
                            * f64::from(pixels[p][pixel])
                    };
                    let expected = if pixel == output + tap { 1.0 } else { 0.0 };
                    let difference = (0..P).map(at).sum::<f64>() - expected;
                    assert!(
                        difference.abs() < 1e-7,
                        "output {output}, tap {tap}, pixel {pixel}: off by {difference}"
                    );
                }
            }
        }
        let (kernel_gradient, output_gradient) =
            (matrix::<A::KernelGradient, 3, P>(), matrix::<A::OutputGradient, P, M>());
        for point in 0..P {
            (0..3).for_each(|tap| {
                assert!(
                    (kernel_gradient[tap][point] - kernel[point][tap]).abs() < 1e-7,
                    "G at {point}, {tap}"
                )
            });
            (0..M).for_each(|output| {
                assert_eq!(
                    output_gradient[point][output], outputs[output][point],
                    "A at {point}, {output}"
                )
            });
        }
    }

    #[test]
    fn the_matrices_compute_a_correlation_and_its_gradients() {
        is_exact::<4, 2, F2>();
        is_exact::<5, 3, F3>();
    }
}
