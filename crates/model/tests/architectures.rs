//! Bases with BatchNorm against torchvision, timm and Keras 3, written by
//! `tools/golden/architectures.py`: features by the moving statistics; features, gradients and moved
//! statistics by those of the batch; and the libraries' own files.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use thaw_model::{Base, Freezing, Gradients, Initial, TensorSpec, Weights, tensors, weights_file};
use thaw_spec::{
    Architecture, ConvolutionAlgorithm, Experiment, FrozenStatistics, Procedure, TensorRole,
};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn load(path: PathBuf) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).expect("fixtures are readable")
}

fn fixtures(name: &str) -> HashMap<String, Tensor> {
    load(format!("{}/tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR")).into())
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|tensor| tensor.to_vec1()).expect("floats")
}

/// ‖a − b‖ / ‖b‖.
#[track_caller]
fn assert_close(name: &str, actual: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    let square = |value: f32| f64::from(value) * f64::from(value);
    let difference: f64 = actual.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let error = (difference / expected.iter().map(|b| square(*b)).sum::<f64>()).sqrt();
    assert!(error <= tolerance, "{name}: relative error {error:.2e} exceeds {tolerance:.0e}");
}

/// The integer hash that `tools/golden/bases.py` documents.
fn hashed(count: usize, number: u64) -> impl Iterator<Item = f64> {
    (1..=count as u64).map(move |index| {
        ((index * 2_654_435_761 + number * 40_503) % (1 << 32)) as f64 / (1u64 << 32) as f64 - 0.5
    })
}

fn images(count: usize, size: usize) -> candle_core::Result<Tensor> {
    let pixels = hashed(count * size * size * 3, 1000).map(|value| (value * 2.0) as f32);
    Tensor::from_iter(pixels, &Device::Cpu)?.reshape((count, size, size, 3))
}

/// A weights file with hashed values.
fn hashed_weights(architecture: Architecture) -> Result<Weights, Box<dyn std::error::Error>> {
    let names: std::collections::BTreeSet<String> =
        tensors(architecture).into_iter().map(|tensor| tensor.name).collect();
    let numbers: BTreeMap<&str, u64> = names.iter().map(String::as_str).zip(0..).collect();
    let values = |_: usize, TensorSpec { name, shape, role, initial }: &TensorSpec| {
        let fan_in = shape[1..].iter().product::<usize>() as f64;
        let value = |hash: f64| match (role, initial) {
            (_, Initial::Drawn) => hash * (24.0 / fan_in).sqrt(),
            (TensorRole::Weight, Initial::Constant(_)) => 0.5 + hash / 5.0,
            (TensorRole::Statistic, Initial::Constant(1.0)) => 1.0 + hash,
            (_, Initial::Constant(_)) => hash / 5.0,
        };
        let length = shape.iter().product();
        hashed(length, numbers[name.as_str()]).map(|hash| value(hash) as f32).collect()
    };
    let bytes = weights_file(architecture, values)?;
    Ok(Weights::from_bytes(Path::new("hashed.safetensors"), &bytes, architecture)?)
}

const WAYS: [(ConvolutionAlgorithm, bool); 3] = [
    (ConvolutionAlgorithm::Direct, false),
    (ConvolutionAlgorithm::WinogradF2, false),
    // On a GPU the layers are composed of Candle's operations; here those run on the CPU.
    (ConvolutionAlgorithm::Direct, true),
];

fn base(
    architecture: Architecture,
    (convolution, is_composed): (ConvolutionAlgorithm, bool),
    frozen_blocks: usize,
) -> Result<Base, Box<dyn std::error::Error>> {
    let weights = hashed_weights(architecture)?;
    let base = Base::new(architecture, convolution, &weights, frozen_blocks, &Device::Cpu)?;
    Ok(if is_composed { base.on_candle_engine() } else { base })
}

/// In PyTorch's order.
fn in_pytorchs_order(gradient: &Tensor) -> candle_core::Result<Tensor> {
    if gradient.rank() == 4 {
        gradient.permute((3, 2, 0, 1))?.contiguous()
    } else {
        Ok(gradient.clone())
    }
}

