//! The formats that weights come in, told apart by their first bytes: safetensors, PyTorch's zip
//! archive, Keras' HDF5.

use std::collections::{BTreeMap, HashMap, HashSet};

use candle_core::safetensors::Load as _;
use candle_core::{DType, Device, Tensor};
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, Hdf5File};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use thaw_spec::{Architecture, PreprocessingName};

use super::layout::{RawTensor, to_oihw};
use super::pytorch::{PyTorchFile, RawNumbers};
use crate::bases::{KerasBase, keras, other_names, tensors};

/// A file of tensors, read one at a time.
pub(crate) enum TensorFile<'a> {
    Safetensors {
        file: SafeTensors<'a>,
        /// Origin of the weights, where the file's metadata names it.
        source: Option<String>,
    },
    PyTorch(PyTorchFile),
    /// Datasets of an HDF5 file, by path.
    Hdf5(BTreeMap<String, Dataset>),
}

impl<'a> TensorFile<'a> {
    /// Opens a file of these bytes.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
            let malformed =
                |error: Hdf5Error| format!("an HDF5 file that cannot be read ({error})");
            let root = Hdf5File::from_bytes(bytes)
                .and_then(|file| file.root_group())
                .map_err(malformed)?;
            // What `model.save` writes holds the optimizer as well.
            let root = root.group("model_weights").unwrap_or(root);
            let mut datasets = BTreeMap::new();
            collect(&root, "", &mut datasets).map_err(malformed)?;
            Ok(Self::Hdf5(datasets))
        } else if bytes.starts_with(b"PK\x03\x04") {
            PyTorchFile::read(bytes).map(Self::PyTorch)
        } else if bytes.starts_with(b"\x80\x02") {
            let remedy =
                "load and save it again with a newer PyTorch, or take the safetensors file";
            Err(format!("it is a PyTorch file from before version 1.6; {remedy}"))
        } else {
            let malformed =
                |error: safetensors::SafeTensorError| format!("not a safetensors file ({error})");
            let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
            let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
            let source =
                header.metadata().as_ref().and_then(|metadata| metadata.get("source").cloned());
            Ok(Self::Safetensors { file, source })
        }
    }

    /// The tensors' names in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Safetensors { file, .. } => file.names().into_iter().map(str::to_owned).collect(),
            Self::PyTorch(file) => file.tensors.keys().cloned().collect(),
            Self::Hdf5(datasets) => datasets.keys().cloned().collect(),
        };
        names.sort();
        names
    }

    /// A tensor's type, shape and bits, where the file holds them as they are.
    pub(crate) fn bits(&self, name: &str) -> Option<(Dtype, Vec<usize>, &[u8])> {
        match self {
            Self::Safetensors { file, .. } => file
                .tensor(name)
                .ok()
                .map(|view| (view.dtype(), view.shape().to_vec(), view.data())),
            Self::PyTorch(file) => file
                .tensors
                .get(name)?
                .as_ref()
                .ok()
                .map(|numbers| (numbers.dtype, numbers.shape.clone(), &numbers.bytes[..])),
            Self::Hdf5(_) => None,
        }
    }

    /// The keys under which the state dict stands in the file; nothing where it is the file.
    pub(crate) fn place(&self) -> Option<&str> {
        match self {
            Self::PyTorch(file) => Some(&*file.place).filter(|place| !place.is_empty()),
            Self::Safetensors { .. } | Self::Hdf5(_) => None,
        }
    }

    /// A tensor that is there, as the file holds it.
    pub(crate) fn get(&self, name: &str) -> Result<Tensor, String> {
        let missing = || format!("the tensor `{name}` is missing");
        match self {
            Self::Safetensors { file, .. } => {
                let view = file.tensor(name).map_err(|_| missing())?;
                load(view)
                    .map_err(|reason| format!("the tensor `{name}` cannot be read ({reason})"))
            }
            Self::PyTorch(file) => match file.tensors.get(name).ok_or_else(missing)? {
                Ok(RawNumbers { dtype, shape, bytes }) => {
                    TensorView::new(*dtype, shape.clone(), bytes)
                        .map_err(|error| error.to_string())
                        .and_then(load)
                }
                Err(reason) => Err(reason.clone()),
            }
            .map_err(|reason| format!("the tensor `{name}` cannot be read ({reason})")),
            Self::Hdf5(datasets) => read_dataset(datasets.get(name).ok_or_else(missing)?)
                .map_err(|reason| format!("the dataset `{name}` cannot be read ({reason})")),
        }
    }
}

