//! Division of the maps of a batch into tiles.

use crate::maps::Maps;

/// Tiles that one task takes through all stages at most: enough for the products, few enough that
/// the points stay in the cache.
pub(super) const TILES_PER_TASK: usize = 96;

/// Points that these tiles have together at most: those of 48 tiles of F(6×6), whose kernels are so
/// long that fewer tiles would read them too often.
const POINTS_PER_TASK: usize = 48 * 64;

/// Tiles from which on reading a kernel is worth it.
const LEAST_TILES_PER_TASK: usize = 32;

/// Images share a sheet where that saves one tile in so many at least: its groups of tiles may be smaller
/// than an image's.
const LEAST_GAIN_OF_SHEET: usize = 20;

/// The pixels of one image under a row of tiles.
pub(super) struct Part<'a> {
    /// Row below the top of the band, and column of the sheet, where it begins.
    pub(super) first_row: usize,
    pub(super) first_column: usize,
    pub(super) rows: usize,
    pub(super) pixels: &'a mut [f32],
    /// The same part of what [`super::Finish::Mask`] holds; nothing where there is none.
    pub(super) told_by: &'a [f32],
}

/// What is under a row of tiles: a part of an image, or of some.
pub(super) type Band<'a> = Vec<Part<'a>>;

/// Images of a sheet along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) images: usize,
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
    pub(super) fn places<const C: usize>(
        &self,
        first: usize,
        before: usize,
    ) -> [(usize, usize); C] {
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
pub(super) struct Tiling {
    pub(super) side: usize,
    pub(super) per_band: usize,
    pub(super) bands_per_sheet: usize,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
}

impl Tiling {
    /// Each image by itself.
    pub(super) fn new(height: usize, width: usize, side: usize) -> Self {
        Self::of(Axis::of_one(height, side), Axis::of_one(width, side), side)
    }

    fn of(rows: Axis, columns: Axis, side: usize) -> Self {
        let (per_band, bands_per_sheet) = (columns.tiles(side), rows.tiles(side));
        Self { side, per_band, bands_per_sheet, rows, columns }
    }

    /// All images of a batch on one sheet, where that takes clearly fewer tiles than each by itself,
    /// because tiles reach over the edge of the sheet alone. For kernels of 3×3 with padding 1.
    pub(super) fn of_batch(batch: usize, height: usize, width: usize, side: usize) -> Self {
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
    pub(super) fn bands(&self, batch: usize) -> usize {
        batch.div_ceil(self.images_per_sheet()) * self.bands_per_sheet
    }

    fn tiles(&self, batch: usize) -> usize {
        self.bands(batch) * self.per_band
    }

    /// What of the maps, and of `told_by`, which has their shape or is empty, is under each band.
    pub(super) fn divide<'a>(&self, maps: &'a mut Maps, mut told_by: &'a [f32]) -> Vec<Band<'a>> {
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
    pub(super) fn bands_per_task(&self, bands: usize) -> usize {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

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