#[test]
fn features_gradients_and_moving_statistics_agree_with_torchvision_and_timm() -> Tested {
    let all = fixtures("architectures-torch");
    let architectures = [
        Architecture::Vgg19,
        Architecture::Resnet18,
        Architecture::Resnet50,
        Architecture::MobilenetV2,
        Architecture::EfficientnetLite0,
        Architecture::EfficientnetLite0Timm,
    ];
    for (architecture, way) in
        architectures.into_iter().flat_map(|architecture| WAYS.map(|way| (architecture, way)))
    {
        let name = |what: &str| format!("{architecture} {way:?}: {what}");
        let expected = |what: &str| values(&all[&format!("{architecture}.{what}")]);
        let blocks = 0..architecture.blocks();
        let base = base(architecture, way, 0)?;
        let input = images(4, 64)?;
        let evaluated = base.forward(&input.narrow(0, 0, 1)?, blocks.clone())?;
        // What 32 bits cost PyTorch itself, in the worst tensor; ours add in another order.
        let tolerance = |kind: &str| {
            let error = all.get(&format!("{architecture}.error.{kind}")).map(values);
            3.0 * error.map_or(0.0, |error| f64::from(error[0])) + 1e-5
        };
        let close = |what: &str, actual: &[f32]| {
            let kind = what.split('.').next().expect("a kind");
            assert_close(&name(what), actual, &expected(what), tolerance(kind));
        };
        close("evaluated", &values(&evaluated));
        let (output, tape) = base.forward_on_tape(&input, blocks)?;
        close("trained", &values(&output.narrow(0, 0, 1)?));
        if architecture == Architecture::Vgg19 {
            // The gradients of its layers are those of VGG16, in `tests/pytorch.rs`.
            continue;
        }
        let factors = hashed(output.elem_count(), 2000).map(|value| value as f32);
        let factors = Tensor::from_iter(factors, &Device::Cpu)?.reshape(output.shape())?;
        let mut gradients = Gradients::of(&(&output * factors)?.sum_all()?)?;
        tape.backward(&mut gradients)?;
        let norms =
            base.parameters().iter().filter(|parameter| parameter.role == TensorRole::Weight);
        let norms = norms.map(|weight| expected(&format!("gradient_norm.{}", weight.name))[0]);
        let largest = norms.fold(0f32, f32::max);
        for parameter in base.parameters() {
            if parameter.role == TensorRole::Statistic {
                let moved = values(parameter.value());
                close(&format!("moved.{}", parameter.name), &moved[..8]);
                continue;
            }
            let gradient =
                gradients.store.get(parameter.value()).expect("every weight has a gradient");
            let norm = gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?;
            let of_norm = format!("gradient_norm.{}", parameter.name);
            if expected(&of_norm)[0] <= 1e-9 * largest {
                // What is added before a normalisation has none but for rounding.
                assert!(norm <= 1e-4 * largest, "{}: {norm}", name(&of_norm));
                continue;
            }
            close(&of_norm, &[norm]);
            let head = &values(&in_pytorchs_order(gradient)?)[..8];
            let of_head = expected(&format!("gradient_head.{}", parameter.name));
            // As far as the norm of the whole gradient lets eight numbers be known.
            let scale = f64::from(norm) * (8.0 / gradient.elem_count() as f64).sqrt();
            let distance: f64 =
                head.iter().zip(&of_head).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            assert!(
                distance.sqrt() <= 10.0 * tolerance("gradient_norm") * scale,
                "{}: {head:?} against {of_head:?}",
                name(&parameter.name)
            );
        }
    }
    Ok(())
}

