//! Training against real Keras of each version: losses, RMSprop, clipping, and a base trained as a
//! whole, with the values that `tools/golden/keras_training.py` wrote. Weights and inputs come from
//! a formula that both sides compute.

mod formula;

use std::path::Path;

use candle_core::safetensors::load_buffer;
use candle_core::{Device, Tensor, Var};
use thaw_model::{
    Base, Gradients, Head, Loss, Optimizer, TensorSpec, Weights, audit_phase, weights_file,
};
use thaw_spec::{Experiment, Procedure, Profile};

use formula::formula;

type Tested = Result<(), Box<dyn std::error::Error>>;

const KERAS: [Profile; 4] =
    [Profile::Keras2_0_8, Profile::Keras2_1_3, Profile::Keras2_2, Profile::Keras3];

fn fixture(profile: Profile) -> std::collections::HashMap<String, Tensor> {
    let path =
        format!("{}/tests/fixtures/{}.safetensors", env!("CARGO_MANIFEST_DIR"), profile.name());
    load_buffer(&std::fs::read(path).expect("fixtures are readable"), &Device::Cpu)
        .expect("safetensors")
}

/// What the profile makes of a procedure with this learning rate.
fn procedure(profile: Profile, learning_rate: f64) -> Procedure {
    let text = format!(
        "name = \"keras\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"mini_vgg\"\n[procedure]\nfreeze = \"none\"\n\
         image_size = 32\nconvolution = \"direct\"\nprofile = \"{}\"\nlearning_rate = {learning_rate}\n",
        profile.name()
    );
    let experiment = Experiment::parse("keras.toml", &text).expect("an experiment");
    experiment.procedures().next().expect("a procedure").1.clone()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(candle_core::DType::F64).and_then(|tensor| tensor.flatten_all());
    tensor.and_then(|tensor| tensor.to_vec1()).expect("numbers")
}

fn set(variable: &Var, values: Vec<f32>) -> Tested {
    Ok(variable.set(&Tensor::from_vec(values, variable.dims(), &Device::Cpu)?)?)
}

fn assert_close(what: &str, actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let difference = (actual - expected).abs();
        assert!(
            difference <= tolerance * expected.abs().max(1.0),
            "{what}, number {index}: {actual} where Keras has {expected}"
        );
    }
}

#[test]
fn a_head_trains_step_by_step_as_in_every_version_of_keras() -> Tested {
    for profile in KERAS {
        let (fixture, procedure) = (fixture(profile), procedure(profile, 1e-2));
        let head = Head::new(5, 4, Loss::Binary, procedure.initializer, |_| || 0.5, &Device::Cpu)?;
        for ((_, variable), values) in head.variables().into_iter().zip([
            formula(1, 20, 0.8),
            vec![0.0; 4],
            formula(2, 4, 0.8),
            vec![0.0],
        ]) {
            set(variable, values)?;
        }
        let mut optimizer = Optimizer::new(
            head.variables().into_iter().map(|(_, variable)| variable.clone()).collect(),
            procedure.optimizer,
        )?;
        let inputs = Tensor::from_vec(formula(3, 30, 1.0), (6, 5), &Device::Cpu)?;
        let mut losses = Vec::new();
        for step in 0..20 {
            let (logits, tape) = head.forward_on_tape(&inputs, None)?;
            let loss = Loss::Binary
                .per_image(&logits, &[0, 1, 0, 1, 1, 0], procedure.loss_clip)?
                .mean_all()?;
            let mut gradients = Gradients::of(&loss)?;
            tape.backward(&mut gradients)?;
            optimizer.apply(&gradients)?;
            losses.push(f64::from(loss.to_scalar::<f32>()?));
            let weights: Vec<f64> =
                head.variables().iter().flat_map(|(_, variable)| flat(variable)).collect();
            assert_close(
                &format!("{}, step {step}", profile.name()),
                &weights,
                &flat(&fixture[&format!("head.{step}")]),
                2e-6,
            );
        }
        assert_close(
            &format!("{}, losses", profile.name()),
            &losses,
            &flat(&fixture["head.losses"]),
            2e-6,
        );
    }
    Ok(())
}

