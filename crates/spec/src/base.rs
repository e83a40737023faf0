//! The convolutional bases, and how their convolutions are computed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ChannelOrder, Preprocessing, PreprocessingName, UnknownName};

/// A convolutional base that thaw can build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// VGG16 without its classifier (Simonyan & Zisserman 2014), five blocks.
    Vgg16,
    /// SqueezeNet 1.0 without its classifier (Iandola et al. 2016) followed by a 2×2 max-pool, four
    /// blocks.
    #[serde(rename = "squeezenet1_0")]
    Squeezenet1_0,
    /// thaw's own small base, built as VGG16 is, for images of 32 to 64 pixels: four blocks,
    /// weights included.
    MiniVgg,
}

impl Architecture {
    /// All bases.
    pub const ALL: [Self; 3] = [Self::Vgg16, Self::Squeezenet1_0, Self::MiniVgg];

    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg16 => "vgg16",
            Self::Squeezenet1_0 => "squeezenet1_0",
            Self::MiniVgg => "mini_vgg",
        }
    }

    /// Number of blocks between which the freeze boundary may lie.
    pub fn blocks(self) -> usize {
        match self {
            Self::Vgg16 => 5,
            Self::Squeezenet1_0 | Self::MiniVgg => 4,
        }
    }

    /// The preprocessing of a convention, with the numbers that this base's usual weights were
    /// trained on.
    pub fn preprocessing(self, name: PreprocessingName) -> Preprocessing {
        let rgb = |scale, mean, standard_deviation| Preprocessing {
            name,
            channels: ChannelOrder::Rgb,
            scale,
            mean,
            standard_deviation,
        };
        match name {
            PreprocessingName::Rescale => rgb(1.0 / 255.0, [0.0; 3], [1.0; 3]),
            // torchvision.transforms.Normalize as its ImageNet recipes use it.
            PreprocessingName::Torch => {
                rgb(1.0 / 255.0, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            }
            // keras.applications.imagenet_utils.preprocess_input(mode="tf"): x / 127.5 − 1.
            PreprocessingName::Tf => rgb(1.0 / 127.5, [1.0; 3], [1.0; 3]),
            PreprocessingName::Caffe => Preprocessing {
                name,
                channels: ChannelOrder::Bgr,
                scale: 1.0,
                mean: match self {
                    // keras.applications.vgg16.preprocess_input
                    Self::Vgg16 | Self::MiniVgg => [103.939, 116.779, 123.68],
                    // The SqueezeNet authors' train_val.prototxt.
                    Self::Squeezenet1_0 => [104.0, 117.0, 123.0],
                },
                standard_deviation: [1.0; 3],
            },
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("base", name, &Self::ALL, Self::name)
    }
}

/// Algorithm of 3×3 convolutions at stride 1. It changes how results round, and how long they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConvolutionAlgorithm {
    /// Direct convolution, by the definition.
    Direct,
    /// Winograd's F(2×2, 3×3), which rounds as little as direct convolution.
    WinogradF2,
    /// Winograd's F(3×3, 3×3), the fastest.
    WinogradF3,
}

impl ConvolutionAlgorithm {
    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::WinogradF2 => "winograd_f2",
            Self::WinogradF3 => "winograd_f3",
        }
    }
}
