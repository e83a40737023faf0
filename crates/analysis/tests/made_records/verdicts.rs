//! Verdicts on made-up records of runs that went wrong, are short, or differ by little.

use crate::made::{Curve, Made};
use thaw_analysis::{Measurements, check, derive_bands, evaluate_ladder};
use thaw_spec::{Expectations, Metric, Rung, Selector, Statistic, VerdictKind};

const EQUAL: &str = r#"
[[relation]]
kind = "equal_curve"
left = { regime = "a" }
right = { regime = "b" }
metric = "validation_loss"
"#;

fn verdict(made: &Made, expectations: &str) -> (VerdictKind, String) {
    let expectations =
        Expectations::parse("made.expected.toml", expectations).expect("expectations");
    let verdict = check(&expectations, &made.results()).remove(0);
    (verdict.kind, verdict.reason)
}

/// Three seeds of two procedures, equal but for what `change` does to the second.
fn twins(change: impl Fn(u64, &mut Curve)) -> Made {
    let mut made = Made::new(&["a", "b"], 3, 4);
    for seed in 0..3 {
        let curve = Curve::steady(4, 900 + seed);
        made.run("a", seed, &curve);
        let mut other = curve;
        change(seed, &mut other);
        made.run("b", seed, &other);
    }
    made
}

#[test]
fn equal_curves_are_equal_to_the_last_bit() {
    assert_eq!(verdict(&twins(|_, _| {}), EQUAL).0, VerdictKind::Pass);
    let (kind, reason) = verdict(
        &twins(|seed, curve| {
            if seed == 1 {
                curve.losses[2] = f64::from_bits(curve.losses[2].to_bits() + 1);
            }
        }),
        EQUAL,
    );
    assert_eq!(kind, VerdictKind::Fail);
    assert!(reason.contains("epoch 3 of seed 1"), "{reason}");
}

#[test]
fn a_curve_that_is_not_finite_equals_none() {
    // On one side and on both, from the first epoch and later.
    for (epoch, both) in [(0, false), (0, true), (2, false), (2, true)] {
        let mut made = Made::new(&["a", "b"], 3, 4);
        for seed in 0..3 {
            let curve = Curve::steady(4, 900);
            let mut diverged = curve.clone();
            if seed == 1 {
                diverged.losses[epoch..].fill(f64::NAN);
            }
            made.run("a", seed, if both { &diverged } else { &curve });
            made.run("b", seed, &diverged);
        }
        let (kind, reason) = verdict(&made, EQUAL);
        assert_eq!(kind, VerdictKind::Fail, "epoch {epoch}, both {both}: {reason}");
        assert!(reason.contains("not finite") && reason.contains("seed 1"), "{reason}");
    }
}

#[test]
fn a_curve_that_ends_earlier_equals_none() {
    let mut made = Made::new(&["a", "b"], 1, 4).with_epochs("b", 2);
    made.run("a", 0, &Curve::steady(4, 900));
    made.run("b", 0, &Curve::steady(2, 900));
    let (kind, reason) = verdict(&made, EQUAL);
    assert_eq!(kind, VerdictKind::Fail, "{reason}");
    assert!(reason.contains("4 and 2 epochs"), "{reason}");
}

#[test]
fn a_run_that_diverged_fails_and_is_not_called_missing() {
    let mut made = Made::new(&["a", "b"], 3, 4);
    for seed in 0..3 {
        let mut curve = Curve::steady(4, 900);
        made.run("a", seed, &curve);
        if seed == 2 {
            curve.losses[3] = f64::NAN;
        }
        made.run("b", seed, &curve);
    }
    for statistic in ["final", "best", "last_2"] {
        let band = format!(
            "[[band]]\nwhere = {{ regime = 'b' }}\nmetric = 'validation_loss'\nstatistic = '{statistic}'\nlower = 0\nupper = 9"
        );
        let (kind, reason) = verdict(&made, &band);
        assert_eq!(kind, VerdictKind::Fail, "{statistic}: {reason}");
        assert!(reason.contains("seed 2") && reason.contains("not finite"), "{reason}");
        let relation = format!(
            "[[relation]]\nkind = 'greater_by_at_least'\nleft = {{ regime = 'a' }}\nright = {{ regime = 'b' }}\nmetric = 'validation_loss'\nstatistic = '{statistic}'\nmargin = 0"
        );
        let (kind, reason) = verdict(&made, &relation);
        assert_eq!(kind, VerdictKind::Fail, "{statistic}: {reason}");
        assert!(reason.contains("seed 2") && reason.contains("not finite"), "{reason}");
    }
}

fn rungs() -> Vec<Rung> {
    let rung = |level: &str| Rung {
        label: level.to_owned(),
        selector: Selector::exactly(&[("regime".to_owned(), level.to_owned())]),
    };
    vec![rung("a"), rung("b")]
}

