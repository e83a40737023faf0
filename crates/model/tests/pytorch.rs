//! Losses, RMSprop, initial values, training steps and whole bases against PyTorch's values,
//! written by `tools/golden/`.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use safetensors::tensor::{Dtype, TensorView};
use thaw_model::{
    Base, Gradients, Head, Loss, Mode, Optimizer, TensorSpec, Weights, export, glorot_uniform,
    multiplied_tensors, weights_file,
};
use thaw_spec::{Architecture, ConvolutionAlgorithm, EpsilonPosition, Initializer, RmsProp};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn fixtures(name: &str) -> HashMap<String, Tensor> {
    let path = format!("{}/tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    candle_core::safetensors::load(path, &Device::Cpu).expect("fixtures are readable")
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|tensor| tensor.to_vec1()).expect("floats")
}

/// ‖a − b‖ / ‖b‖.
fn relative_error(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let square = |value: f32| f64::from(value) * f64::from(value);
    let difference: f64 = actual.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    (difference / expected.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
}

#[track_caller]
fn assert_close(name: &str, actual: &[f32], expected: &[f32], tolerance: f64) {
    let error = relative_error(actual, expected);
    assert!(error <= tolerance, "{name}: relative error {error:.2e} exceeds {tolerance:.0e}");
}

#[test]
fn losses_and_their_gradients_agree_with_pytorch() -> Tested {
    let all = fixtures("training");
    for (name, loss) in
        [("binary", Loss::Binary), ("categorical", Loss::Categorical { classes: 4 })]
    {
        let get = |key: &str| &all[&format!("{name}.{key}")];
        let logits = Var::from_tensor(&get("logits").reshape(((), loss.outputs()))?)?;
        let labels: Vec<u32> = values(get("targets")).iter().map(|label| *label as u32).collect();
        let losses = loss.per_image(&logits, &labels, 0.0)?;
        assert_close(name, &values(&losses), &values(get("losses")), 1e-6);
        let gradients = losses.mean_all()?.backward()?;
        assert_close(
            name,
            &values(gradients.get(&logits).expect("a gradient")),
            &values(get("gradient")),
            1e-6,
        );
    }
    Ok(())
}

fn optimizer(learning_rate: f64, epsilon: f64, epsilon_position: EpsilonPosition) -> RmsProp {
    RmsProp { learning_rate, rho: 0.9, epsilon, epsilon_position }
}

#[test]
fn rmsprop_follows_the_same_trajectory() -> Tested {
    let all = fixtures("training");
    for (name, position) in
        [("outside", EpsilonPosition::OutsideRoot), ("inside", EpsilonPosition::InsideRoot)]
    {
        let get = |key: &str| &all[&format!("rmsprop_{name}.{key}")];
        let weights = Var::from_tensor(get("start"))?;
        let mut rmsprop = Optimizer::new(vec![weights.clone()], optimizer(2e-3, 1e-7, position))?;
        for step in 0..20 {
            // A loss whose gradient is the given one.
            let loss = (weights.as_tensor() * get("gradients").get(step)?)?.sum_all()?;
            rmsprop.apply(&Gradients::of(&loss)?)?;
            assert_close(
                &format!("{name}, step {step}"),
                &values(&weights),
                &values(&get("trajectory").get(step)?),
                1e-6,
            );
        }
    }
    Ok(())
}

#[test]
fn a_head_trains_step_by_step_as_in_pytorch() -> Tested {
    let all = fixtures("training");
    let get = |key: &str| &all[&format!("head.{key}")];
    let labels: Vec<u32> = values(get("y")).iter().map(|label| *label as u32).collect();
    let train = |is_on_tape: bool| -> Result<(Head, Vec<f32>), Box<dyn std::error::Error>> {
        let head =
            Head::new(20, 8, Loss::Binary, Initializer::GlorotUniform, |_| || 0.5, &Device::Cpu)?;
        for ((_, variable), key) in head.variables().into_iter().zip(["w1", "b1", "w2", "b2"]) {
            variable.set(get(key))?;
        }
        let variables: Vec<Var> =
            head.variables().into_iter().map(|(_, variable)| variable.clone()).collect();
        let mut rmsprop =
            Optimizer::new(variables, optimizer(1e-2, 1e-8, EpsilonPosition::OutsideRoot))?;
        let mut losses = Vec::new();
        for _ in 0..10 {
            let (logits, tape) = match is_on_tape {
                true => head
                    .forward_on_tape(get("x"), Some(get("mask")))
                    .map(|(logits, tape)| (logits, Some(tape)))?,
                false => (head.forward(get("x"), Some(get("mask")), Mode::Training)?, None),
            };
            let loss = Loss::Binary.per_image(&logits, &labels, 0.0)?.mean_all()?;
            let mut gradients = Gradients::of(&loss)?;
            tape.map_or(Ok(()), |tape| tape.backward(&mut gradients))?;
            rmsprop.apply(&gradients)?;
            losses.push(loss.to_scalar::<f32>()?);
        }
        Ok((head, losses))
    };
    let (head, losses) = train(true)?;
    let (by_graph, losses_by_graph) = train(false)?;
    assert_eq!(losses, losses_by_graph, "the tape is the graph to the last bit");
    for ((name, variable), (_, other)) in head.variables().into_iter().zip(by_graph.variables()) {
        assert_eq!(values(variable), values(other), "{name}");
    }
    assert_close("losses", &losses, &values(&all["head_trained.losses"]), 1e-5);
    assert_close(
        "first layer",
        &values(head.variables()[0].1),
        &values(&all["head_trained.w1"]),
        1e-5,
    );
    assert_close(
        "second layer",
        &values(head.variables()[2].1),
        &values(&all["head_trained.w2"]),
        1e-5,
    );
    Ok(())
}

#[test]
fn glorot_uniform_has_pytorchs_bound_and_is_uniform() {
    // A low-discrepancy sequence stands in for the random stream: uniform by construction.
    let mut position = 0.0f64;
    let drawn = glorot_uniform(300, 200, || {
        position = (position + 0.618_033_988_749_895).fract();
        position
    });
    let largest = drawn.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let bound = values(&fixtures("training")["glorot.bound"])[0];
    assert!((largest - bound).abs() < 1e-4 * bound, "{largest} against {bound}");
    let variance =
        drawn.iter().map(|value| f64::from(value * value)).sum::<f64>() / drawn.len() as f64;
    assert!((variance - f64::from(bound * bound) / 3.0).abs() < 1e-3 * variance, "{variance}");
}

/// The content of a weights file.
type Tensors<'a> = Vec<(String, TensorView<'a>)>;

