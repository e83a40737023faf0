//! Depthwise and grouped convolutions, padding as TensorFlow's, batch normalisation, activations and
//! pools against PyTorch's values, written by `tools/golden/normalized_layers.py`.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor, safetensors};
use thaw_conv::{
    Accumulate, Activation, Algorithm, Convolution, ConvolutionGeometry, Maps, Normalized, Padding,
    PoolGeometry, average_pool, average_pool_gradient, channel_statistics, max_pool,
    max_pool_gradient, max_pool_with_places, scale_and_shift,
};

/// The fixtures of one layer.
struct Layer {
    name: String,
    all: HashMap<String, Tensor>,
}

impl Layer {
    fn new(name: &str) -> Result<Self> {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/normalized_layers.safetensors");
        Ok(Self { name: name.to_owned(), all: safetensors::load(path, &Device::Cpu)? })
    }

    fn tensor(&self, key: &str) -> &Tensor {
        &self.all[&format!("{}.{key}", self.name)]
    }

    fn values(&self, key: &str) -> Result<Vec<f32>> {
        self.tensor(key).flatten_all()?.to_vec1()
    }

    fn maps(&self, key: &str) -> Result<Maps> {
        let (batch, height, width, channels) = self.tensor(key).dims4()?;
        let mut maps = Maps::new(&Arc::default(), [batch, height, width, channels]);
        maps.values_mut().copy_from_slice(&self.values(key)?);
        Ok(maps)
    }

    /// ‖a − b‖ ≤ tolerance · ‖b‖.
    #[track_caller]
    fn assert_close(&self, key: &str, actual: &[f32], tolerance: f64) -> Result<()> {
        let expected = self.values(key)?;
        assert_eq!(actual.len(), expected.len());
        let square = |value: f32| f64::from(value).powi(2);
        let difference: f64 = actual.iter().zip(&expected).map(|(a, b)| square(a - b)).sum();
        let norm: f64 = expected.iter().map(|value| square(*value)).sum();
        let error = (difference / norm).sqrt();
        assert!(error <= tolerance, "{} {key}: relative error {error:.2e}", self.name);
        Ok(())
    }

    fn convolution(
        &self,
        stride: usize,
        padding: Option<usize>,
        groups: usize,
    ) -> Result<Convolution> {
        let (_, height, width, input_channels) = self.tensor("x").dims4()?;
        let (kernel, _, _, output_channels) = self.tensor("w").dims4()?;
        let padding = match padding {
            Some(count) => Padding::symmetric(count),
            None => Padding::same(height, width, kernel, stride),
        };
        let geometry = ConvolutionGeometry {
            height,
            width,
            input_channels,
            output_channels,
            kernel,
            stride,
            padding,
            groups,
        };
        Ok(Convolution { geometry, algorithm: Algorithm::Direct })
    }

    fn forward(&self, convolution: &Convolution, activation: Activation) -> Result<Maps> {
        let mut output = self.maps("y")?;
        output.values_mut().fill(f32::NAN);
        let kernel = convolution.prepare(&self.values("w")?);
        let (input, bias) = (self.maps("x")?, self.values("b")?);
        convolution.forward(input.view(), &kernel, &bias, activation, &mut output, 0);
        Ok(output)
    }
}

const SAME: Option<usize> = None;

/// Name, stride, zeros around, groups, activation.
const CONVOLUTIONS: [(&str, usize, Option<usize>, usize, Activation); 13] = [
    ("depthwise3", 1, Some(1), 32, Activation::Relu6),
    ("depthwise3_stride2", 2, Some(1), 32, Activation::Relu6),
    ("depthwise3_same", 2, SAME, 24, Activation::Relu),
    ("depthwise5", 1, Some(2), 16, Activation::Relu6),
    ("depthwise5_stride2_same", 2, SAME, 40, Activation::Linear),
    ("depthwise5_small", 1, Some(2), 16, Activation::Linear),
    ("depthwise7", 1, Some(3), 5, Activation::Relu),
    ("groups", 1, Some(1), 4, Activation::Relu),
    ("groups_stride2", 2, Some(1), 2, Activation::Relu6),
    ("conv3x3_same", 2, SAME, 1, Activation::Relu6),
    ("conv1x1_stride2", 2, Some(0), 1, Activation::Linear),
    ("conv3x3_relu6", 1, Some(1), 1, Activation::Relu6),
    ("conv7x7_padded", 2, Some(3), 1, Activation::Relu),
];

