//! What guards say, and end with, beside records that are damaged, diverged or not there, or of some
//! cells alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use thaw_analysis::ResultsFolder;

use crate::desk::{Desk, EXPERIMENT, INPUTS};
use crate::markdown::repository;
use crate::thaw::{assert_code, refuses, succeeds, text, thaw_in};

impl Desk {
    /// The folder of the first cell of a regime.
    fn cell_of(&self, regime: &str) -> PathBuf {
        let (manifests, _) = ResultsFolder::new(self.path("runs/tiny")).manifests().expect("cells");
        let is_of = |levels: &[(String, String)]| levels.iter().any(|(_, level)| level == regime);
        let manifest = manifests.iter().find(|manifest| is_of(&manifest.cell.levels));
        let id = manifest.expect("it ran").id.to_string();
        self.path("runs/tiny/cells").join(id)
    }
}

/// Cuts a file off.
fn cut(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    bytes.truncate(bytes.len() / 2);
    fs::write(file, bytes).expect("cut");
}

/// What a command said beside damaged records, which it named.
#[track_caller]
fn named(output: &Output, file: &str) -> String {
    assert_code(output, 65);
    let (said, error) = (text(&output.stdout), text(&output.stderr));
    assert!(error.contains(file), "{error}");
    said
}

#[test]
fn guards_beside_damaged_records_do_what_they_can_and_end_with_65() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q"]), 0);
    succeeds(&desk.thaw(&["check", "tiny.toml", "--update"]));
    let expected = fs::read_to_string(desk.path("tiny.expected.toml")).expect("bands");
    let gap = ["attribute", "tiny.toml", "--from", "regime=cached", "--to", "regime=thawed"];
    let said = succeeds(&desk.thaw(&gap));
    assert!(said.contains("judged over seeds and images\n"), "{said}");
    let of_training = [&gap[..], &["--metric", "train_loss"]].concat();
    let said = succeeds(&desk.thaw(&of_training));
    assert!(said.contains("intervals: ± over seeds\n"), "{said}");
    assert!(said.contains("judged over seeds alone, for what the runs say"), "{said}");
    let said = succeeds(&desk.thaw(&[&gap[..], &["--seeds", "0"]].concat()));
    assert!(!said.contains("judged over") && !said.contains("intervals"), "{said}");

    let predictions = desk.cell_of("thawed").join("predictions.parquet");
    let whole = fs::read(&predictions).expect("predictions");
    cut(&predictions);
    let said = named(&desk.thaw(&gap), "predictions.parquet");
    assert!(said.contains("judged over seeds alone"), "{said}");
    fs::remove_file(&predictions).expect("removed");
    named(&desk.thaw(&gap), "predictions.parquet: is missing");
    named(&desk.thaw(&["report", "tiny.toml"]), "predictions.parquet: is missing");
    fs::write(&predictions, whole).expect("as it was");

    let epochs = desk.cell_of("end_to_end").join("epochs.parquet");
    cut(&epochs);
    let said = named(&desk.thaw(&["check", "tiny.toml"]), "epochs.parquet");
    assert!(said.contains("pass ") && said.contains(" passed, "), "{said}");
    // Of a seed that is not planned as well.
    let planned = fs::read_to_string(desk.path("tiny.toml")).expect("an experiment");
    let fewer = planned.replace("seeds = [0, 1]", "seeds = [7]");
    fs::write(desk.path("tiny.toml"), fewer).expect("written");
    named(&desk.thaw(&["check", "tiny.toml"]), "epochs.parquet");
    fs::write(desk.path("tiny.toml"), planned).expect("as it was");
    named(&desk.thaw(&["check", "tiny.toml", "--update"]), "no bands were recorded");
    let kept = fs::read_to_string(desk.path("tiny.expected.toml")).expect("bands");
    assert_eq!(kept, expected);
    let export = desk.thaw(&["export", "tiny.toml", "--format", "csv", "--output", "x.csv"]);
    assert!(named(&export, "epochs.parquet").starts_with("5 run(s) of `tiny`: x.csv"));

    let manifest = desk.cell_of("thawed").join("cell.json");
    cut(&manifest);
    let verify = ["verify", "runs/tiny", "--experiment", "tiny.toml", "-q", "--sample", "1"];
    let only = ["--only", "regime=cached"];
    let said = named(&desk.thaw(&[&verify[..], &only, &INPUTS].concat()), "cell.json");
    assert!(said.contains("1 of 1 cells are the same"), "{said}");
    let name = |cell: &Path| {
        let name = cell.file_name().expect("a name").to_string_lossy().into_owned();
        name[..8].to_owned()
    };
    let one = name(manifest.parent().expect("a cell"));
    refuses(&desk.thaw(&["diff", &one, &name(&desk.cell_of("cached"))]), 65, &["cell.json"]);
}

