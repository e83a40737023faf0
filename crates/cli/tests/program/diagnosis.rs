//! `thaw diagnose` and `thaw export` by the real program, on the committed results and on curves of
//! the real Keras.

use std::fs;

use tempfile::TempDir;

use crate::markdown::repository;
use crate::thaw::{succeeds, thaw_in};

/// Runs thaw in the repository's folder: exit code, and what it printed.
fn thaw(arguments: &[&str]) -> (i32, String) {
    let output = thaw_in(&repository())
        .env("THAW_RESULTS", "results")
        .args(arguments)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), text)
}

/// The number behind some words.
#[track_caller]
fn number(text: &str, words: &str) -> usize {
    let rest = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(words))
        .unwrap_or_else(|| panic!("{words}: {text}"));
    rest.trim_start_matches(':')
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("{words}: {text}"))
}

/// What is counted of held-out runs, as tools/golden/diagnosis.py counts it with NumPy and SciPy: the
/// likeliest right; sure and right, sure and wrong; unsure with the right one and without it; none.
/// Then with their own procedure taken away: none, unsure, sure.
fn counts(text: &str) -> ([usize; 6], [usize; 3]) {
    let words = [
        "the likeliest procedure is the right one",
        "sure and right",
        "sure and wrong",
        "unsure, the right one among those named",
        "unsure, the right one not among them",
        "none of these",
    ];
    let (known, lost) =
        text.split_once("taken from the candidates").unwrap_or_else(|| panic!("{text}"));
    let lost = ["none of these", "unsure", "sure of a procedure that is not theirs"]
        .map(|words| number(lost, words));
    (words.map(|words| number(known, words)), lost)
}

#[test]
fn held_out_curves_are_diagnosed_as_by_a_second_program_and_never_wrongly_with_confidence() {
    // Three seeds of each procedure are known; nine others are examined.
    let (code, text) = thaw(&["diagnose", "--held-out", "3,4,5,6,7,8,9,10,11"]);
    assert!(
        code == 0
            && text.starts_with("108 runs of 12 procedures, 8 epochs each (temperature 4.05)"),
        "{text}"
    );
    assert_eq!(counts(&text), ([98, 66, 0, 42, 0, 0], [58, 37, 13]), "{text}");
    assert_eq!(
        text.lines().filter(|line| line.contains("regime=")).count(),
        12,
        "a row of the confusion matrix for each"
    );
    // Whichever seeds are held out, nothing is learnt from them.
    let (code, text) = thaw(&["diagnose", "--held-out", "0,1,3,4,5,7,8,9,10"]);
    assert_eq!(code, 0);
    assert_eq!(counts(&text), ([105, 99, 0, 9, 0, 0], [53, 8, 47]), "{text}");
    // Each run is examined by what is known of the others.
    let (code, text) =
        thaw(&["diagnose", "--experiment", "experiments/squeezenet.toml", "--held-out"]);
    assert!(
        code == 0
            && text.starts_with("64 runs of 12 procedures, 30 epochs each (temperature 1.00)"),
        "{text}"
    );
    assert_eq!(counts(&text), ([64, 64, 0, 0, 0, 0], [55, 0, 9]), "{text}");
}

