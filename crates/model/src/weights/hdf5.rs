//! HDF5, as Keras saves: groups and datasets, each with its path for a name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, ExternalLinkResolver, Hdf5File, OpenOptions, StringSize};
use safetensors::Dtype;

use super::numbers::{NumberType, Numbers};
use super::state_dicts::OtherTensors;

/// The group that `model.save` puts a model's weights in, beside those of its optimizer.
const MODEL: &str = "model_weights";

/// The groups of an optimizer, in Keras 1 and 2, and in Keras 3.
const OPTIMIZERS: [&str; 2] = ["optimizer_weights", "optimizer"];

/// Datasets of a file by path.
pub(crate) struct DatasetFile {
    pub(crate) datasets: BTreeMap<String, Dataset>,
    /// The group that they are in, where that is not the file.
    pub(crate) place: String,
    /// Groups of other datasets.
    pub(crate) left_out: Vec<OtherTensors>,
    /// Bytes that no dataset can have more of.
    most_bytes: usize,
}

/// Keeps the names of the files that links lead to; none of them is opened.
#[derive(Default)]
struct OtherFiles(Mutex<BTreeSet<String>>);

impl ExternalLinkResolver for OtherFiles {
    fn resolve_external_link(&self, filename: &str) -> Result<Option<Hdf5File>, Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(filename.to_owned());
        Ok(None)
    }
}

/// Datasets that a file may have, by all the links to them.
const MOST_DATASETS: usize = 200_000;

/// Groups that a file may have, by all the links to them: a few links in each of some groups are
/// exponentially many ways.
const MOST_GROUPS: usize = 10_000;

/// Groups within groups that are looked into.
const DEEPEST: usize = 256;

/// The most that deflate can shrink something by, about (zlib's documentation: 1032).
const LARGEST_RATIO: usize = 1100;

impl DatasetFile {
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, String> {
        let malformed =
            |error: Error| format!("an HDF5 file that cannot be read ({})", first_line(&error));
        let other_files = Arc::new(OtherFiles::default());
        let options = OpenOptions {
            external_link_resolver: Some(other_files.clone()),
            ..OpenOptions::default()
        };
        let root = Hdf5File::from_bytes_with_options(bytes, options)
            .and_then(|file| file.root_group())
            .map_err(malformed)?;
        let model = root.group(MODEL).ok();
        let mut datasets = Collection::of(model.as_ref().unwrap_or(&root)).map_err(malformed)?;
        let mut left_out = Vec::new();
        for group in root.groups().map_err(malformed)? {
            let is_optimizer = OPTIMIZERS.contains(&group.name());
            let is_beside = model.is_some() && group.name() != MODEL;
            if !is_optimizer && !is_beside {
                continue;
            }
            let prefix = format!("{}/", group.name());
            datasets.retain(|path, _| model.is_some() || !path.starts_with(&prefix));
            let own = Collection::of(&group).map_err(malformed)?;
            if !own.is_empty() {
                let names = own.into_keys().collect();
                left_out.push(OtherTensors { place: group.name().to_owned(), names, is_optimizer });
            }
        }
        if model.is_some() {
            let beside = root.datasets().map_err(malformed)?;
            let names: Vec<String> =
                beside.iter().map(|dataset| dataset.name().to_owned()).collect();
            if !names.is_empty() {
                left_out.push(OtherTensors { place: "/".to_owned(), names, is_optimizer: false });
            }
        }
        let other_files = other_files.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = other_files.first() {
            return Err(format!(
                "an HDF5 file with links to tensors in `{name}`, which is not opened; copy them into one file with `h5copy`"
            ));
        }
        let place = model.map_or_else(String::new, |_| MODEL.to_owned());
        let most_bytes = bytes.len().saturating_mul(LARGEST_RATIO);
        let file = Self { datasets, place, left_out, most_bytes };
        // A dataset that many links lead to is read as often.
        let declared = file.datasets.values().filter_map(|dataset| file.declared(dataset).ok());
        let declared = declared.fold(0usize, usize::saturating_add);
        if declared > most_bytes {
            return Err(format!(
                "an HDF5 file whose datasets declare {declared} bytes together, which it cannot hold"
            ));
        }
        Ok(file)
    }

    /// The bytes that a dataset declares, if its file can hold them.
    fn declared(&self, dataset: &Dataset) -> Result<usize, String> {
        let declared = dataset.raw_byte_len().map_err(|error| first_line(&error))?;
        let is_packed = dataset.chunks().is_some();
        let most = if is_packed { self.most_bytes } else { self.most_bytes / LARGEST_RATIO };
        if declared > most {
            return Err(format!("it declares {declared} bytes, which its file cannot hold"));
        }
        Ok(declared)
    }

