//! The affine augmentation of Keras, composed and rounded as its versions and SciPy do it.

use thaw_spec::{AffineRanges, Interpolation, Resampling, TransformCenter};

use crate::Stream;

/// One affine transformation of an image.
///
/// As in Keras, the matrices map output to input coordinates (row, column) about a centre `c`,
/// (height/2 + ½, width/2 + ½) in older versions (see [`TransformCenter`]): `input =
/// R·T·S·Z·(output − c) + c` with rotation R, translation T, shear S and zoom Z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Rotation angle in radians.
    pub rotation: f64,
    /// Shift along the rows, in pixels.
    pub shift_rows: f64,
    /// Shift along the columns, in pixels.
    pub shift_columns: f64,
    /// Shear angle in radians.
    pub shear: f64,
    /// Zoom factor along the rows.
    pub zoom_rows: f64,
    /// Zoom factor along the columns.
    pub zoom_columns: f64,
    /// Whether left and right are exchanged after the affine map.
    pub flip: bool,
}

impl Transform {
    /// The transformation that leaves an image as it is.
    pub const IDENTITY: Self = Self {
        rotation: 0.0,
        shift_rows: 0.0,
        shift_columns: 0.0,
        shear: 0.0,
        zoom_rows: 1.0,
        zoom_columns: 1.0,
        flip: false,
    };

    /// Draws the parameters for a square image.
    pub fn draw(ranges: &AffineRanges, size: usize, stream: &mut Stream) -> Self {
        Self::from_units(ranges, size, size, || stream.unit())
    }

    /// The parameters that numbers in [0, 1) yield, in Keras' order: rotation, vertical shift,
    /// horizontal shift, shear, zoom of rows and of columns, flip.
    pub fn from_units(
        ranges: &AffineRanges,
        height: usize,
        width: usize,
        mut unit: impl FnMut() -> f64,
    ) -> Self {
        let mut symmetric = |range: f64| -range + 2.0 * range * unit();
        let rotation = symmetric(ranges.rotation_degrees).to_radians();
        let shift_rows = symmetric(ranges.height_shift) * height as f64;
        let shift_columns = symmetric(ranges.width_shift) * width as f64;
        let shear = symmetric(ranges.shear_radians);
        let zoom_rows = 1.0 + symmetric(ranges.zoom);
        let zoom_columns = 1.0 + symmetric(ranges.zoom);
        let flip = unit() < 0.5 && ranges.horizontal_flip;
        Self { rotation, shift_rows, shift_columns, shear, zoom_rows, zoom_columns, flip }
    }

    /// Transforms an image of `height` × `width` pixels of three bytes. Each output pixel takes the
    /// nearest input pixel; places outside take the nearest edge (SciPy's `order=0,
    /// mode="nearest"`, with its rounding of halves upwards).
    pub fn apply(
        &self,
        image: &[u8],
        height: usize,
        width: usize,
        center: TransformCenter,
        output: &mut [u8],
    ) {
        let [rows, columns] = self.matrix(height, width, center);
        // Rounded down by the conversion, since the position is not negative any more.
        let nearest = |position: f64, length: usize| {
            (position.clamp(0.0, (length - 1) as f64) + 0.5) as i32 as usize
        };
        for (output_row, line) in output.chunks_exact_mut(width * 3).enumerate() {
            let r = output_row as f64;
            let (row_of_line, column_of_line) = (rows[0] * r, columns[0] * r);
            for (place, pixel) in line.chunks_exact_mut(3).enumerate() {
                let c = (if self.flip { width - 1 - place } else { place }) as f64;
                let row = nearest(row_of_line + rows[1] * c + rows[2], height);
                let column = nearest(column_of_line + columns[1] * c + columns[2], width);
                pixel.copy_from_slice(&image[(row * width + column) * 3..][..3]);
            }
        }
    }

    /// Transforms an image as [`Transform::apply`] does, but interpolates each output pixel between
    /// four input pixels (SciPy's `order=1`) and does not round it.
    pub fn apply_bilinear(
        &self,
        image: &[u8],
        height: usize,
        width: usize,
        center: TransformCenter,
        output: &mut [f32],
    ) {
        let [rows, columns] = self.matrix(height, width, center);
        let between = |position: f64, length: usize| {
            let position = position.clamp(0.0, (length - 1) as f64);
            let first = position as i32 as usize;
            (first, (first + 1).min(length - 1), position - first as f64)
        };
        for (output_row, line) in output.chunks_exact_mut(width * 3).enumerate() {
            let r = output_row as f64;
            let (row_of_line, column_of_line) = (rows[0] * r, columns[0] * r);
            for (place, pixel) in line.chunks_exact_mut(3).enumerate() {
                let c = (if self.flip { width - 1 - place } else { place }) as f64;
                let (top, bottom, down) = between(row_of_line + rows[1] * c + rows[2], height);
                let (left, right, across) =
                    between(column_of_line + columns[1] * c + columns[2], width);
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let at = |row: usize, column: usize| {
                        f64::from(image[(row * width + column) * 3 + channel])
                    };
                    let upper = at(top, left) * (1.0 - down) * (1.0 - across)
                        + at(top, right) * (1.0 - down) * across;
                    *value = (upper
                        + at(bottom, left) * down * (1.0 - across)
                        + at(bottom, right) * down * across) as f32;
                }
            }
        }
    }

    /// The transformed image in bytes, for people and for comparison with other programs;
    /// interpolated values are rounded.
    pub fn picture(
        &self,
        image: &[u8],
        height: usize,
        width: usize,
        resampling: Resampling,
    ) -> Vec<u8> {
        let mut bytes = vec![0; image.len()];
        match resampling.interpolation {
            Interpolation::Nearest => {
                self.apply(image, height, width, resampling.center, &mut bytes)
            }
            Interpolation::Bilinear => {
                let mut values = vec![0.0; image.len()];
                self.apply_bilinear(image, height, width, resampling.center, &mut values);
                bytes.iter_mut().zip(values).for_each(|(byte, value)| *byte = value.round() as u8);
            }
        }
        bytes
    }

    /// The matrix from output to input coordinates: for the input's row and for its column the
    /// factors of the output's row and column, and what is added.
    fn matrix(&self, height: usize, width: usize, center: TransformCenter) -> [[f64; 3]; 2] {
        let (sine, cosine) = self.rotation.sin_cos();
        let (sheared_sine, sheared_cosine) = (self.rotation + self.shear).sin_cos();
        let first = [self.zoom_rows * cosine, -self.zoom_columns * sheared_sine];
        let second = [self.zoom_rows * sine, self.zoom_columns * sheared_cosine];
        let beyond = match center {
            TransformCenter::PlusHalf => 0.5,
            TransformCenter::MinusHalfAxesSwapped => -0.5,
        };
        let (center_row, center_column) =
            (height as f64 / 2.0 + beyond, width as f64 / 2.0 + beyond);
        let offset = |own: f64, shift: f64, factors: [f64; 2]| {
            own + shift - factors[0] * center_row - factors[1] * center_column
        };
        let first_shift = self.shift_rows * cosine - self.shift_columns * sine;
        let second_shift = self.shift_rows * sine + self.shift_columns * cosine;
        let first = [first[0], first[1], offset(center_row, first_shift, first)];
        let second = [second[0], second[1], offset(center_column, second_shift, second)];
        match center {
            TransformCenter::PlusHalf => [first, second],
            TransformCenter::MinusHalfAxesSwapped => {
                [[second[1], second[0], second[2]], [first[1], first[0], first[2]]]
            }
        }
    }
}
