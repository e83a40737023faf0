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
