//! Artifacts: large arrays that are computed once, kept under the hash of what produced them, and
//! mapped into memory.
//!
//! The format is safetensors with a single tensor `values`, so that other programs can look inside. Its
//! metadata hold a checksum, which is compared when the file is opened for the first time, and the name
//! that it was written under, which tells an artifact that lies in the place of another.

use std::collections::{HashMap, HashSet};
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use memmap2::Mmap;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use thaw_store::{Checksum, UNKNOWN_CHECKSUM, Unfinished};

use crate::begun::begins_with;
use crate::mapped::map;
use crate::{Begun, DataError};

/// Element type of an artifact.
pub trait Element: bytemuck::Pod {
    /// Name of the type in the file.
    const DTYPE: Dtype;
}

impl Element for u8 {
    const DTYPE: Dtype = Dtype::U8;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

/// Alignment of the values in the file, and so in memory.
const ALIGNMENT: usize = 64;

/// Writes an artifact piece by piece. Until [`ArtifactWriter::finish`] nothing stands under its
/// name.
pub struct ArtifactWriter<T> {
    path: PathBuf,
    file: BufWriter<Unfinished>,
    checksum: Checksum,
    /// What stands before the values.
    header: Vec<u8>,
    /// Values that are written, and those that are not.
    written: usize,
    missing: usize,
    /// Where it is noted how far the artifact is written.
    note: Option<PathBuf>,
    damage: Option<String>,
    element: PhantomData<T>,
}

impl<T: Element> ArtifactWriter<T> {
    /// Begins an artifact of the given shape, with the given metadata beside its values, and its name,
    /// which is that of its file without the ending.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(
        path: &Path,
        shape: &[usize],
        metadata: &HashMap<String, String>,
    ) -> Result<Self, DataError> {
        let mut metadata = metadata.clone();
        metadata.insert(NAME.to_owned(), name(path));
        Self::begin(path, shape, header::<T>(shape, &metadata))
    }

    /// Begins an artifact of the given shape behind a header.
    fn begin(path: &Path, shape: &[usize], header: Vec<u8>) -> Result<Self, DataError> {
        let file = Unfinished::create(path);
        let mut file =
            BufWriter::new(file.map_err(DataError::unwritable(path, "cannot write the artifact"))?);
        file.write_all(&header).map_err(DataError::unwritable(path, "cannot write"))?;
        let mut checksum = Checksum::default();
        checksum.add(&header);
        Ok(Self {
            path: path.to_owned(),
            file,
            checksum,
            header,
            written: 0,
            missing: shape.iter().product(),
            note: None,
            damage: None,
            element: PhantomData,
        })
    }

    /// Goes on with an artifact that was begun, as a file `note` tells, or begins it; [`Self::written`]
    /// says how far it is. From now on [`Self::note`] and [`Self::leave`] write that file. What was written
    /// before is taken over where its writer is gone, and copied where it may live. What is damaged is
    /// removed, and told by [`Self::damage`].
    ///
    /// # Errors
    /// When what was begun cannot be read, or the folder cannot be made or written to.
    pub fn resume(
        path: &Path,
        shape: &[usize],
        metadata: &HashMap<String, String>,
        note: &Path,
    ) -> Result<Self, DataError> {
        let unwritable = |action| DataError::unwritable(path, action);
        let action = "cannot go on with what was written of the artifact before";
        let begun = Begun::read(note).and_then(|begun| Some((begun.file(path)?, begun)));
        let Some((file, begun)) = begun else {
            return Ok(Self {
                note: Some(note.to_owned()),
                ..Self::create(path, shape, metadata)?
            });
        };
        // What a version began that knew no names is ended without one.
        let nameless = header::<T>(shape, metadata);
        let mut writer = match begins_with(&file, &nameless).map_err(unwritable(action))? {
            true => Self::begin(path, shape, nameless)?,
            false => Self::create(path, shape, metadata)?,
        };
        writer.note = Some(note.to_owned());
        let is_free = thaw_store::release(&file, path).map_err(unwritable(action))?;
        let file = if is_free { thaw_store::left_place(path) } else { file };
        let (header, mut values) = (writer.header.clone(), 0);
        let receive = |piece: &[u8]| {
            values += piece.len();
            writer.checksum.add(piece);
            if is_free { Ok(()) } else { writer.file.write_all(piece) }
        };
        let is_sound = begun.read_values(&file, &header, receive).map_err(unwritable(action))?;
        let (written, rest) = (values / size_of::<T>(), values % size_of::<T>());
        if !is_sound || rest != 0 || written > writer.missing {
            if is_free {
                std::fs::remove_file(&file).map_err(unwritable("cannot remove"))?;
            }
            writer = Self { note: writer.note, ..Self::create(path, shape, metadata)? };
            writer.damage = Some(format!(
                "{}: what was written of the artifact before is damaged, so it is begun again",
                path.display()
            ));
            return Ok(writer);
        }
        writer.written = written;
        writer.missing -= written;
        if is_free {
            // Whoever finds the note before the file has its new name looks where it was left.
            begun.at(&Unfinished::place_after_take_over(path)).write(note)?;
            let file = Unfinished::take_over(path, begun.bytes()).map_err(unwritable(action))?;
            writer.file = BufWriter::new(file);
        } else {
            writer.note()?;
        }
        Ok(writer)
    }