#[test]
fn convolutions_of_every_shape_and_their_gradients_agree_with_pytorch() -> Result<()> {
    for (name, stride, padding, groups, activation) in CONVOLUTIONS {
        let layer = Layer::new(name)?;
        let mut convolution = layer.convolution(stride, padding, groups)?;
        for algorithm in [Algorithm::Direct, Algorithm::WinogradTwo] {
            convolution.algorithm = algorithm;
            let (input, kernel) = (layer.maps("x")?, layer.values("w")?);
            let output = layer.forward(&convolution, activation)?;
            layer.assert_close("y", output.values(), 1e-6)?;
            let mut gradient = layer.maps("dy")?;
            let channels = output.shape()[3];
            let of_bias = activation.gradient(output.values(), gradient.values_mut(), channels);
            layer.assert_close("db", &of_bias, 2e-6)?;
            let of_kernel = convolution.kernel_gradient(input.view(), gradient.view());
            layer.assert_close("dw", &of_kernel, 2e-6)?;
            let prepared = convolution.prepare_for_input_gradient(&kernel);
            let mut of_input = layer.maps("x")?;
            for (accumulate, times) in [(Accumulate::Overwrite, 1.0), (Accumulate::Add, 2.0)] {
                convolution.input_gradient(gradient.view(), &prepared, accumulate, &mut of_input);
                let values: Vec<f32> =
                    of_input.values().iter().map(|value| value / times).collect();
                layer.assert_close("dx", &values, 2e-6)?;
            }
        }
    }
    Ok(())
}

#[test]
fn silu_and_its_gradient_agree_with_pytorch() -> Result<()> {
    let layer = Layer::new("silu")?;
    let convolution = layer.convolution(1, Some(1), 1)?;
    let output = layer.forward(&convolution, Activation::Silu)?;
    layer.assert_close("y", output.values(), 1e-6)?;
    // Its gradient is told by its argument.
    let sums = layer.forward(&convolution, Activation::Linear)?;
    let mut gradient = layer.maps("dy")?;
    let channels = sums.shape()[3];
    let of_bias = Activation::Silu.gradient(sums.values(), gradient.values_mut(), channels);
    layer.assert_close("db", &of_bias, 2e-6)?;
    let of_kernel = convolution.kernel_gradient(layer.maps("x")?.view(), gradient.view());
    layer.assert_close("dw", &of_kernel, 2e-6)
}

#[test]
fn batch_normalisation_and_its_gradients_agree_with_pytorch() -> Result<()> {
    for (name, activation) in [
        ("norm_linear", Activation::Linear),
        ("norm_relu", Activation::Relu),
        ("norm_relu6", Activation::Relu6),
        ("norm_silu", Activation::Silu),
    ] {
        let layer = Layer::new(name)?;
        let input = layer.maps("x")?;
        // Means far from zero beside the deviations.
        let statistics = channel_statistics(&input);
        layer.assert_close("mean", &statistics.mean, 1e-6)?;
        layer.assert_close("variance", &statistics.variance, 1e-6)?;
        assert_eq!(statistics.count, 3 * 7 * 5);
        let (gamma, beta) = (layer.values("gamma")?, layer.values("beta")?);
        let normalized =
            Normalized::new(&gamma, &beta, &statistics.mean, &statistics.variance, 1e-3);
        let mut output = layer.maps("y")?;
        let Normalized { scale, shift, .. } = &normalized;
        scale_and_shift(&input, scale, shift, activation, &mut output);
        // What is left of 24 bits where a mean of hundreds is taken away.
        layer.assert_close("y", output.values(), 1e-4)?;
        let mut gradient = layer.maps("dy")?;
        let gradients = normalized.gradient(&input, activation, &mut gradient);
        layer.assert_close("dgamma", &gradients.of_gamma, 1e-4)?;
        layer.assert_close("dbeta", &gradients.of_beta, 1e-4)?;
        layer.assert_close("dx", gradient.values(), 1e-4)?;
    }
    Ok(())
}