/// A tensor of a type whose conversion by candle ends: that of 8-bit floats does not (0.11.1).
fn load(view: TensorView<'_>) -> Result<Tensor, String> {
    if matches!(view.dtype(), Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E8M0) {
        return Err("its numbers are floats of 8 bits".to_owned());
    }
    view.load(&Device::Cpu).map_err(|error| first_line(&error.to_string()).to_owned())
}

/// Backtraces of other libraries are nobody's help.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Adds all datasets of a group and of the groups within it.
fn collect(
    group: &Group,
    path: &str,
    found: &mut BTreeMap<String, Dataset>,
) -> Result<(), Hdf5Error> {
    for dataset in group.datasets()? {
        found.insert(format!("{path}{}", dataset.name()), dataset);
    }
    group
        .groups()?
        .iter()
        .try_for_each(|inner| collect(inner, &format!("{path}{}/", inner.name()), found))
}

fn read_dataset(dataset: &Dataset) -> Result<Tensor, String> {
    let shape: Vec<usize> = dataset.shape().iter().map(|&extent| extent as usize).collect();
    let tensor = match dataset.dtype() {
        Datatype::FloatingPoint { size: 4, .. } => {
            let values: Vec<f32> =
                dataset.read_array().map_err(|error| error.to_string())?.iter().copied().collect();
            Tensor::from_vec(values, shape, &Device::Cpu)
        }
        Datatype::FloatingPoint { size: 8, .. } => {
            let values: Vec<f64> =
                dataset.read_array().map_err(|error| error.to_string())?.iter().copied().collect();
            Tensor::from_vec(values, shape, &Device::Cpu)
        }
        other => return Err(format!("its type is {other:?}, not 32-bit or 64-bit floats")),
    };
    tensor.map_err(|error| first_line(&error.to_string()).to_owned())
}

/// Tensors of a base as a file holds them.
#[derive(Debug, Default)]
pub(crate) struct RawFile {
    /// Tensors by the file's names, or by torchvision's where the file uses others.
    pub(crate) tensors: BTreeMap<String, RawTensor>,
    /// Origin of the weights, where the file's metadata names it.
    pub(crate) source: Option<String>,
    /// What the weights were trained on, where the file has the layout of `keras.applications`.
    pub(crate) keras_preprocessing: Option<PreprocessingName>,
}

/// Reads the tensors of a base from a file of any format; those whose names begin with one of
/// `passed_over` are left where they are.
pub(crate) fn read(
    bytes: &[u8],
    architecture: Architecture,
    passed_over: &[&str],
) -> Result<RawFile, String> {
    let file = TensorFile::open(bytes)?;
    if let TensorFile::Hdf5(datasets) = &file {
        let Some(base) = keras(architecture) else {
            return Err(format!(
                "Keras has no {architecture}; give its weights as safetensors or PyTorch's state dict"
            ));
        };
        return Ok(RawFile {
            tensors: of_keras(&file, datasets, architecture, &base)?,
            source: None,
            keras_preprocessing: Some(base.preprocessing),
        });
    }
    let other_names: HashMap<String, String> = other_names(architecture).into_iter().collect();
    let names = file.names();
    let wrapper = wrapper(&names);
    let mut tensors = BTreeMap::new();
    for name in names {
        let own = &name[wrapper.len()..];
        let is_counter = own.ends_with(BATCH_COUNTER);
        if !is_counter && !passed_over.iter().any(|prefix| own.starts_with(prefix)) {
            let renamed = own.rsplit_once('.').and_then(|(layer, suffix)| {
                other_names.get(layer).map(|layer| format!("{layer}.{suffix}"))
            });
            let own = renamed.unwrap_or_else(|| own.to_owned());
            tensors.insert(own, single(&name, file.get(&name)?)?);
        }
    }
    let source = if let TensorFile::Safetensors { source, .. } = file { source } else { None };
    Ok(RawFile { tensors, source, keras_preprocessing: None })
}

/// PyTorch counts the batches that a BatchNorm has seen, in integers; nothing is computed with them.
const BATCH_COUNTER: &str = ".num_batches_tracked";

/// What PyTorch puts before all names of a model that is part of something: of a data-parallel or a
/// compiled one, of a trainer's, of a checkpoint with other things in it.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "state_dict."];

