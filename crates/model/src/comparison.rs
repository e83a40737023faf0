//! Two checkpoints of anybody's training, tensor by tensor: what moved between them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Tensor};
use regex::Regex;
use safetensors::Dtype;

use crate::ModelError;
use crate::weights::{
    NumberType, Numbers, OtherTensors, TensorFile, Wanted, are_halves, float_width,
    have_common_source, matched, rounded, values,
};

/// Comparison of a tensor that both checkpoints have.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorComparison {
    /// Name of the tensor in the first file, after replacements.
    pub name: String,
    /// Name in the second file, where it is another.
    pub name_after: Option<String>,
    /// Shape in the first checkpoint.
    pub shape: Vec<usize>,
    /// Whether it is a statistic of BatchNorm, which moves without an optimizer.
    pub is_statistic: bool,
    /// Whether a number changed, or the shape did. A zero whose sign changed did not, nor did numbers
    /// that the narrower type of the second file rounds to the same. Nothing where the first file's
    /// type is the narrower one and does: its numbers were rounded, or they moved.
    pub moved: Option<bool>,
    /// Whether the shape changed.
    pub reshaped: bool,
    /// The narrower type, where the two files hold floats of different width that are the same when
    /// rounded to it. Both types, where one is binary16 and the other bfloat16 and both may be the same
    /// numbers rounded.
    pub rounded_to: Option<String>,
    /// Relative drift ‖w − w₀‖₂ / ‖w₀‖₂ (the numerator alone where w₀ is zero); nothing when the
    /// shape changed, or for numbers of a type whose bits alone are compared.
    pub relative_drift: Option<f64>,
}

/// A tensor that both checkpoints have and that cannot be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct UnreadableTensor {
    /// Name in the first file, after replacements.
    pub name: String,
    /// Name in the second file.
    pub name_after: String,
    /// Why it cannot be compared.
    pub reason: String,
}

/// Comparison of two checkpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Comparisons of the tensors in both files, by name.
    pub tensors: Vec<TensorComparison>,
    /// Tensors in both files that cannot be compared.
    pub unreadable: Vec<UnreadableTensor>,
    /// The keys under which the state dict of either checkpoint stands in its file, where it is not
    /// the file itself.
    pub places: [Option<String>; 2],
    /// Tensors in either file that are not compared: those of optimizers, and other state dicts.
    pub left_out: [Vec<OtherTensors>; 2],
    /// Number of tensors in either file that stand where thaw does not look.
    pub unplaced: [usize; 2],
    /// What stands before the names of either file alone and was taken away to compare them.
    pub prefixes: [String; 2],
    /// What might be taken away, where the names cannot tell.
    pub undecided: Vec<String>,
    /// Names of the tensors that only the first file has.
    pub only_before: Vec<String>,
    /// Names of the tensors that only the second file has.
    pub only_after: Vec<String>,
}

/// How the tensors of two checkpoints are found and matched.
#[derive(Clone, Debug, Default)]
pub struct ComparisonOptions {
    /// The place of the state dict in files of PyTorch's, such as `ema/state_dict`; by default the one
    /// with the most tensors.
    pub state_dict: Option<String>,
    /// Replacements in the names of both files, in this order.
    pub renames: Vec<(Regex, String)>,
}

impl ComparisonOptions {
    fn wanted(&self) -> Wanted<'_> {
        self.state_dict.as_deref().map_or(Wanted::Largest, Wanted::At)
    }
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedTensor {
    /// Name in the file, after replacements.
    pub name: String,
    /// Type of its numbers, such as `f32`, or why it cannot be read.
    pub number_type: Result<String, String>,
    /// Shape; empty where it cannot be read.
    pub shape: Vec<usize>,
    /// Bytes that its numbers take.
    pub bytes: usize,
    /// Whether it is a statistic of BatchNorm.
    pub is_statistic: bool,
}

