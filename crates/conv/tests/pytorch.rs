//! The operations against PyTorch's values, written by `tools/golden/layers.py`.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor, Var, safetensors};
use thaw_conv::{Activation, Algorithm, PoolGeometry, convolution, dense, max_pool};

fn fixtures() -> HashMap<String, Tensor> {
    safetensors::load(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers.safetensors"), &Device::Cpu)
        .expect("fixtures are readable")
}

/// ‖a − b‖ / ‖b‖ over all elements.
fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let difference = (a - b).and_then(|d| d.sqr()?.sum_all()?.to_scalar::<f32>()).expect("same shapes");
    let norm = b.sqr().and_then(|b| b.sum_all()?.to_scalar::<f32>()).expect("floats");
    f64::from(difference / norm).sqrt()
}

#[track_caller]
fn assert_close(name: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let error = relative_error(actual, expected);
    assert!(error <= tolerance, "{name}: relative error {error:.2e} exceeds {tolerance:.0e}");
}

fn check_affine(name: &str, apply: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>) -> Result<()> {
    let all = fixtures();
    let get = |key: &str| &all[&format!("{name}.{key}")];
    let (x, w, b) = (Var::from_tensor(get("x"))?, Var::from_tensor(get("w"))?, Var::from_tensor(get("b"))?);
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
fn convolutions_and_their_gradients_agree_with_pytorch() -> Result<()> {
    for (name, stride, padding) in [("conv3x3", 1, 1), ("conv3x3_wide", 1, 1), ("conv1x1", 1, 0), ("conv7x7_stride2", 2, 0)] {
        check_affine(name, |x, w, b| convolution(x, w, b, stride, padding, Activation::Relu, Algorithm::Direct))?;
    }
    Ok(())
}

#[test]
fn dense_layers_and_their_gradients_agree_with_pytorch() -> Result<()> {
    check_affine("dense_relu", |x, w, b| dense(x, w, b, Activation::Relu))?;
    check_affine("dense_linear", |x, w, b| dense(x, w, b, Activation::Linear))
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
        let x = Var::from_tensor(get("x"))?;
        let y = max_pool(&x, PoolGeometry { window, stride: 2, ceil })?;
        assert_close(name, &y, get("y"), 0.0);
        let gradients = (y * get("dy"))?.sum_all()?.backward()?;
        assert_close(name, gradients.get(&x).expect("a gradient"), get("dx"), 1e-7);
    }
    Ok(())
}

/// Candle's own operations are the reason for this crate. When these assertions fail, Candle has mended them.
#[test]
fn candles_own_max_pool_and_relu_still_have_wrong_gradients() -> Result<()> {
    let x = Var::from_tensor(&Tensor::arange(1f32, 17., &Device::Cpu)?.reshape((1, 1, 4, 4))?)?;
    let gradient = x.max_pool2d(2)?.sum_all()?.backward()?.get(&x).expect("a gradient").flatten_all()?.to_vec1::<f32>()?;
    assert!(gradient.iter().sum::<f32>() < 4.0, "PyTorch's gradient has a one under each of the four maxima");
    let zero = Var::new(0f32, &Device::Cpu)?;
    let gradient = zero.relu()?.backward()?.get(&zero).expect("a gradient").to_scalar::<f32>()?;
    assert!(gradient != 0.0, "PyTorch's gradient of ReLU at zero is zero");
    Ok(())
}

#[test]
fn an_images_result_depends_neither_on_its_batch_nor_on_the_number_of_threads() -> Result<()> {
    let all = fixtures();
    let get = |key: &str| &all[&format!("conv3x3_wide.{key}")];
    let run = |x: &Tensor| convolution(x, get("w"), get("b"), 1, 1, Activation::Relu, Algorithm::Direct);
    let both = run(get("x"))?;
    let second = run(&get("x").narrow(0, 1, 1)?)?;
    let bits = |tensor: &Tensor| -> Result<Vec<u32>> { Ok(tensor.flatten_all()?.to_vec1::<f32>()?.iter().map(|v| v.to_bits()).collect()) };
    assert_eq!(bits(&both.narrow(0, 1, 1)?)?, bits(&second)?);
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        assert_eq!(pool.install(|| run(get("x")).and_then(|y| bits(&y)))?, bits(&both)?, "{threads} threads");
    }
    Ok(())
}

#[test]
fn what_is_not_trained_gets_no_gradient() -> Result<()> {
    let all = fixtures();
    let get = |key: &str| &all[&format!("conv3x3.{key}")];
    let bias = Var::from_tensor(get("b"))?;
    let gradients = convolution(get("x"), get("w"), &bias, 1, 1, Activation::Relu, Algorithm::Direct)?.sum_all()?.backward()?;
    assert!(gradients.get(&bias).is_some());
    assert!(gradients.get(get("w")).is_none() && gradients.get(get("x")).is_none());
    Ok(())
}
