//! The convolutional bases, and how their convolutions are computed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    ChannelOrder, MovingAverage, MovingStatistics, MovingVariance, Preprocessing,
    PreprocessingName, UnknownName,
};

/// A convolutional base that thaw can build, without its classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// VGG16 (Simonyan & Zisserman 2014), five blocks.
    Vgg16,
    /// VGG19 (Simonyan & Zisserman 2014), five blocks.
    Vgg19,
    /// SqueezeNet 1.0 (Iandola et al. 2016) followed by a 2×2 max-pool, four blocks.
    #[serde(rename = "squeezenet1_0")]
    Squeezenet1_0,
    /// ResNet-18 (He et al. 2016) as torchvision builds it: the stem and four stages.
    Resnet18,
    /// ResNet-50 (He et al. 2016) as torchvision builds it: the stem and four stages.
    Resnet50,
    /// ResNet-50 as Keras builds it: with biases, and the stride in other convolutions.
    Resnet50Keras,
    /// MobileNetV2 (Sandler et al. 2018) as torchvision builds it, five blocks.
    MobilenetV2,
    /// MobileNetV2 as Keras builds it: padded as TensorFlow pads.
    MobilenetV2Keras,
    /// EfficientNet-Lite0 (Tan & Le 2019; Liu 2020) as published for TensorFlow, five blocks.
    EfficientnetLite0,
    /// EfficientNet-Lite0 as timm builds its own, which it calls `efficientnet_lite0`: padded alike
    /// on all sides.
    EfficientnetLite0Timm,
    /// thaw's own small base, built as VGG16 is, for images of 32 to 64 pixels: four blocks,
    /// weights included.
    MiniVgg,
    /// thaw's own small base with batch normalisation, built as torchvision's ResNet-18 is, for images
    /// of 32 to 64 pixels: the stem and three stages, weights included.
    MiniResnet,
}

impl Architecture {
    /// All bases.
    pub const ALL: [Self; 12] = [
        Self::Vgg16,
        Self::Vgg19,
        Self::Squeezenet1_0,
        Self::Resnet18,
        Self::Resnet50,
        Self::Resnet50Keras,
        Self::MobilenetV2,
        Self::MobilenetV2Keras,
        Self::EfficientnetLite0,
        Self::EfficientnetLite0Timm,
        Self::MiniVgg,
        Self::MiniResnet,
    ];

