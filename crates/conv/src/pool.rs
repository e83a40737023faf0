//! Max-pool and average pool with any window, stride, padding and rounding, and their true gradients.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Activation;
use crate::maps::Maps;
use crate::simd::{prefetch_lines, vectorized};

/// How many pixels after the present one a pixel is fetched.
const PIXELS_AHEAD: usize = 4;

/// Windows of a pool. What lies outside the input is neither largest nor counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolGeometry {
    /// Side of the window, in pixels.
    pub window: usize,
    /// Distance between two windows, in pixels.
    pub stride: usize,
    /// Rows and columns by which the first window begins before the input; less than the window.
    pub padding: usize,
    /// Whether a window that reaches beyond the edge counts (Caffe's and PyTorch's `ceil_mode`); it
    /// must start inside.
    pub ceil: bool,
}

impl PoolGeometry {
    /// Length of the output along an axis of the given length.
    pub fn output_length(&self, length: usize) -> usize {
        let span = (length + 2 * self.padding).saturating_sub(self.window);
        let steps = if self.ceil { span.div_ceil(self.stride) } else { span / self.stride };
        // As PyTorch: the last window may not start behind the input.
        if self.ceil && steps * self.stride >= length + self.padding { steps } else { steps + 1 }
    }

    /// Whether each pixel of the input lies under one window at most.
    fn windows_are_disjoint(&self) -> bool {
        self.stride >= self.window
    }

    /// The shape of the output, given that of the input: batch, height, width, channels.
    pub fn output_shape(&self, [batch, height, width, channels]: [usize; 4]) -> [usize; 4] {
        [batch, self.output_length(height), self.output_length(width), channels]
    }
}

/// Writes the largest value under each window, per channel; of values that are no numbers, the last one.
pub fn max_pool(geometry: PoolGeometry, input: &Maps, output: &mut Maps) {
    forward(geometry, input, output, None);
}

/// Writes the largest value under each window, per channel, and returns which pixel of the window it is.
///
/// # Panics
/// When a window has more than 256 pixels.
pub fn max_pool_with_places(geometry: PoolGeometry, input: &Maps, output: &mut Maps) -> Places {
    assert!(geometry.window <= 16, "a window has more than 256 pixels: {geometry:?}");
    let mut numbers = vec![0; output.values().len()];
    forward(geometry, input, output, Some(&mut numbers));
    Places { geometry, input: input.shape(), numbers }
}

/// Writes the places, too, where there is room for them, which holds zeros.
fn forward(geometry: PoolGeometry, input: &Maps, output: &mut Maps, places: Option<&mut [u8]>) {
    let ([batch, height, width, channels], pool) = (input.shape(), &Windows { geometry });
    let [_, output_height, output_width, _] = output.shape();
    let output_length = output_height * output_width * channels;
    let places: Vec<Option<&mut [u8]>> = match places {
        Some(places) => places.chunks_exact_mut(output_length).map(Some).collect(),
        None => (0..batch).map(|_| None).collect(),
    };
    let images = input.values().par_chunks(height * width * channels);
    output.values_mut().par_chunks_mut(output_length).zip(places).zip(images).for_each(
        |((output, places), image)| {
            vectorized(Forward { pool, height, width, channels, image, output, places });
        },
    );
}

/// Which pixel under each window of a max-pool is the first largest one, by channel; the last that is no
/// number, where there is one.
#[derive(Debug)]
pub struct Places {
    geometry: PoolGeometry,
    /// Shape of the input.
    input: [usize; 4],
    /// The pixel's number in row-major order, without those outside the input; of the output's shape.
    numbers: Vec<u8>,
}

