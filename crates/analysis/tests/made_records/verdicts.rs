//! Verdicts on made-up records of runs that went wrong, are short, or differ by little.

use crate::made::{Curve, Made};
use thaw_analysis::{
    AttributionError, Measurements, attribute, check, check_only, derive_bands, evaluate_ladder,
};
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
        gap_ends: false,
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
fn one_seed_that_cannot_tell_says_that_a_second_is_needed() {
    let mut made = Made::new(&["a", "b"], 1, 4);
    made.run("a", 0, &Curve::steady(4, 900));
    made.run("b", 0, &Curve::steady(4, 950));
    let above = "[[relation]]\nkind = 'interval_above'\nleft = { regime = 'b' }\nright = { regime = 'a' }\nmetric = 'validation_accuracy'\nstatistic = 'final'";
    let (kind, reason) = verdict(&made, above);
    assert_eq!(kind, VerdictKind::Inconclusive, "{reason}");
    assert!(reason.ends_with("; one seed gives no interval, so a second is needed"), "{reason}");
}

#[test]
fn a_procedure_is_not_compared_with_itself() {
    let made = twins(|_, _| {});
    let itself = EQUAL.replace("regime = \"b\"", "regime = [\"a\"]");
    let (kind, reason) = verdict(&made, &itself);
    assert_eq!(kind, VerdictKind::Missing, "{reason}");
    assert!(reason.contains("both choose `regime=a`"), "{reason}");
}

