//! Twenty steps of every optimizer against the real libraries, with the weights that
//! `tools/golden/optimizers.py` wrote after each. Starts and gradients come from a formula that both
//! sides compute.

mod formula;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use serde::Deserialize;
use thaw_model::{Gradients, Optimizer};
use thaw_spec::{Experiment, Procedure, Profile};

use formula::formula;

type Tested = Result<(), Box<dyn std::error::Error>>;

const SHAPES: [&[usize]; 2] = [&[3, 4], &[5]];
/// The step from which on the learning rate is a tenth.
const CHANGE: usize = 10;
/// The step from which on the second tensor is frozen, in the case of that name.
const FREEZE: usize = 5;

/// What a library did.
#[derive(Deserialize)]
struct Case {
    settings: BTreeMap<String, serde_json::Value>,
    /// The numbers of each tensor after each step.
    trajectory: Vec<[Vec<f64>; 2]>,
}

fn cases(profile: Profile) -> BTreeMap<String, Case> {
    let name = format!("tests/fixtures/optimizers-{}.json", profile.name());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("cases")
}

/// The procedure of a profile with some settings.
fn procedure(profile: Profile, settings: &BTreeMap<String, serde_json::Value>) -> Procedure {
    let mut text = format!(
        "name = 'steps'\nseeds = [0]\n[dataset]\nsource = 'folder'\n[base]\narchitecture = 'vgg16'\n[procedure]\nprofile = '{}'\n",
        profile.name()
    );
    for (name, value) in settings {
        text.push_str(&format!("{name} = {value}\n"));
    }
    let experiment =
        Experiment::parse("steps.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    experiment.procedures().next().expect("a procedure").1.clone()
}

/// The formula's numbers as a tensor.
fn numbers(salt: u64, shape: &[usize], bound: f64) -> Result<Tensor, candle_core::Error> {
    Tensor::from_vec(formula(salt, shape.iter().product(), bound), shape, &Device::Cpu)
}

#[test]
fn every_optimizer_goes_step_by_step_the_way_of_each_library() -> Tested {
    let mut compared = 0;
    for profile in Profile::ALL {
        for (name, case) in cases(profile) {
            let procedure = procedure(profile, &case.settings);
            let variables = SHAPES
                .iter()
                .zip(1..)
                .map(|(shape, salt)| Var::from_tensor(&numbers(salt, shape, 0.8)?))
                .collect::<Result<Vec<_>, _>>()?;
            let mut optimizer =
                Optimizer::new(variables.clone(), procedure.optimizer)?.clipped(procedure.clipping);
            for (step, expected) in case.trajectory.iter().enumerate() {
                if step == CHANGE {
                    optimizer.set_learning_rate(procedure.optimizer.learning_rate() / 10.0);
                }
                let freezes = name == "frozen with zero gradients" && step >= FREEZE;
                let mut loss = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;
                for (place, variable) in variables.iter().enumerate().take(2 - usize::from(freezes))
                {
                    let salt = 100 + 2 * step as u64 + place as u64;
                    let gradient = numbers(salt, SHAPES[place], [0.03, 2.0][place])?;
                    loss = (loss + (variable.as_tensor() * gradient)?.sum_all()?)?;
                }
                let mut gradients = Gradients::of(&loss)?;
                if freezes {
                    gradients.insert_zeros(&variables[1])?;
                }
                optimizer.apply(&gradients)?;
                for (variable, expected) in variables.iter().zip(expected) {
                    let found = variable.flatten_all()?.to_vec1::<f32>()?;
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(expected) {
                        assert!(
                            (f64::from(*found) - expected).abs() < 2e-6,
                            "{}, {name}, step {step}: {found} where the library has {expected}",
                            profile.name()
                        );
                        compared += 1;
                    }
                }
            }
        }
    }
    // Seven cases of each old Keras, ten of Keras 3, eleven of PyTorch, of 20 steps with 17 numbers.
    assert_eq!(compared, (3 * 7 + 10 + 11) * 20 * 17);
    Ok(())
}
