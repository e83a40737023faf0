//! What may happen to a training image before it is shown.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::UnknownName;

/// Random transformation of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// No transformation.
    None,
    /// A random affine map for each image and epoch, as Keras 2.0.8 composes it.
    Affine(AffineRanges),
}

/// The ranges from which the parameters of Keras' affine augmentation are drawn, each uniformly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffineRanges {
    /// Largest rotation to either side, in degrees.
    #[serde(default)]
    pub rotation_degrees: f64,
    /// Largest horizontal shift to either side, as a fraction of the width.
    #[serde(default)]
    pub width_shift: f64,
    /// Largest vertical shift to either side, as a fraction of the height.
    #[serde(default)]
    pub height_shift: f64,
    /// Largest shear angle to either side, in **radians**. (Keras 2.0.8 took its `shear_range` as
    /// radians; from 2.1.3 on it is degrees.)
    #[serde(default)]
    pub shear_radians: f64,
    /// Largest zoom of each axis on its own, which lies between 1 − this and 1 + this.
    #[serde(default)]
    pub zoom: f64,
    /// Whether left and right are exchanged with probability one half.
    #[serde(default)]
    pub horizontal_flip: bool,
}

impl AffineRanges {
    /// The arguments of *Deep Learning with Python*, listing 5.11, as Keras 2.0.8 understood them.
    pub const KERAS_2_0_8: Self = Self {
        rotation_degrees: 40.0,
        width_shift: 0.2,
        height_shift: 0.2,
        shear_radians: 0.2,
        zoom: 0.2,
        horizontal_flip: true,
    };
}

/// The unit of Keras' `shear_range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShearUnit {
    /// Radians, as in Keras before 2.1.3.
    Radians,
    /// Degrees, as in Keras from 2.1.3 on.
    Degrees,
}

/// Interpolation between the pixels around a transformed pixel's source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel (SciPy's order 0).
    #[default]
    Nearest,
    /// The four pixels around it, weighted by nearness (SciPy's order 1).
    Bilinear,
}

/// The fixed point of rotation, shear and zoom, and which axis is which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformCenter {
    /// (height/2 + ½, width/2 + ½), one pixel beyond the centre: Keras until 2.2.
    #[default]
    PlusHalf,
    /// (height/2 − ½, width/2 − ½), with rows and columns of the matrix exchanged: Keras 2.12 and
    /// 3.
    MinusHalfAxesSwapped,
}

/// Application of an affine map to an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resampling {
    /// Interpolation between pixels.
    pub interpolation: Interpolation,
    /// Fixed point of rotation, shear and zoom.
    pub center: TransformCenter,
}

impl Resampling {
    /// Whether it is the resampling of Keras 2.0.8.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

const EXPECTED: &str = "`none`, `book`, `keras-2.0.8`, or a table of rotation_degrees, width_shift, height_shift, shear_radians, zoom, horizontal_flip";

/// An augmentation as a setting names it; its meaning may depend on other settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AugmentationSetting {
    /// The arguments of *Deep Learning with Python*, listing 5.11, whose shear of 0.2 has the unit
    /// of the setting `shear_unit`.
    Book,
    /// An augmentation that depends on no other setting.
    Plain(Augmentation),
}

impl AugmentationSetting {
    /// The augmentation with shears in this unit.
    pub fn resolve(self, unit: ShearUnit) -> Augmentation {
        match (self, unit) {
            // Ranges in which nothing is drawn.
            (Self::Plain(Augmentation::Affine(ranges)), _) if ranges == AffineRanges::default() => {
                Augmentation::None
            }
            (Self::Plain(augmentation), _) => augmentation,
            (Self::Book, ShearUnit::Radians) => Augmentation::Affine(AffineRanges::KERAS_2_0_8),
            (Self::Book, ShearUnit::Degrees) => {
                let radians = AffineRanges::KERAS_2_0_8.shear_radians;
                Augmentation::Affine(AffineRanges {
                    shear_radians: radians.to_radians(),
                    ..AffineRanges::KERAS_2_0_8
                })
            }
        }
    }
}

impl FromStr for AugmentationSetting {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "book" { Ok(Self::Book) } else { name.parse().map(Self::Plain) }
    }
}

impl<'de> Deserialize<'de> for AugmentationSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        enum Name {
            #[serde(rename = "book")]
            Book,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Typed {
            Book(Name),
            Other(toml::Value),
        }
        match Typed::deserialize(deserializer)? {
            Typed::Book(Name::Book) => Ok(Self::Book),
            Typed::Other(value) => Augmentation::deserialize(value)
                .map(Self::Plain)
                .map_err(|error| de::Error::custom(error.message())),
        }
    }
}

impl FromStr for Augmentation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "none" => Ok(Self::None),
            "keras-2.0.8" => Ok(Self::Affine(AffineRanges::KERAS_2_0_8)),
            other => Err(UnknownName::new("augmentation", other, EXPECTED)),
        }
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Augmentation;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Augmentation, E> {
                name.parse().map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Augmentation, A::Error> {
                // The JSON of a resolved cell nests the ranges under "affine"; what a person types
                // does not.
                #[derive(Deserialize)]
                #[serde(untagged, deny_unknown_fields)]
                enum Typed {
                    Resolved { affine: AffineRanges },
                    Ranges(AffineRanges),
                }
                match Typed::deserialize(de::value::MapAccessDeserializer::new(map)) {
                    Ok(Typed::Resolved { affine: ranges } | Typed::Ranges(ranges)) => {
                        Ok(Augmentation::Affine(ranges))
                    }
                    Err(_) => {
                        Err(de::Error::custom(format!("unknown augmentation, expected {EXPECTED}")))
                    }
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
