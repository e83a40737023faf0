//! The forms of the head and their gradients against PyTorch, whose numbers `tools/golden/heads.py`
//! wrote. Activations, weights and masks come from a formula that both sides compute.

mod formula;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use serde::Deserialize;
use thaw_model::{Gradients, Head, Loss, Mode};
use thaw_spec::{Initializer, Pooling};

use formula::formula;

const SHAPE: [usize; 4] = [4, 2, 3, 5];
const LABELS: [u32; 4] = [0, 1, 1, 0];

#[derive(Deserialize)]
struct Expected {
    loss: f64,
    /// Of the variables in their order, then of the activations.
    gradients: Vec<Vec<f64>>,
}

/// The formula's numbers as a tensor.
fn numbers(salt: u64, shape: &[usize], bound: f64) -> Result<Tensor, candle_core::Error> {
    Tensor::from_vec(formula(salt, shape.iter().product(), bound), shape, &Device::Cpu)
}

fn assert_close(what: &str, found: &Tensor, expected: &[f64]) -> Result<(), candle_core::Error> {
    let found = found.flatten_all()?.to_vec1::<f32>()?;
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{what}: {found} for {expected}");
    }
    Ok(())
}

#[test]
fn every_form_of_the_head_has_the_gradients_of_pytorch() -> Result<(), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/heads.json");
    let fixture: BTreeMap<String, Expected> = serde_json::from_slice(&std::fs::read(path)?)?;
    assert_eq!(fixture.len(), 4);
    for (form, expected) in fixture {
        let (pooling, units) = form.split_once(' ').ok_or("a pooling and units")?;
        let pooling = if pooling == "average" { Pooling::Average } else { Pooling::Flatten };
        let units: usize = units.parse()?;
        let inputs = if pooling == Pooling::Average { 5 } else { 30 };
        let initializer = Initializer::GlorotUniform;
        let mut head =
            Head::new(inputs, units, Loss::Binary, initializer, |_| || 0.5, &Device::Cpu)?;
        head.pooling = pooling;
        assert_eq!(head.units(), if units == 0 { inputs } else { units });
        let salts = if units == 0 { vec![4, 5] } else { vec![2, 3, 4, 5] };
        for ((_, variable), salt) in head.variables().into_iter().zip(salts) {
            variable.set(&numbers(salt, variable.dims(), 0.5)?)?;
        }
        let activations = Var::from_tensor(&numbers(1, &SHAPE, 1.0)?)?;
        let mask = (0..4 * head.units()).map(|place| if place % 3 == 0 { 0.0 } else { 1.5f32 });
        let mask = Tensor::from_iter(mask, &Device::Cpu)?.reshape((4, head.units()))?;

        let (logits, tape) = head.forward_on_tape(activations.as_tensor(), Some(&mask))?;
        let loss = Loss::Binary.per_image(&logits, &LABELS, 0.0)?.mean_all()?;
        let mut gradients = Gradients::of(&loss)?;
        tape.backward(&mut gradients)?;
        assert_close(&form, &loss, &[expected.loss])?;
        let (of_activations, of_variables) = expected.gradients.split_last().ok_or("gradients")?;
        let of_base = gradients.store.get(activations.as_tensor()).ok_or("a gradient")?;
        assert_close(&format!("{form}, activations"), of_base, of_activations)?;
        for ((name, variable), expected) in head.variables().into_iter().zip(of_variables) {
            // That of the hidden weights is never written out.
            if let Some(gradient) = gradients.store.get(variable) {
                assert_close(&format!("{form}, {name}"), gradient, expected)?;
            } else {
                assert_eq!(name, "head.hidden.weight", "{form}");
            }
        }
        let evaluated = head.forward(activations.as_tensor(), Some(&mask), Mode::Evaluation)?;
        assert_eq!(
            evaluated.flatten_all()?.to_vec1::<f32>()?,
            logits.flatten_all()?.to_vec1::<f32>()?,
            "{form}: evaluation computes what training does"
        );
    }
    Ok(())
}

#[test]
fn a_graph_below_the_head_gets_its_gradient() -> Result<(), Box<dyn std::error::Error>> {
    let initializer = Initializer::GlorotUniform;
    let head = Head::new(30, 7, Loss::Binary, initializer, |_| || 0.5, &Device::Cpu)?;
    for ((_, variable), salt) in head.variables().into_iter().zip([2, 3, 4, 5]) {
        variable.set(&numbers(salt, variable.dims(), 0.5)?)?;
    }
    let below = Var::from_tensor(&numbers(1, &SHAPE, 1.0)?)?;
    let gradient_below = |activations: &Tensor| -> Result<Tensor, Box<dyn std::error::Error>> {
        let (logits, tape) = head.forward_on_tape(activations, None)?;
        let mut gradients =
            Gradients::of(&Loss::Binary.per_image(&logits, &LABELS, 0.0)?.mean_all()?)?;
        tape.backward(&mut gradients)?;
        Ok(gradients.store.get(below.as_tensor()).ok_or("no gradient")?.clone())
    };
    let of_leaf = gradient_below(below.as_tensor())?;
    let of_graph = gradient_below(&(below.as_tensor() * 2.0)?)?;
    assert_eq!(of_graph.dims(), of_leaf.dims());
    let largest = of_graph.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(largest > 0.0, "{largest}");
    Ok(())
}
