//! Numbers as files hold them: bits of a type. No library's conversion is used where it is not tested:
//! candle's of 8-bit floats does not end (0.11.1).

use std::borrow::Cow;
use std::fmt;

use safetensors::Dtype;

/// What the numbers of a tensor are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NumberType {
    /// A type that safetensors knows.
    Known(Dtype),
    /// Something else, in words; its bits can be compared all the same.
    Other(String),
}

impl fmt::Display for NumberType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(dtype) => formatter.write_str(&format!("{dtype:?}").to_lowercase()),
            Self::Other(name) => formatter.write_str(name),
        }
    }
}

/// A tensor's bits, the lowest byte first, in the order of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Numbers<'a> {
    pub(crate) number_type: NumberType,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Cow<'a, [u8]>,
}

impl Numbers<'_> {
    /// The values, integers of 64 bits rounded; nothing for types that are no numbers of this machine.
    pub(crate) fn values(&self) -> Option<Vec<f64>> {
        match self.number_type {
            NumberType::Known(dtype) => values(dtype, &self.bytes),
            NumberType::Other(_) => None,
        }
    }
}

/// Bits of a float of this type; nothing for other types and for floats of 8 bits.
pub(crate) fn float_width(number_type: &NumberType) -> Option<u32> {
    match number_type {
        NumberType::Known(Dtype::F16 | Dtype::BF16) => Some(16),
        NumberType::Known(Dtype::F32) => Some(32),
        NumberType::Known(Dtype::F64) => Some(64),
        _ => None,
    }
}

/// The nearest number that a float type has, ties to even. What goes to 16 bits goes through 32, as in
/// PyTorch; `half` itself drops the low bits of 64, which decide what lies just above a tie.
pub(crate) fn rounded(dtype: Dtype, value: f64) -> f64 {
    match dtype {
        Dtype::F16 => half::f16::from_f32(value as f32).to_f64(),
        Dtype::BF16 => half::bf16::from_f32(value as f32).to_f64(),
        Dtype::F32 => f64::from(value as f32),
        _ => value,
    }
}

/// Whether one type is binary16 and the other bfloat16.
pub(crate) fn are_halves(one: &NumberType, other: &NumberType) -> bool {
    let is = |number_type: &NumberType, dtype| *number_type == NumberType::Known(dtype);
    let are = |one, other| is(one, Dtype::F16) && is(other, Dtype::BF16);
    are(one, other) || are(other, one)
}

/// Whether there is a number that rounds to `half` in binary16 and to `bfloat` in bfloat16: rounding
/// keeps the order, so the numbers that round to `half` reach from the middle to its lower
/// neighbour to that to its upper one.
pub(crate) fn have_common_source(half: f64, bfloat: f64) -> bool {
    if half.is_nan() || bfloat.is_nan() {
        return half.is_nan() && bfloat.is_nan();
    }
    let number = half::f16::from_f64(half.abs());
    let neighbour = |bits: u16| half::f16::from_bits(bits).to_f64();
    let magnitude = half.abs();
    let lower = match number.to_bits().checked_sub(1) {
        Some(bits) if magnitude.is_finite() => f64::midpoint(neighbour(bits), magnitude),
        // What is beyond the largest number by half a step or more is infinite.
        Some(_) => 65_520.0,
        None => 0.0,
    };
    let upper = match number.to_bits() {
        bits if neighbour(bits + 1).is_finite() => f64::midpoint(magnitude, neighbour(bits + 1)),
        _ if magnitude.is_finite() => 65_520.0,
        _ => f64::INFINITY,
    };
    let (lower, upper) = if number.to_bits() == 0 { (-upper, upper) } else { (lower, upper) };
    let bfloat = if half < 0.0 { -bfloat } else { bfloat };
    (rounded(Dtype::BF16, lower)..=rounded(Dtype::BF16, upper)).contains(&bfloat)
}

/// The values of little-endian bytes.
pub(crate) fn values(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
    fn all<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        bytes.chunks(N).map(|chunk| Some(number(chunk.try_into().ok()?))).collect()
    }
    match dtype {
        Dtype::BOOL | Dtype::U8 => all::<1>(bytes, |[byte]| f64::from(byte)),
        Dtype::I8 => all::<1>(bytes, |byte| f64::from(i8::from_le_bytes(byte))),
        Dtype::I16 => all::<2>(bytes, |bytes| f64::from(i16::from_le_bytes(bytes))),
        Dtype::U16 => all::<2>(bytes, |bytes| f64::from(u16::from_le_bytes(bytes))),
        Dtype::I32 => all::<4>(bytes, |bytes| f64::from(i32::from_le_bytes(bytes))),
        Dtype::U32 => all::<4>(bytes, |bytes| f64::from(u32::from_le_bytes(bytes))),
        Dtype::I64 => all::<8>(bytes, |bytes| i64::from_le_bytes(bytes) as f64),
        Dtype::U64 => all::<8>(bytes, |bytes| u64::from_le_bytes(bytes) as f64),
        Dtype::F8_E4M3 => all::<1>(bytes, |[byte]| small_float(u16::from(byte), 4, 3, false)),
        Dtype::F8_E5M2 => all::<1>(bytes, |[byte]| small_float(u16::from(byte), 5, 2, true)),
        Dtype::F16 => all::<2>(bytes, |bytes| small_float(u16::from_le_bytes(bytes), 5, 10, true)),
        Dtype::BF16 => all::<2>(bytes, |bytes| small_float(u16::from_le_bytes(bytes), 8, 7, true)),
        Dtype::F32 => all::<4>(bytes, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Dtype::F64 => all::<8>(bytes, f64::from_le_bytes),
        _ => None,
    }
}

