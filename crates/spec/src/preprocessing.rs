//! How an image becomes what a base sees: resized, then turned into numbers.

use serde::{Deserialize, Serialize};

/// Filter that resizes an image to a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Pillow's `NEAREST`, with its accumulated source position.
    Nearest,
    /// Pillow's `BILINEAR`: a triangle filter whose support grows when shrinking.
    Bilinear,
}

/// Convention in which pixels are fed to a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreprocessingName {
    /// Red, green, blue, divided by 255: what the book does.
    Rescale,
    /// Blue, green, red, 0–255, minus a mean per channel: what Caffe's weights were trained on.
    Caffe,
    /// Red, green, blue, divided by 255, minus mean, divided by standard deviation: torchvision's.
    Torch,
    /// Red, green, blue, from −1 to 1: what TensorFlow's MobileNets and Inceptions were trained on.
    Tf,
}

impl PreprocessingName {
    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rescale => "rescale",
            Self::Caffe => "caffe",
            Self::Torch => "torch",
            Self::Tf => "tf",
        }
    }
}

/// Order of a pixel's three channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// Transformation of a pixel value in 0–255 into an input of the base: channels are reordered, then
/// `(value · scale − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Name of the convention.
    pub name: PreprocessingName,
    /// Order in which the base sees the channels.
    pub channels: ChannelOrder,
    /// Factor that the pixel value is multiplied by first.
    pub scale: f64,
    /// Mean that is subtracted from each channel after scaling, in the base's channel order.
    pub mean: [f64; 3],
    /// Standard deviation that each channel is divided by last, in the base's channel order.
    pub standard_deviation: [f64; 3],
}