/// The integer hash that `tools/golden/bases.py` documents.
fn hashed(count: usize, number: u64) -> impl Iterator<Item = f64> {
    (1..=count as u64).map(move |index| {
        ((index * 2_654_435_761 + number * 40_503) % (1 << 32)) as f64 / (1u64 << 32) as f64 - 0.5
    })
}

/// A weights file with hashed values.
fn hashed_weights(architecture: Architecture) -> Vec<u8> {
    let values = |number: usize, TensorSpec { shape, .. }: &TensorSpec| {
        let scale = if shape.len() == 4 {
            (24.0 / (shape[1] * shape[2] * shape[3]) as f64).sqrt()
        } else {
            0.1
        };
        hashed(shape.iter().product(), number as u64).map(|value| (value * scale) as f32).collect()
    };
    weights_file(architecture, values).expect("values fill their shapes")
}

#[test]
fn whole_bases_and_their_gradients_agree_with_pytorch() -> Tested {
    let all = fixtures("bases");
    let bases = [(Architecture::Squeezenet1_0, 64), (Architecture::Vgg16, 32)];
    let [direct, f2, f3, f6] = [
        ConvolutionAlgorithm::Direct,
        ConvolutionAlgorithm::WinogradF2,
        ConvolutionAlgorithm::WinogradF3,
        ConvolutionAlgorithm::WinogradF6,
    ];
    // On a GPU the layers are composed of Candle's operations; here those run on the CPU.
    let ways = [(direct, false), (f2, false), (f3, false), (f6, false), (direct, true)];
    for ((architecture, size), (convolution, is_composed)) in
        bases.into_iter().flat_map(|base| ways.map(|way| (base, way)))
    {
        let bytes = hashed_weights(architecture);
        let weights = Weights::from_bytes(Path::new("hashed.safetensors"), &bytes, architecture)?;
        let base = Base::new(architecture, convolution, &weights, 0, &Device::Cpu)?;
        let base = if is_composed { base.on_candle_engine() } else { base };
        let input: Vec<f32> =
            hashed(2 * size * size * 3, 1000).map(|value| (value * 2.0) as f32).collect();
        let input = Tensor::from_vec(input, (2, size, size, 3), &Device::Cpu)?;
        let (output, tape) = base.forward_on_tape(&input, 0..architecture.blocks())?;
        assert_close(
            &format!("{architecture} output"),
            &values(&output),
            &values(&all[&format!("{architecture}.output")]),
            1e-5,
        );
        // SqueezeNet's maps take tiles of 3×3 pixels here, VGG16's of 4×4 in its first two blocks. An
        // activation of VGG16 lies so near to where ReLU or a pool changes its mind that rounding by
        // these tiles changes it, and the gradients before it by 5·10⁻³. With F(2×2) the same happens
        // to other inputs.
        if (architecture, convolution) == (Architecture::Vgg16, f6) {
            continue;
        }
        let mut gradients = Gradients::of(&output.sqr()?.mean_all()?)?;
        tape.backward(&mut gradients)?;
        for parameter in base.parameters() {
            let gradient =
                gradients.store.get(parameter.value()).expect("every tensor has a gradient");
            let expected =
                |kind: &str| values(&all[&format!("{architecture}.{kind}.{}", parameter.name)]);
            let norm = gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?;
            assert_close(
                &format!("{architecture} {} norm", parameter.name),
                &[norm],
                &expected("gradient_norm"),
                1e-4,
            );
            let in_pytorchs_order = if gradient.rank() == 4 {
                gradient.permute((3, 2, 0, 1))?.contiguous()?
            } else {
                gradient.clone()
            };
            let first = &values(&in_pytorchs_order)[..8];
            assert_close(
                &format!("{architecture} {}", parameter.name),
                first,
                &expected("gradient_head"),
                1e-3,
            );
        }
    }
    Ok(())
}

