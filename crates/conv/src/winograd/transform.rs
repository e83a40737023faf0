//! The algorithms' linear maps, and `matrix · patch · matrixᵀ` on vectors of channels.

use std::ops::{Add, Mul, Sub};

use pulp::Simd;

use crate::arithmetic::Place;
use crate::simd::prefetch;

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

/// Points up to which the processor keeps up with what is read or written at each of them.
pub(super) const MOST_STREAMS: usize = 25;

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

/// F(4, 3): points 0, 1, −1, 2, −2 and ∞ (Lavin & Gray 2016, section 4.3).
pub(super) struct F4;

impl Minimal<6, 4> for F4 {
    type Pixels = PixelsFour;
    type Kernel = KernelFour;
    type Output = OutputFour;
    type OutputGradient = OutputGradientFour;
    type KernelGradient = KernelGradientFour;
}

const TWELFTH: f32 = 1.0 / 12.0;
const TWENTY_FOURTH: f32 = 1.0 / 24.0;

linear! {
    PixelsFour [6 by 6]: [a, b, c, d, e, f] => {
        let (even, odd) = (e.plus(-4.0, c), d.plus(-4.0, b));
        let (even_two, odd_two) = (e - c, d - b);
        [
            e.plus(-5.0, c).plus(4.0, a), even + odd, even - odd, even_two.plus(2.0, odd_two),
            even_two.plus(-2.0, odd_two), f.plus(-5.0, d).plus(4.0, b),
        ]
    };
    KernelFour [6 by 3]: [a, b, c] => {
        let (one, two) = (-SIXTH * (a + c), TWENTY_FOURTH * a.plus(4.0, c));
        [0.25 * a, one.plus(-SIXTH, b), one.plus(SIXTH, b), two.plus(TWELFTH, b), two.plus(-TWELFTH, b), c]
    };
    OutputFour [4 by 6]: [a, b, c, d, e, f] => {
        let (one, two) = (b + c, d + e);
        let (minus_one, minus_two) = (b - c, d - e);
        [a + one + two, minus_one.plus(2.0, minus_two), one.plus(4.0, two), (minus_one + f).plus(8.0, minus_two)]
    };
    OutputGradientFour [6 by 4]: [a, b, c, d] => {
        let (one, minus_one) = (a + c, b + d);
        let (two, minus_two) = (a.plus(4.0, c), 2.0 * b.plus(4.0, d));
        [a, one + minus_one, one - minus_one, two + minus_two, two - minus_two, d]
    };
    KernelGradientFour [3 by 6]: [a, b, c, d, e, f] => {
        let (one, two) = (b + c, d + e);
        let (minus_one, minus_two) = (c - b, d - e);
        [
            (0.25 * a).plus(-SIXTH, one).plus(TWENTY_FOURTH, two), (SIXTH * minus_one).plus(TWELFTH, minus_two),
            f.plus(SIXTH, two - one),
        ]
    };
}

/// F(6, 3): points 0, 1, −1, 2, −2, ½, −½ and ∞, by the same construction as [`F3`].
pub(super) struct F6;

impl Minimal<8, 6> for F6 {
    type Pixels = PixelsSix;
    type Kernel = KernelSix;
    type Output = OutputSix;
    type OutputGradient = OutputGradientSix;
    type KernelGradient = KernelGradientSix;
}

