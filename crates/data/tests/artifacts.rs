//! Artifacts and pixels as files: whole, damaged, and written by others.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;
use thaw_data::{Artifact, ArtifactWriter, DataError, Element, OnUnreadable, Pixels, examine};
use thaw_store::Checksum;

fn write<T: Element>(path: &Path, shape: &[usize], values: &[T], metadata: &[(&str, &str)]) {
    let metadata =
        metadata.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    let mut writer = ArtifactWriter::create(path, shape, &metadata).expect("a file");
    let (one, other) = values.split_at(values.len() / 2);
    writer.write(one).expect("written");
    writer.write(other).expect("written");
    writer.finish().expect("finished");
}

#[test]
fn values_of_any_size_are_read_as_they_were_written() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("floats");
    let floats: Vec<f32> = (0u8..6).map(|number| f32::from(number) + 0.5).collect();
    write(&path, &[2, 3], &floats, &[("of", "what")]);
    let read = Artifact::<f32>::open(&path).expect("an artifact");
    assert_eq!((read.shape(), read.values()), (&[2, 3][..], &floats[..]));
    assert_eq!(read.metadata().get("of").map(String::as_str), Some("what"));
    // Other programs read them too.
    let bytes = fs::read(&path).expect("a file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    assert_eq!(tensors.tensor("values").expect("values").shape(), [2, 3]);
    let other = Artifact::<u8>::open(&path).map(|_| ()).expect_err("other values").to_string();
    assert!(other.contains("its values are F32 instead of U8"), "{other}");
}

#[test]
fn values_begin_at_the_first_multiple_of_64_bytes_behind_the_header() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("bytes");
    for length in 0..70 {
        write(&path, &[3], &[1u8, 2, 3], &[("text", &"x".repeat(length))]);
        let bytes = fs::read(&path).expect("a file");
        let end = bytes.iter().rposition(|byte| *byte == b'}').expect("a header") + 1;
        assert_eq!(bytes.len(), end.next_multiple_of(64) + 3, "{length}");
        assert_eq!(Artifact::<u8>::open(&path).expect("an artifact").values(), [1, 2, 3]);
    }
}

#[test]
fn an_artifact_of_another_length_or_alignment_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("floats");
    write(&path, &[2], &[0.5f32, 1.5], &[]);
    let whole = fs::read(&path).expect("a file");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        Artifact::<f32>::open(&path).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(refused(&whole), Ok(()));
    for bytes in [whole[..whole.len() - 1].to_vec(), [&whole[..], b"\0"].concat()] {
        assert!(refused(&bytes).is_err(), "{} bytes", bytes.len());
    }
    // safetensors itself aligns values to 8 bytes.
    let values = [0u8; 8];
    let aligned = (0..64).find_map(|length| {
        let metadata = HashMap::from([("text".to_owned(), "x".repeat(length))]);
        let view = TensorView::new(Dtype::F32, vec![2], &values).expect("two floats");
        let bytes = safetensors::serialize([("values", view)], Some(metadata)).expect("bytes");
        ((bytes.len() - 8) % 64 != 0).then_some(bytes)
    });
    assert!(refused(&aligned.expect("a header that is no multiple of 64 bytes")).is_err());
}

#[test]
fn an_artifact_in_the_place_of_another_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let place = |name: &str| folder.path().join(name).with_extension("safetensors");
    write(&place("validation"), &[2], &[0.5f32, 1.5], &[]);
    write(&place("test"), &[2], &[2.5f32, 3.5], &[]);
    let is_sound = |name: &str| {
        let opened =
            Artifact::<f32>::open(&place(name)).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(examine(&place(name)).map_err(|error| error.to_string()), opened);
        opened
    };
    assert_eq!((is_sound("validation"), is_sound("test")), (Ok(()), Ok(())));
    fs::rename(place("validation"), place("third")).expect("renamed");
    fs::rename(place("test"), place("validation")).expect("renamed");
    fs::rename(place("third"), place("test")).expect("renamed");
    for (name, written) in [("validation", "test"), ("test", "validation")] {
        let message = is_sound(name).expect_err("another artifact");
        assert!(message.contains(&format!("(it is another artifact, `{written}`)")), "{message}");
    }
    // The same name in another folder, as in a copy of the cache.
    let copy = folder.path().join("copy").join("test");
    fs::create_dir(folder.path().join("copy")).expect("a folder");
    fs::copy(place("validation"), &copy).expect("copied");
    assert_eq!(Artifact::<f32>::open(&copy).expect("its own").values(), [2.5, 3.5]);
}

#[test]
fn an_artifact_of_a_version_without_names_is_believed() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("54f06fd439f3abae.safetensors");
    let text = r#"{"__metadata__":{"checksum":"xxh3:0000000000000000"},"values":{"data_offsets":[0,2],"dtype":"U8","shape":[2]}}"#;
    let header = [&120u64.to_le_bytes()[..], format!("{text:120}").as_bytes()].concat();
    let mut bytes = [&header[..], &[7, 8]].concat();
    Checksum::seal(&mut bytes);
    fs::write(&path, &bytes).expect("written");
    examine(&path).expect("sound");
    assert_eq!(Artifact::<u8>::open(&path).expect("sound").values(), [7, 8]);
}

#[test]
fn pixels_whose_labels_and_images_differ_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("pixels");
    let open = |shape: &[usize], labels: &str| -> Result<Pixels, DataError> {
        let values = vec![7u8; shape.iter().product()];
        write(&path, shape, &values, &[("labels", labels), ("skipped", "[]")]);
        Pixels::open(&path, OnUnreadable::Refuse)
    };
    let pixels = open(&[2, 1, 1, 3], "[0,1]").expect("pixels");
    assert_eq!((pixels.len(), pixels.is_empty(), pixels.image(1)), (2, false, &[7; 3][..]));
    assert!(open(&[0, 1, 1, 3], "[]").expect("no pixels").is_empty());
    for (shape, labels) in
        [(&[2, 1, 1, 3][..], "[0]"), (&[2, 1, 3], "[0,1]"), (&[2, 1, 1, 3], "[0,1,1]")]
    {
        let message = open(shape, labels).map(|_| ()).expect_err("they differ").to_string();
        assert!(message.contains("its labels and images differ in number"), "{message}");
    }
}
