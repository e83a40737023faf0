//! The shape of a convolution on one image.

/// The shape of a convolution on one image, with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionGeometry {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub input_channels: usize,
    /// Channels of the output.
    pub output_channels: usize,
    /// Side of the kernel, in pixels.
    pub kernel: usize,
    /// Distance between two positions of the kernel, in pixels.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
}

impl ConvolutionGeometry {
    /// Rows of the output.
    pub fn output_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn output_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Floats under the kernel at one output pixel.
    pub fn patch(&self) -> usize {
        self.kernel * self.kernel * self.input_channels
    }

    /// Multiply-adds of one image, forward, as the definition of the convolution counts them.
    pub fn multiply_adds(&self) -> u64 {
        (self.output_pixels() * self.patch() * self.output_channels) as u64
    }

    /// The convolution of the output's gradient, with the kernel rotated by 180°, that yields the
    /// input's gradient; at stride 1.
    pub(crate) fn of_input_gradient(&self) -> Self {
        Self {
            height: self.output_height(),
            width: self.output_width(),
            input_channels: self.output_channels,
            output_channels: self.input_channels,
            padding: self.kernel - 1 - self.padding,
            ..*self
        }
    }

    pub(crate) fn output_pixels(&self) -> usize {
        self.output_height() * self.output_width()
    }
}