#[test]
fn saturated_probabilities_are_clipped_where_keras_clips_them() -> Tested {
    for profile in KERAS {
        let (fixture, procedure) = (fixture(profile), procedure(profile, 1e-3));
        for number in 0..9 {
            for label in [0u32, 1] {
                let [logit, _, expected, moved] =
                    flat(&fixture[&format!("saturated.{number}.{label}")])[..]
                else {
                    panic!("four numbers")
                };
                let weight = Var::from_vec(vec![logit as f32], (1, 1), &Device::Cpu)?;
                let mut optimizer = Optimizer::new(vec![weight.clone()], procedure.optimizer)?;
                let loss =
                    Loss::Binary.per_image(&weight, &[label], procedure.loss_clip)?.mean_all()?;
                optimizer.apply(&Gradients::of(&loss)?)?;
                let what = format!("{}, logit {logit}, label {label}", profile.name());
                let loss = f64::from(loss.to_scalar::<f32>()?);
                // Going through a probability near 1 in 32 bits costs up to half a unit of 6e-8 of
                // what is left to 1.
                let left = (-logit).exp().max(procedure.loss_clip);
                let rounding =
                    if procedure.loss_clip > 0.0 && logit > 0.0 { 6e-8 / left } else { 0.0 };
                assert!(
                    (loss - expected).abs() <= 1e-5 + rounding,
                    "{what}: a loss of {loss} where Keras has {expected}"
                );
                let step = flat(&weight)[0] - logit;
                // The first step is √10 times the learning rate where ε does not damp it; a weight
                // of 40 is stored to 4e-6.
                assert!(
                    (step - moved).abs() <= 8e-6 + 0.3 * rounding.min(1.0) * moved.abs(),
                    "{what}: moved by {step} where Keras moved by {moved}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_base_trained_as_a_whole_has_the_losses_of_every_version_of_keras() -> Tested {
    for profile in KERAS {
        let (fixture, procedure) = (fixture(profile), procedure(profile, 1e-4));
        let architecture = procedure.architecture;
        // Keras counts kernels and biases in turn, and so do weights files.
        let values = |number: usize, TensorSpec { shape, .. }: &TensorSpec| match shape[..] {
            [outputs, inputs, height, width] => {
                let hwio = formula(
                    10 + number as u64,
                    shape.iter().product(),
                    (6.0 / (inputs * height * width) as f64).sqrt(),
                );
                let at = |output: usize, input: usize, tap: usize| {
                    hwio[(tap * inputs + input) * outputs + output]
                };
                (0..outputs)
                    .flat_map(|output| {
                        (0..inputs).flat_map(move |input| {
                            (0..height * width).map(move |tap| (output, input, tap))
                        })
                    })
                    .map(|(output, input, tap)| at(output, input, tap))
                    .collect()
            }
            _ => vec![0.0; shape[0]],
        };
        let bytes = weights_file(architecture, values)?;
        let weights = Weights::from_bytes(Path::new("formula"), &bytes, architecture)?;
        let base = Base::new(architecture, procedure.convolution, &weights, 0, &Device::Cpu)?;
        let head =
            Head::new(512, 16, Loss::Binary, procedure.initializer, |_| || 0.5, &Device::Cpu)?;
        let of_head = [
            formula(24, 512 * 16, (6.0f64 / 512.0).sqrt()),
            vec![0.0; 16],
            formula(26, 16, (6.0f64 / 16.0).sqrt()),
            vec![0.0],
        ];
        for ((_, variable), values) in head.variables().into_iter().zip(of_head) {
            set(variable, values)?;
        }
        let of_base = base.parameters().iter().filter_map(|parameter| parameter.variable.clone());
        let variables: Vec<Var> = of_base
            .chain(head.variables().into_iter().map(|(_, variable)| variable.clone()))
            .collect();
        let mut optimizer = Optimizer::new(variables, procedure.optimizer)?;
        let mut losses = Vec::new();
        for step in 0..12u64 {
            let pixels = Tensor::from_vec(
                formula(500 + step % 2, 4 * 32 * 32 * 3, 1.0),
                (4, 32, 32, 3),
                &Device::Cpu,
            )?;
            let (features, tape) = base.forward_on_tape(&pixels, 0..architecture.blocks())?;
            let (logits, head_tape) = head.forward_on_tape(&features, None)?;
            let loss =
                Loss::Binary.per_image(&logits, &[0, 1, 1, 0], procedure.loss_clip)?.mean_all()?;
            let mut gradients = Gradients::of(&loss)?;
            head_tape.backward(&mut gradients)?;
            tape.backward(&mut gradients)?;
            optimizer.apply(&gradients)?;
            losses.push(f64::from(loss.to_scalar::<f32>()?));
        }
        assert_close(
            &format!("{}, losses", profile.name()),
            &losses,
            &flat(&fixture["base.losses"]),
            1e-5,
        );
        let kernel = &base.parameters()[0];
        assert_close(
            &format!("{}, first kernel", profile.name()),
            &flat(kernel.value()),
            &flat(&fixture["base.first_kernel"]),
            1e-5,
        );
    }
    Ok(())
}

/// The same construction under every profile: VGG16 nested in a model, the flag on the container,
/// one step; then fine-tuning from block 5 on, another step. Beside what each Keras printed, gave
/// its optimizer and moved (`tools/golden/keras_freeze.py`). Steps are small here: a large first
/// one leaves these made-up weights with probabilities that are clipped, and nothing to learn for
/// the second.
#[test]
fn the_freeze_is_heard_or_not_as_in_every_version_of_keras() -> Tested {
    let table = std::fs::read_to_string(format!(
        "{}/tests/fixtures/keras_freeze.csv",
        env!("CARGO_MANIFEST_DIR")
    ))?;
    let mut profiles = 0;
    for row in table.lines().skip(1) {
        let (name, numbers) = row.split_once(',').expect("columns");
        let expected: Vec<usize> =
            numbers.split(',').map(|number| number.parse().expect("a number")).collect();
        let text = format!(
            "name = \"bug\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n[procedure]\nimage_size = 48\n\
             learning_rate = 1e-7\nfreeze_by = \"container\"\nprofile = \"{name}\"\n\
             [[phase]]\n[[phase]]\nfreeze = \"block_5\"\nfreeze_by = \"layers\"\n"
        );
        let experiment = Experiment::parse("bug.toml", &text)?;
        let (_, procedure) = experiment.procedures().next().expect("a procedure");
        let architecture = procedure.architecture;
        let values = |number: usize, TensorSpec { shape, .. }: &TensorSpec| match shape.len() {
            4 => formula(
                number as u64,
                shape.iter().product(),
                (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt(),
            ),
            _ => vec![0.0; shape[0]],
        };
        let weights = Weights::from_bytes(
            Path::new("formula"),
            &weights_file(architecture, values)?,
            architecture,
        )?;
        let mut base = Base::new(
            architecture,
            procedure.convolution,
            &weights,
            procedure.frozen_blocks(),
            &Device::Cpu,
        )?;
        // Multiples of the golden ratio stand in for random numbers.
        let draw = |_: usize| {
            let mut place = 0.0f64;
            move || {
                place = (place + 0.618_033_988_749_895).fract();
                place
            }
        };
        let head = Head::new(512, 256, Loss::Binary, procedure.initializer, draw, &Device::Cpu)?;
        let pixels =
            Tensor::from_vec(formula(7, 4 * 48 * 48 * 3, 1.0), (4, 48, 48, 3), &Device::Cpu)?;
        // What a person is told comes from the declaration.
        let (mut declared_trainable, mut counts) = (0, Vec::new());
        for phase in procedure.phases() {
            let procedure = phase.procedure;
            if phase.number > 0 {
                base.refreeze(procedure)?;
            }
            let of_base: Vec<Var> = base
                .parameters()
                .iter()
                .filter_map(|parameter| parameter.variable.clone())
                .collect();
            let collected = of_base.len() + head.variables().len();
            let variables = of_base
                .into_iter()
                .chain(head.variables().into_iter().map(|(_, variable)| variable.clone()))
                .collect();
            let mut optimizer = Optimizer::new(variables, procedure.optimizer)?;
            let frozen = procedure.frozen_blocks();
            let boundary = base.forward(&pixels, 0..frozen)?;
            let (features, tape) =
                base.forward_on_tape(&boundary, frozen..architecture.blocks())?;
            let (logits, head_tape) = head.forward_on_tape(&features, None)?;
            let mut gradients = Gradients::of(
                &Loss::Binary.per_image(&logits, &[0, 1, 0, 1], procedure.loss_clip)?.mean_all()?,
            )?;
            head_tape.backward(&mut gradients)?;
            tape.backward(&mut gradients)?;
            optimizer.apply(&gradients)?;
            let audit = audit_phase(&base, procedure.freeze.frozen_blocks(architecture.blocks()))?;
            if phase.number == 0 {
                declared_trainable =
                    audit.iter().filter(|tensor| !tensor.declared_frozen).count() + 4;
            }
            counts.extend([collected, audit.iter().filter(|tensor| tensor.moved).count()]);
        }
        let told = [base.parameters().len() + 4, declared_trainable];
        assert_eq!([&told[..], &counts].concat(), expected, "{name}");
        profiles += 1;
    }
    assert_eq!(profiles, KERAS.len());
    Ok(())
}
