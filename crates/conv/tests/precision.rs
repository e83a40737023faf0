//! Every algorithm against the definition of the convolution in 64-bit floats.

use std::sync::Arc;

use thaw_conv::{
    Accumulate, Activation, Algorithm, Convolution, ConvolutionGeometry, Maps, Padding, column_sums,
};

/// Numbers between −1 and 1 from a linear congruential generator (Knuth's MMIX constants).
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(draw).take(length).collect()
}

/// Shape of a convolution with a 3×3 kernel at stride 1.
#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    height: usize,
    width: usize,
    inputs: usize,
    outputs: usize,
    padding: usize,
}

impl Shape {
    fn convolution(self, algorithm: Algorithm) -> Convolution {
        let Self {
            height, width, inputs: input_channels, outputs: output_channels, padding, ..
        } = self;
        let geometry = ConvolutionGeometry {
            height,
            width,
            input_channels,
            output_channels,
            kernel: 3,
            stride: 1,
            padding: Padding::symmetric(padding),
            groups: 1,
        };
        Convolution { geometry, algorithm }
    }
}

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Direct,
    Algorithm::WinogradTwo,
    Algorithm::WinogradThree,
    Algorithm::WinogradSix,
    Algorithm::WinogradThreeBfloat16,
];

/// Maps with these values, or with none that matter.
fn maps(values: &[f32], shape: [usize; 4]) -> Maps {
    let mut maps = Maps::new(&Arc::default(), shape);
    match values {
        [] => maps.values_mut().fill(f32::NAN),
        values => maps.values_mut().copy_from_slice(values),
    }
    maps
}

/// Output before the activation, gradient of the input and gradient of the kernel, by definition.
struct Exact {
    output: Vec<f64>,
    input_gradient: Vec<f64>,
    kernel_gradient: Vec<f64>,
    bias_gradient: Vec<f64>,
}

fn by_definition(
    shape: Shape,
    input: &[f32],
    kernel: &[f32],
    bias: &[f32],
    gradient: &[f32],
) -> Exact {
    let Shape { batch, height, width, inputs, outputs, padding } = shape;
    let (rows, columns) = (height + 2 * padding - 2, width + 2 * padding - 2);
    let mut exact = Exact {
        output: vec![0.0; batch * rows * columns * outputs],
        input_gradient: vec![0.0; input.len()],
        kernel_gradient: vec![0.0; kernel.len()],
        bias_gradient: vec![0.0; outputs],
    };
    for (pixel, output) in exact.output.chunks_exact_mut(outputs).enumerate() {
        let (image, row, column) =
            (pixel / (rows * columns), pixel / columns % rows, pixel % columns);
        output.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = f64::from(*bias));
        let of_pixel = &gradient[pixel * outputs..][..outputs];
        let sums = exact.bias_gradient.iter_mut().zip(of_pixel);
        sums.for_each(|(sum, gradient)| *sum += f64::from(*gradient));
        for tap in 0..9 {
            let (y, x) =
                ((row + tap / 3).wrapping_sub(padding), (column + tap % 3).wrapping_sub(padding));
            if y >= height || x >= width {
                continue;
            }
            for channel in 0..inputs {
                let (at, first) = (
                    ((image * height + y) * width + x) * inputs + channel,
                    (tap * inputs + channel) * outputs,
                );
                for (number, sum) in output.iter_mut().enumerate() {
                    *sum += f64::from(input[at]) * f64::from(kernel[first + number]);
                    let gradient = f64::from(gradient[pixel * outputs + number]);
                    exact.input_gradient[at] += gradient * f64::from(kernel[first + number]);
                    exact.kernel_gradient[first + number] += gradient * f64::from(input[at]);
                }
            }
        }
    }
    exact
}

