//! Convolution with bias and activation, and its gradients.
//!
//! Forward: `Y = relu(P·W + b)` with `P` the `[pixels, patch]` matrix of windows. Backward, with
//! `Z` the gradient of `Y` where `Y > 0` and zero elsewhere ([`Activation::gradient`]): `dW =
//! Pᵀ·Z`, `db` the column sums of `Z`, and `dX` the correlation of `Z` with the kernel rotated by
//! 180°.

use rayon::prelude::*;

use crate::activation::{Activation, column_sums};
use crate::arithmetic::Elements;
use crate::buffer::BufferPool;
use crate::maps::{Maps, MapsView};
use crate::product::{InitialSum, Panels};
use crate::strided::PhaseKernel;
use crate::winograd::{
    self, CHANNEL_STEP, Finish, Images, Target, TileSize, TransformedKernel, Variant,
};
use crate::{ConvolutionGeometry, depthwise, direct, strided};

/// Algorithm of a convolution. A layer to which the named algorithm does not apply is computed
/// directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Direct convolution, by the definition.
    Direct,
    /// Winograd's F(2×2, 3×3): 2.25 times fewer multiplications, and no less precise than the
    /// definition.
    WinogradTwo,
    /// Winograd's F(3×3, 3×3): 3.24 times fewer multiplications.
    WinogradThree,
    /// Winograd's F(6×6, 3×3), F(4×4, 3×3) or F(3×3, 3×3), the fastest for the size of a layer's maps:
    /// up to 5.06 times fewer multiplications. For gradients, images may share a tile: the error of a value
    /// is relative to the largest ones under its tile, also to another image's.
    WinogradSix,
    /// F(3×3, 3×3) of numbers that are rounded to bfloat16 at the points; sums have 32 bits. Layers
    /// with channels that are no multiple of 32 are computed by [`Algorithm::WinogradThree`].
    WinogradThreeBfloat16,
}

impl Algorithm {
    /// The minimal algorithm that computes a layer, or nothing where the layer is computed
    /// directly. Winograd's are for 3×3 kernels at stride 1.
    fn minimal(self, geometry: &ConvolutionGeometry) -> Option<Variant> {
        let channels = [geometry.input_channels, geometry.output_channels];
        let are_multiples_of = |step| channels.iter().all(|count| count.is_multiple_of(step));
        let applies = geometry.kernel == 3
            && geometry.stride == 1
            && geometry.groups == 1
            && are_multiples_of(CHANNEL_STEP);
        let (tiles, elements) = match self {
            Self::Direct => return None,
            Self::WinogradTwo => (TileSize::Two, Elements::Numbers),
            Self::WinogradThree => (TileSize::Three, Elements::Numbers),
            Self::WinogradSix => (TileSize::fastest(geometry), Elements::Numbers),
            // Of pairs, vectors are to be full as well.
            Self::WinogradThreeBfloat16 if are_multiples_of(2 * CHANNEL_STEP) => {
                (TileSize::Three, Elements::Pairs)
            }
            Self::WinogradThreeBfloat16 => (TileSize::Three, Elements::Numbers),
        };
        applies.then_some(Variant { tiles, elements })
    }
}

/// A convolution of maps of one size with kernels `[k, k, input channels / groups, output channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Shape of the convolution on one image.
    pub geometry: ConvolutionGeometry,
    /// Algorithm by which it is computed.
    pub algorithm: Algorithm,
}

/// A kernel in the layout in which the matrix products read it.
#[derive(Debug)]
pub struct PreparedKernel(KernelLayout);

#[derive(Debug)]
enum KernelLayout {
    Panels(Panels),
    Winograd(TransformedKernel),
    /// Each channel's own kernel, `[k, k, channels]`.
    Depthwise(Vec<f32>),
    /// One for each group.
    Groups(Vec<PreparedKernel>),
}

impl PreparedKernel {
    /// Whether a convolution would prepare a kernel in this layout: on maps of another size another
    /// algorithm may be the faster.
    pub fn fits(&self, convolution: &Convolution) -> bool {
        match &self.0 {
            KernelLayout::Winograd(kernel) => convolution.minimal() == Some(kernel.variant),
            KernelLayout::Panels(_) => convolution.minimal().is_none(),
            KernelLayout::Groups(kernels) => {
                kernels.iter().all(|kernel| kernel.fits(&convolution.of_group()))
            }
            KernelLayout::Depthwise(_) => true,
        }
    }
}

/// A kernel in the layout in which the products of the input's gradient read it, rotated by 180°.
#[derive(Debug)]
pub struct PreparedGradientKernel(GradientLayout);