/// A float of a sign bit and so many bits of exponent and fraction. Its largest exponent stands for
/// infinities and what is no number, or where there are no infinities for numbers as well, of which
/// the one with all bits set is none (Micikevicius et al. 2022 for 8 bits).
fn small_float(bits: u16, exponent_bits: i32, fraction_bits: i32, has_infinities: bool) -> f64 {
    let fraction = f64::from(bits & ((1 << fraction_bits) - 1));
    let largest = (1 << exponent_bits) - 1;
    let exponent = i32::from(bits >> fraction_bits) & largest;
    let sign = if bits >> (exponent_bits + fraction_bits) & 1 == 1 { -1.0 } else { 1.0 };
    let bias = (1 << (exponent_bits - 1)) - 1;
    let unit = 2f64.powi(-fraction_bits);
    let all_set = fraction == f64::from((1 << fraction_bits) - 1);
    match exponent {
        0 => sign * fraction * unit * 2f64.powi(1 - bias),
        exponent if exponent == largest && has_infinities => {
            if fraction == 0.0 {
                sign * f64::INFINITY
            } else {
                f64::NAN
            }
        }
        exponent if exponent == largest && all_set => f64::NAN,
        exponent => sign * (1.0 + fraction * unit) * 2f64.powi(exponent - bias),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::safetensors::Load as _;
    use candle_core::{DType, Device};
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn numbers_of_sixteen_bits_are_candles() {
        // Every bit pattern, but those that are no numbers.
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for dtype in [Dtype::F16, Dtype::BF16] {
            let view = TensorView::new(dtype, vec![1 << 16], &bytes).expect("a view");
            let theirs = view
                .load(&Device::Cpu)
                .and_then(|tensor| tensor.to_dtype(DType::F64)?.to_vec1::<f64>());
            let ours = values(dtype, &bytes).expect("known");
            for (ours, theirs) in ours.iter().zip(theirs.expect("numbers")) {
                assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan());
            }
        }
    }

    #[test]
    fn numbers_of_eight_bits_are_those_of_their_definition() {
        // Micikevicius et al. 2022, table 1: largest, smallest normal, smallest subnormal, −1, and
        // what is no number.
        let of = |dtype, byte: u8| values(dtype, &[byte]).expect("known")[0];
        let e4m3 = [0x7E, 0x08, 0x01, 0xB8].map(|byte| of(Dtype::F8_E4M3, byte));
        assert_eq!(e4m3, [448.0, 2f64.powi(-6), 2f64.powi(-9), -1.0]);
        assert!([0x7F, 0xFF].iter().all(|byte| of(Dtype::F8_E4M3, *byte).is_nan()));
        let e5m2 = [0x7B, 0x04, 0x01, 0xBC, 0x7C].map(|byte| of(Dtype::F8_E5M2, byte));
        assert_eq!(e5m2, [57344.0, 2f64.powi(-14), 2f64.powi(-16), -1.0, f64::INFINITY]);
    }

    #[test]
    fn what_lies_just_above_a_tie_is_rounded_up() {
        let above = |bits: u32| f64::from(f32::from_bits(bits));
        // 1 + 2⁻⁸ + 2⁻²³ and 1 + 2⁻¹¹ + 2⁻²³: half of a step, and a little more.
        assert_eq!(rounded(Dtype::BF16, above(0x3f80_8001)), 1.0 + 2f64.powi(-7));
        assert_eq!(rounded(Dtype::F16, above(0x3f80_1001)), 1.0 + 2f64.powi(-10));
        // At the tie itself, to even.
        assert_eq!(rounded(Dtype::BF16, above(0x3f80_8000)), 1.0);
        assert_eq!(rounded(Dtype::F16, above(0x3f80_1000)), 1.0);
    }

    #[test]
    fn halves_of_either_kind_may_be_the_same_numbers_rounded() {
        let mut number = 1e-9f64;
        while number < 1e6 {
            for number in [number, -number] {
                let half = rounded(Dtype::F16, number);
                let bfloat = rounded(Dtype::BF16, number);
                assert!(have_common_source(half, bfloat), "{number}");
                // Two steps of bfloat16 away no number is that rounds to both, unless both are tiny
                // beside the steps of binary16, or too large for it.
                if (1e-4..6e4).contains(&number.abs()) {
                    let moved = rounded(Dtype::BF16, number * 1.02);
                    assert!(!have_common_source(half, moved), "{number}");
                    assert!(!have_common_source(half, -bfloat), "{number}");
                }
            }
            number *= 1.000_37;
        }
        assert!(have_common_source(0.0, 1e-9) && !have_common_source(0.0, 1e-7));
        assert!(have_common_source(f64::INFINITY, 1e6) && !have_common_source(1.0, f64::NAN));
    }
}