    /// What a person should know of the damage that was found in what was written before.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Number of values that are written.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Notes how far the artifact is written, where it can be resumed: a process that goes on after this
    /// one was killed begins there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note(&mut self) -> Result<(), DataError> {
        let Some(note) = &self.note else { return Ok(()) };
        let settled = self.file.flush().and_then(|()| self.file.get_ref().settle());
        settled.map_err(DataError::unwritable(&self.path, "cannot write"))?;
        Begun::new(self.file.get_ref().place(), self.bytes(), &self.checksum).write(note)
    }

    /// Stops here; where the artifact can be resumed, another process goes on from here.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn leave(self) -> Result<(), DataError> {
        let Some(note) = &self.note else { return Ok(()) };
        let bytes = self.bytes();
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let left = file.and_then(Unfinished::leave);
        left.map_err(DataError::unwritable(&self.path, "cannot write"))?;
        Begun::new(&thaw_store::left_place(&self.path), bytes, &self.checksum).write(note)
    }

    /// Bytes that are written.
    fn bytes(&self) -> u64 {
        (self.header.len() + self.written * size_of::<T>()) as u64
    }

    /// Appends values, in row-major order.
    ///
    /// # Errors
    /// When the disk refuses, for example because it is full.
    pub fn write(&mut self, values: &[T]) -> Result<(), DataError> {
        assert!(values.len() <= self.missing, "more values than the artifact's shape holds");
        self.missing -= values.len();
        self.written += values.len();
        let bytes = bytemuck::cast_slice(values);
        self.checksum.add(bytes);
        self.file.write_all(bytes).map_err(DataError::unwritable(&self.path, "cannot write"))
    }

    /// Publishes the complete artifact under its name.
    ///
    /// # Errors
    /// When the disk refuses, for example because it is full.
    pub fn finish(self) -> Result<(), DataError> {
        assert_eq!(self.missing, 0, "fewer values than the artifact's shape holds");
        let io = |source| DataError::Unwritable {
            path: self.path.clone(),
            action: "cannot write",
            source,
        };
        let mut file = self.file.into_inner().map_err(|error| io(error.into_error()))?;
        let checksum = self.checksum.finish();
        let place = Checksum::place(&self.header).expect("it stands in the metadata");
        file.overwrite(place as u64, checksum.as_bytes()).map_err(io)?;
        file.finish().map_err(io)?;
        // A note that stays tells nothing any more, and goes another time.
        self.note.iter().for_each(|note| drop(std::fs::remove_file(note)));
        Ok(())
    }
}

/// The place of the checksum among the metadata.
const CHECKSUM: &str = "checksum";

/// The place of the artifact's name among the metadata.
const NAME: &str = "name";

