//! Sweeps that add seeds until a difference is known precisely.

use std::fs;
use std::process::Output;

use tempfile::TempDir;

use crate::thaw::{refuses, succeeds, text, thaw_in};

const EXPERIMENT: &str = r#"
name = "precise"
seeds = [0, 1]
statistic = "final"
[dataset]
source = "synthetic"
seed = 3
train = 300
validation = 300
test = 0
[base]
architecture = "mini_vgg"
[procedure]
image_size = 32
cache = "features"
epochs = 3
learning_rate = 1e-4
[matrix]
preprocessing = ["rescale", "caffe"]
hidden_units = [16, 64]
"#;

const EXPECTED: &str = r#"
[[relation]]
kind = "interval_above"
left = { preprocessing = "caffe", hidden_units = 64 }
right = { preprocessing = "rescale", hidden_units = 64 }
metric = "validation_accuracy"
statistic = "final"
"#;

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().expect("a folder"));
        desk.write("precise.toml", EXPERIMENT);
        desk
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.path().join(name), content).expect("written");
    }

    fn thaw(&self, arguments: &[&str]) -> Output {
        thaw_in(self.0.path()).args(arguments).output().expect("it runs")
    }

    fn cells(&self) -> usize {
        fs::read_dir(self.0.path().join("runs/precise/cells")).expect("cells").count()
    }
}

#[test]
fn seeds_are_added_until_the_expected_difference_is_precise() {
    let desk = Desk::new();
    desk.write("precise.expected.toml", EXPECTED);
    let plan = succeeds(&desk.thaw(&["plan", "precise.toml", "--precision", "4"]));
    assert!(plan.contains("can be foretold once two seeds"), "nothing has run: {plan}");
    fs::remove_file(desk.0.path().join("precise.expected.toml")).expect("removed");
    let sweep = ["sweep", "precise.toml", "--precision", "4", "--max-seeds", "12"];
    refuses(&desk.thaw(&[&sweep[..], &["-q"]].concat()), 64, &["--precision", "[[ladder]]"]);
    assert_eq!(desk.cells(), 8, "the planned cells have run before");
    desk.write("precise.expected.toml", EXPECTED);

    let plan = succeeds(&desk.thaw(&["plan", "precise.toml", "--precision", "4"]));
    assert!(plan.contains("nothing is left to do"), "{plan}");
    assert!(plan.contains("smallest differences that the runs so far could show"), "{plan}");
    assert!(plan.contains("to ± 4 points over seeds"), "{plan}");
    assert!(plan.contains("runs beyond those planned, about"), "{plan}");
    assert_eq!(desk.cells(), 8, "a plan runs nothing");

    // Time that is over stops it, and says so.
    let late = succeeds(&desk.thaw(&[&sweep[..], &["-q", "--budget", "0s"]].concat()));
    assert!(late.contains("would not end within --budget") && desk.cells() == 8, "{late}");

    let output = desk.thaw(&sweep);
    let shown = succeeds(&output);
    let progress = text(&output.stderr);
    let line = shown.lines().last().expect("the difference");
    let words: Vec<&str> = line.split_whitespace().collect();
    let (half, seeds): (f64, usize) =
        (words[1].parse().expect("a width"), words[2].parse().expect("a count"));
    assert!(seeds > 2, "two seeds are never enough: {shown}");
    assert!(half <= 4.0 || seeds == 12 && line.contains("--max-seeds"), "{shown}");
    assert!(progress.contains("seed 2, about"), "{progress}");
    // Of the two procedures that are compared, and of no other.
    assert_eq!(desk.cells(), 8 + 2 * (seeds - 2), "{shown}");

    // Asked again, there is nothing to do; and the report counts the seeds that there are.
    let again = succeeds(&desk.thaw(&[&sweep[..], &["-q"]].concat()));
    assert_eq!(again.lines().last(), Some(line));
    assert_eq!(desk.cells(), 8 + 2 * (seeds - 2));
    let summary = fs::read_to_string(desk.0.path().join("runs/precise/summary.md"));
    let summary = summary.expect("a summary");
    assert!(summary.contains(&format!(" {seeds} |")), "{summary}");
}

#[test]
fn a_damaged_record_and_a_diverged_run_end_the_additions() {
    let desk = Desk::new();
    desk.write("precise.expected.toml", EXPECTED);
    let sweep = ["sweep", "precise.toml", "-q", "--precision", "4", "--max-seeds", "4"];
    succeeds(&desk.thaw(&["sweep", "precise.toml", "-q"]));
    // Those of one of the procedures that are compared.
    let cells = desk.0.path().join("runs/precise/cells");
    let compared = |name: &fs::DirEntry| {
        let manifest = fs::read_to_string(name.path().join("cell.json")).expect("a manifest");
        manifest.contains("\"hidden_units\": 64") && manifest.contains("\"name\": \"caffe\"")
    };
    let mut found = fs::read_dir(&cells).expect("cells").map(|cell| cell.expect("a cell"));
    let cell = found.find(compared).expect("a compared cell").path();
    let whole = fs::read(cell.join("epochs.parquet")).expect("records");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(cell.join("epochs.parquet"), flipped).expect("written");
    let damaged = desk.thaw(&sweep);
    assert_eq!(damaged.status.code(), Some(65), "{}", text(&damaged.stderr));
    assert!(text(&damaged.stderr).contains("epochs.parquet"), "{}", text(&damaged.stderr));
    fs::write(cell.join("epochs.parquet"), whole).expect("written");

    // Its learning rate is what no training survives.
    fs::remove_dir_all(desk.0.path().join("runs")).expect("removed");
    let exploding = EXPERIMENT.replace("1e-4", "1e30");
    desk.write("precise.toml", &exploding);
    let diverged = succeeds(&desk.thaw(&sweep));
    assert!(diverged.contains("(a run diverged)"), "{diverged}");
    assert_eq!(desk.cells(), 8, "no seed is added");
}

#[test]
fn what_makes_no_sense_with_a_precision_is_refused() {
    let desk = Desk::new();
    for (arguments, word) in [
        (&["--precision", "1", "--seeds", "0,1"][..], "--seeds"),
        (&["--budget", "2h"], "--precision"),
        (&["--max-seeds", "5"], "--precision"),
        (&["--precision", "0"], "above 0"),
        (&["--precision", "1", "--max-seeds", "1"], "--max-seeds"),
        (&["--precision", "1", "--budget", "soon"], "--budget"),
    ] {
        let output = desk.thaw(&[&["sweep", "precise.toml"], arguments].concat());
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(text(&output.stderr).contains(word), "{arguments:?}: {}", text(&output.stderr));
    }
}
