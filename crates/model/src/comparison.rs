//! Two checkpoints of anybody's training, tensor by tensor: what moved between them.

use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::Dtype;

use crate::ModelError;
use crate::weights::TensorFile;

/// Comparison of a tensor that both checkpoints have.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorComparison {
    /// Name of the tensor in the files.
    pub name: String,
    /// Shape in the first checkpoint.
    pub shape: Vec<usize>,
    /// Whether at least one bit changed, or the shape did.
    pub moved: bool,
    /// Whether the shape changed.
    pub reshaped: bool,
    /// The narrower type, where the two files hold floats of different width that are the same when
    /// rounded to it: stored otherwise, not moved.
    pub rounded_to: Option<&'static str>,
    /// Relative drift ‖w − w₀‖₂ / ‖w₀‖₂ (the numerator alone where w₀ is zero); nothing when the
    /// shape changed, or for numbers of a type whose bits alone are compared.
    pub relative_drift: Option<f64>,
}

/// Comparison of two checkpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Comparisons of the tensors in both files, by name.
    pub tensors: Vec<TensorComparison>,
    /// Tensors in both files that cannot be compared, each with the reason.
    pub unreadable: Vec<(String, String)>,
    /// The keys under which the state dict of either checkpoint stands in its file, where it is not
    /// the file itself.
    pub places: [Option<String>; 2],
    /// Names of the tensors that only the first file has.
    pub only_before: Vec<String>,
    /// Names of the tensors that only the second file has.
    pub only_after: Vec<String>,
}

/// Compares two files of tensors, each safetensors, PyTorch's state dict or Keras' HDF5.
///
/// # Errors
/// When a file cannot be read. A tensor that cannot is listed.
pub fn compare(before: &Path, after: &Path) -> Result<Comparison, ModelError> {
    let bytes = |path: &Path| {
        std::fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })
    };
    let (bytes_before, bytes_after) = (bytes(before)?, bytes(after)?);
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |reason: String| ModelError::Weights { path, reason }
    };
    let old = TensorFile::open(&bytes_before).map_err(wrong(before))?;
    let new = TensorFile::open(&bytes_after).map_err(wrong(after))?;
    let (names_before, names_after) = (old.names(), new.names());
    let places = [&old, &new].map(|file| file.place().map(str::to_owned));
    let mut comparison = Comparison { places, ..Comparison::default() };
    for name in &names_before {
        if names_after.binary_search(name).is_err() {
            comparison.only_before.push(name.clone());
            continue;
        }
        if let (Some((was_type, shape, was)), Some((is_type, is_shape, is))) =
            (old.bits(name), new.bits(name))
        {
            if shape != is_shape {
                comparison.tensors.push(reshaped(name, shape));
                continue;
            }
            if was_type == is_type {
                let (moved, relative_drift) = compare_bits(was_type, was, is);
                comparison.tensors.push(TensorComparison {
                    name: name.clone(),
                    shape,
                    moved,
                    reshaped: false,
                    rounded_to: None,
                    relative_drift,
                });
                continue;
            }
        }
        let compared = old.get(name).and_then(|was| Ok((was, new.get(name)?)));
        match compared.and_then(|(was, is)| {
            compare_tensors(name, &was, &is).map_err(|error| error.to_string())
        }) {
            Ok(compared) => comparison.tensors.push(compared),
            Err(reason) => comparison.unreadable.push((name.clone(), reason)),
        }
    }
    comparison.only_after =
        names_after.into_iter().filter(|name| names_before.binary_search(name).is_err()).collect();
    Ok(comparison)
}

/// The comparison of a tensor whose shape changed.
fn reshaped(name: &str, shape: Vec<usize>) -> TensorComparison {
    TensorComparison {
        name: name.to_owned(),
        shape,
        moved: true,
        reshaped: true,
        rounded_to: None,
        relative_drift: None,
    }
}

fn compare_tensors(name: &str, was: &Tensor, is: &Tensor) -> Result<TensorComparison, ModelError> {
    let shape = was.dims().to_vec();
    if was.dims() != is.dims() {
        return Ok(reshaped(name, shape));
    }
    for tensor in [was, is] {
        if !COMPARED.contains(&tensor.dtype()) {
            let dtype = tensor.dtype().as_str().to_uppercase();
            let reason = format!(
                "`{name}` is of type {dtype} in one file and of another in the other, or in a format of which thaw reads no such numbers; save both as safetensors of one type"
            );
            return Err(candle_core::Error::Msg(reason).into());
        }
    }
    let (was_wide, is_wide) = (wide(was)?, wide(is)?);
    let (mut moved, drift) =
        (moved_beyond_the_sign_of_zero(&was_wide, &is_wide), relative_drift(&was_wide, &is_wide));
    let mut rounded_to = None;
    if let (true, Some(narrower)) = (moved, narrower(was.dtype(), is.dtype())) {
        let rounded = |tensor: &Tensor| wide(&tensor.to_dtype(narrower)?);
        moved = moved_beyond_the_sign_of_zero(&rounded(was)?, &rounded(is)?);
        rounded_to = (!moved).then_some(narrower.as_str());
    }
    Ok(TensorComparison {
        name: name.to_owned(),
        shape,
        moved,
        reshaped: false,
        rounded_to,
        relative_drift: Some(drift),
    })
}

/// Whether a number changed by more than the sign of a zero.
fn moved_beyond_the_sign_of_zero(was: &[f64], is: &[f64]) -> bool {
    let moved =
        |(was, is): (&f64, &f64)| was.to_bits() != is.to_bits() && (*was != 0.0 || *is != 0.0);
    was.iter().zip(is).any(moved)
}

