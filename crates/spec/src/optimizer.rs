//! Optimizers with their constants, the course of the learning rate, and limits on gradients.

use serde::{Deserialize, Serialize};

use crate::error::Contradiction;
use crate::settings::{Settings, set};

/// Position of RMSprop's ε in the divisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsilonPosition {
    /// Outside the root, `g / (√a + ε)`: Keras up to 2.2, PyTorch.
    OutsideRoot,
    /// Inside the root, `g / √(a + ε)`: Keras 2.12 and 3.
    InsideRoot,
}

/// RMSprop without momentum, centring or bias correction: `a ← ρ·a + (1 − ρ)·g²`, then `w ← w −
/// η·g/(√a + ε)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsProp {
    /// Step size η, positive.
    pub learning_rate: f64,
    /// Decay ρ of the running mean of squared gradients, in [0, 1).
    pub rho: f64,
    /// Constant ε that keeps the divisor from zero, positive.
    pub epsilon: f64,
    /// Position of ε, outside or inside the root.
    pub epsilon_position: EpsilonPosition,
}

/// What momentum accumulates. The two differ when the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentumForm {
    /// Steps: `v ← μ·v − η·g`, then `w ← w + v`: Keras.
    Steps,
    /// Gradients: `v ← μ·v + g`, then `w ← w − η·v`: PyTorch.
    Gradients,
}

/// How weights decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightDecayForm {
    /// By the gradient, to which `λ·w` is added: `torch.optim.SGD` and `Adam`.
    Coupled,
    /// Beside the gradient, by `w ← w − η·λ·w` before the step: AdamW (Loshchilov and Hutter 2019),
    /// and every optimizer of Keras 3.
    Decoupled,
}

/// Stochastic gradient descent, with momentum or without.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Step size η, positive.
    pub learning_rate: f64,
    /// Momentum μ, in [0, 1).
    pub momentum: f64,
    /// Whether the gradient is looked at where momentum leads (Nesterov).
    pub nesterov: bool,
    /// What momentum accumulates.
    pub momentum_form: MomentumForm,
    /// Weight decay λ, not negative.
    pub weight_decay: f64,
    /// How weights decay.
    pub weight_decay_form: WeightDecayForm,
}

/// What Adam's bias correction corrects; ε is then another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasCorrection {
    /// The step: `η·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε)`: Keras, and the end of section 2 of Kingma
    /// and Ba (2015).
    OfStep,
    /// The moments: `η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)`: PyTorch, and algorithm 1 of Kingma
    /// and Ba.
    OfMoments,
}

/// Adam (Kingma and Ba 2015), and with decoupled weight decay AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Step size η, positive.
    pub learning_rate: f64,
    /// Decay β₁ of the running mean of gradients, in [0, 1).
    pub beta_1: f64,
    /// Decay β₂ of the running mean of squared gradients, in [0, 1).
    pub beta_2: f64,
    /// Constant ε that keeps the divisor from zero, positive.
    pub epsilon: f64,
    /// What the bias correction corrects.
    pub bias_correction: BiasCorrection,
    /// Weight decay λ, not negative.
    pub weight_decay: f64,
    /// How weights decay.
    pub weight_decay_form: WeightDecayForm,
}

/// An optimizer with its constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub enum Optimizer {
    /// RMSprop.
    RmsProp(RmsProp),
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam and AdamW.
    Adam(Adam),
}

impl Optimizer {
    /// The step size η.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::RmsProp(RmsProp { learning_rate, .. })
            | Self::Sgd(Sgd { learning_rate, .. })
            | Self::Adam(Adam { learning_rate, .. }) => *learning_rate,
        }
    }

    /// The ε of the divisor, where there is one.
    pub fn epsilon_mut(&mut self) -> Option<&mut f64> {
        match self {
            Self::RmsProp(RmsProp { epsilon, .. }) | Self::Adam(Adam { epsilon, .. }) => {
                Some(epsilon)
            }
            Self::Sgd(_) => None,
        }
    }

    /// Its learning rate, to be changed.
    pub fn learning_rate_mut(&mut self) -> &mut f64 {
        match self {
            Self::RmsProp(RmsProp { learning_rate, .. })
            | Self::Sgd(Sgd { learning_rate, .. })
            | Self::Adam(Adam { learning_rate, .. }) => learning_rate,
        }
    }

    /// Whether it can go on with what another optimizer kept of each weight.
    pub fn keeps_the_state_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::RmsProp(_), Self::RmsProp(_)) | (Self::Adam(_), Self::Adam(_)) => true,
            (Self::Sgd(one), Self::Sgd(other)) => {
                (one.momentum == 0.0) == (other.momentum == 0.0)
                    && one.momentum_form == other.momentum_form
            }
            _ => false,
        }
    }
}

