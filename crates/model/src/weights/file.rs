//! Files of tensors of every format, told apart by their first bytes, with everything that they hold:
//! what cannot be read is listed with the reason.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use thaw_spec::{ContentHash, FileKind};
use zip::ZipArchive;

use super::hdf5::DatasetFile;
use super::numbers::{NumberType, Numbers};
use super::pytorch::{PyTorchFile, most_unpacked};
use super::state_dicts::{OtherTensors, Wanted};
use crate::ModelError;

/// A file of tensors, or the shards of one, read one tensor at a time.
pub(crate) struct TensorFile<'a> {
    shards: Vec<Shard<'a>>,
    /// The shard of each tensor, or why it has none.
    tensors: BTreeMap<String, Result<usize, String>>,
}

struct Shard<'a> {
    bytes: Cow<'a, [u8]>,
    format: Format,
}

enum Format {
    Safetensors {
        tensors: BTreeMap<String, (Dtype, Vec<usize>, Range<usize>)>,
        /// Origin of the weights, where the file's metadata names it.
        source: Option<String>,
    },
    PyTorch(PyTorchFile),
    Hdf5(DatasetFile),
}

impl Format {
    fn names(&self) -> Vec<String> {
        match self {
            Self::Safetensors { tensors, .. } => tensors.keys().cloned().collect(),
            Self::PyTorch(file) => file.tensors.keys().cloned().collect(),
            Self::Hdf5(file) => file.datasets.keys().cloned().collect(),
        }
    }
}

/// The file in which Keras 3 keeps the weights within a `.keras`.
const KERAS_WEIGHTS: &str = "model.weights.h5";

/// The end of the name of an index of shards.
const INDEX: &str = ".index.json";

