//! The operations against PyTorch's values, written by `tools/golden/layers.py`.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor, Var, safetensors};
use thaw_conv::{
    Accumulate, Activation, Algorithm, Convolution, ConvolutionGeometry, Maps, Padding,
    PoolGeometry, dense, max_pool, max_pool_gradient, max_pool_with_places,
};

fn fixtures() -> HashMap<String, Tensor> {
    safetensors::load(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers.safetensors"),
        &Device::Cpu,
    )
    .expect("fixtures are readable")
}

/// ‖a − b‖ / ‖b‖ over all elements.
fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let difference =
        (a - b).and_then(|d| d.sqr()?.sum_all()?.to_scalar::<f32>()).expect("same shapes");
    let norm = b.sqr().and_then(|b| b.sum_all()?.to_scalar::<f32>()).expect("floats");
    f64::from(difference / norm).sqrt()
}

#[track_caller]
fn assert_close(name: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let error = relative_error(actual, expected);
    assert!(error <= tolerance, "{name}: relative error {error:.2e} exceeds {tolerance:.0e}");
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn maps(tensor: &Tensor) -> Result<Maps> {
    let (batch, height, width, channels) = tensor.dims4()?;
    let mut maps = Maps::new(&Arc::default(), [batch, height, width, channels]);
    maps.values_mut().copy_from_slice(&values(tensor)?);
    Ok(maps)
}

fn tensor(values: &[f32], like: &Tensor) -> Result<Tensor> {
    Tensor::from_slice(values, like.shape(), &Device::Cpu)
}

fn convolution_of(
    x: &Tensor,
    w: &Tensor,
    stride: usize,
    padding: usize,
    algorithm: Algorithm,
) -> Result<Convolution> {
    let (_, height, width, input_channels) = x.dims4()?;
    let (kernel, _, _, output_channels) = w.dims4()?;
    let geometry = ConvolutionGeometry {
        height,
        width,
        input_channels,
        output_channels,
        kernel,
        stride,
        padding: Padding::symmetric(padding),
        groups: 1,
    };
    Ok(Convolution { geometry, algorithm })
}

#[test]
fn convolutions_and_their_gradients_agree_with_pytorch() -> Result<()> {
    let all = fixtures();
    let layers =
        [("conv3x3", 1, 1), ("conv3x3_wide", 1, 1), ("conv1x1", 1, 0), ("conv7x7_stride2", 2, 0)];
    // Winograd's algorithms take multiples of 16 channels, which these have not; `precision.rs`
    // compares them with the definition.
    for (name, stride, padding) in layers {
        let get = |key: &str| &all[&format!("{name}.{key}")];
        let convolution = convolution_of(get("x"), get("w"), stride, padding, Algorithm::Direct)?;
        let (input, kernel, mut output) = (maps(get("x"))?, values(get("w"))?, maps(get("y"))?);
        output.values_mut().fill(f32::NAN);
        convolution.forward(
            input.view(),
            &convolution.prepare(&kernel),
            &values(get("b"))?,
            Activation::Relu,
            &mut output,
            0,
        );
        assert_close(
            &format!("{name} output"),
            &tensor(output.values(), get("y"))?,
            get("y"),
            1e-6,
        );
        let mut gradient = maps(get("dy"))?;
        let of_bias =
            Activation::Relu.gradient(output.values(), gradient.values_mut(), output.shape()[3]);
        assert_close(&format!("{name} db"), &tensor(&of_bias, get("b"))?, get("db"), 2e-6);
        let of_kernel = convolution.kernel_gradient(input.view(), gradient.view());
        assert_close(&format!("{name} dw"), &tensor(&of_kernel, get("w"))?, get("dw"), 2e-6);
        let mut of_input = maps(get("x"))?;
        convolution.input_gradient(
            gradient.view(),
            &convolution.prepare_for_input_gradient(&kernel),
            Accumulate::Overwrite,
            &mut of_input,
        );
        assert_close(&format!("{name} dx"), &tensor(of_input.values(), get("x"))?, get("dx"), 2e-6);
    }
    Ok(())
}

fn check_affine(
    name: &str,
    apply: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
) -> Result<()> {
    let all = fixtures();
    let get = |key: &str| &all[&format!("{name}.{key}")];
    let (x, w, b) =
        (Var::from_tensor(get("x"))?, Var::from_tensor(get("w"))?, Var::from_tensor(get("b"))?);
    let y = apply(&x, &w, &b)?;
    assert_close(&format!("{name} output"), &y, get("y"), 1e-6);
    let gradients = (y * get("dy"))?.sum_all()?.backward()?;
    for (variable, key) in [(&x, "dx"), (&w, "dw"), (&b, "db")] {
        let gradient = gradients.get(variable).expect("every argument has a gradient");
        assert_close(&format!("{name} {key}"), gradient, get(key), 2e-6);
    }
    Ok(())
}

#[test]
fn dense_layers_and_their_gradients_agree_with_pytorch() -> Result<()> {
    check_affine("dense_relu", |x, w, b| dense(x, w, b, Activation::Relu))?;
    check_affine("dense_linear", |x, w, b| dense(x, w, b, Activation::Linear))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn max_pools_and_their_gradients_are_exactly_pytorchs() -> Result<()> {
    let all = fixtures();
    for (name, window, ceil) in [
        ("pool2", 2, false),
        ("pool2_odd", 2, false),
        ("pool3_stride2_ceil", 3, true),
        ("pool3_stride2_ceil_odd", 3, true),
        ("pool_ties", 3, true),
    ] {
        let get = |key: &str| &all[&format!("{name}.{key}")];
        let geometry = PoolGeometry { window, stride: 2, padding: 0, ceil };
        let input = maps(get("x"))?;
        let mut output = Maps::new(&Arc::default(), geometry.output_shape(input.shape()));
        let places = max_pool_with_places(geometry, &input, &mut output);
        let mut alone = output.copy();
        max_pool(geometry, &input, &mut alone);
        assert!(bits(alone.values()) == bits(output.values()), "{name}");
        assert_close(name, &tensor(output.values(), get("y"))?, get("y"), 0.0);
        let mut gradient = maps(get("x"))?;
        let of_output = maps(get("dy"))?;
        let linear = Activation::Linear;
        max_pool_gradient(linear, &places, &output, &of_output, &mut gradient);
        assert_close(name, &tensor(gradient.values(), get("x"))?, get("dx"), 1e-7);
        // Before an activation that made the input it is masked, to the last bit.
        for activation in [Activation::Relu, Activation::Relu6] {
            activation.mask(input.values(), gradient.values_mut());
            let mut masked = maps(get("x"))?;
            max_pool_gradient(activation, &places, &output, &of_output, &mut masked);
            assert!(bits(masked.values()) == bits(gradient.values()), "{name}, {activation:?}");
        }
    }
    Ok(())
}

/// Values at both of the kinks that an activation has, and between them.
#[test]
fn a_pools_gradient_before_an_activation_is_the_masked_gradient() {
    let geometry = PoolGeometry { window: 3, stride: 2, padding: 1, ceil: true };
    let mut input = Maps::new(&Arc::default(), [2, 7, 8, 5]);
    // In some channels all are below zero, in the others many are above six.
    let least = |index: usize| if index % 5 < 2 { -20.0 } else { -3.0 };
    let numbers = (0..)
        .map(|index: usize| ((index * 7919 % 101) as f32 / 8.0 + least(index)).clamp(0.0, 6.0));
    input.values_mut().iter_mut().zip(numbers).for_each(|(value, number)| *value = number);
    let mut output = Maps::new(&Arc::default(), geometry.output_shape(input.shape()));
    let places = max_pool_with_places(geometry, &input, &mut output);
    assert!([0.0, 6.0].iter().all(|kink| output.values().contains(kink)));
    let mut of_output = output.copy();
    of_output.values_mut().fill(1.0);
    let [mut expected, mut masked] = [(), ()].map(|()| input.copy());
    for activation in [Activation::Relu, Activation::Relu6] {
        max_pool_gradient(Activation::Linear, &places, &output, &of_output, &mut expected);
        activation.mask(input.values(), expected.values_mut());
        max_pool_gradient(activation, &places, &output, &of_output, &mut masked);
        assert!(bits(masked.values()) == bits(expected.values()), "{activation:?}");
    }
}

/// As in PyTorch, the last value that is no number counts as the largest.
#[test]
fn a_pool_passes_on_what_is_no_number() {
    let geometry = PoolGeometry { window: 2, stride: 2, padding: 0, ceil: false };
    let mut input = Maps::new(&Arc::default(), [1, 2, 2, 1]);
    input.values_mut().copy_from_slice(&[1.0, f32::NAN, 2.0, f32::NAN]);
    let mut output = Maps::new(&Arc::default(), [1, 1, 1, 1]);
    let places = max_pool_with_places(geometry, &input, &mut output);
    assert!(output.values()[0].is_nan());
    let mut of_output = output.copy();
    of_output.values_mut().fill(3.0);
    let mut gradient = input.copy();
    max_pool_gradient(Activation::Linear, &places, &output, &of_output, &mut gradient);
    assert_eq!(gradient.values(), [0.0, 0.0, 0.0, 3.0]);
}

/// Windows that leave pixels between them; PyTorch's fixtures have none.
#[test]
fn pixels_between_the_windows_of_a_pool_have_no_gradient() {
    let geometry = PoolGeometry { window: 2, stride: 3, padding: 1, ceil: false };
    let mut input = Maps::new(&Arc::default(), [2, 7, 8, 5]);
    let numbers = (0..).map(|index: usize| (index * 7919 % 101) as f32 - 50.0);
    input.values_mut().iter_mut().zip(numbers).for_each(|(value, number)| *value = number);
    let mut output = Maps::new(&Arc::default(), geometry.output_shape(input.shape()));
    assert_eq!(output.shape(), [2, 3, 3, 5]);
    let places = max_pool_with_places(geometry, &input, &mut output);
    let mut of_output = output.copy();
    of_output.values_mut().fill(1.0);
    let mut gradient = input.copy();
    max_pool_gradient(Activation::Linear, &places, &output, &of_output, &mut gradient);
    // Windows hold rows and columns 0, 2 and 3, 5 and 6.
    let is_inside = |position: usize| position % 3 != 1;
    for (pixel, values) in gradient.values().chunks_exact(5).enumerate() {
        let (row, column) = (pixel / 8 % 7, pixel % 8);
        let has_window = is_inside(row) && is_inside(column);
        assert!(values.iter().all(|value| has_window || *value == 0.0), "{row}, {column}");
    }
    assert_eq!(gradient.values().iter().sum::<f32>(), 2.0 * 9.0 * 5.0);
}

/// Candle's own operations are the reason for this crate. When these assertions fail, Candle has
/// mended them.
#[test]
fn candles_own_max_pool_and_relu_still_have_wrong_gradients() -> Result<()> {
    let x = Var::from_tensor(&Tensor::arange(1f32, 17., &Device::Cpu)?.reshape((1, 1, 4, 4))?)?;
    let gradient = x
        .max_pool2d(2)?
        .sum_all()?
        .backward()?
        .get(&x)
        .expect("a gradient")
        .flatten_all()?
        .to_vec1::<f32>()?;
    assert!(
        gradient.iter().sum::<f32>() < 4.0,
        "PyTorch's gradient has a one under each of the four maxima"
    );
    let zero = Var::new(0f32, &Device::Cpu)?;
    let gradient = zero.relu()?.backward()?.get(&zero).expect("a gradient").to_scalar::<f32>()?;
    assert!(gradient != 0.0, "PyTorch's gradient of ReLU at zero is zero");
    Ok(())
}

#[test]
fn what_is_not_trained_gets_no_gradient() -> Result<()> {
    let all = fixtures();
    let get = |key: &str| &all[&format!("dense_relu.{key}")];
    let bias = Var::from_tensor(get("b"))?;
    let gradients = dense(get("x"), get("w"), &bias, Activation::Relu)?.sum_all()?.backward()?;
    assert!(gradients.get(&bias).is_some());
    assert!(gradients.get(get("w")).is_none() && gradients.get(get("x")).is_none());
    Ok(())
}
