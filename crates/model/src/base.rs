//! A convolutional base: constant below the freeze boundary, variable above it.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor, Var};
use thaw_conv::{Activation, Algorithm, convolution, max_pool};
use thaw_spec::{Architecture, ConvolutionAlgorithm};

use crate::architecture::{Block, Layer, blocks, convolutions};
use crate::{ModelError, Weights};

/// Whether a forward pass is followed by a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Activations are kept for the gradients of the variables.
    Training,
    /// Nothing is kept.
    Evaluation,
}

impl Mode {
    /// The tensor to compute with.
    pub(crate) fn view(self, variable: &Tensor) -> Tensor {
        match self {
            Self::Training => variable.clone(),
            Self::Evaluation => variable.detach(),
        }
    }
}

/// A tensor of a base.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in the weights file.
    pub name: String,
    /// The block it belongs to, counted from 0.
    pub block: usize,
    /// What it was when it was loaded.
    pub original: Tensor,
    /// What it is now, when an optimizer may change it.
    pub variable: Option<Var>,
}

impl Parameter {
    /// The present value.
    pub fn value(&self) -> &Tensor {
        self.variable.as_ref().map_or(&self.original, Var::as_tensor)
    }
}

/// A convolutional base.
#[derive(Debug)]
pub struct Base {
    blocks: Vec<Block>,
    parameters: Vec<Parameter>,
    by_name: BTreeMap<String, usize>,
    algorithm: Algorithm,
}

impl Base {
    /// Builds a base whose first `frozen_blocks` blocks are constants and whose other blocks are variables.
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
        let mut parameters = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            for (convolution, ..) in block.iter().flat_map(convolutions) {
                for suffix in ["weight", "bias"] {
                    let name = format!("{convolution}.{suffix}");
                    let (shape, values) = weights.get(&name)?;
                    let original = Tensor::from_vec(values.clone(), shape.as_slice(), device)?;
                    // A variable gets storage of its own: it is changed in place, and the original must stay what it was.
                    let variable =
                        if number < frozen_blocks { None } else { Some(Var::from_vec(values.clone(), shape.as_slice(), device)?) };
                    parameters.push(Parameter { name, block: number, original, variable });
                }
            }
        }
        let by_name = parameters.iter().enumerate().map(|(index, parameter)| (parameter.name.clone(), index)).collect();
        let algorithm = match convolution {
            ConvolutionAlgorithm::Direct => Algorithm::Direct,
            ConvolutionAlgorithm::WinogradF2 => Algorithm::WinogradTwo,
            ConvolutionAlgorithm::WinogradF3 => Algorithm::WinogradThree,
        };
        Ok(Self { blocks, parameters, by_name, algorithm })
    }

    /// The tensors in the order of their layers.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Runs `[batch, height, width, channels]` activations through some blocks.
    ///
    /// # Errors
    /// When the activations do not fit the first of them.
    pub fn forward(&self, activations: &Tensor, range: Range<usize>, mode: Mode) -> Result<Tensor, ModelError> {
        let mut activations = activations.clone();
        for layer in self.blocks[range].iter().flatten() {
            activations = self.layer(&activations, layer, mode)?;
        }
        Ok(activations)
    }

    fn layer(&self, input: &Tensor, layer: &Layer, mode: Mode) -> Result<Tensor, ModelError> {
        match layer {
            Layer::Convolution { name, stride, padding, .. } => self.convolve(input, name, *stride, *padding, mode),
            Layer::Fire { name, .. } => {
                let squeezed = self.convolve(input, &format!("{name}.squeeze"), 1, 0, mode)?;
                let narrow = self.convolve(&squeezed, &format!("{name}.expand1x1"), 1, 0, mode)?;
                let wide = self.convolve(&squeezed, &format!("{name}.expand3x3"), 1, 1, mode)?;
                Ok(Tensor::cat(&[narrow, wide], 3)?)
            }
            Layer::MaxPool(geometry) => Ok(max_pool(input, *geometry)?),
        }
    }

    fn convolve(&self, input: &Tensor, name: &str, stride: usize, padding: usize, mode: Mode) -> Result<Tensor, ModelError> {
        let tensor = |suffix: &str| mode.view(self.parameters[self.by_name[&format!("{name}.{suffix}")]].value());
        Ok(convolution(input, &tensor("weight"), &tensor("bias"), stride, padding, Activation::Relu, self.algorithm)?)
    }
}
