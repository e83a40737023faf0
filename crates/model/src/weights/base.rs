//! The tensors of a base in a file of any format: under torchvision's names or those of other
//! libraries, alone or as a part of a model.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use thaw_spec::{Architecture, PreprocessingName};

use super::file::TensorFile;
use super::layout::{RawTensor, to_oihw};
use super::matching::wrapper;
use super::numbers::{Numbers, float_width};
use crate::bases::{KerasBase, keras, other_names, tensors};

/// Tensors of a base as a file holds them.
#[derive(Debug, Default)]
pub(crate) struct RawFile {
    /// Tensors by the file's names, or by torchvision's where the file uses others.
    pub(crate) tensors: BTreeMap<String, RawTensor>,
    /// What stood before their names, where they are a part of a model.
    pub(crate) part: Option<String>,
    /// What the weights were trained on, where the file has the layout of `keras.applications`.
    pub(crate) keras_preprocessing: Option<PreprocessingName>,
}

/// Reads the tensors of a base from a file of any format; those whose names begin with one of
/// `passed_over` are left where they are.
pub(crate) fn read(
    file: &TensorFile<'_>,
    architecture: Architecture,
    passed_over: &[&str],
) -> Result<RawFile, String> {
    if file.is_keras() {
        let Some(base) = keras(architecture) else {
            return Err(format!(
                "Keras has no {architecture}; give its weights as safetensors or PyTorch's state dict"
            ));
        };
        return Ok(RawFile {
            tensors: of_keras(file, architecture, &base)?,
            part: None,
            keras_preprocessing: Some(base.preprocessing),
        });
    }
    let other_names: HashMap<String, String> = other_names(architecture).into_iter().collect();
    let renamed = |own: &str| {
        let layer = own.rsplit_once('.').and_then(|(layer, suffix)| {
            other_names.get(layer).map(|layer| format!("{layer}.{suffix}"))
        });
        layer.unwrap_or_else(|| own.to_owned())
    };
    let names = file.names();
    let wrapper = wrapper(&names);
    let part = part(&names, architecture, &wrapper, &renamed)?;
    let prefix = part.as_deref().unwrap_or(&wrapper);
    let mut tensors = BTreeMap::new();
    for name in &names {
        let Some(own) = name.strip_prefix(prefix) else { continue };
        let is_counter = own.ends_with(BATCH_COUNTER);
        if !is_counter && !passed_over.iter().any(|prefix| own.starts_with(prefix)) {
            tensors.insert(renamed(own), single(name, &file.numbers(name)?)?);
        }
    }
    Ok(RawFile { tensors, part, keras_preprocessing: None })
}

/// Bytes that the name of a base's tensor may have, without what stands before it; those of all libraries
/// have fewer than a hundred.
const LONGEST_NAME: usize = 256;

/// What stands before the names of a base that is a part of a model; nothing where the file is the
/// base's own.
fn part(
    names: &[String],
    architecture: Architecture,
    wrapper: &str,
    renamed: &dyn Fn(&str) -> String,
) -> Result<Option<String>, String> {
    let wanted: Vec<String> = tensors(architecture).into_iter().map(|tensor| tensor.name).collect();
    let bare = |name: &str| name.strip_prefix(super::FEATURES).unwrap_or(name).to_owned();
    let holds_all = |prefix: &str| {
        let own: BTreeSet<String> = names
            .iter()
            .filter_map(|name| name.strip_prefix(prefix))
            .map(|name| bare(&renamed(name)))
            .collect();
        wanted.iter().all(|name| own.contains(&bare(name)))
    };
    if holds_all(wrapper) {
        return Ok(None);
    }
    let prefixes: BTreeSet<&str> = names
        .iter()
        .flat_map(|name| name.match_indices('.').map(move |(end, _)| name.split_at(end + 1)))
        .filter(|(_, own)| own.len() <= LONGEST_NAME)
        .map(|(prefix, _)| prefix)
        .collect();
    // `base.` and `base.features.` are one place.
    let prefixes = prefixes.into_iter().filter(|prefix| {
        !prefix
            .strip_suffix(super::FEATURES)
            .is_some_and(|outer| outer.is_empty() || holds_all(outer))
    });
    let found: Vec<&str> = prefixes.filter(|prefix| holds_all(prefix)).collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.to_owned())),
        [one, other, ..] => Err(format!(
            "it holds {architecture} more than once, as `{one}` and as `{other}`; save the one that is meant in a file of its own"
        )),
    }
}

/// PyTorch counts the batches that a BatchNorm has seen, in integers; nothing is computed with them.
const BATCH_COUNTER: &str = ".num_batches_tracked";

/// Shape and values of a tensor as 32-bit floats. Those of 16 bits are exactly what they were; those
/// of 64 bits are rounded.
fn single(name: &str, numbers: &Numbers<'_>) -> Result<RawTensor, String> {
    let values = numbers.values().filter(|_| float_width(&numbers.number_type).is_some());
    let values = values.ok_or_else(|| {
        format!(
            "the tensor `{name}` is of type {}, but weights are floats of 16, 32 or 64 bits; is it the file of another model?",
            numbers.number_type
        )
    })?;
    Ok((numbers.shape.clone(), values.into_iter().map(|value| value as f32).collect()))
}

/// Weights of `keras.applications`: a group for each layer, `block1_conv1` and so on, holding its
/// tensors at whatever depth (Keras 1 puts them into the group, later versions one deeper).
fn of_keras(
    file: &TensorFile<'_>,
    architecture: Architecture,
    KerasBase { names, .. }: &KerasBase,
) -> Result<BTreeMap<String, RawTensor>, String> {
    let specs = tensors(architecture);
    let kernels =
        specs.iter().filter(|tensor| matches!(tensor.shape[..], [outputs, 1, _, _] if outputs > 1));
    let depthwise: HashSet<&str> =
        kernels.filter_map(|tensor| tensor.name.strip_suffix(".weight")).collect();
    let mut found = BTreeMap::new();
    let paths = file.names();
    // A layer's group may lie within that of the model which the base is part of.
    let is_of = |path: &str, layer: &str| path.split('/').rev().skip(1).any(|group| group == layer);
    for (layer, name) in names {
        let of_layer: Vec<&String> = paths.iter().filter(|path| is_of(path, layer)).collect();
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
            let (shape, values) = single(path, &file.numbers(path)?)?;
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
            if found.insert(format!("{name}.{suffix}"), tensor).is_some() {
                return Err(format!("the HDF5 file has `{suffix}` of the layer `{layer}` twice"));
            }
        }
    }
    // A deeper base of the same family has all these layers, and more.
    for path in paths.iter().filter(|path| !names.iter().any(|(layer, _)| is_of(path, layer))) {
        let layer = path.split('/').rev().nth(1).unwrap_or(path);
        if file.numbers(path).is_ok_and(|numbers| numbers.shape.len() == 4) {
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
