//! PyTorch's files: a zip archive with a pickle and a file for each storage, or, before version 1.6,
//! pickles with the storages behind them. The pickle is read as data; every tensor that it names is
//! listed, read or not.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read as _};
use std::ops::Range;

use safetensors::Dtype;
use zip::read::ZipFile;
use zip::result::ZipResult;
use zip::{CompressionMethod, ZipArchive, ZipReadOptions};

use super::pickle::{Pickle, Place};
use super::state_dicts::{OtherTensors, StateDicts, Wanted, call, storage_of};

/// The state dict of a file.
pub(crate) struct PyTorchFile {
    /// The keys under which it stands in the file, such as `state_dict`; empty where it is the file.
    pub(crate) place: String,
    /// Its tensors, or why one cannot be read.
    pub(crate) tensors: BTreeMap<String, Result<View, String>>,
    /// Other tensors in the file.
    pub(crate) left_out: Vec<OtherTensors>,
    /// Number of tensors and storages that stand where thaw does not look.
    pub(crate) unplaced: usize,
    /// Storages that are packed, each once.
    unpacked: Vec<Vec<u8>>,
}

/// A tensor's place in its storage.
pub(crate) struct View {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    width: usize,
    offset: usize,
    strides: Vec<usize>,
    storage: Storage,
}

/// Where a storage's bytes are.
#[derive(Clone)]
enum Storage {
    InFile(Range<usize>),
    Unpacked(usize),
}

/// What every file before version 1.6 begins with.
const MAGIC_NUMBER: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Bytes that a small storage may be repeated to.
const LARGEST_REPETITION: usize = 1 << 22;

impl PyTorchFile {
    /// Whether bytes are those of a file before version 1.6.
    pub(crate) fn is_legacy(bytes: &[u8]) -> bool {
        bytes.get(..32).is_some_and(|start| start.windows(10).any(|window| window == MAGIC_NUMBER))
    }

    /// Reads a zip archive; of several state dicts the one at `wanted`, or the one with the most
    /// tensors.
    pub(crate) fn of_archive(bytes: &[u8], wanted: Wanted<'_>) -> Result<Self, String> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(not_pytorch)?;
        let names = archive
            .file_names()
            .map(|name| name.map(Cow::into_owned))
            .collect::<Result<Vec<String>, _>>()
            .map_err(not_pytorch)?;
        // `torch.serialization.set_crc32_options(False)` leaves all of them 0.
        let has_checksums = (0..archive.len())
            .any(|number| archive.by_index_data(number).is_ok_and(|entry| entry.crc32() != 0));
        // PyTorch's archives hold one folder.
        let pickles: Vec<&String> =
            names.iter().filter(|name| name.split('/').nth(1) == Some("data.pkl")).collect();
        if let [one, other, ..] = pickles[..] {
            return Err(format!("it holds two pickles, `{one}` and `{other}`"));
        }
        let pickle = *pickles.first().ok_or("it is a zip archive without `data.pkl`, so no file of PyTorch; save `model.state_dict()` with `torch.save`")?;
        let folder = pickle.trim_end_matches(".pkl").to_owned();
        let order = names.iter().find(|name| name.split('/').nth(1) == Some("byteorder"));
        if let Some(order) = order {
            let mut content = Vec::new();
            let entry = open(&mut archive, order, has_checksums).map_err(not_pytorch)?;
            entry.take(8).read_to_end(&mut content).map_err(not_pytorch)?;
            if content == b"big" {
                return Err("it was written on a machine that stores the highest byte first; save it again on another".to_owned());
            }
        }
        let mut content = Vec::new();
        let most = most_unpacked(bytes);
        let entry = open(&mut archive, pickle, has_checksums).map_err(not_pytorch)?;
        entry.take(most).read_to_end(&mut content).map_err(not_pytorch)?;
        let (pickle, _) = Pickle::read(&content).map_err(not_pytorch)?;
        // Of all storages together: entries of an archive can share their bytes.
        let mut left = most;
        let mut unpacked = Vec::new();
        let mut known: HashMap<String, Storage> = HashMap::new();
        let mut damage: Option<String> = None;
        let mut storage = |key: &str| -> Result<Storage, String> {
            if let Some(damage) = &damage {
                return Err(damage.clone());
            }
            if let Some(known) = known.get(key) {
                return Ok(known.clone());
            }
            let name = format!("{folder}/{key}");
            let entry = open(&mut archive, &name, has_checksums).map_err(not_pytorch)?;
            let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
            let in_file = match (entry.compression(), start, usize::try_from(entry.size())) {
                (CompressionMethod::Stored, Some(start), Ok(size)) => {
                    Some(start..start.saturating_add(size))
                }
                _ => None,
            };
            // At its end an entry is compared with its checksum.
            let mut content = Vec::new();
            let mut entry = entry.take(left);
            let length = match in_file {
                Some(_) => std::io::copy(&mut entry, &mut std::io::sink()),
                None => std::io::copy(&mut entry, &mut content),
            };
            left -= length.map_err(|error| {
                let reason = format!(
                    "its storage `{key}` is damaged ({error}); copy or save the file again"
                );
                damage.insert(reason).clone()
            })?;
            let storage = in_file.map_or_else(
                || {
                    unpacked.push(content);
                    Storage::Unpacked(unpacked.len() - 1)
                },
                Storage::InFile,
            );
            known.insert(key.to_owned(), storage.clone());
            Ok(storage)
        };
        let mut file = Self::of_pickle(&pickle, wanted, &mut storage)?;
        file.unpacked = unpacked;
        damage.map_or(Ok(file), Err)
    }

