//! How products multiply and add: 32-bit floats, or pairs of numbers in bfloat16.
//!
//! A pair lies in the bits of an `f32`, its first number in the lower half and its second in the
//! upper one. To a sum in 32 bits it adds the product of the second numbers, then that of the first
//! ones, each by a fused multiply-add. This is what AVX-512 BF16 does with one instruction
//! (`VDPBF16PS`), at the cost of one multiply-add. Other processors execute two: the bits are the
//! same, but for numbers below 1.2·10⁻³⁸, which that instruction takes for zero.

use pulp::{Simd, WithSimd};

use crate::simd::vectorized;

/// What the elements of a product's sides are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elements {
    /// 32-bit floats.
    Numbers,
    /// Pairs in bfloat16.
    Pairs,
}

/// Where a vector of numbers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// All 32 bits.
    Number,
    /// The first of each pair, and zero to the second.
    First,
    /// The second of each pair.
    Second,
}

/// The bits of the second number of a pair.
const SECOND: u32 = 0xffff_0000;

impl Place {
    /// Writes numbers there. In pairs they are rounded to bfloat16, ties away from zero.
    #[inline(always)]
    pub(crate) fn write<S: Simd>(self, simd: S, numbers: S::f32s, elements: &mut S::f32s) {
        let rounded = simd.add_u32s(simd.transmute_u32s_f32s(numbers), simd.splat_u32s(1 << 15));
        *elements = match self {
            Self::Number => numbers,
            Self::First => {
                simd.transmute_f32s_u32s(simd.wrapping_dyn_shr_u32s(rounded, simd.splat_u32s(16)))
            }
            Self::Second => simd.transmute_f32s_u32s(simd.or_u32s(
                simd.and_u32s(rounded, simd.splat_u32s(SECOND)),
                simd.transmute_u32s_f32s(*elements),
            )),
        };
    }
}

/// A way to multiply and add.
pub(crate) trait Arithmetic<S: Simd>: Copy {
    /// `left · right + sum`, of one pair of vectors.
    fn multiply_add(self, simd: S, left: S::f32s, right: S::f32s, sum: S::f32s) -> S::f32s;
}

/// Code that runs with vectors of any width and any arithmetic.
pub(crate) trait WithArithmetic {
    fn with_arithmetic<S: Simd, A: Arithmetic<S>>(self, simd: S, arithmetic: A);
}

/// Runs code with the widest vectors that the processor has, and its instruction for pairs.
pub(crate) fn run(elements: Elements, code: impl WithArithmetic) {
    match elements {
        Elements::Numbers => vectorized(OnNumbers(code)),
        Elements::Pairs => {
            #[cfg(target_arch = "x86_64")]
            if let Some(native) = native::NativePairs::detected() {
                return native.run(code);
            }
            vectorized(OnPairs(code));
        }
    }
}

/// Code on 32-bit floats.
struct OnNumbers<C>(C);

impl<C: WithArithmetic> WithSimd for OnNumbers<C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.with_arithmetic(simd, Numbers);
    }
}

/// Code on pairs, with what every processor has.
struct OnPairs<C>(C);

impl<C: WithArithmetic> WithSimd for OnPairs<C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.with_arithmetic(simd, Pairs);
    }
}

/// 32-bit floats.
#[derive(Clone, Copy)]
pub(crate) struct Numbers;

impl<S: Simd> Arithmetic<S> for Numbers {
    #[inline(always)]
    fn multiply_add(self, simd: S, left: S::f32s, right: S::f32s, sum: S::f32s) -> S::f32s {
        simd.mul_add_f32s(left, right, sum)
    }
}

/// Pairs, by two instructions.
#[derive(Clone, Copy)]
pub(crate) struct Pairs;

