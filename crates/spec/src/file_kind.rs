//! What a file is by its first bytes, for messages about files of another kind.

use std::fmt;

/// Kind of a file that people give by mistake, or of one that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing is in it.
    Empty,
    /// Tensors in safetensors.
    Safetensors,
    /// Groups and datasets of HDF5, as Keras saves.
    Hdf5,
    /// A zip archive, as PyTorch and Keras 3 save.
    Zip,
    /// Python's pickle, as PyTorch saved before version 1.6.
    Pickle,
    /// An array or arrays of NumPy.
    Numpy,
    /// A model of ONNX.
    Onnx,
    /// A model of llama.cpp.
    Gguf,
    /// A model of TensorFlow Lite.
    TfLite,
    /// A graph of TensorFlow.
    TensorFlowGraph,
    /// One of the files of TensorFlow's checkpoints.
    TensorFlowCheckpoint,
    /// The text that stands for a file in Git's large file storage.
    GitLfsPointer,
    /// A web page.
    WebPage,
    /// Data packed by gzip.
    Gzip,
    /// Columns in Parquet.
    Parquet,
    /// A database of SQLite, as MLflow keeps.
    Database,
    /// A picture.
    Picture,
    /// A document in PDF.
    Pdf,
}

impl FileKind {
    /// The kind of a file of these bytes, if they say it.
    ///
    /// # Example
    /// ```
    /// use thaw_spec::FileKind;
    ///
    /// assert_eq!(FileKind::of(b"<!DOCTYPE html><p>404"), Some(FileKind::WebPage));
    /// assert_eq!(FileKind::of(b"epoch,acc\n"), None);
    /// ```
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let starts: [(&[u8], Self); 20] = [
            (b"\x89HDF\r\n\x1a\n", Self::Hdf5),
            (b"PK\x03\x04", Self::Zip),
            (b"\x93NUMPY", Self::Numpy),
            (b"GGUF", Self::Gguf),
            (b"version https://git-lfs", Self::GitLfsPointer),
            (b"\x1f\x8b", Self::Gzip),
            (b"PAR1", Self::Parquet),
            (b"%PDF-", Self::Pdf),
            (b"\x89PNG", Self::Picture),
            (b"\xff\xd8\xff", Self::Picture),
            (b"GIF8", Self::Picture),
            (b"\x80\x02", Self::Pickle),
            (b"\x80\x03", Self::Pickle),
            (b"\x80\x04", Self::Pickle),
            (b"\x80\x05", Self::Pickle),
            // Protocol 0 is text.
            (b"(dp", Self::Pickle),
            (b"(lp", Self::Pickle),
            (b"ccollections\n", Self::Pickle),
            (b"SQLite format 3\0", Self::Database),
            (b"model_checkpoint_path:", Self::TensorFlowCheckpoint),
        ];
        if bytes.is_empty() {
            return Some(Self::Empty);
        }
        // The length of its header may begin as another kind does.
        if bytes.get(8) == Some(&b'{') && bytes.get(3..8) == Some(&[0; 5]) {
            return Some(Self::Safetensors);
        }
        if let Some((_, kind)) = starts.iter().find(|(start, _)| bytes.starts_with(start)) {
            return Some(*kind);
        }
        if bytes.get(4..8) == Some(b"TFL3") {
            return Some(Self::TfLite);
        }
        // The index of TensorFlow's checkpoints is a table of LevelDB, which ends in its mark.
        if bytes.ends_with(&0xdb47_7524_8b80_fb57_u64.to_le_bytes()) {
            return Some(Self::TensorFlowCheckpoint);
        }
        // Protocol buffers have no mark: ONNX begins with its version and names its producer or its
        // graph, a graph of TensorFlow with a node, which begins with its name behind its length.
        if bytes[0] == 0x08
            && bytes.get(1).is_some_and(|version| *version < 0x20)
            && bytes.get(2).is_some_and(|tag| [0x12, 0x3a, 0x42].contains(tag))
        {
            return Some(Self::Onnx);
        }
        if bytes[0] == 0x0a
            && bytes.iter().skip(2).take(4).any(|byte| *byte == 0x0a)
            && contains(bytes, b"\x12\x0bPlaceholder")
        {
            return Some(Self::TensorFlowGraph);
        }
        let text = bytes.trim_ascii_start();
        let begins = |start: &str| {
            text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes()))
        };
        ["<!doctype html", "<html", "<?xml"]
            .iter()
            .any(|start| begins(start))
            .then_some(Self::WebPage)
    }
}

