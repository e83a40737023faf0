//! The gradient of the kernel: `Gᵀ [Σ (Bᵀ d B) ⊙ (A dY Aᵀ)] G`, the sum over the tiles of all
//! images.

use rayon::prelude::*;

use super::kernel::from_points;
use super::patches::Patches;
use super::tiling::TILES_PER_TASK;
use super::transform::{F2, F3, F4, F6, Minimal};
use super::{CHANNEL_STEP, Layout, Points, TileSize, Variant, with_algorithm};
use crate::arithmetic::Elements;
use crate::buffer::BufferPool;
use crate::maps::MapsView;
use crate::product::{Rows, StridedRows, add_transposed_product};
use crate::scratch::with_scratch;
use crate::{ConvolutionGeometry, Padding};

/// Numbers that lie in the third-level cache together: those at a round's points, which are made before
/// they are summed, and the sums.
const NUMBERS_IN_CACHE: usize = 3 << 20;

/// Groups of tiles in a round where one group and the sums do not fit, so that the sums are not read and
/// written too often.
const GROUPS_OF_LARGE_ROUND: usize = 4;

/// Groups that a round has at most for the sake of threads, whose points may be more than fit: they take
/// memory.
const MOST_GROUPS_FOR_THREADS: usize = 8;

/// Input channels whose sums one task takes care of: whole groups of rows of the product, so few that
/// all tiles' points of these channels lie in the first-level cache beside those of a column of the
/// product.
const CHANNELS_PER_TASK: usize = 36;

/// `[3, 3, input channels, output channels]`, from the input and the gradient before the
/// activation; and that of the bias where [`Variant::brings_bias_gradient`].
pub(crate) fn kernel_gradient(
    variant: Variant,
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    gradient: MapsView<'_>,
) -> (Vec<f32>, Option<Vec<f32>>) {
    with_algorithm!(variant.tiles, run(variant, geometry, input, gradient))
}

/// The point at which both dimensions have all ones in `A`, so that the numbers of a tile there are the
/// sums of its gradients by channel.
fn point_of_sums(points: usize) -> usize {
    points + 1
}

fn run<const P: usize, const M: usize, A: Minimal<P, M>>(
    variant: Variant,
    geometry: &ConvolutionGeometry,
    input: MapsView<'_>,
    gradient: MapsView<'_>,
) -> (Vec<f32>, Option<Vec<f32>>) {
    let elements = variant.elements;
    let layout = match elements {
        Elements::Numbers => Layout::Numbers,
        Elements::Pairs => Layout::PairsOfTiles,
    };
    let (inputs, outputs) = (geometry.input_channels, geometry.output_channels);
    let (batch, height, width) = (input.batch(), gradient.height, gradient.width);
    let tiling = variant.tiling_of_gradients(geometry, batch, [height, width]);
    let bands = tiling.bands(batch);
    // A group of bands goes through the transforms together. Its size, and so the order of the sums,
    // follows from the shape of the batch and not from the number of threads. It has as many tiles
    // whatever their points: with fewer, the sums at all points would be read and written more often.
    let bands_per_group = (TILES_PER_TASK / tiling.per_band).max(1);
    let tiles = bands_per_group * tiling.per_band;
    let (input_points, output_points) =
        (Points { channels: inputs, tiles, layout }, Points { channels: outputs, tiles, layout });
    let group_length = P * P * (input_points.point_step() + output_points.point_step());
    // Some numbers between points, as in [`Points`].
    let point_step = inputs * outputs + CHANNEL_STEP;
    let groups_in_cache = NUMBERS_IN_CACHE.saturating_sub(P * P * point_step) / group_length;
    // Two tasks make the points of a group.
    let groups_for_threads = rayon::current_num_threads().div_ceil(2).min(MOST_GROUPS_FOR_THREADS);
    let groups = if groups_in_cache == 0 { GROUPS_OF_LARGE_ROUND } else { groups_in_cache };
    let groups_per_round = groups.next_multiple_of(groups_for_threads);
    let mut sums = BufferPool::of_kernels().take(P * P * point_step);
    let mut of_bias = variant.brings_bias_gradient().then(|| vec![0f32; outputs]);
    let mut add_round = |first_band: usize, groups: &mut [f32]| {
        let bands = &(first_band..bands.min(first_band + groups_per_round * bands_per_group));
        let tiles_of = |group: usize| {
            (bands.len() - group * bands_per_group).min(bands_per_group) * tiling.per_band
        };
        let groups = &mut groups[..bands.len().div_ceil(bands_per_group) * group_length];
        groups.par_chunks_exact_mut(group_length).enumerate().for_each(|(group, values)| {
            let (pixels, gradients) = values.split_at_mut(P * P * input_points.point_step());
            let first_band = bands.start + group * bands_per_group;
            let tiles = tiles_of(group);
            let of_input = || {
                let (padding, points) = (geometry.padding, Points { tiles, ..input_points });
                Patches { maps: input, tiling, padding, first_band, points }
                    .gather::<A::Pixels, P, P>(pixels);
            };
            let of_gradient = || {
                let (padding, points) = (Padding::default(), Points { tiles, ..output_points });
                Patches { maps: gradient, tiling, padding, first_band, points }
                    .gather::<A::OutputGradient, P, M>(gradients);
            };
            rayon::join(of_input, of_gradient);
        });
        let add = |point: usize, first_channel: usize, sums: &mut [f32]| {
            if first_band == 0 {
                sums.fill(0.0);
            }
            for (group, values) in groups.chunks_exact(group_length).enumerate() {
                let (pixels, gradients) = values.split_at(P * P * input_points.point_step());
                let tiles = tiles_of(group);
                let (input_points, output_points) =
                    (Points { tiles, ..input_points }, Points { tiles, ..output_points });
                let pixels = &input_points.matrix(pixels, point)[first_channel..];
                let left = StridedRows::matrix(
                    pixels,
                    input_points.rows(),
                    sums.len() / outputs,
                    input_points.row_step(),
                )
                .of(elements);
                add_transposed_product(
                    left,
                    output_points.matrix(gradients, point),
                    output_points.row_step(),
                    outputs,
                    sums,
                    Rows::InCache,
                );
            }
        };
        let add_to_bias = |of_bias: &mut Vec<f32>| {
            for (group, values) in groups.chunks_exact(group_length).enumerate() {
                // Sums of sums round less than one long chain.
                let mut of_group = vec![0f32; outputs];
                let gradients = &values[P * P * input_points.point_step()..];
                let points = Points { tiles: tiles_of(group), ..output_points };
                let rows = points.matrix(gradients, point_of_sums(P));
                for row in rows.chunks_exact(points.row_step()) {
                    of_group.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
                of_bias.iter_mut().zip(of_group).for_each(|(sum, value)| *sum += value);
            }
        };
        let add_to_kernel = || {
            sums.par_chunks_mut(point_step).enumerate().for_each(|(point, sums)| {
                sums[..inputs * outputs]
                    .par_chunks_mut(CHANNELS_PER_TASK * outputs)
                    .enumerate()
                    .for_each(|(task, sums)| add(point, task * CHANNELS_PER_TASK, sums));
            });
        };
        rayon::join(add_to_kernel, || of_bias.iter_mut().for_each(add_to_bias));
    };
    with_scratch(groups_per_round.min(bands.div_ceil(bands_per_group)) * group_length, |groups| {
        (0..bands)
            .step_by(groups_per_round * bands_per_group)
            .for_each(|first_band| add_round(first_band, groups));
    });
    (from_points::<P, M, A>(&sums, point_step, inputs, outputs), of_bias)
}
