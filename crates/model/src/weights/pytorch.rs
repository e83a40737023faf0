//! PyTorch's files: a zip archive with a pickle of dictionaries and a file for each storage. The
//! pickle is read as data, and nothing of it is executed; every tensor that it names is listed, read
//! or not.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use candle_core::pickle::{Object, Stack};
use safetensors::Dtype;
use zip::ZipArchive;

/// The state dict of a file.
pub(crate) struct PyTorchFile {
    /// The keys under which it stands in the file, such as `state_dict`; empty where it is the file.
    pub(crate) place: String,
    /// Its tensors, or why one cannot be read.
    pub(crate) tensors: BTreeMap<String, Result<RawNumbers, String>>,
}

/// The numbers of a tensor, as a file holds them, in the order of its rows.
pub(crate) struct RawNumbers {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// Keys under which checkpoints keep what is no model's: it has tensors of its own.
const OPTIMIZERS: &str = "optim";

impl PyTorchFile {
    /// Reads a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(not_pytorch)?;
        let pickle = archive
            .file_names()
            .map(|name| name.map(std::borrow::Cow::into_owned))
            .collect::<Result<Vec<String>, _>>()
            .map_err(not_pytorch)?
            .into_iter()
            .find(|name| name.ends_with("data.pkl"))
            .ok_or("it is a zip archive without `data.pkl`, so no file of PyTorch; save `model.state_dict()` with `torch.save`")?;
        let folder = pickle.trim_end_matches(".pkl").to_owned();
        let mut stack = Stack::empty();
        let content = entry(&mut archive, &pickle)?;
        stack.read_loop(&mut content.as_slice()).map_err(not_pytorch)?;
        let root = stack.finalize().map_err(not_pytorch)?;
        let mut found = Vec::new();
        state_dicts(&root, "", &mut found);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let most = found.iter().map(|(_, tensors)| tensors.len()).max().unwrap_or(0);
        let largest: Vec<usize> =
            (0..found.len()).filter(|place| found[*place].1.len() == most).collect();
        let chosen = match largest[..] {
            [] => {
                return Err(
                    "it holds no state dict; save `model.state_dict()`, not the model".to_owned()
                );
            }
            [one] => one,
            [one, other, ..] => {
                return Err(format!(
                    "it holds several state dicts of {most} tensors, `{}` and `{}`; save the one that is meant in a file of its own",
                    found[one].0, found[other].0
                ));
            }
        };
        let (place, tensors) = found.swap_remove(chosen);
        let tensors = tensors
            .into_iter()
            .map(|(name, value)| (name, numbers(value, &folder, &mut archive)))
            .collect();
        Ok(Self { place, tensors })
    }
}

fn not_pytorch(error: impl std::fmt::Display) -> String {
    // Backtraces of other libraries are nobody's help.
    let text = error.to_string();
    format!("not a state dict of PyTorch ({})", text.lines().next().unwrap_or_default())
}

/// A whole file of the archive.
fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let mut file = archive.by_name(name).map_err(not_pytorch)?;
    file.read_to_end(&mut content).map_err(not_pytorch)?;
    Ok(content)
}

/// A dictionary's place and its tensors by name.
type StateDict<'a> = (String, Vec<(String, &'a Object)>);

/// Finds every dictionary that holds tensors, but for those of optimizers.
fn state_dicts<'a>(object: &'a Object, place: &str, found: &mut Vec<StateDict<'a>>) {
    let Object::Dict(entries) = object else { return };
    let mut tensors = Vec::new();
    for (key, value) in entries {
        let Object::Unicode(key) = key else { continue };
        if is_tensor(value) {
            tensors.push((key.clone(), value));
        } else if !key.to_lowercase().contains(OPTIMIZERS) {
            let inner = if place.is_empty() { key.clone() } else { format!("{place}/{key}") };
            state_dicts(value, &inner, found);
        }
    }
    if !tensors.is_empty() {
        found.push((place.to_owned(), tensors));
    }
}

/// The function that would make an object, and what it would be given.
fn call(object: &Object) -> Option<(&str, &[Object])> {
    let Object::Reduce { callable, args } = object else { return None };
    let (Object::Class { class_name, .. }, Object::Tuple(args)) = (&**callable, &**args) else {
        return None;
    };
    Some((class_name, args))
}

fn is_tensor(object: &Object) -> bool {
    call(object).is_some_and(|(function, _)| function.starts_with("_rebuild_"))
}

