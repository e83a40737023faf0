//! Which images a validation pass looks at.

use serde::{Deserialize, Serialize};

/// Sampling of the images of a validation pass, in a procedure that trains from images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationSampling {
    /// Each image exactly once.
    #[default]
    EachOnce,
    /// As many batches as there are, from an endless shuffled sequence of which the batches
    /// prefetched after a pass are lost (`fit_generator` before Keras 2.1.0). See
    /// [`ValidationSampling::DISCARDED_BATCHES`].
    PrefetchedAway,
}

impl ValidationSampling {
    /// Batches lost after each pass: what fits into Keras' queue (`max_queue_size=10`). A batch
    /// that the worker holds at that moment is lost too; whether there is one depends on timing,
    /// and is not modelled.
    pub const DISCARDED_BATCHES: usize = 10;
}
