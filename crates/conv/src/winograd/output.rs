//! From points back to pixels: `Aᵀ M A`, bias and activation, or the mask of a gradient.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::tiling::{Band, Tiling};
use super::transform::{Channels, Linear, column};
use super::{Finish, Points};
use crate::product::InitialSum;
use crate::simd::{prefetch, vectorized};

/// Tiles of pixels on their way back from the points.
pub(super) struct Output<'a> {
    pub(super) tiling: Tiling,
    /// Pixels of a row of the output.
    pub(super) width: usize,
    /// Numbers from one pixel to the next.
    pub(super) pixel_step: usize,
    pub(super) first_channel: usize,
    pub(super) points: Points,
    pub(super) initial: InitialSum<'a>,
    pub(super) finish: Finish<'a>,
}

impl Output<'_> {
    /// Writes the pixels of some bands, tiles of `R` × `R` from `C` × `C` points each. What of a tile
    /// is under no part is not written.
    pub(super) fn write<L: Linear<R, C>, const R: usize, const C: usize>(
        self,
        products: &[f32],
        bands: &mut [Band<'_>],
    ) {
        match self.finish {
            Finish::Activate(_) => {
                vectorized(Write::<L, R, C, false> {
                    output: self,
                    products,
                    bands,
                    matrix: PhantomData,
                });
            }
            Finish::Mask(..) => {
                vectorized(Write::<L, R, C, true> {
                    output: self,
                    products,
                    bands,
                    matrix: PhantomData,
                });
            }
        }
    }
}

struct Write<'a, 'o, 'b, L, const R: usize, const C: usize, const MASKED: bool> {
    output: Output<'a>,
    products: &'o [f32],
    bands: &'o mut [Band<'b>],
    matrix: PhantomData<L>,
}

impl<L: Linear<R, C>, const R: usize, const C: usize, const MASKED: bool> WithSimd
    for Write<'_, '_, '_, L, R, C, MASKED>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            output: Output { tiling, width, pixel_step, first_channel, points, initial, finish },
            products,
            bands,
            ..
        } = self;
        let (Finish::Activate(activation) | Finish::Mask(activation, _)) = finish;
        let vectors = points.channels / S::F32_LANES;
        let (pixel_step, first_channel) = (pixel_step / S::F32_LANES, first_channel / S::F32_LANES);
        let zeros;
        let bias = match initial {
            InitialSum::Columns(bias) => S::as_simd_f32s(bias).0,
            InitialSum::Zero | InitialSum::Output => {
                zeros = vec![simd.splat_f32s(0.0); vectors];
                &zeros
            }
        };
        let products = S::as_simd_f32s(products).0;
        let (row_step, point_step) =
            (points.row_step() / S::F32_LANES, points.point_step() / S::F32_LANES);
        // Here, so that it is not filled with zeros for each tile.
        let mut halves = [[Channels::zero(simd); R]; C];
        for (band_number, parts) in bands.iter_mut().enumerate() {
            for tile in 0..tiling.per_band {
                let products = &products[(band_number * tiling.per_band + tile) * row_step..];
                let first_column = tile * R;
                for vector in 0..vectors {
                    for row in 0..C {
                        let mut values = [Channels::zero(simd); C];
                        for column in 0..C {
                            values[column].values =
                                products[(row * C + column) * point_step + vector];
                        }
                        halves[row] = L::times(values);
                    }
                    for part in parts.iter_mut() {
                        let target = S::as_mut_simd_f32s(part.pixels).0;
                        let told_by = S::as_simd_f32s(part.told_by).0;
                        let end = part.first_column + width;
                        for at in 0..R {
                            let column_of_sheet = first_column + at;
                            if column_of_sheet < part.first_column {
                                continue;
                            }
                            if column_of_sheet >= end {
                                break;
                            }
                            let pixels = column::<S, L, R, C>(simd, &halves, at);
                            for (row_of_tile, pixel_sum) in pixels.into_iter().enumerate() {
                                if row_of_tile < part.first_row {
                                    continue;
                                }
                                let row = row_of_tile - part.first_row;
                                if row >= part.rows {
                                    break;
                                }
                                let place = (row * width + column_of_sheet - part.first_column)
                                    * pixel_step
                                    + first_channel
                                    + vector;
                                let pixel = &mut target[place];
                                // That of the next tile.
                                prefetch(pixel, R * pixel_step);
                                let before = if let InitialSum::Output = initial {
                                    *pixel
                                } else {
                                    bias[vector]
                                };
                                let mut sum = [simd.add_f32s(pixel_sum.values, before)];
                                if MASKED {
                                    let told_by = &told_by[place];
                                    prefetch(told_by, R * pixel_step);
                                    sum[0] = activation.mask_vector(simd, *told_by, sum[0]);
                                } else {
                                    activation.vectors(simd, &mut sum);
                                }
                                *pixel = sum[0];
                            }
                        }
                    }
                }
            }
        }
    }
}
