//! From pixels to points: `matrix · patch · matrixᵀ` for the patch under each tile.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::transform::{Channels, Linear, write_points};
use super::{Layout, Points, Tiling};
use crate::Padding;
use crate::arithmetic::Place;
use crate::maps::MapsView;
use crate::simd::{prefetch, vectorized};

/// The patches of pixels under some bands of tiles, on their way to the points.
#[derive(Clone, Copy)]
pub(super) struct Patches<'a> {
    pub(super) maps: MapsView<'a>,
    pub(super) tiling: Tiling,
    /// How far a patch begins above and to the left of its tile.
    pub(super) padding: Padding,
    pub(super) first_band: usize,
    pub(super) points: Points,
}

impl Patches<'_> {
    /// Writes `[point, tile, channel]`: `R` × `R` points from patches of `C` × `C` pixels.
    pub(super) fn gather<L: Linear<R, C>, const R: usize, const C: usize>(
        self,
        points: &mut [f32],
    ) {
        vectorized(Gather::<L, R, C> { patches: self, output: points, matrix: PhantomData });
    }
}

struct Gather<'a, 'o, L, const R: usize, const C: usize> {
    patches: Patches<'a>,
    output: &'o mut [f32],
    matrix: PhantomData<L>,
}

impl<L: Linear<R, C>, const R: usize, const C: usize> WithSimd for Gather<'_, '_, L, R, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { patches: Patches { maps, tiling, padding, first_band, points }, output, .. } =
            self;
        let vectors = maps.channels / S::F32_LANES;
        let outside = vec![simd.splat_f32s(0.0); vectors];
        let data = S::as_simd_f32s(maps.data).0;
        let output = S::as_mut_simd_f32s(output).0;
        let (row_step, point_step) =
            (points.row_step() / S::F32_LANES, points.point_step() / S::F32_LANES);
        let (pixel_step, image_step) =
            (maps.pixel_step / S::F32_LANES, maps.image_step() / S::F32_LANES);
        // Here, so that it is not filled with zeros for each patch.
        let mut rows = [[Channels::zero(simd); R]; C];
        // It touches no vector, so it may be a closure.
        let patch_of = |tile: usize| {
            let band = first_band + tile / tiling.per_band;
            let (image, tile_row) = (band / tiling.bands_per_image, band % tiling.bands_per_image);
            let (first_row, first_column) =
                (tile_row * tiling.side, tile % tiling.per_band * tiling.side);
            let mut patch = [[outside.as_slice(); C]; C];
            for (row, patch) in (first_row..).zip(&mut patch) {
                for (column, pixel) in (first_column..).zip(patch) {
                    // Above and to the left of the image these wrap, and are outside as well.
                    let (row, column) =
                        (row.wrapping_sub(padding.top), column.wrapping_sub(padding.left));
                    if row < maps.height && column < maps.width {
                        *pixel = &data
                            [image * image_step + (row * maps.width + column) * pixel_step..]
                            [..vectors];
                    }
                }
            }
            patch
        };
        // Patches have more streams than the processor sees, so that each vector of the next one is
        // fetched with that of the present one.
        let mut next = patch_of(0);
        for tile in 0..points.tiles {
            let patch = next;
            next = patch_of((tile + 1).min(points.tiles - 1));
            let row = if points.layout == Layout::PairsOfTiles { tile / 2 } else { tile };
            let output = &mut output[row * row_step..];
            for vector in 0..vectors {
                let (place, target) = match points.layout {
                    Layout::Numbers => (Place::Number, vector),
                    Layout::PairsOfTiles if tile % 2 == 0 => (Place::First, vector),
                    Layout::PairsOfTiles => (Place::Second, vector),
                    Layout::PairsOfChannels if vector < vectors / 2 => (Place::First, vector),
                    Layout::PairsOfChannels => (Place::Second, vector - vectors / 2),
                };
                let output = &mut output[target..];
                for row in 0..C {
                    let mut values = [Channels::zero(simd); C];
                    for column in 0..C {
                        prefetch(&next[row][column][vector], 0);
                        values[column].values = patch[row][column][vector];
                    }
                    rows[row] = L::times(values);
                }
                write_points::<S, L, R, C>(simd, place, &rows, output, point_step);
            }
        }
    }
}