impl From<RmsProp> for Optimizer {
    fn from(settings: RmsProp) -> Self {
        Self::RmsProp(settings)
    }
}

impl From<Sgd> for Optimizer {
    fn from(settings: Sgd) -> Self {
        Self::Sgd(settings)
    }
}

impl From<Adam> for Optimizer {
    fn from(settings: Adam) -> Self {
        Self::Adam(settings)
    }
}

/// An optimizer as it is written down. Cells were named when RMSprop was the only one, and keep
/// their names: it has no name in them.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Record {
    RmsProp(RmsProp),
    Named(Named),
}

/// Optimizers that are written down with their name.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
enum Named {
    Sgd(Sgd),
    Adam(Adam),
}

impl From<Record> for Optimizer {
    fn from(record: Record) -> Self {
        match record {
            Record::RmsProp(rmsprop) => Self::RmsProp(rmsprop),
            Record::Named(Named::Sgd(sgd)) => Self::Sgd(sgd),
            Record::Named(Named::Adam(adam)) => Self::Adam(adam),
        }
    }
}

impl From<Optimizer> for Record {
    fn from(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::RmsProp(rmsprop) => Self::RmsProp(rmsprop),
            Optimizer::Sgd(sgd) => Self::Named(Named::Sgd(sgd)),
            Optimizer::Adam(adam) => Self::Named(Named::Adam(adam)),
        }
    }
}

/// The optimizer as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OptimizerName {
    RmsProp,
    Sgd,
    Adam,
    AdamW,
}

impl OptimizerName {
    fn name(self) -> &'static str {
        match self {
            Self::RmsProp => "rmsprop",
            Self::Sgd => "sgd",
            Self::Adam => "adam",
            Self::AdamW => "adamw",
        }
    }
}

/// The course of the learning rate over the epochs of a phase, as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScheduleName {
    Constant,
    Step,
    Cosine,
    Plateau,
}

/// The course of the learning rate over the epochs of a phase, after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Course {
    /// It stays.
    #[default]
    Constant,
    /// It is multiplied by `factor` after every `epochs` epochs.
    Step {
        /// Epochs between two changes, at least 1.
        epochs: usize,
        /// Factor of each change, in (0, 1].
        factor: f64,
    },
    /// It falls as half a cosine wave from the whole towards nothing: `(1 + cos(π·e/E))/2` in epoch
    /// `e` (from 0) of `E` (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// It is multiplied by `factor` when the validation loss has not fallen by more than
    /// [`Course::LEAST_PROGRESS`] for `epochs` epochs: Keras' `ReduceLROnPlateau`.
    Plateau {
        /// Epochs without progress before a change, at least 1.
        epochs: usize,
        /// Factor of each change, in (0, 1].
        factor: f64,
    },
}

impl Course {
    /// The fall of the validation loss, in nats, that counts as progress: Keras' `min_delta`.
    pub const LEAST_PROGRESS: f64 = 1e-4;
}

/// The learning rate of each epoch of a phase, as a factor of the optimizer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Epochs in which it grows in equal parts to the whole: in the first it is `1/(warmup + 1)`.
    pub warmup_epochs: usize,
    /// Its course after that.
    pub course: Course,
}

impl Schedule {
    /// Factor of the learning rate in an epoch, counted from 0, of `epochs`. `losses` are the
    /// validation losses of the epochs before it, all of them; those of the warm-up do not count.
    ///
    /// # Example
    /// ```
    /// use thaw_spec::{Course, Schedule};
    ///
    /// let step = Schedule { warmup_epochs: 1, course: Course::Step { epochs: 2, factor: 0.1 } };
    /// let factors: Vec<f64> = (0..5).map(|epoch| step.factor(epoch, 5, &[])).collect();
    /// assert_eq!(factors, [0.5, 1.0, 1.0, 0.1, 0.1]);
    /// ```
    pub fn factor(&self, epoch: usize, epochs: usize, losses: &[f64]) -> f64 {
        let Some(place) = epoch.checked_sub(self.warmup_epochs) else {
            return (epoch + 1) as f64 / (self.warmup_epochs + 1) as f64;
        };
        match self.course {
            Course::Constant => 1.0,
            Course::Step { epochs, factor } => factor.powi((place / epochs.max(1)) as i32),
            Course::Cosine => {
                let length = epochs.saturating_sub(self.warmup_epochs).max(1);
                (1.0 + (std::f64::consts::PI * place as f64 / length as f64).cos()) / 2.0
            }
            Course::Plateau { epochs, factor } => {
                let after_warmup = losses.get(self.warmup_epochs..).unwrap_or_default();
                factor.powi(plateaus(after_warmup, epochs))
            }
        }
    }
}