#[derive(Debug)]
enum GradientLayout {
    Panels(Panels),
    Winograd(TransformedKernel),
    /// Each channel's own kernel, `[k, k, channels]`.
    Depthwise(Vec<f32>),
    /// One for each group.
    Groups(Vec<PreparedGradientKernel>),
    /// One for each phase of a stride.
    Phases(Vec<PhaseKernel>),
}

/// Treatment of the values over which a gradient is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// The gradient replaces the values.
    Overwrite,
    /// The gradient is added to them.
    Add,
}

impl Accumulate {
    fn initial_sum(self) -> InitialSum<'static> {
        match self {
            Self::Overwrite => InitialSum::Zero,
            Self::Add => InitialSum::Output,
        }
    }
}

impl Convolution {
    /// The minimal algorithm that computes it, or nothing.
    fn minimal(&self) -> Option<Variant> {
        self.algorithm.minimal(&self.geometry)
    }

    /// The convolution of one group.
    fn of_group(&self) -> Self {
        Self { geometry: self.geometry.of_group(), ..*self }
    }

    /// What `prepare` makes of each group's part of a kernel.
    fn by_group<K>(&self, kernel: &[f32], prepare: impl Fn(&[f32]) -> K) -> Vec<K> {
        let ConvolutionGeometry { groups, output_channels: outputs, .. } = self.geometry;
        let width = outputs / groups;
        let part = |group: usize| -> Vec<f32> {
            let rows = kernel.chunks_exact(outputs);
            rows.flat_map(|row| &row[group * width..][..width]).copied().collect()
        };
        (0..groups).map(|group| prepare(&part(group))).collect()
    }

    /// Prepares a kernel for [`Convolution::forward`].
    pub fn prepare(&self, kernel: &[f32]) -> PreparedKernel {
        if self.geometry.is_depthwise() {
            return PreparedKernel(KernelLayout::Depthwise(kernel.to_vec()));
        }
        if self.geometry.groups > 1 {
            let parts = self.by_group(kernel, |part| self.of_group().prepare(part));
            return PreparedKernel(KernelLayout::Groups(parts));
        }
        let ConvolutionGeometry { input_channels: inputs, output_channels: outputs, .. } =
            self.geometry;
        PreparedKernel(match self.minimal() {
            Some(variant) => {
                KernelLayout::Winograd(TransformedKernel::new(variant, kernel, inputs, outputs))
            }
            None => KernelLayout::Panels(Panels::pack(
                kernel,
                self.geometry.patch(),
                outputs,
                outputs,
                1,
            )),
        })
    }

    /// Prepares a kernel for [`Convolution::input_gradient`].
    pub fn prepare_for_input_gradient(&self, kernel: &[f32]) -> PreparedGradientKernel {
        if self.geometry.is_depthwise() {
            let rotated = depthwise::rotated(kernel, self.geometry.output_channels);
            return PreparedGradientKernel(GradientLayout::Depthwise(rotated));
        }
        if self.geometry.groups > 1 {
            let prepare = |part: &[f32]| self.of_group().prepare_for_input_gradient(part);
            return PreparedGradientKernel(GradientLayout::Groups(self.by_group(kernel, prepare)));
        }
        if self.geometry.stride > 1 {
            let phases = strided::prepare(&self.geometry, kernel);
            return PreparedGradientKernel(GradientLayout::Phases(phases));
        }
        let ConvolutionGeometry { input_channels: inputs, output_channels: outputs, .. } =
            self.geometry;
        let mut kept = BufferPool::of_kernels().take(kernel.len());
        let rotated = &mut kept[..];
        rotate(kernel, inputs, outputs, rotated);
        PreparedGradientKernel(match self.minimal() {
            Some(variant) => {
                GradientLayout::Winograd(TransformedKernel::new(variant, rotated, outputs, inputs))
            }
            None => {
                let inner = rotated.len() / inputs;
                GradientLayout::Panels(Panels::pack(rotated, inner, inputs, inputs, 1))
            }
        })
    }

