//! What training does with the moving statistics of batch normalisation: in a frozen base, where
//! libraries differ and the declared freeze does not decide, and how they follow a batch's.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::error::Contradiction;
use crate::settings::{Settings, set};
use crate::{Architecture, FreezeBy, UnknownName};

/// What training does with the moving statistics of a frozen batch normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrozenStatistics {
    /// It normalises by them and leaves them as they are: the frozen base is evaluated.
    #[default]
    Kept,
    /// It normalises by each batch's own and leaves the moving ones as they are.
    Batch,
    /// It normalises by each batch's own, and the moving ones follow: they move although nothing is
    /// trained, as `requires_grad = False` leaves them in PyTorch until `eval()` is called.
    Moving,
}

impl FrozenStatistics {
    const ALL: [Self; 3] = [Self::Kept, Self::Batch, Self::Moving];

    /// Name in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Batch => "batch",
            Self::Moving => "moving",
        }
    }
}

impl FromStr for FrozenStatistics {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("treatment of frozen statistics", name, &Self::ALL, Self::name)
    }
}

/// The setting `frozen_statistics`: a name in an experiment, and in a profile what its library does
/// for either object on which a freeze is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrozenStatisticsSetting {
    /// Whatever else is set.
    Stated(FrozenStatistics),
    /// In training steps that run through a frozen base. A cache is filled by a base that is
    /// evaluated, as `predict` of Keras does it, unless somebody states otherwise.
    OfLibrary(ByFlag),
}

/// What a library does by the object on which a freeze is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByFlag {
    layers: FrozenStatistics,
    container: FrozenStatistics,
}

impl FrozenStatisticsSetting {
    pub(crate) fn resolve(self, freeze_by: FreezeBy, is_cached: bool) -> FrozenStatistics {
        match self {
            Self::Stated(stated) => stated,
            Self::OfLibrary(_) if is_cached => FrozenStatistics::Kept,
            Self::OfLibrary(ByFlag { layers, container }) => match freeze_by {
                FreezeBy::Layers => layers,
                FreezeBy::Container => container,
            },
        }
    }
}

impl<'de> Deserialize<'de> for FrozenStatisticsSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Table(table) => table
                .try_into()
                .map(Self::OfLibrary)
                .map_err(|error| de::Error::custom(error.message())),
            toml::Value::String(name) => name.parse().map(Self::Stated).map_err(de::Error::custom),
            other => Err(de::Error::custom(format!(
                "expected \"kept\", \"batch\", \"moving\" or a table of these for `layers` and `container`, found {other}"
            ))),
        }
    }
}

/// How moving statistics follow those of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovingStatistics {
    /// Share of a batch's statistics in the moving ones, in (0, 1]: PyTorch's `momentum`, one minus
    /// Keras'.
    pub share: f64,
    /// The variance of a batch that the moving one follows.
    pub variance: MovingVariance,
    /// How the moving ones begin.
    pub average: MovingAverage,
}

/// The variance of a batch of *n* values by channel that a moving one follows. What a batch itself is
/// divided by is always the population's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovingVariance {
    /// The sum of squares divided by *n*, as in Keras 2.0.8 and 3.
    Population,
    /// Divided by *n* − 1, as in PyTorch and Keras 2.1.3.
    Sample,
    /// Times *n* / (*n* − 1) once more, as in Keras 2.2, which corrects what TensorFlow has corrected.
    SampleTwice,
}

impl MovingVariance {
    /// The factor of the population's variance of `count` values.
    pub fn correction(self, count: usize) -> f64 {
        let sample = count as f64 / (count as f64 - 1.0);
        match self {
            Self::Population => 1.0,
            Self::Sample => sample,
            Self::SampleTwice => sample * sample,
        }
    }
}

/// How a moving average begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovingAverage {
    /// With what was loaded.
    Plain,
    /// With nothing: TensorFlow's `zero_debias`, by which the first batch's statistics take the place
    /// of what was loaded, and the *t*-th batch has the share *s* / (1 − (1 − *s*)^*t*) (Kingma & Ba
    /// 2014, section 3).
    ZeroDebiased,
}

/// The setting `moving_variance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MovingVarianceName {
    /// As in the library that the base is from.
    OfBase,
    Population,
    Sample,
    SampleTwice,
}

impl MovingStatistics {
    /// The share of the batch that moves statistics for the `updates`-th time, counted from 1.
    pub fn share_of(&self, updates: usize) -> f64 {
        match self.average {
            MovingAverage::Plain => self.share,
            MovingAverage::ZeroDebiased => {
                self.share / (1.0 - (1.0 - self.share).powf(updates as f64))
            }
        }
    }

    /// What settings make of a base's own; nothing where they change nothing.
    pub(crate) fn resolve(
        architecture: Architecture,
        settings: &Settings,
    ) -> Result<Option<Self>, Contradiction> {
        let share = set("statistics_share", &settings.statistics_share)?;
        if !(0.0..=1.0).contains(&share) {
            let reason = format!("statistics_share = {share} is not in [0, 1]");
            return Err(Contradiction::out_of_range("statistics_share", reason)
                .remedy("0 stands for the base's own; 1 for statistics of the last batch alone"));
        }
        let variance = set("moving_variance", &settings.moving_variance)?;
        let average = set("moving_average", &settings.moving_average)?;
        let own = architecture.moving_statistics();
        let resolved = own.map(|own| Self {
            share: if share == 0.0 { own.share } else { share },
            variance: match variance {
                MovingVarianceName::OfBase => own.variance,
                MovingVarianceName::Population => MovingVariance::Population,
                MovingVarianceName::Sample => MovingVariance::Sample,
                MovingVarianceName::SampleTwice => MovingVariance::SampleTwice,
            },
            average,
        });
        Ok(resolved.filter(|_| resolved != own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_variance_follows_the_corrected_one_of_a_batch() {
        // n / (n − 1), and its square.
        for (count, sample, twice) in [(2, 2.0, 4.0), (5, 1.25, 1.5625), (9, 1.125, 1.265_625)] {
            assert_eq!(
                [
                    MovingVariance::Population.correction(count),
                    MovingVariance::Sample.correction(count),
                    MovingVariance::SampleTwice.correction(count),
                ],
                [1.0, sample, twice]
            );
        }
    }

    #[test]
    fn a_zero_debiased_average_begins_with_the_first_batch() {
        let average = |average| MovingStatistics {
            share: 0.1,
            variance: MovingVariance::Population,
            average,
        };
        // 0.1 / (1 − 0.9^t).
        for (updates, expected) in
            [(1, 1.0), (2, 0.526_315_789), (3, 0.369_003_690), (10, 0.153_533_993), (200, 0.1)]
        {
            assert_eq!(average(MovingAverage::Plain).share_of(updates), 0.1);
            let found = average(MovingAverage::ZeroDebiased).share_of(updates);
            assert!((found - expected).abs() < 1e-9, "{updates}: {found}");
        }
    }
}
