//! Procedure profiles: what a version of a library makes of the same arguments. The table is data,
//! in `profiles.toml`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::{Resampling, Resize, ShearUnit, UnknownName};

/// Library whose habits are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// Keras 2.0.8, with which the book was written.
    #[serde(rename = "keras-2.0.8")]
    Keras2_0_8,
    /// Keras 2.1.3.
    #[serde(rename = "keras-2.1.3")]
    Keras2_1_3,
    /// Keras 2.2 with keras_preprocessing.
    #[serde(rename = "keras-2.2")]
    Keras2_2,
    /// Keras 3, with the image generator that it calls legacy.
    #[serde(rename = "keras-3")]
    Keras3,
    /// PyTorch and torchvision.
    #[serde(rename = "torch")]
    Torch,
}

static SETTINGS: LazyLock<BTreeMap<Profile, Settings>> = LazyLock::new(|| {
    toml::from_str(include_str!("profiles.toml")).expect("the embedded profiles are tested")
});

impl FromStr for Profile {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("profile", name, &Self::ALL, Self::name)
    }
}

impl Profile {
    /// All profiles, oldest first.
    pub const ALL: [Self; 5] =
        [Self::Keras2_0_8, Self::Keras2_1_3, Self::Keras2_2, Self::Keras3, Self::Torch];

    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keras2_0_8 => "keras-2.0.8",
            Self::Keras2_1_3 => "keras-2.1.3",
            Self::Keras2_2 => "keras-2.2",
            Self::Keras3 => "keras-3",
            Self::Torch => "torch",
        }
    }

    /// Filter by which the library resizes images.
    pub fn resize(self) -> Resize {
        self.settings().resize.expect("every profile sets it")
    }

    /// Unit of the library's shears.
    pub fn shear_unit(self) -> ShearUnit {
        self.settings().shear_unit.expect("every profile sets it")
    }

    /// The library's application of affine maps.
    pub fn resampling(self) -> Resampling {
        let settings = self.settings();
        Resampling {
            interpolation: settings.interpolation.expect("every profile sets it"),
            center: settings.transform_center.expect("every profile sets it"),
        }
    }

    /// Settings that take the place of the defaults.
    pub(crate) fn settings(self) -> &'static Settings {
        SETTINGS.get(&self).expect("every profile stands in the table")
    }
}
