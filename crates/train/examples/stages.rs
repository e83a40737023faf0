//! Runs one stage of the work per line of standard input and prints the seconds it took, so that
//! another program can time its own stages in turn. `tools/bench/versus_pytorch.py` does.
//!
//! Stages: `BASE forward`, `BASE evaluate`, `BASE train` (a batch of 20 at 150×150, by a frozen base of any name and
//! by one that is trained as a whole, without and with training it; `bfloat16` or `f6` behind it chooses that algorithm), `head epoch`, `augment`, `decode FOLDER`, `copy`; and `peak`, which prints the process's peak memory in MiB.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use thaw_data::{Dataset, Folder, Purpose, Stream, Transform, resize};
use thaw_model::{
    Base, Gradients, Head, Initial, Loss, Optimizer, TensorSpec, Weights, weights_file,
};
use thaw_spec::{
    Architecture, Augmentation, ConvolutionAlgorithm, EpsilonPosition, Initializer, Resize,
    RmsProp, Split, TransformCenter,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BATCH: usize = 20;
const SIZE: usize = 150;
/// The head's epoch: images, features, units.
const HEAD: (usize, usize, usize) = (2000, 8192, 256);
/// Images per call of the stages that prepare images.
const IMAGES: usize = 500;
const SETTINGS: RmsProp = RmsProp {
    learning_rate: 2e-5,
    rho: 0.9,
    epsilon: 1e-8,
    epsilon_position: EpsilonPosition::OutsideRoot,
};

/// A base with everything a step needs.
struct Network {
    base: Base,
    blocks: usize,
    optimizer: Optimizer,
    input: Tensor,
}

impl Network {
    fn new(
        architecture: Architecture,
        convolution: ConvolutionAlgorithm,
        is_trained: bool,
    ) -> Outcome<Self> {
        let values = |_, TensorSpec { shape, initial, .. }: &TensorSpec| {
            if let Initial::Constant(value) = *initial {
                return vec![value; shape.iter().product()];
            }
            let scale = (6.0 / shape[1..].iter().product::<usize>().max(1) as f64).sqrt();
            (0..shape.iter().product())
                .map(|index: usize| (((index * 7919 % 1009) as f64 / 504.5 - 1.0) * scale) as f32)
                .collect()
        };
        let bytes = weights_file(architecture, values)?;
        let weights = Weights::from_bytes(Path::new("stages"), &bytes, architecture)?;
        let blocks = architecture.blocks();
        let frozen = if is_trained { 0 } else { blocks };
        let base = Base::new(architecture, convolution, &weights, frozen, &Device::Cpu)?;
        let variables =
            base.parameters().iter().filter_map(|parameter| parameter.trained().cloned()).collect();
        let pixels: Vec<f32> =
            (0..BATCH * SIZE * SIZE * 3).map(|index| (index * 31 % 251) as f32 / 251.0).collect();
        let input = Tensor::from_vec(pixels, (BATCH, SIZE, SIZE, 3), &Device::Cpu)?;
        Ok(Self { base, blocks, optimizer: Optimizer::new(variables, SETTINGS)?, input })
    }

    fn forward(&self) -> Outcome<()> {
        self.base.forward(&self.input, 0..self.blocks)?;
        Ok(())
    }

    /// Forward, backward and a step of the optimizer.
    fn train(&mut self) -> Outcome<()> {
        let (output, tape) = self.base.forward_on_tape(&self.input, 0..self.blocks)?;
        let mut gradients = Gradients::of(&output.sqr()?.mean_all()?)?;
        tape.backward(&mut gradients)?;
        self.optimizer.apply(&gradients)?;
        Ok(())
    }
}

/// One pass over stored features.
fn head_epoch() -> Outcome<impl FnMut() -> Outcome<()>> {
    let (images, inputs, units) = HEAD;
    let values: Vec<f32> =
        (0..images * inputs).map(|index| (index * 7919 % 1009) as f32 / 1009.0).collect();
    let features = Tensor::from_vec(values, (images, inputs), &Device::Cpu)?;
    let draw = |tensor: usize| {
        let mut stream = Stream::new(0, Purpose::Initialize, 0, tensor);
        move || stream.unit()
    };
    let head =
        Head::new(inputs, units, Loss::Binary, Initializer::GlorotUniform, draw, &Device::Cpu)?;
    let mut optimizer = Optimizer::new(
        head.variables().into_iter().map(|(_, variable)| variable.clone()).collect(),
        SETTINGS,
    )?;
    let labels = [0, 1].repeat(BATCH / 2);
    Ok(move || {
        for first in (0..images).step_by(BATCH) {
            let (logits, tape) = head.forward_on_tape(&features.narrow(0, first, BATCH)?, None)?;
            let mut gradients =
                Gradients::of(&Loss::Binary.per_image(&logits, &labels, 0.0)?.mean_all()?)?;
            tape.backward(&mut gradients)?;
            optimizer.apply(&gradients)?;
        }
        Ok(())
    })
}

/// Draws and applies Keras 2.0.8's transformations with the book's ranges.
fn augment(pixels: &[u8]) {
    let Ok(Augmentation::Affine(ranges)) = "keras-2.0.8".parse() else { return };
    (0..IMAGES).into_par_iter().for_each_init(
        || vec![0u8; pixels.len()],
        |output, image| {
            let mut stream = Stream::new(0, Purpose::Augment, 0, image);
            Transform::draw(&ranges, SIZE, &mut stream).apply(
                pixels,
                SIZE,
                SIZE,
                TransformCenter::PlusHalf,
                output,
            );
        },
    );
}

fn decode(folder: &Folder) {
    (0..IMAGES).into_par_iter().for_each(|image| {
        if let Ok(image) = folder.image(Split::Train, image) {
            resize(&image, SIZE, Resize::Nearest);
        }
    });
}

/// Copies 256 MiB with all threads: reads and writes of memory as fast as they can be.
fn copy(from: &[f32], to: &mut [f32]) {
    to.par_chunks_mut(1 << 16)
        .zip(from.par_chunks(1 << 16))
        .for_each(|(to, from)| to.copy_from_slice(from));
}

/// `VmHWM` in MiB, where the system tells it.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
    });
    kibibytes.unwrap_or(f64::NAN) / 1024.0
}

