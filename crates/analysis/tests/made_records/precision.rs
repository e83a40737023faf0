//! Which seeds are run next, on made-up records.

use std::collections::BTreeSet;

use crate::made::{Curve, Made};
use thaw_analysis::{PrecisionTarget, Results, WantedDifference, wanted_differences};
use thaw_spec::Expectations;

/// Expects every level but the first above the one before it.
fn expectations(levels: &[&str]) -> Expectations {
    let relations: Vec<String> = levels
        .windows(2)
        .map(|pair| {
            format!(
                "[[relation]]\nkind = 'interval_above'\nleft = {{ regime = '{}' }}\nright = {{ regime = '{}' }}\nmetric = 'validation_accuracy'\nstatistic = 'final'\n",
                pair[1], pair[0]
            )
        })
        .collect();
    Expectations::parse("made.expected.toml", &relations.concat()).expect("expectations")
}

fn wanted(made: &Made, levels: &[&str]) -> Vec<WantedDifference> {
    let results = made.results();
    wanted_differences(made.experiment(), &expectations(levels), &results, None).expect("records")
}

fn seeds(results: &Results) -> Vec<BTreeSet<u64>> {
    let seeds = results.procedures.iter().map(|procedure| &procedure.runs);
    seeds.map(|runs| runs.iter().map(|run| run.cell().seed).collect()).collect()
}

/// A number between 0 and 1 that looks random.
fn noise(place: u64) -> f64 {
    let mut state = place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state ^ (state >> 31)) as f64 / u64::MAX as f64
}

/// A run whose correct images spread evenly by so many around 800.
fn run(made: &mut Made, levels: &[&str], level: usize, seed: u64, spread: f64) {
    let around = spread * (noise(seed * 10 + level as u64) - 0.5);
    let mut curve = Curve::steady(2, (800.0 + around).round() as u64);
    curve.losses[0] += around;
    made.run(levels[level], seed, &curve);
}

const LEVELS: [&str; 4] = ["a", "b", "c", "d"];
const SPREADS: [f64; 4] = [10.0, 10.0, 10.0, 60.0];

/// Four procedures with two seeds each, of which the last spreads most.
fn two_seeds() -> Made {
    let mut made = Made::new(&LEVELS, 60, 2);
    for (level, spread) in SPREADS.into_iter().enumerate() {
        (0..2).for_each(|seed| run(&mut made, &LEVELS, level, seed, spread));
    }
    made
}

#[test]
fn seeds_go_where_uncertainty_is_dear_until_every_difference_is_precise() {
    let mut made = two_seeds();
    let target = PrecisionTarget {
        half_width: 0.015,
        most_seeds: 60,
        budget_seconds: None,
        seconds: &|_, _| 1.0,
    };
    let mut runs = 0;
    loop {
        let (wanted, seeds) = (wanted(&made, &LEVELS), seeds(&made.results()));
        let Some(addition) = target.next(&wanted, &seeds) else { break };
        assert!(!addition.cells.is_empty() && addition.seconds > 0.0, "{addition:?}");
        for (level, seed) in addition.cells {
            assert!(!seeds[level].contains(&seed), "it has run");
            run(&mut made, &LEVELS, level, seed, SPREADS[level]);
            runs += 1;
        }
        assert!(runs < 240, "it ends");
    }
    let wanted = wanted(&made, &LEVELS);
    assert!(wanted.iter().all(|wanted| target.is_reached(wanted)), "{wanted:?}");
    // The last difference, which spreads most, has got most seeds: its procedures alone.
    let counts: Vec<usize> = seeds(&made.results()).iter().map(BTreeSet::len).collect();
    assert!(counts[3] > 2 * counts[0] && counts[2] == counts[3], "{counts:?}");
}

