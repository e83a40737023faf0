//! How a run ended, by its audit and by those of its phases.

use thaw_spec::{BaseTraining, Outcome, PhaseAudit, RunStatus, TensorAudit, TensorRole};

/// A tensor, and whether it was declared frozen, held by the optimizer and moved.
fn tensor(name: &str, [declared_frozen, collected, moved]: [bool; 3]) -> TensorAudit {
    TensorAudit {
        name: name.to_owned(),
        role: TensorRole::Weight,
        elements: 4,
        declared_frozen,
        collected,
        moved,
        relative_drift: 0.0,
    }
}

fn phase(epochs: usize, audit: &[TensorAudit]) -> PhaseAudit {
    PhaseAudit { epochs, audit: audit.to_vec() }
}

#[test]
fn a_tensor_thaws_that_moves_although_it_was_declared_frozen() {
    // Declared frozen, collected, moved; thawed; moved without an optimizer.
    for (sides, thawed, without_optimizer) in [
        ([false, false, false], false, false),
        ([false, true, true], false, false),
        ([false, false, true], false, true),
        ([true, false, false], false, false),
        ([true, true, false], false, false),
        ([true, true, true], true, false),
        ([true, false, true], true, true),
    ] {
        let tensor = tensor("w", sides);
        assert_eq!(
            (tensor.thawed(), tensor.moved_without_optimizer()),
            (thawed, without_optimizer),
            "{sides:?}"
        );
    }
}

#[test]
fn a_run_thaws_if_one_tensor_does_in_the_run_or_in_a_phase() {
    let kept = tensor("kept", [true, false, false]);
    let trained = tensor("trained", [false, true, true]);
    let held = tensor("held", [true, true, true]);
    let statistic = tensor("statistic", [true, false, true]);
    let alone = |audit: &[&TensorAudit]| {
        Outcome::new(4, audit.iter().map(|tensor| (*tensor).clone()).collect(), Vec::new())
    };
    // Status, tensors that thawed, and whether all of them did without an optimizer.
    for (outcome, expected) in [
        (alone(&[&kept, &trained]), (RunStatus::Completed, 0, false)),
        (alone(&[&kept, &held]), (RunStatus::Thawed, 1, false)),
        (alone(&[&statistic, &trained]), (RunStatus::Thawed, 1, true)),
        (alone(&[&statistic, &held]), (RunStatus::Thawed, 2, false)),
        // What thaws in a phase and is trained afterwards is counted once.
        (
            Outcome::new(
                4,
                vec![trained.clone(), tensor("held", [false, true, true])],
                vec![
                    phase(2, &[held.clone(), kept.clone()]),
                    phase(2, std::slice::from_ref(&held)),
                ],
            ),
            (RunStatus::Thawed, 1, false),
        ),
    ] {
        assert_eq!(
            (outcome.status, outcome.thawed_tensors(), outcome.thawed_without_optimizer()),
            expected,
            "{outcome:?}"
        );
    }
}

#[test]
fn the_base_is_trained_from_the_first_epoch_of_the_phase_that_does() {
    let frozen = tensor("w", [true, false, false]);
    let trained = tensor("w", [false, true, true]);
    let alone = |audit: &[&TensorAudit]| {
        Outcome::new(4, audit.iter().map(|tensor| (*tensor).clone()).collect(), Vec::new())
    };
    assert_eq!(alone(&[&frozen]).base_training_within(4), BaseTraining::Frozen);
    assert_eq!(alone(&[&trained]).base_training_within(1), BaseTraining::Whole);
    // The last block alone; and a statistic, which no optimizer holds.
    assert_eq!(alone(&[&frozen, &trained]).base_training_within(4), BaseTraining::Partial);
    let statistic = TensorAudit { role: TensorRole::Statistic, ..frozen.clone() };
    assert_eq!(alone(&[&statistic, &trained]).base_training_within(4), BaseTraining::Whole);
    // Three epochs and two with the base frozen, then two in which it is trained.
    let phases = [(3, &frozen), (2, &frozen), (2, &trained)]
        .map(|(epochs, tensor)| phase(epochs, std::slice::from_ref(tensor)));
    let outcome = Outcome::new(7, vec![trained.clone()], phases.to_vec());
    let answers: Vec<BaseTraining> =
        (1..=7).map(|epochs| outcome.base_training_within(epochs)).collect();
    // Most of the epochs that are compared have no backward pass of the base.
    let [none, some] = [BaseTraining::Frozen, BaseTraining::Partial];
    assert_eq!(answers, [none, none, none, none, none, some, some]);
}

#[test]
fn only_statistics_write_down_what_they_are_for() {
    let weight = tensor("w", [true, false, false]);
    let statistic = TensorAudit { role: TensorRole::Statistic, ..weight.clone() };
    for (tensor, written) in [(weight, false), (statistic, true)] {
        let json = serde_json::to_string(&tensor).expect("JSON");
        assert_eq!(json.contains("\"role\":\"statistic\""), written, "{json}");
        assert_eq!(json.contains("role"), written, "{json}");
        assert_eq!(serde_json::from_str::<TensorAudit>(&json).expect("the same"), tensor);
    }
}

#[test]
fn a_drift_that_is_not_finite_is_read_as_it_was_written() {
    let exploded = TensorAudit { relative_drift: f64::INFINITY, ..tensor("w", [true, true, true]) };
    let json = serde_json::to_string(&exploded).expect("JSON");
    assert!(json.contains("\"relative_drift\":null"), "{json}");
    assert_eq!(serde_json::from_str::<TensorAudit>(&json).expect("the same"), exploded);
}
