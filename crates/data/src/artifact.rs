//! Artifacts: large arrays that are computed once, kept under the hash of what produced them, and
//! mapped into memory.
//!
//! The format is safetensors with a single tensor `values`, so that other programs can look inside.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use thaw_store::Unfinished;

use crate::DataError;
use crate::mapped::map;

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
    missing: usize,
    element: PhantomData<T>,
}

impl<T: Element> ArtifactWriter<T> {
    /// Begins an artifact of the given shape, with the given metadata beside its values.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(
        path: &Path,
        shape: &[usize],
        metadata: &HashMap<String, String>,
    ) -> Result<Self, DataError> {
        let file = Unfinished::create(path);
        let mut file =
            BufWriter::new(file.map_err(DataError::unwritable(path, "cannot write the artifact"))?);
        let bytes = shape.iter().product::<usize>() * size_of::<T>();
        let header = serde_json::json!({
            "__metadata__": metadata,
            "values": { "dtype": T::DTYPE, "shape": shape, "data_offsets": [0, bytes] },
        });
        let mut header = header.to_string().into_bytes();
        header.resize((header.len() + 8).next_multiple_of(ALIGNMENT) - 8, b' ');
        let length = (header.len() as u64).to_le_bytes();
        file.write_all(&length)
            .and_then(|()| file.write_all(&header))
            .map_err(DataError::unwritable(path, "cannot write"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            missing: bytes / size_of::<T>(),
            element: PhantomData,
        })
    }

    /// Appends values, in row-major order.
    ///
    /// # Errors
    /// When the disk refuses, for example because it is full.
    pub fn write(&mut self, values: &[T]) -> Result<(), DataError> {
        assert!(values.len() <= self.missing, "more values than the artifact's shape holds");
        self.missing -= values.len();
        self.file
            .write_all(bytemuck::cast_slice(values))
            .map_err(DataError::unwritable(&self.path, "cannot write"))
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
        let file = self.file.into_inner().map_err(|error| io(error.into_error()))?;
        file.finish().map_err(io)
    }
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
    /// When the file is missing or not what [`ArtifactWriter`] writes.
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
