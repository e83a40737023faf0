//! The real program on real files: small made-up photographs, or the real ones where
//! `THAW_TEST_SHARED` names them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use assert_cmd::Command;
use thaw_analysis::{Failure, ResultsFolder};
use thaw_spec::Experiment;
use thaw_store::Claimed;

use crate::desk::{Desk, EXPERIMENT, INPUTS};
use crate::thaw::{assert_code, process_in, refuses, succeeds, text};

#[test]
fn a_sweep_leaves_records_plots_and_a_summary_and_a_check_judges_them() {
    let desk = Desk::new();
    let planned = desk.on_inputs("plan", &["--cache", "cache"]);
    assert_code(&planned, 0);
    assert!(
        text(&planned.stdout)
            .contains("3 procedures with 2 seeds each, 6 cells, 0 of them finished"),
        "{}",
        text(&planned.stdout)
    );
    assert!(!desk.path("runs").exists() && !desk.path("cache").exists(), "a plan writes nothing");

    let missing = desk.thaw(&["check", "tiny.toml"]);
    assert_code(&missing, 2);

    let swept = desk.sweep(&[]);
    assert_code(&swept, 0);
    assert!(text(&swept.stdout).contains("THAWED: in 1 of them"), "{}", text(&swept.stdout));
    assert!(
        text(&swept.stderr).contains("train regime=cached seed 0 · completed"),
        "{}",
        text(&swept.stderr)
    );
    for file in [
        "overview.svg",
        "overview.png",
        "regime-cached.svg",
        "regime-cached.png",
        "regime-thawed.svg",
    ] {
        assert!(desk.path("runs/tiny/plots").join(file).is_file(), "{file}");
    }
    let svg = fs::read_to_string(desk.path("runs/tiny/plots/regime-cached.svg")).expect("a plot");
    assert!(svg.contains("a published curve"), "the published curve is in the legend");

    let checked = desk.thaw(&["check", "tiny.toml", "--junit", "check.xml"]);
    assert_code(&checked, 0);
    let junit = fs::read_to_string(desk.path("check.xml")).expect("JUnit");
    assert!(junit.contains("tests=\"2\"") && junit.contains("failures=\"0\""), "{junit}");

    let before = desk.records();
    assert_eq!(before.len(), 6);
    assert_code(&desk.sweep(&[]), 0);
    assert_eq!(before, desk.records(), "finished cells are not run again");
    let planned = desk.thaw(&[
        "plan",
        "tiny.toml",
        "--data",
        "images",
        "--weights",
        "weights.safetensors",
        "--cache",
        "cache",
    ]);
    assert!(
        text(&planned.stdout).contains("6 of them finished")
            && text(&planned.stdout).ends_with("nothing is left to do\n")
    );
    assert_code(&desk.sweep(&["--force", "--only", "regime=cached", "--quiet"]), 0);
    let overview = fs::read_to_string(desk.path("runs/tiny/plots/overview.svg")).expect("a plot");
    assert!(
        overview.contains("end_to_end") && overview.contains("thawed"),
        "a narrowed sweep leaves the others in the report"
    );
    let after = desk.records();
    let changed = before.iter().zip(&after).filter(|(old, new)| old != new).count();
    assert_eq!(changed, 2, "times differ in the two cells that were run again");
}

