//! Weights files as Keras, torchvision and timm write them; `tools/golden/weights_files.py` made
//! them.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use candle_core::safetensors::{Load as _, load};
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use thaw_model::{Base, ComparisonOptions, TensorSpec, Weights, list, list_bytes, weights_file};
use thaw_spec::{Architecture, ConvolutionAlgorithm, PreprocessingName};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn features(
    weights: &Weights,
    architecture: Architecture,
    image: &Tensor,
) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let blocks = architecture.blocks();
    let base =
        Base::new(architecture, ConvolutionAlgorithm::WinogradF3, weights, blocks, &Device::Cpu)?;
    Ok(base.forward(image, 0..blocks)?.flatten_all()?.to_vec1()?)
}

#[test]
fn kerass_hdf5_is_read_in_both_layouts() -> Tested {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mini_vgg-notop.h5");
    let keras = Weights::read(&path, Architecture::MiniVgg)?;
    assert_eq!(
        (keras.origin.as_deref(), keras.preprocessing),
        (Some("keras.applications"), Some(PreprocessingName::Caffe))
    );
    // The same numbers in torchvision's layout.
    let values = |_: usize, TensorSpec { shape, .. }: &TensorSpec| match shape[..] {
        [outputs, inputs, height, width] => {
            let places = (0..outputs).flat_map(|output| {
                (0..inputs).flat_map(move |input| {
                    (0..height * width).map(move |tap| (tap * inputs + input) * outputs + output)
                })
            });
            places.map(|place| ((place * 37 % 101) as f64 / 1000.0) as f32).collect()
        }
        _ => (0..shape[0]).map(|place| (place as f64 / 1000.0) as f32).collect(),
    };
    let bytes = weights_file(Architecture::MiniVgg, values)?;
    let ours = Weights::from_bytes(Path::new("formula"), &bytes, Architecture::MiniVgg)?;
    let image = Tensor::from_vec(
        (0..32 * 32 * 3).map(|value| (value % 17) as f32 / 17.0).collect(),
        (1, 32, 32, 3),
        &Device::Cpu,
    )?;
    assert_eq!(
        features(&keras, Architecture::MiniVgg, &image)?,
        features(&ours, Architecture::MiniVgg, &image)?
    );
    let refused = Weights::read(&path, Architecture::Vgg16).expect_err("another base").to_string();
    assert!(refused.contains("has no layer `block3_conv3`"), "{refused}");
    let refused = Weights::read(&path, Architecture::Squeezenet1_0)
        .expect_err("no base of Keras")
        .to_string();
    assert!(refused.contains("Keras has no squeezenet1_0"), "{refused}");
    Ok(())
}

#[test]
fn files_of_other_widths_and_with_other_prefixes_are_the_same_weights() -> Tested {
    let architecture = Architecture::MiniVgg;
    // Numbers that 16 bits hold.
    let values = |number: usize, TensorSpec { shape, .. }: &TensorSpec| -> Vec<f32> {
        let place = |place: usize| ((place * 37 + number * 11) % 101) as f32 / 64.0 - 0.75;
        (0..shape.iter().product()).map(place).collect()
    };
    let plain = weights_file(architecture, values)?;
    let file = SafeTensors::deserialize(&plain)?;
    let image = Tensor::from_vec(
        (0..32 * 32 * 3).map(|value| (value % 17) as f32 / 17.0).collect(),
        (1, 32, 32, 3),
        &Device::Cpu,
    )?;
    let of = |bytes: &[u8]| -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        features(
            &Weights::from_bytes(Path::new("weights"), bytes, architecture)?,
            architecture,
            &image,
        )
    };
    let expected = of(&plain)?;
    for prefix in ["", "module.", "model.", "_orig_mod.module.", "state_dict.model."] {
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let mut tensors = std::collections::HashMap::new();
            for name in file.names() {
                let tensor = file.tensor(name)?.load(&Device::Cpu)?.to_dtype(dtype)?;
                tensors.insert(format!("{prefix}{name}"), tensor);
            }
            // Integers that count the batches of a BatchNorm; and a classifier, which is left out.
            let counter = Tensor::from_vec(vec![7i64], 1, &Device::Cpu)?;
            tensors.insert(format!("{prefix}features.1.num_batches_tracked"), counter.clone());
            tensors.insert(format!("{prefix}classifier.6.bias"), counter);
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("weights.safetensors");
            candle_core::safetensors::save(&tensors, &path)?;
            assert_eq!(of(&std::fs::read(&path)?)?, expected, "{prefix}, {dtype:?}");
        }
    }
    Ok(())
}

