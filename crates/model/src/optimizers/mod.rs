//! Optimizers: what a step does with gradients. Each update rule is a file; what all of them need
//! stands here.

mod adam;
mod rmsprop;
mod sgd;

use std::fmt;
use std::sync::Mutex;

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use thaw_conv::with_values;
use thaw_spec::{ClipNormOf, Clipping};

use crate::Gradients;
use crate::gradients::OuterProduct;

/// How a step changes weights. What is kept of a weight from step to step, its states, starts at
/// zero.
trait Rule: fmt::Debug + Send + Sync {
    /// The names of the states.
    fn states(&self) -> &'static [&'static str];

    /// A step of neighbouring weights, with their states in the order of the names.
    fn update(&self, step: Step, weights: &mut [f32], states: &mut [&mut [f32]], gradient: &[f32]);

    /// The same made of Candle's operations, for devices without kernels of ours: the new weights.
    fn compose(
        &self,
        step: Step,
        weights: &Tensor,
        states: &mut [Tensor],
        gradient: &Tensor,
    ) -> Result<Tensor>;
}

/// A step: its number, from 1, and its step size η.
#[derive(Clone, Copy, Debug)]
struct Step {
    number: u64,
    learning_rate: f64,
}

/// An optimizer with the variables that it holds.
#[derive(Debug)]
pub struct Optimizer {
    rule: Box<dyn Rule>,
    clipping: Clipping,
    learning_rate: f64,
    /// Number of steps so far.
    steps: u64,
    variables: Vec<(Var, States)>,
}

/// The states of a variable, where the variable lies.
#[derive(Debug)]
enum States {
    Host(Vec<Vec<f32>>),
    Device(Vec<Tensor>),
}

/// Everything that an optimizer keeps from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    /// Number of steps so far.
    pub steps: u64,
    /// The names of the states of every variable.
    pub names: &'static [&'static str],
    /// The states of each variable, in the order of the variables and of the names.
    pub values: Vec<Vec<Vec<f32>>>,
}

impl Optimizer {
    /// The optimizer of some variables, which lie on one device.
    ///
    /// # Errors
    /// When a device has no room for the states.
    pub fn new(variables: Vec<Var>, settings: impl Into<thaw_spec::Optimizer>) -> Result<Self> {
        let settings = settings.into();
        let rule: Box<dyn Rule> = match settings {
            thaw_spec::Optimizer::RmsProp(rmsprop) => Box::new(rmsprop::Rule(rmsprop)),
            thaw_spec::Optimizer::Sgd(sgd) => Box::new(sgd::Rule(sgd)),
            thaw_spec::Optimizer::Adam(adam) => Box::new(adam::Rule(adam)),
        };
        let with_states = |variable: Var| {
            let zeros = || vec![0f32; variable.elem_count()];
            let states = States::new(&variable, rule.states().iter().map(|_| zeros()).collect())?;
            Ok((variable, states))
        };
        let variables = variables.into_iter().map(with_states).collect::<Result<_>>()?;
        let learning_rate = settings.learning_rate();
        Ok(Self { rule, clipping: Clipping::default(), learning_rate, steps: 0, variables })
    }

    /// The same optimizer with limits on gradients.
    #[must_use]
    pub fn clipped(self, clipping: Clipping) -> Self {
        Self { clipping, ..self }
    }

    /// Changes the step size from the next step on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    /// Everything that is kept from step to step.
    ///
    /// # Errors
    /// When a device does not hand it over.
    pub fn state(&self) -> Result<OptimizerState> {
        let of_variable = |(_, states): &(Var, States)| match states {
            States::Host(states) => Ok(states.clone()),
            States::Device(tensors) => {
                tensors.iter().map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
            }
        };
        let values = self.variables.iter().map(of_variable).collect::<Result<_>>()?;
        Ok(OptimizerState { steps: self.steps, names: self.rule.states(), values })
    }

