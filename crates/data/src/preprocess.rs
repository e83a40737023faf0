//! Bytes to what a base sees.

use thaw_spec::{ChannelOrder, Preprocessing};

/// Reorders the channels of red, green, blue bytes and computes `(value · scale − mean) /
/// deviation` in 32-bit floats.
pub fn preprocess(pixels: &[u8], preprocessing: &Preprocessing, output: &mut [f32]) {
    let order = order(preprocessing.channels);
    // 3 × 256 possible results: a table, so that the arithmetic is exactly the formula's and costs
    // nothing per pixel.
    let mut table = [[0f32; 256]; 3];
    for (channel, row) in table.iter_mut().enumerate() {
        for (value, result) in row.iter_mut().enumerate() {
            *result = formula(value as f32, preprocessing, channel);
        }
    }
    for (output, pixel) in output.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
        for channel in 0..3 {
            output[channel] = table[channel][usize::from(pixel[order[channel]])];
        }
    }
}

/// Preprocesses interpolated pixels, which lie between bytes, by the formula of [`preprocess`].
pub fn preprocess_interpolated(pixels: &[f32], preprocessing: &Preprocessing, output: &mut [f32]) {
    let order = order(preprocessing.channels);
    for (output, pixel) in output.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
        for channel in 0..3 {
            output[channel] = formula(pixel[order[channel]], preprocessing, channel);
        }
    }
}

fn order(channels: ChannelOrder) -> [usize; 3] {
    match channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    }
}

fn formula(value: f32, preprocessing: &Preprocessing, channel: usize) -> f32 {
    (value * preprocessing.scale as f32 - preprocessing.mean[channel] as f32)
        / preprocessing.standard_deviation[channel] as f32
}

#[cfg(test)]
mod tests {
    use thaw_spec::{Architecture, PreprocessingName};

    use super::*;

    #[test]
    fn conventions_are_those_of_keras() {
        // keras.applications.imagenet_utils.preprocess_input of Keras 3.12, modes tf, caffe and torch.
        let pixels = [0u8, 1, 2, 64, 127, 128, 254, 255, 200];
        for (name, expected) in [
            (
                PreprocessingName::Tf,
                [
                    -1.0,
                    -0.992_156_86,
                    -0.984_313_7,
                    -0.498_039_2,
                    -0.003_921_568_4,
                    0.003_921_628,
                    0.992_156_86,
                    1.0,
                    0.568_627_5,
                ],
            ),
            (
                PreprocessingName::Caffe,
                [-101.939, -115.779, -123.68, 24.060_997, 10.221, -59.68, 96.061, 138.221, 130.32],
            ),
            (
                PreprocessingName::Torch,
                [
                    -2.117_904,
                    -2.018_207_3,
                    -1.769_586_1,
                    -1.021_919_7,
                    0.187_675_06,
                    0.426_492_57,
                    2.231_783_4,
                    2.428_571_5,
                    1.681_394_5,
                ],
            ),
        ] {
            let preprocessing = Architecture::Vgg16.preprocessing(name);
            let mut found = [0f32; 9];
            preprocess(&pixels, &preprocessing, &mut found);
            let close = found.iter().zip(expected).all(|(found, expected)| {
                (found - expected).abs() <= 1e-6 * expected.abs().max(1.0)
            });
            assert!(close, "{name:?}: {found:?} where Keras has {expected:?}");
            let mut interpolated = [0f32; 9];
            preprocess_interpolated(&pixels.map(f32::from), &preprocessing, &mut interpolated);
            assert_eq!(interpolated, found, "bytes are among what lies between them");
        }
    }
}