#[test]
fn features_and_moving_statistics_agree_with_keras() -> Tested {
    let (all, of_torch) = (fixtures("architectures-keras"), fixtures("architectures-torch"));
    for ((architecture, twin), way) in [
        (Architecture::Resnet50Keras, Architecture::Resnet50),
        (Architecture::MobilenetV2Keras, Architecture::MobilenetV2),
    ]
    .into_iter()
    .flat_map(|architectures| WAYS.map(|way| (architectures, way)))
    {
        // Keras computes in 32 bits as well, so both sides have the error of PyTorch's twin.
        let tolerance = |kind: &str| {
            6.0 * f64::from(values(&of_torch[&format!("{twin}.error.{kind}")])[0]) + 1e-5
        };
        let name = |what: &str| format!("{architecture} {way:?}: {what}");
        let expected = |what: &str| values(&all[&format!("{architecture}.{what}")]);
        let blocks = 0..architecture.blocks();
        let base = base(architecture, way, 0)?;
        let input = images(4, 64)?;
        let evaluated = base.forward(&input.narrow(0, 0, 1)?, blocks.clone())?;
        assert_close(
            &name("evaluated"),
            &values(&evaluated),
            &expected("evaluated"),
            tolerance("evaluated"),
        );
        let (output, _) = base.forward_on_tape(&input, blocks)?;
        let first = output.narrow(0, 0, 1)?;
        assert_close(&name("trained"), &values(&first), &expected("trained"), tolerance("trained"));
        for parameter in base.parameters() {
            if parameter.role == TensorRole::Statistic {
                let moved = values(parameter.value());
                let expected = expected(&format!("moved.{}", parameter.name));
                assert_close(&name(&parameter.name), &moved[..8], &expected, tolerance("moved"));
            }
        }
    }
    Ok(())
}

/// A frozen base, and blocks of it one after the other, yield the same bits whatever the batch.
#[test]
fn cached_features_are_those_of_the_frozen_base_to_the_last_bit() -> Tested {
    for architecture in [Architecture::Resnet18, Architecture::MobilenetV2Keras] {
        let blocks = architecture.blocks();
        let base = base(architecture, (ConvolutionAlgorithm::WinogradF3, false), blocks)?;
        let input = images(5, 75)?;
        let together = values(&base.forward(&input, 0..blocks)?);
        let mut alone = Vec::new();
        for image in 0..5 {
            let boundary = base.forward(&input.narrow(0, image, 1)?, 0..3)?;
            alone.extend(values(&base.forward(&boundary, 3..blocks)?));
        }
        assert_eq!(together, alone, "{architecture}");
        let moved = |parameter: &thaw_model::Parameter| {
            values(parameter.value()) != values(&parameter.original)
        };
        assert!(!base.parameters().iter().any(moved), "{architecture}");
    }
    Ok(())
}

/// `requires_grad = False` and `train()` in PyTorch: the features are those of an unfrozen base in
/// training, which the tests above hold to PyTorch, and the statistics follow, or not.
#[test]
fn a_frozen_base_is_normalised_by_the_batch_as_an_open_one_is() -> Tested {
    for architecture in [Architecture::Resnet18, Architecture::EfficientnetLite0] {
        for way in WAYS {
            let blocks = architecture.blocks();
            let input = images(4, 64)?;
            let open = base(architecture, way, 0)?;
            let (expected, _) = open.forward_on_tape(&input, 0..blocks)?;
            for frozen_statistics in
                [FrozenStatistics::Kept, FrozenStatistics::Batch, FrozenStatistics::Moving]
            {
                let mut base = base(architecture, way, blocks)?;
                base.refreeze(Freezing { statistics: frozen_statistics, ..blocks.into() })?;
                let evaluated = values(&base.forward(&input, 0..blocks)?);
                let trained = base.forward_in_training(&input, 0..blocks)?;
                assert!(!trained.track_op(), "no graph is built");
                let after = values(&base.forward(&input, 0..blocks)?);
                if frozen_statistics == FrozenStatistics::Kept {
                    assert_eq!(values(&trained), evaluated, "{architecture}");
                } else {
                    assert_eq!(values(&trained), values(&expected), "{architecture}");
                }
                assert_eq!(after == evaluated, frozen_statistics != FrozenStatistics::Moving);
                for (own, open) in base.parameters().iter().zip(open.parameters()) {
                    let is_moving = frozen_statistics == FrozenStatistics::Moving
                        && own.role == TensorRole::Statistic;
                    let expected = if is_moving { open.value() } else { &own.original };
                    assert_eq!(values(own.value()), values(expected), "{}", own.name);
                    assert!(own.trained().is_none());
                }
            }
        }
    }
    Ok(())
}

