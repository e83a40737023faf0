//! Resizing and augmentation against Pillow's and Keras' values, written by the scripts in
//! `tools/golden/`.

use image::RgbImage;
use safetensors::SafeTensors;
use thaw_data::{Transform, resize};
use thaw_spec::{
    AffineRanges, Augmentation, AugmentationSetting, Interpolation, Profile, Resampling, Resize,
};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR")))
        .expect("fixtures are readable")
}

#[test]
fn resizing_is_pillows_to_the_last_pixel() {
    let bytes = read("resize");
    let fixtures = SafeTensors::deserialize(&bytes).expect("safetensors");
    for number in 0..5 {
        let get = |name: &str| fixtures.tensor(&format!("{number}.{name}")).expect("a fixture");
        let image = get("image");
        let (height, width) = (image.shape()[0] as u32, image.shape()[1] as u32);
        let image = RgbImage::from_raw(width, height, image.data().to_vec())
            .expect("three bytes per pixel");
        for (name, filter) in [("nearest", Resize::Nearest), ("bilinear", Resize::Bilinear)] {
            let expected = get(name);
            let actual = resize(&image, expected.shape()[0], filter);
            assert_eq!(actual.len(), expected.data().len(), "image {number}, {name}");
            let wrong = actual.iter().zip(expected.data()).filter(|(a, b)| a != b).count();
            assert_eq!(
                wrong,
                0,
                "image {number} of {width}×{height}, {name}: {wrong} of {} bytes differ",
                actual.len()
            );
        }
    }
}

/// Keras' random transformation under scripted draws, and ours under the same.
#[test]
fn augmentation_is_that_of_each_version_of_keras() {
    for profile in Profile::ALL.into_iter().filter(|profile| *profile != Profile::Torch) {
        let bytes = read(&format!("augmentation-{}", profile.name()));
        let fixtures = SafeTensors::deserialize(&bytes).expect("safetensors");
        let get = |name: &str| fixtures.tensor(name).expect("a fixture");
        let (images, units) = (get("images"), doubles(get("units").data()));
        let expected = floats(get("transformed").data());
        let [count, height, width, _] = images.shape().try_into().expect("four dimensions");
        let Augmentation::Affine(ranges) = AugmentationSetting::Book.resolve(profile.shear_unit())
        else {
            panic!("the book augments")
        };
        let length: usize = height * width * 3;
        for index in 0..count {
            let mut unit = units[index * 7..][..7].iter().copied();
            let transform = Transform::from_units(&ranges, height, width, || {
                unit.next().expect("seven numbers")
            });
            let (image, expected) =
                (&images.data()[index * length..][..length], &expected[index * length..][..length]);
            let center = profile.resampling().center;
            match profile.resampling().interpolation {
                Interpolation::Nearest => {
                    let mut actual = vec![0; length];
                    transform.apply(image, height, width, center, &mut actual);
                    let wrong = actual
                        .iter()
                        .zip(expected)
                        .filter(|(actual, expected)| f32::from(**actual) != **expected)
                        .count();
                    assert_eq!(
                        wrong,
                        0,
                        "{}: {wrong} of {length} bytes of image {index} differ",
                        profile.name()
                    );
                }
                Interpolation::Bilinear => {
                    let mut actual = vec![0.0; length];
                    transform.apply_bilinear(image, height, width, center, &mut actual);
                    // Between 0 and 255, one unit in the last place of 32 bits is 1.5e-5.
                    let largest =
                        actual.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(
                        largest <= 4e-5,
                        "{}: image {index} differs by {largest:e}",
                        profile.name()
                    );
                }
            }
        }
    }
}

#[test]
fn an_image_is_flipped_in_half_of_the_draws_where_that_is_allowed() {
    let flip = |unit: f64, horizontal_flip: bool| {
        let ranges = AffineRanges { horizontal_flip, ..AffineRanges::KERAS_2_0_8 };
        Transform::from_units(&ranges, 4, 4, || unit).flip
    };
    // Keras' `np.random.random() < 0.5`.
    assert!(flip(0.0, true) && flip(0.499, true) && !flip(0.5, true) && !flip(0.75, true));
    assert!(!flip(0.0, false) && !flip(0.75, false));
}

#[test]
fn a_picture_shows_what_a_base_is_given() {
    let image: Vec<u8> = (0..4 * 4 * 3).map(|byte| byte * 5).collect();
    let picture = |transform: Transform, interpolation| {
        let resampling = Resampling { interpolation, ..Resampling::default() };
        transform.picture(&image, 4, 4, resampling)
    };
    for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
        assert_eq!(picture(Transform::IDENTITY, interpolation), image);
    }
    // Rows 15 · 4 apart, half a row further down, and the last beyond the edge.
    let shifted = Transform { shift_rows: 0.5, ..Transform::IDENTITY };
    let expected: Vec<u8> =
        (0..4 * 4 * 3).map(|byte| if byte < 36 { byte * 5 + 30 } else { byte * 5 }).collect();
    assert_eq!(picture(shifted, Interpolation::Bilinear), expected);
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")))
        .collect()
}