impl<'a> TensorFile<'a> {
    /// Reads a file; or, of shards, their folder or index. Of several state dicts in a file of
    /// PyTorch's, the one at the place `state_dict`, or the one with the most tensors.
    pub(crate) fn read(path: &Path, state_dict: Wanted<'_>) -> Result<Self, ModelError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })
        };
        let wrong = |reason: String| ModelError::Weights { path: path.to_owned(), reason };
        let index = if path.is_dir() {
            let entries = std::fs::read_dir(path)
                .map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
            let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let mut indices: Vec<PathBuf> =
                names.filter(|name| name.to_string_lossy().ends_with(INDEX)).collect();
            indices.sort();
            match &indices[..] {
                [index] => Some(index.clone()),
                [] => {
                    return Err(wrong(format!(
                        "it is a folder without an index of shards (`…{INDEX}`); name a file"
                    )));
                }
                [one, other, ..] => {
                    return Err(wrong(format!(
                        "it holds several indices of shards, {} and {}; name one",
                        one.display(),
                        other.display()
                    )));
                }
            }
        } else {
            path.to_string_lossy().ends_with(INDEX).then(|| path.to_owned())
        };
        let Some(index) = index else {
            return Self::of(Cow::Owned(read(path)?), state_dict).map_err(wrong);
        };
        let malformed =
            |reason: &str| ModelError::Weights { path: index.clone(), reason: reason.to_owned() };
        let content: serde_json::Value = serde_json::from_slice(&read(&index)?)
            .map_err(|error| malformed(&error.to_string()))?;
        let map = content["weight_map"]
            .as_object()
            .ok_or_else(|| malformed("it is no index of shards: `weight_map` is missing"))?;
        let mut shards: Vec<Shard<'a>> = Vec::new();
        let mut known: BTreeMap<&str, Result<usize, String>> = BTreeMap::new();
        let mut tensors = BTreeMap::new();
        for (tensor, shard) in map {
            let shard = shard.as_str().ok_or_else(|| {
                malformed("`weight_map` holds something else than names of files")
            })?;
            // A shard lies beside its index.
            let is_name = Path::new(shard).components().count() == 1
                && Path::new(shard).file_name().is_some();
            let file = index.with_file_name(shard);
            let found = known.entry(shard).or_insert_with(|| {
                if !is_name || !file.is_file() {
                    return Err(format!("its shard `{shard}` is missing beside its index"));
                }
                let bytes = std::fs::read(&file)
                    .map_err(|error| format!("its shard `{shard}` cannot be read ({error})"))?;
                let opened = Self::of(Cow::Owned(bytes), state_dict)
                    .map_err(|reason| format!("its shard `{shard}`: {reason}"))?;
                shards.extend(opened.shards.into_iter().map(|Shard { bytes, format }| Shard {
                    bytes: Cow::Owned(bytes.into_owned()),
                    format,
                }));
                Ok(shards.len() - 1)
            });
            tensors.insert(tensor.clone(), found.clone());
        }
        // What a shard holds and the index does not name.
        for (number, shard) in shards.iter().enumerate() {
            for name in shard.format.names() {
                tensors.entry(name).or_insert(Ok(number));
            }
        }
        Ok(TensorFile { shards, tensors })
    }

    /// Understands a file of these bytes.
    pub(crate) fn of(bytes: Cow<'a, [u8]>, state_dict: Wanted<'_>) -> Result<Self, String> {
        let format = match FileKind::of(&bytes) {
            Some(FileKind::Hdf5) => Format::Hdf5(DatasetFile::of(&bytes)?),
            Some(FileKind::Zip) => match keras_weights(&bytes)? {
                Some(weights) => Format::Hdf5(DatasetFile::of(&weights)?),
                None => Format::PyTorch(PyTorchFile::of_archive(&bytes, state_dict)?),
            },
            Some(FileKind::Pickle) if PyTorchFile::is_legacy(&bytes) => {
                Format::PyTorch(PyTorchFile::of_legacy(&bytes, state_dict)?)
            }
            Some(FileKind::Safetensors) | None => safetensors(&bytes)?,
            Some(kind) => {
                return Err(format!(
                    "it is {kind}, not a file of tensors that thaw reads; {}",
                    remedy(kind)
                ));
            }
        };
        let tensors = format.names().into_iter().map(|name| (name, Ok(0))).collect();
        Ok(Self { shards: vec![Shard { bytes, format }], tensors })
    }

    /// The tensors' names in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    /// A tensor's type, shape and bits, or why they cannot be read.
    pub(crate) fn numbers(&self, name: &str) -> Result<Numbers<'_>, String> {
        let unreadable = |reason: String| format!("`{name}` cannot be read: {reason}");
        let shard =
            self.tensors.get(name).ok_or_else(|| format!("the tensor `{name}` is missing"))?;
        let Shard { bytes, format } =
            &self.shards[*shard.as_ref().map_err(|reason| unreadable(reason.clone()))?];
        let missing = || unreadable("its shard does not hold it".to_owned());
        match format {
            Format::Safetensors { tensors, .. } => {
                let (dtype, shape, range) = tensors.get(name).ok_or_else(missing)?;
                let bytes = bytes
                    .get(range.clone())
                    .ok_or_else(|| unreadable("the file ends before it".to_owned()))?;
                Ok(Numbers {
                    number_type: NumberType::Known(*dtype),
                    shape: shape.clone(),
                    bytes: Cow::Borrowed(bytes),
                })
            }
            Format::PyTorch(file) => {
                let view = file
                    .tensors
                    .get(name)
                    .ok_or_else(missing)?
                    .as_ref()
                    .map_err(|reason| unreadable(reason.clone()))?;
                let bytes = file.numbers(bytes, view).map_err(unreadable)?;
                Ok(Numbers {
                    number_type: NumberType::Known(view.dtype),
                    shape: view.shape.clone(),
                    bytes,
                })
            }
            Format::Hdf5(file) => {
                file.numbers(file.datasets.get(name).ok_or_else(missing)?).map_err(unreadable)
            }
        }
    }

    /// The keys or the group under which the tensors stand in the file; nothing where it is the file.
    pub(crate) fn place(&self) -> Option<&str> {
        let place = match &self.shards.first()?.format {
            Format::PyTorch(file) => &file.place,
            Format::Hdf5(file) => &file.place,
            Format::Safetensors { .. } => return None,
        };
        Some(&**place).filter(|place| !place.is_empty())
    }

    /// Tensors in the file that are no model's or not the chosen one's.
    pub(crate) fn left_out(&self) -> Vec<OtherTensors> {
        let of_shard = |shard: &Shard<'_>| match &shard.format {
            Format::PyTorch(file) => file.left_out.clone(),
            Format::Hdf5(file) => file.left_out.clone(),
            Format::Safetensors { .. } => Vec::new(),
        };
        self.shards.iter().flat_map(of_shard).collect()
    }

    /// Number of tensors that stand where thaw does not look.
    pub(crate) fn unplaced(&self) -> usize {
        let of_shard = |shard: &Shard<'_>| match &shard.format {
            Format::PyTorch(file) => file.unplaced,
            Format::Hdf5(_) | Format::Safetensors { .. } => 0,
        };
        self.shards.iter().map(of_shard).sum()
    }

    /// Origin of the weights, where the file's metadata names it.
    pub(crate) fn source(&self) -> Option<String> {
        self.shards.iter().find_map(|shard| match &shard.format {
            Format::Safetensors { source, .. } => source.clone(),
            _ => None,
        })
    }

    /// Whether the tensors are named as Keras names them.
    pub(crate) fn is_keras(&self) -> bool {
        self.shards.iter().any(|shard| matches!(shard.format, Format::Hdf5(_)))
    }

    /// SHA-256 of the file, or of its shards one after the other.
    pub(crate) fn hash(&self) -> ContentHash {
        match &self.shards[..] {
            [one] => ContentHash::of_bytes(&one.bytes),
            shards => {
                let parts: Vec<&[u8]> = shards.iter().map(|shard| &*shard.bytes).collect();
                ContentHash::of_bytes(&parts.concat())
            }
        }
    }
}

