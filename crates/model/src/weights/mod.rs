//! Weights files, checked tensor by tensor against the base they are for.

mod base;
mod file;
mod hdf5;
mod layout;
mod matching;
mod numbers;
mod pickle;
mod pytorch;
mod state_dicts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};
use thaw_spec::{Architecture, ContentHash, PreprocessingName, TensorRole};

use crate::bases::{blocks, tensors};
use crate::layers::{self, Initial, Scaling, TensorSpec};
use crate::{Base, ModelError};

pub(crate) use file::TensorFile;
use layout::{to_hwio, to_oihw};
pub(crate) use matching::matched;
pub(crate) use numbers::{
    NumberType, Numbers, are_halves, float_width, have_common_source, rounded, values,
};
pub use state_dicts::OtherTensors;
pub(crate) use state_dicts::Wanted;

/// Tensors of a convolutional base, kernels as `[height, width, input channels, output channels]`.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Path of the file, for messages and provenance.
    pub path: PathBuf,
    /// SHA-256 of the file's content.
    pub hash: ContentHash,
    /// Origin of the weights, where the file's metadata names it.
    pub origin: Option<String>,
    /// What stands before the names of the base's tensors, where the file is of a model that the base
    /// is part of; the model's other tensors are passed over.
    pub part: Option<String>,
    /// Preprocessing that the weights were trained on, where the file's layout tells it.
    pub preprocessing: Option<PreprocessingName>,
    /// In the memory of the processor, which the bases that are made of them share.
    tensors: BTreeMap<String, Tensor>,
}

/// Weights of [`Architecture::MiniVgg`]; `mini_vgg.json` beside the file tells how they were made.
const MINI_VGG: &[u8] = include_bytes!("../../weights/mini_vgg.safetensors");

/// Weights of [`Architecture::MiniResnet`], with `mini_resnet.json`.
const MINI_RESNET: &[u8] = include_bytes!("../../weights/mini_resnet.safetensors");

/// Tensors that belong to the classifier which the base is cut from: those of torchvision, timm and
/// `efficientnet-pytorch`.
const CLASSIFIERS: [&str; 5] = ["classifier.", "pre_logits.", "head.", "fc.", "_fc."];

/// Prefix of the names of a base's tensors in torchvision's files; files of `model.features` alone
/// lack it.
const FEATURES: &str = "features.";

/// End of the names of moving variances.
const VARIANCE: &str = ".running_var";

impl Weights {
    /// Reads a file with torchvision's names and layout (`[output, input, height, width]`), as
    /// safetensors (in shards too: their folder or index) or as PyTorch's state dict, or one of
    /// `keras.applications` in HDF5. A classifier is passed over, and so is the rest of a model that
    /// the base is part of.
    ///
    /// # Errors
    /// When the file cannot be read, or a tensor of the base is missing, has another shape or type,
    /// or is unknown.
    pub fn read(path: &Path, architecture: Architecture) -> Result<Self, ModelError> {
        Self::of(path, &TensorFile::read(path, Wanted::Largest)?, architecture)
    }

