//! Images per second of the bases at 150×150 in batches of 20, forward and forward with backward, and steps of the head.

use std::path::Path;

use candle_core::{Device, Tensor};
use candle_nn::Optimizer as _;
use divan::counter::ItemsCount;
use safetensors::tensor::{Dtype, TensorView};
use thaw_model::{Base, Head, Layer, Loss, Mode, RmsProp, Weights, blocks};
use thaw_spec::{Architecture, EpsilonPosition, Optimizer};

const BATCH: usize = 20;
const SIZE: usize = 150;

fn main() {
    divan::main();
}

fn base(architecture: Architecture) -> (Base, Tensor) {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for layer in blocks(architecture).iter().flatten() {
        let mut convolution = |name: String, inputs: usize, outputs: usize, kernel: usize| {
            for (suffix, shape) in [("weight", vec![outputs, inputs, kernel, kernel]), ("bias", vec![outputs])] {
                let count: usize = shape.iter().product();
                let values = (0..count).flat_map(|index| (((index * 37 % 101) as f32 - 50.0) * 1e-3).to_le_bytes()).collect();
                tensors.push((format!("{name}.{suffix}"), shape, values));
            }
        };
        match layer {
            Layer::Convolution { name, inputs, outputs, kernel, .. } => convolution(name.clone(), *inputs, *outputs, *kernel),
            Layer::Fire { name, inputs, squeeze, expand } => {
                convolution(format!("{name}.squeeze"), *inputs, *squeeze, 1);
                convolution(format!("{name}.expand1x1"), *squeeze, *expand, 1);
                convolution(format!("{name}.expand3x3"), *squeeze, *expand, 3);
            }
            Layer::MaxPool(_) => {}
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape.clone(), data).expect("the data fills the shape")));
    let bytes = safetensors::serialize(views, None).expect("serializable");
    let weights = Weights::from_bytes(Path::new("bench"), &bytes, architecture).expect("weights");
    let pixels: Vec<f32> = (0..BATCH * SIZE * SIZE * 3).map(|index| (index % 251) as f32 / 251.0).collect();
    let input = Tensor::from_vec(pixels, (BATCH, SIZE, SIZE, 3), &Device::Cpu).expect("a tensor");
    (Base::new(architecture, &weights, 0, &Device::Cpu).expect("a base"), input)
}

#[divan::bench(args = [Architecture::Squeezenet1_0, Architecture::Vgg16], sample_count = 5, sample_size = 1)]
fn forward(bencher: divan::Bencher<'_, '_>, architecture: Architecture) {
    let (base, input) = base(architecture);
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| base.forward(&input, 0..architecture.blocks(), Mode::Evaluation).expect("activations"));
}

#[divan::bench(args = [Architecture::Squeezenet1_0, Architecture::Vgg16], sample_count = 5, sample_size = 1)]
fn forward_and_backward(bencher: divan::Bencher<'_, '_>, architecture: Architecture) {
    let (base, input) = base(architecture);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let output = base.forward(&input, 0..architecture.blocks(), Mode::Training).expect("activations");
        output.sqr().and_then(|square| square.mean_all()?.backward()).expect("gradients")
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn head_step(bencher: divan::Bencher<'_, '_>) {
    let head = Head::new(8192, 256, Loss::Binary, |_| || 0.4, &Device::Cpu).expect("a head");
    let settings = Optimizer { learning_rate: 2e-5, rho: 0.9, epsilon: 1e-8, epsilon_position: EpsilonPosition::OutsideRoot };
    let mut optimizer = RmsProp::new(head.variables().map(|(_, variable)| variable.clone()).to_vec(), settings).expect("an optimizer");
    let features = Tensor::ones((BATCH, 8192), candle_core::DType::F32, &Device::Cpu).expect("a tensor");
    let labels = [0, 1].repeat(BATCH / 2);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let logits = head.forward(&features, None, Mode::Training).expect("logits");
        let loss = Loss::Binary.per_image(&logits, &labels).and_then(|losses| losses.mean_all()).expect("a loss");
        optimizer.backward_step(&loss).expect("a step");
    });
}
