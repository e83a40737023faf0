//! Every algorithm against the definition of the convolution in 64-bit floats.

use candle_core::{Device, Result, Tensor, Var};
use thaw_conv::{Activation, Algorithm, convolution};

/// Numbers between −1 and 1 from a linear congruential generator (Knuth's MMIX constants).
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
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

/// Output before the activation, gradient of the input and gradient of the kernel, by definition.
struct Exact {
    output: Vec<f64>,
    input_gradient: Vec<f64>,
    kernel_gradient: Vec<f64>,
}

fn by_definition(shape: Shape, input: &[f32], kernel: &[f32], bias: &[f32], gradient: &[f32]) -> Exact {
    let Shape { batch, height, width, inputs, outputs, padding } = shape;
    let (rows, columns) = (height + 2 * padding - 2, width + 2 * padding - 2);
    let mut exact = Exact {
        output: vec![0.0; batch * rows * columns * outputs],
        input_gradient: vec![0.0; input.len()],
        kernel_gradient: vec![0.0; kernel.len()],
    };
    for (pixel, output) in exact.output.chunks_exact_mut(outputs).enumerate() {
        let (image, row, column) = (pixel / (rows * columns), pixel / columns % rows, pixel % columns);
        output.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = f64::from(*bias));
        for tap in 0..9 {
            let (y, x) = ((row + tap / 3).wrapping_sub(padding), (column + tap % 3).wrapping_sub(padding));
            if y >= height || x >= width {
                continue;
            }
            for channel in 0..inputs {
                let (at, first) = (((image * height + y) * width + x) * inputs + channel, (tap * inputs + channel) * outputs);
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
fn relative_error(actual: &Tensor, exact: &[f64]) -> Result<f64> {
    let actual = actual.flatten_all()?.to_vec1::<f32>()?;
    assert_eq!(actual.len(), exact.len());
    let difference: f64 = actual.iter().zip(exact).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    Ok((difference / exact.iter().map(|b| b * b).sum::<f64>()).sqrt())
}

/// Largest errors of (output, gradients) allowed for an algorithm.
fn tolerances(algorithm: Algorithm) -> (f64, f64) {
    match algorithm {
        // One chain of 4,608 sums, the longest here, rounds to 1.2·10⁻⁶.
        Algorithm::Direct | Algorithm::WinogradTwo => (2e-6, 2e-6),
        Algorithm::WinogradThree => (5e-6, 1e-5),
    }
}

#[test]
fn outputs_and_gradients_stay_near_the_exact_ones() -> Result<()> {
    let shape = |batch, height, width, inputs, outputs, padding| Shape { batch, height, width, inputs, outputs, padding };
    let shapes = [
        shape(1, 3, 3, 16, 16, 0),
        shape(2, 5, 7, 16, 32, 1),
        shape(3, 6, 6, 48, 16, 1),
        shape(1, 9, 9, 512, 512, 1),
        shape(2, 13, 38, 32, 80, 1),
        shape(1, 8, 4, 16, 16, 2),
        shape(1, 40, 40, 64, 64, 1),
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
        let device = &Device::Cpu;
        let input = Var::from_vec(input, (batch, height, width, inputs), device)?;
        let kernel = Var::from_vec(kernel, (3, 3, inputs, outputs), device)?;
        let bias = Tensor::from_vec(bias, outputs, device)?;
        let gradient = Tensor::from_vec(gradient, (batch, rows, columns, outputs), device)?;
        for algorithm in [Algorithm::Direct, Algorithm::WinogradTwo, Algorithm::WinogradThree] {
            let output = convolution(&input, &kernel, &bias, 1, padding, Activation::Linear, algorithm)?;
            let gradients = (&output * &gradient)?.sum_all()?.backward()?;
            let of = |variable: &Var| gradients.get(variable).expect("a gradient");
            let errors = [
                ("output", &output, &exact.output, tolerances(algorithm).0),
                ("input's gradient", of(&input), &exact.input_gradient, tolerances(algorithm).1),
                ("kernel's gradient", of(&kernel), &exact.kernel_gradient, tolerances(algorithm).1),
            ];
            for (name, actual, exact, tolerance) in errors {
                let error = relative_error(actual, exact)?;
                println!("{shape:?} {algorithm:?}: {name} {error:.1e}");
                assert!(error <= tolerance, "{shape:?} {algorithm:?}: error of the {name} is {error:.1e}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_image_has_the_same_bits_in_every_batch() -> Result<()> {
    let device = &Device::Cpu;
    let input = Tensor::from_vec(noise(7 * 20 * 20 * 32, 1), (7, 20, 20, 32), device)?;
    let kernel = Tensor::from_vec(noise(9 * 32 * 48, 2), (3, 3, 32, 48), device)?;
    let bias = Tensor::from_vec(noise(48, 3), 48, device)?;
    for algorithm in [Algorithm::Direct, Algorithm::WinogradTwo, Algorithm::WinogradThree] {
        let run = |input: &Tensor| convolution(input, &kernel, &bias, 1, 1, Activation::Relu, algorithm)?.flatten_all()?.to_vec1::<f32>();
        let together = run(&input)?;
        for image in 0..7 {
            let alone = run(&input.narrow(0, image, 1)?)?;
            assert!(alone == together[image * alone.len()..][..alone.len()], "{algorithm:?}, image {image}");
        }
    }
    Ok(())
}