linear! {
    PixelsSix [8 by 8]: [a, b, c, d, e, f, g, h] => {
        let (one, minus_one) = ((c + g).plus(-4.25, e), (b + f).plus(-4.25, d));
        let (two, minus_two) = (g.plus(0.25, c.plus(-5.0, e)), (0.5 * b).plus(-2.5, d).plus(2.0, f));
        let (half, minus_half) = (g.plus(4.0, c.plus(-1.25, e)), (2.0 * b).plus(-2.5, d).plus(0.5, f));
        [
            (a - g).plus(5.25, e - c), one + minus_one, one - minus_one, two + minus_two, two - minus_two,
            half + minus_half, half - minus_half, (h - b).plus(5.25, d - f),
        ]
    };
    KernelSix [8 by 3]: [a, b, c] => {
        let one = -2.0 / 9.0 * (a + c);
        let (two, half) = (1.0 / 90.0 * a.plus(4.0, c), 32.0 / 45.0 * a.plus(0.25, c));
        [
            a, one.plus(-2.0 / 9.0, b), one.plus(2.0 / 9.0, b), two.plus(1.0 / 45.0, b), two.plus(-1.0 / 45.0, b),
            half.plus(16.0 / 45.0, b), half.plus(-16.0 / 45.0, b), c,
        ]
    };
    OutputSix [6 by 8]: [a, b, c, d, e, f, g, h] => {
        let (one, two, half) = (b + c, d + e, f + g);
        let (minus_one, minus_two, minus_half) = (b - c, d - e, f - g);
        [
            a + one + two + half, minus_one.plus(2.0, minus_two).plus(0.5, minus_half),
            one.plus(4.0, two).plus(0.25, half), minus_one.plus(8.0, minus_two).plus(0.125, minus_half),
            one.plus(16.0, two).plus(0.0625, half), (minus_one + h).plus(32.0, minus_two).plus(0.03125, minus_half),
        ]
    };
    OutputGradientSix [8 by 6]: [a, b, c, d, e, f] => {
        let (one, minus_one) = (a + c + e, b + d + f);
        let (two, minus_two) = (a.plus(4.0, c.plus(4.0, e)), 2.0 * b.plus(4.0, d.plus(4.0, f)));
        let (half, minus_half) = (a.plus(0.25, c.plus(0.25, e)), 0.5 * b.plus(0.25, d.plus(0.25, f)));
        [a, one + minus_one, one - minus_one, two + minus_two, two - minus_two, half + minus_half, half - minus_half, f]
    };
    KernelGradientSix [3 by 8]: [a, b, c, d, e, f, g, h] => {
        let (one, two, half) = (b + c, d + e, f + g);
        let (minus_one, minus_two, minus_half) = (c - b, d - e, f - g);
        [
            a.plus(-2.0 / 9.0, one).plus(1.0 / 90.0, two).plus(32.0 / 45.0, half),
            (2.0 / 9.0 * minus_one).plus(1.0 / 45.0, minus_two).plus(16.0 / 45.0, minus_half),
            h.plus(-2.0 / 9.0, one).plus(2.0 / 45.0, two).plus(8.0 / 45.0, half),
        ]
    };
}

/// A column of `matrix · patch · matrixᵀ`, from `patch · matrixᵀ`: the patch's rows with the matrix
/// applied to each. A large patch does not fit into the registers; column by column, its result at least need not
/// go to the stack.
///
/// Plain loops here and where it is called: they are unrolled, and a closure would not be compiled
/// for the vectors of the function that it is in.
#[inline(always)]
pub(super) fn column<S: Simd, L: Linear<R, C>, const R: usize, const C: usize>(
    simd: S,
    rows: &[[Channels<S>; R]; C],
    column: usize,
) -> [Channels<S>; R] {
    let mut vectors = [Channels::zero(simd); C];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        *vector = row[column];
    }
    L::times(vectors)
}

/// Writes `matrix · patch · matrixᵀ`, from `patch · matrixᵀ`, to its place at the points, which are
/// `step` vectors apart.
#[inline(always)]
pub(super) fn write_points<S: Simd, L: Linear<R, C>, const R: usize, const C: usize>(
    simd: S,
    place: Place,
    rows: &[[Channels<S>; R]; C],
    points: &mut [S::f32s],
    step: usize,
) {
    #[inline(always)]
    fn write<S: Simd, L: Linear<R, C>, const R: usize, const C: usize>(
        simd: S,
        place: Place,
        rows: &[[Channels<S>; R]; C],
        points: &mut [S::f32s],
        step: usize,
    ) {
        for at in 0..R {
            for (row, vector) in column::<S, L, R, C>(simd, rows, at).into_iter().enumerate() {
                let point = &mut points[(row * R + at) * step];
                // The next vector's is its neighbour.
                if R * R > MOST_STREAMS {
                    prefetch(point, 1);
                }
                place.write(simd, vector.values, point);
            }
        }
    }
    // A loop for each place, or every vector would ask for its own.
    match place {
        Place::Number => write::<S, L, R, C>(simd, Place::Number, rows, points, step),
        Place::First => write::<S, L, R, C>(simd, Place::First, rows, points, step),
        Place::Second => write::<S, L, R, C>(simd, Place::Second, rows, points, step),
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
                    // The elements of G are rounded to 32 bits; all others are exact.
                    let rounding: f64 =
                        (0..P).map(|p| at(p).abs() * f64::from(f32::EPSILON) / 2.0).sum();
                    assert!(
                        difference.abs() <= rounding,
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
        is_exact::<6, 4, F4>();
        is_exact::<8, 6, F6>();
    }
}
