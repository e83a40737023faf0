//! How fast this machine is, measured in a second or two, so that a plan can state what it will
//! cost.

use std::time::Instant;

use candle_core::Tensor;

use thaw_model::{Base, Gradients, Head, Loss, ModelError, Optimizer};
use thaw_spec::{Cost, Initializer, Split};

use crate::{RunError, RunInputs};

/// Work per second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    decoded_images: f64,
    forward_multiply_adds: f64,
    trained_multiply_adds: f64,
    head_multiply_adds: f64,
}

impl Rates {
    /// Decodes a few images, runs a batch forward and backward, and takes a step of the head.
    ///
    /// # Errors
    /// When the experiment has no cell, or its base cannot compute.
    pub fn measure(inputs: &RunInputs) -> Result<Self, RunError> {
        let cell = inputs.cells.first().ok_or(RunError::NoCell)?;
        let procedure = &cell.procedure;
        let facts = inputs.cost_facts()?;
        let per_image: u64 = facts.block_multiply_adds.iter().sum();
        let (batch, size) = (procedure.batch_size.min(16), procedure.image_size);

        let images = inputs.dataset.counts().train.min(32) as usize;
        let start = Instant::now();
        for image in 0..images {
            // A broken image costs as much time as a sound one; the sweep will say so.
            if let Ok(decoded) = inputs.dataset.image(Split::Train, image) {
                thaw_data::resize(&decoded, size, procedure.resize);
            }
        }
        let threads = rayon::current_num_threads() as f64;
        let decoded_images = images as f64 * threads / start.elapsed().as_secs_f64();

        let pixels: Vec<f32> =
            (0..batch * size * size * 3).map(|index| (index % 251) as f32 / 251.0).collect();
        let input = Tensor::from_vec(pixels, (batch, size, size, 3), &inputs.device)
            .map_err(ModelError::from)?;
        let base = Base::new(
            procedure.architecture,
            procedure.convolution,
            &inputs.weights,
            0,
            &inputs.device,
        )?;
        let blocks = 0..procedure.architecture.blocks();
        base.forward(&input, blocks.clone())?;
        let start = Instant::now();
        let features = base.forward(&input, blocks.clone())?;
        let forward = start.elapsed().as_secs_f64();
        // The first pass waits for fresh memory.
        let mut trained = 0.0;
        for _ in 0..2 {
            let start = Instant::now();
            let (output, tape) = base.forward_on_tape(&input, blocks.clone())?;
            let mut gradients =
                output.sum_all().and_then(|sum| Gradients::of(&sum)).map_err(ModelError::from)?;
            tape.backward(&mut gradients)?;
            trained = start.elapsed().as_secs_f64();
        }

        let (floats, channels) =
            (facts.boundary_floats[procedure.architecture.blocks()], facts.feature_channels);
        let mut head = Head::new(
            procedure.head_inputs(floats, channels) as usize,
            procedure.hidden_units,
            Loss::Binary,
            Initializer::GlorotUniform,
            |_| || 0.6,
            &inputs.device,
        )?;
        head.pooling = procedure.pooling;
        let mut optimizer = Optimizer::new(
            head.variables().into_iter().map(|(_, variable)| variable.clone()).collect(),
            procedure.optimizer,
        )
        .map_err(ModelError::from)?;
        let mut step = || -> Result<(), candle_core::Error> {
            let (logits, tape) =
                head.forward_on_tape(&features, None).map_err(candle_core::Error::wrap)?;
            let mut gradients = Gradients::of(&logits.sum_all()?)?;
            tape.backward(&mut gradients).map_err(candle_core::Error::wrap)?;
            optimizer.apply(&gradients)
        };
        // The first steps wait for fresh memory.
        let mut head_step = 0.0;
        for _ in 0..4 {
            let start = Instant::now();
            step().map_err(ModelError::from)?;
            head_step = start.elapsed().as_secs_f64();
        }
        let work = (batch as u64 * per_image) as f64;
        Ok(Self {
            decoded_images,
            forward_multiply_adds: work / forward,
            trained_multiply_adds: work / trained,
            head_multiply_adds: batch as f64
                * procedure.head_multiply_adds(floats, channels) as f64
                / head_step,
        })
    }

    /// Seconds that some work takes with all threads.
    #[must_use]
    pub fn seconds(&self, cost: &Cost) -> f64 {
        cost.decoded_images as f64 / self.decoded_images
            + cost.forward_multiply_adds as f64 / self.forward_multiply_adds
            + cost.trained_multiply_adds as f64 / self.trained_multiply_adds
            + cost.head_multiply_adds as f64 / self.head_multiply_adds
    }
}
