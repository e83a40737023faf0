//! Adam and AdamW as Keras and PyTorch define them: `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`,
//! and a step along `m/√v`, both corrected for their start.

use candle_core::{Result, Tensor};
use thaw_spec::{Adam, BiasCorrection, WeightDecayForm};

use super::Step;

/// Adam.
#[derive(Debug)]
pub(super) struct Rule(pub(super) Adam);

/// The numbers of one step.
struct Factors {
    /// Of the weights, before the step.
    decay: f64,
    /// Of the weights in the gradient.
    coupled: f64,
    /// The step size, corrected.
    step: f64,
    /// Of √v.
    root: f64,
}

impl Rule {
    fn factors(&self, Step { number, learning_rate }: Step) -> Factors {
        let Adam { beta_1, beta_2, bias_correction, weight_decay, weight_decay_form, .. } = self.0;
        let steps = i32::try_from(number).unwrap_or(i32::MAX);
        let (first, second) = (1.0 - beta_1.powi(steps), (1.0 - beta_2.powi(steps)).sqrt());
        let (decay, coupled) = match weight_decay_form {
            WeightDecayForm::Coupled => (1.0, weight_decay),
            WeightDecayForm::Decoupled => (1.0 - learning_rate * weight_decay, 0.0),
        };
        let (step, root) = match bias_correction {
            BiasCorrection::OfStep => (learning_rate * second / first, 1.0),
            BiasCorrection::OfMoments => (learning_rate / first, 1.0 / second),
        };
        Factors { decay, coupled, step, root }
    }
}

impl super::Rule for Rule {
    fn states(&self) -> &'static [&'static str] {
        &["mean", "mean_square"]
    }

    fn update(&self, step: Step, weights: &mut [f32], states: &mut [&mut [f32]], gradient: &[f32]) {
        let Adam { beta_1, beta_2, epsilon, .. } = self.0;
        let Factors { decay, coupled, step, root } = self.factors(step);
        let [decay, coupled, step, root, epsilon] =
            [decay, coupled, step, root, epsilon].map(|number| number as f32);
        let [beta_1, rest_1, beta_2, rest_2] =
            [beta_1, 1.0 - beta_1, beta_2, 1.0 - beta_2].map(|number| number as f32);
        let [means, squares] = states else { unreachable!("Adam has two states") };
        let elements =
            weights.iter_mut().zip(means.iter_mut()).zip(squares.iter_mut()).zip(gradient);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (((w, m), v), g) in elements {
                    let g = g + coupled * *w;
                    *m = beta_1 * *m + rest_1 * g;
                    *v = beta_2 * *v + rest_2 * (g * g);
                    *w = decay * *w - step * *m / (v.sqrt() * root + epsilon);
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
        let Adam { beta_1, beta_2, epsilon, .. } = self.0;
        let Factors { decay, coupled, step, root } = self.factors(step);
        let [mean, square] = states else { unreachable!("Adam has two states") };
        let gradient = (gradient + (weights * coupled)?)?;
        *mean = ((&*mean * beta_1)? + (&gradient * (1.0 - beta_1))?)?;
        *square = ((&*square * beta_2)? + (gradient.sqr()? * (1.0 - beta_2))?)?;
        let divisor = ((square.sqrt()? * root)? + epsilon)?;
        (weights * decay)? - ((&*mean / divisor)? * step)?
    }
}
