//! The affine augmentation of Keras 2.0.8, composed and rounded as Keras and SciPy do it.

use thaw_spec::AffineRanges;

use crate::Stream;

/// One affine transformation of an image.
///
/// As in Keras, the matrices map output to input coordinates (row, column) about the centre `c = (height/2 + ½, width/2 + ½)`:
/// `input = R·T·S·Z·(output − c) + c` with rotation R, translation T, shear S and zoom Z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Rotation in radians.
    pub rotation: f64,
    /// Shift along the rows, in pixels.
    pub shift_rows: f64,
    /// Shift along the columns, in pixels.
    pub shift_columns: f64,
    /// Shear in radians.
    pub shear: f64,
    /// Zoom along the rows.
    pub zoom_rows: f64,
    /// Zoom along the columns.
    pub zoom_columns: f64,
    /// Whether left and right are exchanged afterwards.
    pub flip: bool,
}

impl Transform {
    /// Leaves an image as it is.
    pub const IDENTITY: Self =
        Self { rotation: 0.0, shift_rows: 0.0, shift_columns: 0.0, shear: 0.0, zoom_rows: 1.0, zoom_columns: 1.0, flip: false };

    /// Draws the parameters in Keras' order: rotation, vertical shift, horizontal shift, shear, zoom of rows and of columns, flip.
    pub fn draw(ranges: &AffineRanges, size: usize, stream: &mut Stream) -> Self {
        let mut symmetric = |range: f64| stream.uniform(-range, range);
        let rotation = symmetric(ranges.rotation_degrees).to_radians();
        let shift_rows = symmetric(ranges.height_shift) * size as f64;
        let shift_columns = symmetric(ranges.width_shift) * size as f64;
        let shear = symmetric(ranges.shear_radians);
        let zoom_rows = 1.0 + symmetric(ranges.zoom);
        let zoom_columns = 1.0 + symmetric(ranges.zoom);
        let flip = stream.unit() < 0.5 && ranges.horizontal_flip;
        Self { rotation, shift_rows, shift_columns, shear, zoom_rows, zoom_columns, flip }
    }

    /// Transforms an image of `height` × `width` pixels of three bytes. Each output pixel takes the nearest input pixel; places outside
    /// take the nearest edge (SciPy's `order=0, mode="nearest"`, with its rounding of halves upwards).
    pub fn apply(&self, image: &[u8], height: usize, width: usize, output: &mut [u8]) {
        let (sine, cosine) = self.rotation.sin_cos();
        let (sheared_sine, sheared_cosine) = (self.rotation + self.shear).sin_cos();
        let rows = [self.zoom_rows * cosine, -self.zoom_columns * sheared_sine];
        let columns = [self.zoom_rows * sine, self.zoom_columns * sheared_cosine];
        let (center_row, center_column) = (height as f64 / 2.0 + 0.5, width as f64 / 2.0 + 0.5);
        let row_offset = center_row + self.shift_rows * cosine - self.shift_columns * sine - rows[0] * center_row - rows[1] * center_column;
        let column_offset =
            center_column + self.shift_rows * sine + self.shift_columns * cosine - columns[0] * center_row - columns[1] * center_column;
        // Rounded down by the conversion, since the position is not negative any more.
        let nearest = |position: f64, length: usize| (position.clamp(0.0, (length - 1) as f64) + 0.5) as i32 as usize;
        for (output_row, line) in output.chunks_exact_mut(width * 3).enumerate() {
            let r = output_row as f64;
            let (row_of_line, column_of_line) = (rows[0] * r, columns[0] * r);
            for (place, pixel) in line.chunks_exact_mut(3).enumerate() {
                let c = (if self.flip { width - 1 - place } else { place }) as f64;
                let row = nearest(row_of_line + rows[1] * c + row_offset, height);
                let column = nearest(column_of_line + columns[1] * c + column_offset, width);
                pixel.copy_from_slice(&image[(row * width + column) * 3..][..3]);
            }
        }
    }
}