#[test]
fn of_two_seeds_that_tell_as_much_the_cheaper_is_run() {
    let mut made = Made::new(&LEVELS, 60, 2);
    for (place, level) in LEVELS.iter().enumerate() {
        // Mirrored, so that the first and the last difference spread alike.
        let slope = [0, 20, 20, 0][place];
        for (seed, correct) in (0..).zip([790, 800, 815]) {
            let mut curve = Curve::steady(2, correct + slope * seed);
            curve.losses[0] += place as f64;
            made.run(level, seed, &curve);
        }
    }
    let (wanted, seeds) = (wanted(&made, &LEVELS), seeds(&made.results()));
    let next = |dear: usize| {
        let seconds = move |procedure: usize, _| if procedure == dear { 100.0 } else { 1.0 };
        let target = PrecisionTarget {
            half_width: 0.03,
            most_seeds: 60,
            budget_seconds: None,
            seconds: &seconds,
        };
        let cells = target.next(&wanted, &seeds).expect("something is imprecise").cells;
        cells.into_iter().map(|(procedure, _)| procedure).collect::<Vec<_>>()
    };
    assert_eq!(next(0), [2, 3]);
    assert_eq!(next(3), [0, 1]);
}

#[test]
fn a_seed_that_one_side_has_is_run_for_the_other() {
    let mut made = two_seeds();
    for seed in [2, 7] {
        run(&mut made, &LEVELS, 0, seed, 10.0);
    }
    let (wanted, seeds) = (wanted(&made, &LEVELS[..2]), seeds(&made.results()));
    let target = PrecisionTarget {
        half_width: 0.0001,
        most_seeds: 60,
        budget_seconds: None,
        seconds: &|_, _| 1.0,
    };
    assert_eq!(target.next(&wanted, &seeds).expect("imprecise").cells, [(1, 2)]);
    let expected: Vec<_> =
        target.forecast(&wanted, &seeds).into_iter().map(|addition| addition.cells).collect();
    assert_eq!(expected[..3], [vec![(1, 2)], vec![(1, 7)], vec![(0, 3), (1, 3)]]);
    assert_eq!(wanted[0].expected_half_width(2), wanted[0].half_width());
}

#[test]
fn seeds_and_time_are_not_exceeded() {
    let made = two_seeds();
    let (wanted, seeds) = (wanted(&made, &LEVELS), seeds(&made.results()));
    let target = |most_seeds, budget_seconds| PrecisionTarget {
        half_width: 0.0001,
        most_seeds,
        budget_seconds,
        seconds: &|_, _| 10.0,
    };
    assert_eq!(target(2, None).next(&wanted, &seeds), None);
    assert_eq!(target(60, Some(19.0)).next(&wanted, &seeds), None);
    assert!(target(60, Some(20.0)).next(&wanted, &seeds).is_some());
    let spent: f64 = target(60, Some(75.0))
        .forecast(&wanted, &seeds)
        .iter()
        .map(|addition| addition.seconds)
        .sum();
    assert!(spent <= 75.0 && spent > 50.0, "{spent}");
}

#[test]
fn what_is_equal_or_a_loss_gets_no_seeds() {
    let mut made = Made::new(&["a", "b", "c"], 60, 2);
    for seed in 0..3 {
        let curve = Curve::steady(2, 800 + seed * 7);
        made.run("a", seed, &curve);
        made.run("b", seed, &curve);
        made.run("c", seed, &Curve::steady(2, 500 + seed * 31));
    }
    let levels = ["a", "b", "c"];
    // Bit for bit the same: the difference is nothing, and known.
    assert_eq!(wanted(&made, &levels[..2]), []);
    let loss = "[[relation]]\nkind = 'interval_above'\nleft = { regime = 'c' }\nright = { regime = 'a' }\nmetric = 'validation_loss'\nstatistic = 'final'\n";
    let expectations = Expectations::parse("made.expected.toml", loss).expect("expectations");
    let results = made.results();
    let of_loss = wanted_differences(made.experiment(), &expectations, &results, None);
    assert_eq!(of_loss.expect("records"), [], "points are of accuracies");
}

#[test]
fn a_forecast_ends_one_seed_behind_the_first_that_is_expected_to_be_enough() {
    let made = two_seeds();
    let (wanted, seeds) = (wanted(&made, &LEVELS[..2]), seeds(&made.results()));
    let half_width = 0.005;
    let target =
        PrecisionTarget { half_width, most_seeds: 60, budget_seconds: None, seconds: &|_, _| 1.0 };
    let is_enough = |seeds: &usize| {
        wanted[0].expected_half_width(*seeds).is_some_and(|half| half <= half_width)
    };
    let enough = (2..60).find(is_enough).expect("a number of seeds");
    assert!((3..50).contains(&enough), "{enough}");
    assert_eq!(2 + target.forecast(&wanted, &seeds).len(), enough + 1);
}
