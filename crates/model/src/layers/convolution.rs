//! Convolution, with or without a bias, normalised or not, followed by an activation.
//!
//! A normalisation by moving statistics is affine, so it is folded into the kernel: with `s = γ /
//! √(σ² + ε)`, `s·(x ∗ w + b − μ) + β = x ∗ (s·w) + (s·(b − μ) + β)`. A normalisation by the batch
//! follows the convolution as a step of its own.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use thaw_conv::{
    Accumulate, Activation, Algorithm, BufferPool, ConvolutionGeometry, Maps, MapsView,
    PreparedGradientKernel, PreparedKernel, with_values,
};
use thaw_spec::TensorRole;

use super::batch_norm::BatchNorm;
use super::{
    Context, Cost, Initial, InputGradient, Layer, MapShape, MaskedBy, OutputGradient, Recorded,
    Scaling, TensorSpec, composed,
};
use crate::head::Mode;
use crate::{Gradients, ModelError};

/// Side of a map on which few tiles use a kernel.
const SMALL_MAP: usize = 5;

/// Product of channels from which on a transformed kernel does not stay in the cache.
const LARGE_KERNEL: usize = 1 << 16;

/// A convolution and what follows it.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Name of the layer; its tensors are `<name>.weight` and `<name>.bias`.
    pub name: String,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Side of the kernel, in pixels.
    pub kernel: usize,
    /// Distance between two positions of the kernel, in pixels.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: Padding,
    /// Parts into which the channels are divided, each convolved by itself: 1, or as many as there
    /// are channels (depthwise), or between.
    pub groups: usize,
    /// Whether there is a bias.
    pub has_bias: bool,
    /// What normalises the sums.
    pub normalization: Option<BatchNorm>,
    /// What follows.
    pub activation: Activation,
}

/// Zeros around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// So many rows and columns on each side.
    Zeros(usize),
    /// As TensorFlow's `SAME`: as many as make the output's length ⌈length / stride⌉; the odd one
    /// comes last.
    Same,
}

impl Padding {
    fn on(self, height: usize, width: usize, kernel: usize, stride: usize) -> thaw_conv::Padding {
        match self {
            Self::Zeros(count) => thaw_conv::Padding::symmetric(count),
            Self::Same => thaw_conv::Padding::same(height, width, kernel, stride),
        }
    }
}

/// A kernel in the layout of its products, and the bias that belongs to it.
#[derive(Debug)]
pub(crate) struct PreparedConvolution {
    kernel: PreparedKernel,
    bias: Vec<f32>,
}

impl Convolution {
    /// A convolution with a bias, followed by ReLU; at stride 1, and padded so that a map keeps its
    /// size.
    pub fn with_relu(name: String, inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self {
            name,
            inputs,
            outputs,
            kernel,
            stride: 1,
            padding: Padding::Zeros(kernel / 2),
            groups: 1,
            has_bias: true,
            normalization: None,
            activation: Activation::Relu,
        }
    }

    fn weight(&self) -> String {
        format!("{}.weight", self.name)
    }

    fn bias(&self) -> String {
        format!("{}.bias", self.name)
    }

    fn geometry(&self, height: usize, width: usize) -> Option<ConvolutionGeometry> {
        ConvolutionGeometry {
            height,
            width,
            input_channels: self.inputs,
            output_channels: self.outputs,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding.on(height, width, self.kernel, self.stride),
            groups: self.groups,
        }
        .checked()
    }

    /// The convolution on maps of some size.
    pub(crate) fn on(
        &self,
        context: &Context,
        input: MapsView<'_>,
    ) -> Result<thaw_conv::Convolution, ModelError> {
        let [height, width, channels] = input.image_shape();
        let geometry = self.geometry(height, width).filter(|_| channels == self.inputs);
        let geometry = geometry.ok_or_else(|| ModelError::Shape {
            height,
            width,
            channels,
            layer: self.name.clone(),
        })?;
        let algorithm = match context.algorithm {
            Algorithm::WinogradThree if self.reads_its_kernel_once(&geometry) => {
                Algorithm::WinogradTwo
            }
            algorithm => algorithm,
        };
        Ok(thaw_conv::Convolution { geometry, algorithm })
    }