/// Everything that a file of tensors holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The tensors by name, readable or not.
    pub tensors: Vec<ListedTensor>,
    /// The keys under which the state dict stands in the file, where it is not the file itself.
    pub place: Option<String>,
    /// Tensors in other places of the file.
    pub left_out: Vec<OtherTensors>,
    /// Number of tensors that stand where thaw does not look.
    pub unplaced: usize,
}

/// Lists the tensors of a file, or of the folder or index of one in shards.
///
/// # Errors
/// When it cannot be read, or two of its tensors get one name.
pub fn list(path: &Path, options: &ComparisonOptions) -> Result<Listing, ModelError> {
    listing(&TensorFile::read(path, options.wanted())?, options, path)
}

/// Lists the tensors of a file in memory as [`list`] does; `path` is only used in messages.
///
/// # Errors
/// As [`list`].
///
/// # Example
/// ```
/// use thaw_model::{ComparisonOptions, list_bytes};
///
/// let header = br#"{"bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
/// let length = (header.len() as u64).to_le_bytes();
/// let file = [&length[..], header, &1.5f32.to_le_bytes()].concat();
/// let listing = list_bytes("a.safetensors".as_ref(), &file, &ComparisonOptions::default())?;
/// assert_eq!((&*listing.tensors[0].name, listing.tensors[0].bytes), ("bias", 4));
/// # Ok::<(), thaw_model::ModelError>(())
/// ```
pub fn list_bytes(
    path: &Path,
    bytes: &[u8],
    options: &ComparisonOptions,
) -> Result<Listing, ModelError> {
    let file = TensorFile::of(Cow::Borrowed(bytes), options.wanted())
        .map_err(|reason| ModelError::Weights { path: path.to_owned(), reason })?;
    listing(&file, options, path)
}

fn listing(
    file: &TensorFile<'_>,
    options: &ComparisonOptions,
    path: &Path,
) -> Result<Listing, ModelError> {
    let names = renamed(file, &options.renames, path)?;
    let tensor = |(name, own): (&String, &String)| {
        let (name, is_statistic) = (name.clone(), is_statistic(name, &names));
        match file.numbers(own) {
            Ok(Numbers { number_type, shape, bytes }) => ListedTensor {
                name,
                number_type: Ok(number_type.to_string()),
                shape,
                bytes: bytes.len(),
                is_statistic,
            },
            Err(reason) => ListedTensor {
                name,
                number_type: Err(reason),
                shape: Vec::new(),
                bytes: 0,
                is_statistic,
            },
        }
    };
    Ok(Listing {
        tensors: names.iter().map(tensor).collect(),
        place: file.place().map(str::to_owned),
        left_out: file.left_out(),
        unplaced: file.unplaced(),
    })
}

/// Compares two files of tensors, each safetensors, PyTorch's or Keras', or the folder or index of one
/// in shards.
///
/// Tensors are the same if their names are, or if their names are without what stands before all of
/// those in one file.
///
/// # Errors
/// When a file cannot be read, or two of its tensors get one name. A tensor that cannot be read is
/// listed.
pub fn compare(
    before: &Path,
    after: &Path,
    options: &ComparisonOptions,
) -> Result<Comparison, ModelError> {
    let old = TensorFile::read(before, options.wanted())?;
    // The state dict of the second file is at the same place, where there is one.
    let names = old.names();
    let like = Wanted::Like { place: old.place().unwrap_or_default(), names: &names };
    let wanted = options.state_dict.as_deref().map_or(like, Wanted::At);
    let new = TensorFile::read(after, wanted)?;
    let (names_before, names_after) =
        (renamed(&old, &options.renames, before)?, renamed(&new, &options.renames, after)?);
    let keys = |names: &BTreeMap<String, String>| names.keys().cloned().collect::<Vec<String>>();
    let matching = matched(&keys(&names_before), &keys(&names_after));
    let mut comparison = Comparison {
        places: [&old, &new].map(|file| file.place().map(str::to_owned)),
        left_out: [&old, &new].map(TensorFile::left_out),
        unplaced: [&old, &new].map(TensorFile::unplaced),
        prefixes: matching.prefixes,
        undecided: matching.undecided,
        ..Comparison::default()
    };
    let mut paired = [BTreeSet::new(), BTreeSet::new()];
    for (name, name_after) in matching.pairs {
        let numbers = old
            .numbers(&names_before[&name])
            .and_then(|was| Ok((was, new.numbers(&names_after[&name_after])?)));
        let is_statistic = is_statistic(&name, &names_before);
        let compared = numbers
            .and_then(|(was, is)| compare_numbers(&name, &name_after, is_statistic, &was, &is));
        match compared {
            Ok(compared) => comparison.tensors.push(compared),
            Err(reason) => comparison.unreadable.push(UnreadableTensor {
                name: name.clone(),
                name_after: name_after.clone(),
                reason,
            }),
        }
        paired[0].insert(name);
        paired[1].insert(name_after);
    }
    let alone = |names: BTreeMap<String, String>, paired: &BTreeSet<String>| {
        names.into_keys().filter(|name| !paired.contains(name)).collect()
    };
    comparison.only_before = alone(names_before, &paired[0]);
    comparison.only_after = alone(names_after, &paired[1]);
    Ok(comparison)
}