#[test]
fn a_frozen_prefix_gives_the_same_activations_and_no_gradient() -> Tested {
    let architecture = Architecture::Squeezenet1_0;
    let bytes = hashed_weights(architecture);
    let weights = Weights::from_bytes(Path::new("hashed.safetensors"), &bytes, architecture)?;
    let input = Tensor::from_vec(
        hashed(64 * 64 * 3, 1000).map(|value| value as f32).collect::<Vec<_>>(),
        (1, 64, 64, 3),
        &Device::Cpu,
    )?;
    let base = |frozen: usize| {
        Base::new(architecture, ConvolutionAlgorithm::WinogradF3, &weights, frozen, &Device::Cpu)
    };
    let open = base(0)?;
    let (open, _) = open.forward_on_tape(&input, 0..4)?;
    let frozen = base(3)?;
    let boundary = frozen.forward(&input, 0..3)?;
    assert!(!boundary.track_op(), "no graph is built below the boundary");
    let (output, tape) = frozen.forward_on_tape(&boundary, 3..4)?;
    assert_eq!(values(&open), values(&output));
    let evaluated = base(0)?.forward(&input, 0..4)?;
    assert!(!evaluated.track_op(), "evaluation keeps nothing");
    assert_eq!(values(&evaluated), values(&output));
    let mut gradients = Gradients::of(&output.sum_all()?)?;
    tape.backward(&mut gradients)?;
    let with_gradient = frozen
        .parameters()
        .iter()
        .filter(|parameter| gradients.store.get(parameter.value()).is_some())
        .count();
    assert_eq!(with_gradient, 6, "the three convolutions of the last fire module");
    Ok(())
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let architecture = Architecture::Squeezenet1_0;
    let bytes = hashed_weights(architecture);
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let say = |change: &dyn Fn(&mut Tensors<'_>)| {
        let mut tensors: Tensors<'_> = file.tensors();
        change(&mut tensors);
        let bytes = safetensors::serialize(tensors, None).expect("serializable");
        Weights::from_bytes(Path::new("weights.safetensors"), &bytes, architecture)
            .expect_err("refused")
            .to_string()
    };
    static ZEROS: [u8; 32] = [0; 32];
    let other = || TensorView::new(Dtype::F32, vec![8], &ZEROS).expect("a tensor");
    let integers = || TensorView::new(Dtype::I64, vec![4], &ZEROS).expect("a tensor");
    insta::assert_snapshot!(
        [
            say(&|tensors| tensors.retain(|(name, _)| name != "features.5.expand3x3.bias")),
            say(&|tensors| tensors
                .iter_mut()
                .filter(|(name, _)| name == "features.3.squeeze.bias")
                .for_each(|(_, view)| *view = other())),
            say(&|tensors| tensors
                .iter_mut()
                .filter(|(name, _)| name == "features.3.squeeze.bias")
                .for_each(|(_, view)| *view = integers())),
            say(&|tensors| tensors.push(("features.13.weight".to_owned(), other()))),
            Weights::from_bytes(Path::new("weights.safetensors"), b"no tensors here", architecture)
                .expect_err("refused")
                .to_string(),
        ]
        .join("\n")
    );
}