    /// Reads a file from before version 1.6: pickles of a magic number, of the protocol's version, of
    /// the system, of the content and of the storages' keys; then the storages, each behind the number
    /// of its elements.
    pub(crate) fn of_legacy(bytes: &[u8], wanted: Wanted<'_>) -> Result<Self, String> {
        let mut at = 0;
        let mut next = || -> Result<Pickle, String> {
            let (pickle, length) =
                Pickle::read(bytes.get(at..).unwrap_or_default()).map_err(not_pytorch)?;
            at += length;
            Ok(pickle)
        };
        next()?;
        next()?;
        next()?;
        let content = next()?;
        let keys = next()?;
        let widths = storage_widths(&content);
        let mut storages = HashMap::new();
        for key in keys.list(keys.root).unwrap_or_default() {
            let key = keys.text(*key).unwrap_or_default();
            let damaged = "it ends before its storages do; the file is damaged";
            let start = at.checked_add(8).ok_or(damaged)?;
            let count = bytes
                .get(at..start)
                .and_then(|count| count.try_into().ok())
                .map(u64::from_le_bytes)
                .ok_or(damaged)?;
            let width = widths.get(key).copied().ok_or_else(|| {
                format!("the storage `{key}` is of a type that is not known, so that those behind it cannot be found")
            })?;
            let length = usize::try_from(count)
                .ok()
                .and_then(|count| count.checked_mul(width))
                .ok_or(damaged)?;
            let end = start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(damaged)?;
            storages.insert(key.to_owned(), Storage::InFile(start..end));
            at = end;
        }
        Self::of_pickle(&content, wanted, &mut |key| {
            storages.get(key).cloned().ok_or_else(|| "its storage is not in the file".to_owned())
        })
    }

    fn of_pickle(
        pickle: &Pickle,
        wanted: Wanted<'_>,
        storage: &mut dyn FnMut(&str) -> Result<Storage, String>,
    ) -> Result<Self, String> {
        let StateDicts { place, tensors, left_out, unplaced } = StateDicts::of(pickle, wanted)?;
        let tensors = tensors
            .into_iter()
            .map(|(name, tensor)| (name, view(pickle, tensor, storage)))
            .collect();
        Ok(Self { place, tensors, left_out, unplaced, unpacked: Vec::new() })
    }

    /// The numbers of a tensor, in the order of its rows.
    pub(crate) fn numbers<'a>(
        &'a self,
        bytes: &'a [u8],
        view: &View,
    ) -> Result<Cow<'a, [u8]>, String> {
        let storage = match &view.storage {
            Storage::InFile(range) => bytes.get(range.clone()),
            Storage::Unpacked(place) => self.unpacked.get(*place).map(Vec::as_slice),
        };
        storage
            .and_then(|storage| gather(storage, view))
            .ok_or_else(|| "its storage is shorter than its shape; the file is damaged".to_owned())
    }
}

/// An entry of an archive, which is compared with its checksum when it is read to its end.
fn open<'a, 'b>(
    archive: &'a mut ZipArchive<Cursor<&'b [u8]>>,
    name: &str,
    has_checksums: bool,
) -> ZipResult<ZipFile<'a, Cursor<&'b [u8]>>> {
    archive.by_name_with_options(name, ZipReadOptions::new().ignore_crc32(!has_checksums))
}

/// The most that entries of an archive are unpacked to. PyTorch and Keras do not pack theirs.
pub(crate) fn most_unpacked(archive: &[u8]) -> u64 {
    archive.len() as u64 * 16 + (1 << 20)
}

fn not_pytorch(error: impl std::fmt::Display) -> String {
    // Backtraces of other libraries are nobody's help.
    let text = error.to_string();
    format!("not a state dict of PyTorch ({})", text.lines().next().unwrap_or_default())
}

/// Bytes of an element of each storage that a pickle names.
fn storage_widths(pickle: &Pickle) -> HashMap<String, usize> {
    let named = (0..pickle.len()).filter_map(|place| storage_of(pickle, place));
    let width = |class: &str| match class {
        "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => Some(1),
        "QInt32Storage" => Some(4),
        "ComplexDoubleStorage" => Some(16),
        class => type_of(class).map(|(_, width)| width),
    };
    named.filter_map(|(class, key)| Some((key.to_owned(), width(class)?))).collect()
}