#[test]
fn padded_and_average_pools_agree_with_pytorch() -> Result<()> {
    for (name, window, padding, ceil) in [
        ("max3_padded", 3, 1, false),
        ("max3_padded_ceil", 3, 1, true),
        ("average2", 2, 0, false),
        ("average3_padded", 3, 1, false),
    ] {
        let geometry = PoolGeometry { window, stride: 2, padding, ceil };
        for size in ["8x9", "7x12"] {
            let layer = Layer::new(&format!("{name}_{size}"))?;
            let input = layer.maps("x")?;
            let mut output = Maps::new(&Arc::default(), geometry.output_shape(input.shape()));
            let (of_output, mut gradient) = (layer.maps("dy")?, layer.maps("x")?);
            if name.starts_with("max") {
                let places = max_pool_with_places(geometry, &input, &mut output);
                let mut alone = output.copy();
                max_pool(geometry, &input, &mut alone);
                assert!(alone.values() == output.values(), "{name}_{size}");
                max_pool_gradient(Activation::Linear, &places, &output, &of_output, &mut gradient);
                // Before an activation that made the input it is masked.
                let (relu, mut masked) = (Activation::Relu, layer.maps("x")?);
                max_pool_gradient(relu, &places, &output, &of_output, &mut masked);
                let mut expected = gradient.copy();
                relu.mask(input.values(), expected.values_mut());
                assert!(masked.values() == expected.values(), "{name}_{size}");
            } else {
                average_pool(geometry, &input, &mut output);
                average_pool_gradient(geometry, &of_output, &mut gradient);
            }
            layer.assert_close("y", output.values(), 1e-6)?;
            layer.assert_close("dx", gradient.values(), 1e-6)?;
        }
    }
    Ok(())
}

/// Of small maps, which one task computes each.
#[test]
fn depthwise_convolutions_are_the_same_on_any_number_of_threads() -> Result<()> {
    for (name, stride, padding, groups, activation) in CONVOLUTIONS {
        let layer = Layer::new(name)?;
        let convolution = layer.convolution(stride, padding, groups)?;
        let (input, of_output) = (layer.maps("x")?, layer.maps("dy")?);
        let run = || -> Result<Vec<u32>> {
            let output = layer.forward(&convolution, activation)?;
            let of_kernel = convolution.kernel_gradient(input.view(), of_output.view());
            Ok(output.values().iter().chain(&of_kernel).map(|value| value.to_bits()).collect())
        };
        let usual = run()?;
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            assert_eq!(pool.expect("a pool").install(run)?, usual, "{name} on {threads} threads");
        }
    }
    Ok(())
}

/// Output, gradient of the input and gradient of the kernel, by definition.
fn depthwise_by_definition(
    geometry: &ConvolutionGeometry,
    [input, kernel, gradient]: [&[f32]; 3],
) -> [Vec<f64>; 3] {
    let ConvolutionGeometry { height, width, kernel: side, stride, padding, .. } = *geometry;
    let (channels, columns) = (geometry.input_channels, geometry.output_width());
    let pixels = geometry.output_height() * columns;
    let mut exact = [vec![0.0; gradient.len()], vec![0.0; input.len()], vec![0.0; kernel.len()]];
    for (place, of_output) in gradient.iter().map(|value| f64::from(*value)).enumerate() {
        let (channel, pixel) = (place % channels, place / channels);
        let (image, row, column) = (pixel / pixels, pixel % pixels / columns, pixel % columns);
        for tap in 0..side * side {
            let y = (row * stride + tap / side).wrapping_sub(padding.top);
            let x = (column * stride + tap % side).wrapping_sub(padding.left);
            if y >= height || x >= width {
                continue;
            }
            let (at, weight) =
                (((image * height + y) * width + x) * channels + channel, tap * channels + channel);
            exact[0][place] += f64::from(input[at]) * f64::from(kernel[weight]);
            exact[1][at] += of_output * f64::from(kernel[weight]);
            exact[2][weight] += of_output * f64::from(input[at]);
        }
    }
    exact
}

