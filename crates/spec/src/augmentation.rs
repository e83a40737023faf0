//! What may happen to a training image before it is shown.

use serde::{Deserialize, Deserializer, Serialize, de};

/// Random transformation of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// Images are shown as they are.
    None,
    /// One random affine map per image and epoch, as Keras 2.0.8 composes it.
    Affine(AffineRanges),
}

/// The ranges from which the parameters of Keras' affine augmentation are drawn, each uniformly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffineRanges {
    /// Rotation in ± degrees.
    #[serde(default)]
    pub rotation_degrees: f64,
    /// Horizontal shift in ± fractions of the width.
    #[serde(default)]
    pub width_shift: f64,
    /// Vertical shift in ± fractions of the height.
    #[serde(default)]
    pub height_shift: f64,
    /// Shear angle in ± **radians**. (Keras 2.0.8 took its `shear_range` as radians; from 2.1.3 on it is degrees.)
    #[serde(default)]
    pub shear_radians: f64,
    /// Zoom of each axis on its own, between 1 − this and 1 + this.
    #[serde(default)]
    pub zoom: f64,
    /// Mirror left and right with probability one half.
    #[serde(default)]
    pub horizontal_flip: bool,
}

impl AffineRanges {
    /// The arguments of *Deep Learning with Python*, listing 5.11, as Keras 2.0.8 understood them.
    pub const KERAS_2_0_8: Self =
        Self { rotation_degrees: 40.0, width_shift: 0.2, height_shift: 0.2, shear_radians: 0.2, zoom: 0.2, horizontal_flip: true };
}

const NAMES: &str =
    "expected `none`, `keras-2.0.8`, or a table of rotation_degrees, width_shift, height_shift, shear_radians, zoom, horizontal_flip";

impl Augmentation {
    /// The augmentation with a name of its own.
    ///
    /// # Errors
    /// Lists the names when there is none like it.
    pub fn named(name: &str) -> Result<Self, String> {
        match name {
            "none" => Ok(Self::None),
            "keras-2.0.8" => Ok(Self::Affine(AffineRanges::KERAS_2_0_8)),
            other => Err(format!("unknown augmentation `{other}`, {NAMES}")),
        }
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Augmentation;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(NAMES)
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Augmentation, E> {
                Augmentation::named(name).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Augmentation, A::Error> {
                // The JSON of a resolved cell nests the ranges under "affine"; what a person types does not.
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Typed {
                    Resolved { affine: AffineRanges },
                    Ranges(AffineRanges),
                }
                match Typed::deserialize(de::value::MapAccessDeserializer::new(map)) {
                    Ok(Typed::Resolved { affine: ranges } | Typed::Ranges(ranges)) => Ok(Augmentation::Affine(ranges)),
                    Err(_) => Err(de::Error::custom(format!("unknown augmentation, {NAMES}"))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