/// How often a loss has stopped to fall for so many epochs.
fn plateaus(losses: &[f64], patience: usize) -> i32 {
    let (mut best, mut waited, mut count) = (f64::INFINITY, 0, 0);
    for loss in losses {
        if *loss < best - Course::LEAST_PROGRESS {
            (best, waited) = (*loss, 0);
            continue;
        }
        waited += 1;
        if waited >= patience {
            (waited, count) = (0, count + 1);
        }
    }
    count
}

/// Gradients of which a norm is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipNormOf {
    /// Of all tensors together: PyTorch's `clip_grad_norm_`, `clipnorm` of Keras until 2.2.
    #[default]
    AllTensors,
    /// Of each tensor by itself: `clipnorm` of Keras 3.
    EachTensor,
}

/// Limits on the gradients of a step; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clipping {
    /// Largest Euclidean norm; gradients of a larger one are scaled down to it.
    pub norm: f64,
    /// Gradients of which the norm is meant.
    pub norm_of: ClipNormOf,
    /// Largest absolute value of a number, applied after the norm's limit.
    pub value: f64,
}

/// The optimizer that settings ask for. What another optimizer would need cannot matter, and is
/// refused where it was set to something.
pub(crate) fn resolve(settings: &Settings) -> Result<Optimizer, Contradiction> {
    let name = set("optimizer", &settings.optimizer)?;
    let learning_rate = positive("learning_rate", set("learning_rate", &settings.learning_rate)?)?;
    let momentum = fraction("momentum", set("momentum", &settings.momentum)?)?;
    let nesterov = set("nesterov", &settings.nesterov)?;
    let weight_decay = not_negative("weight_decay", set("weight_decay", &settings.weight_decay)?)?;
    let refuse = |setting: String, needs: &str| {
        let remedy = format!("set optimizer = {needs}, or leave it out");
        let reason = format!("{setting}, which optimizer = \"{}\" does not have", name.name());
        Err(Contradiction::new(reason).remedy(&remedy))
    };
    if name != OptimizerName::Sgd && momentum != 0.0 {
        return refuse(format!("momentum = {momentum}"), "\"sgd\"");
    }
    if name == OptimizerName::RmsProp && weight_decay != 0.0 {
        return refuse(format!("weight_decay = {weight_decay}"), "\"sgd\", \"adam\" or \"adamw\"");
    }
    if nesterov && momentum == 0.0 {
        let reason = "nesterov = true looks where momentum leads, and there is no momentum";
        return Err(Contradiction::new(reason.to_owned()).remedy("set `momentum` with it"));
    }
    // Without decay its form cannot matter.
    let weight_decay_form = match (name, weight_decay == 0.0) {
        (_, true) => WeightDecayForm::Coupled,
        (OptimizerName::AdamW, _) => WeightDecayForm::Decoupled,
        _ => set("weight_decay_form", &settings.weight_decay_form)?,
    };
    let epsilon = || {
        let epsilon = positive("epsilon", set("epsilon", &settings.epsilon)?)?;
        if epsilon as f32 == 0.0 {
            let reason = format!("epsilon = {epsilon:e} is 0 in 32-bit floats");
            return Err(Contradiction::out_of_range("epsilon", reason)
                .remedy("set `epsilon` to 1e-38 or more"));
        }
        Ok(epsilon)
    };
    Ok(match name {
        OptimizerName::RmsProp => Optimizer::RmsProp(RmsProp {
            learning_rate,
            rho: fraction("rho", set("rho", &settings.rho)?)?,
            epsilon: epsilon()?,
            epsilon_position: set("epsilon_position", &settings.epsilon_position)?,
        }),
        OptimizerName::Sgd => Optimizer::Sgd(Sgd {
            learning_rate,
            momentum,
            nesterov,
            // Nor can what there is none of.
            momentum_form: if momentum == 0.0 {
                MomentumForm::Steps
            } else {
                set("momentum_form", &settings.momentum_form)?
            },
            weight_decay,
            weight_decay_form,
        }),
        OptimizerName::Adam | OptimizerName::AdamW => Optimizer::Adam(Adam {
            learning_rate,
            beta_1: fraction("beta_1", set("beta_1", &settings.beta_1)?)?,
            beta_2: fraction("beta_2", set("beta_2", &settings.beta_2)?)?,
            epsilon: epsilon()?,
            bias_correction: set("bias_correction", &settings.bias_correction)?,
            weight_decay,
            weight_decay_form,
        }),
    })
}