/// A way of `tools/golden/frozen_batch_norm.py` as an experiment says it; nothing for what thaw does
/// not tell from another way.
fn procedure_of(profile: &str, way: &str) -> Option<Procedure> {
    let settings = match way {
        "nothing" => "freeze = \"none\"",
        "trainable = False on each layer" | "requires_grad = False" => "",
        "trainable = False on the base, in a Sequential" => "freeze_by = \"container\"",
        "requires_grad = False and eval()" => "frozen_statistics = \"kept\"",
        _ => return None,
    };
    let text = format!(
        "name = \"statistics\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"mini_resnet\"\n[procedure]\nprofile = \"{profile}\"\nimage_size = 32\nstatistics_share = 0.1\n{settings}\n"
    );
    let experiment = Experiment::parse("statistics.toml", &text).expect("an experiment");
    experiment.procedures().next().map(|(_, procedure)| procedure.clone())
}

/// A row as `docs/batch-norm.md` shows it.
fn line_of(row: &BTreeMap<String, String>) -> String {
    let library = match row["profile"].as_str() {
        "keras-2.2" => "Keras 2.2.4".to_owned(),
        "keras-3" => "Keras 3.12".to_owned(),
        "torch" => "PyTorch 2.15".to_owned(),
        keras => keras.replace("keras-", "Keras "),
    };
    let (way, told, held) = (&row["way"], &row["trainable"], &row["collected"]);
    let (statistics, weights) = (&row["statistics_moved"], &row["weights_moved"]);
    let by = match row["normalised_by"].as_str() {
        "batch" => "each batch",
        "moving" => "the moving statistics",
        _ => {
            return format!(
                "| {library} | {way} | refused: a model takes no `training` | | | | |\n"
            );
        }
    };
    format!(
        "| {library} | {way} | {by} | {statistics} of 20 | {weights} of 30 | {told} | {held} |\n"
    )
}

/// What each library does to BatchNorm in training, frozen and not: the table of
/// `docs/batch-norm.md` and the numbers behind it, by `tools/golden/frozen_batch_norm.py`.
#[test]
fn batch_normalisations_are_treated_as_each_library_treats_them() -> Tested {
    let mut rows = csv::Reader::from_path(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/frozen_batch_norm.csv"
    ))?;
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/batch-norm.md"))?;
    let mut compared = 0;
    for row in rows.deserialize::<BTreeMap<String, String>>() {
        let row = row?;
        let (profile, way) = (row["profile"].as_str(), row["way"].as_str());
        let name = format!("{profile}, {way}");
        assert!(page.contains(&line_of(&row)), "the page lacks {}", line_of(&row));
        let Some(procedure) = procedure_of(profile, way) else { continue };
        let (architecture, blocks) = (procedure.architecture, procedure.architecture.blocks());
        let golden = fixtures(&format!("frozen_batch_norm-{profile}"));
        for composed in [false, true] {
            let weights = hashed_weights(architecture)?;
            let algorithm = ConvolutionAlgorithm::Direct;
            let base = Base::new(architecture, algorithm, &weights, &procedure, &Device::Cpu)?;
            let base = if composed { base.on_candle_engine() } else { base };
            let first = images(4, 32)?;
            let upside_down: Vec<u32> = (0..32).rev().collect();
            let upside_down = Tensor::new(upside_down, &Device::Cpu)?;
            let second = (first.index_select(&upside_down, 1)? * 1.5)?;

            let evaluated = values(&base.forward(&first, 0..blocks)?);
            let start = procedure.blocks_without_gradients();
            let step = |images: &Tensor| -> Result<Vec<f32>, Box<dyn std::error::Error>> {
                let boundary = base.forward_in_training(images, 0..start)?;
                Ok(values(&base.forward_on_tape(&boundary, start..blocks)?.0))
            };
            let in_training = step(&first)?;
            let by = if in_training == evaluated { "moving" } else { "batch" };
            assert_eq!(by, row["normalised_by"], "{name}");
            step(&second)?;
            let moved = base
                .parameters()
                .iter()
                .filter(|parameter| values(parameter.value()) != values(&parameter.original));
            assert_eq!(moved.count().to_string(), row["statistics_moved"], "{name}");
            let trained = base.parameters().iter().filter(|known| known.trained().is_some());
            assert_eq!((trained.count() + 1).to_string(), row["collected"], "{name}");

            let stem = match way {
                "nothing" => "open",
                "trainable = False on each layer" | "requires_grad = False" => "frozen",
                _ => continue,
            };
            let expected = |what: &str| values(&golden[&format!("{stem}.{what}")]);
            assert_close(&name, &in_training, &expected("features"), 1e-5);
            for parameter in base.parameters() {
                if parameter.role == TensorRole::Statistic {
                    let expected = expected(&format!("moved.{}", parameter.name));
                    let name = format!("{name}: {}", parameter.name);
                    assert_close(&name, &values(parameter.value()), &expected, 2e-6);
                }
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * 2 * 5, "two ways of five libraries, on two engines");
    Ok(())
}

#[test]
fn a_batch_of_one_image_of_one_pixel_cannot_be_normalised_by_itself() -> Tested {
    for way in WAYS {
        let mut base = base(Architecture::Resnet18, way, 5)?;
        base.refreeze(Freezing { statistics: FrozenStatistics::Batch, ..5.into() })?;
        let error = base.forward_in_training(&images(1, 32)?, 0..5).expect_err("one value");
        assert_eq!(
            error.to_string(),
            "`layer4.0.downsample.1` cannot normalise a batch of one image of 1×1 by its own mean and variance; set a batch_size that leaves no image over, or a larger image_size"
        );
    }
    Ok(())
}

/// ResNet-18's last maps are small enough for other tiles at the first of these sizes alone.
#[test]
fn features_do_not_depend_on_the_sizes_that_a_base_saw_before() -> Tested {
    let architecture = Architecture::Resnet18;
    let (way, blocks) = ((ConvolutionAlgorithm::WinogradF3, false), architecture.blocks());
    let features = |base: &Base, size| -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        Ok(values(&base.forward(&images(1, size)?, 0..blocks)?))
    };
    let used = base(architecture, way, blocks)?;
    for size in [160, 192, 160] {
        let fresh = base(architecture, way, blocks)?;
        assert_eq!(features(&used, size)?, features(&fresh, size)?, "at {size}");
    }
    Ok(())
}

