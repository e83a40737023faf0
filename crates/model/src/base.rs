//! A convolutional base: constant below the freeze boundary, variable above it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use candle_core::{Device, Tensor, Var};
use thaw_conv::{
    Activation, Algorithm, BufferPool, Convolution, Maps, MapsView, PreparedKernel, max_pool,
    with_values,
};
use thaw_spec::{Architecture, ConvolutionAlgorithm};

use crate::architecture::{Block, Filter, Layer, blocks, filters};
use crate::tape::{SavedLayer, Tape};
use crate::{ModelError, Weights, composed};

/// A tensor of a base.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name in the weights file.
    pub name: String,
    /// Block that the tensor belongs to, counted from 0.
    pub block: usize,
    /// Value when it was loaded.
    pub original: Tensor,
    /// Value when the present phase began, where an earlier phase could change it.
    pub carried: Option<Tensor>,
    /// Present value, when an optimizer may change it.
    pub variable: Option<Var>,
}

impl Parameter {
    /// Value at the start of the present phase.
    pub fn start(&self) -> &Tensor {
        self.carried.as_ref().unwrap_or(&self.original)
    }

    /// Present value.
    pub fn value(&self) -> &Tensor {
        self.variable.as_ref().map_or(self.start(), Var::as_tensor)
    }

    /// Whether an optimizer holds it, or held it in an earlier phase.
    pub fn was_variable(&self) -> bool {
        self.variable.is_some() || self.carried.is_some()
    }

    /// Begins a phase in which it is variable or not, from a value that an earlier phase may have
    /// given it.
    fn begin(&mut self, carried: Option<Tensor>, is_variable: bool) -> candle_core::Result<()> {
        self.carried = carried;
        // A variable gets storage of its own: it is changed in place, and what it was must stay.
        self.variable = is_variable.then(|| Var::from_tensor(&self.start().copy()?)).transpose()?;
        Ok(())
    }
}

