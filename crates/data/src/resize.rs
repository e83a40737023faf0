//! Bringing images to the square that a base sees, as Pillow does it.

use image::RgbImage;
use thaw_spec::Resize;

/// Resizes an image to `size` × `size` pixels; returns rows of red, green, blue.
pub fn resize(image: &RgbImage, size: usize, filter: Resize) -> Vec<u8> {
    match filter {
        Resize::Nearest => nearest(image, size),
        Resize::Bilinear => bilinear(image, size),
    }
}

/// Pillow's `NEAREST`: the source position starts at half a step and a step is added per pixel,
/// rounding errors included. (The closed form `(x + 0.5) · step` chooses other pixels in about half
/// of all images.)
fn nearest(image: &RgbImage, size: usize) -> Vec<u8> {
    let columns = source_positions(image.width() as usize, size);
    let rows = source_positions(image.height() as usize, size);
    let mut result = Vec::with_capacity(size * size * 3);
    for row in rows {
        for &column in &columns {
            result.extend_from_slice(&image.get_pixel(column as u32, row as u32).0);
        }
    }
    result
}

fn source_positions(length: usize, size: usize) -> Vec<usize> {
    let step = length as f64 / size as f64;
    let mut position = step / 2.0;
    let next = |_| {
        let index = (position as usize).min(length - 1);
        position += step;
        index
    };
    (0..size).map(next).collect()
}

/// Pillow's `BILINEAR`: a triangle filter that widens when shrinking, first along rows, then along
/// columns, each in fixed point with 22 fractional bits and rounded to bytes
/// (`libImaging/Resample.c`).
fn bilinear(image: &RgbImage, size: usize) -> Vec<u8> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (columns, rows) = (triangle_weights(width, size), triangle_weights(height, size));
    let mut narrow = Vec::with_capacity(height * size * 3);
    for row in image.as_raw().chunks_exact(width * 3) {
        for (first, weights) in &columns {
            narrow.extend(
                (0..3).map(|channel| weighted_sum(weights, |tap| row[(first + tap) * 3 + channel])),
            );
        }
    }
    let mut result = Vec::with_capacity(size * size * 3);
    for (first, weights) in &rows {
        result
            .extend((0..size * 3).map(|place| {
                weighted_sum(weights, |tap| narrow[(first + tap) * size * 3 + place])
            }));
    }
    result
}

const FRACTIONAL_BITS: u32 = 22;

fn weighted_sum(weights: &[i32], value: impl Fn(usize) -> u8) -> u8 {
    let half = 1 << (FRACTIONAL_BITS - 1);
    let sum = weights
        .iter()
        .enumerate()
        .fold(half, |sum, (tap, weight)| sum + i32::from(value(tap)) * weight);
    (sum >> FRACTIONAL_BITS).clamp(0, 255) as u8
}

/// For each output position, the first input position it sees and the fixed-point weights from
/// there on.
fn triangle_weights(length: usize, size: usize) -> Vec<(usize, Vec<i32>)> {
    let scale = length as f64 / size as f64;
    let support = scale.max(1.0);
    let weights_at = |position: usize| {
        let center = (position as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(length);
        let weights: Vec<f64> = (first..end)
            .map(|tap| (1.0 - ((tap as f64 - center + 0.5) / support).abs()).max(0.0))
            .collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / sum * f64::from(1 << FRACTIONAL_BITS)).round() as i32;
        (first, weights.iter().map(fixed).collect())
    };
    (0..size).map(weights_at).collect()
}