/// What to do about a file of another kind.
fn remedy(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Empty => "write it again",
        FileKind::GitLfsPointer => "fetch the file itself with `git lfs pull`",
        FileKind::WebPage => "the download gave a page instead of the file",
        FileKind::Gzip => "unpack it first",
        FileKind::Numpy => "save the arrays as safetensors (`safetensors.numpy.save_file`)",
        FileKind::Pickle => {
            "it is not opened, since that would run what is in it; save the tensors as safetensors"
        }
        FileKind::Onnx
        | FileKind::TfLite
        | FileKind::Gguf
        | FileKind::TensorFlowGraph
        | FileKind::TensorFlowCheckpoint => {
            "save the model's weights with the library that it was trained with, as safetensors, `.pth` or Keras' HDF5"
        }
        _ => "give safetensors, a file of PyTorch, or one of Keras",
    }
}

fn safetensors(bytes: &[u8]) -> Result<Format, String> {
    let malformed = |error: safetensors::SafeTensorError| {
        format!(
            "it is no file of tensors that thaw reads; as safetensors it is damaged or cut off ({error})"
        )
    };
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let start = length + 8;
    let tensors = header.tensors();
    let tensors = tensors.iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        (name.clone(), (info.dtype, info.shape.clone(), start + from..start + to))
    });
    let source = header.metadata().as_ref().and_then(|metadata| metadata.get("source").cloned());
    Ok(Format::Safetensors { tensors: tensors.collect(), source })
}

/// The weights within a `.keras`; nothing for another archive.
fn keras_weights(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let damaged = |error: &dyn std::fmt::Display| {
        format!("it is a zip archive that is damaged or cut off ({error})")
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let names: Vec<String> =
        archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    if names.iter().any(|name| name.ends_with(".npy")) {
        return Err(
            "it holds arrays of NumPy; save them as safetensors (`safetensors.numpy.save_file`)"
                .to_owned(),
        );
    }
    if !names.iter().any(|name| name == KERAS_WEIGHTS) {
        return Ok(None);
    }
    let mut content = Vec::new();
    let entry = archive.by_name(KERAS_WEIGHTS).map_err(|error| damaged(&error))?;
    let most = most_unpacked(bytes);
    entry.take(most).read_to_end(&mut content).map_err(|error| damaged(&error))?;
    Ok(Some(content))
}
