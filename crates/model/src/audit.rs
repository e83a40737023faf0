//! Freezing seen from three sides: what was declared, what the optimizer holds, what moved.

use thaw_spec::{DriftSummary, TensorAudit, TensorDrift};

use crate::comparison::movement;
use crate::{Base, ModelError, Parameter};

/// Compares every tensor of a base with what was loaded. The first `declared_frozen_blocks` blocks were declared frozen.
///
/// # Errors
/// When a tensor cannot be read.
pub fn audit(base: &Base, declared_frozen_blocks: usize) -> Result<Vec<TensorAudit>, ModelError> {
    let parameters = base.parameters().iter();
    parameters
        .map(|parameter| {
            let (moved, relative_drift) = movement_of(parameter)?;
            Ok(TensorAudit {
                name: parameter.name.clone(),
                elements: parameter.original.elem_count() as u64,
                declared_frozen: parameter.block < declared_frozen_blocks,
                collected: parameter.variable.is_some(),
                moved,
                relative_drift,
            })
        })
        .collect()
}

/// The same over the whole base and for each tensor that the optimizer holds, for an epoch's record.
///
/// # Errors
/// When a tensor cannot be read.
pub fn drift(base: &Base) -> Result<(DriftSummary, Vec<TensorDrift>), ModelError> {
    let movements: Vec<(bool, f64)> = base.parameters().iter().map(movement_of).collect::<Result<_, _>>()?;
    let drifts = || movements.iter().map(|(_, drift)| *drift);
    let summary = DriftSummary {
        tensors: movements.len() as u64,
        moved: movements.iter().filter(|(moved, _)| *moved).count() as u64,
        maximum: drifts().fold(0.0, f64::max),
        mean: drifts().sum::<f64>() / movements.len() as f64,
    };
    let collected = base.parameters().iter().zip(&movements).filter(|(parameter, _)| parameter.variable.is_some());
    let by_tensor = collected.map(|(parameter, (_, drift))| TensorDrift { tensor: parameter.name.clone(), relative: *drift });
    Ok((summary, by_tensor.collect()))
}

fn movement_of(parameter: &Parameter) -> Result<(bool, f64), ModelError> {
    movement(&parameter.original, parameter.value())
}