/// A base that is a part of somebody's model, in one file and in shards.
#[test]
fn a_base_within_a_model_is_found_by_its_names() -> Tested {
    let architecture = Architecture::MiniVgg;
    let plain = weights_file(architecture, |number, TensorSpec { shape, .. }| {
        (0..shape.iter().product()).map(|place: usize| (place % (number + 7)) as f32).collect()
    })?;
    let file = SafeTensors::deserialize(&plain)?;
    let save = |prefixes: &[&str], path: &Path, part: &dyn Fn(usize) -> bool| -> Tested {
        let mut tensors = std::collections::HashMap::new();
        let names = (0..).zip(file.names()).filter(|(number, _)| part(*number));
        for (_, name) in names {
            let tensor = file.tensor(name)?.load(&Device::Cpu)?;
            for prefix in prefixes {
                tensors.insert(format!("{prefix}{name}"), tensor.clone());
            }
        }
        if part(0) {
            tensors.insert("head.0.bias".to_owned(), Tensor::zeros(3, DType::F32, &Device::Cpu)?);
        }
        candle_core::safetensors::save(&tensors, path)?;
        Ok(())
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    save(&["encoder.base."], &path, &|_| true)?;
    let weights = Weights::read(&path, architecture)?;
    assert_eq!(weights.part.as_deref(), Some("encoder.base."));
    let image = Tensor::ones((1, 32, 32, 3), DType::F32, &Device::Cpu)?;
    let expected = features(
        &Weights::from_bytes(Path::new("weights"), &plain, architecture)?,
        architecture,
        &image,
    )?;
    assert_eq!(features(&weights, architecture, &image)?, expected);
    // In two shards, with their index.
    let shards = folder.path().join("shards");
    std::fs::create_dir(&shards)?;
    let mut map = serde_json::Map::new();
    for (number, name) in (0..).zip(file.names()) {
        map.insert(name.to_owned(), format!("{}.safetensors", number % 2).into());
    }
    for shard in 0..2 {
        let path = shards.join(format!("{shard}.safetensors"));
        save(&[""], &path, &|number| number % 2 == shard)?;
    }
    let index = serde_json::json!({ "weight_map": map });
    std::fs::write(shards.join("model.safetensors.index.json"), index.to_string())?;
    let whole = Weights::read(&shards, architecture)?;
    assert_eq!((whole.part.as_deref(), features(&whole, architecture, &image)?), (None, expected));
    // Two of a kind.
    save(&["student.", "teacher."], &path, &|_| true)?;
    let refused = Weights::read(&path, architecture).expect_err("two").to_string();
    assert!(refused.contains("more than once, as `student.` and as `teacher.`"), "{refused}");
    Ok(())
}

/// A file of a base with batch normalisation, changed before it is read.
fn refused(
    architecture: Architecture,
    of: Architecture,
    change: &dyn Fn(&mut std::collections::HashMap<String, Tensor>),
) -> Result<String, Box<dyn std::error::Error>> {
    let values = |number: usize, TensorSpec { shape, .. }: &TensorSpec| -> Vec<f32> {
        let place = |place: usize| ((place * 37 + number * 11) % 101) as f32 / 64.0 + 0.25;
        (0..shape.iter().product()).map(place).collect()
    };
    let bytes = weights_file(of, values)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let mut tensors = std::collections::HashMap::new();
    for name in file.names() {
        tensors.insert(name.to_owned(), file.tensor(name)?.load(&Device::Cpu)?);
    }
    change(&mut tensors);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("weights.safetensors");
    candle_core::safetensors::save(&tensors, &path)?;
    let bytes = std::fs::read(&path)?;
    Ok(match Weights::from_bytes(Path::new("weights.safetensors"), &bytes, architecture) {
        Ok(_) => "read".to_owned(),
        Err(error) => error.to_string(),
    })
}

#[test]
fn files_with_batch_normalisation_are_read_or_refused_by_name() -> Tested {
    let resnet18 = Architecture::Resnet18;
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let read = refused(resnet18, resnet18, &|tensors| {
        let counter = Tensor::from_vec(vec![7i64], (), &Device::Cpu).expect("a number");
        tensors.insert("bn1.num_batches_tracked".to_owned(), counter);
        tensors.insert("fc.weight".to_owned(), zeros(&[10, 512]));
        *tensors =
            tensors.drain().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    })?;
    assert_eq!(read, "read");
    let refusals = [
        // Another base, deeper and shallower.
        refused(resnet18, Architecture::Resnet50, &|_| {})?,
        refused(Architecture::Resnet50, resnet18, &|_| {})?,
        // Another width.
        refused(Architecture::MobilenetV2, Architecture::MobilenetV2, &|tensors| {
            tensors.insert("features.0.0.weight".to_owned(), zeros(&[16, 3, 3, 3]));
        })?,
        // Parameters without buffers.
        refused(resnet18, resnet18, &|tensors| {
            tensors.retain(|name, _| !name.contains("running"))
        })?,
        // A variance below zero.
        refused(resnet18, resnet18, &|tensors| {
            let negative = (zeros(&[64]) - 1.0).expect("numbers");
            tensors.insert("bn1.running_var".to_owned(), negative);
        })?,
    ];
    insta::assert_snapshot!(refusals.join("\n"));
    Ok(())
}

#[test]
fn damaged_files_are_refused_in_one_sentence() -> Tested {
    let whole = std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mini_vgg-notop.h5"),
    )?;
    for (bytes, reason) in [
        (whole[..whole.len() / 3].to_vec(), "HDF5"),
        (b"PK\x03\x04 and nothing more".to_vec(), "a zip archive that is damaged"),
        (b"\x80\x02\x8a\x0a".to_vec(), "a pickle of Python"),
        (b"hello".to_vec(), "no file of tensors that thaw reads"),
    ] {
        let folder = std::env::temp_dir().join(format!("thaw-weights-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("damaged");
        std::fs::write(&path, bytes)?;
        let refused = Weights::read(&path, Architecture::MiniVgg).expect_err("damaged").to_string();
        assert!(refused.contains(reason) && !refused.contains('\n'), "{refused}");
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Files of h5py whose groups hold themselves, or each other in a million million ways.
#[test]
fn groups_within_groups_are_read_or_refused_at_once() -> Tested {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hostile");
    for (name, expected) in [
        ("cyclic.h5", "a/w"),
        ("many-ways.h5", "more groups or datasets than a model has"),
        ("nested.h5", "nested more than 256 deep"),
        ("many-links.h5", "together, which it cannot hold"),
    ] {
        let said = match list(&folder.join(name), &ComparisonOptions::default()) {
            Ok(listing) => {
                let names: Vec<String> =
                    listing.tensors.into_iter().map(|tensor| tensor.name).collect();
                names.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expected), "{name}: {said}");
    }
    Ok(())
}

/// A pickle of PyTorch's of so many tensors, each of so many numbers in a storage of its own.
fn pickled(tensors: u32, count: u32) -> Vec<u8> {
    let text =
        |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let number = |number: u32| [b"J", &number.to_le_bytes()[..]].concat();
    let mut bytes = b"\x80\x02}(".to_vec();
    for key in 0..tensors {
        let key = key.to_string();
        bytes.extend(text(&format!("tensor{key}")));
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        bytes.extend([text("storage"), b"ctorch\nFloatStorage\n".to_vec()].concat());
        bytes.extend([text(&key), text("cpu"), number(count), b"tQ".to_vec()].concat());
        bytes.extend([number(0), number(count), b"\x85K\x01\x85\x89}tR".to_vec()].concat());
    }
    bytes.extend(b"u.");
    bytes
}

#[test]
fn archives_that_unpack_to_more_than_they_can_hold_are_not_unpacked() -> Tested {
    // 100 storages of a megabyte each in a kilobyte each.
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("archive/data.pkl", options)?;
    archive.write_all(&pickled(100, 1 << 18))?;
    for key in 0..100 {
        archive.start_file(format!("archive/data/{key}"), options)?;
        archive.write_all(&vec![0; 1 << 20])?;
    }
    let bytes = archive.finish()?.into_inner();
    let listing = list_bytes(Path::new("bomb.pth"), &bytes, &ComparisonOptions::default())?;
    let (read, refused): (Vec<_>, Vec<_>) =
        listing.tensors.iter().partition(|tensor| tensor.number_type.is_ok());
    assert!(!read.is_empty() && read.len() + refused.len() == 100);
    let unpacked: usize = read.iter().map(|tensor| tensor.bytes).sum();
    assert!(unpacked <= bytes.len() * 16 + (1 << 20), "{unpacked} bytes of {}", bytes.len());
    assert!(refused[0].number_type.as_ref().is_err_and(|reason| reason.contains("damaged")));
    Ok(())
}

#[test]
fn a_storage_with_a_wrong_checksum_is_damaged_unless_the_archive_has_no_checksums() -> Tested {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", options)?;
    archive.write_all(&pickled(2, 4))?;
    for key in 0..2 {
        archive.start_file(format!("archive/data/{key}"), options)?;
        archive.write_all(&[0xA0 + key; 16])?;
    }
    let mut bytes = archive.finish()?.into_inner();
    let listed =
        |bytes: &[u8]| list_bytes(Path::new("w.pth"), bytes, &ComparisonOptions::default());
    assert_eq!(listed(&bytes)?.tensors.len(), 2);
    let storage = bytes.windows(16).position(|window| window == [0xA1; 16]).ok_or("no storage")?;
    bytes[storage] ^= 1;
    let refused = listed(&bytes).expect_err("damaged").to_string();
    assert!(refused.starts_with("w.pth: its storage `1` is damaged"), "{refused}");
    // As PyTorch writes it after `torch.serialization.set_crc32_options(False)`.
    for (signature, offset) in [(b"PK\x03\x04", 14), (b"PK\x01\x02", 16)] {
        let is_header = |place: &usize| bytes[*place..].starts_with(signature);
        let headers: Vec<usize> = (0..bytes.len()).filter(is_header).collect();
        for header in headers {
            bytes[header + offset..][..4].fill(0);
        }
    }
    assert!(listed(&bytes)?.tensors.iter().all(|tensor| tensor.number_type.is_ok()));
    Ok(())
}

#[test]
fn headers_that_declare_more_than_any_file_has_are_refused() {
    let refused = |length: u64, header: &str| {
        let bytes = [&length.to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        let listing = list_bytes(Path::new("x.safetensors"), &bytes, &ComparisonOptions::default());
        listing.expect_err("a bomb").to_string()
    };
    let deep = |open: &str| open.repeat(100_000);
    let tensor = |shape: &str, end: u64| {
        format!(r#"{{"a":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{end}]}}}}"#)
    };
    for header in [
        "{}".to_owned(),
        tensor("1152921504606846976", 8),
        tensor("1152921504606846976", 4 << 60),
        tensor("4294967296,4294967296", 0),
        tensor("2", u64::MAX),
        deep("["),
        format!("{{\"a\":{}", deep("{\"a\":")),
        format!("{{\"__metadata__\":{}", deep("[")),
    ] {
        for length in [header.len() as u64, 1 << 60, u64::MAX] {
            if header != "{}" || length > 2 {
                let message = refused(length, &header);
                assert!(message.starts_with("x.safetensors: "), "{message}");
                assert!(message.len() < 1_000, "{} characters", message.len());
            }
        }
    }
}

/// VGG16 at 150×150 with the files of real Keras and PyTorch (60 MB each, so they are not part of
/// the project).
#[test]
fn vgg16_has_the_features_of_keras_and_torchvision() -> Tested {
    let Some(folder) = std::env::var_os("THAW_GOLDEN_WEIGHTS").map(PathBuf::from) else {
        use std::io::Write as _;
        writeln!(
            std::io::stderr(),
            "skipped: THAW_GOLDEN_WEIGHTS names no folder written by tools/golden/weights_files.py"
        )?;
        return Ok(());
    };
    for (oracle, files) in [
        ("keras", &["keras-1-layout-notop.h5", "keras-2.0.8-notop.h5"][..]),
        (
            "torch",
            &[
                "torchvision.pth",
                "torchvision.safetensors",
                "timm.safetensors",
                "features-only.pth",
            ][..],
        ),
    ] {
        let golden = load(folder.join(format!("{oracle}.safetensors")), &Device::Cpu)?;
        let expected: Vec<f32> = golden["features"].flatten_all()?.to_vec1()?;
        for file in files {
            let weights = Weights::read(&folder.join(file), Architecture::Vgg16)?;
            let actual = features(&weights, Architecture::Vgg16, &golden["image"])?;
            let square = |values: &mut dyn Iterator<Item = f32>| {
                values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
            };
            let error = square(&mut actual.iter().zip(&expected).map(|(a, b)| a - b))
                / square(&mut expected.iter().copied());
            assert!(error <= 1e-4, "{file}: relative error {error:e}");
            let scale = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let largest =
                actual.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max)
                    / scale;
            assert!(largest <= 1e-4, "{file}: largest error {largest:e} of the largest feature");
        }
    }
    Ok(())
}