#[test]
fn runs_that_diverged_are_exported_or_named_and_their_bands_are_not_dropped() {
    let desk = Desk::new();
    // What no training survives.
    let exploding = EXPERIMENT.replace("cached = {", "cached = { learning_rate = 1e30,");
    fs::write(desk.path("tiny.toml"), exploding).expect("written");
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached", "--only", "regime=thawed"]), 0);
    let export = ["export", "tiny.toml", "--format", "json", "--output"];
    let said = succeeds(&desk.thaw(&[&export[..], &["x.json"]].concat()));
    assert!(said.contains("2 run(s) left out:\n  regime=cached seed=0 ("), "{said}");
    assert!(said.contains("): it diverged in its first epoch"), "{said}");

    let check = |text: &str| {
        fs::write(desk.path("tiny.expected.toml"), text).expect("written");
        desk.thaw(&["check", "tiny.toml", "--update"])
    };
    let band = |regime: &str| {
        format!(
            "[[band]]\nwhere = {{ regime = \"{regime}\" }}\nmetric = \"validation_accuracy\"\nstatistic = \"final\"\nlower = 0\nupper = 1\n"
        )
    };
    let words = ["bands would be lost", "`regime=cached`, which diverged (seed 0)", "nothing was"];
    refuses(&check(&band("cached")), 64, &words);
    let kept = fs::read_to_string(desk.path("tiny.expected.toml")).expect("a band");
    assert_eq!(kept, band("cached"));
    refuses(&check(&band("end_to_end")), 64, &["`regime=end_to_end`, which has 0 of 2 runs"]);
    let said = succeeds(&check(&band("thawed")));
    assert!(said.contains("1 bands recorded"), "{said}");
    for named in ["`regime=cached`, which diverged (seed 0)", "`regime=end_to_end`, which has 0"] {
        assert!(said.contains(&format!("no band of the validation accuracy of {named}")), "{said}");
    }

    let names = ["cached", "thawed"].map(|regime| {
        let cell = desk.cell_of(regime);
        cell.file_name().expect("a name").to_string_lossy().into_owned()
    });
    let said = succeeds(&desk.thaw(&["diff", &names[0], &names[1]]));
    assert!(said.ends_with("predictions by image: a run that diverged has none\n"), "{said}");
}

#[test]
fn a_doctor_names_what_lies_among_the_cells_and_what_dead_workers_left() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached"]), 0);
    fs::write(desk.path("runs/tiny/cells/notes.txt"), "mine").expect("written");
    fs::write(desk.path("runs/tiny/claims/0123.json"), "torn").expect("written");
    let doctor = |more: &[&str]| desk.thaw(&[&["doctor", "tiny.toml"], more].concat());
    let said = succeeds(&doctor(&[]));
    assert!(said.contains("2 complete cells are sound, 0 are not complete, 0 damaged"), "{said}");
    assert!(said.contains("cells/notes.txt: a file among the cells"), "{said}");
    assert!(said.contains("claims/0123.json: a killed worker left it behind"), "{said}");
    fs::remove_file(desk.cell_of("cached").join("cell.json")).expect("removed");
    let said = text(&doctor(&[]).stdout);
    assert!(said.contains("1 damaged") && said.contains("cell.json: is missing"), "{said}");
    assert_code(&doctor(&[]), 65);
    succeeds(&doctor(&["--set-aside"]));
    assert_eq!(fs::read(desk.path("runs/tiny/set-aside/notes.txt")).expect("moved"), b"mine");
    let said = succeeds(&doctor(&[]));
    assert!(said.contains("1 complete cells are sound") && !said.contains("notes.txt"), "{said}");
}

#[test]
fn what_is_not_there_ends_with_66_and_wrong_expectations_with_78() {
    let desk = Desk::new();
    for arguments in [
        &["export", "tiny.toml", "--format", "csv", "--results", "nowhere"][..],
        &["report", "tiny.toml", "--results", "nowhere"],
        &["verify", "nowhere"],
    ] {
        refuses(&desk.thaw(arguments), 66, &["nowhere: there is no such folder"]);
    }
    for (expected, words) in [
        ("", "nothing is expected"),
        ("[[audit]]\nwhere = { regime = \"cachd\" }\nstatus = \"completed\"", "`cachd`"),
        ("[[audit]]\nwhere = { regim = \"cached\" }\nstatus = \"completed\"", "`regim`"),
    ] {
        fs::write(desk.path("tiny.expected.toml"), expected).expect("written");
        refuses(&desk.thaw(&["check", "tiny.toml"]), 78, &["tiny.expected.toml", words]);
    }
}

/// On the committed records of the miniature.
#[test]
fn narrowing_changes_what_is_judged_and_no_number() {
    let thaw = |arguments: &[&str]| {
        let run = thaw_in(&repository()).args(arguments).args(["--results", "results"]).output();
        text(&run.expect("it runs").stdout)
    };
    let check = ["check", "experiments/miniature.toml"];
    let only = ["--only", "regime=fine_tuned", "--only", "preprocessing=caffe"];
    let (whole, some) = (thaw(&check), thaw(&[&check[..], &only].concat()));
    let judged: Vec<&str> =
        some.lines().filter(|line| line.contains("95 % confidence over seeds")).collect();
    assert!(judged.len() > 1, "{some}");
    for line in judged {
        assert!(whole.lines().any(|known| known == line), "{line}");
    }
    let gap = [
        "attribute",
        "--from",
        "regime=cached augmentation=none preprocessing=rescale dropout=0.5",
        "--to",
        "regime=accidentally_unfrozen augmentation=keras-2.0.8 preprocessing=caffe dropout=0.0",
    ];
    let only = ["--only", "regime=cached", "--only", "regime=accidentally_unfrozen"];
    assert_eq!(thaw(&[&gap[..], &only].concat()), thaw(&gap));
}