    /// Name in an experiment, and number of blocks between which the freeze boundary may lie.
    const fn name_and_blocks(self) -> (&'static str, usize) {
        match self {
            Self::Vgg16 => ("vgg16", 5),
            Self::Vgg19 => ("vgg19", 5),
            Self::Squeezenet1_0 => ("squeezenet1_0", 4),
            Self::Resnet18 => ("resnet18", 5),
            Self::Resnet50 => ("resnet50", 5),
            Self::Resnet50Keras => ("resnet50_keras", 5),
            Self::MobilenetV2 => ("mobilenet_v2", 5),
            Self::MobilenetV2Keras => ("mobilenet_v2_keras", 5),
            Self::EfficientnetLite0 => ("efficientnet_lite0", 5),
            Self::EfficientnetLite0Timm => ("efficientnet_lite0_timm", 5),
            Self::MiniVgg => ("mini_vgg", 4),
            Self::MiniResnet => ("mini_resnet", 4),
        }
    }

    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        self.name_and_blocks().0
    }

    /// Number of blocks between which the freeze boundary may lie.
    pub fn blocks(self) -> usize {
        self.name_and_blocks().1
    }

    /// Side of the smallest images of which it leaves something, in pixels, and at least 32.
    pub fn smallest_image(self) -> usize {
        match self {
            // Its first convolution and its pooling have no padding.
            Self::Squeezenet1_0 => 37,
            _ => 32,
        }
    }

    /// Whether it has layers of batch normalisation.
    pub fn has_batch_norm(self) -> bool {
        self.moving_statistics().is_some()
    }

    /// How the moving statistics of its batch normalisations follow a batch's in the library that it
    /// is from, where it has some.
    pub fn moving_statistics(self) -> Option<MovingStatistics> {
        let (share, variance) = match self {
            Self::Vgg16 | Self::Vgg19 | Self::Squeezenet1_0 | Self::MiniVgg => return None,
            Self::Resnet18
            | Self::Resnet50
            | Self::MobilenetV2
            | Self::EfficientnetLite0Timm
            | Self::MiniResnet => (0.1, MovingVariance::Sample),
            Self::Resnet50Keras => (0.01, MovingVariance::Population),
            Self::MobilenetV2Keras => (1e-3, MovingVariance::Population),
            // TensorFlow's 0.99, as `efficientnet-pytorch` carries it over.
            Self::EfficientnetLite0 => (0.01, MovingVariance::Sample),
        };
        Some(MovingStatistics { share, variance, average: MovingAverage::Plain })
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
            PreprocessingName::Tf => match self {
                // MEAN_RGB and STDDEV_RGB of efficientnet_lite_builder.py, tensorflow/tpu.
                Self::EfficientnetLite0 => rgb(1.0, [127.0; 3], [128.0; 3]),
                // keras.applications.imagenet_utils.preprocess_input(mode="tf"): x / 127.5 − 1.
                _ => rgb(1.0 / 127.5, [1.0; 3], [1.0; 3]),
            },
            PreprocessingName::Caffe => Preprocessing {
                name,
                channels: ChannelOrder::Bgr,
                scale: 1.0,
                mean: match self {
                    // The SqueezeNet authors' train_val.prototxt.
                    Self::Squeezenet1_0 => [104.0, 117.0, 123.0],
                    // keras.applications.imagenet_utils.preprocess_input(mode="caffe")
                    _ => [103.939, 116.779, 123.68],
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
    /// Winograd's F(3×3, 3×3).
    WinogradF3,
    /// Winograd's F(6×6, 3×3), F(4×4, 3×3) or F(3×3, 3×3), the fastest for the size of a layer's maps.
    WinogradF6,
    /// Winograd's F(3×3, 3×3) of transformed pixels and kernels that are rounded to bfloat16. Sums
    /// are 32-bit floats.
    WinogradF3Bfloat16,
}

impl ConvolutionAlgorithm {
    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::WinogradF2 => "winograd_f2",
            Self::WinogradF3 => "winograd_f3",
            Self::WinogradF6 => "winograd_f6",
            Self::WinogradF3Bfloat16 => "winograd_f3_bfloat16",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_becomes_what_the_convention_and_the_base_make_of_it() {
        // (255 · scale − mean) / deviation, by hand: 1; (1 − 0.485) / 0.229 and so on; 255 / 127.5 − 1;
        // 255 less the mean of blue, green and red.
        use Architecture::{EfficientnetLite0, EfficientnetLite0Timm, Squeezenet1_0, Vgg16};
        use PreprocessingName::{Caffe, Rescale, Tf, Torch};
        for (base, name, expected) in [
            (Vgg16, Rescale, [1.0; 3]),
            (Vgg16, Torch, [2.248_908, 2.428_571, 2.64]),
            (Vgg16, Tf, [1.0; 3]),
            (EfficientnetLite0Timm, Tf, [1.0; 3]),
            // MEAN_RGB of 127 and STDDEV_RGB of 128, not halves of 255.
            (EfficientnetLite0, Tf, [1.0; 3]),
            (Vgg16, Caffe, [151.061, 138.221, 131.32]),
            (Squeezenet1_0, Caffe, [151.0, 138.0, 132.0]),
        ] {
            let preprocessing = base.preprocessing(name);
            for (channel, expected) in expected.into_iter().enumerate() {
                let white = (255.0 * preprocessing.scale - preprocessing.mean[channel])
                    / preprocessing.standard_deviation[channel];
                assert!((white - expected).abs() < 1e-6, "{base} {name:?}: {white}");
            }
        }
        let black = |base: Architecture| {
            let preprocessing = base.preprocessing(Tf);
            -preprocessing.mean[0] / preprocessing.standard_deviation[0]
        };
        assert_eq!((black(Vgg16), black(EfficientnetLite0)), (-1.0, -0.992_187_5));
    }
}