/// ‖a − b‖ / ‖b‖ (Frobenius).
fn relative_error(actual: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(actual.len(), exact.len());
    let difference: f64 = actual.iter().zip(exact).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    (difference / exact.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

/// Largest errors of (output, gradients) allowed for an algorithm.
fn tolerances(algorithm: Algorithm) -> (f64, f64) {
    match algorithm {
        // One chain of 4,608 sums, the longest here, rounds to 1.2·10⁻⁶.
        Algorithm::Direct | Algorithm::WinogradTwo => (2e-6, 2e-6),
        Algorithm::WinogradThree => (5e-6, 1e-5),
        Algorithm::WinogradSix => (2e-5, 2e-5),
        // Eight bits of a number are kept at the points.
        Algorithm::WinogradThreeBfloat16 => (1.6e-2, 1.6e-2),
    }
}

#[test]
fn outputs_and_gradients_stay_near_the_exact_ones() {
    let shape = |batch, height, width, inputs, outputs, padding| Shape {
        batch,
        height,
        width,
        inputs,
        outputs,
        padding,
    };
    let shapes = [
        shape(1, 3, 3, 16, 16, 0),
        shape(2, 5, 7, 16, 32, 1),
        shape(3, 6, 6, 48, 16, 1),
        shape(1, 9, 9, 512, 512, 1),
        // Tiles of 6×6 and of 4×4 pixels, where they may be chosen, and one that is cut off.
        shape(1, 18, 18, 512, 16, 1),
        // A kernel so large that its columns are divided, unevenly.
        shape(1, 18, 18, 160, 80, 1),
        shape(1, 16, 16, 512, 16, 1),
        shape(1, 17, 35, 16, 512, 1),
        shape(2, 13, 38, 32, 80, 1),
        shape(1, 8, 4, 16, 16, 2),
        shape(1, 40, 40, 64, 64, 1),
        shape(1, 7, 7, 32, 32, 1),
        // Batches whose images lie side by side for the gradients, in one column or two, of which the last
        // has a place without an image.
        shape(5, 13, 19, 16, 32, 1),
        shape(19, 37, 37, 16, 16, 1),
        // Channels that only the definition takes.
        shape(2, 7, 5, 3, 20, 1),
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        let Shape { batch, height, width, inputs, outputs, padding } = shape;
        let (rows, columns) = (height + 2 * padding - 2, width + 2 * padding - 2);
        let seed = number as u64;
        let input = noise(batch * height * width * inputs, seed);
        let kernel = noise(9 * inputs * outputs, seed + 100);
        let bias = noise(outputs, seed + 200);
        let gradient = noise(batch * rows * columns * outputs, seed + 300);
        let exact = by_definition(shape, &input, &kernel, &bias, &gradient);
        let (input, gradient) = (
            maps(&input, [batch, height, width, inputs]),
            maps(&gradient, [batch, rows, columns, outputs]),
        );
        for algorithm in ALGORITHMS {
            let convolution = shape.convolution(algorithm);
            let mut output = maps(&[], [batch, rows, columns, outputs]);
            convolution.forward(
                input.view(),
                &convolution.prepare(&kernel),
                &bias,
                Activation::Linear,
                &mut output,
                0,
            );
            let mut input_gradient = maps(&[], input.shape());
            let rotated = convolution.prepare_for_input_gradient(&kernel);
            convolution.input_gradient(
                gradient.view(),
                &rotated,
                Accumulate::Overwrite,
                &mut input_gradient,
            );
            let (kernel_gradient, bias_gradient) =
                convolution.kernel_and_bias_gradients(input.view(), &gradient);
            let errors = [
                ("output", output.values(), &exact.output, tolerances(algorithm).0),
                (
                    "input's gradient",
                    input_gradient.values(),
                    &exact.input_gradient,
                    tolerances(algorithm).1,
                ),
                (
                    "kernel's gradient",
                    &kernel_gradient,
                    &exact.kernel_gradient,
                    tolerances(algorithm).1,
                ),
                ("bias's gradient", &bias_gradient, &exact.bias_gradient, 1e-6),
            ];
            for (name, actual, exact, tolerance) in errors {
                let error = relative_error(actual, exact);
                assert!(
                    error <= tolerance,
                    "{shape:?} {algorithm:?}: error of the {name} is {error:.1e}"
                );
            }
        }
    }
}

/// Heights and widths of maps, of which the first and the last take tiles of 4×4 pixels and the others of
/// 6×6, where these may be chosen. The third have many groups of tiles; images of the last share tiles for
/// the gradients.
const SIZES: [(usize, usize); 4] = [(20, 20), (18, 18), (36, 97), (13, 19)];

/// Each algorithm on maps of each size.
fn algorithms_and_sizes() -> impl Iterator<Item = (Algorithm, (usize, usize))> {
    ALGORITHMS.into_iter().flat_map(|algorithm| SIZES.map(|size| (algorithm, size)))
}

#[test]
fn an_image_has_the_same_bits_in_every_batch() {
    let (kernel, bias) = (noise(9 * 32 * 64, 2), noise(64, 3));
    for (algorithm, (height, width)) in algorithms_and_sizes() {
        let shape = Shape { batch: 7, height, width, inputs: 32, outputs: 64, padding: 1 };
        let convolution = shape.convolution(algorithm);
        let length = height * width * 32;
        let images = noise(7 * length, 1);
        let run = |images: &[f32]| {
            let input = maps(images, [images.len() / length, height, width, 32]);
            let mut output = maps(&[], [input.shape()[0], height, width, 64]);
            convolution.forward(
                input.view(),
                &convolution.prepare(&kernel),
                &bias,
                Activation::Relu,
                &mut output,
                0,
            );
            output.values().to_vec()
        };
        let together = run(&images);
        for (image, pixels) in images.chunks_exact(length).enumerate() {
            let alone = run(pixels);
            assert!(
                alone == together[image * alone.len()..][..alone.len()],
                "{algorithm:?}, {height}×{width}, image {image}"
            );
        }
    }
}

/// An image whose gradient is zero, after another one. Where they share tiles, the other one's rounding
/// errors are all that it gets.
#[test]
fn an_image_without_a_gradient_gets_rounding_errors_of_others_at_most() {
    let kernel = noise(9 * 32 * 64, 2);
    let sizes = [(20, 20), (18, 18), (13, 19), (37, 37)];
    for (algorithm, (height, width)) in
        ALGORITHMS.into_iter().flat_map(|algorithm| sizes.map(|size| (algorithm, size)))
    {
        let shape = Shape { batch: 2, height, width, inputs: 32, outputs: 64, padding: 1 };
        let convolution = shape.convolution(algorithm);
        let prepared = convolution.prepare_for_input_gradient(&kernel);
        let mut gradient = noise(height * width * 64, 4);
        gradient.resize(2 * height * width * 64, 0.0);
        let gradient = maps(&gradient, [2, height, width, 64]);
        let mut of_input = maps(&[], [2, height, width, 32]);
        let overwrite = Accumulate::Overwrite;
        convolution.input_gradient(gradient.view(), &prepared, overwrite, &mut of_input);
        let largest =
            |values: &[f32]| values.iter().fold(0f32, |most, value| most.max(value.abs()));
        let [of_first, of_second] = [0, 1].map(|image| {
            largest(&of_input.values()[image * height * width * 32..][..height * width * 32])
        });
        let share_tiles = algorithm == Algorithm::WinogradSix && [13, 37].contains(&height);
        assert_eq!(of_second > 0.0, share_tiles, "{algorithm:?}, {height}×{width}");
        assert!(
            f64::from(of_second) <= tolerances(algorithm).1 * f64::from(of_first),
            "{algorithm:?}, {height}×{width}: {of_second:.1e} beside {of_first:.1e}"
        );
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (kernel, bias) = (noise(9 * 32 * 64, 2), noise(64, 3));
    for (algorithm, (height, width)) in algorithms_and_sizes() {
        let shape = Shape { batch: 7, height, width, inputs: 32, outputs: 64, padding: 1 };
        let convolution = shape.convolution(algorithm);
        let input = maps(&noise(7 * height * width * 32, 1), [7, height, width, 32]);
        let gradient = maps(&noise(7 * height * width * 64, 4), [7, height, width, 64]);
        let run = |threads| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let (prepared, rotated) =
                    (convolution.prepare(&kernel), convolution.prepare_for_input_gradient(&kernel));
                let (mut output, mut of_input) =
                    (maps(&[], [7, height, width, 64]), maps(&[], input.shape()));
                let activation = Activation::Relu;
                convolution.forward(input.view(), &prepared, &bias, activation, &mut output, 0);
                let overwrite = Accumulate::Overwrite;
                convolution.input_gradient(gradient.view(), &rotated, overwrite, &mut of_input);
                let (of_kernel, of_bias) =
                    convolution.kernel_and_bias_gradients(input.view(), &gradient);
                [output.values(), of_input.values(), &of_kernel, &of_bias].concat()
            })
        };
        let alone = run(1);
        assert!(
            [2, 3, 7].into_iter().all(|threads| run(threads) == alone),
            "{algorithm:?}, {height}×{width}"
        );
    }
}

