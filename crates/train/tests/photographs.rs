//! ImageNet weights on real photographs: VGG16's beside the real Keras 2.0.8
//! (`tools/golden/keras_photographs.py`, `features`), EfficientNet-Lite0's beside timm
//! (`tools/golden/torch_photographs.py`).

use std::io::Write as _;
use std::path::Path;

use candle_core::safetensors::load;
use candle_core::{Device, Tensor};
use thaw_data::{decode, preprocess, resize};
use thaw_model::{Base, Weights};
use thaw_spec::{Architecture, ConvolutionAlgorithm, PreprocessingName, Resize};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Compares the features of photographs with golden ones, of which every `step`-th number is kept.
fn features_agree(
    architecture: Architecture,
    weights: &str,
    fixture: &str,
    photographs: usize,
    step: usize,
) -> Tested {
    let Some(shared) = std::env::var_os("THAW_TEST_SHARED").filter(|shared| !shared.is_empty())
    else {
        writeln!(
            std::io::stderr(),
            "skipped: THAW_TEST_SHARED names no folder with data/ and weights/"
        )?;
        return Ok(());
    };
    let weights = Path::new(&shared).join("weights").join(weights);
    if !weights.exists() {
        writeln!(std::io::stderr(), "skipped: {} is not there", weights.display())?;
        return Ok(());
    }
    let weights = Weights::read(&weights, architecture)?;
    let golden = load(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture),
        &Device::Cpu,
    )?;
    assert_eq!(golden.len(), photographs);
    // Errors that were measured on VGG16: up to 4e-6, by either algorithm.
    for algorithm in [ConvolutionAlgorithm::WinogradF3, ConvolutionAlgorithm::Direct] {
        let base =
            Base::new(architecture, algorithm, &weights, architecture.blocks(), &Device::Cpu)?;
        for (name, expected) in &golden {
            let (preprocessing, rest) =
                name.split_once('/').ok_or("a name without a preprocessing")?;
            let preprocessing = match preprocessing {
                "rescale" => PreprocessingName::Rescale,
                "caffe" => PreprocessingName::Caffe,
                "tf" => PreprocessingName::Tf,
                other => return Err(format!("{other} is no preprocessing of this test").into()),
            };
            let (size, photograph) = match rest.split_once('/') {
                Some((size, photograph)) if size.parse::<usize>().is_ok() => {
                    (size.parse()?, photograph)
                }
                _ => (150, rest),
            };
            let image =
                decode(&Path::new(&shared).join("data/cats_and_dogs_small/test").join(photograph))?;
            let mut input = vec![0f32; size * size * 3];
            preprocess(
                &resize(&image, size, Resize::Nearest),
                &architecture.preprocessing(preprocessing),
                &mut input,
            );
            let input = Tensor::from_vec(input, (1, size, size, 3), &Device::Cpu)?;
            let features = base.forward(&input, 0..architecture.blocks())?.flatten_all()?;
            let actual: Vec<f32> = features.to_vec1()?.into_iter().step_by(step).collect();
            let expected: Vec<f32> = expected.flatten_all()?.to_vec1()?;
            assert_eq!(actual.len(), expected.len());
            let scale = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let largest =
                actual.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max)
                    / scale;
            assert!(largest <= 1e-4, "{name}: largest error {largest:e} of the largest feature");
        }
    }
    Ok(())
}

#[test]
fn vgg16_sees_in_photographs_what_keras_sees_in_them() -> Tested {
    // Both preprocessings of four photographs.
    let (weights, fixture) = ("vgg16_imagenet_caffe.safetensors", "vgg16_photographs.safetensors");
    features_agree(Architecture::Vgg16, weights, fixture, 2 * 4, 1)
}

#[test]
fn efficientnet_lite0_sees_in_photographs_what_timm_sees_in_them() -> Tested {
    // Four photographs at 150 and at 224 pixels.
    let (weights, fixture) =
        ("efficientnet_lite0.safetensors", "efficientnet_photographs.safetensors");
    features_agree(Architecture::EfficientnetLite0, weights, fixture, 2 * 4, 16)
}
