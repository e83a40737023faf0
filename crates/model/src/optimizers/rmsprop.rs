//! RMSprop as Keras and PyTorch define it: `a ← ρ·a + (1 − ρ)·g²`, `w ← w − η·g / (√a + ε)` or `/
//! √(a + ε)`.

use candle_core::{Result, Tensor};
use thaw_spec::{EpsilonPosition, RmsProp};

use super::Step;

/// RMSprop without momentum. The running mean of squared gradients is not corrected for its start.
#[derive(Debug)]
pub(super) struct Rule(pub(super) RmsProp);

impl super::Rule for Rule {
    fn states(&self) -> &'static [&'static str] {
        &["rmsprop"]
    }

    fn update(&self, step: Step, weights: &mut [f32], states: &mut [&mut [f32]], gradient: &[f32]) {
        let RmsProp { rho, epsilon, epsilon_position, .. } = self.0;
        let (learning_rate, rho, rest, epsilon) =
            (step.learning_rate as f32, rho as f32, (1.0 - rho) as f32, epsilon as f32);
        let [squares] = states else { unreachable!("RMSprop has one state") };
        let elements = weights.iter_mut().zip(squares.iter_mut()).zip(gradient);
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

    fn compose(
        &self,
        step: Step,
        weights: &Tensor,
        states: &mut [Tensor],
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let RmsProp { rho, epsilon, epsilon_position, .. } = self.0;
        let [squares] = states else { unreachable!("RMSprop has one state") };
        *squares = ((&*squares * rho)? + (gradient.sqr()? * (1.0 - rho))?)?;
        let divisor = match epsilon_position {
            EpsilonPosition::OutsideRoot => (squares.sqrt()? + epsilon)?,
            EpsilonPosition::InsideRoot => (&*squares + epsilon)?.sqrt()?,
        };
        weights - ((gradient / divisor)? * step.learning_rate)?
    }
}
