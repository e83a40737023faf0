//! Artifacts that were begun: how far one is written stands in a note beside it, so that another process
//! goes on from there.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thaw_store::{Checksum, UNKNOWN_CHECKSUM, write_whole};

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
        Self { file: name(file), bytes, checksum: checksum.finish() }
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

    /// The same bytes in another place.
    pub(crate) fn at(&self, file: &Path) -> Self {
        Self { file: name(file), ..self.clone() }
    }

    /// How many bytes of the file count.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The unfinished file of an artifact, if it is there: as it was called when the note was written, or
    /// where its writer left it since.
    #[must_use]
    pub fn file(&self, artifact: &Path) -> Option<PathBuf> {
        let named = artifact.with_file_name(name(Path::new(&self.file)));
        [named, thaw_store::left_place(artifact)].into_iter().find(|file| file.is_file())
    }

    /// Hands out the values among the bytes of a file that count, piece by piece; tells at the end
    /// whether they are what was written behind this header.
    ///
    /// # Errors
    /// When the file cannot be read, or the receiver has an error.
    pub(crate) fn read_values(
        &self,
        file: &Path,
        header: &[u8],
        mut receive: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<bool> {
        let mut file = File::open(file)?.take(self.bytes);
        let found = beginning(&mut file, header)?;
        let (mut checksum, mut length, mut piece) =
            (Checksum::default(), found.len() as u64, vec![0; PIECE]);
        checksum.add(&found);
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                let is_whole = length == self.bytes && checksum.finish() == self.checksum;
                return Ok(is_whole && found == header);
            }
            length += read as u64;
            checksum.add(&piece[..read]);
            receive(&piece[..read])?;
        }
    }
}

/// Whether a file begins with a header, whatever its checksum.
pub(crate) fn begins_with(file: &Path, header: &[u8]) -> std::io::Result<bool> {
    Ok(beginning(&mut File::open(file)?, header)? == header)
}

/// The first bytes of a file, as many as those of a header and with the header's checksum: where everything
/// was written, its own may stand in its place already.
fn beginning(file: &mut impl Read, header: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut found = Vec::new();
    file.take(header.len() as u64).read_to_end(&mut found)?;
    if let (Some(place), true) = (Checksum::place(header), found.len() == header.len()) {
        let checksum = place..place + UNKNOWN_CHECKSUM.len();
        found[checksum.clone()].copy_from_slice(&header[checksum]);
    }
    Ok(found)
}

