//! Winograd's minimal algorithms for 3×3 convolutions at stride 1.
//!
//! A correlation of a 3-tap filter `g` with a signal `d` is a product of polynomials, up to the
//! order of the coefficients. Such a product is known once its values at enough points are known,
//! and at a point it is a single multiplication. For `m` outputs `m + 2` points are enough, instead
//! of `3 m` multiplications (Winograd 1980, *Arithmetic Complexity of Computations*, chapter IV):
//!
//! ```text
//! y = Aᵀ [(G g) ⊙ (Bᵀ d)]          one dimension, F(m, 3)
//! Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A   two dimensions, F(m×m, 3×3)
//! ```
//!
//! Summed over channels, the elementwise products become one matrix product per point (Lavin & Gray
//! 2016, *Fast Algorithms for Convolutional Neural Networks*): at each of the `(m + 2)²` points,
//! `[tiles, input channels] · [input channels, output channels]`. F(2×2, 3×3) needs 2.25 times
//! fewer multiplications than the definition, F(3×3, 3×3) 3.24 times, F(4×4, 3×3) 4 times, and
//! F(6×6, 3×3) 5.06 times. The price is that sums and differences of pixels round, the more the
//! further the points are from 1: F(3×3) uses the point 2, and stays within 5·10⁻⁶ of the exact
//! result; F(6×6) uses 2 and ½ with both signs, and stays within 2·10⁻⁵.
//!
//! The stages, one file each:
//!
//! 1. [`kernel`]: `G g Gᵀ`, written straight into the panels that products read.
//! 2. [`patches`]: `Bᵀ d B` for some dozens of tiles, few enough that what follows finds them in
//!    the cache.
//! 3. products at each point, by [`crate::product`].
//! 4. [`output`]: `Aᵀ M A`, bias and activation.
//! 5. [`gradient`]: all of it is linear, so the kernel's gradient is the transposed pipeline, `Gᵀ
//!    [Σ (Bᵀ d B) ⊙ (A dY Aᵀ)] G`. The input's gradient is another convolution.
//!
//! What is multiplied at the points may be rounded to bfloat16, two numbers to a pair
//! ([`crate::arithmetic`]): pixels and kernels in pairs of channels, and for the kernel's gradient
//! pixels and gradients in pairs of tiles.
//!
//! Every tile is computed by itself and every sum over channels is one chain, so an image's result
//! does not depend on its batch.

use rayon::prelude::*;

use crate::arithmetic::Elements;
use crate::maps::{Maps, MapsView};
use crate::product::{InitialSum, StridedRows, multiply};
use crate::scratch::with_scratch;
use crate::{Activation, ConvolutionGeometry};

mod gradient;
mod kernel;
mod output;
mod patches;
mod transform;

pub(crate) use gradient::kernel_gradient;
pub(crate) use kernel::TransformedKernel;
use output::{Band, Output};
use patches::Patches;
use transform::{F2, F3, F4, F6, Minimal};

/// Channels must be a multiple of this, so that every vector is full whatever its width.
pub(crate) const CHANNEL_STEP: usize = 16;

/// Tiles that one task takes through all stages at most: enough for the products, few enough that
/// the points stay in the cache.
const TILES_PER_TASK: usize = 96;

/// Points that these tiles have together at most: those of 48 tiles of F(6×6), whose kernels are so
/// long that fewer tiles would read them too often.
const POINTS_PER_TASK: usize = 48 * 64;

/// Tiles from which on reading a kernel is worth it.
const LEAST_TILES_PER_TASK: usize = 32;

/// Output channels of a task's products that lie in the cache together.
const COLUMNS_AT_A_TIME: usize = 64;

/// The same where the kernel is large: its columns would have more than [`MOST_NUMBERS_OF_COLUMNS`].
const COLUMNS_OF_LARGE_KERNEL: usize = 32;

/// Numbers of a kernel's columns at all points.
const MOST_NUMBERS_OF_COLUMNS: usize = 1 << 19;

/// The kernel's share of the work, in tiles of an image: to make it, to read it and to bring its
/// gradient back. Chosen so that layers of VGG16 and ResNet-18 get the tiles that were the fastest in
/// batches of 20.
const TILES_OF_KERNEL: usize = 8;

/// Side of the output tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TileSize {
    /// F(2×2, 3×3).
    Two,
    /// F(3×3, 3×3).
    Three,
    /// F(4×4, 3×3).
    Four,
    /// F(6×6, 3×3).
    Six,
}

