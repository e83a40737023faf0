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
//! do not depend on its batch. For gradients the images of a batch may share tiles.

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
mod transform;

pub(crate) use gradient::kernel_gradient;
pub(crate) use kernel::TransformedKernel;
use output::{Band, Output, Part};
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

/// Images share a sheet where that saves one tile in so many at least: its groups of tiles may be smaller
/// than an image's.
const LEAST_GAIN_OF_SHEET: usize = 20;

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

/// Images of a sheet along one axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    images: usize,
    /// Pixels of an image's output.
    length: usize,
    /// Pixels from one image to the next.
    pitch: usize,
}

impl Axis {
    /// One image. The pitch is so long that all pixels of a patch count as the image's.
    fn of_one(length: usize, side: usize) -> Self {
        Self { images: 1, length, pitch: length + side + 2 }
    }

    /// Images with one pixel of zeros between them, which is the padding of both neighbours.
    fn of_neighbours(images: usize, length: usize) -> Self {
        Self { images, length, pitch: length + 1 }
    }

    fn tiles(&self, side: usize) -> usize {
        ((self.images - 1) * self.pitch + self.length).div_ceil(side)
    }

    /// The image, along this axis, and the pixel in it at some neighbouring positions of a sheet, of which
    /// the first is `before` pixels before `first`. A pixel that is not in the image lies between images.
    #[inline(always)]
    fn places<const C: usize>(&self, first: usize, before: usize) -> [(usize, usize); C] {
        let from_one_image_before = first + self.pitch - before;
        let (mut image, mut pixel) =
            (from_one_image_before / self.pitch, from_one_image_before % self.pitch);
        let mut places = [(0, 0); C];
        for place in &mut places {
            // Before the first image this wraps, and is no image.
            *place = (image.wrapping_sub(1), pixel);
            pixel += 1;
            if pixel == self.pitch {
                (image, pixel) = (image + 1, 0);
            }
        }
        places
    }
}

/// Division of sheets into tiles of `side` × `side` pixels. A sheet is an image, or many of them in rows
/// and columns. A band is one row of tiles.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    side: usize,
    per_band: usize,
    bands_per_sheet: usize,
    rows: Axis,
    columns: Axis,
}

impl Tiling {
    /// Each image by itself.
    fn new(height: usize, width: usize, side: usize) -> Self {
        Self::of(Axis::of_one(height, side), Axis::of_one(width, side), side)
    }

    fn of(rows: Axis, columns: Axis, side: usize) -> Self {
        let (per_band, bands_per_sheet) = (columns.tiles(side), rows.tiles(side));
        Self { side, per_band, bands_per_sheet, rows, columns }
    }

    /// All images of a batch on one sheet, where that takes clearly fewer tiles than each by itself,
    /// because tiles reach over the edge of the sheet alone. For kernels of 3×3 with padding 1.
    fn of_batch(batch: usize, height: usize, width: usize, side: usize) -> Self {
        let by_itself = Self::new(height, width, side);
        let tiles = by_itself.tiles(batch);
        let sheets = (1..=batch).map(|columns| {
            let rows = Axis::of_neighbours(batch.div_ceil(columns), height);
            Self::of(rows, Axis::of_neighbours(columns, width), side)
        });
        // A task has at least a band, which must not be too large for the cache.
        let fitting = sheets.filter(|sheet| sheet.per_band <= most_tiles_of_task(side));
        let fewest = fitting.min_by_key(|sheet| sheet.tiles(batch));
        let is_worth_it = |sheet: &Self| {
            sheet.tiles(batch) * LEAST_GAIN_OF_SHEET <= tiles * (LEAST_GAIN_OF_SHEET - 1)
        };
        fewest.filter(is_worth_it).unwrap_or(by_itself)
    }

    fn images_per_sheet(&self) -> usize {
        self.rows.images * self.columns.images
    }

    /// Rows of tiles of a batch.
    fn bands(&self, batch: usize) -> usize {
        batch.div_ceil(self.images_per_sheet()) * self.bands_per_sheet
    }

    fn tiles(&self, batch: usize) -> usize {
        self.bands(batch) * self.per_band
    }

    /// What of the maps, and of `told_by`, which has their shape or is empty, is under each band.
    fn divide<'a>(&self, maps: &'a mut Maps, mut told_by: &'a [f32]) -> Vec<Band<'a>> {
        let [batch, height, width, pixel_step] = maps.shape();
        let mut bands: Vec<Band<'a>> = (0..self.bands(batch)).map(|_| Vec::new()).collect();
        let images = maps.values_mut().chunks_exact_mut(height * width * pixel_step);
        for (image, mut pixels) in images.enumerate() {
            let (sheet, place) = (image / self.images_per_sheet(), image % self.images_per_sheet());
            let first_column = place % self.columns.images * self.columns.pitch;
            let mut row = place / self.columns.images * self.rows.pitch;
            while !pixels.is_empty() {
                let first_row = row % self.side;
                let rows = (self.side - first_row).min(pixels.len() / (width * pixel_step));
                let length = rows * width * pixel_step;
                let part = Part {
                    first_row,
                    first_column,
                    rows,
                    pixels: pixels.split_off_mut(..length).unwrap_or_default(),
                    told_by: told_by.split_off(..length).unwrap_or_default(),
                };
                bands[sheet * self.bands_per_sheet + row / self.side].push(part);
                row += rows;
            }
        }
        bands
    }

