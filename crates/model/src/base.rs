//! A convolutional base: constant below the freeze boundary, variable above it.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use rayon::prelude::*;
use thaw_conv::{Algorithm, BufferPool, Maps};
use thaw_spec::{
    Architecture, ConvolutionAlgorithm, FrozenStatistics, MovingAverage, MovingStatistics,
    MovingVariance, Procedure, TensorRole,
};

use crate::bases::{Block, blocks};
use crate::head::Mode;
use crate::layers::{self, Context, Cost, Layer, MapShape, MaskedBy, Parameter, Recorded};
use crate::tape::Tape;
use crate::{ModelError, Weights};

/// Floats of a layer's output that stay in the cache until the next layer reads them.
const CACHED_FLOATS: usize = 1 << 17;

/// Numbers, 64 MiB of them, from which on an epoch is so long that taking memory anew does not count.
const WORTH_GIVING_BACK: usize = 1 << 24;

/// Whose operations the layers are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// The hand-written ones of `thaw_conv`, for the CPU.
    Native,
    /// Candle's own, for every other device.
    Candle,
}

/// What training may change of a base.
#[derive(Clone, Copy, Debug)]
pub struct Freezing {
    /// Leading blocks whose weights are constants.
    pub blocks: usize,
    /// Leading blocks through which no gradient goes: their batch normalisations are frozen, whether
    /// an optimizer holds their weights or not.
    pub without_gradients: usize,
    /// What training does with the statistics of those.
    pub statistics: FrozenStatistics,
    /// How statistics that move follow a batch's; nothing for the base's own way.
    pub moving_statistics: Option<MovingStatistics>,
}

/// An honest freeze of leading blocks.
impl From<usize> for Freezing {
    fn from(blocks: usize) -> Self {
        let statistics = FrozenStatistics::default();
        Self { blocks, without_gradients: blocks, statistics, moving_statistics: None }
    }
}

impl From<&Procedure> for Freezing {
    fn from(procedure: &Procedure) -> Self {
        Self {
            blocks: procedure.frozen_blocks(),
            without_gradients: procedure.blocks_without_gradients(),
            statistics: procedure.frozen_statistics,
            moving_statistics: procedure.moving_statistics,
        }
    }
}

impl Freezing {
    /// Whether training moves the statistics of a block.
    pub fn moves_statistics(&self, block: usize) -> bool {
        self.statistics == FrozenStatistics::Moving || block >= self.without_gradients
    }

    /// Whether training may change a tensor.
    fn is_variable(&self, parameter: &Parameter) -> bool {
        match parameter.role {
            TensorRole::Weight => parameter.block >= self.blocks,
            TensorRole::Statistic => self.moves_statistics(parameter.block),
        }
    }
}

/// A convolutional base.
#[derive(Debug)]
pub struct Base {
    blocks: Vec<Block>,
    context: Context,
    engine: Engine,
    device: Device,
    /// How statistics that move follow a batch's in the library that the base is from.
    own_statistics: MovingStatistics,
    frozen_statistics: FrozenStatistics,
}

