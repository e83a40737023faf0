//! Pretraining: making the weights that others start from.
//!
//! A base with random weights is trained as a whole, by the same loop as every cell, on a source
//! task. Two things differ. The step size falls linearly from epoch to epoch, so that training
//! comes to rest. And without batch normalisation the head is given the features divided by
//! [`FEATURE_SCALE`], since random weights pass on the scale of the pixels, which Caffe's convention
//! leaves at 0–255; afterwards the factor is carried into the last convolution. The biases of such a
//! base are small beside its activations, as VGG16's are.

use thaw_data::{Purpose, Stream};
use thaw_model::{Weights, export, multiplied_tensors};
use thaw_spec::{Cell, EpochRecord};

use crate::trainer::Run;
use crate::{FitData, TrainError};

/// Divisor of the features during pretraining, about the standard deviation of pixels in 0–255; a
/// power of two, so that carrying it into the weights rounds nothing.
pub const FEATURE_SCALE: f64 = 64.0;

/// Trains a base from random weights and returns the weights file and the epochs' records, each of
/// which is also given to `report`; `progress` is told how many images are done.
///
/// # Errors
/// When the loss is no number any more.
pub fn pretrain(
    cell: &Cell,
    data: &FitData,
    mut report: impl FnMut(&EpochRecord),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<u8>, Vec<EpochRecord>), TrainError> {
    let architecture = cell.procedure.architecture;
    let factor = if architecture.has_batch_norm() { 1.0 } else { 1.0 / FEATURE_SCALE };
    // What the last step would refuse is refused before hours of training.
    multiplied_tensors(architecture, factor as f32)?;
    let draw = |tensor: usize| {
        // The head's tensors have the same purpose; the base's are told from them by the epoch's
        // place in the address.
        let mut stream = Stream::new(cell.seed, Purpose::Initialize, 1, tensor);
        move || stream.unit()
    };
    let weights = Weights::initial(architecture, draw)?;
    let mut run = Run::new(cell, &weights, data)?;
    run.head.input_factor = factor;
    let epochs = cell.procedure.epochs;
    let mut records = Vec::new();
    for epoch in 0..epochs {
        run.optimizer.set_learning_rate(
            cell.procedure.optimizer.learning_rate() * (epochs - epoch) as f64 / epochs as f64,
        );
        let begun = run.begin();
        let (record, _) = run.epoch(epoch, begun, &mut |_, _| Ok(()), progress)?;
        report(&record);
        records.push(record);
    }
    Ok((export(&run.base, architecture, factor as f32)?, records))
}