#[test]
fn equal_accuracies_alone_are_not_equal_curves() {
    // The losses differ, but there is no validation split to see them in.
    let mut made = Made::new(&["a", "b"], 2, 3).without_validation();
    for seed in 0..2 {
        let curve = Curve::steady(3, 900);
        made.run("a", seed, &curve);
        let mut other = curve;
        other.losses[1] += 0.25;
        made.run("b", seed, &other);
    }
    let results = made.results();
    let accuracy = Measurements::new(&results, Metric::TrainAccuracy, Statistic::Final);
    assert!(!evaluate_ladder(&rungs(), &accuracy)[1].equal);
}

/// Three seeds of two procedures whose accuracies differ by so many images in each of them.
fn tied(more: u64) -> Made {
    let mut made = Made::new(&["a", "b"], 3, 4);
    for (seed, correct) in [(0, 812), (1, 562), (2, 911)] {
        made.run("a", seed, &Curve::steady(4, correct));
        let mut other = Curve::steady(4, correct + more);
        other.losses[1] += 0.25;
        made.run("b", seed, &other);
    }
    made
}

#[test]
fn differences_that_are_tied_are_no_certainty() {
    for more in [0, 1, 3] {
        let made = tied(more);
        let results = made.results();
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let rung = evaluate_ladder(&rungs(), &accuracy).remove(1);
        let (low, high) = rung.change.expect("both ran").interval().expect("three seeds");
        assert!(high - low > 0.001, "seeds differ by tens of points: {low} to {high}");
        assert!(!rung.equal && rung.p_value.is_some_and(|p_value| p_value > 0.05), "{more}");
    }
}

#[test]
fn what_overlaps_cannot_be_told_and_says_how_many_seeds_would() {
    let mut made = Made::new(&["a", "b"], 3, 4);
    for (seed, (one, other)) in [(900, 905), (904, 901), (898, 903)].into_iter().enumerate() {
        made.run("a", seed as u64, &Curve::steady(4, one));
        made.run("b", seed as u64, &Curve::steady(4, other));
    }
    let above = "[[relation]]\nkind = 'interval_above'\nleft = { regime = 'b' }\nright = { regime = 'a' }\nmetric = 'validation_accuracy'\nstatistic = 'final'";
    let (kind, reason) = verdict(&made, above);
    assert_eq!(kind, VerdictKind::Inconclusive, "{reason}");
    assert!(reason.contains("more seeds of both would tell"), "{reason}");
    let band = "[[band]]\nwhere = { regime = 'a' }\nmetric = 'validation_accuracy'\nstatistic = 'final'\nlower = 0.903\nupper = 0.95\n";
    let (kind, reason) = verdict(&made, band);
    assert_eq!(kind, VerdictKind::Inconclusive, "{reason}");
    let more: usize = reason
        .split_once("; ")
        .and_then(|(_, settles)| settles.split_once(" more seeds would tell, if it stays so: "))
        .and_then(|(more, _)| more.parse().ok())
        .unwrap_or_else(|| panic!("{reason}"));
    // As many: with one fewer the interval would still reach to the band's edge.
    let results = made.results();
    let number = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
    let level = number.level(&results.procedures[0]).expect("it ran");
    assert_eq!(level.seeds_to_settle(0.903), Some(more), "{reason}");
    assert!(more > 1, "{reason}");
}

#[test]
fn runs_with_more_seeds_than_planned_count_unless_the_seeds_are_named() {
    let mut made = Made::new(&["a"], 5, 4);
    for seed in 0..5 {
        made.run("a", seed, &Curve::steady(4, 900 + seed));
    }
    let made = made.with_seeds(2);
    let accuracy = |narrowed: bool| {
        let results = if narrowed { made.narrowed_results(&[0, 1, 2]) } else { made.results() };
        let number = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        number.level(&results.procedures[0]).expect("it ran").count
    };
    assert_eq!((accuracy(false), accuracy(true)), (5, 3));
}

#[test]
fn a_band_from_many_seeds_is_wide_enough_for_the_few_that_are_planned() {
    let half_width = |planned: usize| {
        let mut made = Made::new(&["a"], 5, 4);
        for (seed, correct) in [900, 920, 890, 905, 931].into_iter().enumerate() {
            made.run("a", seed as u64, &Curve::steady(4, correct));
        }
        let made = made.with_seeds(planned);
        let numbers = [(Metric::ValidationAccuracy, Statistic::Final)];
        let band = derive_bands(&made.results(), &numbers).remove(0);
        (band.upper - band.lower) / 2.0
    };
    // √(1/5 + 1/2) against √(1/5 + 1/5).
    let ratio = half_width(2) / half_width(5);
    assert!((ratio - (0.7f64 / 0.4).sqrt()).abs() < 1e-3, "{ratio}");
}