impl Base {
    /// Builds a base of which training may change what `freezing` says: blocks behind a number of
    /// leading ones, or what a procedure says.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn new(
        architecture: Architecture,
        convolution: ConvolutionAlgorithm,
        weights: &Weights,
        freezing: impl Into<Freezing>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let algorithm = match convolution {
            ConvolutionAlgorithm::Direct => Algorithm::Direct,
            ConvolutionAlgorithm::WinogradF2 => Algorithm::WinogradTwo,
            ConvolutionAlgorithm::WinogradF3 => Algorithm::WinogradThree,
            ConvolutionAlgorithm::WinogradF6 => Algorithm::WinogradSix,
            ConvolutionAlgorithm::WinogradF3Bfloat16 => Algorithm::WinogradThreeBfloat16,
        };
        let blocks = blocks(architecture);
        let tensors =
            blocks.iter().map(|block| block.iter().flat_map(|layer| layer.tensors()).collect());
        // Without batch normalisation nothing reads it.
        let own_statistics = architecture.moving_statistics().unwrap_or(MovingStatistics {
            share: 1.0,
            variance: MovingVariance::Population,
            average: MovingAverage::Plain,
        });
        let context = Context::new(tensors, weights, own_statistics, algorithm, device)?;
        let engine = if device.is_cpu() { Engine::Native } else { Engine::Candle };
        let (device, frozen_statistics) = (device.clone(), FrozenStatistics::default());
        let mut base = Self { blocks, context, engine, device, own_statistics, frozen_statistics };
        base.refreeze(freezing)?;
        Ok(base)
    }

    /// Begins a phase of which training may change what `freezing` says; what it may not change has
    /// the value that it has now.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn refreeze(&mut self, freezing: impl Into<Freezing>) -> Result<(), ModelError> {
        let freezing = freezing.into();
        self.frozen_statistics = freezing.statistics;
        self.context.moving = freezing.moving_statistics.unwrap_or(self.own_statistics);
        for parameter in self.context.parameters_mut() {
            let carried =
                parameter.was_variable().then(|| parameter.value().detach().copy()).transpose()?;
            let is_variable = freezing.is_variable(parameter);
            parameter.begin(carried, is_variable)?;
        }
        Ok(())
    }

    /// Says how often the statistics of a block have moved before, as after a checkpoint.
    pub fn set_updates(&self, block: usize, updates: usize) {
        self.context.set_updates(block, updates);
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

    /// Gives back the memory that activations, gradients and kernels left, which the next step takes
    /// anew. It is worth it where something else follows many steps.
    pub fn give_back_memory(&self) {
        if self.context.buffers.kept() + self.context.transient.kept() < WORTH_GIVING_BACK {
            return;
        }
        self.context.buffers.clear();
        self.context.transient.clear();
        BufferPool::clear_kernels();
        thaw_conv::give_back_freed_memory();
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
        for block in range {
            maps = self.block(block, maps)?;
        }
        Ok(Tensor::from_slice(maps.values(), &maps.shape(), activations.device())?)
    }

    /// Runs a batch through a block, some images at a time: what a layer puts out for them is then
    /// still in the cache when the next one reads it.
    fn block(&self, number: usize, input: Maps) -> Result<Maps, ModelError> {
        let block = &self.blocks[number];
        let batch = input.shape()[0];
        let in_the_cache = CACHED_FLOATS / largest_output(block, input.view().image_shape()).max(1);
        // Each group reads the kernels anew, so large kernels want large groups.
        let images = in_the_cache.max(largest_tensor(block) / CACHED_FLOATS).max(1);
        let images = batch.div_ceil(batch.div_ceil(images).max(1));
        if images >= batch {
            return Ok(layers::forward(block, &self.context, &input)?.unwrap_or(input));
        }
        let constants;
        let context = if self.context.has_variable(number) {
            constants = self.context.as_constants();
            &constants
        } else {
            &self.context
        };
        let groups: Vec<Range<usize>> =
            (0..batch).step_by(images).map(|first| first..batch.min(first + images)).collect();
        let outputs: Vec<Maps> = groups
            .into_par_iter()
            .map(|group| {
                let input = input.images(group);
                Ok(layers::forward(block, context, &input)?.unwrap_or(input))
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
        // What a block kept for gradients is given back before the next one runs.
        range.into_iter().try_fold(activations.detach(), |activations, block| {
            Ok(self.forward_on_tape(&activations, block..block + 1)?.0.detach())
        })
    }

    /// Runs activations through variable blocks as in training, and keeps on the tape what their
    /// gradients need: as [`Base::forward`] does, but that a batch is normalised by its own
    /// statistics, which move the moving ones. The result is a leaf of the graph that goes on from
    /// it; computed by Candle's operations, their graph is the tape.
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
        let layers = self.layers(range.clone());
        if self.engine == Engine::Candle {
            // The graph is the tape.
            let output = layers::compose(layers, &self.context, Mode::Training, activations)?;
            return Ok((output, Tape::empty()));
        }
        let input = Arc::new(self.context.maps(activations)?);
        // The largest gradient comes last: what is shorter uses its memory before it.
        let largest = largest_output(self.layers(range), input.view().image_shape());
        self.context.transient.lengthen(input.shape()[0] * largest);
        let Recorded { output, backward, .. } =
            layers::forward_on_tape(layers, &self.context, input, MaskedBy::Itself)?;
        let features =
            Var::from_slice(output.values(), &output.shape(), activations.device())?.into_inner();
        Ok((features.clone(), Tape::new(&self.context, backward, features)))
    }

    /// The layers of some blocks.
    fn layers(&self, range: Range<usize>) -> impl Iterator<Item = &Box<dyn Layer>> {
        self.blocks[range].iter().flatten()
    }
}

/// Floats in the largest tensor of some layers.
fn largest_tensor(layers: &[Box<dyn Layer>]) -> usize {
    let tensors = layers.iter().flat_map(|layer| layer.tensors());
    tensors.map(|tensor| tensor.shape.iter().product()).max().unwrap_or(0)
}

/// Floats in the largest output of some layers, for an image of a shape. What does not fit is named by
/// the layer itself.
fn largest_output<'a>(
    layers: impl IntoIterator<Item = &'a Box<dyn Layer>>,
    [height, width, channels]: [usize; 3],
) -> usize {
    let (mut shape, mut cost) = (MapShape { height, width, channels }, Cost::default());
    for layer in layers {
        shape = layer.shape(shape, &mut cost).unwrap_or(shape);
    }
    cost.largest
}
