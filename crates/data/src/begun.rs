//! Artifacts that were begun: how far one is written stands in a note beside it, so that another process
//! goes on from there.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thaw_store::{Checksum, write_whole};

use crate::DataError;

/// How far an artifact was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Name of the unfinished file, which lies where the artifact will lie.
    file: String,
    /// How many of its bytes count.
    bytes: u64,
    /// Their checksum.
    checksum: String,
}

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

impl Begun {
    /// Notes that the first bytes of an unfinished file count.
    pub(crate) fn new(file: &Path, bytes: u64, checksum: &Checksum) -> Self {
        let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { file, bytes, checksum: checksum.finish() }
    }

    /// Writes the note.
    pub(crate) fn write(&self, note: &Path) -> Result<(), DataError> {
        let text = serde_json::to_vec(self).expect("names and numbers");
        write_whole(note, &text).map_err(DataError::unwritable(note, "cannot write"))
    }

    /// Reads a note; nothing where there is none, or what is there is none.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The unfinished file, in the folder of its artifact.
    #[must_use]
    pub fn file(&self, folder: &Path) -> PathBuf {
        // A name is no way to another folder.
        folder.join(Path::new(&self.file).file_name().unwrap_or_default())
    }

    /// Whether the bytes that count are those that were written.
    #[must_use]
    pub fn is_sound(&self, folder: &Path) -> bool {
        self.pieces(folder, |_| Ok(())).is_ok_and(|is_sound| is_sound)
    }

    /// Hands out the bytes that count, piece by piece; tells at the end whether they are those that were
    /// written.
    ///
    /// # Errors
    /// When the file cannot be read, or the receiver has an error.
    pub(crate) fn pieces(
        &self,
        folder: &Path,
        mut receive: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<bool> {
        let mut file = File::open(self.file(folder))?.take(self.bytes);
        let (mut checksum, mut length, mut piece) = (Checksum::default(), 0, vec![0; PIECE]);
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok(length == self.bytes && checksum.finish() == self.checksum);
            }
            length += read as u64;
            checksum.add(&piece[..read]);
            receive(&piece[..read])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{Artifact, ArtifactWriter};

    /// Begins an artifact in a folder, leaves it behind ten of its fifteen values, and tells of it.
    fn begun(folder: &Path) -> Begun {
        let (path, note) = (folder.join("values.safetensors"), folder.join("note.json"));
        let mut writer =
            ArtifactWriter::resume(&path, &[3, 5], &HashMap::new(), &note).expect("begun");
        assert_eq!(writer.written(), 0);
        writer.write(&[0.5_f32; 10]).expect("written");
        writer.leave().expect("left");
        assert!(!path.exists());
        Begun::read(&note).expect("a note")
    }

    /// Goes on with it in another shape or its own, and ends it; how far it was, and its values.
    fn ended(folder: &Path, shape: &[usize]) -> (usize, Vec<f32>) {
        let (path, note) = (folder.join("values.safetensors"), folder.join("note.json"));
        let mut writer =
            ArtifactWriter::resume(&path, shape, &HashMap::new(), &note).expect("begun");
        let before = writer.written();
        writer.write(&vec![1.5; shape.iter().product::<usize>() - before]).expect("written");
        writer.finish().expect("finished");
        let names = std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!(names, 1, "neither the note nor an unfinished file is left");
        (before, Artifact::open(&path).expect("whole").values().to_vec())
    }

    #[test]
    fn an_artifact_that_was_left_is_ended_and_one_that_is_damaged_is_begun_again() {
        let sound = [[0.5; 10].as_slice(), &[1.5; 5]].concat();
        let folder = || tempfile::tempdir().expect("a folder");
        let place = folder();
        assert!(begun(place.path()).is_sound(place.path()));
        assert_eq!(ended(place.path(), &[3, 5]), (10, sound.clone()));
        // What was written behind the note does not count: nobody knows whether it is whole.
        let place = folder();
        let file = begun(place.path()).file(place.path());
        let mut torn = std::fs::OpenOptions::new().append(true).open(&file).expect("a file");
        std::io::Write::write_all(&mut torn, &[7; 9]).expect("written");
        assert_eq!(ended(place.path(), &[3, 5]), (10, sound));
        let anew = (0, vec![1.5; 15]);
        let place = folder();
        let file = begun(place.path()).file(place.path());
        let whole = std::fs::read(&file).expect("a file");
        for bit in (0..8 * whole.len()).step_by(61) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let place = folder();
            let begun = begun(place.path());
            std::fs::write(begun.file(place.path()), damaged).expect("written");
            assert!(!begun.is_sound(place.path()));
            assert_eq!(ended(place.path(), &[3, 5]), anew, "bit {bit}");
        }
        let place = folder();
        let file = begun(place.path()).file(place.path());
        std::fs::write(&file, &whole[..whole.len() - 1]).expect("written");
        assert_eq!(ended(place.path(), &[3, 5]), anew);
        let place = folder();
        std::fs::remove_file(begun(place.path()).file(place.path())).expect("removed");
        assert_eq!(ended(place.path(), &[3, 5]), anew);
        // Nor does one count that is of another shape, or a note that is none.
        let place = folder();
        begun(place.path());
        assert_eq!(ended(place.path(), &[5, 3]), anew);
        let place = folder();
        std::fs::write(place.path().join("note.json"), "{}").expect("written");
        assert_eq!(ended(place.path(), &[3, 5]), anew);
    }
}
