//! Images per second of the bases at 150×150 in batches of 20, forward and forward with backward,
//! and steps of the head.

use std::path::Path;

use candle_core::{Device, Tensor};

use divan::counter::ItemsCount;
use thaw_model::{
    Base, Gradients, Head, Initial, Loss, Optimizer, TensorSpec, Weights, weights_file,
};
use thaw_spec::{Architecture, ConvolutionAlgorithm, EpsilonPosition, Initializer, RmsProp};

const BATCH: usize = 20;
const SIZE: usize = 150;
const BASES: [Architecture; 5] = [
    Architecture::Squeezenet1_0,
    Architecture::Vgg16,
    Architecture::Resnet18,
    Architecture::MobilenetV2,
    Architecture::EfficientnetLite0,
];

fn main() {
    // As the program does.
    thaw_model::keep_freed_memory();
    divan::main();
}

fn base(architecture: Architecture, frozen_blocks: usize) -> (Base, Tensor) {
    let values = |_, TensorSpec { shape, initial, .. }: &TensorSpec| {
        if let Initial::Constant(value) = *initial {
            return vec![value; shape.iter().product()];
        }
        (0..shape.iter().product())
            .map(|index: usize| ((index * 37 % 101) as f32 - 50.0) * 1e-3)
            .collect()
    };
    let bytes = weights_file(architecture, values).expect("values fill their shapes");
    let weights = Weights::from_bytes(Path::new("bench"), &bytes, architecture).expect("weights");
    let pixels: Vec<f32> =
        (0..BATCH * SIZE * SIZE * 3).map(|index| (index % 251) as f32 / 251.0).collect();
    let input = Tensor::from_vec(pixels, (BATCH, SIZE, SIZE, 3), &Device::Cpu).expect("a tensor");
    (
        Base::new(
            architecture,
            ConvolutionAlgorithm::WinogradF3,
            &weights,
            frozen_blocks,
            &Device::Cpu,
        )
        .expect("a base"),
        input,
    )
}

#[divan::bench(args = BASES, sample_count = 5, sample_size = 1)]
fn forward(bencher: divan::Bencher<'_, '_>, architecture: Architecture) {
    let (base, input) = base(architecture, architecture.blocks());
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| base.forward(&input, 0..architecture.blocks()).expect("activations"));
}

#[divan::bench(args = BASES, sample_count = 5, sample_size = 1)]
fn forward_and_backward(bencher: divan::Bencher<'_, '_>, architecture: Architecture) {
    let (base, input) = base(architecture, 0);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let (output, tape) =
            base.forward_on_tape(&input, 0..architecture.blocks()).expect("activations");
        let mut gradients =
            output.sqr().and_then(|square| Gradients::of(&square.mean_all()?)).expect("gradients");
        tape.backward(&mut gradients).expect("gradients");
        gradients
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn head_step(bencher: divan::Bencher<'_, '_>) {
    let head =
        Head::new(8192, 256, Loss::Binary, Initializer::GlorotUniform, |_| || 0.4, &Device::Cpu)
            .expect("a head");
    let settings = RmsProp {
        learning_rate: 2e-5,
        rho: 0.9,
        epsilon: 1e-8,
        epsilon_position: EpsilonPosition::OutsideRoot,
    };
    let mut optimizer = Optimizer::new(
        head.variables().into_iter().map(|(_, variable)| variable.clone()).collect(),
        settings,
    )
    .expect("an optimizer");
    let features =
        Tensor::ones((BATCH, 8192), candle_core::DType::F32, &Device::Cpu).expect("a tensor");
    let labels = [0, 1].repeat(BATCH / 2);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let (logits, tape) = head.forward_on_tape(&features, None).expect("logits");
        let loss = Loss::Binary
            .per_image(&logits, &labels, 0.0)
            .and_then(|losses| losses.mean_all())
            .expect("a loss");
        let mut gradients = Gradients::of(&loss).expect("gradients");
        tape.backward(&mut gradients).expect("gradients");
        optimizer.apply(&gradients).expect("a step");
    });
}