/// The names of a file's tensors by what they are replaced by.
fn renamed(
    file: &TensorFile<'_>,
    renames: &[(Regex, String)],
    path: &Path,
) -> Result<BTreeMap<String, String>, ModelError> {
    let mut names = BTreeMap::new();
    for name in file.names() {
        let renamed = renames.iter().fold(name.clone(), |name, (pattern, replacement)| {
            pattern.replace_all(&name, replacement).into_owned()
        });
        if let Some(other) = names.insert(renamed.clone(), name.clone()) {
            return Err(ModelError::Weights {
                path: path.to_owned(),
                reason: format!(
                    "`{other}` and `{name}` both become `{renamed}`; change the replacement"
                ),
            });
        }
    }
    Ok(names)
}

/// Ends of the names of what BatchNorm keeps of the batches that it has seen, in PyTorch and Keras.
const STATISTICS: [&str; 6] = [
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "moving_mean",
    "moving_variance",
    "running_std",
];

/// Whether a tensor among those of a file is a statistic.
fn is_statistic<T>(name: &str, names: &BTreeMap<String, T>) -> bool {
    let plain = name.strip_suffix(":0").unwrap_or(name);
    STATISTICS.iter().any(|end| plain.ends_with(end)) || is_numbered_statistic(plain, names)
}

/// Whether a tensor is one of the last two of a BatchNorm of Keras 3, which names a layer by its class
/// and its tensors by their number: scale and offset where it has them, mean, variance.
fn is_numbered_statistic<T>(name: &str, names: &BTreeMap<String, T>) -> bool {
    let Some((layer, number)) = name.rsplit_once("/vars/") else { return false };
    let class = layer.rsplit('/').next().unwrap_or(layer);
    let second_next = number.parse::<u32>().ok().and_then(|number| number.checked_add(2));
    let is_last_or_before =
        |second_next| !names.contains_key(&format!("{layer}/vars/{second_next}"));
    class.starts_with("batch_normalization") && second_next.is_some_and(is_last_or_before)
}