    /// Bands of one task, all tasks about equal, and as many for each thread where they are not too
    /// small for that.
    fn bands_per_task(&self, bands: usize) -> usize {
        let tiles = bands * self.per_band;
        let tasks = tiles.div_ceil(most_tiles_of_task(self.side));
        let even = tasks.next_multiple_of(rayon::current_num_threads());
        let tasks = if even * LEAST_TILES_PER_TASK <= tiles { even } else { tasks };
        bands.div_ceil(tasks.max(1)).max(1)
    }
}

fn most_tiles_of_task(side: usize) -> usize {
    TILES_PER_TASK.min(POINTS_PER_TASK / (side + 2).pow(2))
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
    use std::sync::Arc;

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

    /// The maps of VGG16 at 150×150, in batches of 20.
    #[test]
    fn images_share_a_sheet_where_that_takes_fewer_tiles() {
        let tiles = |side: usize| {
            let (by_itself, together) =
                (Tiling::new(side, side, 6), Tiling::of_batch(20, side, side, 6));
            [by_itself, together].map(|tiling| tiling.tiles(20))
        };
        assert_eq!(tiles(150), [20 * 25 * 25, 20 * 25 * 25]);
        // One tile in 29 is saved: too few.
        assert_eq!(tiles(75), [20 * 13 * 13, 20 * 13 * 13]);
        // Two images beside each other, and ten below.
        assert_eq!(tiles(37), [20 * 7 * 7, 13 * 64]);
        assert_eq!(tiles(18), [20 * 3 * 3, 20 * 3 * 3]);
        let sheet = Tiling::of_batch(20, 37, 37, 6);
        assert_eq!([sheet.rows.images, sheet.columns.images], [10, 2]);
    }

    /// Each pixel of each image is under one part, at the place where a patch finds it.
    #[test]
    fn every_pixel_is_under_one_part_of_a_band() {
        let sizes = [[1, 1], [1, 7], [2, 3], [5, 4], [8, 6], [13, 19]];
        for (side, [height, width]) in
            [4, 6].into_iter().flat_map(|side| sizes.map(|of| (side, of)))
        {
            for (batch, columns) in
                (1..8usize).flat_map(|batch| (1..=batch).map(move |of| (batch, of)))
            {
                let rows = Axis::of_neighbours(batch.div_ceil(columns), height);
                let sheet = Tiling::of(rows, Axis::of_neighbours(columns, width), side);
                for tiling in [sheet, Tiling::new(height, width, side)] {
                    let numbers: Vec<f32> = (0..batch * height * width).map(|n| n as f32).collect();
                    let shape = [batch, height, width, 1];
                    let mut maps = Maps::new(&Arc::default(), shape);
                    maps.values_mut().copy_from_slice(&numbers);
                    let mut seen = Vec::new();
                    for (band, parts) in tiling.divide(&mut maps, &numbers).iter().enumerate() {
                        for part in parts {
                            assert_eq!(part.pixels, part.told_by);
                            assert_eq!(part.pixels.len(), part.rows * width);
                            for (place, &number) in part.told_by.iter().enumerate() {
                                let row = part.first_row + place / width;
                                assert!(row < side);
                                let row = band % tiling.bands_per_sheet * side + row;
                                let [of_row] = tiling.rows.places(row, 0);
                                let [of_column] =
                                    tiling.columns.places(part.first_column + place % width, 0);
                                let sheet = band / tiling.bands_per_sheet;
                                let image = (sheet * tiling.rows.images + of_row.0)
                                    * tiling.columns.images
                                    + of_column.0;
                                let pixel = (image * height + of_row.1) * width + of_column.1;
                                assert_eq!(number, pixel as f32, "{tiling:?}");
                                seen.push(pixel);
                            }
                        }
                    }
                    seen.sort_unstable();
                    assert!(seen.into_iter().eq(0..numbers.len()), "{tiling:?}");
                }
            }
        }
    }

    /// Two images of two pixels, or one: what four neighbouring positions are, from one before the first.
    #[test]
    fn a_position_of_a_sheet_is_a_pixel_of_an_image_or_between_images() {
        let rows = Axis::of_neighbours(2, 2);
        let none = usize::MAX;
        assert_eq!(rows.places::<4>(0, 1), [(none, 2), (0, 0), (0, 1), (0, 2)]);
        assert_eq!(rows.places::<4>(2, 1), [(0, 1), (0, 2), (1, 0), (1, 1)]);
        assert_eq!(rows.tiles(2), 3);
        let alone = Axis::of_one(2, 2);
        assert_eq!(alone.places::<4>(0, 1), [(none, 5), (0, 0), (0, 1), (0, 2)]);
        assert_eq!(alone.places::<4>(2, 1), [(0, 1), (0, 2), (0, 3), (0, 4)]);
    }
}