/// The schedule that settings ask for.
pub(crate) fn resolve_schedule(settings: &Settings) -> Result<Schedule, Contradiction> {
    let name = set("schedule", &settings.schedule)?;
    let warmup_epochs = set("warmup_epochs", &settings.warmup_epochs)?;
    let (epochs, factor) =
        (set("step_epochs", &settings.step_epochs)?, set("step_factor", &settings.step_factor)?);
    if epochs == 0 {
        return Err(Contradiction::out_of_range("step_epochs", "step_epochs = 0".to_owned())
            .remedy("set `step_epochs` to 1 or more"));
    }
    if !(factor > 0.0 && factor <= 1.0) {
        let reason = format!("step_factor = {factor} is not in (0, 1]");
        return Err(Contradiction::out_of_range("step_factor", reason)
            .remedy("set `step_factor` to a number such as 0.1"));
    }
    let course = match name {
        ScheduleName::Constant => Course::Constant,
        ScheduleName::Step => Course::Step { epochs, factor },
        ScheduleName::Cosine => Course::Cosine,
        ScheduleName::Plateau => Course::Plateau { epochs, factor },
    };
    Ok(Schedule { warmup_epochs, course })
}

/// The limits on gradients that settings ask for.
pub(crate) fn resolve_clipping(settings: &Settings) -> Result<Clipping, Contradiction> {
    let norm = not_negative("clip_norm", set("clip_norm", &settings.clip_norm)?)?;
    Ok(Clipping {
        norm,
        norm_of: if norm == 0.0 {
            ClipNormOf::default()
        } else {
            set("clip_norm_of", &settings.clip_norm_of)?
        },
        value: not_negative("clip_value", set("clip_value", &settings.clip_value)?)?,
    })
}

fn positive(name: &'static str, value: f64) -> Result<f64, Contradiction> {
    let is_positive = value > 0.0 && value.is_finite();
    let wrong =
        || Contradiction::out_of_range(name, format!("{name} = {value} is not a positive number"));
    is_positive.then_some(value).ok_or_else(wrong)
}

fn not_negative(name: &'static str, value: f64) -> Result<f64, Contradiction> {
    let wrong = || {
        Contradiction::out_of_range(name, format!("{name} = {value} is not 0 or a positive number"))
    };
    (value >= 0.0 && value.is_finite()).then_some(value).ok_or_else(wrong)
}