fn compare_numbers(
    name: &str,
    name_after: &str,
    is_statistic: bool,
    was: &Numbers<'_>,
    is: &Numbers<'_>,
) -> Result<TensorComparison, String> {
    let mut compared = TensorComparison {
        name: name.to_owned(),
        name_after: (name != name_after).then(|| name_after.to_owned()),
        shape: was.shape.clone(),
        is_statistic,
        moved: Some(true),
        reshaped: was.shape != is.shape,
        rounded_to: None,
        relative_drift: None,
    };
    if compared.reshaped {
        return Ok(compared);
    }
    if was.number_type == is.number_type {
        let (moved, relative_drift) = compare_bits(&was.number_type, &was.bytes, &is.bytes);
        return Ok(TensorComparison { moved: Some(moved), relative_drift, ..compared });
    }
    // Above this, 64-bit floats do not hold every whole number.
    let is_exact = |values: &Vec<f64>| values.iter().all(|value| value.abs() <= 2f64.powi(53));
    let are_floats = [was, is].iter().all(|numbers| float_width(&numbers.number_type).is_some());
    let comparable = was.values().zip(is.values());
    let comparable = comparable.filter(|(was, is)| are_floats || is_exact(was) && is_exact(is));
    let Some((values_before, values_after)) = comparable else {
        return Err(format!(
            "`{name}` is of type {} in one file and {} in the other; save both as safetensors of one type",
            was.number_type, is.number_type
        ));
    };
    let mut moved = moved_beyond_the_sign_of_zero(&values_before, &values_after);
    compared.relative_drift = Some(relative_drift(&values_before, &values_after));
    if moved && are_halves(&was.number_type, &is.number_type) {
        let is_bfloat =
            |numbers: &Numbers<'_>| numbers.number_type == NumberType::Known(Dtype::BF16);
        let (halves, bfloats) = match is_bfloat(is) {
            true => (&values_before, &values_after),
            false => (&values_after, &values_before),
        };
        let agree = |(half, bfloat): (&f64, &f64)| have_common_source(*half, *bfloat);
        moved = !halves.iter().zip(bfloats).all(agree);
        compared.rounded_to = (!moved).then(|| "f16 and to bf16".to_owned());
    }
    // float16 holds numbers between those of bfloat16, as below.
    let is_finer = !moved
        && compared.rounded_to.is_some()
        && was.number_type == NumberType::Known(Dtype::BF16);
    compared.moved = (!is_finer).then_some(moved);
    if let (true, Some(narrower)) = (moved, narrower(&was.number_type, &is.number_type)) {
        let round = |values: &[f64]| -> Vec<f64> {
            values.iter().map(|value| rounded(narrower, *value)).collect()
        };
        if !moved_beyond_the_sign_of_zero(&round(&values_before), &round(&values_after)) {
            // A training may start from the numbers of a narrower first file and move them so little.
            let is_second = is.number_type == NumberType::Known(narrower);
            compared.moved = is_second.then_some(false);
            compared.rounded_to = Some(format!("{narrower:?}").to_lowercase());
        }
    }
    Ok(compared)
}

/// Whether a number changed by more than the sign of a zero.
fn moved_beyond_the_sign_of_zero(was: &[f64], is: &[f64]) -> bool {
    // In another type what is no number has other bits.
    let moved = |(was, is): (&f64, &f64)| was != is && !(was.is_nan() && is.is_nan());
    was.iter().zip(is).any(moved)
}

/// The type of two floats that holds fewer numbers; nothing for one type, or two of which neither
/// holds all of the other's.
fn narrower(one: &NumberType, other: &NumberType) -> Option<Dtype> {
    let (one_width, other_width) = (float_width(one)?, float_width(other)?);
    let narrower = match one_width.cmp(&other_width) {
        std::cmp::Ordering::Less => one,
        std::cmp::Ordering::Greater => other,
        std::cmp::Ordering::Equal => return None,
    };
    match narrower {
        NumberType::Known(dtype) => Some(*dtype),
        NumberType::Other(_) => None,
    }
}