    /// Goes on from what an optimizer of the same kind and variables kept.
    ///
    /// # Errors
    /// When names, numbers or lengths do not fit.
    pub fn restore(&mut self, state: OptimizerState) -> Result<()> {
        let fits = |((variable, _), states): (&(Var, States), &Vec<Vec<f32>>)| {
            states.len() == self.rule.states().len()
                && states.iter().all(|values| values.len() == variable.elem_count())
        };
        if state.names != self.rule.states()
            || state.values.len() != self.variables.len()
            || !self.variables.iter().zip(&state.values).all(fits)
        {
            bail!("the kept state is that of another optimizer or of other variables");
        }
        for ((variable, old), new) in self.variables.iter_mut().zip(state.values) {
            *old = States::new(variable, new)?;
        }
        self.steps = state.steps;
        Ok(())
    }

    /// Changes every variable that has a gradient.
    ///
    /// # Errors
    /// When a gradient has another shape than its variable.
    pub fn apply(&mut self, gradients: &Gradients) -> Result<()> {
        self.steps += 1;
        let step = Step { number: self.steps, learning_rate: self.learning_rate };
        let limits = self.limits(gradients)?;
        for ((variable, states), limit) in self.variables.iter_mut().zip(limits) {
            let tensor = variable.as_tensor();
            match states {
                States::Host(states) => {
                    let update = Update {
                        rule: self.rule.as_ref(),
                        step,
                        limit,
                        states: Mutex::new(states),
                    };
                    if let Some(product) = gradients.product(tensor) {
                        tensor.inplace_op1(&DenseUpdate { update, product })?;
                    } else if let Some(gradient) = gradients.store.get(tensor) {
                        tensor.inplace_op2(&gradient.contiguous()?, &update)?;
                    }
                }
                States::Device(states) => {
                    if let Some(gradient) = gradients.store.get(tensor) {
                        let gradient = limit.compose(gradient)?;
                        let updated = self.rule.compose(step, tensor, states, &gradient)?;
                        variable.set(&updated)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What to do with the gradient of each variable.
    fn limits(&self, gradients: &Gradients) -> Result<Vec<Limit>> {
        let Clipping { norm, norm_of, value } = self.clipping;
        let value = if value > 0.0 { value as f32 } else { f32::INFINITY };
        let mut factors = vec![1.0; self.variables.len()];
        if norm > 0.0 {
            let squares = |(variable, _): &(Var, States)| gradients.sum_of_squares(variable);
            let squares: Vec<f64> = self.variables.iter().map(squares).collect::<Result<_>>()?;
            let all: f64 = squares.iter().sum();
            for (factor, own) in factors.iter_mut().zip(squares) {
                let length = match norm_of {
                    ClipNormOf::AllTensors => all.sqrt(),
                    ClipNormOf::EachTensor => own.sqrt(),
                };
                if length > norm {
                    *factor = norm / length;
                }
            }
        }
        Ok(factors.into_iter().map(|factor| Limit { factor: factor as f32, value }).collect())
    }
}

/// What becomes of a gradient before it is used.
#[derive(Clone, Copy, Debug)]
struct Limit {
    factor: f32,
    /// Largest absolute value.
    value: f32,
}

impl Limit {
    fn changes_nothing(self) -> bool {
        self.factor == 1.0 && self.value == f32::INFINITY
    }

    fn apply(self, gradient: &mut [f32]) {
        for number in gradient {
            *number = (*number * self.factor).clamp(-self.value, self.value);
        }
    }

    fn compose(self, gradient: &Tensor) -> Result<Tensor> {
        if self.changes_nothing() {
            return Ok(gradient.clone());
        }
        let scaled = (gradient * f64::from(self.factor))?;
        if self.value == f32::INFINITY { Ok(scaled) } else { scaled.clamp(-self.value, self.value) }
    }
}

impl States {
    fn new(variable: &Var, values: Vec<Vec<f32>>) -> Result<Self> {
        if variable.device().is_cpu() {
            return Ok(Self::Host(values));
        }
        let tensor =
            |values: Vec<f32>| Tensor::from_vec(values, variable.shape(), variable.device());
        Ok(Self::Device(values.into_iter().map(tensor).collect::<Result<_>>()?))
    }
}

/// Updates weights and states in one pass over both and the gradient.
struct Update<'a> {
    rule: &'a dyn Rule,
    step: Step,
    limit: Limit,
    states: Mutex<&'a mut Vec<Vec<f32>>>,
}

/// Elements per task; every element is independent, so the division changes nothing.
const CHUNK: usize = 1 << 16;

/// Some neighbouring weights with their states.
struct Part<'a> {
    weights: &'a mut [f32],
    states: Vec<&'a mut [f32]>,
}

/// Weights and states in parts of some length.
fn parts<'a>(weights: &'a mut [f32], states: &'a mut [Vec<f32>], length: usize) -> Vec<Part<'a>> {
    let part = |weights| Part { weights, states: Vec::with_capacity(states.len()) };
    let mut parts: Vec<Part<'a>> = weights.chunks_mut(length).map(part).collect();
    for state in states {
        for (part, values) in parts.iter_mut().zip(state.chunks_mut(length)) {
            part.states.push(values);
        }
    }
    parts
}

impl Update<'_> {
    /// A step of a part whose gradient may be changed.
    fn limited(&self, Part { weights, states }: &mut Part<'_>, gradient: &mut [f32]) {
        if !self.limit.changes_nothing() {
            self.limit.apply(gradient);
        }
        self.rule.update(self.step, weights, states, gradient);
    }
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "a step of an optimizer"
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
            bail!("an optimizer needs contiguous tensors");
        };
        let CpuStorage::F32(weights) = weights else { bail!("an optimizer needs 32-bit floats") };
        let (weights, gradient) = (&mut weights[w..w_end], &gradient.as_slice::<f32>()?[g..g_end]);
        if weights.len() != gradient.len() {
            bail!("a gradient has {} numbers, its variable {}", gradient.len(), weights.len());
        }
        let Ok(mut states) = self.states.lock() else { bail!("an earlier step failed") };
        let parts = parts(weights, &mut states, CHUNK);
        parts.into_par_iter().zip(gradient.par_chunks(CHUNK)).for_each(|(mut part, gradient)| {
            if self.limit.changes_nothing() {
                self.rule.update(self.step, part.weights, &mut part.states, gradient);
            } else {
                self.limited(&mut part, &mut gradient.to_vec());
            }
        });
        Ok(())
    }
}

