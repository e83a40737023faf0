//! How an image becomes what a base sees: resized, then turned into numbers.

use serde::{Deserialize, Serialize};

/// The filter that brings an image to its square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Pillow's `NEAREST`, with its accumulated source position.
    Nearest,
    /// Pillow's `BILINEAR`: a triangle filter whose support grows when shrinking.
    Bilinear,
}

/// The three conventions in which the field feeds pixels to a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreprocessingName {
    /// Red, green, blue, divided by 255: what the book does.
    Rescale,
    /// Blue, green, red, 0–255, minus a mean per channel: what Caffe's weights were trained on.
    Caffe,
    /// Red, green, blue, divided by 255, minus mean, divided by standard deviation: torchvision's.
    Torch,
}

impl PreprocessingName {
    /// Its name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rescale => "rescale",
            Self::Caffe => "caffe",
            Self::Torch => "torch",
        }
    }
}

/// The order of a pixel's three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How a pixel value in 0–255 becomes an input of the base: channels are reordered, then `(value ·
/// scale − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The convention's name.
    pub name: PreprocessingName,
    /// The order in which the base sees the channels.
    pub channels: ChannelOrder,
    /// Factor applied to the pixel value first.
    pub scale: f64,
    /// Subtracted per channel, in the base's channel order, after scaling.
    pub mean: [f64; 3],
    /// Divided by per channel, in the base's channel order, last.
    pub standard_deviation: [f64; 3],
}
