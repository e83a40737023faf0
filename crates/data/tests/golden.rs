//! Resizing and augmentation against Pillow's and Keras 2.0.8's values, written by the scripts in `tools/golden/`.

use image::RgbImage;
use safetensors::SafeTensors;
use thaw_data::{Transform, resize};
use thaw_spec::{Resize, TransformCenter};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))).expect("fixtures are readable")
}

#[test]
fn resizing_is_pillows_to_the_last_pixel() {
    let bytes = read("resize");
    let fixtures = SafeTensors::deserialize(&bytes).expect("safetensors");
    for number in 0..5 {
        let get = |name: &str| fixtures.tensor(&format!("{number}.{name}")).expect("a fixture");
        let image = get("image");
        let (height, width) = (image.shape()[0] as u32, image.shape()[1] as u32);
        let image = RgbImage::from_raw(width, height, image.data().to_vec()).expect("three bytes per pixel");
        for (name, filter) in [("nearest", Resize::Nearest), ("bilinear", Resize::Bilinear)] {
            let expected = get(name);
            let actual = resize(&image, expected.shape()[0], filter);
            let wrong = actual.iter().zip(expected.data()).filter(|(a, b)| a != b).count();
            assert_eq!(wrong, 0, "image {number} of {width}×{height}, {name}: {wrong} of {} bytes differ", actual.len());
        }
    }
}

#[test]
fn augmentation_is_keras_2_0_8s_to_the_last_pixel() {
    let bytes = read("augmentation");
    let fixtures = SafeTensors::deserialize(&bytes).expect("safetensors");
    let (images, transformed, parameters) = ("images", "transformed", "parameters");
    let [images, transformed, parameters] = [images, transformed, parameters].map(|name| fixtures.tensor(name).expect("a fixture"));
    let [count, height, width, _] = images.shape().try_into().expect("four dimensions");
    let length: usize = height * width * 3;
    let numbers: Vec<f64> =
        parameters.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes"))).collect();
    for index in 0..count {
        let [rotation, shift_rows, shift_columns, shear, zoom_rows, zoom_columns, flip] =
            numbers[index * 7..][..7].try_into().expect("seven numbers");
        let transform = Transform { rotation, shift_rows, shift_columns, shear, zoom_rows, zoom_columns, flip: flip != 0.0 };
        let mut actual = vec![0; length];
        transform.apply(&images.data()[index * length..][..length], height, width, TransformCenter::PlusHalf, &mut actual);
        assert!(actual == transformed.data()[index * length..][..length], "image {index} with {transform:?}");
    }
}