#[test]
fn an_unmet_expectation_ends_with_1_and_names_the_cell() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["--quiet"]), 0);
    let relation = "[[relation]]\nkind = \"equal_curve\"\nleft = { regime = \"cached\" }\nright = { regime = \"thawed\" }\nmetric = \"train_loss\"\n";
    fs::write(desk.path("tiny.expected.toml"), relation).expect("written");
    let output = desk.thaw(&["check", "tiny.toml", "--junit", "check.xml"]);
    assert_code(&output, 1);
    let said = text(&output.stdout);
    assert!(
        said.contains("fail") && said.contains("`regime=cached`") && said.contains("epoch"),
        "{said}"
    );
    assert!(fs::read_to_string(desk.path("check.xml")).expect("JUnit").contains("failures=\"1\""));
    fs::write(desk.path("tiny.expected.toml"), relation.replace("thawed", "thwaed"))
        .expect("written");
    let output = desk.thaw(&["check", "tiny.toml"]);
    assert_code(&output, 78);
    assert!(
        text(&output.stderr).contains("unknown level `thwaed` of `regime`"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn bad_input_is_answered_with_one_sentence_and_its_own_exit_code() {
    let desk = Desk::new();
    let mut answers = Vec::new();
    let mut ask = |name: &str, arguments: &[&str], code: i32| {
        let output = desk.thaw(arguments);
        assert_code(&output, code);
        answers.push(format!("{name} [{code}]: {}", text(&output.stderr).trim()));
    };
    let sweep = |more: &[&'static str]| [&["sweep", "tiny.toml", "--quiet"], more].concat();
    ask("no experiment", &["sweep", "absent.toml"], 66);
    ask("no data", &sweep(&[]), 64);
    ask("no weights", &sweep(&["--data", "images"]), 64);
    ask("missing folder", &sweep(&["--data", "absent", "--weights", "weights.safetensors"]), 66);
    ask("missing weights", &sweep(&["--data", "images", "--weights", "absent.safetensors"]), 66);
    ask("wrong weights", &sweep(&["--data", "images", "--weights", "tiny.toml"]), 65);
    ask("unknown level", &sweep(&["--only", "regime=frozen"]), 64);
    fs::write(desk.path("bad.toml"), EXPERIMENT.replace("hidden_units", "hiden_units"))
        .expect("written");
    ask("misprint", &["sweep", "bad.toml"], 78);
    fs::write(desk.path("small.toml"), EXPERIMENT.replace("image_size = 64", "image_size = 32"))
        .expect("written");
    ask(
        "small images",
        &["sweep", "small.toml", "--data", "images", "--weights", "weights.safetensors"],
        78,
    );
    let latin = [EXPERIMENT.as_bytes(), b"title = \"caf\xe9\"\n"].concat();
    fs::write(desk.path("latin.toml"), latin).expect("written");
    ask("other encoding", &["plan", "latin.toml"], 78);
    fs::write(desk.path("occupied"), "a file where a folder should be").expect("written");
    ask(
        "unwritable results",
        &sweep(&["--data", "images", "--weights", "weights.safetensors", "--results", "occupied"]),
        73,
    );
    ask("nothing run", &["report", "tiny.toml"], 64);
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn an_unreadable_image_stops_the_sweep_or_is_skipped_and_listed() {
    let desk = Desk::new();
    fs::write(desk.path("images/validation/dogs/broken.jpg"), b"").expect("written");
    let output = desk.sweep(&[]);
    assert_code(&output, 65);
    let said = text(&output.stderr);
    assert!(
        said.contains("images/validation/dogs/broken.jpg")
            && said.contains("--skip-unreadable-images"),
        "{said}"
    );
    let swept = desk.sweep(&["--skip-unreadable-images", "--only", "regime=cached"]);
    assert_code(&swept, 0);
    let left_out = "validation/dogs/broken.jpg could not be read and is left out";
    assert!(text(&swept.stderr).contains(left_out), "{}", text(&swept.stderr));
    let page = fs::read_to_string(desk.path("runs/tiny/report.html")).expect("a page");
    assert!(page.contains(left_out));
    let cell = fs::read_dir(desk.path("runs/tiny/cells"))
        .expect("cells")
        .next()
        .expect("a cell")
        .expect("readable")
        .path();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(cell.join("cell.json")).expect("a manifest"))
            .expect("JSON");
    assert_eq!(manifest["skipped_images"], serde_json::json!(["validation/dogs/broken.jpg"]));
    assert_eq!(manifest["images"], serde_json::json!([10, 6, 4]));
}

#[test]
fn a_full_disk_is_an_error_and_damages_nothing() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let desk = Desk::new();
    assert_code(&desk.sweep(&["--quiet", "--only", "regime=cached"]), 0);
    let before = desk.records();
    // A JUnit file on a device without space stands for every file written at the end.
    let output = desk.thaw(&["check", "tiny.toml", "--junit", "/dev/full"]);
    assert_code(&output, 73);
    // A file size limit stops artifacts and records in the middle of a write.
    let program = assert_cmd::cargo::cargo_bin("thaw");
    let line = format!(
        "trap '' XFSZ; ulimit -f 40; exec {} sweep tiny.toml --quiet --data images --weights weights.safetensors --cache other-cache --results runs --only regime=end_to_end",
        program.display()
    );
    let output = Command::new("bash")
        .current_dir(desk.root.path())
        .args(["-c", &line])
        .output()
        .expect("it runs");
    assert_code(&output, 73);
    assert!(text(&output.stderr).contains("cannot write"), "{}", text(&output.stderr));
    assert_eq!(before, desk.records(), "what was there is as it was");
    let left: Vec<_> = fs::read_dir(desk.path("other-cache/pixels")).expect("the cache").collect();
    assert!(left.is_empty(), "nothing half-written is left: {left:?}");
}

#[test]
fn the_status_tells_what_is_done_running_failed_interrupted_and_waiting() {
    let desk = Desk::new();
    let status = |more: &[&str]| {
        let output = desk.thaw(&[&["status", "tiny.toml"][..], more].concat());
        assert_code(&output, 0);
        text(&output.stdout)
    };
    assert_eq!(status(&[]), "tiny: 6 cells: 6 waiting\n");
    assert_code(&desk.sweep(&["--quiet", "--only", "regime=cached"]), 0);
    assert_code(&desk.sweep(&["--quiet", "--only", "regime=end_to_end"]), 0);
    assert_eq!(status(&[]), "tiny: 6 cells: 4 done, 2 waiting\n");
    let folder = ResultsFolder::new(desk.path("runs/tiny"));
    let cells = folder.manifests().expect("cells").0;
    let of = |regime: &str, seed| {
        let wanted = |cell: &&thaw_spec::CellManifest| {
            cell.cell.levels[0].1 == regime && cell.cell.seed == seed
        };
        cells.iter().find(wanted).expect("a cell").id.clone()
    };
    let undone = [of("cached", 0), of("cached", 1), of("end_to_end", 0)];
    for id in &undone {
        fs::remove_file(desk.path("runs/tiny/cells").join(id.as_str()).join("outcome.json"))
            .expect("removed");
    }
    let failure = Failure { reason: "the loss is NaN".to_owned(), at_unix_seconds: 1 };
    folder.fail(&undone[1], &failure).expect("written");
    let Claimed::Ours(claim) = folder.claim(&undone[2]).expect("claims") else {
        panic!("nobody has it")
    };
    let told = status(&[]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "tiny: 6 cells: 1 done, 1 running, 1 failed, 1 interrupted, 2 waiting");
    let words = [
        "interrupted  regime=cached seed 0 · epoch 2 of 2 recorded · the next sweep goes on",
        "failed       regime=cached seed 1 · the loss is NaN",
        &format!(
            "running      regime=end_to_end seed 0 · epoch 2 of 2 recorded · process {} on ",
            std::process::id()
        ),
    ];
    for (line, words) in lines[1..].iter().zip(words) {
        assert!(line.starts_with(words), "{told}");
    }
    let told = status(&["--json"]);
    let states: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(states[2]["state"], "running");
    assert_eq!((&states[1]["reason"], states.len()), (&"the loss is NaN".into(), 6));
    drop(claim);
    // What is run again leaves no failure.
    assert_code(&desk.sweep(&["--quiet"]), 0);
    assert_eq!(status(&[]), "tiny: 6 cells: 6 done\n");
    assert_eq!(folder.failure(&undone[1]).expect("readable"), None);
}

#[test]
fn an_interrupted_sweep_goes_on_and_ends_with_the_same_numbers() {
    let Some(shared) = std::env::var_os("THAW_TEST_SHARED").filter(|shared| !shared.is_empty())
    else {
        eprintln!("skipped: THAW_TEST_SHARED names no folder with data/ and weights/");
        return;
    };
    let desk = Desk::new();
    let shared = Path::new(&shared);
    // A few of the real photographs.
    for split in ["train", "validation"] {
        for class in ["cats", "dogs"] {
            let folder = desk.path("photographs").join(split).join(class);
            fs::create_dir_all(&folder).expect("a folder");
            let from = shared.join("data/cats_and_dogs_small").join(split).join(class);
            let mut files: Vec<_> = fs::read_dir(from)
                .expect("photographs")
                .map(|file| file.expect("a file").path())
                .collect();
            files.sort();
            for file in files.iter().take(if split == "train" { 60 } else { 20 }) {
                fs::copy(file, folder.join(file.file_name().expect("a name"))).expect("copied");
            }
        }
    }
    let experiment = EXPERIMENT.replace(
        "epochs = 2",
        "epochs = 6\naugmentation = \"keras-2.0.8\"\npreprocessing = \"caffe\"",
    );
    let tuned = "tuned = { phase = [{ epochs = 2 }, { epochs = 4, freeze = \"block_4\", learning_rate = 1e-5 }] }";
    let experiment = experiment.replace(
        "cached = { cache = \"features\" }",
        &format!("cached = {{ cache = \"variants\" }}\n{tuned}"),
    );
    fs::write(desk.path("tiny.toml"), experiment).expect("written");
    let weights = shared.join("weights/squeezenet1_0_imagenet_caffe.safetensors");
    let weights = weights.to_str().expect("a name in Unicode");
    let sweep = |results: &str, more: &[&str]| {
        let fixed = [
            "sweep",
            "tiny.toml",
            "--quiet",
            "--data",
            "photographs",
            "--weights",
            weights,
            "--cache",
            "cache",
            "--results",
            results,
        ];
        [&fixed, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let strings =
        |arguments: &[String]| arguments.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_code(
        &desk.thaw(
            &sweep("whole", &["--threads", "2"]).iter().map(String::as_str).collect::<Vec<_>>(),
        ),
        0,
    );
    // Killed twice at arbitrary moments, with another number of threads, then finished.
    let program = assert_cmd::cargo::cargo_bin("thaw");
    for seconds in ["1", "2"] {
        let line = format!(
            "timeout -s KILL {seconds} {} {}",
            program.display(),
            strings(&sweep("pieces", &["--threads", "1"]))
        );
        let killed = Command::new("bash")
            .current_dir(desk.root.path())
            .args(["-c", &line])
            .output()
            .expect("it runs");
        // The second time it may have been through.
        let was_killed = matches!(killed.status.code(), Some(137) | None);
        assert!(was_killed || seconds == "2" && killed.status.success(), "{killed:?}");
    }
    assert_code(
        &desk.thaw(
            &sweep("pieces", &["--threads", "1"]).iter().map(String::as_str).collect::<Vec<_>>(),
        ),
        0,
    );
    for results in ["whole", "pieces"] {
        let checked = desk.thaw(&["check", "tiny.toml", "--results", results]);
        assert_code(&checked, 0);
    }
    let [whole, pieces] = ["whole", "pieces"].map(|results| desk.curves(results));
    assert_eq!(whole.len(), 8 * 4, "cells times metrics");
    assert_eq!(whole, pieces);
}

#[test]
fn a_preprocessing_that_the_weights_were_not_trained_with_is_a_warning() {
    let desk = Desk::new();
    let path = desk.root.path().join("tiny.toml");
    let text = fs::read_to_string(&path)
        .expect("the experiment")
        .replace("\"squeezenet1_0\"", "\"squeezenet1_0\"\ntrained_with = \"caffe\"");
    fs::write(&path, text).expect("the experiment");
    let output =
        desk.thaw(&["plan", "tiny.toml", "--data", "images", "--weights", "weights.safetensors"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("preprocessing `rescale`") && message.contains("trained with `caffe`"),
        "{message}"
    );
}

#[test]
fn an_attribution_names_the_missing_cells_with_the_command_that_runs_them() {
    let desk = Desk::new();
    let attribute = |more: &[&str]| {
        let fixed = [
            "attribute",
            "tiny.toml",
            "--from",
            "regime=cached",
            "--to",
            "regime=thawed",
            "--metric",
            "validation_loss",
        ];
        let inputs =
            ["--data", "images", "--weights", "weights.safetensors", "--cache", "cache", "--quiet"];
        let output = desk.thaw(&[&fixed[..], &inputs, more].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("a code"), text)
    };
    let (code, text) = attribute(&[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("2 of the cells between the two procedures have not run"), "{text}");
    let command = "thaw sweep tiny.toml --only regime=cached --data images --weights weights.safetensors --cache cache\n";
    assert!(text.contains(command), "{text}");
    let (code, text) = attribute(&["--run"]);
    assert!(
        code == 0
            && text.contains("| regime | cached → thawed |")
            && text.contains("| sum    |")
            && text.contains(" main effect |"),
        "{text}"
    );
    let (code, text) = attribute(&["--statistic", "middle"]);
    assert!(code == 64 && text.contains("`last_1`"), "{text}");
}

/// The first sentence is about the gap in question, whatever steps follow it.
#[test]
fn the_page_begins_with_the_gap_and_says_which_one_cannot_be_divided() {
    let desk = Desk::new();
    let step = |label: &str, regime: &str, dropout: &str, more: &str| {
        format!(
            "[[ladder]]\nlabel = \"{label}\"\n{more}where = {{ regime = \"{regime}\", dropout = {dropout} }}\n"
        )
    };
    let ladder = [
        step("cached", "cached", "0.5", ""),
        step("thawed", "thawed", "0.0", "gap_ends = true\n"),
        step("cached again", "cached", "0.0", ""),
    ];
    let text_of = EXPERIMENT
        .replace("[matrix.regime]", "[matrix]\ndropout = [0.0, 0.5]\n[matrix.regime]")
        + &ladder.concat();
    fs::write(desk.path("tiny.toml"), text_of).expect("written");
    let page = || fs::read_to_string(desk.path("runs/tiny/report.html")).expect("a page");
    assert_code(&desk.sweep(&["--quiet", "--only", "regime=cached"]), 0);
    assert_code(&desk.sweep(&["--quiet", "--only", "regime=thawed", "--only", "dropout=0.0"]), 0);
    assert_code(&desk.thaw(&["report", "tiny.toml"]), 0);
    let text_of_page = page();
    for part in [
        "From “<bdi>cached</bdi>” (",
        ") to “<bdi>thawed</bdi>” (",
        "points of validation accuracy between equal seeds",
        "Not divided: from “<bdi>cached</bdi>” to “<bdi>thawed</bdi>”, since 1 of the cells between the two procedures has not run with all its seeds.",
    ] {
        assert!(text_of_page.contains(part), "{part}");
    }
    // Where the end was left out, the whole ladder stands for the gap.
    assert_code(&desk.thaw(&["report", "tiny.toml", "--only", "regime=cached"]), 0);
    let narrowed = fs::read_to_string(desk.path("runs/tiny/regime-cached/report.html"));
    assert!(narrowed.expect("a page").contains(") to “<bdi>cached again</bdi>” ("));
    // Its other seed is missing; the one that is there is offered.
    assert_code(&desk.sweep(&["--quiet", "--only", "regime=thawed", "--seeds", "0"]), 0);
    assert_code(&desk.thaw(&["report", "tiny.toml"]), 0);
    let part =
        "has not run with all its seeds; `--seeds 0` takes those that all of them have run with.";
    assert!(page().contains(part));
}

#[test]
fn test_images_that_are_evaluated_after_the_last_epoch_are_told_as_such_by_every_command() {
    let desk = Desk::new();
    let text_of = EXPERIMENT
        .replace("[dataset]", "statistic = \"last_2\"\n[dataset]")
        .replace("optimizer_collects", "evaluate_test = \"last_epoch\", optimizer_collects");
    fs::write(desk.path("tiny.toml"), text_of).expect("written");
    assert_code(&desk.sweep(&["--quiet"]), 0);
    let read = |name: &str| fs::read_to_string(desk.path("runs/tiny").join(name)).expect(name);
    let summary = read("summary.md");
    assert!(summary.contains("Test accuracies are of the last epoch"), "{summary}");
    assert!(summary.contains("validation, last 2 epochs"), "{summary}");
    assert!(summary.contains("test, final"), "{summary}");
    assert!(!summary.contains("–"), "every procedure has both: {summary}");
    let svg = read("plots/regime-thawed.svg");
    assert!(svg.contains("test after the last epoch, mean of 2 seed(s)"), "{svg}");
    assert!(svg.contains("<circle"), "a single value is a dot");
    let svg = read("plots/regime-cached.svg");
    assert!(svg.contains("test, mean of 2 seed(s)") && !svg.contains("<circle"), "{svg}");
    let page = read("report.html");
    assert!(page.contains("test, final") && page.contains("Dot: the test images"));
    assert!(page.contains("<td>–<"), "the epochs without a number say so");

    let attribute = |more: &[&str]| {
        let levels = ["--from", "regime=cached", "--to", "regime=thawed"];
        let metric = ["--metric", "test_accuracy", "--cache", "cache", "--quiet"];
        desk.on_inputs("attribute", &[&levels[..], &metric, more].concat())
    };
    let gap = succeeds(&attribute(&[]));
    assert!(gap.starts_with("test accuracy, final, seeds 0, 1"), "{gap}");
    succeeds(&attribute(&["--statistic", "last_1"]));
    let words = ["--statistic best", "`regime=thawed`", "after the last epoch alone", "take final"];
    refuses(&attribute(&["--statistic", "best"]), 64, &words);

    let band = |statistic: &str| {
        format!(
            "[[band]]\nwhere = {{ regime = \"thawed\" }}\nmetric = \"test_accuracy\"\nstatistic = \"{statistic}\"\nlower = 0\nupper = 1\n"
        )
    };
    let check = |text: &str| {
        fs::write(desk.path("tiny.expected.toml"), text).expect("written");
        desk.thaw(&["check", "tiny.toml"])
    };
    succeeds(&check(&band("final")));
    let missing = check(&band("best"));
    assert_code(&missing, 2);
    assert!(text(&missing.stdout).contains("expect `final`"), "{}", text(&missing.stdout));
    succeeds(&desk.thaw(&["check", "tiny.toml", "--update"]));
    let recorded = fs::read_to_string(desk.path("tiny.expected.toml")).expect("bands");
    assert!(
        recorded.contains("statistic = \"best\"") && recorded.contains("\"final\""),
        "{recorded}"
    );

    succeeds(&desk.thaw(&["export", "tiny.toml", "--format", "csv", "--output", "runs.csv"]));
    let table = fs::read_to_string(desk.path("runs.csv")).expect("a table");
    let thawed: Vec<&str> = table.lines().filter(|line| line.contains("regime=thawed")).collect();
    assert_eq!(thawed.len(), 2 * 2);
    assert!(thawed[0].contains(",,,") && !thawed[1].contains(",,"), "{table}");
    succeeds(&desk.thaw(&["doctor", "tiny.toml", "--cache", "cache"]));
    let mut verify = vec![
        "verify",
        "runs/tiny",
        "--experiment",
        "tiny.toml",
        "--only",
        "regime=thawed",
        "--quiet",
    ];
    verify.extend(INPUTS);
    // Checkpoints in a cache are of runs elsewhere, which go on from them.
    verify.extend(["--cache", "cache"]);
    fs::create_dir_all(desk.path("cache/checkpoints")).expect("a folder");
    let cells = fs::read_dir(desk.path("runs/tiny/cells")).expect("cells");
    let elsewhere: Vec<_> = cells
        .map(|cell| {
            let name = cell.expect("a cell").file_name().to_string_lossy().into_owned();
            desk.path("cache/checkpoints").join(format!("{name}.safetensors"))
        })
        .collect();
    elsewhere.iter().for_each(|file| fs::write(file, "of another run").expect("written"));
    let verified = succeeds(&desk.thaw(&verify));
    assert!(verified.contains("2 of 2 cells are the same to the last bit"), "{verified}");
    for file in elsewhere {
        assert_eq!(fs::read(file).expect("still there"), b"of another run");
    }
    // The cells need not be those of the file as it is now.
    let text = fs::read_to_string(desk.path("tiny.toml")).expect("an experiment");
    fs::write(desk.path("tiny.toml"), text.replace("image_size = 64", "image_size = 96"))
        .expect("written");
    verify.extend(["--sample", "1"]);
    let verified = succeeds(&desk.thaw(&verify));
    assert!(verified.contains("1 of 1 cells are the same to the last bit"), "{verified}");
    fs::write(desk.path("tiny.toml"), text).expect("written");
    assert_eq!(succeeds(&desk.thaw(&["status", "tiny.toml"])), "tiny: 6 cells: 6 done\n");
}

#[test]
fn a_diff_says_what_differs_between_two_runs() {
    let desk = Desk::new();
    assert!(desk.sweep(&["--seeds", "0", "--quiet"]).status.success());
    let mut names: Vec<String> = fs::read_dir(desk.path("runs/tiny/cells"))
        .expect("cells")
        .map(|cell| cell.expect("a cell").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let regime = |name: &String| {
        let manifest =
            fs::read_to_string(desk.path("runs/tiny/cells").join(name).join("cell.json"))
                .expect("a manifest");
        manifest.contains("\"everything\"")
    };
    let thawed = names.iter().position(regime).expect("the thawed cell");
    let other = usize::from(thawed == 0);
    let diff = |one: &str, other: &str| {
        let output = desk.thaw(&["diff", one, other]);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, text) = diff(&names[other][..8], &names[thawed]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("optimizer_collects: unfrozen → everything")
            && text.contains("inputs: the same"),
        "{text}"
    );
    assert!(
        text.contains("Thawed, 50 of 50 tensors")
            && text.contains("validation: ")
            && text.contains("McNemar"),
        "{text}"
    );
    let (code, text) = diff("", &names[0]);
    assert!(code == Some(64) && text.contains("give more of it"), "{text}");
    let (code, text) = diff("xyz", &names[0]);
    assert!(code == Some(64) && text.contains("no run in runs or results"), "{text}");
}

/// The files below a folder, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    found.sort();
    found
}

#[test]
fn reference_results_are_read_where_there_are_no_others_and_never_written() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q", "--results", "results"]), 0);
    let reference = files(&desk.path("results"));
    for arguments in [
        &["check", "tiny.toml"][..],
        &["report", "tiny.toml"],
        &["export", "tiny.toml", "--format", "csv"],
        &["attribute", "tiny.toml", "--from", "regime=cached", "--to", "regime=thawed"],
    ] {
        let output = desk.thaw(arguments);
        assert_code(&output, 0);
        assert_eq!(
            text(&output.stderr),
            "runs/tiny has no cells; reading the reference results in results/tiny\n",
            "{arguments:?}"
        );
    }
    assert!(desk.path("runs/tiny/report.html").is_file(), "the page is written to runs");
    assert!(desk.path("runs/tiny/export.csv").is_file(), "the export is written to runs");

    let swept = desk.sweep(&[]);
    assert_code(&swept, 0);
    assert!(text(&swept.stderr).contains("train regime=cached seed 0 · completed"), "it runs anew");
    let checked = desk.thaw(&["check", "tiny.toml"]);
    assert_code(&checked, 0);
    assert_eq!(text(&checked.stderr), "", "its own results are read from now on");
    assert_eq!(files(&desk.path("results")), reference, "the reference is as it was");
}

#[test]
fn a_check_of_some_cells_judges_what_is_expected_of_them_and_records_nothing() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q"]), 0);
    succeeds(&desk.thaw(&["check", "tiny.toml", "--update"]));
    let recorded = fs::read_to_string(desk.path("tiny.expected.toml")).expect("bands");
    // Three bands, a relation and an audit.
    let cached = ["check", "tiny.toml", "--only", "regime=cached"];
    let said = succeeds(&desk.thaw(&cached));
    assert!(said.starts_with("1 of 5 expectations speak of these cells"), "{said}");
    assert!(said.contains("1 passed, 0 failed, 0 inconclusive"), "{said}");
    let both = [&cached[..], &["--only", "regime=end_to_end"]].concat();
    let said = succeeds(&desk.thaw(&both));
    assert!(said.starts_with("3 of 5 expectations") && said.contains("3 passed"), "{said}");
    for narrowing in [["--only", "regime=cached"], ["--seeds", "0"], ["--epochs", "1"]] {
        let update = [&["check", "tiny.toml", "--update"][..], &narrowing].concat();
        refuses(&desk.thaw(&update), 64, &["--update", narrowing[0]]);
    }
    let kept = fs::read_to_string(desk.path("tiny.expected.toml")).expect("bands");
    assert_eq!(kept, recorded);
    let audit = "[[audit]]\nwhere = { regime = \"thawed\" }\nstatus = \"thawed\"\n";
    fs::write(desk.path("tiny.expected.toml"), audit).expect("written");
    refuses(&desk.thaw(&cached), 64, &["--only", "expects nothing of these cells"]);
    let unknown = audit.replace("\"thawed\" }", "\"thawn\" }");
    fs::write(desk.path("tiny.expected.toml"), &unknown).expect("written");
    refuses(&desk.thaw(&["check", "tiny.toml", "--update"]), 78, &["thawn"]);
    let kept = fs::read_to_string(desk.path("tiny.expected.toml")).expect("an audit");
    assert_eq!(kept, unknown, "what would be refused is not written");
}

#[test]
fn a_command_for_missing_cells_is_of_the_cells_that_were_asked_for() {
    let desk = Desk::new();
    let gap = ["--from", "regime=cached", "--to", "regime=thawed"];
    let only = ["--only", "regime=cached", "--only", "regime=thawed"];
    let narrowed = ["--epochs", "1", "--seeds", "0", "--results", "elsewhere"];
    let narrowed = [&only[..], &narrowed].concat();
    let missing = desk.thaw(&[&["attribute", "tiny.toml"][..], &gap, &narrowed].concat());
    assert_code(&missing, 2);
    let said = text(&missing.stdout);
    let command =
        "thaw sweep tiny.toml --epochs 1 --seeds 0 --only regime=cached --results elsewhere\n";
    assert!(said.contains(command), "{said}");
}

#[test]
fn a_doctor_passes_over_files_beside_results_and_says_where_there_is_nothing() {
    let desk = Desk::new();
    let nothing = succeeds(&desk.thaw(&["doctor"]));
    assert!(nothing.contains("nothing to examine"), "{nothing}");
    refuses(&desk.thaw(&["doctor", "--results", "rnus"]), 66, &["rnus", "no such folder"]);
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached"]), 0);
    fs::write(desk.path("runs/README.md"), "about these runs").expect("written");
    let examined = succeeds(&desk.thaw(&["doctor"]));
    assert!(examined.contains("2 complete cells are sound"), "{examined}");
}

#[test]
fn an_index_links_the_reports_of_a_folder() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q"]), 0);
    fs::create_dir_all(desk.path("runs/bare/cells")).expect("a folder");
    let indexed = desk.thaw(&["report", "--index"]);
    assert_code(&indexed, 0);
    assert_eq!(text(&indexed.stdout), "the index: runs/index.html\n");
    let page = fs::read_to_string(desk.path("runs/index.html")).expect("a page");
    for part in ["href=\"tiny/report.html\"", "no report yet", "THAWED"] {
        assert!(page.contains(part), "{part}: {page}");
    }

    fs::write(desk.path("runs/tiny/report.json"), "{").expect("written");
    let damaged = desk.thaw(&["report", "--index"]);
    let said = text(&damaged.stderr);
    assert!(
        said.contains("runs/tiny/report.json") && said.contains("draw the report again"),
        "{said}"
    );
    let empty = desk.thaw(&["report", "--index", "--results", "runs/bare"]);
    let said = text(&empty.stderr);
    assert!(said.contains("runs/bare: no experiment has cells there"), "{said}");
    assert!(!desk.thaw(&["report", "tiny.toml", "--index"]).status.success());
}

#[test]
fn a_narrowed_report_never_replaces_a_fuller_one() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q"]), 0);
    let drawn = || {
        ["report.html", "summary.md", "plots/overview.svg"]
            .map(|file| fs::read(desk.path("runs/tiny").join(file)).expect("it was drawn"))
    };
    let whole = drawn();
    // Cells of the whole are shown in the report of the whole.
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached", "--seeds", "0"]), 0);
    assert!(drawn() == whole, "a part of the whole draws the whole");
    assert_code(&desk.thaw(&["report", "tiny.toml", "--only", "regime=cached"]), 0);
    let page = |folder: &str| {
        fs::read_to_string(desk.path("runs/tiny").join(folder).join("report.html")).expect("a page")
    };
    assert!(page("regime-cached").contains("<code>thaw check tiny.toml --only regime=cached"));
    assert!(drawn() == whole, "a narrowed report has a folder of its own");
    for (more, folder) in [
        (&["--epochs", "1", "--seeds", "0"][..], "epochs-1_seeds-0"),
        (&["--seeds", "7"], "seeds-7"),
    ] {
        let swept = desk.sweep(&[&["-q"], more].concat());
        assert_code(&swept, 0);
        let again = format!("<code>thaw sweep tiny.toml {} --data FOLDER", more.join(" "));
        assert!(page(folder).contains(&again), "{folder}");
        assert!(text(&swept.stdout).contains(folder), "{}", text(&swept.stdout));
        assert!(drawn() == whole, "{more:?} changes the report of the whole");
    }
    // Another seed of the same procedures counts when the whole is drawn the next time.
    let report = desk.thaw(&["report", "tiny.toml"]);
    let rows = text(&report.stdout);
    assert_eq!(rows.lines().filter(|line| line.contains("|     3 |")).count(), 3, "{rows}");
}

#[test]
fn other_images_or_weights_beside_the_results_of_the_first_are_refused_before_anything_is_computed()
{
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached", "--seeds", "0"]), 0);
    let before = files(&desk.path("runs/tiny"));
    let gap = ["--from", "regime=cached", "--to", "regime=thawed", "--run", "-q"];
    let are_refused = |words: &str| {
        for (command, more) in [("plan", &["-q"][..]), ("sweep", &["-q"]), ("attribute", &gap)] {
            let refused = desk.on_inputs(command, &[&["--cache", "cache"], more].concat());
            refuses(&refused, 65, &["runs/tiny: ", words, "--results"]);
            assert!(files(&desk.path("runs/tiny")) == before, "nothing is written");
        }
    };
    let more = desk.path("images/train/dogs/more.png");
    fs::copy(desk.path("images/train/cats/0.png"), &more).expect("a copy");
    are_refused("were run on other images;");
    fs::remove_file(&more).expect("removed");
    let weights = desk.path("weights.safetensors");
    let mut bytes = fs::read(&weights).expect("weights");
    bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    fs::write(&weights, bytes).expect("written");
    are_refused("were run on other weights;");
    let elsewhere = ["-q", "--results", "elsewhere", "--only", "regime=cached", "--seeds", "0"];
    assert_code(&desk.sweep(&elsewhere), 0);
}

#[test]
fn published_curves_are_read_before_anything_is_computed_or_drawn() {
    let desk = Desk::new();
    for (there, misspelt) in [("published.csv", "nowhere.csv"), ("\"theirs\"", "\"ours\"")] {
        fs::write(desk.path("tiny.toml"), EXPERIMENT.replace(there, misspelt)).expect("written");
        for command in ["plan", "sweep"] {
            let refused = desk.on_inputs(command, &["--cache", "cache", "-q"]);
            let said = text(&refused.stderr);
            assert!(
                !refused.status.success() && said.contains(misspelt.trim_matches('"')),
                "{said}"
            );
        }
        assert!(!desk.path("cache/pixels").exists(), "nothing was computed");
    }
    fs::write(desk.path("tiny.toml"), EXPERIMENT).expect("written");
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached", "--seeds", "0"]), 0);
    fs::remove_dir_all(desk.path("runs/tiny/plots")).expect("removed");
    fs::remove_file(desk.path("published.csv")).expect("removed");
    refuses(&desk.thaw(&["report", "tiny.toml"]), 66, &["published.csv"]);
    assert!(!desk.path("runs/tiny/plots").exists(), "nothing was drawn");
}

#[test]
fn progress_is_lines_without_a_terminal_json_for_machines_and_nothing_when_quiet() {
    let desk = Desk::new();
    let quiet = desk.sweep(&["-q", "--seeds", "0", "--log-format", "json"]);
    assert_code(&quiet, 0);
    assert_eq!(text(&quiet.stderr), "");

    let swept = desk.sweep(&["--seeds", "1", "--log-format", "json", "--jobs", "1"]);
    assert_code(&swept, 0);
    let events: Vec<serde_json::Value> = text(&swept.stderr)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object per line"))
        .collect();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!(of("epoch"), 6, "two epochs of three cells");
    assert_eq!(of("step_started"), of("step_finished"));
    let is_thawed = |event: &&serde_json::Value| {
        event["event"] == "epoch" && event["step"] == "train regime=thawed seed 1"
    };
    let last = events.iter().rfind(is_thawed).expect("an epoch");
    assert_eq!((&last["epoch"], &last["epochs"]), (&2.into(), &2.into()), "{last}");
    assert_eq!((&last["moved_tensors"], &last["tensors"]), (&50.into(), &50.into()), "{last}");
    assert!(last["validation_accuracy"].is_number() && last["cell"].is_string(), "{last}");
    let end = events.iter().rfind(|event| event["event"] == "step_finished").expect("an end");
    assert!((end["done"].as_f64().expect("a share") - 1.0).abs() < 1e-6, "{end}");

    let wrong = desk.thaw(&["report", "absent.toml", "--log-format", "json"]);
    let error: serde_json::Value =
        serde_json::from_str(text(&wrong.stderr).trim()).expect("a JSON object");
    assert_eq!((&error["event"], &error["exit_code"]), (&"error".into(), &66.into()), "{error}");
}

#[test]
fn an_experiment_is_written_for_a_folder_of_images_and_runs() {
    let desk = Desk::new();
    let written = desk.thaw(&["init", "images", "--base", "mini_vgg"]);
    assert_code(&written, 0);
    let said = text(&written.stdout);
    assert!(
        said.contains("2 classes (cats, dogs), 10 training, 6 validation and 4 test"),
        "{said}"
    );
    assert!(said.contains("  thaw sweep images.toml --data images"), "{said}");
    let swept =
        desk.thaw(&["sweep", "images.toml", "--data", "images", "--epochs", "1", "--seeds", "0"]);
    assert_code(&swept, 0);
    let said = text(&swept.stdout);
    assert!(said.contains("10 of 10 procedures have run with every seed"), "{said}");

    let before = fs::read(desk.path("images.toml")).expect("the experiment");
    let again = desk.thaw(&["init", "images"]);
    assert_code(&again, 73);
    assert!(
        text(&again.stderr).contains("images.toml: the file exists"),
        "{}",
        text(&again.stderr)
    );
    assert_eq!(fs::read(desk.path("images.toml")).expect("the experiment"), before);
    for (base, procedures) in [("vgg16", 10), ("squeezenet1_0", 10), ("resnet18", 14)] {
        let output = format!("{base}.toml");
        assert_code(&desk.thaw(&["init", "images", "--base", base, "--output", &output]), 0);
        let text = fs::read_to_string(desk.path(&output)).expect("the experiment");
        let experiment = Experiment::parse(&output, &text).expect("an experiment");
        assert_eq!(experiment.procedures().len(), procedures);
        // Every profile that the file offers can be taken.
        let (_, offered) = text.split_once("# profile = ").expect("profiles");
        let (offered, _) = offered.split_once(':').expect("the end of their names");
        let profiles: Vec<&str> = offered.split('"').skip(1).step_by(2).collect();
        assert!(profiles.len() >= 4, "{offered}");
        for profile in profiles {
            let chosen = format!("profile = \"{profile}\" # ");
            let text = text.replace("# profile = \"torch\" # ", &chosen);
            let experiment = Experiment::parse(&output, &text).expect("an experiment");
            assert_eq!(experiment.procedures().len(), procedures, "{profile}");
        }
        assert!(text.contains("image_size = 64"), "no larger than the images, 72×60: {text}");
    }
    let nowhere = desk.thaw(&["init", "nowhere"]);
    assert_code(&nowhere, 66);
    assert!(text(&nowhere.stderr).contains("nowhere: there is no such folder"));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let desk = Desk::new();
    let help = text(&desk.thaw(&["--help"]).stdout);
    let listed = help.split("Commands:").nth(1).and_then(|text| text.split("Options:").next());
    let commands: Vec<&str> = listed
        .expect("commands")
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"sweep") && commands.contains(&"man"), "{commands:?}");
    assert_code(&desk.thaw(&["man", "--output", "pages"]), 0);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = desk.thaw(&["completions", shell]);
        assert_code(&script, 0);
        for command in &commands {
            assert!(text(&script.stdout).contains(command), "{shell}: {command}");
        }
    }
    for command in commands.iter().filter(|command| **command != "help") {
        let page = fs::read_to_string(desk.path("pages").join(format!("thaw-{command}.1")));
        let page = page.unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn what_cannot_be_printed_is_an_error_and_a_reader_who_left_is_none() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let desk = Desk::new();
    assert_code(&desk.sweep(&["--quiet"]), 0);
    let weights = "weights.safetensors";
    for arguments in [
        &["status", "tiny.toml"][..],
        &["status", "tiny.toml", "--json"],
        &["check", "tiny.toml"],
        &["audit", weights, weights, "--json"],
        &["watch", "tiny.toml"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let print_into = |output: Stdio| {
            process_in(desk.root.path()).args(arguments).stdout(output).output().expect("it runs")
        };
        let full = fs::File::create("/dev/full").expect("a device without space");
        let output = print_into(full.into());
        refuses(&output, 73, &["standard output: cannot be written", "os error 28"]);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = print_into(writer.into());
        assert_code(&output, 0);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_file_in_the_place_of_results_is_refused_and_a_folder_that_is_not_there_is_told() {
    let desk = Desk::new();
    fs::write(desk.path("afile"), "not a folder").expect("written");
    for arguments in [
        &["status", "tiny.toml"][..],
        &["report", "tiny.toml"],
        &["report", "--index"],
        &["check", "tiny.toml"],
        &["export", "tiny.toml", "--format", "csv"],
        &["watch", "tiny.toml"],
        &["plan", "tiny.toml", "--data", "images", "--weights", "weights.safetensors"],
        &["attribute", "tiny.toml", "--from", "regime=cached", "--to", "regime=thawed"],
        &["diagnose", "published.csv", "--experiment", "tiny.toml"],
        &["diff", "0", "1"],
        &["doctor"],
    ] {
        let refused = desk.thaw(&[arguments, &["--results", "afile"]].concat());
        refuses(&refused, 66, &["afile is a file, not a folder of results", "--results"]);
    }
    let status = |more: &[&str]| desk.thaw(&[&["status", "tiny.toml"][..], more].concat());
    let told = status(&["--results", "nowhere"]);
    assert_eq!(succeeds(&told), "tiny: 6 cells: 6 waiting\n");
    let told = text(&told.stderr);
    assert_eq!(told, "nowhere: there is no such folder, so nothing has run there yet\n");
    assert_eq!(text(&status(&[]).stderr), "", "nobody named a folder");
}

#[test]
fn an_attribution_that_runs_cells_measures_them_where_they_run() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q", "--results", "results", "--only", "regime=cached"]), 0);
    let attribute = |more: &[&str]| {
        let gap = ["--from", "regime=cached", "--to", "regime=thawed", "--cache", "cache", "-q"];
        desk.on_inputs("attribute", &[&gap[..], more].concat())
    };
    // The reference results have one of the two cells; the folder in which cells run has none.
    let missing = attribute(&[]);
    assert_code(&missing, 2);
    let said = text(&missing.stdout);
    assert!(said.starts_with("2 of the cells between the two procedures have not run"), "{said}");
    for regime in ["cached", "thawed"] {
        let command = format!(
            "thaw sweep tiny.toml --only regime={regime} --data images --weights weights.safetensors --cache cache\n"
        );
        assert!(said.contains(&command), "{said}");
    }
    let said = text(&missing.stderr);
    assert!(said.contains("those of results/tiny are needed there too"), "{said}");
    let named = attribute(&["--results", "results"]);
    assert_code(&named, 2);
    assert!(text(&named.stdout).starts_with("1 of the cells"), "{}", text(&named.stdout));
    refuses(&attribute(&["--run", "--launcher", "slurm"]), 64, &["--run", "does not wait"]);
    let run = succeeds(&attribute(&["--run"]));
    assert!(run.contains("| regime | cached → thawed |"), "{run}");
    let again = succeeds(&attribute(&[]));
    assert!(again.contains("| regime | cached → thawed |"), "{again}");
}

#[test]
fn verdicts_are_said_whether_or_not_their_file_can_be_written() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q"]), 0);
    let check = |junit: &str| desk.thaw(&["check", "tiny.toml", "--junit", junit]);
    succeeds(&check("target/junit/check.xml"));
    assert!(desk.path("target/junit/check.xml").is_file());
    fs::write(desk.path("afile"), "not a folder").expect("written");
    let checked = check("afile/check.xml");
    refuses(&checked, 73, &["afile/check.xml", "cannot write the file"]);
    let said = text(&checked.stdout);
    assert!(said.ends_with("2 passed, 0 failed, 0 inconclusive\n"), "{said}");
}

#[test]
fn results_at_a_url_are_compared_and_indexed_as_those_in_a_folder() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["-q", "--only", "regime=cached"]), 0);
    let cells = fs::read_dir(desk.path("runs/tiny/cells")).expect("cells");
    let name = |cell: fs::DirEntry| cell.file_name().to_string_lossy().into_owned();
    let names: Vec<String> = cells.map(|cell| name(cell.expect("a cell"))).collect();
    let place = format!("file://{}", desk.path("runs").display());
    let named = ["--results", &place];
    let diff = ["diff", &names[0], &names[1]];
    let here = succeeds(&desk.thaw(&diff));
    assert_eq!(succeeds(&desk.thaw(&[&diff[..], &named].concat())), here);
    let indexed = succeeds(&desk.thaw(&[&["report", "--index"][..], &named].concat()));
    assert!(indexed.ends_with("/runs/index.html\n"), "{indexed}");
    let page = fs::read_to_string(desk.path("runs/index.html")).expect("a page");
    assert!(page.contains("href=\"tiny/report.html\""), "{page}");
    for absent in [["diff", "0", "1"], ["report", "--index", "--log-format=text"]] {
        let absent = desk.thaw(&[&absent[..], &["--results", "nowhere"]].concat());
        refuses(&absent, 66, &["nowhere: there is no such folder", "--results"]);
    }
}