#[test]
fn channels_of_wider_maps_are_written_and_read_in_place() {
    let (kernel, bias) = (noise(9 * 16 * 32, 2), noise(32, 3));
    for (algorithm, (height, width)) in algorithms_and_sizes() {
        let shape = Shape { batch: 2, height, width, inputs: 16, outputs: 32, padding: 1 };
        let input = maps(&noise(2 * height * width * 16, 1), [2, height, width, 16]);
        let convolution = shape.convolution(algorithm);
        let kernel_forward = convolution.prepare(&kernel);
        let mut alone = maps(&[], [2, height, width, 32]);
        convolution.forward(input.view(), &kernel_forward, &bias, Activation::Relu, &mut alone, 0);
        // The middle of 80 channels.
        let mut wide = maps(&vec![5.0; 2 * height * width * 80], [2, height, width, 80]);
        convolution.forward(input.view(), &kernel_forward, &bias, Activation::Relu, &mut wide, 16);
        for (wide, alone) in wide.values().chunks_exact(80).zip(alone.values().chunks_exact(32)) {
            assert!(
                wide[16..48] == *alone && wide[..16] == [5.0; 16] && wide[48..] == [5.0; 32],
                "{algorithm:?}"
            );
        }
        let kernel_backward = convolution.prepare_for_input_gradient(&kernel);
        let gradient = |of: thaw_conv::MapsView<'_>, accumulate: Accumulate| {
            let mut result = maps(&vec![1.0; input.values().len()], input.shape());
            convolution.input_gradient(of, &kernel_backward, accumulate, &mut result);
            result.values().to_vec()
        };
        let (replaced, added) = (
            gradient(alone.view(), Accumulate::Overwrite),
            gradient(alone.view(), Accumulate::Add),
        );
        assert!(
            replaced == gradient(wide.channels(16..48), Accumulate::Overwrite),
            "{algorithm:?}"
        );
        assert!(
            replaced
                .iter()
                .zip(&added)
                .all(|(replaced, added)| (replaced + 1.0 - added).abs() < 1e-4),
            "{algorithm:?}"
        );
        let of_kernel = |of: thaw_conv::MapsView<'_>| convolution.kernel_gradient(input.view(), of);
        assert!(of_kernel(alone.view()) == of_kernel(wide.channels(16..48)), "{algorithm:?}");
    }
}