/// Whether a bit changed between two tensors of one type and shape, and how far they are apart where
/// the type is known. A zero whose sign changed did not move.
fn compare_bits(number_type: &NumberType, was: &[u8], is: &[u8]) -> (bool, Option<f64>) {
    let numbers = |bytes| match number_type {
        NumberType::Known(dtype) => values(*dtype, bytes),
        NumberType::Other(_) => None,
    };
    let (Some(numbers_before), Some(numbers_after)) = (numbers(was), numbers(is)) else {
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
    use super::*;

    #[test]
    fn a_zero_whose_sign_changed_did_not_move() {
        let bytes = |numbers: [f32; 2]| numbers.map(f32::to_le_bytes).concat();
        let wide = |numbers: [f64; 2]| numbers.map(f64::to_le_bytes).concat();
        let numbers = |dtype, bytes: Vec<u8>| Numbers {
            number_type: NumberType::Known(dtype),
            shape: vec![2],
            bytes: Cow::Owned(bytes),
        };
        let moved = |is| {
            let was = numbers(Dtype::F32, bytes([0.0, 1.0]));
            let is = numbers(Dtype::F64, wide(is));
            compare_numbers("w", "w", false, &was, &is).expect("floats").moved
        };
        assert_eq!([moved([-0.0, 1.0]), moved([0.0, 1.5])], [Some(false), Some(true)]);
        let was = bytes([0.0, 1.0]);
        assert_eq!(
            compare_bits(&NumberType::Known(Dtype::F32), &was, &bytes([-0.0, 1.0])),
            (false, Some(0.0))
        );
        assert!(compare_bits(&NumberType::Known(Dtype::F32), &was, &bytes([0.0, 1.0000001])).0);
        // Integers that 64-bit floats cannot tell apart, and numbers of an unknown type.
        let [one, other] = [1i64 << 60, (1 << 60) + 1].map(i64::to_le_bytes);
        assert_eq!(compare_bits(&NumberType::Known(Dtype::I64), &one, &other), (true, Some(0.0)));
        assert_eq!(compare_bits(&NumberType::Known(Dtype::F8_E8M0), &[1], &[1]), (false, None));
    }

    #[test]
    fn the_last_two_tensors_of_a_numbered_batch_norm_are_statistics() {
        // Keras 3.15: scale and offset, offset alone (as in InceptionV3), and neither.
        for (count, expected) in [
            (4, vec![false, false, true, true]),
            (3, vec![false, true, true]),
            (2, vec![true, true]),
        ] {
            let name = |layer: &str, number: usize| format!("layers/{layer}/vars/{number}");
            let of_layer = |layer: &'static str, count: usize| {
                (0..count).map(move |number| (name(layer, number), ()))
            };
            let layer = "batch_normalization_1";
            let names: BTreeMap<String, ()> = of_layer(layer, count)
                .chain(of_layer("batch_normalization_10", 4))
                .chain(of_layer("conv2d", 2))
                .collect();
            let are_statistics = |layer: &str, count: usize| -> Vec<bool> {
                (0..count).map(|number| is_statistic(&name(layer, number), &names)).collect()
            };
            assert_eq!(are_statistics(layer, count), expected);
            assert_eq!(are_statistics("conv2d", 2), [false, false]);
        }
    }

    #[test]
    fn numbers_that_the_first_files_type_cannot_hold_cannot_be_judged() {
        let narrow = |number: f64| Numbers {
            number_type: NumberType::Known(Dtype::F16),
            shape: vec![1],
            bytes: Cow::Owned(half::f16::from_f64(number).to_le_bytes().to_vec()),
        };
        let wide = |number: f32| Numbers {
            number_type: NumberType::Known(Dtype::F32),
            shape: vec![1],
            bytes: Cow::Owned(number.to_le_bytes().to_vec()),
        };
        let moved = |was: &Numbers<'_>, is: &Numbers<'_>| {
            compare_numbers("w", "w", false, was, is).expect("floats").moved
        };
        assert_eq!(moved(&narrow(1.0), &wide(1.0)), Some(false));
        assert_eq!(moved(&narrow(1.0), &wide(1.0001)), None);
        assert_eq!(moved(&narrow(1.0), &wide(1.01)), Some(true));
        assert_eq!(moved(&wide(1.0001), &narrow(1.0)), Some(false));
        let bfloat = Numbers {
            number_type: NumberType::Known(Dtype::BF16),
            shape: vec![1],
            bytes: Cow::Owned(half::bf16::from_f64(1.0).to_le_bytes().to_vec()),
        };
        assert_eq!(moved(&bfloat, &narrow(1.001)), None);
        assert_eq!(moved(&narrow(1.001), &bfloat), Some(false));
        assert_eq!(moved(&bfloat, &narrow(1.0)), Some(false));
    }
}