/// Numbers in [0, 1) from a linear congruential generator (Knuth's MMIX).
fn noise(seed: usize) -> impl FnMut() -> f64 {
    let mut state = seed as u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn an_exported_base_yields_its_features_multiplied_to_the_last_bit() -> Tested {
    for architecture in [Architecture::MiniVgg, Architecture::Squeezenet1_0] {
        let mut unit = noise(99);
        let pixels: Vec<f32> = (0..64 * 64 * 3).map(|_| (unit() * 255.0) as f32).collect();
        let input = Tensor::from_vec(pixels, (1, 64, 64, 3), &Device::Cpu)?;
        let weights = Weights::initial(architecture, noise)?;
        let base = |weights: &Weights| {
            Base::new(architecture, ConvolutionAlgorithm::WinogradF3, weights, 0, &Device::Cpu)
        };
        let exported = Weights::from_bytes(
            Path::new("exported"),
            &export(&base(&weights)?, architecture, 0.25)?,
            architecture,
        )?;
        let features = |base: &Base| {
            base.forward(&input, 0..architecture.blocks()).map(|features| values(&features))
        };
        let (plain, scaled) = (features(&base(&weights)?)?, features(&base(&exported)?)?);
        assert!(plain.iter().any(|value| *value > 0.0));
        assert!(
            plain.iter().zip(&scaled).all(|(plain, scaled)| plain * 0.25 == *scaled),
            "{architecture}"
        );
    }
    Ok(())
}

#[test]
fn a_base_whose_features_cannot_be_multiplied_is_named() -> Tested {
    for architecture in [Architecture::Vgg19, Architecture::Squeezenet1_0] {
        assert!(!multiplied_tensors(architecture, 0.25)?.is_empty(), "{architecture}");
    }
    // A residual connection, and an activation with a bound.
    for architecture in [Architecture::Resnet18, Architecture::MobilenetV2] {
        let error = multiplied_tensors(architecture, 0.25).expect_err("no such tensors");
        assert!(error.to_string().contains(architecture.name()), "{error}");
    }
    Ok(())
}

#[test]
fn the_shipped_weights_are_those_of_their_record() -> Tested {
    for architecture in [Architecture::MiniVgg, Architecture::MiniResnet] {
        let shipped = Weights::shipped(architecture).ok_or("weights")??;
        let path = format!("{}/weights/{architecture}.json", env!("CARGO_MANIFEST_DIR"));
        let record = std::fs::read_to_string(path)?;
        let hash = format!("\"sha256\": \"{}\"", shipped.hash);
        assert!(record.contains(&hash), "{architecture}: {}", shipped.hash);
    }
    Ok(())
}