/// Whether the first kilobytes hold some bytes.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).take(4096).any(|window| window == wanted)
}

impl fmt::Display for FileKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "empty",
            Self::Safetensors => "a safetensors file",
            Self::Hdf5 => "an HDF5 file",
            Self::Zip => "a zip archive",
            Self::Pickle => "a pickle of Python",
            Self::Numpy => "a file of NumPy",
            Self::Onnx => "an ONNX model",
            Self::Gguf => "a GGUF model",
            Self::TfLite => "a model of TensorFlow Lite",
            Self::TensorFlowGraph => "a graph of TensorFlow",
            Self::TensorFlowCheckpoint => "a part of a TensorFlow checkpoint",
            Self::GitLfsPointer => "a Git LFS pointer",
            Self::WebPage => "a web page",
            Self::Gzip => "packed by gzip",
            Self::Parquet => "a Parquet file",
            Self::Database => "a database of SQLite",
            Self::Picture => "a picture",
            Self::Pdf => "a PDF document",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_marks() {
        let table = |footer: &[u8]| [b"\0\0\0\0".as_slice(), footer].concat();
        let graph = |start: &[u8]| [start, b"\x12\x0bPlaceholder"].concat();
        let far = [b"\x0a\x0a".as_slice(), &[0; 5000], b"\x12\x0bPlaceholder"].concat();
        for (bytes, kind) in [
            (b"".to_vec(), Some(FileKind::Empty)),
            (b"\x10\x02\0\0\0\0\0\0{\"a\"".to_vec(), Some(FileKind::Safetensors)),
            // A header whose length begins as gzip does.
            (b"\x1f\x8b\x01\0\0\0\0\0{\"a\"".to_vec(), Some(FileKind::Safetensors)),
            // No header begins like this, and none is so long.
            (b"\x10\x02\0\0\0\0\0\0[1]".to_vec(), None),
            (b"\x10\x02\0\x01\0\0\0\0{\"a\"".to_vec(), None),
            (b"PK\x03\x04".to_vec(), Some(FileKind::Zip)),
            (b"\x1f\x8b\x08".to_vec(), Some(FileKind::Gzip)),
            (b"\x18\0\0\0TFL3".to_vec(), Some(FileKind::TfLite)),
            (b"\x18\0\0\0TFL2".to_vec(), None),
            (table(b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"), Some(FileKind::TensorFlowCheckpoint)),
            (table(b"\x57\xfb\x80\x8b\x24\x75\x47\xda"), None),
            // ir_version 8, then the name of the producer; a graph; a version that no ONNX has.
            (b"\x08\x08\x12\x07pytorch".to_vec(), Some(FileKind::Onnx)),
            (b"\x08\x08\x3a\x07".to_vec(), Some(FileKind::Onnx)),
            (b"\x08\x1f\x12\x07".to_vec(), Some(FileKind::Onnx)),
            (b"\x08\x20\x12\x07".to_vec(), None),
            (b"\x08\x08\x13\x07".to_vec(), None),
            (b"\x09\x08\x12\x07".to_vec(), None),
            (graph(b"\x0a\x20\x0a\x01x"), Some(FileKind::TensorFlowGraph)),
            (graph(b"\x0a\x80\x80\x80\x01\x0a\x01x"), Some(FileKind::TensorFlowGraph)),
            (graph(b"\x0b\x20\x0a\x01x"), None),
            // The first byte is a length of ten, and no name follows.
            (graph(b"\x0a\x0a\x12\x01x"), None),
            (b"\x0a\x20\x0a\x01x".to_vec(), None),
            (far, None),
            (b"  <!DocType HTML>".to_vec(), Some(FileKind::WebPage)),
            (b"epoch,acc\n1,0.5\n".to_vec(), None),
        ] {
            assert_eq!(FileKind::of(&bytes), kind, "{}", bytes.escape_ascii());
        }
        assert_eq!(FileKind::Onnx.to_string(), "an ONNX model");
    }
}
