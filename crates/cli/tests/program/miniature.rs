//! The embedded default, pretraining, previews, and proof that the guard guards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::thaw::{assert_code, refuses, succeeds, text, thaw_in};

/// A small experiment on synthetic images and the shipped weights.
const EXPERIMENT: &str = r#"
name = "guarded"
seeds = [0, 1, 2]
[dataset]
source = "synthetic"
seed = 3
train = 600
validation = 300
test = 0
[base]
architecture = "mini_vgg"
[procedure]
image_size = 32
preprocessing = "caffe"
epochs = 3
learning_rate = 1e-4
[matrix.regime]
cached = { cache = "features" }
frozen_end_to_end = {}
"#;

const EXPECTED: &str = r#"# What must hold, whatever the numbers.
[[audit]]
where = { regime = ["cached", "frozen_end_to_end"] }
status = "completed"

[[relation]]
kind = "equal_curve" # to the last bit
left = { regime = "cached" }
right = { regime = "frozen_end_to_end" }
metric = "train_loss"

[[band]] # the numbers to record
metric = "train_loss"
statistic = "final"
lower = 0
upper = 9

[[band]]
metric = "validation_accuracy"
statistic = "final"
lower = 0
upper = 1
"#;

struct Desk {
    root: TempDir,
}

impl Desk {
    fn new() -> Self {
        let root = TempDir::new().expect("a folder");
        fs::write(root.path().join("guarded.toml"), EXPERIMENT).expect("written");
        fs::write(root.path().join("guarded.expected.toml"), EXPECTED).expect("written");
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn thaw(&self, arguments: &[&str]) -> Output {
        // What is set for other experiments must not disturb.
        let mut command = thaw_in(self.root.path());
        command.env("THAW_DATA", "/nowhere").env("THAW_WEIGHTS", "/nowhere");
        command.args(arguments).output().expect("it runs")
    }
}

#[test]
fn bands_are_recorded_from_results_and_every_fault_is_noticed() {
    let desk = Desk::new();
    succeeds(&desk.thaw(&["sweep", "guarded.toml", "-q"]));
    let before = fs::read_to_string(desk.path("guarded.expected.toml")).expect("expectations");
    succeeds(&desk.thaw(&["check", "guarded.toml", "--update", "--creator", "a \"tester\""]));
    let after = fs::read_to_string(desk.path("guarded.expected.toml")).expect("expectations");
    assert_ne!(before, after);
    for kept in [
        "# What must hold, whatever the numbers.",
        "# to the last bit",
        "creator = 'a \"tester\"'",
        "values = [",
    ] {
        assert!(after.contains(kept), "`{kept}` is not in:\n{after}");
    }
    assert_eq!(after.matches("[[band]]").count(), 4, "two numbers of two procedures");
    assert!(!after.contains("upper = 9"));
    succeeds(&desk.thaw(&["check", "guarded.toml"]));

    for (fault, subject) in [
        ("epsilon", "final train loss of `regime=cached`"),
        ("freeze", "the audit of `regime=cached` says completed"),
        ("shuffle", "final train loss of `regime=cached`"),
        ("channel-order", "final train loss of `regime=cached`"),
    ] {
        succeeds(&desk.thaw(&[
            "sweep",
            "guarded.toml",
            "-q",
            "--results",
            fault,
            "--inject-fault",
            fault,
        ]));
        let verdicts = desk.thaw(&["check", "guarded.toml", "--results", fault]);
        let shown = text(&verdicts.stdout);
        assert_eq!(verdicts.status.code(), Some(1), "{fault}:\n{shown}");
        assert!(
            shown.lines().any(|line| line.starts_with("fail") && line.contains(subject)),
            "{fault}:\n{shown}"
        );
    }
}

#[test]
fn without_arguments_the_miniature_is_meant() {
    let desk = Desk::new();
    let plan = succeeds(&desk.thaw(&["plan"]));
    assert!(plan.starts_with("miniature: ") && plan.contains("mini_vgg.safetensors"), "{plan}");
    refuses(&desk.thaw(&["report"]), 64, &["no cell of `miniature` has run", "`thaw sweep`"]);
    refuses(&desk.thaw(&["check", "--update"]), 64, &["--update needs a file"]);
    let verdicts = desk.thaw(&["check"]);
    assert_eq!(verdicts.status.code(), Some(2), "nothing has run: {}", text(&verdicts.stdout));
    refuses(
        &desk.thaw(&["plan", "--data", "photographs"]),
        64,
        &["draws its images itself", "--data photographs"],
    );
}

#[test]
fn a_short_sweep_of_the_miniature_answers_the_question() {
    let desk = Desk::new();
    let shown = succeeds(&desk.thaw(&[
        "sweep",
        "-q",
        "--epochs",
        "1",
        "--seeds",
        "0",
        "--only",
        "dropout=0.0",
        "--only",
        "augmentation=none",
    ]));
    assert!(shown.contains("the base accidentally unfrozen: as executed"), "{shown}");
    assert!(shown.contains("not run"), "the ladder needs cells that were left out: {shown}");
    let summary = fs::read_to_string(desk.path("runs/miniature/epochs-1_seeds-0/summary.md"))
        .expect("a summary");
    assert!(summary.contains("| step ") && summary.contains("| cell "), "{summary}");
    assert!(desk.path("runs/miniature/epochs-1_seeds-0/plots/overview.png").exists());
}

#[test]
fn a_preview_shows_images_of_every_class() {
    let desk = Desk::new();
    succeeds(&desk.thaw(&[
        "preview",
        "guarded.toml",
        "--columns",
        "5",
        "--rows",
        "2",
        "--output",
        "sheets/plain.png",
    ]));
    let plain = image::open(desk.path("sheets/plain.png")).expect("a picture").into_rgb8();
    // 32 pixels are shown threefold; two classes of two rows.
    assert_eq!(plain.dimensions(), (96 + 5 * 99 + 3, 36 + 4 * 99 + 3));
    let colors: std::collections::BTreeSet<[u8; 3]> = plain.pixels().map(|pixel| pixel.0).collect();
    assert!(colors.len() > 1000, "{} colours", colors.len());
    succeeds(&desk.thaw(&[
        "preview",
        "guarded.toml",
        "--columns",
        "3",
        "--rows",
        "1",
        "--rotation-degrees",
        "40",
        "--output",
        "turned.png",
    ]));
    let turned = image::open(desk.path("turned.png")).expect("a picture").into_rgb8();
    let image =
        |column: u32| image::imageops::crop_imm(&turned, 96 + column * 99, 36, 96, 96).to_image();
    assert_ne!(image(0), image(1));
    assert_ne!(image(1), image(2));
    let first = image::imageops::crop_imm(&plain, 96, 36, 96, 96).to_image();
    assert_eq!(image(0), first, "the first of a row is the image as it is");
    refuses(&desk.thaw(&["preview", "guarded.toml", "--split", "test"]), 64, &["--split test"]);
    let both = ["preview", "--image", "turned.png", "--augmentation", "book"];
    assert_eq!(desk.thaw(&both).status.code(), Some(64), "an image alone is not augmented");
    for alone in [&["--theta", "20"][..], &["--shear", "1"], &["--zoom-columns", "2"], &["--flip"]]
    {
        for of_a_dataset in [&["guarded.toml"][..], &["--seed", "1"], &[]] {
            let refused = desk.thaw(&[&["preview"], of_a_dataset, alone].concat());
            assert_code(&refused, 64);
        }
    }
    // Named as in the experiment, an augmentation is what its procedures do.
    let newer = "name = 'newer'\nseeds = [0]\n[dataset]\nsource = 'synthetic'\n[base]\narchitecture = 'mini_vgg'\n[procedure]\nimage_size = 32\nprofile = 'keras-2.2'\naugmentation = 'book'\n";
    fs::write(desk.path("newer.toml"), newer).expect("written");
    let sheet = |more: &[&str]| {
        let arguments = ["preview", "newer.toml", "--augmentation", "book", "--output", "n.png"];
        succeeds(&desk.thaw(&[&arguments[..], more].concat()));
        fs::read(desk.path("n.png")).expect("a picture")
    };
    assert!(sheet(&[]) == sheet(&["--profile", "keras-2.2"]), "0.2 is in degrees there");
    assert!(sheet(&[]) != sheet(&["--profile", "keras-2.0.8"]), "and in radians here");
    let unknown = desk.thaw(&["preview", "guarded.toml", "--augmentation", "none-such"]);
    assert_eq!(unknown.status.code(), Some(64));
}

/// Every sum of products is one chain of fused multiply-adds, so all processors that fuse agree.
#[test]
fn a_short_pretraining_yields_the_same_weights_on_every_number_of_threads() {
    let desk = Desk::new();
    let experiment =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/pretrain-short.toml");
    let experiment = experiment.to_str().expect("a path");
    let run = |threads: &str, output: &str| {
        let shown = succeeds(&desk.thaw(&[
            "pretrain",
            experiment,
            "-q",
            "--threads",
            threads,
            "--output",
            output,
        ]));
        shown.trim().rsplit(' ').next().expect("a hash").to_owned()
    };
    let (one, three) = (run("1", "one.safetensors"), run("3", "three.safetensors"));
    assert_eq!(one, three);
    let record = fs::read_to_string(desk.path("one.json")).expect("a record");
    assert!(record.contains(&one) && record.contains("\"menagerie\""), "{record}");
    let known = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/pretrain-short.sha256"),
    )
    .expect("a hash");
    assert_eq!(
        Some(one.as_str()),
        known.split_whitespace().next(),
        "the arithmetic has changed: pretrain the shipped weights again"
    );
    refuses(
        &desk.thaw(&["pretrain", "guarded.toml", "--output", "x"]),
        64,
        &["exactly one procedure and one seed"],
    );
    let text = fs::read_to_string(experiment).expect("an experiment");
    let text = text.replacen("[procedure]\n", "[procedure]\nschedule = \"cosine\"\n", 1);
    fs::write(desk.path("scheduled.toml"), text).expect("written");
    refuses(
        &desk.thaw(&["pretrain", "scheduled.toml", "--output", "x"]),
        64,
        &["lowers the learning rate by itself", "`schedule`"],
    );
    assert!(!desk.path("x").exists());
}

#[test]
fn a_pretraining_decodes_into_the_folder_that_the_url_of_its_cache_names() {
    let desk = Desk::new();
    let source = "name = 'source'\nseeds = [0]\n[dataset]\nsource = 'synthetic'\ntask = 'menagerie'\nsize = 32\ntrain = 40\nvalidation = 20\ntest = 0\n[base]\narchitecture = 'mini_vgg'\n[procedure]\nfreeze = 'none'\nimage_size = 32\nhidden_units = 8\nlearning_rate = 1e-3\nepochs = 1\nbatch_size = 20\n";
    fs::write(desk.path("source.toml"), source).expect("written");
    let trained = thaw_in(desk.root.path())
        .env("THAW_CACHE", format!("file://{}", desk.path("shared").display()))
        .args(["pretrain", "source.toml", "-q", "--output", "source.safetensors"])
        .output();
    succeeds(&trained.expect("it runs"));
    let pixels = fs::read_dir(desk.path("shared/pixels")).expect("decoded images");
    assert_eq!(pixels.count(), 2, "those of two splits");
    assert!(!desk.path("file:").exists());
}
