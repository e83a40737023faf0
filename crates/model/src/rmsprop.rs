//! RMSprop as Keras and PyTorch define it: `a ← ρ·a + (1 − ρ)·g²`, `w ← w − η·g / (√a + ε)` or `/
//! √(a + ε)`.

use std::sync::Mutex;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use thaw_conv::with_values;
use thaw_spec::{EpsilonPosition, Optimizer};

use crate::Gradients;
use crate::gradients::OuterProduct;

/// RMSprop without momentum. Accumulators start at zero and are not corrected for it.
#[derive(Debug)]
pub struct RmsProp {
    settings: Optimizer,
    variables: Vec<(Var, Accumulator)>,
}

/// The running mean of a variable's squared gradients, where the variable lies.
#[derive(Debug)]
enum Accumulator {
    Host(Vec<f32>),
    Device(Tensor),
}

impl RmsProp {
    /// The optimizer of some variables, which lie on one device.
    ///
    /// # Errors
    /// When a device has no room for the accumulators.
    pub fn new(variables: Vec<Var>, settings: Optimizer) -> Result<Self> {
        let with_accumulator = |variable: Var| {
            let accumulator = Accumulator::new(&variable, vec![0f32; variable.elem_count()])?;
            Ok((variable, accumulator))
        };
        Ok(Self {
            settings,
            variables: variables.into_iter().map(with_accumulator).collect::<Result<_>>()?,
        })
    }

    /// Changes the step size from the next step on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.settings.learning_rate = learning_rate;
    }

    /// The running means of squared gradients, in the order of the variables.
    ///
    /// # Errors
    /// When a device does not hand them over.
    pub fn accumulators(&self) -> Result<Vec<Vec<f32>>> {
        let values = |accumulator: &Accumulator| match accumulator {
            Accumulator::Host(values) => Ok(values.clone()),
            Accumulator::Device(tensor) => tensor.flatten_all()?.to_vec1(),
        };
        self.variables.iter().map(|(_, accumulator)| values(accumulator)).collect()
    }

    /// Changes every variable that has a gradient.
    ///
    /// # Errors
    /// When a gradient has another shape than its variable.
    pub fn apply(&mut self, gradients: &Gradients) -> Result<()> {
        for (variable, accumulator) in &mut self.variables {
            if let (Some(product), Accumulator::Host(accumulator)) =
                (gradients.product(variable.as_tensor()), accumulator)
            {
                let update = FusedRmsPropUpdate {
                    settings: self.settings,
                    accumulator: Mutex::new(accumulator),
                    product,
                };
                variable.as_tensor().inplace_op1(&update)?;
            }
        }
        self.step(&gradients.store)
    }

    /// Changes the variables whose gradients are in the store. The largest gradient of the head is
    /// not: see [`Gradients`].
    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        for (variable, accumulator) in &mut self.variables {
            let Some(gradient) = gradients.get(variable.as_tensor()) else { continue };
            match accumulator {
                Accumulator::Host(accumulator) => {
                    let update = RmsPropUpdate {
                        settings: self.settings,
                        accumulator: Mutex::new(accumulator),
                    };
                    variable.as_tensor().inplace_op2(&gradient.contiguous()?, &update)?;
                }
                Accumulator::Device(accumulator) => {
                    composed_step(self.settings, variable, accumulator, gradient)?
                }
            }
        }
        Ok(())
    }

    /// Restores accumulators, in the order of the variables.
    ///
    /// # Errors
    /// When their number or lengths do not fit.
    pub fn restore(&mut self, accumulators: Vec<Vec<f32>>) -> Result<()> {
        let fits = |((variable, _), new): (&(Var, Accumulator), &Vec<f32>)| {
            variable.elem_count() == new.len()
        };
        if accumulators.len() != self.variables.len()
            || !self.variables.iter().zip(&accumulators).all(fits)
        {
            bail!("the kept accumulators are those of other variables");
        }
        for ((variable, old), new) in self.variables.iter_mut().zip(accumulators) {
            *old = Accumulator::new(variable, new)?;
        }
        Ok(())
    }
}

impl Accumulator {
    fn new(variable: &Var, values: Vec<f32>) -> Result<Self> {
        if variable.device().is_cpu() {
            return Ok(Self::Host(values));
        }
        Ok(Self::Device(Tensor::from_vec(values, variable.shape(), variable.device())?))
    }
}

/// A step made of Candle's operations.
fn composed_step(
    settings: Optimizer,
    variable: &Var,
    accumulator: &mut Tensor,
    gradient: &Tensor,
) -> Result<()> {
    let Optimizer { learning_rate, rho, epsilon, epsilon_position } = settings;
    *accumulator = ((&*accumulator * rho)? + (gradient.sqr()? * (1.0 - rho))?)?;
    let divisor = match epsilon_position {
        EpsilonPosition::OutsideRoot => (accumulator.sqrt()? + epsilon)?,
        EpsilonPosition::InsideRoot => (&*accumulator + epsilon)?.sqrt()?,
    };
    variable.set(&(variable.as_tensor() - ((gradient / divisor)? * learning_rate)?)?)
}

