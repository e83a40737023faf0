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
//! Every tile is computed by itself and every sum over channels is one chain, so an image's activations
//! do not depend on its batch. For gradients the images of a batch may share tiles ([`tiling`]).

use rayon::prelude::*;

use crate::arithmetic::Elements;
use crate::maps::{Maps, MapsView};
use crate::product::{InitialSum, StridedRows, multiply};
use crate::scratch::with_scratch;
use crate::{Activation, ConvolutionGeometry, Padding};

mod gradient;
mod kernel;
mod output;
mod patches;
mod tiling;
mod transform;

pub(crate) use gradient::kernel_gradient;
pub(crate) use kernel::TransformedKernel;
use output::Output;
use patches::Patches;
use tiling::Tiling;
use transform::{F2, F3, F4, F6, Minimal};

/// Channels must be a multiple of this, so that every vector is full whatever its width.
pub(crate) const CHANNEL_STEP: usize = 16;

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
    fn side(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
            Self::Six => 6,
        }
    }

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

impl Variant {
    /// Whether the kernel's gradient brings the bias's with it. F(3×3) and F(2×2) do not, so that their
    /// results keep their bits.
    pub(crate) fn brings_bias_gradient(self) -> bool {
        self.is_of_larger_tiles() && self.elements == Elements::Numbers
    }

    /// The tiles of a batch of gradients. With F(2×2) and F(3×3) each image has tiles of its own, so that
    /// their results keep their bits.
    fn tiling_of_gradients(
        self,
        geometry: &ConvolutionGeometry,
        batch: usize,
        [height, width]: [usize; 2],
    ) -> Tiling {
        let side = self.tiles.side();
        if self.is_of_larger_tiles() && geometry.padding == Padding::symmetric(1) {
            Tiling::of_batch(batch, height, width, side)
        } else {
            Tiling::new(height, width, side)
        }
    }

    fn is_of_larger_tiles(self) -> bool {
        matches!(self.tiles, TileSize::Four | TileSize::Six)
    }
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

/// Which images a tile may have pixels of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Images {
    /// Of one: its values do not depend on the batch.
    ByThemselves,
    /// Of some, where that takes clearly fewer tiles. The error of a value is then relative to the largest
    /// ones under its tile, whosever they are. For gradients.
    Together,
}

/// Channels of maps, from `first_channel` on, that a convolution writes.
pub(crate) struct Target<'a> {
    pub(crate) maps: &'a mut Maps,
    pub(crate) first_channel: usize,
}

/// Writes the convolution of a batch.
pub(crate) fn convolve(
    geometry: &ConvolutionGeometry,
    images: Images,
    input: MapsView<'_>,
    kernel: &TransformedKernel,
    initial: InitialSum<'_>,
    finish: Finish<'_>,
    target: Target<'_>,
) {
    let [batch, height, width, output_step] = target.maps.shape();
    let steps = [input.pixel_step, output_step, target.first_channel];
    assert!(
        steps.iter().all(|step| step.is_multiple_of(CHANNEL_STEP)),
        "channels in memory must come in multiples of {CHANNEL_STEP}: {steps:?}"
    );
    let variant = kernel.variant;
    let tiling = match images {
        Images::ByThemselves => Tiling::new(height, width, variant.tiles.side()),
        Images::Together => variant.tiling_of_gradients(geometry, batch, [height, width]),
    };
    with_algorithm!(variant.tiles, run(geometry, tiling, input, kernel, initial, finish, target));
}

fn run<const P: usize, const M: usize, A: Minimal<P, M>>(
    geometry: &ConvolutionGeometry,
    tiling: Tiling,
    input: MapsView<'_>,
    kernel: &TransformedKernel,
    initial: InitialSum<'_>,
    finish: Finish<'_>,
    Target { maps, first_channel }: Target<'_>,
) {
    let [_, _, width, pixel_step] = maps.shape();
    let told_by = match finish {
        Finish::Activate(_) => &[],
        Finish::Mask(_, told_by) => told_by,
    };
    let mut bands = tiling.divide(maps, told_by);
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
