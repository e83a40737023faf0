//! Freezing seen from three sides: what was declared, what the optimizer holds, what moved.

use candle_core::Tensor;
use thaw_spec::{DriftSummary, TensorAudit, TensorDrift};

use crate::comparison::movement;
use crate::{Base, ModelError, Parameter};

/// Compares every tensor of a base with what was loaded. The first `declared_frozen_blocks` blocks
/// were declared frozen all along.
///
/// # Errors
/// When a tensor cannot be read.
///
/// # Example
/// One step with the first three of four blocks frozen:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use thaw_model::{Base, Gradients, Head, Loss, Optimizer, Weights, audit};
/// use thaw_spec::{Architecture, ConvolutionAlgorithm, EpsilonPosition, Initializer, RmsProp};
///
/// let device = Device::Cpu;
/// let weights = Weights::shipped(Architecture::MiniVgg).expect("they come with thaw")?;
/// let (architecture, algorithm) = (Architecture::MiniVgg, ConvolutionAlgorithm::Direct);
/// let base = Base::new(architecture, algorithm, &weights, 3, &device)?;
/// let head = Head::new(512, 8, Loss::Binary, Initializer::GlorotUniform, |_| || 0.6, &device)?;
/// let of_base = base.parameters().iter().filter_map(|parameter| parameter.variable.clone());
/// let of_head = head.variables().into_iter().map(|(_, variable)| variable.clone());
/// let settings = RmsProp {
///     learning_rate: 1e-4,
///     rho: 0.9,
///     epsilon: 1e-8,
///     epsilon_position: EpsilonPosition::OutsideRoot,
/// };
/// let variables = of_base.chain(of_head).collect();
/// let mut optimizer = Optimizer::new(variables, settings)?;
///
/// let pixels = (0..2 * 32 * 32 * 3).map(|place| (place % 251) as f32 - 125.0);
/// let images = Tensor::from_iter(pixels, &device)?.reshape((2, 32, 32, 3))?;
/// let boundary = base.forward(&images, 0..3)?;
/// let (features, tape) = base.forward_on_tape(&boundary, 3..4)?;
/// let (logits, head_tape) = head.forward_on_tape(&features, None)?;
/// let losses = Loss::Binary.per_image(&logits, &[0, 1], 0.0)?;
/// let mut gradients = Gradients::of(&losses.mean_all()?)?;
/// head_tape.backward(&mut gradients)?;
/// tape.backward(&mut gradients)?;
/// optimizer.apply(&gradients)?;
///
/// for tensor in audit(&base, 3)? {
///     assert_eq!(tensor.collected, !tensor.declared_frozen);
///     assert_eq!(tensor.moved, tensor.collected, "{}", tensor.name);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn audit(base: &Base, declared_frozen_blocks: usize) -> Result<Vec<TensorAudit>, ModelError> {
    audit_since(base, declared_frozen_blocks, |parameter| {
        (&parameter.original, parameter.was_trained())
    })
}

/// Compares every tensor of a base with what it was when the present phase began, in which the
/// first `declared_frozen_blocks` blocks were declared frozen.
///
/// # Errors
/// When a tensor cannot be read.
pub fn audit_phase(
    base: &Base,
    declared_frozen_blocks: usize,
) -> Result<Vec<TensorAudit>, ModelError> {
    audit_since(base, declared_frozen_blocks, |parameter| {
        (parameter.start(), parameter.trained().is_some())
    })
}

/// The audit of a period, of which `period` gives the value of each tensor at the start and whether
/// an optimizer held it.
fn audit_since(
    base: &Base,
    declared_frozen_blocks: usize,
    period: impl Fn(&Parameter) -> (&Tensor, bool),
) -> Result<Vec<TensorAudit>, ModelError> {
    let parameters = base.parameters().iter();
    parameters
        .map(|parameter| {
            let (start, collected) = period(parameter);
            let (moved, drift) = movement(start, parameter.value())?;
            let relative_drift = if drift.is_finite() { drift } else { f64::INFINITY };
            Ok(TensorAudit {
                name: parameter.name.clone(),
                role: parameter.role,
                elements: parameter.original.elem_count() as u64,
                declared_frozen: parameter.block < declared_frozen_blocks,
                collected,
                moved,
                relative_drift,
            })
        })
        .collect()
}

/// Relative drift of a base since its weights were loaded, summarised and for each tensor that
/// training may change or might in an earlier phase, for an epoch's record.
///
/// # Errors
/// When a tensor cannot be read.
pub fn drift(base: &Base) -> Result<(DriftSummary, Vec<TensorDrift>), ModelError> {
    let movements =
        base.parameters().iter().map(|parameter| movement(&parameter.original, parameter.value()));
    let movements: Vec<(bool, f64)> = movements.collect::<Result<_, _>>()?;
    let drifts = || movements.iter().map(|(_, drift)| *drift);
    let summary = DriftSummary {
        tensors: movements.len() as u64,
        moved: movements.iter().filter(|(moved, _)| *moved).count() as u64,
        maximum: drifts().fold(0.0, f64::max),
        mean: drifts().sum::<f64>() / movements.len() as f64,
    };
    let collected =
        base.parameters().iter().zip(&movements).filter(|(parameter, _)| parameter.was_variable());
    let by_tensor = collected.map(|(parameter, (_, drift))| TensorDrift {
        tensor: parameter.name.clone(),
        relative: *drift,
    });
    Ok((summary, by_tensor.collect()))
}