/// What stands before all names, wrapper in wrapper.
fn wrapper(names: &[String]) -> String {
    let mut found = String::new();
    loop {
        let is_before_all = |wrapper: &&&str| {
            let prefix = format!("{found}{wrapper}");
            !names.is_empty() && names.iter().all(|name| name.starts_with(&prefix))
        };
        match WRAPPERS.iter().find(is_before_all) {
            Some(wrapper) => found.push_str(wrapper),
            None => return found,
        }
    }
}

/// Shape and values of a tensor as 32-bit floats. Those of 16 bits are exactly what they were; those
/// of 64 bits are rounded.
fn single(name: &str, tensor: Tensor) -> Result<RawTensor, String> {
    if !matches!(tensor.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
        let dtype = tensor.dtype().as_str().to_uppercase();
        return Err(format!(
            "the tensor `{name}` is of type {dtype}, but weights are floats of 16, 32 or 64 bits; is it the file of another model?"
        ));
    }
    let tensor = tensor.to_dtype(DType::F32).map_err(|error| error.to_string())?;
    let values = tensor.flatten_all().and_then(|tensor| tensor.to_vec1());
    Ok((tensor.dims().to_vec(), values.map_err(|error| error.to_string())?))
}

/// Weights of `keras.applications`: a group for each layer, `block1_conv1` and so on, holding its
/// tensors at whatever depth (Keras 1 puts them into the group, later versions one deeper).
fn of_keras(
    file: &TensorFile<'_>,
    datasets: &BTreeMap<String, Dataset>,
    architecture: Architecture,
    KerasBase { names, .. }: &KerasBase,
) -> Result<BTreeMap<String, RawTensor>, String> {
    let specs = tensors(architecture);
    let kernels =
        specs.iter().filter(|tensor| matches!(tensor.shape[..], [outputs, 1, _, _] if outputs > 1));
    let depthwise: HashSet<&str> =
        kernels.filter_map(|tensor| tensor.name.strip_suffix(".weight")).collect();
    let mut found = BTreeMap::new();
    for (layer, name) in names {
        let group = format!("{layer}/");
        let of_layer: Vec<&String> =
            datasets.keys().filter(|path| path.starts_with(&group)).collect();
        if of_layer.is_empty() {
            return Err(format!(
                "the HDF5 file has no layer `{layer}`; is it the file of another base?"
            ));
        }
        for path in of_layer {
            let own = path.rsplit('/').next().unwrap_or(path);
            let Some(suffix) = keras_suffix(layer, own) else {
                return Err(format!(
                    "the dataset `{path}` is nothing that {architecture} has; is it the file of another base?"
                ));
            };
            let (shape, values) = single(path, file.get(path)?)?;
            let tensor = match shape[..] {
                // A depthwise kernel is `[height, width, channels, 1]`; Keras 3 calls it `kernel`.
                [height, width, channels, 1] if depthwise.contains(name.as_str()) => {
                    let oihw = to_oihw(&values, &[height, width, 1, channels]);
                    (vec![channels, 1, height, width], oihw)
                }
                [height, width, inputs, outputs] => {
                    (vec![outputs, inputs, height, width], to_oihw(&values, &shape))
                }
                _ => (shape, values),
            };
            found.insert(format!("{name}.{suffix}"), tensor);
        }
    }
    // A deeper base of the same family has all these layers, and more.
    let is_known =
        |path: &str| names.iter().any(|(layer, _)| path.starts_with(&format!("{layer}/")));
    for path in datasets.keys().filter(|path| !is_known(path)) {
        let layer = path.split('/').next().unwrap_or(path);
        if datasets[path].shape().len() == 4 {
            return Err(format!(
                "the HDF5 file has a layer `{layer}`, which {architecture} lacks; is it the file of another base?"
            ));
        }
    }
    Ok(found)
}

/// What a dataset of a layer is called in PyTorch. Keras 1 put the layer's name before the tensor's
/// and a number behind it: `block1_conv1_W_1:0`.
fn keras_suffix(layer: &str, dataset: &str) -> Option<&'static str> {
    let own = dataset.strip_suffix(":0").unwrap_or(dataset);
    let of_keras_1 =
        own.strip_prefix(layer).map(|own| own.trim_end_matches(|end: char| end.is_ascii_digit()));
    match of_keras_1.map(|own| own.trim_matches('_')).unwrap_or(own) {
        "kernel" | "depthwise_kernel" | "gamma" | "W" => Some("weight"),
        "bias" | "beta" | "b" => Some("bias"),
        "moving_mean" | "running_mean" => Some("running_mean"),
        "moving_variance" | "running_std" => Some("running_var"),
        _ => None,
    }
}