    /// Whether few tiles use a kernel that is large once it is transformed. F(2×2), which has 16
    /// points where F(3×3) has 25, was faster there; results keep its bits, as those of bases without
    /// normalisation keep those of F(3×3).
    fn reads_its_kernel_once(&self, geometry: &ConvolutionGeometry) -> bool {
        self.normalization.is_some()
            && geometry.height.max(geometry.width) <= SMALL_MAP
            && self.inputs * self.outputs >= LARGE_KERNEL
    }

    /// The output, in that memory.
    fn output(
        &self,
        context: &Context,
        memory: &Arc<BufferPool>,
        input: &Maps,
    ) -> Result<Maps, ModelError> {
        let mut output = self.room(memory, input.shape()[0], &self.on(context, input.view())?);
        self.write(context, input.view(), &mut output, 0)?;
        Ok(output)
    }

    /// Room for the output.
    fn room(
        &self,
        memory: &Arc<BufferPool>,
        batch: usize,
        convolution: &thaw_conv::Convolution,
    ) -> Maps {
        let geometry = &convolution.geometry;
        let shape = [batch, geometry.output_height(), geometry.output_width(), self.outputs];
        Maps::new(memory, shape)
    }

    /// Writes the output, normalised by moving statistics, to the channels of `output` from
    /// `first_channel` on.
    pub(crate) fn write(
        &self,
        context: &Context,
        input: MapsView<'_>,
        output: &mut Maps,
        first_channel: usize,
    ) -> Result<(), ModelError> {
        let convolution = self.on(context, input)?;
        let make = || self.folded(context, &convolution);
        let mut prepared = context.prepared(&self.weight(), || self.tensors(), make)?;
        if !prepared.kernel.fits(&convolution) {
            prepared = Arc::new(self.folded(context, &convolution)?);
        }
        let PreparedConvolution { kernel, bias } = &*prepared;
        convolution.forward(input, kernel, bias, self.activation, output, first_channel);
        Ok(())
    }

    /// Kernel and bias with the normalisation by moving statistics in them.
    fn folded(
        &self,
        context: &Context,
        convolution: &thaw_conv::Convolution,
    ) -> Result<PreparedConvolution, ModelError> {
        let bias = self.bias_numbers(context)?;
        let Some(normalization) = &self.normalization else {
            let kernel =
                with_values(context.value(&self.weight()), |kernel| convolution.prepare(kernel))?;
            return Ok(PreparedConvolution { kernel, bias });
        };
        let affine = normalization.by_moving_statistics(context)?;
        let mut kernel = context.numbers(&self.weight())?;
        for tap in kernel.chunks_exact_mut(self.outputs) {
            tap.iter_mut().zip(&affine.scale).for_each(|(weight, scale)| *weight *= scale);
        }
        let of_channel = bias.iter().zip(&affine.scale).zip(&affine.shift);
        let bias = of_channel.map(|((bias, scale), shift)| bias * scale + shift).collect();
        Ok(PreparedConvolution { kernel: convolution.prepare(&kernel), bias })
    }

    fn bias_numbers(&self, context: &Context) -> Result<Vec<f32>, ModelError> {
        if self.has_bias { context.numbers(&self.bias()) } else { Ok(vec![0.0; self.outputs]) }
    }

    /// Adds the gradients of kernel and bias to the others, given that of the sums and its own sum
    /// by channel.
    pub(crate) fn add_gradients(
        &self,
        context: &Context,
        gradients: &mut Gradients,
        input: MapsView<'_>,
        gradient: MapsView<'_>,
        sums: &[f32],
    ) -> Result<(), ModelError> {
        let of_kernel = self.on(context, input)?.kernel_gradient(input, gradient);
        self.keep_gradients(context, gradients, of_kernel, sums)
    }