/// Updates weights and accumulators in one pass over both and the gradient.
struct RmsPropUpdate<'a> {
    settings: Optimizer,
    accumulator: Mutex<&'a mut [f32]>,
}

/// Elements per task; every element is independent, so the division changes nothing.
const CHUNK: usize = 1 << 16;

impl InplaceOp2 for RmsPropUpdate<'_> {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        weights_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (Some((w, w_end)), Some((g, g_end))) =
            (weights_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            bail!("RMSprop needs contiguous tensors");
        };
        let CpuStorage::F32(weights) = weights else { bail!("RMSprop needs 32-bit floats") };
        let (weights, gradient) = (&mut weights[w..w_end], &gradient.as_slice::<f32>()?[g..g_end]);
        let Ok(mut accumulator) = self.accumulator.lock() else { bail!("an earlier step failed") };
        let chunks = weights
            .par_chunks_mut(CHUNK)
            .zip(accumulator.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK));
        chunks.for_each(|((weights, accumulator), gradient)| {
            update(self.settings, weights, accumulator, gradient)
        });
        Ok(())
    }
}

/// Updates weights and accumulators of a dense layer in one pass, in which the gradient of some
/// rows is computed and used up in the cache.
struct FusedRmsPropUpdate<'a> {
    settings: Optimizer,
    accumulator: Mutex<&'a mut [f32]>,
    product: &'a OuterProduct,
}

/// Rows of weights whose gradient is computed together: few enough that it stays in the cache.
const ROWS: usize = 48;

impl InplaceOp1 for FusedRmsPropUpdate<'_> {
    fn name(&self) -> &'static str {
        "rmsprop of a dense layer"
    }

    fn cpu_fwd(&self, weights: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("RMSprop needs contiguous tensors")
        };
        let CpuStorage::F32(weights) = weights else { bail!("RMSprop needs 32-bit floats") };
        let Ok(mut accumulator) = self.accumulator.lock() else { bail!("an earlier step failed") };
        let length = ROWS * self.product.outputs;
        with_values(&self.product.input, |input| {
            let chunks = weights[start..end]
                .par_chunks_mut(length)
                .zip(accumulator.par_chunks_mut(length))
                .enumerate();
            chunks.for_each_init(
                || vec![0f32; length],
                |gradient, (number, (weights, accumulator))| {
                    let gradient = &mut gradient[..weights.len()];
                    gradient.fill(0.0);
                    self.product.add_rows(input, number * ROWS, gradient);
                    update(self.settings, weights, accumulator, gradient);
                },
            );
        })
    }
}

/// RMSprop on neighbouring numbers.
fn update(settings: Optimizer, weights: &mut [f32], accumulator: &mut [f32], gradient: &[f32]) {
    let Optimizer { learning_rate, rho, epsilon, epsilon_position } = settings;
    let (learning_rate, rho, rest, epsilon) =
        (learning_rate as f32, rho as f32, (1.0 - rho) as f32, epsilon as f32);
    let elements = weights.iter_mut().zip(accumulator.iter_mut()).zip(gradient);
    // Square roots and quotients are rounded correctly, so the width of the vectors changes
    // nothing.
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || match epsilon_position {
            EpsilonPosition::OutsideRoot => {
                for ((w, a), g) in elements {
                    *a = rho * *a + rest * (g * g);
                    *w -= learning_rate * g / (a.sqrt() + epsilon);
                }
            }
            EpsilonPosition::InsideRoot => {
                for ((w, a), g) in elements {
                    *a = rho * *a + rest * (g * g);
                    *w -= learning_rate * g / (*a + epsilon).sqrt();
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_composed_step_is_the_hand_written_one() -> Result<()> {
        for epsilon_position in [EpsilonPosition::OutsideRoot, EpsilonPosition::InsideRoot] {
            let settings =
                Optimizer { learning_rate: 0.01, rho: 0.9, epsilon: 1e-3, epsilon_position };
            let (mut weights, mut mean) = ([0.5f32, -1.0, 2.0], [0.0f32; 3]);
            let variable = Var::new(&weights, &Device::Cpu)?;
            let mut accumulator = variable.zeros_like()?;
            for gradient in [[0.3f32, -0.02, 0.0], [0.1, 5.0, -1e-4]] {
                update(settings, &mut weights, &mut mean, &gradient);
                composed_step(
                    settings,
                    &variable,
                    &mut accumulator,
                    &Tensor::new(&gradient, &Device::Cpu)?,
                )?;
            }
            let composed = variable.to_vec1::<f32>()?;
            assert!(
                weights.iter().zip(&composed).all(|(own, composed)| (own - composed).abs() < 1e-6),
                "{weights:?} {composed:?}"
            );
        }
        Ok(())
    }
}
