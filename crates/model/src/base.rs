//! A convolutional base: constant below the freeze boundary, variable above it.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use rayon::prelude::*;
use thaw_conv::{Algorithm, Maps};
use thaw_spec::{Architecture, ConvolutionAlgorithm, FrozenStatistics, TensorRole};

use crate::bases::{Block, blocks};
use crate::head::Mode;
use crate::layers::{self, Context, Cost, Layer, MapShape, Parameter, Recorded};
use crate::tape::Tape;
use crate::{ModelError, Weights};

/// Floats of a layer's output that stay in the cache until the next layer reads them.
const CACHED_FLOATS: usize = 1 << 17;

/// Whose operations the layers are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// The hand-written ones of `thaw_conv`, for the CPU.
    Native,
    /// Candle's own, for every other device.
    Candle,
}

/// A convolutional base.
#[derive(Debug)]
pub struct Base {
    blocks: Vec<Block>,
    context: Context,
    engine: Engine,
    device: Device,
    frozen_statistics: FrozenStatistics,
}

impl Base {
    /// Builds a base whose first `frozen_blocks` blocks are constants and whose other blocks are
    /// variables.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn new(
        architecture: Architecture,
        convolution: ConvolutionAlgorithm,
        weights: &Weights,
        frozen_blocks: usize,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let algorithm = match convolution {
            ConvolutionAlgorithm::Direct => Algorithm::Direct,
            ConvolutionAlgorithm::WinogradF2 => Algorithm::WinogradTwo,
            ConvolutionAlgorithm::WinogradF3 => Algorithm::WinogradThree,
        };
        let blocks = blocks(architecture);
        let tensors =
            blocks.iter().map(|block| block.iter().flat_map(|layer| layer.tensors()).collect());
        let context = Context::new(tensors, weights, frozen_blocks, algorithm, device)?;
        let engine = if device.is_cpu() { Engine::Native } else { Engine::Candle };
        let (device, frozen_statistics) = (device.clone(), FrozenStatistics::default());
        Ok(Self { blocks, context, engine, device, frozen_statistics })
    }

    /// The same base, whose frozen blocks treat their statistics so when they are run in training
    /// ([`Base::forward_in_training`]).
    ///
    /// # Errors
    /// When the device refuses.
    pub fn with_frozen_statistics(
        mut self,
        frozen_statistics: FrozenStatistics,
    ) -> Result<Self, ModelError> {
        self.frozen_statistics = frozen_statistics;
        if frozen_statistics == FrozenStatistics::Moving {
            for parameter in self.context.parameters_mut() {
                if parameter.role == TensorRole::Statistic && parameter.variable.is_none() {
                    parameter.begin(None, true)?;
                }
            }
        }
        Ok(self)
    }

    /// Begins a phase in which the first `frozen_blocks` blocks are constants, with the values that
    /// they have now, and the others variables.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn refreeze(&mut self, frozen_blocks: usize) -> Result<(), ModelError> {
        let all_statistics_move = self.frozen_statistics == FrozenStatistics::Moving;
        for parameter in self.context.parameters_mut() {
            let carried =
                parameter.was_variable().then(|| parameter.value().detach().copy()).transpose()?;
            let is_moving = all_statistics_move && parameter.role == TensorRole::Statistic;
            parameter.begin(carried, is_moving || parameter.block >= frozen_blocks)?;
        }
        Ok(())
    }

    /// Restores the value that a parameter had at the start of the present phase, from a
    /// checkpoint.
    ///
    /// # Errors
    /// When there is no such parameter that an earlier phase could change, or the value has another
    /// shape.
    pub fn restore_start(&mut self, name: &str, value: Tensor) -> Result<(), ModelError> {
        let known = self
            .context
            .parameters_mut()
            .iter_mut()
            .find(|parameter| parameter.name == name && parameter.carried.is_some());
        let Some(parameter) = known.filter(|parameter| parameter.original.dims() == value.dims())
        else {
            return Err(candle_core::Error::Msg(format!(
                "`{name}` is no tensor that an earlier phase trained"
            ))
            .into());
        };
        parameter.carried = Some(value);
        Ok(())
    }

    /// Device that computes the base.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The tensors in the order of their layers.
    pub fn parameters(&self) -> &[Parameter] {
        self.context.parameters()
    }

    /// The same base computed by Candle's own operations, as it is on devices other than the CPU.
    #[must_use]
    pub fn on_candle_engine(self) -> Self {
        Self { engine: Engine::Candle, ..self }
    }

    /// Runs `[batch, height, width, channels]` activations through some blocks. Nothing is kept for
    /// gradients.
    ///
    /// # Errors
    /// When the activations do not fit the first of them.
    ///
    /// # Example
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use thaw_model::{Base, Weights};
    /// use thaw_spec::{Architecture, ConvolutionAlgorithm};
    ///
    /// let architecture = Architecture::MiniVgg;
    /// let weights = Weights::shipped(architecture).expect("they come with thaw")?;
    /// let base = Base::new(
    ///     architecture,
    ///     ConvolutionAlgorithm::WinogradF3,
    ///     &weights,
    ///     architecture.blocks(),
    ///     &Device::Cpu,
    /// )?;
    /// let images = Tensor::ones((2, 32, 32, 3), DType::F32, &Device::Cpu)?;
    /// let features = base.forward(&images, 0..4)?;
    /// assert_eq!(features.dims(), [2, 2, 2, 128]);
    ///
    /// // Stopping at a boundary and going on from there changes no bit.
    /// let boundary = base.forward(&images, 0..2)?;
    /// let onwards = base.forward(&boundary, 2..4)?;
    /// assert_eq!(
    ///     onwards.flatten_all()?.to_vec1::<f32>()?,
    ///     features.flatten_all()?.to_vec1::<f32>()?
    /// );
    /// # Ok::<(), thaw_model::ModelError>(())
    /// ```
    pub fn forward(&self, activations: &Tensor, range: Range<usize>) -> Result<Tensor, ModelError> {
        if range.is_empty() {
            return Ok(activations.clone());
        }
        if self.engine == Engine::Candle {
            let (layers, activations) = (self.layers(range), activations.detach());
            return layers::compose(layers, &self.context, Mode::Evaluation, &activations);
        }
        let mut maps = self.context.maps(activations)?;
        for block in &self.blocks[range] {
            maps = self.block(block, maps)?;
        }
        Ok(Tensor::from_slice(maps.values(), &maps.shape(), activations.device())?)
    }

    /// Runs a batch through a block, some images at a time: what a layer puts out for them is then
    /// still in the cache when the next one reads it.
    fn block(&self, block: &Block, input: Maps) -> Result<Maps, ModelError> {
        let [batch, height, width, channels] = input.shape();
        let (mut shape, mut cost) = (MapShape { height, width, channels }, Cost::default());
        for layer in block {
            // What does not fit is named by the layer itself.
            shape = layer.shape(shape, &mut cost).unwrap_or(shape);
        }
        let images = (CACHED_FLOATS / cost.largest.max(1)).max(1);
        if images >= batch {
            return Ok(layers::forward(block, &self.context, &input)?.unwrap_or(input));
        }
        let groups: Vec<Range<usize>> =
            (0..batch).step_by(images).map(|first| first..batch.min(first + images)).collect();
        let outputs: Vec<Maps> = groups
            .into_par_iter()
            .map(|group| {
                let input = input.images(group);
                Ok(layers::forward(block, &self.context, &input)?.unwrap_or(input))
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Maps::of_images(&self.context.buffers, &outputs))
    }

    /// Runs activations through frozen blocks as in training: as [`Base::forward`] does where their
    /// statistics are kept, and otherwise normalised by the batch, whose statistics the moving ones
    /// may follow. Nothing is kept for gradients.
    ///
    /// # Errors
    /// When the activations do not fit the first of them, or a batch cannot be normalised.
    pub fn forward_in_training(
        &self,
        activations: &Tensor,
        range: Range<usize>,
    ) -> Result<Tensor, ModelError> {
        if self.frozen_statistics == FrozenStatistics::Kept {
            return self.forward(activations, range);
        }
        Ok(self.forward_on_tape(&activations.detach(), range)?.0.detach())
    }

    /// Runs activations through variable blocks as in training, and keeps on the tape what their
    /// gradients need: as [`Base::forward`] does, but that a batch is normalised by its own
    /// statistics, which move the moving ones. The result is a leaf of the graph that goes on from
    /// it.
    ///
    /// # Errors
    /// When the activations do not fit the first of them.
    pub fn forward_on_tape(
        &self,
        activations: &Tensor,
        range: Range<usize>,
    ) -> Result<(Tensor, Tape<'_>), ModelError> {
        if range.is_empty() {
            return Ok((activations.clone(), Tape::empty()));
        }
        let layers = self.layers(range);
        if self.engine == Engine::Candle {
            // The graph is the tape.
            let output = layers::compose(layers, &self.context, Mode::Training, activations)?;
            return Ok((output, Tape::empty()));
        }
        let input = Arc::new(self.context.maps(activations)?);
        let Recorded { output, backward } = layers::forward_on_tape(layers, &self.context, input)?;
        let features =
            Var::from_slice(output.values(), &output.shape(), activations.device())?.into_inner();
        Ok((features.clone(), Tape::new(&self.context, backward, features)))
    }

    /// The layers of some blocks.
    fn layers(&self, range: Range<usize>) -> impl Iterator<Item = &Box<dyn Layer>> {
        self.blocks[range].iter().flatten()
    }
}
