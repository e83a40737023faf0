//! Slices of Candle's CPU storage.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The elements of a contiguous float tensor's storage.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the operation needs a contiguous tensor")
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Calls `run` with a tensor's elements.
///
/// # Errors
/// When the tensor is not contiguous, not made of 32-bit floats, or does not lie on the CPU.
pub fn with_values<R>(tensor: &Tensor, run: impl FnOnce(&[f32]) -> R) -> Result<R> {
    with_all_values([tensor], |[values]| run(values))
}

/// Calls `run` with the elements of each of some tensors.
///
/// # Errors
/// When a tensor is not contiguous, not made of 32-bit floats, or does not lie on the CPU.
pub fn with_all_values<const N: usize, R>(
    tensors: [&Tensor; N],
    run: impl FnOnce([&[f32]; N]) -> R,
) -> Result<R> {
    let storages = tensors.map(Tensor::storage_and_layout);
    let mut values: [&[f32]; N] = [&[]; N];
    for (values, (storage, layout)) in values.iter_mut().zip(&storages) {
        *values = match &**storage {
            Storage::Cpu(storage) => slice(storage, layout)?,
            Storage::Cuda(_) | Storage::Metal(_) => bail!("the operation runs on the CPU only"),
        };
    }
    Ok(run(values))
}