/// The name of an artifact: that of its file without the ending.
fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What stands before the values of an artifact whose checksum is not known yet.
fn header<T: Element>(shape: &[usize], metadata: &HashMap<String, String>) -> Vec<u8> {
    let bytes = shape.iter().product::<usize>() * size_of::<T>();
    let mut metadata = metadata.clone();
    metadata.insert(CHECKSUM.to_owned(), UNKNOWN_CHECKSUM.to_owned());
    let header = serde_json::json!({
        "__metadata__": metadata,
        "values": { "dtype": T::DTYPE, "shape": shape, "data_offsets": [0, bytes] },
    });
    let mut text = header.to_string().into_bytes();
    text.resize((text.len() + 8).next_multiple_of(ALIGNMENT) - 8, b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

/// Files whose checksums were compared, with their lengths and the times of their last changes.
static COMPARED: LazyLock<Mutex<HashSet<(PathBuf, u64, SystemTime)>>> =
    LazyLock::new(Mutex::default);

/// Whether a file's bytes are those that were written; files of versions that knew no checksums are
/// believed. A file that stays as it is is read once.
fn is_as_written(path: &Path, bytes: &[u8], values: usize) -> bool {
    let compared = || COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let known = changed.map(|changed| (path.to_owned(), bytes.len() as u64, changed));
    if known.as_ref().is_some_and(|known| compared().contains(known)) {
        return true;
    }
    let is_right = Checksum::is_right(bytes, values).unwrap_or(true);
    if is_right {
        compared().extend(known);
    }
    is_right
}

/// What is wrong with a file whose values begin at an offset, as far as its checksum and its name tell;
/// files of versions that knew no names are believed to have their own.
fn complaint(path: &Path, bytes: &[u8], values: usize, header: &Metadata) -> Option<String> {
    if !is_as_written(path, bytes, values) {
        return Some("its bytes do not add up to its checksum".to_owned());
    }
    let written = header.metadata().as_ref()?.get(NAME)?;
    (*written != name(path)).then(|| format!("it is another artifact, `{written}`"))
}

/// Reads a file that begins as safetensors do, whatever it holds, as far as its checksum tells whether
/// it is what was written, and its name whether it lies in its place.
///
/// # Errors
/// When it cannot be read, is damaged, or is another artifact.
pub fn examine(path: &Path) -> Result<(), DataError> {
    let damaged = |reason: String| DataError::DamagedArtifact { path: path.to_owned(), reason };
    let bytes = map(path)?;
    let (length, header) =
        SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
    complaint(path, &bytes, 8 + length, &header).map_or(Ok(()), |reason| Err(damaged(reason)))
}

/// An artifact mapped into memory.
#[derive(Debug)]
pub struct Artifact<T> {
    bytes: Mmap,
    start: usize,
    shape: Vec<usize>,
    metadata: HashMap<String, String>,
    element: PhantomData<T>,
}

impl<T: Element> Artifact<T> {
    /// Maps a finished artifact.
    ///
    /// # Errors
    /// When the file is missing or not what [`ArtifactWriter`] has written under this name.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let damaged = |reason: String| DataError::DamagedArtifact { path: path.to_owned(), reason };
        let bytes = map(path)?;
        let (header_length, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let values = header.info("values").ok_or_else(|| damaged("it has no values".to_owned()))?;
        if values.dtype != T::DTYPE {
            return Err(damaged(format!(
                "its values are {:?} instead of {:?}",
                values.dtype,
                T::DTYPE
            )));
        }
        let (start, shape) = (8 + header_length, values.shape.clone());
        if bytes.len() != start + shape.iter().product::<usize>() * size_of::<T>()
            || start % ALIGNMENT != 0
        {
            return Err(damaged(format!("it has {} bytes", bytes.len())));
        }
        if let Some(reason) = complaint(path, &bytes, start, &header) {
            return Err(damaged(reason));
        }
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self { bytes, start, shape, metadata, element: PhantomData })
    }

    /// Dimensions of the array, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values in row-major order.
    pub fn values(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes[self.start..])
    }

    /// Metadata that stands beside the values.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_and_a_cut_are_found_and_files_of_before_are_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let in_a_folder = |name: String| {
            std::fs::create_dir(folder.path().join(&name)).expect("a folder");
            folder.path().join(name).join("values.safetensors")
        };
        let path = in_a_folder("whole".to_owned());
        let metadata = HashMap::from([("labels".to_owned(), "[0]".to_owned())]);
        let mut writer = ArtifactWriter::create(&path, &[3, 5], &metadata).expect("begun");
        writer.write(&[0.5_f32; 10]).expect("written");
        writer.write(&[1.5; 5]).expect("written");
        writer.finish().expect("finished");
        let artifact = Artifact::<f32>::open(&path).expect("whole");
        assert_eq!(artifact.values()[9..11], [0.5, 1.5]);
        assert_eq!(artifact.metadata()["labels"], "[0]");
        assert_ne!(artifact.metadata()[CHECKSUM], UNKNOWN_CHECKSUM);
        drop(artifact);
        let whole = std::fs::read(&path).expect("readable");
        for bit in (0..8 * whole.len()).step_by(37) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let other = in_a_folder(bit.to_string());
            std::fs::write(&other, &damaged).expect("written");
            // A checksum that is not called so any more is not found, and then nothing else is damaged.
            if let Ok(opened) = Artifact::<f32>::open(&other) {
                assert_eq!(opened.values()[9..11], [0.5, 1.5], "bit {bit}");
                assert_eq!(opened.metadata()["labels"], "[0]", "bit {bit}");
            }
        }
        for length in (0..whole.len()).step_by(11) {
            let other = in_a_folder(format!("cut-{length}"));
            std::fs::write(&other, &whole[..length]).expect("written");
            assert!(Artifact::<f32>::open(&other).is_err(), "cut to {length}");
        }
        // As versions wrote it that knew no checksums: another name stands there.
        let text = String::from_utf8_lossy(&whole).into_owned();
        let place = text.find("xxh3:").expect("a checksum");
        let mut old = whole;
        old[place..place + 5].copy_from_slice(b"none:");
        std::fs::write(&path, &old).expect("written");
        assert_eq!(Artifact::<f32>::open(&path).expect("believed").values()[0], 0.5);
    }
}