    fn keep_gradients(
        &self,
        context: &Context,
        gradients: &mut Gradients,
        of_kernel: Vec<f32>,
        of_bias: &[f32],
    ) -> Result<(), ModelError> {
        let kernel = context.value(&self.weight());
        let of_kernel = Tensor::from_vec(of_kernel, kernel.shape(), &Device::Cpu)?;
        gradients.store.insert(kernel, of_kernel);
        if self.has_bias {
            let bias = context.value(&self.bias());
            let of_bias = Tensor::from_slice(of_bias, bias.shape(), &Device::Cpu)?;
            gradients.store.insert(bias, of_bias);
        }
        Ok(())
    }

    /// Writes the gradient of the input, given that of the sums.
    pub(crate) fn input_gradient(
        &self,
        context: &Context,
        input: MapsView<'_>,
        gradient: MapsView<'_>,
        accumulate: Accumulate,
        result: &mut Maps,
    ) -> Result<(), ModelError> {
        let convolution = self.on(context, input)?;
        let prepared = self.prepared_for_input_gradient(context, &convolution)?;
        convolution.input_gradient(gradient, &prepared, accumulate, result);
        Ok(())
    }

    fn prepared_for_input_gradient(
        &self,
        context: &Context,
        convolution: &thaw_conv::Convolution,
    ) -> Result<PreparedGradientKernel, ModelError> {
        let prepare = |kernel: &[f32]| convolution.prepare_for_input_gradient(kernel);
        Ok(with_values(context.value(&self.weight()), prepare)?)
    }

    /// The gradient of an input that no other layer of a parallel one reads, given that of the sums.
    fn wanted_gradient(
        &self,
        context: &Context,
        convolution: &thaw_conv::Convolution,
        input: &Maps,
        gradient: &Maps,
        wanted: InputGradient,
    ) -> Result<Option<OutputGradient>, ModelError> {
        let InputGradient::Needed(activation) = wanted else { return Ok(None) };
        let mut result = Maps::new(&context.transient, input.shape());
        let (input, gradient) = (input.view(), gradient.view());
        let kernel = self.prepared_for_input_gradient(context, convolution)?;
        let overwrite = Accumulate::Overwrite;
        Ok(Some(if convolution.masks_while_writing() {
            convolution.input_gradient_before(
                activation,
                input,
                gradient,
                &kernel,
                overwrite,
                &mut result,
            );
            OutputGradient { maps: result, before: activation }
        } else {
            convolution.input_gradient(gradient, &kernel, overwrite, &mut result);
            OutputGradient::of(result)
        }))
    }

    /// The sums without what follows them.
    fn sums(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        let convolution = self.on(context, input.view())?;
        let mut output = self.room(&context.buffers, input.shape()[0], &convolution);
        let kernel =
            with_values(context.value(&self.weight()), |kernel| convolution.prepare(kernel))?;
        let bias = self.bias_numbers(context)?;
        convolution.forward(input.view(), &kernel, &bias, Activation::Linear, &mut output, 0);
        Ok(output)
    }
}

impl Layer for Convolution {
    fn tensors(&self) -> Vec<TensorSpec> {
        let kernel = [self.outputs, self.inputs / self.groups, self.kernel, self.kernel];
        let weight = |name, shape: &[usize], initial| TensorSpec {
            name,
            shape: shape.to_vec(),
            role: TensorRole::Weight,
            initial,
        };
        let mut tensors = vec![weight(self.weight(), &kernel, Initial::Drawn)];
        if self.has_bias {
            tensors.push(weight(self.bias(), &[self.outputs], Initial::Constant(0.0)));
        }
        tensors.extend(self.normalization.iter().flat_map(BatchNorm::tensors));
        tensors
    }