/// Writes the gradient before the activation that made the input of a max-pool, told by the largest values
/// ([`Activation::is_told_by_output`]); with [`Activation::Linear`], that of the input itself. The
/// gradient of each output goes to its place, as in PyTorch. Shapes are `[batch, height, width,
/// channels]`, those of the outputs [`PoolGeometry::output_shape`].
///
/// # Panics
/// When the activation is not told by its output, or a shape is another than in the forward pass.
pub fn max_pool_gradient(
    activation: Activation,
    places: &Places,
    output: &Maps,
    output_gradient: &Maps,
    gradient: &mut Maps,
) {
    assert!(activation.is_told_by_output(), "{activation:?} is not told by its output");
    let Places { geometry, input, ref numbers } = *places;
    assert_eq!(gradient.shape(), input, "the gradient has the input's shape");
    let of_output = geometry.output_shape(input);
    assert_eq!([output.shape(), output_gradient.shape()], [of_output; 2], "shapes of the output");
    let ([_, height, width, channels], pool) = (input, &Windows { geometry });
    let length = height * width * channels;
    let output_length = of_output[1..].iter().product();
    let images =
        gradient.values_mut().par_chunks_mut(length).zip(numbers.par_chunks(output_length));
    let results = output
        .values()
        .par_chunks(output_length)
        .zip(output_gradient.values().par_chunks(output_length));
    images.zip(results).for_each(|((gradient, places), (output, output_gradient))| {
        let backward = Backward {
            pool,
            activation,
            height,
            width,
            channels,
            places,
            output,
            output_gradient,
            gradient,
        };
        backward.run();
    });
}

/// Writes the mean of the values under each window, per channel.
pub fn average_pool(geometry: PoolGeometry, input: &Maps, output: &mut Maps) {
    let ([_, height, width, channels], pool) = (input.shape(), &Windows { geometry });
    let [_, output_height, output_width, _] = output.shape();
    let shares = pool.shares(height, width);
    let images = input.values().par_chunks(height * width * channels);
    output
        .values_mut()
        .par_chunks_mut(output_height * output_width * channels)
        .zip(images)
        .for_each(|(output, image)| {
            output.fill(0.0);
            pool.for_each_window(height, width, |pixel, source, _| {
                let sums = output[pixel * channels..][..channels].iter_mut();
                for (sum, value) in sums.zip(&image[source * channels..][..channels]) {
                    *sum += value * shares[pixel];
                }
            });
        });
}

/// Writes the gradient of the input: every value under a window has an equal share of the gradient
/// there.
pub fn average_pool_gradient(geometry: PoolGeometry, output_gradient: &Maps, gradient: &mut Maps) {
    let ([_, height, width, channels], pool) = (gradient.shape(), &Windows { geometry });
    let [_, output_height, output_width, _] = output_gradient.shape();
    let shares = pool.shares(height, width);
    let of_output = output_gradient.values().par_chunks(output_height * output_width * channels);
    gradient.values_mut().par_chunks_mut(height * width * channels).zip(of_output).for_each(
        |(gradient, of_output)| {
            gradient.fill(0.0);
            pool.for_each_window(height, width, |pixel, source, _| {
                let sums = gradient[source * channels..][..channels].iter_mut();
                for (sum, value) in sums.zip(&of_output[pixel * channels..][..channels]) {
                    *sum += value * shares[pixel];
                }
            });
        },
    );
}

struct Windows {
    geometry: PoolGeometry,
}

impl Windows {
    /// Calls `visit(output pixel, input pixel, its number under the window)` for every output pixel of an
    /// image and every input pixel under its window, in row-major order.
    #[inline(always)]
    fn for_each_window(
        &self,
        height: usize,
        width: usize,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let PoolGeometry { window, stride, padding, .. } = self.geometry;
        let inside = |position: usize, length: usize| {
            let first = position * stride;
            first.saturating_sub(padding)..(first + window).saturating_sub(padding).min(length)
        };
        let output_width = self.geometry.output_length(width);
        for output_row in 0..self.geometry.output_length(height) {
            for output_column in 0..output_width {
                let (rows, columns) = (inside(output_row, height), inside(output_column, width));
                let mut number = 0;
                for row in rows {
                    for column in columns.clone() {
                        let pixel = output_row * output_width + output_column;
                        visit(pixel, row * width + column, number);
                        number += 1;
                    }
                }
            }
        }
    }

