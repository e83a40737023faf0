//! The operations alone, at shapes that the bases have, in batches of 20.

use candle_core::{DType, Device, Tensor, Var};
use divan::Bencher;
use divan::counter::ItemsCount;
use thaw_conv::{Activation, Algorithm, PoolGeometry, convolution, max_pool};

const BATCH: usize = 20;

/// Side of the image, input channels, output channels, side of the kernel, stride, padding.
type Shape = (usize, usize, usize, usize, usize, usize);

const SHAPES: [Shape; 14] = [
    // The mini VGG at 48×48.
    (48, 3, 16, 3, 1, 1),
    (48, 16, 16, 3, 1, 1),
    (24, 16, 32, 3, 1, 1),
    (24, 32, 32, 3, 1, 1),
    (12, 64, 64, 3, 1, 1),
    (6, 64, 128, 3, 1, 1),
    // VGG16 at 150×150.
    (150, 64, 64, 3, 1, 1),
    (75, 128, 128, 3, 1, 1),
    (37, 256, 256, 3, 1, 1),
    (18, 512, 512, 3, 1, 1),
    (9, 512, 512, 3, 1, 1),
    // SqueezeNet at 150×150.
    (150, 3, 96, 7, 2, 0),
    (36, 128, 16, 1, 1, 0),
    (36, 16, 64, 3, 1, 1),
];

fn main() {
    divan::main();
}

fn algorithm() -> Algorithm {
    match std::env::var("ALGO").as_deref() {
        Ok("0") => Algorithm::Direct,
        Ok("2") => Algorithm::WinogradTwo,
        _ => Algorithm::WinogradThree,
    }
}

fn values(shape: &[usize]) -> Tensor {
    let numbers: Vec<f32> = (0..shape.iter().product::<usize>()).map(|index| (index * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).expect("a tensor")
}

fn tensors((size, inputs, outputs, kernel, ..): Shape) -> (Tensor, Var, Var) {
    thaw_conv::keep_freed_memory();
    let kernel = Var::from_tensor(&values(&[kernel, kernel, inputs, outputs])).expect("a variable");
    (values(&[BATCH, size, size, inputs]), kernel, Var::zeros(outputs, DType::F32, &Device::Cpu).expect("a variable"))
}

#[divan::bench(args = SHAPES, sample_count = 7)]
fn convolution_forward(bencher: Bencher<'_, '_>, shape: Shape) {
    let (input, kernel, bias) = tensors(shape);
    let (kernel, bias) = (kernel.as_detached_tensor(), bias.as_detached_tensor());
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| convolution(&input, &kernel, &bias, shape.4, shape.5, Activation::Relu, algorithm()).expect("an output"));
}

#[divan::bench(args = SHAPES, sample_count = 7)]
fn convolution_forward_and_backward(bencher: Bencher<'_, '_>, shape: Shape) {
    let (input, kernel, bias) = tensors(shape);
    let input = Var::from_tensor(&input).expect("a variable");
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let output = convolution(&input, &kernel, &bias, shape.4, shape.5, Activation::Relu, algorithm()).expect("an output");
        output.backward().expect("gradients")
    });
}

#[divan::bench(args = [(48, 16), (150, 64)], sample_count = 7)]
fn max_pool_forward_and_backward(bencher: Bencher<'_, '_>, (size, channels): (usize, usize)) {
    let input = Var::from_tensor(&values(&[BATCH, size, size, channels])).expect("a variable");
    let halve = PoolGeometry { window: 2, stride: 2, ceil: false };
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| max_pool(&input, halve).and_then(|output| output.backward()).expect("gradients"));
}
