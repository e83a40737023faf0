//! From pixels to points: `matrix · patch · matrixᵀ` for the patch under each tile.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::tiling::Tiling;
use super::transform::{Channels, Linear, write_points};
use super::{Layout, Points};
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
        let batch = maps.batch();
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
        let find = |patch: &mut [[_; C]; C], tile: usize| {
            let band = first_band + tile / tiling.per_band;
            let (sheet, tile_row) = (band / tiling.bands_per_sheet, band % tiling.bands_per_sheet);
            let (first_row, first_column) =
                (tile_row * tiling.side, tile % tiling.per_band * tiling.side);
            let rows = tiling.rows.places::<C>(first_row, padding.top);
            let columns = tiling.columns.places::<C>(first_column, padding.left);
            *patch = [[outside.as_slice(); C]; C];
            for ((image_row, row), patch) in rows.into_iter().zip(patch) {
                if image_row >= tiling.rows.images || row >= maps.height {
                    continue;
                }
                let first_image = (sheet * tiling.rows.images + image_row) * tiling.columns.images;
                for ((image_column, column), pixel) in columns.into_iter().zip(patch) {
                    if image_column >= tiling.columns.images || column >= maps.width {
                        continue;
                    }
                    let image = first_image + image_column;
                    // The last places of a sheet may have no image.
                    if image < batch {
                        *pixel = &data
                            [image * image_step + (row * maps.width + column) * pixel_step..]
                            [..vectors];
                    }
                }
            }
        };
        // Patches have more streams than the processor sees, so that each vector of the next one is
        // fetched with that of the present one.
        let (mut even, mut odd) = ([[outside.as_slice(); C]; C], [[outside.as_slice(); C]; C]);
        find(&mut even, 0);
        for tile in 0..points.tiles {
            let (patch, next) = if tile % 2 == 0 { (&even, &mut odd) } else { (&odd, &mut even) };
            find(next, (tile + 1).min(points.tiles - 1));
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