/// Where the numbers of a tensor are, or why they cannot be read.
fn view(
    pickle: &Pickle,
    tensor: Place,
    storage: &mut dyn FnMut(&str) -> Result<Storage, String>,
) -> Result<View, String> {
    let unknown = || "it is stored in a way that thaw does not know".to_owned();
    let (function, arguments) = call(pickle, tensor).ok_or_else(unknown)?;
    match (function.rsplit('.').next().unwrap_or(function), arguments) {
        ("_rebuild_parameter" | "_rebuild_parameter_with_state", [data, ..]) => {
            let (function, arguments) = call(pickle, *data).ok_or_else(unknown)?;
            strided(pickle, function, arguments, storage)
        }
        ("_rebuild_from_type_v2", [function, _, arguments, ..]) => {
            let (function, arguments) = (
                pickle.global(*function).ok_or_else(unknown)?,
                pickle.list(*arguments).ok_or_else(unknown)?,
            );
            strided(pickle, function, arguments, storage)
        }
        (function, arguments) => strided(pickle, function, arguments, storage),
    }
}

fn strided(
    pickle: &Pickle,
    function: &str,
    arguments: &[Place],
    storage: &mut dyn FnMut(&str) -> Result<Storage, String>,
) -> Result<View, String> {
    let unknown = || "it is stored in a way that thaw does not know".to_owned();
    match (function, arguments) {
        (
            "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_tensor",
            [source, offset, size, strides, rest @ ..],
        ) => {
            let (class, key) = storage_of(pickle, *source).ok_or_else(unknown)?;
            // Types without a storage of their own are named as an argument.
            let kind = match (function, rest) {
                ("_rebuild_tensor_v3", [_, _, dtype, ..]) => pickle.global(*dtype).unwrap_or(class),
                _ => class,
            };
            let (dtype, width) =
                type_of(kind).ok_or_else(|| format!("its type is {kind}, which is not read"))?;
            // A view that PyTorch negates or conjugates as it reads: its bits are not its numbers.
            let is_lazy = rest
                .iter()
                .filter_map(|argument| pickle.entries(*argument))
                .flatten()
                .any(|(key, _)| matches!(pickle.text(*key), Some("conj" | "neg")));
            if is_lazy {
                return Err("it is a negated or conjugated view".to_owned());
            }
            let all_counts = |list: Place| -> Option<Vec<usize>> {
                pickle.list(list)?.iter().map(|count| pickle.count(*count)).collect()
            };
            let (Some(offset), Some(shape), Some(strides)) =
                (pickle.count(*offset), all_counts(*size), all_counts(*strides))
            else {
                return Err(unknown());
            };
            Ok(View { dtype, shape, width, offset, strides, storage: storage(key)? })
        }
        ("_rebuild_qtensor", _) => Err("it is quantised".to_owned()),
        ("_reconstruct" | "_frombuffer", _) => Err("it is an array of NumPy".to_owned()),
        (function, _) if function.contains("sparse") => Err("it is sparse".to_owned()),
        _ => Err(unknown()),
    }
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
        "ComplexFloatStorage" | "complex64" => (Dtype::C64, 8),
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
fn gather<'a>(
    storage: &'a [u8],
    View { width, offset, shape, strides, .. }: &View,
) -> Option<Cow<'a, [u8]>> {
    let count: usize = shape.iter().try_fold(1usize, |count, extent| count.checked_mul(*extent))?;
    let start = offset.checked_mul(*width)?;
    let mut expected = 1;
    let are_in_order = shape.iter().zip(strides).rev().all(|(extent, stride)| {
        let follows = *extent <= 1 || *stride == expected;
        expected = expected.saturating_mul(*extent);
        follows
    });
    if are_in_order {
        return storage
            .get(start..start.checked_add(count.checked_mul(*width)?)?)
            .map(Cow::Borrowed);
    }
    // A shape that a stride of 0 repeats may be of any size.
    if count.checked_mul(*width)? > storage.len().saturating_mul(4).max(LARGEST_REPETITION) {
        return None;
    }
    let mut bytes = Vec::new();
    let mut place = vec![0usize; shape.len()];
    for _ in 0..count {
        let index = place
            .iter()
            .zip(strides)
            .try_fold(*offset, |index, (at, stride)| index.checked_add(at.checked_mul(*stride)?))?;
        let start = index.checked_mul(*width)?;
        bytes.extend_from_slice(storage.get(start..start.checked_add(*width)?)?);
        for (at, extent) in place.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < *extent {
                break;
            }
            *at = 0;
        }
    }
    Some(Cow::Owned(bytes))
}
