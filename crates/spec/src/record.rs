//! What a run says about itself while it runs: one record per epoch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnknownName;

/// A part of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Images that the weights are fitted to.
    Train,
    /// Images by which a person chooses.
    Validation,
    /// Images that no choice depended on.
    Test,
}

impl Split {
    /// All splits, in the usual order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Name of the split's folder, and of its rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl FromStr for Split {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("split", name, &Self::ALL, Self::name)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Loss and accuracy of one split in one epoch, as sums with their count, so that they can be added
/// without averaging averages.
///
/// For [`Split::Train`] these are accumulated over the steps of the epoch, with dropout and
/// augmentation at work, as Keras reports them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// Split that the record is about.
    pub split: Split,
    /// Sum of the per-image losses, in nats.
    pub loss_sum: f64,
    /// Number of images classified correctly.
    pub correct: u64,
    /// Number of images seen, repetitions included.
    pub count: u64,
    /// Number of different images among them.
    pub distinct_images: u64,
}

impl SplitRecord {
    /// Mean loss per image, in nats.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.count as f64
    }

    /// Fraction of images classified correctly.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.count as f64
    }
}

/// Relative drift ‖w − w₀‖₂ / ‖w₀‖₂ of the tensors of the base from where they started, summarised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftSummary {
    /// Number of tensors of the base.
    pub tensors: u64,
    /// Number of tensors of which at least one bit changed.
    pub moved: u64,
    /// Largest relative drift.
    pub maximum: f64,
    /// Mean relative drift.
    pub mean: f64,
}

/// Relative drift of one tensor of the base from where it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorDrift {
    /// Name of the tensor.
    pub tensor: String,
    /// ‖w − w₀‖₂ / ‖w₀‖₂ at the end of the epoch.
    pub relative: f64,
}

/// Prediction of the trained model for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Split that the image belongs to.
    pub split: Split,
    /// Index of the image in the split, in the order of its classes and file names.
    pub image: u32,
    /// Label of the image.
    pub label: u32,
    /// Label that the model predicts.
    pub predicted: u32,
    /// Loss of the image, in nats: −ln of the probability that the model gives to the true class.
    pub loss: f32,
}

impl Prediction {
    /// Whether the predicted label is the image's.
    pub fn is_correct(&self) -> bool {
        self.predicted == self.label
    }
}

/// Record of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of the epoch, counted from 1.
    pub epoch: usize,
    /// Losses and accuracies, one entry per split that has images.
    pub splits: Vec<SplitRecord>,
    /// Drift of the base at the end of the epoch.
    pub drift: DriftSummary,
    /// Drift of each tensor that the optimizer holds.
    #[serde(default)]
    pub tensor_drifts: Vec<TensorDrift>,
    /// Duration of the epoch in seconds, evaluation included.
    pub seconds: f64,
    /// Training images per second of training time.
    pub images_per_second: f64,
    /// Peak resident memory of the whole process so far, in bytes, where the system tells it.
    pub peak_memory_bytes: Option<u64>,
}

/// A record could not be kept.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SinkError(pub Box<dyn std::error::Error + Send + Sync>);

/// Receiver of the records of a run. After each call everything so far must be safe.
pub trait RecordSink {
    /// Starts over with the records of an interrupted run that is being resumed (none for a new
    /// run).
    ///
    /// # Errors
    /// When they cannot be kept.
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError>;

    /// Takes what a person should know of how the run goes, such as that a damaged checkpoint was left
    /// alone. The default keeps nothing.
    fn remark(&mut self, _remark: &str) {}

    /// Adds the record of a finished epoch.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError>;

    /// Takes the predictions of the last epoch's model for each evaluated image. The default keeps
    /// none.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn predictions(&mut self, _predictions: &[Prediction]) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_the_images_seen() {
        let record = SplitRecord {
            split: Split::Train,
            loss_sum: 2.5,
            correct: 3,
            count: 4,
            distinct_images: 2,
        };
        assert_eq!((record.loss(), record.accuracy()), (0.625, 0.75));
        let prediction =
            |predicted| Prediction { split: Split::Test, image: 0, label: 1, predicted, loss: 0.5 };
        assert!(prediction(1).is_correct() && !prediction(0).is_correct());
    }
}