fn main() -> Outcome<()> {
    thaw_model::keep_freed_memory();
    // By a thread of the pool, as sweeps do it: from outside, each call wakes one and waits for it.
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    Ok(pool.install(|| answer().map_err(|error| error.to_string()))?)
}

/// Answers each line of standard input.
fn answer() -> Outcome<()> {
    let mut networks: Vec<(String, Network)> = Vec::new();
    let mut head: Option<Box<dyn FnMut() -> Outcome<()>>> = None;
    let pixels: Vec<u8> = (0..SIZE * SIZE * 3).map(|index| (index * 31 % 251) as u8).collect();
    let mut folders: Vec<(String, Folder)> = Vec::new();
    let mut buffers: Option<(Vec<f32>, Vec<f32>)> = None;
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    for line in input.lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut seconds = None;
        let mut timed = |work: &mut dyn FnMut() -> Outcome<()>| -> Outcome<()> {
            let start = Instant::now();
            work()?;
            seconds = Some(start.elapsed().as_secs_f64());
            Ok(())
        };
        match words.as_slice() {
            [base, what @ ("forward" | "evaluate" | "train"), algorithm @ ..]
                if matches!(algorithm, [] | ["bfloat16" | "f6"]) =>
            {
                if !networks.iter().any(|(name, _)| *name == line) {
                    let convolution = match algorithm {
                        ["bfloat16"] => ConvolutionAlgorithm::WinogradF3Bfloat16,
                        ["f6"] => ConvolutionAlgorithm::WinogradF6,
                        _ => ConvolutionAlgorithm::WinogradF3,
                    };
                    let network = Network::new(base.parse()?, convolution, *what != "forward")?;
                    networks.push((line.clone(), network));
                }
                let Some((_, network)) = networks.iter_mut().find(|(name, _)| *name == line) else {
                    continue;
                };
                timed(&mut || if *what == "train" { network.train() } else { network.forward() })?;
            }
            ["head", "epoch"] => {
                if head.is_none() {
                    head = Some(Box::new(head_epoch()?));
                }
                let Some(head) = &mut head else { continue };
                timed(head.as_mut())?;
            }
            ["augment"] => timed(&mut || {
                augment(&pixels);
                Ok(())
            })?,
            ["decode", path] => {
                if folders.is_empty() {
                    folders.push(((*path).to_owned(), Folder::scan(Path::new(path))?));
                }
                timed(&mut || {
                    decode(&folders[0].1);
                    Ok(())
                })?;
            }
            ["copy"] => {
                let (from, to) =
                    buffers.get_or_insert_with(|| (vec![1.0; 1 << 26], vec![0.0; 1 << 26]));
                timed(&mut || {
                    copy(from, to);
                    Ok(())
                })?;
            }
            ["peak"] => seconds = Some(peak_memory()),
            _ => return Err(format!("unknown stage `{line}`").into()),
        }
        writeln!(output, "{}", seconds.unwrap_or(f64::NAN))?;
        output.flush()?;
    }
    Ok(())
}