/// The numbers of a tensor, or why they cannot be read.
fn numbers(
    object: &Object,
    folder: &str,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
) -> Result<RawNumbers, String> {
    let unknown = || "it is stored in a way that thaw does not know".to_owned();
    let (function, args) = call(object).ok_or_else(unknown)?;
    match (function, args) {
        ("_rebuild_parameter", [data, ..]) => numbers(data, folder, archive),
        ("_rebuild_from_type_v2", [Object::Class { class_name, .. }, _, args, ..]) => {
            let inner = Object::Reduce {
                callable: Box::new(Object::Class {
                    module_name: String::new(),
                    class_name: class_name.clone(),
                }),
                args: Box::new(args.clone()),
            };
            numbers(&inner, folder, archive)
        }
        (
            "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_tensor",
            [storage, offset, size, stride, rest @ ..],
        ) => {
            let Object::PersistentLoad(storage) = storage else { return Err(unknown()) };
            let Object::Tuple(storage) = &**storage else { return Err(unknown()) };
            let [_, Object::Class { class_name: kind, .. }, Object::Unicode(file), ..] =
                &storage[..]
            else {
                return Err(unknown());
            };
            // Types without a storage of their own are named as an argument.
            let kind = match (function, rest) {
                ("_rebuild_tensor_v3", [_, _, Object::Class { class_name, .. }, ..]) => class_name,
                _ => kind,
            };
            let (dtype, width) =
                type_of(kind).ok_or_else(|| format!("its type is {kind}, which is not read"))?;
            let (Some(offset), Some(shape), Some(strides)) =
                (whole(offset), all_whole(size), all_whole(stride))
            else {
                return Err(unknown());
            };
            let storage = entry(archive, &format!("{folder}/{file}"))?;
            let bytes = gather(&storage, width, offset, &shape, &strides)
                .ok_or("its storage is shorter than its shape; the file is damaged")?;
            Ok(RawNumbers { dtype, shape, bytes })
        }
        ("_rebuild_qtensor", _) => Err("it is quantised".to_owned()),
        (function, _) if function.contains("sparse") => Err("it is sparse".to_owned()),
        _ => Err(unknown()),
    }
}

fn whole(object: &Object) -> Option<usize> {
    match object {
        Object::Int(value) => usize::try_from(*value).ok(),
        Object::Long(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn all_whole(object: &Object) -> Option<Vec<usize>> {
    let Object::Tuple(values) = object else { return None };
    values.iter().map(whole).collect()
}

/// The type of a storage's class or of `torch.dtype`, and the bytes of a number.
fn type_of(name: &str) -> Option<(Dtype, usize)> {
    Some(match name {
        "FloatStorage" | "float32" => (Dtype::F32, 4),
        "DoubleStorage" | "float64" => (Dtype::F64, 8),
        "HalfStorage" | "float16" => (Dtype::F16, 2),
        "BFloat16Storage" | "bfloat16" => (Dtype::BF16, 2),
        "ByteStorage" | "uint8" => (Dtype::U8, 1),
        "CharStorage" | "int8" => (Dtype::I8, 1),
        "BoolStorage" | "bool" => (Dtype::BOOL, 1),
        "ShortStorage" | "int16" => (Dtype::I16, 2),
        "IntStorage" | "int32" => (Dtype::I32, 4),
        "LongStorage" | "int64" => (Dtype::I64, 8),
        "uint16" => (Dtype::U16, 2),
        "uint32" => (Dtype::U32, 4),
        "uint64" => (Dtype::U64, 8),
        "float8_e4m3fn" => (Dtype::F8_E4M3, 1),
        "float8_e5m2" => (Dtype::F8_E5M2, 1),
        _ => return None,
    })
}

/// Numbers of a tensor in the order of its rows, from a storage that may hold them in another order
/// and others beside them; nothing where it is too short.
fn gather(
    storage: &[u8],
    width: usize,
    offset: usize,
    shape: &[usize],
    strides: &[usize],
) -> Option<Vec<u8>> {
    let count: usize = shape.iter().try_fold(1usize, |count, extent| count.checked_mul(*extent))?;
    let mut bytes = Vec::new();
    let mut place = vec![0usize; shape.len()];
    for _ in 0..count {
        let index = place
            .iter()
            .zip(strides)
            .try_fold(offset, |index, (at, stride)| index.checked_add(at.checked_mul(*stride)?))?;
        let start = index.checked_mul(width)?;
        bytes.extend_from_slice(storage.get(start..start.checked_add(width)?)?);
        for (at, extent) in place.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < *extent {
                break;
            }
            *at = 0;
        }
    }
    Some(bytes)
}