impl TileSize {
    /// Of tiles of 3×3 pixels or more, those with the least work: a layer's tiles, which may reach over
    /// the edge of its output, and its kernel's share, times the points of a tile.
    pub(crate) fn fastest(geometry: &ConvolutionGeometry) -> Self {
        let [height, width] = [geometry.output_height(), geometry.output_width()];
        let work = |side: usize| {
            let tiles = height.div_ceil(side) * width.div_ceil(side);
            (side + 2).pow(2) * (tiles + TILES_OF_KERNEL)
        };
        if work(6) < work(4).min(work(3)) {
            Self::Six
        } else if work(4) < work(3) {
            Self::Four
        } else {
            Self::Three
        }
    }
}

/// An algorithm: its tiles, and what is multiplied at the points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) tiles: TileSize,
    pub(crate) elements: Elements,
}

/// Runs generic code with the algorithm of some size.
macro_rules! with_algorithm {
    ($size:expr, $function:ident($($argument:expr),*)) => {
        match $size {
            TileSize::Two => $function::<4, 2, F2>($($argument),*),
            TileSize::Three => $function::<5, 3, F3>($($argument),*),
            TileSize::Four => $function::<6, 4, F4>($($argument),*),
            TileSize::Six => $function::<8, 6, F6>($($argument),*),
        }
    };
}
use with_algorithm;

/// Division of an output into tiles of `side` × `side` pixels. A band is one row of tiles of one
/// image.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    side: usize,
    per_band: usize,
    bands_per_image: usize,
}

impl Tiling {
    fn new(height: usize, width: usize, side: usize) -> Self {
        Self { side, per_band: width.div_ceil(side), bands_per_image: height.div_ceil(side) }
    }

    /// Bands of one task, all tasks about equal, and as many for each thread where they are not too
    /// small for that.
    fn bands_per_task(&self, bands: usize) -> usize {
        let tiles = bands * self.per_band;
        let tiles_per_task = TILES_PER_TASK.min(POINTS_PER_TASK / (self.side + 2).pow(2));
        let tasks = tiles.div_ceil(tiles_per_task);
        let even = tasks.next_multiple_of(rayon::current_num_threads());
        let tasks = if even * LEAST_TILES_PER_TASK <= tiles { even } else { tasks };
        bands.div_ceil(tasks.max(1)).max(1)
    }
}

/// Layout of the values at points, `[point, tile, channel]`, with some numbers between rows and
/// between points, because rows at a distance of a power of two get into each other's way in the
/// cache.
#[derive(Clone, Copy, Debug)]
struct Points {
    channels: usize,
    tiles: usize,
    layout: Layout,
}

/// What the numbers at points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// 32-bit floats.
    Numbers,
    /// Pairs of a channel of the first half and one of the second half, as a product over channels
    /// needs them.
    PairsOfChannels,
    /// Pairs of a tile and the next one, as a product over tiles needs them.
    PairsOfTiles,
}

impl Layout {
    fn elements(self) -> Elements {
        match self {
            Self::Numbers => Elements::Numbers,
            Self::PairsOfChannels | Self::PairsOfTiles => Elements::Pairs,
        }
    }
}

impl Points {
    /// Numbers from one tile to the next.
    fn row_step(&self) -> usize {
        self.row_length() + CHANNEL_STEP
    }

    /// Numbers, or pairs, of a row.
    fn row_length(&self) -> usize {
        if self.layout == Layout::PairsOfChannels { self.channels / 2 } else { self.channels }
    }

    /// Tiles, or pairs of them.
    fn rows(&self) -> usize {
        if self.layout == Layout::PairsOfTiles { self.tiles.div_ceil(2) } else { self.tiles }
    }

    /// Numbers from one point to the next.
    fn point_step(&self) -> usize {
        self.rows() * self.row_step() + CHANNEL_STEP
    }

    /// The numbers of one point.
    fn matrix<'a>(&self, values: &'a [f32], point: usize) -> &'a [f32] {
        &values[point * self.point_step()..][..self.rows() * self.row_step()]
    }

    /// The same as the left side of a product.
    fn rows_of<'a>(&self, values: &'a [f32], point: usize) -> StridedRows<'a> {
        let matrix = self.matrix(values, point);
        StridedRows::matrix(matrix, self.rows(), self.row_length(), self.row_step())
            .of(self.layout.elements())
    }
}

/// What becomes of a sum before it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish<'a> {
    /// Its activation.
    Activate(Activation),
    /// It is a gradient of what an activation put out, and passes it or not: the activation, and its
    /// output, which has the shape of what is written.
    Mask(Activation, &'a [f32]),
}