fn fraction(name: &'static str, value: f64) -> Result<f64, Contradiction> {
    let wrong = || Contradiction::out_of_range(name, format!("{name} = {value} is not in [0, 1)"));
    (0.0..1.0).contains(&value).then_some(value).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_take_the_course_of_the_libraries() {
        // PyTorch 2.15's StepLR(3, 0.1), CosineAnnealingLR(10) and LinearLR(1/4, total_iters=3), and
        // ReduceLROnPlateau of Keras 3.12 with factor 0.1, by tools/golden/optimizers.py.
        let losses = [0.7, 0.6, 0.59995, 0.61, 0.6, 0.55, 0.56, 0.551, 0.55, 0.549];
        let cosine = [
            1.0,
            0.9755282581475768,
            0.9045084971874737,
            0.7938926261462366,
            0.6545084971874737,
            0.5,
            0.34549150281252633,
            0.2061073738537635,
            0.09549150281252633,
            0.024471741852423234,
        ];
        let plateau = |epochs| Course::Plateau { epochs, factor: 0.1 };
        for (warmup_epochs, course, expected) in [
            (0, Course::Constant, [1.0; 10]),
            (
                0,
                Course::Step { epochs: 3, factor: 0.1 },
                [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001],
            ),
            (0, Course::Cosine, cosine),
            (3, Course::Constant, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
            (0, plateau(1), [1.0, 1.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-3, 1e-4, 1e-5, 1e-6]),
            (0, plateau(2), [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01]),
            // As if the third epoch were the first: the course begins behind the warm-up.
            (2, plateau(1), [1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 1e-1, 1e-2, 1e-2, 1e-3, 1e-4, 1e-5]),
        ] {
            let schedule = Schedule { warmup_epochs, course };
            for (epoch, expected) in expected.into_iter().enumerate() {
                let found = schedule.factor(epoch, 10, &losses[..epoch]);
                assert!(
                    (found - expected).abs() < 1e-6 * expected,
                    "{schedule:?}, epoch {epoch}: {found} against {expected}"
                );
            }
        }
    }

    #[test]
    fn a_loss_that_falls_by_exactly_the_least_progress_has_made_none() {
        // Keras' `np.less(current, best - min_delta)`.
        assert_eq!(plateaus(&[1.0, 1.0 - Course::LEAST_PROGRESS], 1), 1);
        assert_eq!(plateaus(&[1.0, 1.0 - 1.001 * Course::LEAST_PROGRESS], 1), 0);
    }

    const RMSPROP: RmsProp = RmsProp {
        learning_rate: 1e-4,
        rho: 0.9,
        epsilon: 1e-7,
        epsilon_position: EpsilonPosition::OutsideRoot,
    };
    const SGD: Sgd = Sgd {
        learning_rate: 0.1,
        momentum: 0.9,
        nesterov: true,
        momentum_form: MomentumForm::Gradients,
        weight_decay: 1e-4,
        weight_decay_form: WeightDecayForm::Coupled,
    };
    const ADAM: Adam = Adam {
        learning_rate: 1e-3,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        bias_correction: BiasCorrection::OfMoments,
        weight_decay: 0.01,
        weight_decay_form: WeightDecayForm::Decoupled,
    };

    #[test]
    fn constants_can_be_changed_where_they_are() {
        for (mut optimizer, learning_rate, epsilon) in [
            (Optimizer::RmsProp(RMSPROP), 1e-4, Some(1e-7)),
            (SGD.into(), 0.1, None),
            (ADAM.into(), 1e-3, Some(1e-8)),
        ] {
            assert_eq!(*optimizer.learning_rate_mut(), learning_rate);
            assert_eq!(optimizer.epsilon_mut().copied(), epsilon);
            *optimizer.learning_rate_mut() = 0.5;
            if let Some(epsilon) = optimizer.epsilon_mut() {
                *epsilon = 0.25;
            }
            assert_eq!(optimizer.learning_rate(), 0.5);
            assert_eq!(optimizer.epsilon_mut().copied(), epsilon.map(|_| 0.25));
        }
    }

    #[test]
    fn an_optimizer_goes_on_with_what_keeps_the_same_numbers() {
        let plain = Sgd { momentum: 0.0, ..SGD };
        let less = Sgd { momentum: 0.5, nesterov: false, ..SGD };
        let steps = Sgd { momentum_form: MomentumForm::Steps, ..SGD };
        let plain_steps = Sgd { momentum: 0.0, ..steps };
        for (one, other, expected) in [
            (Optimizer::RmsProp(RMSPROP), RMSPROP.into(), true),
            (ADAM.into(), Adam { beta_1: 0.5, ..ADAM }.into(), true),
            (ADAM.into(), RMSPROP.into(), false),
            (SGD.into(), ADAM.into(), false),
            (SGD.into(), less.into(), true),
            (plain.into(), plain.into(), true),
            // Velocities are there or not, and of steps or of gradients.
            (plain.into(), SGD.into(), false),
            (SGD.into(), steps.into(), false),
            (plain_steps.into(), SGD.into(), false),
        ] {
            let answers = [one.keeps_the_state_of(&other), other.keeps_the_state_of(&one)];
            assert_eq!(answers, [expected; 2], "{one:?} {other:?}");
        }
    }

    #[test]
    fn every_optimizer_survives_json_and_rmsprop_has_no_name_in_it() {
        for optimizer in [RMSPROP.into(), SGD.into(), Optimizer::Adam(ADAM)] {
            let text = serde_json::to_string(&optimizer).expect("JSON");
            assert_eq!(text.contains("\"name\""), !matches!(optimizer, Optimizer::RmsProp(_)));
            assert_eq!(serde_json::from_str::<Optimizer>(&text).expect("JSON"), optimizer);
        }
    }
}