/// Of maps that several tasks compute: an image's result depends neither on its batch nor on the
/// number of threads, and is the definition's.
#[test]
fn large_depthwise_maps_are_the_definition_in_any_batch_on_any_number_of_threads() {
    const BATCH: usize = 5;
    const CHANNELS: usize = 20;
    for (side, stride) in [(40, 1), (71, 2)] {
        let padding = Padding::same(side, side, 3, stride);
        let geometry = ConvolutionGeometry {
            height: side,
            width: side,
            input_channels: CHANNELS,
            output_channels: CHANNELS,
            kernel: 3,
            stride,
            padding,
            groups: CHANNELS,
        };
        let convolution = Convolution { geometry, algorithm: Algorithm::Direct };
        let (height, width) = (geometry.output_height(), geometry.output_width());
        assert!(height * width > 1024, "more than one task");
        let hashed = |count: usize, salt: usize| -> Vec<f32> {
            (0..count).map(|place| ((place + salt) * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
        };
        let maps = |values: &[f32], [height, width]: [usize; 2]| {
            let batch = values.len() / (height * width * CHANNELS);
            let mut maps = Maps::new(&Arc::default(), [batch, height, width, CHANNELS]);
            maps.values_mut().copy_from_slice(values);
            maps
        };
        let input = hashed(BATCH * side * side * CHANNELS, 1);
        let of_output = hashed(BATCH * height * width * CHANNELS, 2);
        let kernel = hashed(9 * CHANNELS, 3);
        let run = |input: &[f32], of_output: &[f32]| -> [Vec<f32>; 3] {
            let (input, of_output) = (maps(input, [side; 2]), maps(of_output, [height, width]));
            let mut output = Maps::new(&Arc::default(), of_output.shape());
            let mut of_input = Maps::new(&Arc::default(), input.shape());
            let (bias, linear) = ([0.0; CHANNELS], Activation::Linear);
            let prepared = convolution.prepare(&kernel);
            convolution.forward(input.view(), &prepared, &bias, linear, &mut output, 0);
            let prepared = convolution.prepare_for_input_gradient(&kernel);
            let overwrite = Accumulate::Overwrite;
            convolution.input_gradient(of_output.view(), &prepared, overwrite, &mut of_input);
            let of_kernel = convolution.kernel_gradient(input.view(), of_output.view());
            [output.values().to_vec(), of_input.values().to_vec(), of_kernel]
        };
        let usual = run(&input, &of_output);
        let exact = depthwise_by_definition(&geometry, [&input, &kernel, &of_output]);
        for (found, exact) in usual.iter().zip(&exact) {
            let square = |value: f64| value * value;
            let norm: f64 = exact.iter().map(|value| square(*value)).sum();
            let pairs = found.iter().zip(exact);
            let distance: f64 = pairs.map(|(a, b)| square(f64::from(*a) - b)).sum();
            assert!((distance / norm).sqrt() < 2e-6, "{side} at {stride}: {distance:e}");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let found = pool.expect("a pool").install(|| run(&input, &of_output));
            assert_eq!(found, usual, "{side} at {stride} on {threads} threads");
        }
        let alone = run(&input[..side * side * CHANNELS], &of_output[..height * width * CHANNELS]);
        assert_eq!(alone[0], usual[0][..alone[0].len()], "{side} at {stride}, an image alone");
        assert_eq!(alone[1], usual[1][..alone[1].len()], "{side} at {stride}, an image alone");
    }
}