/// Writes the convolution of a batch to the channels of `output` from `first_channel` on.
pub(crate) fn convolve(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    kernel: &TransformedKernel,
    initial: InitialSum<'_>,
    finish: Finish<'_>,
    output: &mut Maps,
    first_channel: usize,
) {
    let steps = [input.pixel_step, output.shape()[3], first_channel];
    assert!(
        steps.iter().all(|step| step.is_multiple_of(CHANNEL_STEP)),
        "channels in memory must come in multiples of {CHANNEL_STEP}: {steps:?}"
    );
    with_algorithm!(
        kernel.variant.tiles,
        run(geometry, input, kernel, initial, finish, output, first_channel)
    );
}

fn run<const P: usize, const M: usize, A: Minimal<P, M>>(
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    kernel: &TransformedKernel,
    initial: InitialSum<'_>,
    finish: Finish<'_>,
    output: &mut Maps,
    first_channel: usize,
) {
    let [_, height, width, pixel_step] = output.shape();
    let tiling = Tiling::new(height, width, M);
    let (image, band) = (height * width * pixel_step, M * width * pixel_step);
    let told_by = match finish {
        Finish::Activate(_) => &[],
        Finish::Mask(_, told_by) => told_by,
    };
    let mut told_by = told_by.chunks_exact(image).flat_map(|image| image.chunks(band));
    let images = output.values_mut().chunks_exact_mut(image);
    let pixels = images.flat_map(|image| image.chunks_mut(band));
    let mut bands: Vec<Band<'_>> =
        pixels.map(|pixels| Band { pixels, told_by: told_by.next().unwrap_or_default() }).collect();
    let per_task = tiling.bands_per_task(bands.len());
    bands.par_chunks_mut(per_task).enumerate().for_each(|(task, bands)| {
        let tiles = bands.len() * tiling.per_band;
        let layout = match kernel.variant.elements {
            Elements::Numbers => Layout::Numbers,
            Elements::Pairs => Layout::PairsOfChannels,
        };
        let inputs = Points { channels: geometry.input_channels, tiles, layout };
        let is_large = P * P * inputs.row_length() * COLUMNS_AT_A_TIME > MOST_NUMBERS_OF_COLUMNS;
        let columns_at_a_time = if is_large { COLUMNS_OF_LARGE_KERNEL } else { COLUMNS_AT_A_TIME };
        let widest = kernel
            .panels
            .column_groups(columns_at_a_time)
            .next()
            .map_or(0, |columns| columns.len());
        let room = Points { channels: widest, tiles, layout: Layout::Numbers };
        with_scratch(P * P * (inputs.point_step() + room.point_step()), |scratch| {
            let (pixels, products) = scratch.split_at_mut(P * P * inputs.point_step());
            let first_band = task * per_task;
            Patches { maps: input, tiling, padding: geometry.padding, first_band, points: inputs }
                .gather::<A::Pixels, P, P>(pixels);
            // Some columns at a time, so that the products are still in the cache when they are
            // brought back to pixels.
            for columns in kernel.panels.column_groups(columns_at_a_time) {
                let points = Points { channels: columns.len(), tiles, layout: Layout::Numbers };
                for point in 0..P * P {
                    let left = inputs.rows_of(pixels, point);
                    let right = kernel.panels.matrix(point).columns(columns.clone());
                    let products =
                        &mut products[point * points.point_step()..][..points.point_step()];
                    multiply(
                        left,
                        right,
                        InitialSum::Zero,
                        Activation::Linear,
                        products,
                        points.row_step(),
                    );
                }
                let first_channel = first_channel + columns.start;
                let initial = initial.columns(columns);
                Output { tiling, width, pixel_step, first_channel, points, initial, finish }
                    .write::<A::Output, M, P>(products, bands);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Padding;

    /// The maps of VGG16 and ResNet-18 at 150×150, and of VGG16 at 224×224.
    #[test]
    fn the_size_of_maps_decides_between_tiles() {
        let fastest = |side: usize| {
            let geometry = ConvolutionGeometry {
                height: side,
                width: side,
                input_channels: 64,
                output_channels: 64,
                kernel: 3,
                stride: 1,
                padding: Padding::symmetric(1),
                groups: 1,
            };
            TileSize::fastest(&geometry)
        };
        for side in [150, 75, 37, 18, 38, 224, 112, 56] {
            assert_eq!(fastest(side), TileSize::Six, "{side}×{side}");
        }
        for side in [19, 28] {
            assert_eq!(fastest(side), TileSize::Four, "{side}×{side}");
        }
        for side in [9, 10, 5, 14, 1] {
            assert_eq!(fastest(side), TileSize::Three, "{side}×{side}");
        }
    }
}
