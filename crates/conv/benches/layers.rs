//! The operations alone, at shapes that the bases have, in batches of 20.

mod layer;

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use thaw_conv::{
    Accumulate, Activation, Algorithm, Maps, max_pool, max_pool_gradient, max_pool_with_places,
};

use layer::{DEPTHWISE, Layer, Shape, layer, pool};

const BATCH: usize = 20;

const SHAPES: [Shape; 38] = [
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
    (36, 16, 64, 1, 1, 0),
    (36, 16, 64, 3, 1, 1),
    (36, 32, 128, 3, 1, 1),
    (18, 384, 48, 1, 1, 0),
    (18, 48, 192, 1, 1, 0),
    (18, 48, 192, 3, 1, 1),
    (9, 64, 256, 3, 1, 1),
    // ResNet-18 at 150×150.
    (150, 3, 64, 7, 2, 3),
    (38, 64, 128, 3, 2, 1),
    (38, 64, 128, 1, 2, 0),
    (5, 512, 512, 3, 1, 1),
    // MobileNetV2 and EfficientNet-Lite0 at 150×150.
    (150, 3, 32, 3, 2, 1),
    (75, 32, 16, 1, 1, 0),
    (75, 16, 96, 1, 1, 0),
    (38, 24, 144, 1, 1, 0),
    (38, 144, 24, 1, 1, 0),
    (10, 384, 64, 1, 1, 0),
    (10, 96, 576, 1, 1, 0),
    (5, 960, 160, 1, 1, 0),
    (5, 320, 1280, 1, 1, 0),
    (75, 32, 32, 3, 1, DEPTHWISE + 1),
    (75, 96, 96, 3, 2, DEPTHWISE + 1),
    (38, 144, 144, 5, 2, DEPTHWISE + 2),
    (10, 480, 480, 5, 1, DEPTHWISE + 2),
    (10, 576, 576, 3, 1, DEPTHWISE + 1),
];

fn main() {
    divan::main();
}

/// The shapes with each algorithm that applies to them.
fn cases() -> impl Iterator<Item = (Algorithm, Shape)> {
    let algorithms = [
        Algorithm::Direct,
        Algorithm::WinogradTwo,
        Algorithm::WinogradThree,
        Algorithm::WinogradSix,
        Algorithm::WinogradThreeBfloat16,
    ];
    let applies = |algorithm: Algorithm, (_, inputs, _, kernel, stride, padding): Shape| {
        algorithm == Algorithm::Direct
            || (kernel, stride) == (3, 1) && inputs.is_multiple_of(16) && padding < DEPTHWISE
    };
    SHAPES
        .into_iter()
        .flat_map(move |shape| algorithms.map(|algorithm| (algorithm, shape)))
        .filter(move |&(algorithm, shape)| applies(algorithm, shape))
}

/// An algorithm on a shape.
struct Case((Algorithm, Shape));

impl Case {
    fn layer(&self) -> Layer {
        layer(self.0.0, self.0.1, BATCH)
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {:?}", self.0.1, self.0.0)
    }
}

#[divan::bench(args = cases().map(Case), sample_count = 9)]
fn forward(bencher: Bencher<'_, '_>, case: &Case) {
    let Layer { convolution, input, kernel, bias, mut output } = case.layer();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let kernel = convolution.prepare(&kernel);
        convolution.forward(input.view(), &kernel, &bias, Activation::Relu, &mut output, 0);
    });
}

#[divan::bench(args = cases().map(Case), sample_count = 9)]
fn input_gradient(bencher: Bencher<'_, '_>, case: &Case) {
    let Layer { convolution, mut input, kernel, output, .. } = case.layer();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let kernel = convolution.prepare_for_input_gradient(&kernel);
        convolution.input_gradient(output.view(), &kernel, Accumulate::Overwrite, &mut input);
    });
}

#[divan::bench(args = cases().map(Case), sample_count = 9)]
fn kernel_gradient(bencher: Bencher<'_, '_>, case: &Case) {
    let Layer { convolution, input, output, .. } = case.layer();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| convolution.kernel_gradient(input.view(), output.view()));
}

#[divan::bench(args = cases().map(Case), sample_count = 9)]
fn activation_gradient(bencher: Bencher<'_, '_>, case: &Case) {
    let Layer { bias, mut output, .. } = case.layer();
    let forward = output.values().to_vec();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| Activation::Relu.gradient(&forward, output.values_mut(), bias.len()));
}

/// A max-pool: side of the image, channels, window.
#[divan::bench(args = [(48, 16, 2), (150, 64, 2), (72, 96, 3)], sample_count = 9)]
fn max_pool_forward(bencher: Bencher<'_, '_>, (size, channels, window): (usize, usize, usize)) {
    let (geometry, input, mut output) = pool(size, channels, window, BATCH);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| max_pool(geometry, &input, &mut output));
}

#[divan::bench(args = [(48, 16, 2), (150, 64, 2), (72, 96, 3)], sample_count = 9)]
fn max_pool_forward_with_places(
    bencher: Bencher<'_, '_>,
    (size, channels, window): (usize, usize, usize),
) {
    let (geometry, input, mut output) = pool(size, channels, window, BATCH);
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| max_pool_with_places(geometry, &input, &mut output));
}

#[divan::bench(args = [(48, 16, 2), (150, 64, 2), (72, 96, 3)], sample_count = 9)]
fn max_pool_backward(bencher: Bencher<'_, '_>, (size, channels, window): (usize, usize, usize)) {
    let (geometry, input, mut output) = pool(size, channels, window, BATCH);
    let places = max_pool_with_places(geometry, &input, &mut output);
    let mut gradient = Maps::new(&Arc::default(), input.shape());
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        max_pool_gradient(Activation::Linear, &places, &output, &output, &mut gradient)
    });
}