/// Where it is masked while it is written, and where in a pass of its own.
#[test]
fn a_gradient_before_an_activation_is_the_masked_gradient() {
    let kernel = noise(9 * 32 * 64, 2);
    for (algorithm, (height, width)) in algorithms_and_sizes() {
        let shape = Shape { batch: 3, height, width, inputs: 32, outputs: 64, padding: 1 };
        let convolution = shape.convolution(algorithm);
        let prepared = convolution.prepare_for_input_gradient(&kernel);
        let gradient = maps(&noise(3 * height * width * 64, 4), [3, height, width, 64]);
        // Some values of the input are exactly at the kinks.
        let numbers: Vec<f32> = noise(3 * height * width * 32, 1)
            .iter()
            .map(|number| (20.0 * number).round().clamp(0.0, 6.0))
            .collect();
        assert!([0.0, 3.0, 6.0].iter().all(|value| numbers.contains(value)));
        let input = maps(&numbers, [3, height, width, 32]);
        for activation in [Activation::Linear, Activation::Relu, Activation::Relu6] {
            for accumulate in [Accumulate::Overwrite, Accumulate::Add] {
                let [mut expected, mut masked] = [(), ()].map(|()| input.copy());
                convolution.input_gradient(gradient.view(), &prepared, accumulate, &mut expected);
                activation.mask(input.values(), expected.values_mut());
                convolution.input_gradient_before(
                    activation,
                    input.view(),
                    gradient.view(),
                    &prepared,
                    accumulate,
                    &mut masked,
                );
                let bits = |maps: &Maps| -> Vec<u32> {
                    maps.values().iter().map(|value| value.to_bits()).collect()
                };
                assert!(
                    bits(&masked) == bits(&expected),
                    "{algorithm:?}, {height}×{width}, {activation:?}, {accumulate:?}"
                );
            }
        }
    }
}

#[test]
fn sums_of_columns_have_the_bits_of_those_taken_with_the_mask() {
    // More rows than one group has.
    let (mut gradient, columns) = (noise(3 * 400 * 64, 1), 64);
    let output = noise(gradient.len(), 2);
    let with_mask = Activation::Relu.gradient(&output, &mut gradient, columns);
    assert_eq!(column_sums(&gradient, columns), with_mask);
}

#[test]
fn no_images_give_a_gradient_of_zeros() {
    for algorithm in ALGORITHMS {
        let shape = Shape { batch: 0, height: 6, width: 6, inputs: 32, outputs: 64, padding: 1 };
        let convolution = shape.convolution(algorithm);
        let none = |channels| maps(&[], [0, 6, 6, channels]);
        let gradients = convolution.kernel_and_bias_gradients(none(32).view(), &none(64));
        assert_eq!(gradients, (vec![0.0; 9 * 32 * 64], vec![0.0; 64]), "{algorithm:?}");
    }
}