    /// One over the number of pixels under each window.
    fn shares(&self, height: usize, width: usize) -> Vec<f32> {
        let outputs = [height, width].map(|length| self.geometry.output_length(length));
        let mut counts = vec![0f32; outputs[0] * outputs[1]];
        self.for_each_window(height, width, |pixel, _, _| counts[pixel] += 1.0);
        counts.into_iter().map(|count| 1.0 / count).collect()
    }
}

/// The forward pass of one image.
struct Forward<'a> {
    pool: &'a Windows,
    height: usize,
    width: usize,
    channels: usize,
    image: &'a [f32],
    output: &'a mut [f32],
    places: Option<&'a mut [u8]>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pool, height, width, channels, image, output, mut places } = self;
        pool.for_each_window(height, width, |pixel, source, number| {
            let largest = &mut output[pixel * channels..][..channels];
            let values = &image[source * channels..][..channels];
            prefetch_lines(values, PIXELS_AHEAD * channels);
            if number == 0 {
                largest.copy_from_slice(values);
                return;
            }
            let Some(places) = &mut places else {
                for (largest, &value) in largest.iter_mut().zip(values) {
                    *largest = if is_larger(value, *largest) { value } else { *largest };
                }
                return;
            };
            let places = places[pixel * channels..][..channels].iter_mut();
            for ((largest, &value), place) in largest.iter_mut().zip(values).zip(places) {
                let is_larger = is_larger(value, *largest);
                *largest = if is_larger { value } else { *largest };
                *place = if is_larger { number as u8 } else { *place };
            }
        });
    }
}

#[inline(always)]
fn is_larger(value: f32, largest: f32) -> bool {
    value > largest || value.is_nan()
}

/// The backward pass of one image.
struct Backward<'a> {
    pool: &'a Windows,
    activation: Activation,
    height: usize,
    width: usize,
    channels: usize,
    places: &'a [u8],
    output: &'a [f32],
    output_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl Backward<'_> {
    fn run(mut self) {
        if self.pool.geometry.windows_are_disjoint() {
            self.clear_what_no_window_reaches();
            vectorized(Distribute::<false>(self));
        } else {
            self.gradient.fill(0.0);
            vectorized(Distribute::<true>(self));
        }
    }

    /// Of windows that do not overlap, all others are written.
    fn clear_what_no_window_reaches(&mut self) {
        let PoolGeometry { window, stride, padding, .. } = self.pool.geometry;
        let is_reached = |position: usize, length: usize| {
            let from_first = position + padding;
            let windows = self.pool.geometry.output_length(length);
            from_first % stride < window && from_first / stride < windows
        };
        for (pixel, gradient) in self.gradient.chunks_exact_mut(self.channels).enumerate() {
            let (row, column) = (pixel / self.width, pixel % self.width);
            if !is_reached(row, self.height) || !is_reached(column, self.width) {
                gradient.fill(0.0);
            }
        }
    }
}

/// Distributes the gradients of the windows, which may overlap or not.
struct Distribute<'a, const OVERLAP: bool>(Backward<'a>);

impl<const OVERLAP: bool> WithSimd for Distribute<'_, OVERLAP> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Backward {
            pool,
            activation,
            height,
            width,
            channels,
            places,
            output,
            output_gradient,
            gradient,
        } = self.0;
        // What passes the activation.
        let mut passing = vec![0f32; channels];
        pool.for_each_window(height, width, |pixel, source, number| {
            if number == 0 {
                passing.copy_from_slice(&output_gradient[pixel * channels..][..channels]);
                if activation != Activation::Linear {
                    let largest = &output[pixel * channels..][..channels];
                    for (passing, largest) in passing.iter_mut().zip(largest) {
                        *passing = if activation.passes(*largest) { *passing } else { 0.0 };
                    }
                }
            }
            let places = &places[pixel * channels..][..channels];
            let gradient = &mut gradient[source * channels..][..channels];
            prefetch_lines(gradient, PIXELS_AHEAD * channels);
            for channel in 0..channels {
                let taken =
                    if usize::from(places[channel]) == number { passing[channel] } else { 0.0 };
                // Where windows do not overlap, the sum has no other part.
                let others = if OVERLAP { gradient[channel] } else { 0.0 };
                gradient[channel] = others + taken;
            }
        });
    }
}