/// The files of real torchvision, timm and Keras (up to 570 MB, so they are not part of the project).
#[test]
fn files_of_torchvision_timm_and_keras_yield_their_features() -> Tested {
    let Some(folder) = std::env::var_os("THAW_GOLDEN_WEIGHTS").map(PathBuf::from) else {
        use std::io::Write as _;
        writeln!(
            std::io::stderr(),
            "skipped: THAW_GOLDEN_WEIGHTS names no folder written by tools/golden/architectures.py"
        )?;
        return Ok(());
    };
    for (architecture, stem, extensions) in [
        (Architecture::Vgg19, "vgg19", &["pth", "safetensors"][..]),
        (Architecture::Resnet18, "resnet18", &["pth", "safetensors"]),
        (Architecture::Resnet50, "resnet50", &["pth", "safetensors"]),
        (Architecture::MobilenetV2, "mobilenet_v2", &["pth", "safetensors"]),
        (Architecture::MobilenetV2, "mobilenet_v2-timm", &["pth", "safetensors"]),
        (Architecture::EfficientnetLite0, "efficientnet_lite0", &["pth", "safetensors"]),
        (Architecture::EfficientnetLite0Timm, "efficientnet_lite0_timm", &["pth", "safetensors"]),
        (Architecture::Vgg19, "vgg19-keras", &["h5"]),
        (Architecture::Resnet50Keras, "resnet50_keras-keras", &["h5"]),
        (Architecture::MobilenetV2Keras, "mobilenet_v2_keras-keras", &["h5"]),
    ] {
        let golden = load(folder.join(format!("{stem}.features.safetensors")));
        for extension in extensions {
            let path = folder.join(format!("{stem}.{extension}"));
            let weights = Weights::read(&path, architecture)?;
            let algorithm = ConvolutionAlgorithm::WinogradF3;
            let blocks = architecture.blocks();
            let base = Base::new(architecture, algorithm, &weights, blocks, &Device::Cpu)?;
            for size in [150, 224] {
                let features = values(&base.forward(&images(1, size)?, 0..blocks)?);
                let expected = values(&golden[&format!("features_{size}")]);
                let name = format!("{} at {size}", path.display());
                assert_close(&name, &features, &expected, 1e-4);
                let scale = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                let errors = features.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                let largest = errors.fold(0f32, f32::max) / scale;
                assert!(
                    largest <= 1e-4,
                    "{name}: largest error {largest:e} of the largest feature"
                );
            }
        }
    }
    Ok(())
}
