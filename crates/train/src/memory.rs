//! How much memory a run needs.

use thaw_model::ModelError;
use thaw_spec::{Cell, Extraction, Phase, Sharing};

use crate::activations::BATCH;

/// A generous estimate of the memory that training a cell on so many images needs, in bytes:
/// activations of a batch with their gradients, features that a phase keeps of all images, and the
/// head's weights with gradients and accumulators, in the phase that needs most.
///
/// # Errors
/// When the images are too small for the base.
pub fn fit_memory_bytes(cell: &Cell, training_images: u64) -> Result<u64, ModelError> {
    let procedure = &cell.procedure;
    let shapes = thaw_model::shapes(procedure.architecture, procedure.image_size)?;
    let head = shapes.last().map_or(0, |block| {
        procedure.head_multiply_adds(block.floats() as u64, block.channels as u64)
    });
    let floats_of = |phase: &Phase<'_>| {
        let computed_from = match Extraction::for_training(cell, phase, Sharing::Literal) {
            Some(stored) => stored.blocks,
            None => 0,
        };
        let (below, above) = shapes.split_at(phase.procedure.frozen_blocks());
        let below: usize = below.iter().skip(computed_from).map(|block| block.activations).sum();
        let above: usize = above.iter().map(|block| 3 * block.activations).sum();
        let kept = if phase.procedure.keeps_features_of_batches() {
            let boundary = phase.procedure.frozen_blocks().checked_sub(1).map(|last| shapes[last]);
            boundary.map_or(0, |boundary| boundary.floats()) as u64 * training_images
        } else {
            0
        };
        let batch = (phase.procedure.batch_size as u64).min(training_images);
        batch * (below + above) as u64 + kept
    };
    let floats = procedure.phases().iter().map(floats_of).max().unwrap_or(0);
    Ok(4 * (floats + 6 * head) + (64 << 20))
}

/// A generous estimate of the memory that an extraction needs, in bytes: all activations of a batch,
/// though those of a block are given back when the next has been computed.
///
/// # Errors
/// When the images are too small for the base.
pub fn extract_memory_bytes(extraction: &Extraction) -> Result<u64, ModelError> {
    let procedure = &extraction.cell.procedure;
    let shapes = thaw_model::shapes(procedure.architecture, procedure.image_size)?;
    let floats: usize = shapes.iter().take(extraction.blocks).map(|block| block.activations).sum();
    Ok(4 * (BATCH * floats) as u64 + (64 << 20))
}