/// Updates weights and states of a dense layer in one pass, in which the gradient of some rows is
/// computed and used up in the cache.
struct DenseUpdate<'a> {
    update: Update<'a>,
    product: &'a OuterProduct,
}

/// Rows of weights whose gradient is computed together: few enough that it stays in the cache.
const ROWS: usize = 48;

impl InplaceOp1 for DenseUpdate<'_> {
    fn name(&self) -> &'static str {
        "a step of an optimizer on a dense layer"
    }

    fn cpu_fwd(&self, weights: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("an optimizer needs contiguous tensors")
        };
        let CpuStorage::F32(weights) = weights else { bail!("an optimizer needs 32-bit floats") };
        let Ok(mut states) = self.update.states.lock() else { bail!("an earlier step failed") };
        let length = ROWS * self.product.outputs;
        let parts = parts(&mut weights[start..end], &mut states, length);
        with_values(&self.product.input, |input| {
            parts.into_par_iter().enumerate().for_each_init(
                || vec![0f32; length],
                |gradient, (number, mut part)| {
                    let gradient = &mut gradient[..part.weights.len()];
                    gradient.fill(0.0);
                    self.product.add_rows(input, number * ROWS, gradient);
                    self.update.limited(&mut part, gradient);
                },
            );
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use thaw_spec::{
        Adam, BiasCorrection, EpsilonPosition, MomentumForm, RmsProp, Sgd, WeightDecayForm,
    };

    use super::*;

    /// Every rule in every form.
    fn rules() -> Vec<Box<dyn Rule>> {
        let mut rules: Vec<Box<dyn Rule>> = Vec::new();
        for epsilon_position in [EpsilonPosition::OutsideRoot, EpsilonPosition::InsideRoot] {
            rules.push(Box::new(rmsprop::Rule(RmsProp {
                learning_rate: 0.01,
                rho: 0.9,
                epsilon: 1e-3,
                epsilon_position,
            })));
        }
        for weight_decay_form in [WeightDecayForm::Coupled, WeightDecayForm::Decoupled] {
            for momentum_form in [MomentumForm::Steps, MomentumForm::Gradients] {
                for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
                    rules.push(Box::new(sgd::Rule(Sgd {
                        learning_rate: 0.01,
                        momentum,
                        nesterov,
                        momentum_form,
                        weight_decay: 0.1,
                        weight_decay_form,
                    })));
                }
            }
            for bias_correction in [BiasCorrection::OfStep, BiasCorrection::OfMoments] {
                rules.push(Box::new(adam::Rule(Adam {
                    learning_rate: 0.01,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-3,
                    bias_correction,
                    weight_decay: 0.1,
                    weight_decay_form,
                })));
            }
        }
        rules
    }

    #[test]
    fn a_composed_step_is_the_hand_written_one() -> Result<()> {
        for rule in rules() {
            let mut weights = [0.5f32, -1.0, 2.0];
            let mut states = vec![[0f32; 3]; rule.states().len()];
            let mut composed = Tensor::new(&weights, &Device::Cpu)?;
            let mut composed_states = vec![composed.zeros_like()?; rule.states().len()];
            for (number, gradient) in
                (1..).zip([[0.3f32, -0.02, 0.0], [0.1, 5.0, -1e-4], [0.2, 0.1, 1.0]])
            {
                // A learning rate that changes.
                let step = Step { number, learning_rate: 0.01 / number as f64 };
                let mut views: Vec<&mut [f32]> =
                    states.iter_mut().map(<[f32; 3]>::as_mut_slice).collect();
                rule.update(step, &mut weights, &mut views, &gradient);
                let gradient = Tensor::new(&gradient, &Device::Cpu)?;
                composed = rule.compose(step, &composed, &mut composed_states, &gradient)?;
            }
            let found = composed.to_vec1::<f32>()?;
            assert!(
                weights.iter().zip(&found).all(|(own, other)| (own - other).abs() < 1e-6),
                "{rule:?}: {weights:?} {found:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_state_goes_on_where_it_was_kept() -> Result<()> {
        let settings = thaw_spec::Optimizer::Adam(Adam {
            learning_rate: 0.01,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            bias_correction: BiasCorrection::OfMoments,
            weight_decay: 0.0,
            weight_decay_form: WeightDecayForm::Coupled,
        });
        let start = || Var::new(&[0.5f32, -1.0], &Device::Cpu);
        let gradients = |variable: &Var| Gradients::of(&variable.as_tensor().sqr()?.sum_all()?);
        let through = start()?;
        let mut optimizer = Optimizer::new(vec![through.clone()], settings)?;
        for _ in 0..2 {
            optimizer.apply(&gradients(&through)?)?;
        }
        let resumed = Var::from_tensor(&through.as_tensor().copy()?)?;
        let mut other = Optimizer::new(vec![resumed.clone()], settings)?;
        other.restore(optimizer.state()?)?;
        for (optimizer, variable) in [(&mut optimizer, &through), (&mut other, &resumed)] {
            optimizer.apply(&gradients(variable)?)?;
        }
        assert_eq!(through.to_vec1::<f32>()?, resumed.to_vec1::<f32>()?);
        let sgd = thaw_spec::Optimizer::Sgd(Sgd {
            learning_rate: 0.01,
            momentum: 0.9,
            nesterov: false,
            momentum_form: MomentumForm::Steps,
            weight_decay: 0.0,
            weight_decay_form: WeightDecayForm::Coupled,
        });
        let mut sgd = Optimizer::new(vec![start()?], sgd)?;
        let refused = sgd.restore(optimizer.state()?).expect_err("of another optimizer");
        assert!(refused.to_string().contains("another optimizer"), "{refused}");
        Ok(())
    }
}