    /// Writes `activation(input ∗ kernel + bias)` to the channels of `output` from `first_channel`
    /// on.
    ///
    /// # Panics
    /// When a minimal algorithm computes the layer and `first_channel`, or the number of channels of
    /// `input` or `output` in memory, is no multiple of 16.
    pub fn forward(
        &self,
        input: MapsView<'_>,
        kernel: &PreparedKernel,
        bias: &[f32],
        activation: Activation,
        output: &mut Maps,
        first_channel: usize,
    ) {
        let initial = InitialSum::Columns(bias);
        if activation == Activation::Silu {
            self.forward(input, kernel, bias, Activation::Linear, output, first_channel);
            output.apply(activation, first_channel..first_channel + bias.len());
            return;
        }
        match &kernel.0 {
            KernelLayout::Depthwise(kernel) => depthwise::forward(
                &self.geometry,
                input,
                kernel,
                initial,
                activation,
                output,
                first_channel,
            ),
            KernelLayout::Groups(kernels) => {
                let (part, own) = (self.of_group(), self.geometry.of_group());
                let (inputs, outputs) = (own.input_channels, own.output_channels);
                for (group, kernel) in kernels.iter().enumerate() {
                    let input = input.channels(group * inputs..(group + 1) * inputs);
                    let (first, bias) = (group * outputs, &bias[group * outputs..][..outputs]);
                    part.forward(input, kernel, bias, activation, output, first_channel + first);
                }
            }
            KernelLayout::Panels(panels) => direct::forward(
                &self.geometry,
                input,
                panels,
                initial,
                activation,
                output,
                first_channel,
            ),
            KernelLayout::Winograd(kernel) => winograd::convolve(
                &self.geometry,
                Images::ByThemselves,
                input,
                kernel,
                initial,
                Finish::Activate(activation),
                Target { maps: output, first_channel },
            ),
        }
    }

    /// Whether it masks a gradient while it writes it, so that [`Convolution::input_gradient_before`]
    /// is faster than a pass of its own.
    pub fn masks_while_writing(&self) -> bool {
        self.minimal().is_some()
    }

    /// Writes the gradient before the activation that made the input, told by the input, given the
    /// gradient before this convolution's own activation. The input and the result are `[batch, height,
    /// width, input channels]`.
    ///
    /// # Panics
    /// When the activation is not told by its output ([`Activation::is_told_by_output`]), or the view
    /// of the input has not the shape of the result.
    pub fn input_gradient_before(
        &self,
        activation: Activation,
        input: MapsView<'_>,
        gradient: MapsView<'_>,
        kernel: &PreparedGradientKernel,
        accumulate: Accumulate,
        result: &mut Maps,
    ) {
        assert!(activation.is_told_by_output(), "{activation:?} is not told by its output");
        let [batch, height, width, channels] = result.shape();
        assert!(
            input.image_shape() == [height, width, channels]
                && input.is_dense()
                && input.batch() == batch,
            "the input must have the shape of its gradient, {:?}",
            result.shape()
        );
        match &kernel.0 {
            GradientLayout::Winograd(kernel) if activation != Activation::Linear => {
                winograd::convolve(
                    &self.geometry.of_input_gradient(),
                    Images::Together,
                    gradient,
                    kernel,
                    accumulate.initial_sum(),
                    Finish::Mask(activation, input.data),
                    Target { maps: result, first_channel: 0 },
                )
            }
            _ => {
                self.input_gradient(gradient, kernel, accumulate, result);
                activation.mask(input.data, result.values_mut());
            }
        }
    }

    /// Writes the gradient of the input, given the gradient before the activation.
    pub fn input_gradient(
        &self,
        gradient: MapsView<'_>,
        kernel: &PreparedGradientKernel,
        accumulate: Accumulate,
        result: &mut Maps,
    ) {
        self.input_gradient_into(gradient, kernel, accumulate, result, 0);
    }

    /// Writes it to the channels from `first_channel` on.
    fn input_gradient_into(
        &self,
        gradient: MapsView<'_>,
        kernel: &PreparedGradientKernel,
        accumulate: Accumulate,
        result: &mut Maps,
        first_channel: usize,
    ) {
        let initial = accumulate.initial_sum();
        match &kernel.0 {
            GradientLayout::Depthwise(rotated) => {
                depthwise::input_gradient(&self.geometry, gradient, rotated, initial, result);
            }
            GradientLayout::Groups(kernels) => {
                let (part, own) = (self.of_group(), self.geometry.of_group());
                let (inputs, outputs) = (own.input_channels, own.output_channels);
                for (group, kernel) in kernels.iter().enumerate() {
                    let gradient = gradient.channels(group * outputs..(group + 1) * outputs);
                    part.input_gradient_into(gradient, kernel, accumulate, result, group * inputs);
                }
            }
            GradientLayout::Phases(kernels) => strided::input_gradient(
                &self.geometry,
                gradient,
                kernels,
                accumulate,
                result,
                first_channel,
            ),
            GradientLayout::Panels(panels) => direct::input_gradient(
                &self.geometry,
                gradient,
                panels,
                initial,
                result,
                first_channel,
            ),
            GradientLayout::Winograd(kernel) => {
                winograd::convolve(
                    &self.geometry.of_input_gradient(),
                    Images::Together,
                    gradient,
                    kernel,
                    initial,
                    Finish::Activate(Activation::Linear),
                    Target { maps: result, first_channel },
                );
            }
        }
    }