#[test]
fn verdicts_on_some_procedures_are_those_on_all() {
    let mut made = Made::new(&["a", "b", "c", "d"], 3, 4);
    // The others spread more.
    for (level, correct) in [
        ("a", [900, 901, 902]),
        ("b", [850, 950, 900]),
        ("c", [700, 800, 760]),
        ("d", [600, 650, 720]),
    ] {
        for (seed, correct) in correct.into_iter().enumerate() {
            made.run(level, seed as u64, &Curve::steady(4, correct));
        }
    }
    let band = "[[band]]\nmetric = 'validation_accuracy'\nstatistic = 'final'\nlower = 0.905\nupper = 0.95\n";
    let expectations = Expectations::parse("made.expected.toml", band).expect("a band");
    let results = made.results();
    let all = check(&expectations, &results);
    assert_eq!((all.len(), all[0].kind), (4, VerdictKind::Inconclusive), "{all:?}");
    let only = Selector::from_arguments(&["regime=a"]).expect("a selector");
    assert_eq!(check_only(&expectations, &results, &only), all[..1]);
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

#[test]
fn a_band_of_one_seed_is_three_images_or_two_per_cent_of_a_loss() {
    let bands = |correct: u64| {
        let mut made = Made::new(&["a", "b"], 1, 4);
        made.run("a", 0, &Curve::steady(4, correct));
        let numbers = [
            (Metric::ValidationAccuracy, Statistic::Final),
            (Metric::ValidationLoss, Statistic::Final),
        ];
        let bands = derive_bands(&made.results(), &numbers);
        // The other procedure has not run.
        let [accuracy, loss] = &bands[..] else { panic!("{bands:?}") };
        [accuracy, loss].map(|band| {
            let seed = band.per_seed.as_ref().expect("a seed");
            assert_eq!(seed.seeds, [0]);
            (band.lower, band.upper, seed.values[0], seed.tolerance)
        })
    };
    // Of 1,000 images; the last of four losses is 0.5 / 4. A seed may differ by a point, and by half
    // a per cent of the loss.
    assert_eq!(bands(900), [(0.897, 0.903, 0.9, 0.01), (0.1225, 0.1275, 0.125, 0.000_625)]);
    assert_eq!(bands(999)[0], (0.996, 1.0, 0.999, 0.01));
    assert_eq!(bands(1)[0], (0.0, 0.004, 0.001, 0.01));
}

#[test]
fn a_band_of_tiny_losses_holds_the_runs_that_it_was_recorded_from() {
    for seeds in [1, 3] {
        for loss in [2e-7, 1.4e-6, 4.7e-5] {
            let mut made = Made::new(&["a"], seeds, 4);
            for seed in 0..seeds as u64 {
                let losses = vec![loss * (1.0 + 0.01 * seed as f64); 4];
                made.run("a", seed, &Curve { losses, ..Curve::steady(4, 900) });
            }
            let results = made.results();
            let bands = derive_bands(&results, &[(Metric::ValidationLoss, Statistic::Final)]);
            let expectations = Expectations { bands, ..Expectations::default() };
            let verdict = check(&expectations, &results).remove(0);
            assert_eq!(verdict.kind, VerdictKind::Pass, "{seeds} seeds of {loss}: {verdict:?}");
        }
    }
}

#[test]
fn the_value_of_one_seed_decides_alone_and_must_be_the_recorded_one() {
    let mut made = Made::new(&["a"], 1, 4);
    made.run("a", 0, &Curve::steady(4, 750));
    let judge = |lower: f64, upper: f64, rest: &str| {
        let band = format!(
            "[[band]]\nmetric = 'validation_accuracy'\nstatistic = 'final'\nlower = {lower:?}\nupper = {upper:?}\n{rest}"
        );
        verdict(&made, &band)
    };
    for (lower, upper, kind) in [
        (0.75, 0.8, VerdictKind::Pass),
        (0.7, 0.75, VerdictKind::Pass),
        (0.76, 0.8, VerdictKind::Fail),
        (0.7, 0.74, VerdictKind::Fail),
    ] {
        let expected = (kind, "the mean is 0.7500 (one seed)".to_owned());
        assert_eq!(judge(lower, upper, ""), expected, "{lower} {upper}");
    }
    // Differences of exactly the tolerance pass; other seeds say nothing.
    for (recorded, kind) in [
        ("seeds = [0], values = [0.5], tolerance = 0.25", VerdictKind::Pass),
        ("seeds = [0], values = [1.0], tolerance = 0.25", VerdictKind::Pass),
        ("seeds = [1], values = [0.1], tolerance = 0.25", VerdictKind::Pass),
        ("seeds = [1, 0], values = [0.75, 0.5], tolerance = 0.2", VerdictKind::Fail),
        ("seeds = [0], values = [1.0], tolerance = 0.2", VerdictKind::Fail),
    ] {
        let (found, reason) = judge(0.0, 1.0, &format!("per_seed = {{ {recorded} }}"));
        assert_eq!(found, kind, "{recorded}: {reason}");
        assert_eq!(reason.contains("seed 0 gave 0.7500 where"), kind == VerdictKind::Fail);
    }
}

#[test]
fn curves_are_equal_within_a_tolerance_that_is_reached_but_not_exceeded() {
    // 0.25 becomes 0.5 in the second epoch of two seeds.
    let made = twins(|seed, curve| {
        if seed > 0 {
            curve.losses[1] += 0.25;
        }
    });
    let within = |tolerance: f64| verdict(&made, &format!("{EQUAL}tolerance = {tolerance:?}"));
    assert_eq!(
        within(0.25),
        (
            VerdictKind::Pass,
            "the largest difference in 12 epochs of 3 seeds is 2.500e-1".to_owned()
        )
    );
    assert_eq!(
        within(0.2),
        (VerdictKind::Fail, "they differ by 2.500e-1 in epoch 2 of seed 1".to_owned())
    );
}

#[test]
fn what_is_equal_to_the_last_bit_exceeds_by_nothing() {
    let made = twins(|_, _| {});
    for (margin, kind) in
        [(-0.01, VerdictKind::Pass), (0.0, VerdictKind::Fail), (0.01, VerdictKind::Fail)]
    {
        let relation = format!(
            "[[relation]]\nkind = 'greater_by_at_least'\nleft = {{ regime = 'a' }}\nright = {{ regime = 'b' }}\nmetric = 'validation_accuracy'\nstatistic = 'final'\nmargin = {margin:?}"
        );
        let expected = (kind, "they are equal to the last bit".to_owned());
        assert_eq!(verdict(&made, &relation), expected, "{margin}");
    }
}

#[test]
fn a_difference_is_judged_by_its_whole_interval() {
    let mut made = Made::new(&["a", "b"], 3, 4);
    for (seed, (one, other)) in [(900, 951), (904, 953), (898, 948)].into_iter().enumerate() {
        made.run("a", seed as u64, &Curve::steady(4, one));
        made.run("b", seed as u64, &Curve::steady(4, other));
    }
    // Differences of 51, 49 and 50 images: 0.05 ± 4.3 · 0.001 / √3, or about 0.0025 either way.
    for (left, right, margin, kind) in [
        ("b", "a", 0.045, VerdictKind::Pass),
        ("b", "a", 0.05, VerdictKind::Inconclusive),
        ("b", "a", 0.055, VerdictKind::Fail),
        ("a", "b", -0.055, VerdictKind::Pass),
        ("a", "b", -0.045, VerdictKind::Fail),
    ] {
        let relation = format!(
            "[[relation]]\nkind = 'greater_by_at_least'\nleft = {{ regime = '{left}' }}\nright = {{ regime = '{right}' }}\nmetric = 'validation_accuracy'\nstatistic = 'final'\nmargin = {margin:?}"
        );
        let (found, reason) = verdict(&made, &relation);
        assert_eq!(found, kind, "{left} {right} {margin}: {reason}");
        assert!(
            reason.starts_with(&format!(
                "the mean difference is {}0.0500 (95 % confidence over seeds",
                if left == "a" { "-" } else { "" }
            )),
            "{reason}"
        );
    }
}

#[test]
fn a_mean_outside_a_band_fails_unless_its_interval_reaches_in() {
    let mut made = Made::new(&["a"], 3, 4);
    for (seed, correct) in [951, 953, 948].into_iter().enumerate() {
        made.run("a", seed as u64, &Curve::steady(4, correct));
    }
    // 0.9507 ± 4.3 · 0.0025 / √3, or about 0.0063 either way.
    for (lower, upper, kind) in [
        (0.9, 0.94, VerdictKind::Fail),
        (0.94, 0.947, VerdictKind::Inconclusive),
        (0.95, 0.96, VerdictKind::Pass),
        (0.954, 0.96, VerdictKind::Inconclusive),
        (0.96, 0.99, VerdictKind::Fail),
    ] {
        let band = format!(
            "[[band]]\nmetric = 'validation_accuracy'\nstatistic = 'final'\nlower = {lower:?}\nupper = {upper:?}"
        );
        let expectations = Expectations::parse("made.expected.toml", &band).expect("a band");
        let verdict = check(&expectations, &made.results()).remove(0);
        assert_eq!(verdict.kind, kind, "{verdict:?}");
        assert_eq!(
            verdict.subject,
            format!("final validation accuracy of `regime=a` in [{lower}, {upper}]")
        );
    }
}

#[test]
fn a_verdict_says_what_was_expected() {
    let made = twins(|_, _| {});
    let both = "left = { regime = 'a' }\nright = { regime = 'b' }\nmetric = 'test_loss'\n";
    for (kind, subject) in [
        (
            "kind = 'equal_curve'\ntolerance = 0.5",
            "test loss of `regime=a` equals that of `regime=b` within 0.5",
        ),
        (
            "kind = 'interval_above'\nstatistic = 'best'",
            "best test loss of `regime=a` lies above that of `regime=b`",
        ),
        (
            "kind = 'greater_by_at_least'\nstatistic = 'last_2'\nmargin = 0.25",
            "last_2 test loss of `regime=a` exceeds that of `regime=b` by at least 0.25",
        ),
    ] {
        let text = format!("[[relation]]\n{both}{kind}\n");
        let expectations = Expectations::parse("made.expected.toml", &text).expect("a relation");
        assert_eq!(check(&expectations, &made.results())[0].subject, subject);
    }
}

#[test]
fn what_is_missing_is_counted_and_what_was_chosen_is_named() {
    let mut made = Made::new(&["a", "b", "c"], 3, 4);
    for (level, seeds) in [("a", 3), ("b", 2)] {
        for seed in 0..seeds {
            made.run(level, seed, &Curve::steady(4, 900 + seed));
        }
    }
    let audit = |regime: &str, status: &str| {
        verdict(&made, &format!("[[audit]]\nwhere = {{ regime = {regime} }}\nstatus = '{status}'"))
    };
    assert_eq!(audit("'a'", "completed"), (VerdictKind::Pass, "in all 3 runs".to_owned()));
    assert_eq!(
        audit("'a'", "thawed"),
        (
            VerdictKind::Fail,
            "seed 0 is completed: 0 of 0 tensors were declared frozen and moved".to_owned()
        )
    );
    for (regime, reason) in [
        ("'b'", "`regime=b` has 2 of 3 runs; `thaw sweep` runs the others"),
        ("'c'", "`regime=c` has 0 of 3 runs; `thaw sweep` runs the others"),
        ("'d'", "no cell of the experiment is `regime=d`"),
    ] {
        assert_eq!(audit(regime, "completed"), (VerdictKind::Missing, reason.to_owned()));
    }
    let both = EQUAL.replace("{ regime = \"b\" }", "{ regime = [\"a\", \"b\"] }");
    assert_eq!(
        verdict(&made, &both),
        (
            VerdictKind::Missing,
            "`regime=a|b` chooses 2 procedures; name enough factors to choose one".to_owned()
        )
    );
    let results = made.results();
    let [a, b, c] = &results.procedures[..] else { panic!("three procedures") };
    assert_eq!([a.is_complete(), b.is_complete(), c.is_complete()], [true, false, false]);
    assert_eq!((b.missing_seeds(), c.missing_seeds()), (vec![2], vec![0, 1, 2]));
    // Every epoch took a second.
    assert_eq!([a.mean_seconds(), c.mean_seconds()], [Some(4.0), None]);
    let accuracy = (Metric::ValidationAccuracy, Statistic::Final);
    let extremes = results.extremes(accuracy.0, accuracy.1).expect("two means");
    assert_eq!(extremes.map(|procedure| procedure.label()), ["regime=b", "regime=a"]);
    assert!(made.narrowed_results(&[0]).extremes(accuracy.0, accuracy.1).is_none());
}

#[test]
fn a_gap_is_divided_among_what_differs_and_between_equal_procedures_there_is_none() {
    let other = twins(|seed, curve| curve.correct.fill(800 + 2 * seed));
    let equal = twins(|_, _| {});
    let divided = |made: &Made, to: &str| {
        let results = made.results();
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let level = |level: &str| {
            Selector::from_arguments(&[format!("regime={level}")]).expect("a selector")
        };
        attribute(&accuracy, &level("a"), &level(to)).map(|divided| {
            let shares = divided.shares.into_iter();
            shares.map(|share| (share.factor, (share.share.mean * 1e6).round())).collect::<Vec<_>>()
        })
    };
    // Of 1,000 images 900, 901 and 902 against 800, 802 and 804.
    assert_eq!(divided(&other, "b").expect("a gap"), [("regime".to_owned(), -99_000.0)]);
    assert!(matches!(divided(&other, "a"), Err(AttributionError::Same)));
    assert!(matches!(divided(&equal, "b"), Err(AttributionError::Equal)));
}

#[test]
fn levels_that_are_equal_in_one_library_are_not_one_level_in_another() {
    // Two libraries by their learning rate: in the second, `a` and `b` are equal.
    let mut made = Made::new(&["a", "b"], 2, 4)
        .with_factor("library", "learning_rate", &[0.1, 0.2])
        .with_factor("dropout", "dropout", &[0.0, 0.5]);
    let run = |made: &mut Made, levels: &str, correct: u64| {
        for seed in 0..2 {
            made.run(levels, seed, &Curve::steady(4, correct + seed));
        }
    };
    for (levels, correct) in [
        ("a 0.2 0", 900),
        ("b 0.2 0", 900),
        ("a 0.2 0.5", 890),
        ("b 0.2 0.5", 890),
        ("a 0.1 0", 900),
        ("a 0.1 0.5", 880),
        ("b 0.1 0.5", 960),
    ] {
        run(&mut made, levels, correct);
    }
    let divided_between = |made: &Made, libraries: [&str; 2]| {
        let results = made.results();
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let selector = |regime: &str, library: &str, dropout: &str| {
            let library = format!("library={library}");
            let (regime, dropout) = (format!("regime={regime}"), format!("dropout={dropout}"));
            Selector::from_arguments(&[regime, library, dropout]).expect("a selector")
        };
        let [from, to] = libraries;
        let (from, to) = (selector("a", from, "0"), selector("b", to, "0.5"));
        attribute(&accuracy, &from, &to).map(|divided| {
            let pairs = divided.equal_levels.iter().map(|equal| equal.pairs).sum::<usize>();
            let shares = divided.shares.into_iter();
            let shares = shares.map(|share| (share.factor, (share.share.mean * 1e6).round()));
            (shares.collect::<Vec<_>>(), pairs)
        })
    };
    let divided = |made: &Made, library: &str| divided_between(made, [library; 2]);
    let dropout_alone = (vec![("dropout".to_owned(), -10_000.0)], 2);
    assert_eq!(divided(&made, "0.2").expect("a gap"), dropout_alone);
    // In the first library the cell that would tell has not run, which the gap between the two needs
    // as well.
    let missing = |cell: &str| cell.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for outcome in [divided(&made, "0.1"), divided_between(&made, ["0.2", "0.1"])] {
        let Err(AttributionError::Missing { cells, .. }) = outcome else { panic!("{outcome:?}") };
        let cells: Vec<Vec<String>> = cells
            .into_iter()
            .map(|levels| levels.into_iter().map(|(_, level)| level).collect())
            .collect();
        assert_eq!(cells, [missing("b 0.1 0")]);
    }
    // It differs there, which takes nothing from the second library.
    run(&mut made, "b 0.1 0", 940);
    assert_eq!(divided(&made, "0.2").expect("a gap"), dropout_alone);
    let shares = vec![("regime".to_owned(), 60_000.0), ("dropout".to_owned(), 0.0)];
    assert_eq!(divided(&made, "0.1").expect("a gap"), (shares, 0));
}

/// Two seeds of what lies between two procedures that differ in three factors. The dropout comes
/// last, for what it leads to by itself leads nowhere; that cell has not run.
fn with_a_dead_end() -> Made {
    let mut made = Made::new(&["a", "b"], 2, 4)
        .with_factor("library", "learning_rate", &[0.1, 0.2])
        .with_factor("dropout", "dropout", &[0.0, 0.5])
        .without(&[("regime", "a"), ("library", "0.2"), ("dropout", "0.5")])
        .without(&[("regime", "b"), ("library", "0.1"), ("dropout", "0.5")]);
    for (levels, correct) in
        [("a 0.1 0", 900), ("b 0.1 0", 920), ("a 0.2 0", 905), ("b 0.2 0", 930), ("b 0.2 0.5", 960)]
    {
        for seed in 0..2 {
            made.run(levels, seed, &Curve::steady(4, correct + seed));
        }
    }
    made
}

#[test]
fn a_cell_off_every_order_counts_for_all_but_the_shares_where_it_has_run() {
    const DEAD_END: &str = "a 0.1 0.5";
    let rounded = |value: f64| (value * 1e6).round();
    let divided = |made: &Made| {
        let results = made.results();
        let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
        let selector = |regime: &str, library: &str, dropout: &str| {
            let levels = [("regime", regime), ("library", library), ("dropout", dropout)];
            let levels = levels.map(|(factor, level)| format!("{factor}={level}"));
            Selector::from_arguments(&levels).expect("a selector")
        };
        let gap = attribute(&accuracy, &selector("a", "0.1", "0"), &selector("b", "0.2", "0.5"));
        let gap = gap.expect("a gap");
        assert_eq!((gap.orders, &gap.seeds[..]), ([2, 6], &[0, 1][..]));
        let shares: Vec<f64> = gap.shares.iter().map(|share| rounded(share.share.mean)).collect();
        assert_eq!(shares, [22_500.0, 7_500.0, 30_000.0]);
        let dropout = &gap.shares[2];
        let first = dropout.first.as_ref().map(|first| rounded(first.mean));
        (dropout.combinations, rounded(dropout.main_effect.mean), first)
    };
    let without_it = (1, 30_000.0, None);
    let mut made = with_a_dead_end();
    assert_eq!(divided(&made), without_it);
    made.run(DEAD_END, 0, &Curve::steady(4, 890));
    assert_eq!(divided(&made), without_it, "one of two seeds");
    let made_of_one = made.with_seeds(1);
    assert_eq!(divided(&made_of_one), without_it, "the others have one more seed than is planned");
    let mut made = made_of_one.with_seeds(2);
    made.run(DEAD_END, 1, &Curve::steady(4, 891));
    assert_eq!(divided(&made), (2, 10_000.0, Some(-10_000.0)));
    made.diverged_run(DEAD_END, 1, &Curve::steady(2, 891));
    assert_eq!(divided(&made), without_it, "one seed diverged");
}

/// Two seeds of a procedure that evaluates its test images after every epoch, and of one that does
/// so after the last alone. Both are right about more and more images.
fn with_tests_at_the_end() -> Made {
    let mut made = Made::new(&["every", "last"], 2, 4).with_tests(&["last"]);
    for seed in 0..2 {
        let rising: Vec<u64> = (0..4).map(|epoch| 800 + 20 * epoch + seed).collect();
        let curve = Curve { correct: rising, ..Curve::steady(4, 0) };
        made.run("every", seed, &curve);
        made.run("last", seed, &curve);
    }
    made
}

#[test]
fn a_test_curve_of_the_last_epoch_has_that_epoch_and_no_statistic_of_several() {
    let results = with_tests_at_the_end().results();
    let [every, last] = &results.procedures[..] else { panic!("two procedures") };
    let (test, validation) = (Metric::TestAccuracy, Metric::ValidationAccuracy);
    let run = &last.runs[0];
    assert_eq!((run.epochs_of(test), run.curve(test)), (vec![4], vec![0.86]));
    assert_eq!(run.by_epoch(test), [None, None, None, Some(0.86)]);
    assert_eq!(run.epochs_of(validation), [1, 2, 3, 4]);
    let log = run.log().expect("a log");
    assert_eq!((log.epochs_of(test), log.curve(test), log.epochs()), (&[4][..], &[0.86][..], 4));
    for (statistic, of_every, of_last) in [
        (Statistic::Final, 0.86, Some(0.86)),
        (Statistic::Last(1), 0.86, Some(0.86)),
        // It must not be taken for a mean over fewer epochs, or for the best of one.
        (Statistic::Last(2), 0.85, None),
        (Statistic::Best, 0.86, None),
    ] {
        let value = every.runs[0].value(test, statistic).expect("every epoch");
        assert!((value - of_every).abs() < 1e-12, "{statistic}: {value}");
        assert_eq!(last.runs[0].value(test, statistic), of_last, "{statistic}");
        assert_eq!(last.sample(test, statistic).is_some(), of_last.is_some(), "{statistic}");
        assert!(last.runs[0].value(validation, statistic).is_some(), "{statistic}");
    }
}

#[test]
fn runs_that_evaluate_their_test_images_at_other_times_are_equal_where_both_do() {
    let results = with_tests_at_the_end().results();
    assert!(results.procedures[0].equals(&results.procedures[1]));
    let mut made = Made::new(&["every", "last"], 1, 4).with_tests(&["last"]);
    let curve = Curve::steady(4, 900);
    made.run("every", 0, &curve);
    made.run("last", 0, &Curve { correct: vec![900, 900, 900, 901], ..curve });
    let results = made.results();
    assert!(!results.procedures[0].equals(&results.procedures[1]));
}

#[test]
fn what_is_expected_of_test_epochs_that_were_not_evaluated_is_missing_and_says_why() {
    let made = with_tests_at_the_end();
    let band = |level: &str, statistic: &str| {
        format!(
            "[[band]]\nwhere = {{ regime = '{level}' }}\nmetric = 'test_accuracy'\nstatistic = '{statistic}'\nlower = 0.8\nupper = 0.9\n"
        )
    };
    for statistic in ["final", "last_1"] {
        let (kind, reason) = verdict(&made, &band("last", statistic));
        assert_eq!(kind, VerdictKind::Pass, "{statistic}: {reason}");
    }
    assert_eq!(verdict(&made, &band("every", "best")).0, VerdictKind::Pass);
    let relation = "[[relation]]\nkind = 'greater_by_at_least'\nleft = { regime = 'every' }\nright = { regime = 'last' }\nmetric = 'test_accuracy'\nstatistic = 'best'\nmargin = 0.1";
    for (text, statistic) in [
        (band("last", "best"), "best"),
        (band("last", "last_3"), "last_3"),
        (relation.into(), "best"),
    ] {
        let (kind, reason) = verdict(&made, &text);
        assert_eq!(kind, VerdictKind::Missing, "{reason}");
        assert_eq!(
            reason,
            format!(
                "`regime=last` evaluated its test images after the last epoch alone, which gives no `{statistic}`; expect `final`"
            )
        );
    }
    let curves = EQUAL.replace("\"a\"", "\"every\"").replace("\"b\"", "\"last\"");
    assert_eq!(verdict(&made, &curves).0, VerdictKind::Pass, "validation curves are whole");
    let (kind, reason) = verdict(&made, &curves.replace("validation_loss", "test_loss"));
    assert_eq!(kind, VerdictKind::Missing, "{reason}");
    assert!(reason.contains("the other after the last alone"), "{reason}");
}

#[test]
fn bands_are_recorded_of_the_last_epoch_where_it_alone_was_evaluated() {
    let results = with_tests_at_the_end().results();
    let bands = |statistics: &[Statistic]| -> Vec<(String, Statistic)> {
        let numbers: Vec<_> =
            statistics.iter().map(|statistic| (Metric::TestAccuracy, *statistic)).collect();
        let bands = derive_bands(&results, &numbers).into_iter();
        bands.map(|band| (band.selector.to_string(), band.statistic)).collect()
    };
    let of = |level: &str, statistic| (format!("regime={level}"), statistic);
    let (best, last) = (Statistic::Best, Statistic::Final);
    assert_eq!(bands(&[best]), [of("every", best), of("last", last)]);
    assert_eq!(bands(&[best, last]), [of("every", best), of("every", last), of("last", last)]);
}

#[test]
fn test_numbers_of_an_experiment_are_final_where_a_procedure_has_no_others() {
    let made = with_tests_at_the_end();
    let statistic = |metric| made.experiment().statistic_of(metric);
    assert_eq!(statistic(Metric::TestAccuracy), Statistic::Final);
    let whole = Made::new(&["every"], 2, 12).with_tests(&[]);
    assert_eq!(whole.experiment().statistic_of(Metric::TestAccuracy), Statistic::Last(4));
    let ended = Made::new(&["every", "last"], 2, 12).with_tests(&["last"]);
    assert_eq!(ended.experiment().statistic_of(Metric::TestAccuracy), Statistic::Final);
    assert_eq!(ended.experiment().statistic_of(Metric::ValidationAccuracy), Statistic::Last(4));
}
