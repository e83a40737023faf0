//! The way back through layers: what a layer records on its way forward, what of it is kept, and who masks
//! a gradient.

use std::sync::Arc;

use thaw_conv::{Activation, BufferPool, Maps, column_sums};

use super::{Context, Layer};
use crate::{Gradients, ModelError};

/// The output of a layer and its way back.
pub struct Recorded<'a> {
    /// The output.
    pub output: Arc<Maps>,
    /// The activation that made it, where the way back may begin before that; otherwise linear.
    pub activation: Activation,
    /// The way back.
    pub backward: Backward<'a>,
}

/// Which layer masks the gradient of a layer's output by the activation that made the output, where the
/// activation is told by it ([`Activation::is_told_by_output`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskedBy {
    /// Itself, where the next one did not. It keeps its output for that.
    Itself,
    /// The next one, which keeps nothing of the output either: the output lies in memory that is used
    /// again once the next layer has read it.
    Next,
}

impl MaskedBy {
    /// What a layer keeps of its output to mask the gradient by the activation, which is told by it.
    pub(super) fn kept(self, activation: Activation, output: &Arc<Maps>) -> Option<Arc<Maps>> {
        (self == Self::Itself && activation != Activation::Linear).then(|| output.clone())
    }

    /// Where its output lies.
    pub(super) fn memory(self, context: &Context) -> &Arc<BufferPool> {
        match self {
            Self::Itself => &context.buffers,
            Self::Next => &context.transient,
        }
    }
}

/// Takes the gradient of a layer's output, or before the activation that [`Recorded`] names, adds those of
/// its tensors to the others, and returns that of its input where it is wanted, or before the activation
/// that [`InputGradient::Needed`] names. It owns what the forward pass kept.
pub type Backward<'a> = Box<
    dyn FnOnce(
            &mut Gradients,
            OutputGradient,
            InputGradient,
        ) -> Result<Option<OutputGradient>, ModelError>
        + 'a,
>;

/// The gradient of what a layer puts out, or before the activation that made it: what writes a gradient
/// may bring it there in passing, which saves a pass over memory.
#[derive(Debug)]
pub struct OutputGradient {
    /// The gradient.
    pub maps: Maps,
    /// The activation before which it is; linear where it is that of the output.
    pub before: Activation,
}

impl OutputGradient {
    /// That of the output.
    pub(crate) fn of(maps: Maps) -> Self {
        Self { maps, before: Activation::Linear }
    }

    /// The gradient of the output, for a layer whose way back does not begin before an activation.
    pub(crate) fn behind(self) -> Maps {
        assert_eq!(self.before, Activation::Linear, "the gradient of the output is wanted");
        self.maps
    }

    /// The gradient before the activation, told as in [`Activation::gradient`] by what was kept, which is
    /// nothing where the next layer masks it.
    pub(crate) fn masked(mut self, activation: Activation, kept: Option<&Maps>) -> Maps {
        if self.is_behind(activation) {
            let told_by = kept.expect("the next layer masks the gradient, or the output is kept");
            activation.mask(told_by.values(), self.maps.values_mut());
        }
        self.maps
    }

    /// The same, and its sums by channel.
    pub(crate) fn masked_with_sums(
        mut self,
        activation: Activation,
        kept: Option<&Maps>,
    ) -> (Maps, Vec<f32>) {
        let channels = self.maps.shape()[3];
        let sums = if self.is_behind(activation) {
            let told_by = kept.expect("the next layer masks the gradient, or the output is kept");
            activation.gradient(told_by.values(), self.maps.values_mut(), channels)
        } else {
            column_sums(self.maps.values(), channels)
        };
        (self.maps, sums)
    }

    /// Whether it is still behind the activation that made the output.
    fn is_behind(&self, activation: Activation) -> bool {
        let before = self.before;
        assert!(
            before == Activation::Linear || before == activation,
            "the gradient is before {before:?}, but {activation:?} made the output"
        );
        before != activation
    }
}

/// Whether the gradient of a layer's input is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputGradient {
    /// Something before the layer can be trained. The gradient may be that before this activation, which
    /// made the input and is told by it, and must be where [`Layer::masks_without_its_input`]; the
    /// activation is linear where there is none of that kind.
    Needed(Activation),
    /// Nothing before it can.
    Unneeded,
}