impl<S: Simd> Arithmetic<S> for Pairs {
    #[inline(always)]
    fn multiply_add(self, simd: S, left: S::f32s, right: S::f32s, sum: S::f32s) -> S::f32s {
        let first = |pairs| {
            let bits = simd.transmute_u32s_f32s(pairs);
            simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(16)))
        };
        let second = |pairs| {
            let bits = simd.transmute_u32s_f32s(pairs);
            simd.transmute_f32s_u32s(simd.and_u32s(bits, simd.splat_u32s(SECOND)))
        };
        let sum = simd.mul_add_f32s(second(left), second(right), sum);
        simd.mul_add_f32s(first(left), first(right), sum)
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod native {
    use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};
    use std::sync::LazyLock;

    use pulp::f32x16;
    use pulp::x86::V4;

    use super::{Arithmetic, WithArithmetic};

    /// Pairs, by one instruction. There is one only where the processor has that.
    #[derive(Clone, Copy)]
    pub(crate) struct NativePairs(V4);

    impl NativePairs {
        pub(crate) fn detected() -> Option<Self> {
            static DETECTED: LazyLock<Option<V4>> = LazyLock::new(|| {
                V4::try_new().filter(|_| std::is_x86_feature_detected!("avx512bf16"))
            });
            DETECTED.map(Self)
        }

        pub(super) fn run(self, code: impl WithArithmetic) {
            /// The features of [`V4`], and one more.
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
            #[target_feature(enable = "fma,bmi1,bmi2,lzcnt,popcnt")]
            fn run(native: NativePairs, code: impl WithArithmetic) {
                code.with_arithmetic(native.0, native);
            }
            #[expect(unsafe_code, reason = "the processor has the features, or there is no self")]
            unsafe {
                run(self, code);
            }
        }
    }

    impl Arithmetic<V4> for NativePairs {
        #[inline(always)]
        fn multiply_add(self, _: V4, left: f32x16, right: f32x16, sum: f32x16) -> f32x16 {
            let sum: __m512 = pulp::cast(sum);
            #[expect(unsafe_code, reason = "the processor has the feature; all bits are pairs")]
            let sum = unsafe {
                let [left, right] =
                    [left, right].map(|pairs| std::mem::transmute::<f32x16, __m512bh>(pairs));
                _mm512_dpbf16_ps(sum, left, right)
            };
            pulp::cast(sum)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds numbers to pairs, half of them first.
    struct Round<'a>(&'a [f32], &'a mut [f32]);

    impl WithSimd for Round<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (first, second) = self.0.split_at(self.0.len() / 2);
            for (place, numbers) in [(Place::First, first), (Place::Second, second)] {
                let (numbers, pairs) = (S::as_simd_f32s(numbers).0, S::as_mut_simd_f32s(self.1).0);
                for (numbers, pairs) in numbers.iter().zip(pairs) {
                    place.write(simd, *numbers, pairs);
                }
            }
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_of_bfloat16() {
        // 1 and the next numbers of bfloat16 are 2⁻⁷ apart; halfway the one away from zero.
        let step = 2f32.powi(-7);
        let cases = [
            (1.0, 1.0),
            (1.0 + 0.49 * step, 1.0),
            (1.0 + 0.5 * step, 1.0 + step),
            (-1.0 - 0.5 * step, -1.0 - step),
            (1.0 + 0.51 * step, 1.0 + step),
            (2.0 - 0.25 * step, 2.0),
            (0.0, 0.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ];
        for (number, expected) in cases {
            let mut pairs = [f32::NAN; 16];
            vectorized(Round(&[number; 32], &mut pairs));
            for pair in pairs {
                let [first, second] =
                    [pair.to_bits() << 16, pair.to_bits() & SECOND].map(f32::from_bits);
                assert_eq!([first, second], [expected; 2], "{number}");
            }
        }
        let mut pairs = [0.0; 16];
        vectorized(Round(&[f32::NAN; 32], &mut pairs));
        assert!(pairs.iter().all(|pair| f32::from_bits(pair.to_bits() << 16).is_nan()));
    }
}