/// The name of a file, which is no way to another folder.
fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{Artifact, ArtifactWriter};

    const VALUES: &str = "values.safetensors";

    /// Goes on with an artifact in a folder, or begins it.
    fn writer(folder: &Path, shape: &[usize]) -> ArtifactWriter<f32> {
        let (path, note) = (folder.join(VALUES), folder.join("note.json"));
        ArtifactWriter::resume(&path, shape, &HashMap::new(), &note).expect("begun")
    }

    /// A folder in which an artifact was left behind ten of its fifteen values, and the unfinished file.
    fn left() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = writer(folder.path(), &[3, 5]);
        assert_eq!(writer.written(), 0);
        writer.write(&[0.5_f32; 10]).expect("written");
        writer.leave().expect("left");
        assert!(!folder.path().join(VALUES).exists());
        let begun = Begun::read(&folder.path().join("note.json")).expect("a note");
        let file = begun.file(&folder.path().join(VALUES)).expect("a file");
        (folder, file)
    }

    /// Goes on with it in another shape or its own, and ends it; how far it was, and its values.
    fn ended(folder: &Path, shape: &[usize]) -> (usize, Vec<f32>) {
        let mut writer = writer(folder, shape);
        let before = writer.written();
        writer.write(&vec![1.5; shape.iter().product::<usize>() - before]).expect("written");
        writer.finish().expect("finished");
        (before, Artifact::open(&folder.join(VALUES)).expect("whole").values().to_vec())
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).expect("a folder").count()
    }

    fn whole() -> (usize, Vec<f32>) {
        (10, [[0.5; 10].as_slice(), &[1.5; 5]].concat())
    }

    #[test]
    fn an_artifact_that_was_left_is_ended_by_another_writer() {
        let (folder, _) = left();
        assert_eq!(ended(folder.path(), &[3, 5]), whole());
        assert_eq!(files(folder.path()), 1, "neither the note nor an unfinished file is left");
        // What was written behind the note does not count: nobody knows whether it is whole.
        let (folder, file) = left();
        let mut torn = File::options().append(true).open(file).expect("a file");
        std::io::Write::write_all(&mut torn, &[7; 9]).expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), whole());
        // A file that is called otherwise than the note says lies where it was left.
        let (folder, _) = left();
        let note = folder.path().join("note.json");
        let begun = Begun::read(&note).expect("a note");
        begun.at(Path::new(".thaw-1-2-gone-abcdef")).write(&note).expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), whole());
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn what_a_living_writer_has_written_is_copied() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut living = writer(folder.path(), &[3, 5]);
        living.write(&[0.5; 10]).expect("written");
        living.note().expect("noted");
        living.write(&[2.5; 5]).expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), whole());
        living.finish().expect("it was left alone");
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn one_that_was_killed_while_it_got_its_checksum_is_whole() {
        let (folder, file) = left();
        let mut bytes = std::fs::read(&file).expect("a file");
        let place = Checksum::place(&bytes).expect("a checksum");
        bytes[place..place + UNKNOWN_CHECKSUM.len()].copy_from_slice(b"xxh3:0123456789abcdef");
        std::fs::write(file, bytes).expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), whole());
    }

    #[test]
    fn one_that_a_version_without_names_began_is_ended_without_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(VALUES);
        let text = r#"{"__metadata__":{"checksum":"xxh3:0000000000000000"},"values":{"data_offsets":[0,60],"dtype":"F32","shape":[3,5]}}"#;
        let header = [&120u64.to_le_bytes()[..], format!("{text:120}").as_bytes()].concat();
        let bytes = [&header[..], bytemuck::cast_slice(&[0.5_f32; 10])].concat();
        let file = thaw_store::left_place(&path);
        std::fs::write(&file, &bytes).expect("written");
        let mut checksum = Checksum::default();
        checksum.add(&bytes);
        let begun = Begun::new(&file, bytes.len() as u64, &checksum);
        begun.write(&folder.path().join("note.json")).expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), whole());
        let artifact = Artifact::<f32>::open(&path).expect("whole");
        assert_eq!(artifact.metadata().keys().collect::<Vec<_>>(), ["checksum"]);
    }

    #[test]
    fn one_that_lies_in_the_place_of_another_is_begun_again() {
        let (folder, file) = left();
        let path = folder.path().join("others.safetensors");
        std::fs::rename(file, thaw_store::left_place(&path)).expect("renamed");
        let note = folder.path().join("note.json");
        let again = ArtifactWriter::<f32>::resume(&path, &[3, 5], &HashMap::new(), &note);
        let again = again.expect("begun");
        assert!(again.damage().is_some_and(|damage| damage.contains("begun again")));
        assert_eq!(again.written(), 0);
    }

    #[test]
    fn one_that_is_damaged_is_said_and_begun_again() {
        let anew = (0, vec![1.5; 15]);
        let (_folder, file) = left();
        let whole = std::fs::read(&file).expect("a file");
        let checksum = Checksum::place(&whole).expect("a checksum");
        for bit in (0..8 * whole.len()).step_by(61) {
            if (checksum..checksum + UNKNOWN_CHECKSUM.len()).contains(&(bit / 8)) {
                continue;
            }
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (folder, file) = left();
            std::fs::write(file, damaged).expect("written");
            let again = writer(folder.path(), &[3, 5]);
            assert!(again.damage().is_some_and(|damage| damage.contains("begun again")));
            assert_eq!((again.written(), files(folder.path())), (0, 2), "bit {bit}");
            drop(again);
            assert_eq!(ended(folder.path(), &[3, 5]), anew, "bit {bit}");
        }
        let (folder, file) = left();
        std::fs::write(file, &whole[..whole.len() - 1]).expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), anew);
        let (folder, file) = left();
        std::fs::remove_file(file).expect("removed");
        assert_eq!(ended(folder.path(), &[3, 5]), anew);
        // Nor does one count that is of another shape, or a note that is none.
        let (folder, _) = left();
        assert_eq!(ended(folder.path(), &[5, 3]), anew);
        let (folder, _) = left();
        std::fs::write(folder.path().join("note.json"), "{}").expect("written");
        assert_eq!(ended(folder.path(), &[3, 5]), anew);
    }
}