/// Positions of a convolution's kernel and bias among the parameters of its base.
#[derive(Debug)]
pub(crate) struct ConvolutionParameters {
    pub(crate) kernel: usize,
    pub(crate) bias: usize,
    /// The prepared kernel, kept when the kernel is constant.
    prepared: OnceLock<Arc<PreparedKernel>>,
}

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
    parameters: Vec<Parameter>,
    /// Parameters of each convolution, by its name.
    pub(crate) convolutions: BTreeMap<String, ConvolutionParameters>,
    algorithm: Algorithm,
    pub(crate) buffers: Arc<BufferPool>,
    engine: Engine,
    device: Device,
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
        let blocks = blocks(architecture);
        let (mut parameters, mut convolutions) = (Vec::new(), BTreeMap::new());
        for (number, block) in blocks.iter().enumerate() {
            for filter in block.iter().flat_map(filters) {
                let kernel = parameters.len();
                for suffix in ["weight", "bias"] {
                    let name = format!("{}.{suffix}", filter.name);
                    let (shape, values) = weights.get(&name)?;
                    let original = Tensor::from_vec(values.clone(), shape.as_slice(), device)?;
                    // A variable gets storage of its own: it is changed in place, and the original
                    // must stay what it was.
                    let variable = if number < frozen_blocks {
                        None
                    } else {
                        Some(Var::from_vec(values.clone(), shape.as_slice(), device)?)
                    };
                    parameters.push(Parameter {
                        name,
                        block: number,
                        original,
                        carried: None,
                        variable,
                    });
                }
                convolutions.insert(
                    filter.name.clone(),
                    ConvolutionParameters { kernel, bias: kernel + 1, prepared: OnceLock::new() },
                );
            }
        }
        let algorithm = match convolution {
            ConvolutionAlgorithm::Direct => Algorithm::Direct,
            ConvolutionAlgorithm::WinogradF2 => Algorithm::WinogradTwo,
            ConvolutionAlgorithm::WinogradF3 => Algorithm::WinogradThree,
        };
        Ok(Self {
            blocks,
            parameters,
            convolutions,
            algorithm,
            buffers: Arc::default(),
            engine: if device.is_cpu() { Engine::Native } else { Engine::Candle },
            device: device.clone(),
        })
    }

    /// Begins a phase in which the first `frozen_blocks` blocks are constants, with the values that
    /// they have now, and the others variables.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn refreeze(&mut self, frozen_blocks: usize) -> Result<(), ModelError> {
        for parameter in &mut self.parameters {
            let carried =
                parameter.was_variable().then(|| parameter.value().detach().copy()).transpose()?;
            parameter.begin(carried, parameter.block >= frozen_blocks)?;
        }
        self.convolutions
            .values_mut()
            .for_each(|convolution| convolution.prepared = OnceLock::new());
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
            .parameters
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
        &self.parameters
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
            return self.forward_composed(&activations.detach(), range, Tensor::detach);
        }
        let mut maps = self.maps(activations)?;
        for layer in self.blocks[range].iter().flatten() {
            maps = self.layer(&maps, layer)?.0;
        }
        Ok(Tensor::from_slice(maps.values(), &maps.shape(), activations.device())?)
    }

    /// Runs activations through variable blocks as [`Base::forward`] does, and keeps on the tape
    /// what their gradients need. The result is a leaf of the graph that goes on from it.
    ///
    /// # Errors
    /// When the activations do not fit the first of them.
    pub fn forward_on_tape(
        &self,
        activations: &Tensor,
        range: Range<usize>,
    ) -> Result<(Tensor, Tape<'_>), ModelError> {
        if range.is_empty() {
            return Ok((activations.clone(), Tape::empty(self)));
        }
        if self.engine == Engine::Candle {
            // The graph is the tape.
            return Ok((
                self.forward_composed(activations, range, Tensor::clone)?,
                Tape::empty(self),
            ));
        }
        let mut saved = Vec::new();
        let mut maps = self.maps(activations)?;
        for layer in self.blocks[range].iter().flatten() {
            let (output, squeezed) = self.layer(&maps, layer)?;
            saved.push(SavedLayer { layer, input: std::mem::replace(&mut maps, output), squeezed });
        }
        let features =
            Var::from_slice(maps.values(), &maps.shape(), activations.device())?.into_inner();
        Ok((features.clone(), Tape::new(self, saved, maps, features)))
    }

    /// The layers out of Candle's operations, on parameters as `view` shows them.
    fn forward_composed(
        &self,
        activations: &Tensor,
        range: Range<usize>,
        view: fn(&Tensor) -> Tensor,
    ) -> Result<Tensor, ModelError> {
        let convolve = |filter: &Filter, input: &Tensor| {
            let own = &self.convolutions[&filter.name];
            let [kernel, bias] =
                [own.kernel, own.bias].map(|number| view(self.parameters[number].value()));
            composed::convolution(filter, input, &kernel, &bias)
        };
        let mut activations = activations.clone();
        for layer in self.blocks[range].iter().flatten() {
            activations = match layer {
                Layer::Convolution(filter) => convolve(filter, &activations)?,
                Layer::Fire { squeeze, expand: [narrow, wide] } => {
                    let squeezed = convolve(squeeze, &activations)?;
                    Tensor::cat(&[convolve(narrow, &squeezed)?, convolve(wide, &squeezed)?], 3)?
                }
                Layer::MaxPool(geometry) => composed::max_pool(*geometry, &activations)?,
            };
        }
        Ok(activations)
    }

    /// Copies a tensor into feature maps.
    pub(crate) fn maps(&self, tensor: &Tensor) -> Result<Maps, ModelError> {
        let (batch, height, width, channels) = tensor.dims4()?;
        let mut maps = Maps::new(&self.buffers, [batch, height, width, channels]);
        with_values(&tensor.contiguous()?, |values| maps.values_mut().copy_from_slice(values))?;
        Ok(maps)
    }

    /// The output of a layer, and what a fire module puts out between its convolutions.
    fn layer(&self, input: &Maps, layer: &Layer) -> Result<(Maps, Option<Maps>), ModelError> {
        let [batch, height, width, _] = input.shape();
        match layer {
            Layer::Convolution(filter) => {
                let Convolution { geometry, .. } = self.convolution(filter, input.view())?;
                let mut output = Maps::new(
                    &self.buffers,
                    [batch, geometry.output_height(), geometry.output_width(), filter.outputs],
                );
                self.convolve(filter, input.view(), &mut output, 0)?;
                Ok((output, None))
            }
            Layer::Fire { squeeze, expand } => {
                let mut squeezed =
                    Maps::new(&self.buffers, [batch, height, width, squeeze.outputs]);
                self.convolve(squeeze, input.view(), &mut squeezed, 0)?;
                let mut output = Maps::new(
                    &self.buffers,
                    [batch, height, width, expand.iter().map(|filter| filter.outputs).sum()],
                );
                let mut first_channel = 0;
                for filter in expand {
                    self.convolve(filter, squeezed.view(), &mut output, first_channel)?;
                    first_channel += filter.outputs;
                }
                Ok((output, Some(squeezed)))
            }
            Layer::MaxPool(geometry) => {
                let mut output = Maps::new(&self.buffers, geometry.output_shape(input.shape()));
                max_pool(*geometry, input, &mut output);
                Ok((output, None))
            }
        }
    }

    /// A filter on maps of some size.
    pub(crate) fn convolution(
        &self,
        filter: &Filter,
        input: MapsView<'_>,
    ) -> Result<Convolution, ModelError> {
        let [height, width, channels] = input.image_shape();
        let geometry = filter.on(height, width).filter(|_| channels == filter.inputs);
        let geometry = geometry.ok_or_else(|| ModelError::Shape {
            height,
            width,
            channels,
            layer: filter.name.clone(),
        })?;
        Ok(Convolution { geometry, algorithm: self.algorithm })
    }

    /// Writes a filter's output to the channels of `output` from `first_channel` on.
    fn convolve(
        &self,
        filter: &Filter,
        input: MapsView<'_>,
        output: &mut Maps,
        first_channel: usize,
    ) -> Result<(), ModelError> {
        let convolution = self.convolution(filter, input)?;
        let own = &self.convolutions[&filter.name];
        let prepared = self.prepared_kernel(&convolution, own)?;
        let bias = self.parameters[own.bias].value();
        with_values(bias, |bias| {
            convolution.forward(input, &prepared, bias, Activation::Relu, output, first_channel)
        })?;
        Ok(())
    }

    /// The kernel of a convolution in the layout of its products. A constant kernel is prepared
    /// once.
    fn prepared_kernel(
        &self,
        convolution: &Convolution,
        own: &ConvolutionParameters,
    ) -> Result<Arc<PreparedKernel>, ModelError> {
        let kernel = &self.parameters[own.kernel];
        let is_constant = kernel.variable.is_none();
        if let Some(prepared) = own.prepared.get().filter(|_| is_constant) {
            return Ok(prepared.clone());
        }
        let prepared = Arc::new(with_values(kernel.value(), |kernel| convolution.prepare(kernel))?);
        if is_constant {
            // Another thread may have been first.
            return Ok(own.prepared.get_or_init(|| prepared).clone());
        }
        Ok(prepared)
    }
}
