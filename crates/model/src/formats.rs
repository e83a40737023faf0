//! The formats that weights files come in, told apart by their first bytes: safetensors, PyTorch's zip archive, Keras' HDF5.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::pickle::PthTensors;
use hdf5_reader::Hdf5File;
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::group::Group;
use safetensors::{Dtype, SafeTensors};
use thaw_spec::Architecture;

use crate::architecture::{Layer, blocks, final_filters};
use crate::weights::to_oihw;

/// A tensor as a file holds it, in torchvision's layout: kernels as `[output, input, height, width]`.
pub(crate) type RawTensor = (Vec<usize>, Vec<f32>);

/// What a weights file says.
#[derive(Debug, Default)]
pub(crate) struct RawFile {
    /// By torchvision's names.
    pub(crate) tensors: BTreeMap<String, RawTensor>,
    /// What the file says of where it comes from, if it does.
    pub(crate) source: Option<String>,
    /// Whether its layout is that of `keras.applications`, whose VGG16 is trained on Caffe's preprocessing.
    pub(crate) is_keras: bool,
}

/// Reads a file of any format. PyTorch's is read from `path`, the others from `bytes`, which are the file's.
pub(crate) fn read(path: &Path, bytes: &[u8], architecture: Architecture) -> Result<RawFile, String> {
    if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
        read_hdf5(bytes, architecture)
    } else if bytes.starts_with(b"PK\x03\x04") {
        read_pytorch(path)
    } else if bytes.starts_with(b"\x80\x02") {
        Err("it is a PyTorch file from before version 1.6; load and save it again with a newer PyTorch, or take the safetensors file"
            .to_owned())
    } else {
        read_safetensors(bytes)
    }
}

fn read_safetensors(bytes: &[u8]) -> Result<RawFile, String> {
    let malformed = |error: safetensors::SafeTensorError| format!("not a safetensors file ({error})");
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in file.tensors() {
        if tensor.dtype() != Dtype::F32 {
            return Err(format!("the tensor `{name}` is of type {}, but 32-bit floats (F32) are needed; convert the file", tensor.dtype()));
        }
        let values = tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        tensors.insert(name, (tensor.shape().to_vec(), values));
    }
    let source = header.metadata().as_ref().and_then(|metadata| metadata.get("source").cloned());
    Ok(RawFile { tensors, source, is_keras: false })
}

fn read_pytorch(path: &Path) -> Result<RawFile, String> {
    let malformed = |error: candle_core::Error| format!("not a state dict of PyTorch ({})", first_line(&error.to_string()));
    let file = PthTensors::new(path, None).map_err(malformed)?;
    let mut tensors = BTreeMap::new();
    for name in file.tensor_infos().keys() {
        let Some(tensor) = file.get(name).map_err(malformed)? else { continue };
        if tensor.dtype() != candle_core::DType::F32 {
            return Err(format!("the tensor `{name}` is of type {:?}, but 32-bit floats are needed; convert the file", tensor.dtype()));
        }
        let values = tensor.flatten_all().and_then(|tensor| tensor.to_vec1()).map_err(malformed)?;
        tensors.insert(name.clone(), (tensor.dims().to_vec(), values));
    }
    if tensors.is_empty() {
        return Err("it holds no state dict; save `model.state_dict()`, not the model".to_owned());
    }
    Ok(RawFile { tensors, source: None, is_keras: false })
}

/// Backtraces of other libraries are nobody's help.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Weights of `keras.applications`: a group for each layer, `block1_conv1` and so on, holding a kernel `[height, width, input, output]` and a
/// bias, at whatever depth (Keras 1 puts them into the group, later versions one deeper). `model_weights` is what `model.save` adds.
fn read_hdf5(bytes: &[u8], architecture: Architecture) -> Result<RawFile, String> {
    let malformed = |error: Hdf5Error| format!("an HDF5 file that cannot be read ({error})");
    let file = Hdf5File::from_bytes(bytes).map_err(malformed)?;
    let root = file.root_group().map_err(malformed)?;
    let root = root.group("model_weights").unwrap_or(root);
    let names = keras_names(architecture);
    if names.is_empty() {
        return Err(format!("Keras has no {architecture}; give its weights as safetensors or PyTorch's state dict"));
    }
    let mut tensors = BTreeMap::new();
    for (layer, name) in &names {
        let absent = |error| format!("the layer `{layer}` cannot be read from the HDF5 file ({error}); is this the file of another base?");
        let group = root.group(layer).map_err(absent)?;
        let mut found = Vec::new();
        collect(&group, &mut found).map_err(malformed)?;
        for (shape, values) in found {
            if shape.len() == 4 {
                let oihw = vec![shape[3], shape[2], shape[0], shape[1]];
                tensors.insert(format!("{name}.weight"), (oihw, to_oihw(&values, &shape)));
            } else {
                tensors.insert(format!("{name}.bias"), (shape, values));
            }
        }
    }
    Ok(RawFile { tensors, source: None, is_keras: true })
}

/// All datasets of a group and of those within it.
fn collect(group: &Group, found: &mut Vec<RawTensor>) -> Result<(), Hdf5Error> {
    for dataset in group.datasets()? {
        let shape = dataset.shape().iter().map(|&extent| extent as usize).collect();
        found.push((shape, dataset.read_array::<f32>()?.iter().copied().collect()));
    }
    group.groups()?.iter().try_for_each(|inner| collect(inner, found))
}

/// Keras' names of the convolutions of a base built as VGG16 is, with torchvision's.
fn keras_names(architecture: Architecture) -> Vec<(String, String)> {
    if architecture == Architecture::Squeezenet1_0 {
        return Vec::new();
    }
    let of_block = |(block, layers): (usize, Vec<Layer>)| {
        let filters: Vec<String> = layers.iter().flat_map(final_filters).map(|filter| filter.name.clone()).collect();
        filters
            .into_iter()
            .enumerate()
            .map(move |(place, name)| (format!("block{}_conv{}", block + 1, place + 1), name))
            .collect::<Vec<_>>()
    };
    blocks(architecture).into_iter().enumerate().flat_map(of_block).collect()
}