/// Types whose conversion by candle is tested.
const COMPARED: [DType; 9] = [
    DType::U8,
    DType::U32,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::BF16,
    DType::F16,
    DType::F32,
    DType::F64,
];

/// The type of two floats that holds fewer numbers; nothing for one type, or two of which neither
/// holds all of the other's.
fn narrower(one: DType, other: DType) -> Option<DType> {
    let width = |dtype| match dtype {
        DType::F16 | DType::BF16 => Some(16),
        DType::F32 => Some(32),
        DType::F64 => Some(64),
        _ => None,
    };
    let (one_width, other_width) = (width(one)?, width(other)?);
    match one_width.cmp(&other_width) {
        std::cmp::Ordering::Less => Some(one),
        std::cmp::Ordering::Greater => Some(other),
        std::cmp::Ordering::Equal => None,
    }
}

/// Whether a bit changed between two tensors of one type and shape, and how far they are apart where
/// the type is known. A zero whose sign changed did not move.
fn compare_bits(dtype: Dtype, was: &[u8], is: &[u8]) -> (bool, Option<f64>) {
    let (Some(numbers_before), Some(numbers_after)) = (numbers(dtype, was), numbers(dtype, is))
    else {
        return (was != is, None);
    };
    let width = (was.len() / numbers_before.len().max(1)).max(1);
    let mut bits = was.chunks(width).zip(is.chunks(width));
    let mut values = numbers_before.iter().zip(&numbers_after);
    let moved = bits.any(|(was, is)| {
        let both_zero = values.next().is_some_and(|(was, is)| *was == 0.0 && *is == 0.0);
        was != is && !both_zero
    });
    (moved, Some(relative_drift(&numbers_before, &numbers_after)))
}

/// The numbers of a safetensors file, which are little-endian, integers of 64 bits rounded; nothing
/// for types that are not known here. No library's conversion is used: candle's of 8-bit floats
/// does not end (0.11.1).
fn numbers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
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

/// ‖w − w₀‖₂ / ‖w₀‖₂, the numerator alone where w₀ is zero.
fn relative_drift(was: &[f64], is: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| value * value).sum::<f64>().sqrt()
    };
    let distance = norm(&mut was.iter().zip(is).map(|(was, is)| is - was));
    let length = norm(&mut was.iter().copied());
    if length > 0.0 { distance / length } else { distance }
}

/// A tensor's numbers in 64 bits. Every narrower number is a 64-bit one as well, so that no difference
/// is lost. (Integers beyond 2⁵³ do not occur in weights.)
fn wide(tensor: &Tensor) -> candle_core::Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Whether a bit changed between two tensors of one shape, and ‖w − w₀‖₂ / ‖w₀‖₂ (the numerator
/// alone where w₀ is zero).
pub(crate) fn movement(was: &Tensor, is: &Tensor) -> Result<(bool, f64), ModelError> {
    let (was, is) = (wide(was)?, wide(is)?);
    let moved = was.iter().zip(&is).any(|(was, is)| was.to_bits() != is.to_bits());
    Ok((moved, relative_drift(&was, &is)))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use candle_core::safetensors::Load as _;
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
            let ours = numbers(dtype, &bytes).expect("known");
            for (ours, theirs) in ours.iter().zip(theirs.expect("numbers")) {
                assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan());
            }
        }
    }

    #[test]
    fn numbers_of_eight_bits_are_those_of_their_definition() {
        // Micikevicius et al. 2022, table 1: largest, smallest normal, smallest subnormal, −1, and
        // what is no number.
        let of = |dtype, byte: u8| numbers(dtype, &[byte]).expect("known")[0];
        let e4m3 = [0x7E, 0x08, 0x01, 0xB8].map(|byte| of(Dtype::F8_E4M3, byte));
        assert_eq!(e4m3, [448.0, 2f64.powi(-6), 2f64.powi(-9), -1.0]);
        assert!([0x7F, 0xFF].iter().all(|byte| of(Dtype::F8_E4M3, *byte).is_nan()));
        let e5m2 = [0x7B, 0x04, 0x01, 0xBC, 0x7C].map(|byte| of(Dtype::F8_E5M2, byte));
        assert_eq!(e5m2, [57344.0, 2f64.powi(-14), 2f64.powi(-16), -1.0, f64::INFINITY]);
    }

    #[test]
    fn a_zero_whose_sign_changed_did_not_move() {
        let tensor = |numbers: [f32; 2]| Tensor::new(&numbers, &Device::Cpu).expect("a tensor");
        let moved = |is| compare_tensors("w", &tensor([0.0, 1.0]), &is).expect("floats").moved;
        assert!(!moved(tensor([-0.0, 1.0])) && moved(tensor([0.0, 1.5])));
        let bytes = |numbers: [f32; 2]| numbers.map(f32::to_le_bytes).concat();
        let was = bytes([0.0, 1.0]);
        assert_eq!(compare_bits(Dtype::F32, &was, &bytes([-0.0, 1.0])), (false, Some(0.0)));
        assert!(compare_bits(Dtype::F32, &was, &bytes([0.0, 1.0000001])).0);
        // Integers that 64-bit floats cannot tell apart, and numbers of an unknown type.
        let [one, other] = [1i64 << 60, (1 << 60) + 1].map(i64::to_le_bytes);
        assert_eq!(compare_bits(Dtype::I64, &one, &other), (true, Some(0.0)));
        assert_eq!(compare_bits(Dtype::F8_E8M0, &[1], &[1]), (false, None));
    }
}
