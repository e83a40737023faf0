//! VGG16's ImageNet weights on real photographs, beside the real Keras 2.0.8
//! (`tools/golden/keras_photographs.py`, `features`).

use std::io::Write as _;
use std::path::Path;

use candle_core::safetensors::load;
use candle_core::{Device, Tensor};
use thaw_data::{decode, preprocess, resize};
use thaw_model::{Base, Weights};
use thaw_spec::{Architecture, ConvolutionAlgorithm, PreprocessingName, Resize};

const SIZE: usize = 150;

#[test]
fn vgg16_sees_in_photographs_what_keras_sees_in_them() -> Result<(), Box<dyn std::error::Error>> {
    let Some(shared) = std::env::var_os("THAW_TEST_SHARED").filter(|shared| !shared.is_empty())
    else {
        writeln!(
            std::io::stderr(),
            "skipped: THAW_TEST_SHARED names no folder with data/ and weights/"
        )?;
        return Ok(());
    };
    let weights = Path::new(&shared).join("weights/vgg16_imagenet_caffe.safetensors");
    if !weights.exists() {
        writeln!(std::io::stderr(), "skipped: {} is not there", weights.display())?;
        return Ok(());
    }
    let (architecture, weights) =
        (Architecture::Vgg16, Weights::read(&weights, Architecture::Vgg16)?);
    let golden = load(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vgg16_photographs.safetensors"),
        &Device::Cpu,
    )?;
    assert_eq!(golden.len(), 2 * 4, "both preprocessings of four photographs");
    // Errors that were measured: up to 4e-6, by either algorithm.
    for algorithm in [ConvolutionAlgorithm::WinogradF3, ConvolutionAlgorithm::Direct] {
        let base =
            Base::new(architecture, algorithm, &weights, architecture.blocks(), &Device::Cpu)?;
        for (name, expected) in &golden {
            let (preprocessing, photograph) =
                name.split_once('/').ok_or("a name without a preprocessing")?;
            let preprocessing = match preprocessing {
                "rescale" => PreprocessingName::Rescale,
                "caffe" => PreprocessingName::Caffe,
                other => return Err(format!("{other} is no preprocessing of this test").into()),
            };
            let image =
                decode(&Path::new(&shared).join("data/cats_and_dogs_small/test").join(photograph))?;
            let mut input = vec![0f32; SIZE * SIZE * 3];
            preprocess(
                &resize(&image, SIZE, Resize::Nearest),
                &architecture.preprocessing(preprocessing),
                &mut input,
            );
            let input = Tensor::from_vec(input, (1, SIZE, SIZE, 3), &Device::Cpu)?;
            let actual: Vec<f32> =
                base.forward(&input, 0..architecture.blocks())?.flatten_all()?.to_vec1()?;
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