    fn shape(&self, input: MapShape, cost: &mut Cost) -> Option<MapShape> {
        let geometry = self.geometry(input.height, input.width)?;
        let output = MapShape {
            height: geometry.output_height(),
            width: geometry.output_width(),
            channels: self.outputs,
        };
        cost.multiply_adds += geometry.multiply_adds();
        // Training may keep the sums as well as what is made of them.
        let kept = if self.normalization.is_some() { 2 } else { 1 };
        cost.output(output, kept);
        Some(output)
    }

    fn forward(&self, context: &Context, input: &Maps) -> Result<Maps, ModelError> {
        self.output(context, &context.buffers, input)
    }

    fn forward_on_tape<'a>(
        &'a self,
        context: &'a Context,
        input: Arc<Maps>,
        masked_by: MaskedBy,
    ) -> Result<Recorded<'a>, ModelError> {
        if let Some(normalization) = &self.normalization {
            let sums = self.sums(context, &input)?;
            let (output, kept) =
                normalization.forward(context, masked_by.memory(context), sums, self.activation)?;
            return Ok(Recorded {
                output: Arc::new(output),
                activation: Activation::Linear,
                backward: Box::new(move |gradients, gradient, wanted| {
                    let gradient = kept.backward(context, gradients, gradient.behind())?;
                    let convolution = self.on(context, input.view())?;
                    // What is added to all values of a channel changes nothing.
                    let sums = vec![0.0; self.outputs];
                    let (read, of_sums) = (input.view(), gradient.view());
                    self.add_gradients(context, gradients, read, of_sums, &sums)?;
                    self.wanted_gradient(context, &convolution, &input, &gradient, wanted)
                }),
            });
        }
        let (output, kept, activation) = if self.activation.is_told_by_output() {
            let output = Arc::new(self.output(context, masked_by.memory(context), &input)?);
            let kept = masked_by.kept(self.activation, &output);
            (output, kept, self.activation)
        } else {
            let sums = Arc::new(self.sums(context, &input)?);
            let mut output = sums.copy();
            self.activation.apply_to(output.values_mut());
            (Arc::new(output), Some(sums), Activation::Linear)
        };
        let backward = move |gradients: &mut Gradients, gradient: OutputGradient, wanted| {
            let convolution = self.on(context, input.view())?;
            let (gradient, of_kernel, of_bias) = if convolution.brings_bias_gradient() {
                let gradient = gradient.masked(self.activation, kept.as_deref());
                let (of_kernel, of_bias) =
                    convolution.kernel_and_bias_gradients(input.view(), &gradient);
                (gradient, of_kernel, of_bias)
            } else {
                let (gradient, of_bias) =
                    gradient.masked_with_sums(self.activation, kept.as_deref());
                let of_kernel = convolution.kernel_gradient(input.view(), gradient.view());
                (gradient, of_kernel, of_bias)
            };
            self.keep_gradients(context, gradients, of_kernel, &of_bias)?;
            self.wanted_gradient(context, &convolution, &input, &gradient, wanted)
        };
        Ok(Recorded { output, activation, backward: Box::new(backward) })
    }

    fn compose(&self, context: &Context, mode: Mode, input: &Tensor) -> Result<Tensor, ModelError> {
        let tensor = |name: String| mode.tracked(context.value(&name));
        let (_, height, width, _) = input.dims4()?;
        let padding = self.padding.on(height, width, self.kernel, self.stride);
        let (weight, stride) = (tensor(self.weight()), self.stride);
        let mut output = composed::convolution(input, &weight, padding, stride, self.groups)?;
        if self.has_bias {
            output = output.broadcast_add(&tensor(self.bias()))?;
        }
        if let Some(normalization) = &self.normalization {
            output = normalization.compose(context, mode, &output)?;
        }
        Ok(composed::activation(self.activation, &output)?)
    }

    fn scaling(&self) -> Scaling {
        if !self.activation.commutes_with_positive_factors() {
            return Scaling::None;
        }
        Scaling::OfTensors(match &self.normalization {
            Some(normalization) => normalization.affine_tensors().to_vec(),
            None if self.has_bias => vec![self.weight(), self.bias()],
            None => vec![self.weight()],
        })
    }
}