    /// Reads a file from memory as [`Weights::read`] does; `path` is only used in messages.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn from_bytes(
        path: &Path,
        bytes: &[u8],
        architecture: Architecture,
    ) -> Result<Self, ModelError> {
        let file = TensorFile::of(Cow::Borrowed(bytes), Wanted::Largest)
            .map_err(|reason| ModelError::Weights { path: path.to_owned(), reason })?;
        Self::of(path, &file, architecture)
    }

    fn of(
        path: &Path,
        tensor_file: &TensorFile<'_>,
        architecture: Architecture,
    ) -> Result<Self, ModelError> {
        let wrong = |reason: String| ModelError::Weights { path: path.to_owned(), reason };
        let mut file = base::read(tensor_file, architecture, &CLASSIFIERS).map_err(wrong)?;
        let mut found_tensors = BTreeMap::new();
        for TensorSpec { name, shape, role, .. } in tensors(architecture) {
            let bare = name.trim_start_matches(FEATURES);
            let found = file.tensors.remove(&name).or_else(|| file.tensors.remove(bare));
            let remedy = match role {
                TensorRole::Weight => "",
                TensorRole::Statistic => "; save the state dict with its buffers",
            };
            let (found_shape, values) =
                found.ok_or_else(|| wrong(format!("the tensor `{name}` is missing; {architecture} needs it with the shape {shape:?}{remedy}")))?;
            if found_shape != shape {
                return Err(wrong(format!(
                    "the tensor `{name}` has the shape {found_shape:?}, but {architecture} needs {shape:?}"
                )));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(wrong(format!(
                    "the tensor `{name}` holds {value}; the file is damaged"
                )));
            }
            if let Some(value) =
                values.iter().find(|value| **value < 0.0).filter(|_| name.ends_with(VARIANCE))
            {
                return Err(wrong(format!(
                    "the tensor `{name}` holds {value}, but it is a variance; the file is damaged"
                )));
            }
            let (shape, values) = match shape[..] {
                [outputs, inputs, height, width] => {
                    (vec![height, width, inputs, outputs], to_hwio(&values, &shape))
                }
                _ => (shape, values),
            };
            found_tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
        if let Some(extra) = file.tensors.keys().next() {
            return Err(wrong(format!(
                "the tensor `{extra}` is unknown to {architecture}; is this the file of another base?"
            )));
        }
        let preprocessing = file.keras_preprocessing;
        let origin =
            tensor_file.source().or_else(|| preprocessing.map(|_| "keras.applications".to_owned()));
        Ok(Self {
            path: path.to_owned(),
            hash: tensor_file.hash(),
            origin,
            part: file.part,
            preprocessing,
            tensors: found_tensors,
        })
    }

    /// The weights that come with thaw, for bases that have some.
    pub fn shipped(architecture: Architecture) -> Option<Result<Self, ModelError>> {
        let (name, bytes) = match architecture {
            Architecture::MiniVgg => ("mini_vgg.safetensors (shipped)", MINI_VGG),
            Architecture::MiniResnet => ("mini_resnet.safetensors (shipped)", MINI_RESNET),
            _ => return None,
        };
        Some(Self::from_bytes(Path::new(name), bytes, architecture))
    }

    /// Weights to start pretraining from: kernels uniform in ±√(6 / inputs of a unit) (He et al.
    /// 2015, equation 10, as a uniform distribution), biases zero. `draw(tensor)` yields the source
    /// of uniform numbers in [0, 1) for a kernel.
    ///
    /// # Errors
    /// When the tensors cannot be written down.
    pub fn initial<D: FnMut() -> f64>(
        architecture: Architecture,
        mut draw: impl FnMut(usize) -> D,
    ) -> Result<Self, ModelError> {
        let path = Path::new("initial weights");
        let values = |number: usize, TensorSpec { shape, initial, .. }: &TensorSpec| {
            let length = shape.iter().product();
            if let Initial::Constant(value) = *initial {
                return vec![value; length];
            }
            let bound = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
            let mut unit = draw(number);
            (0..length).map(|_| ((2.0 * unit() - 1.0) * bound) as f32).collect()
        };
        let bytes = weights_file(architecture, values).map_err(|error| ModelError::Weights {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::from_bytes(path, &bytes, architecture)
    }

    /// A tensor, a kernel as `[height, width, inputs, outputs]`.
    pub(crate) fn get(&self, name: &str) -> Result<&Tensor, ModelError> {
        let missing = || ModelError::Weights {
            path: self.path.clone(),
            reason: format!("the tensor `{name}` is missing"),
        };
        self.tensors.get(name).ok_or_else(missing)
    }
}

/// A safetensors file for a base, in torchvision's layout, with the values that `values(number,
/// tensor)` gives each tensor.
///
/// # Errors
/// When a tensor is given another number of values than its shape has.
pub fn weights_file(
    architecture: Architecture,
    mut values: impl FnMut(usize, &TensorSpec) -> Vec<f32>,
) -> Result<Vec<u8>, SafeTensorError> {
    let specs = tensors(architecture).into_iter().enumerate();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = specs
        .map(|(number, tensor)| {
            let bytes = values(number, &tensor).into_iter().flat_map(f32::to_le_bytes).collect();
            (tensor.name, tensor.shape, bytes)
        })
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in &tensors {
        views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?));
    }
    safetensors::serialize(views, None)
}

/// The tensors whose multiplication by a positive factor multiplies the features of a base.
///
/// # Errors
/// When there are none: the base ends in an activation that does not commute with a factor, or in a
/// residual connection.
pub fn multiplied_tensors(
    architecture: Architecture,
    factor: f32,
) -> Result<Vec<String>, ModelError> {
    match layers::scaling(blocks(architecture).iter().flatten()) {
        Scaling::OfTensors(names) => Ok(names),
        Scaling::OfInput | Scaling::None if factor == 1.0 => Ok(Vec::new()),
        Scaling::OfInput | Scaling::None => {
            Err(ModelError::Unscalable { base: architecture.to_string() })
        }
    }
}

/// Serialises a base so that its features come multiplied by a positive `factor`, as a safetensors
/// file in torchvision's layout.
///
/// ReLU and pools commute with a positive factor, so it can be carried into the last convolutions.
/// With a power of two nothing is rounded.
///
/// # Errors
/// As [`multiplied_tensors`], or when the tensors cannot be written down.
pub fn export(base: &Base, architecture: Architecture, factor: f32) -> Result<Vec<u8>, ModelError> {
    let multiplied = multiplied_tensors(architecture, factor)?;
    let mut tensors = Vec::new();
    for parameter in base.parameters() {
        let factor = if multiplied.contains(&parameter.name) { factor } else { 1.0 };
        let (shape, values) =
            (parameter.value().dims().to_vec(), parameter.value().flatten_all()?.to_vec1::<f32>()?);
        let values: Vec<f32> = values.into_iter().map(|value| value * factor).collect();
        tensors.push(if shape.len() == 4 { to_oihw(&values, &shape) } else { values });
    }
    let wrong = |error: SafeTensorError| ModelError::Weights {
        path: "the trained base".into(),
        reason: error.to_string(),
    };
    weights_file(architecture, |number, _| std::mem::take(&mut tensors[number])).map_err(wrong)
}