/// The output of some layers, one after the other, and the way back through them. The last argument says
/// who masks the gradient of the output.
pub(crate) fn forward_on_tape<'a>(
    layers: impl IntoIterator<Item = &'a Box<dyn Layer>>,
    context: &'a Context,
    input: Arc<Maps>,
    masked_by: MaskedBy,
) -> Result<Recorded<'a>, ModelError> {
    let mut steps = Vec::new();
    let (mut output, mut activation) = (input, Activation::Linear);
    let mut layers = layers.into_iter().peekable();
    while let Some(layer) = layers.next() {
        let masked_by = match layers.peek() {
            Some(next) if next.masks_without_its_input() => MaskedBy::Next,
            Some(_) => MaskedBy::Itself,
            None => masked_by,
        };
        let recorded = layer.forward_on_tape(context, output, masked_by)?;
        steps.push((activation, recorded.backward));
        (output, activation) = (recorded.output, recorded.activation);
    }
    let backward: Backward<'a> = Box::new(move |gradients, gradient, input_gradient| {
        let mut gradient = Some(gradient);
        for (number, (before, step)) in steps.into_iter().enumerate().rev() {
            let wanted = if number > 0 { InputGradient::Needed(before) } else { input_gradient };
            let Some(of_output) = gradient else { break };
            gradient = step(gradients, of_output, wanted)?;
        }
        Ok(gradient)
    });
    Ok(Recorded { output, activation, backward })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor, Var};
    use thaw_conv::{Algorithm, PoolGeometry};
    use thaw_spec::{MovingAverage, MovingStatistics, MovingVariance, TensorRole};

    use crate::head::Mode;

    use super::super::{
        BatchNorm, Convolution, Initial, Layers, Parallel, Parameter, Pool, PoolKind, Residual,
        Sequence, TensorSpec, compose,
    };
    use super::*;

    const BATCH: usize = 2;
    const CHANNELS: usize = 16;

    /// How far the gradients may be from Candle's (relative Frobenius norm). Rounding may carry an
    /// activation over a kink, which changes a gradient by up to a percent; a gradient that is masked by
    /// the wrong maps or not at all is off by a tenth and more.
    const TOLERANCE: f64 = 0.02;

    /// Numbers between −1 and 1 from a linear congruential generator (Knuth's MMIX constants).
    fn noise(length: usize, seed: usize) -> Vec<f32> {
        let mut state = seed as u64;
        let draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(draw).take(length).collect()
    }

    fn noise_of(shape: &[usize], seed: usize) -> Result<Tensor> {
        Tensor::from_vec(noise(shape.iter().product(), seed), shape, &Device::Cpu)
    }

    fn convolution(name: &str, kernel: usize, activation: Activation) -> Convolution {
        let convolution = Convolution::with_relu(name.to_owned(), CHANNELS, CHANNELS, kernel);
        Convolution { activation, ..convolution }
    }

    fn three(name: &str) -> Box<dyn Layer> {
        Box::new(convolution(name, 3, Activation::Relu))
    }

    fn three_with(name: &str, activation: Activation) -> Box<dyn Layer> {
        Box::new(convolution(name, 3, activation))
    }

    fn pool(kind: PoolKind, window: usize) -> Box<dyn Layer> {
        Box::new(Pool {
            kind,
            geometry: PoolGeometry { window, stride: 2, padding: 0, ceil: false },
        })
    }

    fn residual(shortcut: Layers) -> Box<dyn Layer> {
        let branch = vec![three("branch_1"), three_with("branch_2", Activation::Linear)];
        Box::new(Residual { branch, shortcut, activation: Activation::Relu })
    }

    /// Layers whose gradients are masked by what is above them, or by themselves, or not at all.
    fn normalized() -> Box<dyn Layer> {
        let name = "normalization".to_owned();
        let normalization = BatchNorm { name, channels: CHANNELS, epsilon: 1e-3 };
        let below = convolution("normalized", 3, Activation::Relu);
        Box::new(Convolution { has_bias: false, normalization: Some(normalization), ..below })
    }

    fn parallel() -> Box<dyn Layer> {
        let [left, right] = [("left", 1), ("right", 3)]
            .map(|(name, kernel)| convolution(name, kernel, Activation::Relu));
        Box::new(Parallel(vec![left, right]))
    }

    /// As ResNet's, and as SqueezeNet's.
    fn edged_pool(padding: usize, ceil: bool) -> Box<dyn Layer> {
        let geometry = PoolGeometry { window: 3, stride: 2, padding, ceil };
        Box::new(Pool { kind: PoolKind::Max, geometry })
    }

    fn stacks() -> Vec<(&'static str, Layers)> {
        use Activation::{Linear, Relu, Relu6, Silu};
        use PoolKind::{Average, Max};
        let depthwise = || Convolution { groups: CHANNELS, ..convolution("depthwise", 3, Relu) };
        let twice = |name: &str| Convolution { inputs: 2 * CHANNELS, ..convolution(name, 3, Relu) };
        vec![
            ("two", vec![three("a"), three("b")]),
            ("ReLU6", vec![three_with("a", Relu6), three_with("b", Relu6)]),
            ("SiLU below", vec![three_with("a", Silu), three("b")]),
            ("SiLU above", vec![three("a"), three_with("b", Silu)]),
            ("nothing", vec![three_with("a", Linear), three_with("b", Linear)]),
            ("1×1", vec![three("a"), Box::new(convolution("b", 1, Relu)), three("c")]),
            ("depthwise", vec![three("a"), Box::new(depthwise()), three("c")]),
            ("normalisation", vec![three("a"), normalized(), three("c")]),
            ("max-pool", vec![three("a"), pool(Max, 2), three("b")]),
            ("max-pool that overlaps", vec![three("a"), pool(Max, 3), three("b")]),
            ("padded max-pool", vec![three("a"), edged_pool(1, false), three("b")]),
            ("max-pool beyond the edge", vec![three("a"), edged_pool(0, true), three("b")]),
            ("ReLU6 under a max-pool", vec![three_with("a", Relu6), pool(Max, 2)]),
            ("SiLU under a max-pool", vec![three_with("a", Silu), pool(Max, 2)]),
            ("nothing under a max-pool", vec![three_with("a", Linear), pool(Max, 2)]),
            ("normalisation under a max-pool", vec![normalized(), pool(Max, 2), three("b")]),
            ("residual that begins with a pool", {
                let branch: Layers = vec![pool(Max, 2), three("b")];
                let shortcut: Layers = vec![pool(Average, 2), three("c")];
                vec![three("a"), Box::new(Residual { branch, shortcut, activation: Relu })]
            }),
            ("average pool", vec![three("a"), pool(Average, 2), three("b")]),
            ("two pools", vec![three("a"), pool(Max, 2), pool(Max, 2), three("b")]),
            ("parallel", vec![three("a"), parallel(), Box::new(twice("b"))]),
            ("parallel under a pool", vec![three("a"), parallel(), pool(Max, 2)]),
            ("residual", vec![three("a"), residual(Vec::new()), three("b")]),
            ("residual under a pool", vec![residual(Vec::new()), pool(Max, 2), three("b")]),
            ("residual with a shortcut", vec![three("a"), residual(vec![three("shortcut")])]),
            ("two residuals", {
                let second = vec![three("c"), three_with("d", Linear)];
                let second = Residual { branch: second, shortcut: Vec::new(), activation: Relu };
                vec![residual(Vec::new()), Box::new(second)]
            }),
            ("no layers between", vec![three("a"), Box::new(Sequence(Vec::new())), pool(Max, 2)]),
            (
                "layers as one",
                vec![
                    Box::new(Sequence(vec![three("a"), three("b")])),
                    Box::new(Sequence(vec![pool(Max, 2), three("c")])),
                ],
            ),
        ]
    }

    /// Variables for the tensors of some layers.
    fn context(layers: &Layers, algorithm: Algorithm) -> Result<Context> {
        let tensors = layers.iter().flat_map(|layer| layer.tensors()).zip(10..);
        let parameters = tensors.map(|(TensorSpec { name, shape, role, initial }, seed)| {
            let original = match (initial, shape.as_slice()) {
                (Initial::Constant(value), _) => {
                    (noise_of(&shape, seed)? * 0.1)?.affine(1.0, f64::from(value))?
                }
                // As it is held: `[height, width, input, output]`.
                (Initial::Drawn, &[outputs, inputs, height, width]) => {
                    let scale = (6.0 / (inputs * height * width) as f64).sqrt();
                    (noise_of(&[height, width, inputs, outputs], seed)? * scale)?
                }
                (Initial::Drawn, _) => noise_of(&shape, seed)?,
            };
            let mut parameter =
                Parameter { name, block: 0, role, original, carried: None, variable: None };
            parameter.begin(None, role == TensorRole::Weight)?;
            Ok(parameter)
        });
        let parameters = parameters.collect::<Result<_>>()?;
        let (variance, average) = (MovingVariance::Population, MovingAverage::Plain);
        let moving = MovingStatistics { share: 0.01, variance, average };
        Ok(Context::of(parameters, moving, algorithm))
    }

    #[test]
    fn what_a_max_pool_alone_reads_is_not_kept() -> std::result::Result<(), ModelError> {
        let as_one: Layers = vec![pool(PoolKind::Max, 2)];
        for (name, channels, layers) in [
            ("convolution", CHANNELS, vec![three("a"), pool(PoolKind::Max, 2), three("b")]),
            ("normalised", CHANNELS, vec![normalized(), pool(PoolKind::Max, 2)]),
            ("parallel", 2 * CHANNELS, vec![parallel(), pool(PoolKind::Max, 2)]),
            ("layers as one", CHANNELS, vec![three("a"), Box::new(Sequence(as_one))]),
        ] {
            let context = context(&layers, Algorithm::Direct)?;
            let input = Arc::new(context.maps(&noise_of(&[BATCH, 18, 18, CHANNELS], 1)?)?);
            let recorded = forward_on_tape(&layers, &context, input, MaskedBy::Itself)?;
            assert!(context.transient.kept() >= BATCH * 18 * 18 * channels, "{name}");
            drop(recorded);
        }
        Ok(())
    }

    /// The gradients of `Σ output · factors` by the input and each weight: by the layers' own way back,
    /// and by Candle's graph.
    #[test]
    fn the_way_back_has_the_gradients_of_candles_graph()
    -> std::result::Result<(), Box<dyn std::error::Error>> {
        let algorithms = [Algorithm::Direct, Algorithm::WinogradThree, Algorithm::WinogradSix];
        // Of the last algorithm, tiles of 6×6 and of 4×4 pixels, and tiles that images share.
        for (side, algorithm) in
            [18, 20, 25].into_iter().flat_map(|side| algorithms.map(|a| (side, a)))
        {
            for (name, layers) in stacks() {
                let context = context(&layers, algorithm)?;
                let input = Var::from_tensor(&noise_of(&[BATCH, side, side, CHANNELS], 1)?)?;
                let output = compose(&layers, &context, Mode::Training, &input)?;
                let factors = noise_of(output.dims(), 2)?;
                let expected = (output * &factors)?.sum_all()?.backward()?;

                let maps = Arc::new(context.maps(&input)?);
                let recorded = forward_on_tape(&layers, &context, maps, MaskedBy::Itself)?;
                let mut gradients =
                    Gradients::of(&Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?)?;
                let of_output = OutputGradient::of(context.gradient_maps(&factors)?);
                let wanted = InputGradient::Needed(Activation::Linear);
                let of_input = (recorded.backward)(&mut gradients, of_output, wanted)?;
                let of_input = of_input.expect("the gradient of the input").behind();
                let of_input = Tensor::from_slice(of_input.values(), input.shape(), &Device::Cpu)?;
                gradients.store.insert(&input, of_input);

                let weights = context.parameters().iter().filter_map(Parameter::trained);
                for (number, tensor) in weights.chain([&input]).enumerate() {
                    let (found, expected) = (gradients.store.get(tensor), expected.get(tensor));
                    let found = found.expect("a gradient of each weight");
                    let expected = expected.expect("a gradient of each weight by Candle");
                    let norm = |of: Tensor| of.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>();
                    let error = f64::from(norm((found - expected)?)? / norm(expected.clone())?);
                    assert!(
                        error <= TOLERANCE,
                        "{name}, {side}×{side}, {algorithm:?}, tensor {number}: error {error:.1e}"
                    );
                }
            }
        }
        Ok(())
    }
}