    /// Whether the kernel's gradient brings the bias's with it, so that
    /// [`Convolution::kernel_and_bias_gradients`] is faster than one after the other.
    pub fn brings_bias_gradient(&self) -> bool {
        self.minimal().is_some_and(Variant::brings_bias_gradient)
    }

    /// Gradients of the kernel, `[k, k, input channels / groups, output channels]`, and of the bias,
    /// `[output channels]`, given the gradient before the activation.
    pub fn kernel_and_bias_gradients(
        &self,
        input: MapsView<'_>,
        gradient: &Maps,
    ) -> (Vec<f32>, Vec<f32>) {
        let (of_kernel, of_bias) = self.gradients(input, gradient.view());
        let channels = self.geometry.output_channels;
        (of_kernel, of_bias.unwrap_or_else(|| column_sums(gradient.values(), channels)))
    }

    /// Gradient of the kernel, `[k, k, input channels / groups, output channels]`, given the gradient
    /// before the activation.
    pub fn kernel_gradient(&self, input: MapsView<'_>, gradient: MapsView<'_>) -> Vec<f32> {
        self.gradients(input, gradient).0
    }

    /// The kernel's gradient, and the bias's where [`Convolution::brings_bias_gradient`].
    fn gradients(
        &self,
        input: MapsView<'_>,
        gradient: MapsView<'_>,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let geometry = &self.geometry;
        if input.batch() == 0 {
            return (vec![0.0; geometry.patch() * geometry.output_channels], None);
        }
        if geometry.is_depthwise() {
            return (depthwise::kernel_gradient(geometry, input, gradient), None);
        }
        if geometry.groups > 1 {
            return (self.kernel_gradient_by_group(input, gradient), None);
        }
        match self.minimal() {
            Some(variant) => winograd::kernel_gradient(variant, geometry, input, gradient),
            None => (direct::kernel_gradient(geometry, input, gradient), None),
        }
    }

    fn kernel_gradient_by_group(&self, input: MapsView<'_>, gradient: MapsView<'_>) -> Vec<f32> {
        let (part, own) = (self.of_group(), self.geometry.of_group());
        let (inputs, width) = (own.input_channels, own.output_channels);
        let outputs = self.geometry.output_channels;
        let mut result = vec![0f32; self.geometry.patch() * outputs];
        for group in 0..self.geometry.groups {
            let input = input.channels(group * inputs..(group + 1) * inputs);
            let gradient = gradient.channels(group * width..(group + 1) * width);
            let of_group = part.kernel_gradient(input, gradient);
            for (row, values) in result.chunks_exact_mut(outputs).zip(of_group.chunks_exact(width))
            {
                row[group * width..][..width].copy_from_slice(values);
            }
        }
        result
    }
}

/// Writes the kernel rotated by 180°, inputs and outputs exchanged: `[k, k, outputs, inputs]`.
fn rotate(kernel: &[f32], inputs: usize, outputs: usize, rotated: &mut [f32]) {
    let taps = kernel.len() / (inputs * outputs);
    rotated.par_chunks_mut(inputs * outputs).enumerate().for_each(|(tap, rotated)| {
        let source = &kernel[(taps - 1 - tap) * inputs * outputs..][..inputs * outputs];
        transpose(source, outputs, rotated);
    });
}

/// Writes a matrix with rows of `columns` numbers, rows and columns exchanged.
pub(crate) fn transpose(matrix: &[f32], columns: usize, transposed: &mut [f32]) {
    /// Rows and columns of the blocks that are turned one after the other. Lines whose distance is
    /// a power of two push each other out of the cache, so some are read at one go, and each is
    /// written at one go.
    const HEIGHT: usize = 16;
    const WIDTH: usize = 64;
    let rows = matrix.len() / columns;
    transposed.par_chunks_mut(WIDTH * rows).enumerate().for_each(|(number, transposed)| {
        let mut block = [[0f32; HEIGHT]; WIDTH];
        for (first, matrix) in (0..).step_by(HEIGHT).zip(matrix.chunks(HEIGHT * columns)) {
            for (row, values) in matrix.chunks_exact(columns).enumerate() {
                for (line, value) in block.iter_mut().zip(&values[number * WIDTH..]) {
                    line[row] = *value;
                }
            }
            let height = matrix.len() / columns;
            for (line, block) in transposed.chunks_exact_mut(rows).zip(&block) {
                line[first..][..height].copy_from_slice(&block[..height]);
            }
        }
    });
}