    /// The bits of a dataset.
    pub(crate) fn numbers(&self, dataset: &Dataset) -> Result<Numbers<'static>, String> {
        self.declared(dataset)?;
        numbers(dataset)
    }
}

/// Backtraces of other libraries are nobody's help.
fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The datasets of a group and of the groups within it; of a group that holds itself once.
#[derive(Default)]
struct Collection {
    found: BTreeMap<String, Dataset>,
    above: BTreeSet<u64>,
    groups: usize,
}

impl Collection {
    fn of(group: &Group) -> Result<BTreeMap<String, Dataset>, Error> {
        let mut collection = Self::default();
        collection.add(group, "")?;
        Ok(collection.found)
    }

    fn add(&mut self, group: &Group, path: &str) -> Result<(), Error> {
        if !self.above.insert(group.address()) {
            return Ok(());
        }
        self.groups += 1;
        if self.above.len() > DEEPEST {
            return Err(Error::InvalidData(format!(
                "its groups are nested more than {DEEPEST} deep"
            )));
        }
        if self.found.len() > MOST_DATASETS || self.groups > MOST_GROUPS {
            return Err(Error::InvalidData(
                "its groups hold more groups or datasets than a model has".to_owned(),
            ));
        }
        for dataset in group.datasets()? {
            self.found.insert(format!("{path}{}", dataset.name()), dataset);
        }
        for inner in group.groups()? {
            self.add(&inner, &format!("{path}{}/", inner.name()))?;
        }
        self.above.remove(&group.address());
        Ok(())
    }
}

fn numbers(dataset: &Dataset) -> Result<Numbers<'static>, String> {
    let mut shape: Vec<usize> = dataset.shape().iter().map(|&extent| extent as usize).collect();
    let number_type = number_type(dataset.dtype(), &mut shape)?;
    let bytes = match dataset.dtype() {
        Datatype::VarLen { .. } => {
            dataset.read_strings().map_err(|error| first_line(&error))?.join("\0").into_bytes()
        }
        _ => dataset.read_native_bytes().map_err(|error| first_line(&error))?,
    };
    Ok(Numbers { number_type, shape, bytes: Cow::Owned(bytes) })
}

/// What a dataset holds; elements that are arrays lengthen the shape.
fn number_type(datatype: &Datatype, shape: &mut Vec<usize>) -> Result<NumberType, String> {
    let known = |dtype| Ok(NumberType::Known(dtype));
    match datatype {
        Datatype::FloatingPoint { size: 2, .. } => known(Dtype::F16),
        Datatype::FloatingPoint { size: 4, .. } => known(Dtype::F32),
        Datatype::FloatingPoint { size: 8, .. } => known(Dtype::F64),
        Datatype::FixedPoint { size, signed, .. } => match (size, signed) {
            (1, true) => known(Dtype::I8),
            (1, false) => known(Dtype::U8),
            (2, true) => known(Dtype::I16),
            (2, false) => known(Dtype::U16),
            (4, true) => known(Dtype::I32),
            (4, false) => known(Dtype::U32),
            (8, true) => known(Dtype::I64),
            (8, false) => known(Dtype::U64),
            _ => Ok(NumberType::Other(format!("integers of {size} bytes"))),
        },
        Datatype::FloatingPoint { size, .. } => {
            Ok(NumberType::Other(format!("floats of {size} bytes")))
        }
        Datatype::Enum { base, members }
            if members.len() == 2 && matches!(**base, Datatype::FixedPoint { size: 1, .. }) =>
        {
            known(Dtype::BOOL)
        }
        Datatype::Enum { base, .. } => number_type(base, shape),
        Datatype::Array { base, dims } => {
            shape.extend(dims.iter().map(|&extent| extent as usize));
            number_type(base, shape)
        }
        Datatype::String { size: StringSize::Fixed(size), .. } => {
            Ok(NumberType::Other(format!("texts of {size} bytes")))
        }
        Datatype::String { .. } => Err("its texts are kept in a way that is not read".to_owned()),
        Datatype::VarLen { base, .. } if base.is_vlen_string_base() => {
            Ok(NumberType::Other("texts".to_owned()))
        }
        Datatype::VarLen { .. } => Err("its elements are lists of different lengths".to_owned()),
        Datatype::Compound { size, fields } => {
            for field in fields {
                number_type(&field.datatype, &mut Vec::new())?;
                if matches!(field.datatype, Datatype::VarLen { .. }) {
                    return Err("it holds records with texts of any length".to_owned());
                }
            }
            Ok(NumberType::Other(format!("records of {size} bytes")))
        }
        Datatype::Opaque { size, .. } => Ok(NumberType::Other(format!("{size} bytes each"))),
        Datatype::Bitfield { size, .. } => Ok(NumberType::Other(format!("bits of {size} bytes"))),
        Datatype::Reference { .. } => {
            Err("it holds references, which are places in its file".to_owned())
        }
    }
}
