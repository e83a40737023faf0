//! What a run says about itself while it runs: one record per epoch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What the weights are fitted to.
    Train,
    /// What a person looks at while choosing.
    Validation,
    /// What nobody looked at while choosing.
    Test,
}

impl Split {
    /// All three, in the usual order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name of its folder, and of its rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
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
    /// Which split.
    pub split: Split,
    /// Sum of the per-image losses, in nats.
    pub loss_sum: f64,
    /// Images classified correctly.
    pub correct: u64,
    /// Images seen, repetitions included.
    pub count: u64,
    /// Different images among them.
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

/// How far the tensors of the base are from where they started: ‖w − w₀‖₂ / ‖w₀‖₂ per tensor,
/// summarised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftSummary {
    /// Tensors of the base.
    pub tensors: u64,
    /// Tensors of which at least one bit changed.
    pub moved: u64,
    /// Largest relative L2 drift.
    pub maximum: f64,
    /// Mean relative L2 drift.
    pub mean: f64,
}

/// How far one tensor of the base is from where it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorDrift {
    /// The tensor.
    pub tensor: String,
    /// ‖w − w₀‖₂ / ‖w₀‖₂ at the end of the epoch.
    pub relative: f64,
}

/// What the trained model says about one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The part of the dataset that the image belongs to.
    pub split: Split,
    /// Its place in the split, in the order of its classes and file names.
    pub image: u32,
    /// The class it belongs to.
    pub label: u32,
    /// The class the model gives it.
    pub predicted: u32,
    /// Its loss, in nats: −ln of the probability that the model gives to the true class.
    pub loss: f32,
}

/// Everything recorded about one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// One entry per split that has images.
    pub splits: Vec<SplitRecord>,
    /// How far the base has moved by the end of the epoch.
    pub drift: DriftSummary,
    /// The same by tensor, for those that the optimizer holds.
    #[serde(default)]
    pub tensor_drifts: Vec<TensorDrift>,
    /// Duration of the epoch, evaluation included.
    pub seconds: f64,
    /// Training images per second of training time.
    pub images_per_second: f64,
    /// Peak resident memory of the whole process so far, where the system tells.
    pub peak_memory_bytes: Option<u64>,
}

/// A record could not be kept.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SinkError(pub Box<dyn std::error::Error + Send + Sync>);

/// Takes records as they come. After each call everything so far must be safe.
pub trait RecordSink {
    /// Starts over with the records of an interrupted run that is being resumed (none for a new
    /// run).
    ///
    /// # Errors
    /// When they cannot be kept.
    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError>;

    /// Adds the record of a finished epoch.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError>;

    /// Takes what the model of the last epoch says about each evaluated image. Whoever does not
    /// keep it need not.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn predictions(&mut self, _predictions: &[Prediction]) -> Result<(), SinkError> {
        Ok(())
    }
}
