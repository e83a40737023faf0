//! Two checkpoints of anybody's training, tensor by tensor: what moved between them.

use std::path::Path;

use candle_core::{DType, Tensor};

use crate::ModelError;
use crate::formats::TensorFile;

/// Comparison of a tensor that both checkpoints have.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorComparison {
    /// Name of the tensor in the files.
    pub name: String,
    /// Shape in the first checkpoint.
    pub shape: Vec<usize>,
    /// Whether at least one bit changed, or the shape did.
    pub moved: bool,
    /// Relative drift ‖w − w₀‖₂ / ‖w₀‖₂ (the numerator alone where w₀ is zero); nothing when the
    /// shape changed.
    pub relative_drift: Option<f64>,
}

/// Comparison of two checkpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Comparisons of the tensors in both files, by name.
    pub tensors: Vec<TensorComparison>,
    /// Names of the tensors that only the first file has.
    pub only_before: Vec<String>,
    /// Names of the tensors that only the second file has.
    pub only_after: Vec<String>,
}

/// Compares two files of tensors, each safetensors, PyTorch's state dict or Keras' HDF5.
///
/// # Errors
/// When a file cannot be read, or holds numbers of a type that cannot be compared.
pub fn compare(before: &Path, after: &Path) -> Result<Comparison, ModelError> {
    let bytes = |path: &Path| {
        std::fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })
    };
    let (bytes_before, bytes_after) = (bytes(before)?, bytes(after)?);
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |reason: String| ModelError::Weights { path, reason }
    };
    let old = TensorFile::open(before, &bytes_before).map_err(wrong(before))?;
    let new = TensorFile::open(after, &bytes_after).map_err(wrong(after))?;
    let (names_before, names_after) = (old.names(), new.names());
    let mut comparison = Comparison::default();
    for name in &names_before {
        if names_after.binary_search(name).is_err() {
            comparison.only_before.push(name.clone());
            continue;
        }
        let (was, is) =
            (old.get(name).map_err(wrong(before))?, new.get(name).map_err(wrong(after))?);
        comparison.tensors.push(compare_tensors(name, &was, &is)?);
    }
    comparison.only_after =
        names_after.into_iter().filter(|name| names_before.binary_search(name).is_err()).collect();
    Ok(comparison)
}

fn compare_tensors(name: &str, was: &Tensor, is: &Tensor) -> Result<TensorComparison, ModelError> {
    let shape = was.dims().to_vec();
    if was.dims() != is.dims() {
        return Ok(TensorComparison {
            name: name.to_owned(),
            shape,
            moved: true,
            relative_drift: None,
        });
    }
    let (moved, drift) = movement(was, is)?;
    Ok(TensorComparison { name: name.to_owned(), shape, moved, relative_drift: Some(drift) })
}

/// Whether a bit changed between two tensors of one shape, and ‖w − w₀‖₂ / ‖w₀‖₂ (the numerator
/// alone where w₀ is zero).
pub(crate) fn movement(was: &Tensor, is: &Tensor) -> Result<(bool, f64), ModelError> {
    // Every narrower number is a 64-bit one as well, so that no difference is lost. (Integers
    // beyond 2⁵³ do not occur in weights.)
    let wide = |tensor: &Tensor| {
        tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1::<f64>())
    };
    let (was, is) = (wide(was)?, wide(is)?);
    let moved = was.iter().zip(&is).any(|(was, is)| was.to_bits() != is.to_bits());
    let norm = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| value * value).sum::<f64>().sqrt()
    };
    let distance = norm(&mut was.iter().zip(&is).map(|(was, is)| is - was));
    let length = norm(&mut was.iter().copied());
    Ok((moved, if length > 0.0 { distance / length } else { distance }))
}