#[test]
fn a_doctor_says_which_cache_it_does_not_examine() {
    let desk = Desk::new();
    let nowhere = succeeds(&desk.thaw(&["doctor", "--cache", "nowhere"]));
    assert!(nowhere.starts_with("nowhere: there is no such folder, so no cache"), "{nowhere}");
    let told = succeeds(&desk.thaw(&["doctor", "--cache", "s3://bucket/cache"]));
    let words = "s3://bucket/cache: a cache in an object store is not examined";
    assert!(told.starts_with(words), "{told}");
}

#[test]
fn what_was_given_in_the_place_of_something_else_is_named() {
    let desk = Desk::new();
    fs::write(desk.path("report.html"), "<p>").expect("written");
    let words = ["report.html is a file, not a folder of images", "train/<class>/<image>"];
    refuses(&desk.thaw(&["init", "report.html"]), 66, &words);
    for (arguments, option) in [
        (["status", "tiny.toml"], "--seeds"),
        (["diagnose", "--experiment=tiny.toml"], "--held-out"),
    ] {
        let refused = desk.thaw(&[&arguments[..], &[option, "0..3"]].concat());
        assert_code(&refused, 64);
        let said = text(&refused.stderr);
        assert!(said.contains("give numbers with commas, such as 0,1,2"), "{said}");
    }
}

#[test]
fn only_commands_that_can_leave_images_out_advise_it() {
    let desk = Desk::new();
    fs::write(desk.path("images/validation/dogs/broken.jpg"), "no image").expect("written");
    let advice = "--skip-unreadable-images";
    for launcher in ["threads", "processes"] {
        let swept = desk.sweep(&["-q", "--launcher", launcher]);
        assert_code(&swept, 65);
        assert!(text(&swept.stderr).contains(advice), "{launcher}: {}", text(&swept.stderr));
    }
    let broken = desk.thaw(&["preview", "--image", "images/validation/dogs/broken.jpg"]);
    refuses(&broken, 65, &["broken.jpg", "mend or remove it"]);
    assert!(!text(&broken.stderr).contains(advice), "{}", text(&broken.stderr));
}
