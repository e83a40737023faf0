//! How much memory a run needs and has used.

use thaw_model::ModelError;
use thaw_spec::{Cell, Extraction, Sharing};

/// Peak resident memory of this process in bytes, where the system tells (Linux).
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// A generous estimate of the memory that training a cell needs, in bytes: activations of a batch with their gradients, and the head's
/// weights with gradients and accumulators.
///
/// # Errors
/// When the images are too small for the base.
pub fn fit_memory_bytes(cell: &Cell) -> Result<u64, ModelError> {
    let procedure = &cell.procedure;
    let shapes = thaw_model::shapes(procedure.architecture, procedure.image_size)?;
    let frozen = procedure.frozen_blocks();
    let below: usize = if Extraction::for_training(cell, Sharing::Literal).is_none() {
        shapes[..frozen].iter().map(|block| block.activations).sum()
    } else {
        0
    };
    let above: usize = shapes[frozen..].iter().map(|block| 3 * block.activations).sum();
    let features = shapes.last().map_or(0, |block| block.floats());
    let head = 6 * features * procedure.hidden_units;
    Ok(4 * (procedure.batch_size * (below + above) + head) as u64 + (64 << 20))
}
