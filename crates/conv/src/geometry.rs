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
    /// Zeros around the input.
    pub padding: Padding,
    /// Parts into which input and output channels are divided, each convolved by itself; as many as
    /// there are channels make a depthwise convolution.
    pub groups: usize,
}

/// Rows and columns of zeros around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns before.
    pub left: usize,
    /// Columns behind.
    pub right: usize,
}

impl Padding {
    /// The same on each side.
    pub const fn symmetric(count: usize) -> Self {
        Self { top: count, bottom: count, left: count, right: count }
    }

    /// As TensorFlow's `SAME`: as many as make an output of ⌈length / stride⌉, of which the odd one
    /// comes last.
    pub fn same(height: usize, width: usize, kernel: usize, stride: usize) -> Self {
        let around = |length: usize| {
            let reach = (length.div_ceil(stride).max(1) - 1) * stride + kernel;
            let all = reach.saturating_sub(length);
            (all / 2, all - all / 2)
        };
        let ((top, bottom), (left, right)) = (around(height), around(width));
        Self { top, bottom, left, right }
    }
}

impl ConvolutionGeometry {
    /// The same; nothing when the padded input is smaller than the kernel, or the groups do not
    /// divide the channels.
    pub fn checked(self) -> Option<Self> {
        let fits = self.padded_height() >= self.kernel && self.padded_width() >= self.kernel;
        let Padding { top, bottom, left, right } = self.padding;
        // A window of zeros alone has no part of the input under it.
        let touches = [top, bottom, left, right].iter().all(|padding| *padding < self.kernel);
        let moves = self.stride > 0 && self.groups > 0;
        let divides = |channels: usize| channels.is_multiple_of(self.groups);
        (fits && touches && moves && divides(self.input_channels) && divides(self.output_channels))
            .then_some(self)
    }

    /// Rows of the output.
    pub fn output_height(&self) -> usize {
        (self.padded_height() - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn output_width(&self) -> usize {
        (self.padded_width() - self.kernel) / self.stride + 1
    }

    /// Floats under the kernel at one output pixel.
    pub fn patch(&self) -> usize {
        self.kernel * self.kernel * self.input_channels / self.groups
    }

    /// Multiply-adds of one image, forward, as the definition of the convolution counts them.
    pub fn multiply_adds(&self) -> u64 {
        (self.output_pixels() * self.patch() * self.output_channels) as u64
    }

    /// Rows of the input with the zeros around it.
    pub(crate) fn padded_height(&self) -> usize {
        self.height + self.padding.top + self.padding.bottom
    }

    /// Columns of the input with the zeros around it.
    pub(crate) fn padded_width(&self) -> usize {
        self.width + self.padding.left + self.padding.right
    }

    /// Whether each channel has a kernel of its own.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups > 1 && [self.input_channels, self.output_channels] == [self.groups; 2]
    }

    /// Whether each output pixel is made of the input pixel in its place.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == Padding::default()
    }

    /// The convolution of one of the groups.
    pub(crate) fn of_group(&self) -> Self {
        Self {
            input_channels: self.input_channels / self.groups,
            output_channels: self.output_channels / self.groups,
            groups: 1,
            ..*self
        }
    }

    /// The convolution of the output's gradient, with the kernel rotated by 180°, that yields the
    /// input's gradient; at stride 1.
    pub(crate) fn of_input_gradient(&self) -> Self {
        let Padding { top, bottom, left, right } = self.padding;
        let around = |padding: usize| self.kernel - 1 - padding;
        Self {
            height: self.output_height(),
            width: self.output_width(),
            input_channels: self.output_channels,
            output_channels: self.input_channels,
            padding: Padding {
                top: around(top),
                bottom: around(bottom),
                left: around(left),
                right: around(right),
            },
            ..*self
        }
    }

    pub(crate) fn output_pixels(&self) -> usize {
        self.output_height() * self.output_width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_that_cannot_be_is_none() {
        let usual = ConvolutionGeometry {
            height: 4,
            width: 4,
            input_channels: 6,
            output_channels: 4,
            kernel: 3,
            stride: 1,
            padding: Padding::symmetric(2),
            groups: 2,
        };
        assert_eq!(usual.checked(), Some(usual));
        for cannot_be in [
            ConvolutionGeometry { padding: Padding { left: 3, ..usual.padding }, ..usual },
            ConvolutionGeometry { kernel: 9, ..usual },
            ConvolutionGeometry { stride: 0, ..usual },
            ConvolutionGeometry { groups: 0, ..usual },
            ConvolutionGeometry { groups: 3, ..usual },
        ] {
            assert_eq!(cannot_be.checked(), None, "{cannot_be:?}");
        }
    }

    #[test]
    fn same_padding_is_tensorflows() {
        // From the table of https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding":
        // an output of ⌈n / s⌉, and the odd zero at the end.
        let around = |length, kernel, stride| {
            let padding = Padding::same(length, length, kernel, stride);
            (padding.left, padding.right)
        };
        assert_eq!(around(224, 3, 2), (0, 1));
        assert_eq!(around(75, 3, 2), (1, 1));
        assert_eq!(around(28, 5, 2), (1, 2));
        assert_eq!(around(10, 3, 1), (1, 1));
        assert_eq!(around(7, 1, 2), (0, 0));
    }
}
