//! Stochastic gradient descent as Keras (`v ← μ·v − η·g`, `w ← w + v`) and PyTorch (`v ← μ·v + g`,
//! `w ← w − η·v`) define it, with Nesterov's momentum or without.

use candle_core::{Result, Tensor};
use thaw_spec::{MomentumForm, Sgd, WeightDecayForm};

use super::Step;

/// Stochastic gradient descent.
#[derive(Debug)]
pub(super) struct Rule(pub(super) Sgd);

impl Rule {
    /// Factor of the weights before the step, and the part of the weights that is added to the
    /// gradient.
    fn decay(&self, step: Step) -> (f64, f64) {
        match self.0.weight_decay_form {
            WeightDecayForm::Coupled => (1.0, self.0.weight_decay),
            WeightDecayForm::Decoupled => (1.0 - step.learning_rate * self.0.weight_decay, 0.0),
        }
    }
}

impl super::Rule for Rule {
    fn states(&self) -> &'static [&'static str] {
        if self.0.momentum == 0.0 { &[] } else { &["momentum"] }
    }

    fn update(&self, step: Step, weights: &mut [f32], states: &mut [&mut [f32]], gradient: &[f32]) {
        let Sgd { momentum, nesterov, momentum_form, .. } = self.0;
        let (decay, coupled) = self.decay(step);
        let (decay, coupled, momentum, learning_rate) =
            (decay as f32, coupled as f32, momentum as f32, step.learning_rate as f32);
        let gradients = |w: f32, g: f32| g + coupled * w;
        let [moving] = states else {
            for (w, g) in weights.iter_mut().zip(gradient) {
                *w = decay * *w - learning_rate * gradients(*w, *g);
            }
            return;
        };
        let elements = weights.iter_mut().zip(moving.iter_mut()).zip(gradient);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || match (momentum_form, nesterov) {
                (MomentumForm::Steps, false) => {
                    for ((w, v), g) in elements {
                        *v = momentum * *v - learning_rate * gradients(*w, *g);
                        *w = decay * *w + *v;
                    }
                }
                (MomentumForm::Steps, true) => {
                    for ((w, v), g) in elements {
                        let own = learning_rate * gradients(*w, *g);
                        *v = momentum * *v - own;
                        *w = decay * *w + (momentum * *v - own);
                    }
                }
                (MomentumForm::Gradients, false) => {
                    for ((w, v), g) in elements {
                        *v = momentum * *v + gradients(*w, *g);
                        *w = decay * *w - learning_rate * *v;
                    }
                }
                (MomentumForm::Gradients, true) => {
                    for ((w, v), g) in elements {
                        let own = gradients(*w, *g);
                        *v = momentum * *v + own;
                        *w = decay * *w - learning_rate * (own + momentum * *v);
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
        let Sgd { momentum, nesterov, momentum_form, .. } = self.0;
        let (decay, coupled) = self.decay(step);
        let gradient = (gradient + (weights * coupled)?)?;
        let scaled = (&gradient * step.learning_rate)?;
        let change = match (states, momentum_form) {
            ([], _) => scaled.neg()?,
            ([moving], MomentumForm::Steps) => {
                *moving = ((&*moving * momentum)? - &scaled)?;
                if nesterov { ((&*moving * momentum)? - &scaled)? } else { moving.clone() }
            }
            ([moving], MomentumForm::Gradients) => {
                *moving = ((&*moving * momentum)? + &gradient)?;
                let direction =
                    if nesterov { (&gradient + (&*moving * momentum)?)? } else { moving.clone() };
                (direction * -step.learning_rate)?
            }
            _ => unreachable!("SGD has one state or none"),
        };
        (weights * decay)? + change
    }
}