/// Where runs of one seed lie on the same side in all procedures, distances are stretched.
#[test]
fn the_accidents_of_batch_norm_are_diagnosed_as_by_a_second_program() {
    let (code, text) =
        thaw(&["diagnose", "--experiment", "experiments/statistics.toml", "--held-out"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(counts(&text), ([39, 20, 1, 33, 0, 0], [10, 27, 17]), "{text}");
}

#[test]
fn curves_of_the_real_keras_are_recognised() {
    let curves = "experiments/published/keras-2.0.8-squeezenet.csv";
    for seed in ["0", "1", "2"] {
        let run = format!("keras-2.0.8 rescale seed {seed}");
        let (code, text) = thaw(&[
            "diagnose",
            curves,
            "--experiment",
            "experiments/squeezenet.toml",
            "--run",
            &run,
        ]);
        assert_eq!(code, 0, "{text}");
        let answer = "answer: regime=cached augmentation=none preprocessing=rescale dropout=0.5, which gives the same curves as \
                      regime=frozen_end_to_end augmentation=none preprocessing=rescale dropout=0.5\n";
        assert!(text.contains(answer), "{text}");
        // Keras clips its losses, which shows where they are large; the experiment that clips them
        // too knows the curve.
        let run = format!("keras-2.0.8 caffe seed {seed}");
        let (code, text) = thaw(&[
            "diagnose",
            curves,
            "--experiment",
            "experiments/squeezenet.toml",
            "--run",
            &run,
        ]);
        assert!(
            code == 2
                && text.contains("answer: none of these")
                && text.contains("What does not fit it (p-value): "),
            "{text}"
        );
    }
    let (code, text) =
        thaw(&["diagnose", curves, "--experiment", "experiments/keras-squeezenet.toml"]);
    assert_eq!(code, 0, "{text}");
    for preprocessing in ["rescale", "caffe"] {
        assert_eq!(
            text.matches(&format!("answer: preprocessing={preprocessing}\n")).count(),
            3,
            "{text}"
        );
    }
}

#[test]
fn the_real_keras_that_said_its_base_was_frozen_is_found_out() {
    // 27.5 s: one forward pass of the base over the training images on the machine of the log.
    let curve = "experiments/published/keras-2.0.8-squeezenet-end-to-end.csv";
    let (code, text) = thaw(&[
        "diagnose",
        curve,
        "--experiment",
        "experiments/squeezenet.toml",
        "--forward-seconds",
        "27.5",
    ]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("answer: regime=accidentally_unfrozen augmentation=keras-2.0.8 preprocessing=rescale dropout=0.0\n"), "{text}");
    assert!(
        text.contains("takes 4.2 forward passes")
            && text.contains("trained 3.5: the base was trained"),
        "{text}"
    );
}

#[test]
fn the_books_curves_are_another_bases() {
    let (code, text) = thaw(&[
        "diagnose",
        "experiments/published/keras-2.0.8-section-5.3.csv",
        "--experiment",
        "experiments/squeezenet.toml",
    ]);
    assert_eq!(code, 2, "{text}");
    assert_eq!(
        text.matches("answer: none of these. Even the likeliest, regime=").count(),
        2,
        "{text}"
    );
}

#[test]
fn curves_of_the_real_keras_on_vgg16_are_recognised() {
    for preprocessing in ["rescale", "caffe"] {
        for seed in ["0", "1", "2"] {
            let run = format!("keras-2.0.8 {preprocessing} seed {seed}");
            let curves = "experiments/published/keras-2.0.8-vgg16.csv";
            let (_, text) =
                thaw(&["diagnose", curves, "--experiment", "experiments/book.toml", "--run", &run]);
            let likeliest = text
                .lines()
                .find(|line| line.starts_with("| ") && line.contains("regime="))
                .unwrap_or_else(|| panic!("{text}"));
            let levels = format!("preprocessing={preprocessing} dropout=0.5");
            assert!(likeliest.contains("regime=cached") && likeliest.contains(&levels), "{text}");
        }
    }
}

#[test]
fn the_books_first_curve_is_recognised_on_its_own_base() {
    let curves = "experiments/published/keras-2.0.8-section-5.3.csv";
    let (_, text) = thaw(&[
        "diagnose",
        curves,
        "--experiment",
        "experiments/book.toml",
        "--run",
        "cached_features_dropout0.5",
    ]);
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && line.contains("regime=")).collect();
    assert!(rows.len() > 2, "{text}");
    for row in &rows[..2] {
        assert!(
            row.contains("regime=cached") && row.contains("preprocessing=rescale dropout=0.5"),
            "{text}"
        );
    }
    // Procedures that give the same curves are all named.
    let twin = "which gives the same curves as regime=end_to_end profile=keras-2.2 augmentation=none preprocessing=rescale dropout=0.5";
    assert!(text.contains(twin), "{text}");
}

#[test]
fn an_exported_run_is_recognised_and_its_times_are_judged() {
    let desk = TempDir::new().expect("a folder");
    let path = |name: &str| desk.path().join(name).to_str().expect("a name in Unicode").to_owned();
    let (csv, board) = (path("runs.csv"), path("board"));
    let thawed = [
        "--seeds",
        "7",
        "--only",
        "regime=accidentally_unfrozen",
        "--only",
        "preprocessing=caffe",
        "--only",
        "augmentation=none",
    ];
    for (format, output) in [("csv", &csv), ("tensorboard", &board)] {
        let (code, text) =
            thaw(&[&["export", "--format", format, "--output", output][..], &thawed].concat());
        assert!(code == 0 && text.contains("1 run(s) of `miniature`"), "{text}");
        let (code, text) = thaw(&["diagnose", output]);
        assert!(
            code == 0 && text.contains("answer: regime=accidentally_unfrozen augmentation=none preprocessing=caffe dropout=0.0"),
            "{text}"
        );
        assert!(text.contains("s per epoch; --forward-seconds"), "{text}");
    }
    // The same curve with durations that a base which is trained cannot have, and with some that it
    // has.
    let judged = |seconds: &str, forward: &str| {
        let mut lines = csv_lines(&csv);
        let last = lines[0].split(',').count() - 1;
        for line in &mut lines[1..] {
            let mut cells: Vec<&str> = line.split(',').collect();
            cells[last] = seconds;
            *line = cells.join(",");
        }
        fs::write(path("timed.csv"), lines.join("\n")).expect("written");
        thaw(&["diagnose", &path("timed.csv"), "--forward-seconds", forward]).1
    };
    assert!(judged("72", "20").contains(
        "takes 3.6 forward passes over the training images; a frozen base would take 1.5, one that is trained 3.5: the base was trained"
    ));
    assert!(judged("30", "20").contains("IMPLAUSIBLE for a base that is trained"));
    // Two logs: their durations are compared.
    let (_, text) = thaw(&["diagnose", &path("timed.csv"), &csv]);
    assert!(
        text.contains("times as long as one of")
            && text.contains("training the whole base takes 2.3 times as long"),
        "{text}"
    );
}

/// Fine-tuning of the last block, whose backward pass ends there.
#[test]
fn a_base_that_is_trained_in_part_may_take_little_more_time_than_a_frozen_one() {
    let desk = TempDir::new().expect("a folder");
    let experiment = r#"
name = "part"
seeds = [0, 1]
[dataset]
source = "synthetic"
seed = 5
size = 32
[base]
architecture = "mini_vgg"
[procedure]
image_size = 32
epochs = 3
learning_rate = 1e-3
preprocessing = "caffe"
[matrix.regime]
frozen = {}
partial = { freeze = "block_4" }
"#;
    fs::write(desk.path().join("part.toml"), experiment).expect("written");
    let thaw = |arguments: &[&str]| thaw_in(desk.path()).args(arguments).output().expect("it runs");
    succeeds(&thaw(&["sweep", "part.toml", "--quiet"]));
    let partial = ["--only", "regime=partial", "--seeds", "0", "--output", "runs.csv"];
    succeeds(&thaw(&[&["export", "part.toml", "--format", "csv"][..], &partial].concat()));
    let lines = csv_lines(desk.path().join("runs.csv").to_str().expect("a name in Unicode"));
    let cells: Vec<Vec<&str>> = lines.iter().map(|line| line.split(',').collect()).collect();
    let epoch = cells[0].iter().position(|cell| *cell == "epoch").expect("epochs");
    let row = |place: usize, number: &str, seconds: &str| {
        let mut cells = cells[place].clone();
        cells[epoch] = number;
        *cells.last_mut().expect("seconds") = seconds;
        cells.join(",")
    };
    let mut rows = vec![lines[0].clone()];
    rows.extend([(1, "1"), (2, "2"), (3, "3")].map(|(place, number)| row(place, number, "18")));
    // Later epochs, which no run has, are of another procedure.
    rows.extend(["4", "5", "6", "7"].map(|number| row(3, number, "90")));
    fs::write(desk.path().join("timed.csv"), rows.join("\n")).expect("written");
    let output =
        thaw(&["diagnose", "timed.csv", "--experiment", "part.toml", "--forward-seconds", "10"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("answer: regime=partial\n")
            && text.contains("an epoch takes 1.8 forward passes")
            && text.contains("3.5: plausible for a base of which a part is trained"),
        "{text}"
    );
}

fn csv_lines(path: &str) -> Vec<String> {
    fs::read_to_string(path).expect("the export").lines().map(str::to_owned).collect()
}

#[test]
fn what_cannot_be_diagnosed_or_exported_is_said_in_a_sentence() {
    let desk = TempDir::new().expect("a folder");
    let path = |name: &str, text: &str| {
        let path = desk.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("a name in Unicode").to_owned()
    };
    let short = path("short.csv", "epoch,val_acc\n1,0.5\n2,0.6\n");
    for (arguments, code, words) in [
        (&["diagnose", "absent.csv"][..], 66, "absent.csv: cannot read the training log"),
        (&["diagnose"], 64, "LOG"),
        (&["diagnose", &short], 65, "have 2 epoch(s) in common; three are needed"),
        (&["diagnose", &path("prose.txt", "nothing")], 65, "is no training log"),
        (
            &["diagnose", &path("test.csv", "epoch,test_acc\n1,0.5\n2,0.5\n3,0.5\n")],
            65,
            "none of train and validation accuracy and loss",
        ),
        (&["diagnose", &short, "--run", "theirs"], 65, "there is no run `theirs`"),
        (&["diagnose", &short, "--forward-seconds", "0"], 64, "expected a number above 0"),
        (&["diagnose", &short, "--results", "crates"], 64, "no cell of `miniature` has run"),
        (
            &["export", "--format", "xml"],
            64,
            "expected one of `csv`, `json`, `tensorboard`, `mlflow`",
        ),
        (&["export", "--format", "mlflow", "--output", "crates"], 73, "the folder exists"),
    ] {
        let (found, text) = thaw(arguments);
        assert!(found == code && text.contains(words), "{arguments:?}: {found} {text}");
    }
    // Validation accuracy alone is enough for a ranking.
    let (_, text) = thaw(&["diagnose", &path("one.csv", "epoch,val_acc\n1,0.6\n2,0.65\n3,0.66\n")]);
    assert!(
        text.contains("one.csv: 3 epochs (1–3), validation accuracy\n")
            && text.contains("compared: validation accuracy at the epochs 1–3")
            && text.contains("answer: "),
        "{text}"
    );
}

/// One training of the miniature, in the dresses that people keep their logs in.
#[test]
fn a_log_is_answered_alike_in_every_dress() {
    let numbers = [
        [0.573, 0.8821, 0.728, 0.5422],
        [0.6355, 0.6487, 0.804, 0.4717],
        [0.66, 0.6175, 0.697, 0.5637],
        [0.689, 0.5918, 0.756, 0.5065],
        [0.687, 0.5668, 0.802, 0.4525],
        [0.7075, 0.5636, 0.755, 0.5069],
        [0.7065, 0.559, 0.782, 0.457],
        [0.718, 0.5563, 0.807, 0.4297],
    ];
    let lines = |line: &dyn Fn(usize, [f64; 4]) -> String| -> String {
        numbers.iter().enumerate().map(|(epoch, row)| line(epoch, *row)).collect()
    };
    let bar = |[acc, loss, val_acc, val_loss]: [f64; 4]| {
        format!(
            "100/100 [====] - 7s - loss: {loss:.4} - acc: {acc:.4} - val_loss: {val_loss:.4} - val_acc: {val_acc:.4}"
        )
    };
    let printed = lines(&|epoch, row| format!("Epoch {}/8\n{}\n", epoch + 1, bar(row)));
    let dresses = [
        (
            "plain.csv",
            "epoch,acc,loss,val_acc,val_loss\n".to_owned()
                + &lines(&|epoch, [a, b, c, d]| format!("{epoch},{a},{b},{c},{d}\n")),
        ),
        // The tail of an older, longer line; and what `evaluate` printed after it.
        (
            "tails.txt",
            lines(&|epoch, row| {
                format!("Epoch {}/8\n{}: 7s - loss: 0.62 - ETA: 4s - los\n", epoch + 1, bar(row))
            }) + "40/40 [====] - 1s - loss: 0.2103 - acc: 0.9369\ntest acc: 0.9369\n",
        ),
        (
            "stamped.log",
            printed.lines().map(|line| format!("2024-05-01 12:00:00,123 INFO {line}\n")).collect(),
        ),
        (
            "tutorial.txt",
            lines(&|epoch, [a, b, c, d]| {
                format!(
                    "Epoch {epoch}/7\n----------\ntrain Loss: {b:.4} Acc: {a:.4}\nval Loss: {d:.4} Acc: {c:.4}\n\n"
                )
            }) + "Best val Acc: 0.8070\n",
        ),
        ("restarted.txt", {
            let first: String = numbers[..6]
                .iter()
                .enumerate()
                .map(|(epoch, row)| {
                    format!("Epoch {}/8\n{}\n", epoch + 1, bar(row.map(|value| value / 2.0)))
                })
                .collect();
            let again: String = numbers
                .iter()
                .enumerate()
                .map(|(epoch, row)| format!("Epoch {}/8\n{}\n", epoch + 1, bar(*row)))
                .collect();
            let from_fifth = again.find("Epoch 5/8").expect("a fifth");
            let (of_four, rest) = (again[..from_fifth].to_owned(), again[from_fifth..].to_owned());
            of_four
                + &first[first.find("Epoch 5/8").expect("a fifth")..]
                + "Traceback (most recent call last):\n"
                + &rest
        }),
        (
            "history.txt",
            format!(
                "{{'acc': {:?}, 'loss': {:?}, 'val_acc': {:?}, 'val_loss': {:?}, 'lr': [nan, nan]}}",
                numbers.map(|row| row[0]),
                numbers.map(|row| row[1]),
                numbers.map(|row| row[2]),
                numbers.map(|row| row[3])
            ),
        ),
    ];
    let desk = TempDir::new().expect("a folder");
    for (name, text) in dresses {
        let path = desk.path().join(name);
        fs::write(&path, text).expect("written");
        let (code, text) = thaw(&["diagnose", path.to_str().expect("a name in Unicode")]);
        let is_right = text.lines().any(|line| {
            line.starts_with(
                "answer: regime=accidentally_unfrozen augmentation=keras-2.0.8 preprocessing=caffe",
            )
        });
        let is_sure = text.contains("|     100.0 % |   0.8");
        assert!(
            code == 0 && is_right && is_sure && text.contains(": 8 epochs (1–8), "),
            "{name}: {code} {text}"
        );
    }
}
