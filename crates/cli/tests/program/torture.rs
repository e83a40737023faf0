//! The program killed at moments that nobody chose, and with faults below every file that it touches:
//! nothing is lost, nothing is run twice, and the numbers are the same to the last bit.
//!
//! These are the short forms; `just torture` takes the number of kills, and every place, from `THAW_TORTURE_KILLS` and `THAW_TORTURE_STRIDE`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use thaw_analysis::{ResultsFolder, compare_records};

use crate::desk::{Desk, EXPERIMENT, INPUTS};
use crate::thaw::{assert_code, process_in, text};
use crate::workers::chance;

/// A number from the environment, for long forms.
fn number(variable: &str, otherwise: usize) -> usize {
    let set = std::env::var(variable).ok().filter(|value| !value.is_empty());
    set.map_or(otherwise, |value| value.parse().expect("a number"))
}

/// A sweep of a desk's experiment into `runs`, in a process group of its own.
fn start(desk: &Desk, launcher: &str) -> Child {
    process_in(desk.root.path())
        .args(["sweep", "tiny.toml", "--quiet", "--cache", "cache", "--threads", "2"])
        .args(["--checkpoint-every", "1ms", "--launcher", launcher])
        .args(INPUTS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(desk.path("log")).expect("a log"))
        .process_group(0)
        .spawn()
        .expect("a sweep")
}

/// Kills a process with all that it has started.
fn kill(child: &mut Child) -> ExitStatus {
    let group = format!("-{}", child.id());
    let killed = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    killed.expect("kill is there");
    child.wait().expect("it ends")
}

/// The cells that have ended, with their records as they are in the files.
fn ended(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let Ok(cells) = fs::read_dir(desk.path("runs/tiny/cells")) else { return BTreeMap::new() };
    let of_cell = |folder: PathBuf| {
        let name = folder.file_name()?.to_string_lossy().into_owned();
        let outcome = fs::read(folder.join("outcome.json")).ok()?;
        let epochs = fs::read(folder.join("epochs.parquet")).ok()?;
        Some((name, [outcome, epochs].concat()))
    };
    cells.filter_map(|cell| of_cell(cell.expect("a cell").path())).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What a killed program leaves behind, by what it is of: unfinished files, claims, checkpoints.
fn left_behind(desk: &Desk) -> BTreeMap<&'static str, usize> {
    let mut found = BTreeMap::new();
    let places = ["cache", "runs"].map(|place| desk.path(place));
    for file in places.iter().flat_map(|place| files(place)) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let is_in = |folder: &str| file.iter().any(|part| part == folder);
        let kind = match () {
            () if name.starts_with(".thaw-") && is_in("pixels") => "unfinished pixels",
            () if name.starts_with(".thaw-") && is_in("activations") => "unfinished activations",
            () if name.starts_with(".thaw-") && is_in("checkpoints") => "unfinished checkpoint",
            () if name.starts_with(".thaw-") && is_in("cells") => "unfinished record",
            () if name.starts_with(".thaw-") && is_in("claims") => "unfinished claim",
            () if name.starts_with(".thaw-") => "other unfinished file",
            () if is_in("claims") && name != ".lock" => "claim",
            () if is_in("checkpoints") => "checkpoint",
            () if is_in("begun") => "note on a begun artifact",
            () => continue,
        };
        *found.entry(kind).or_default() += 1;
    }
    found
}

impl Desk {
    /// A desk with cells that write checkpoints and move their bases.
    fn of_torture(epochs: usize) -> Self {
        let desk = Self::new();
        let longer = EXPERIMENT.replace("epochs = 2", &format!("epochs = {epochs}"));
        fs::write(desk.path("tiny.toml"), longer).expect("written");
        desk
    }

    /// Makes sure that the results are those of a sweep that nothing disturbed, and that nothing else
    /// is left.
    fn is_as_undisturbed(&self, cells: usize) {
        let (alone, tortured) = (
            ResultsFolder::new(self.path("alone/tiny")),
            ResultsFolder::new(self.path("runs/tiny")),
        );
        let (manifests, damaged) = alone.manifests().expect("cells");
        assert!(damaged.is_empty() && manifests.len() == cells);
        for manifest in manifests {
            let comparison = compare_records(&alone, &tortured, &manifest.id).expect("records");
            assert!(comparison.is_equal() && comparison.values > 20, "{comparison:?}");
        }
        assert_eq!(left_behind(self), BTreeMap::new());
        let examination = tortured.examine().expect("readable");
        assert_eq!((examination.complete, examination.damaged), (cells, Vec::new()));
    }
}

#[test]
fn kills_at_random_moments_lose_nothing_and_repeat_nothing() {
    let wanted = number("THAW_TORTURE_KILLS", 12);
    let (mut kills, mut sweeps) = (0, 0);
    let (mut found, mut phases) = (BTreeMap::new(), BTreeMap::new());
    let alone = Desk::of_torture(8);
    let begun = Instant::now();
    assert_code(&alone.sweep(&["--quiet", "--results", "alone"]), 0);
    let whole = begun.elapsed();
    while kills < wanted {
        let desk = Desk::of_torture(8);
        copy(&alone.path("alone"), &desk.path("alone"));
        let mut before = BTreeMap::new();
        // The last sweep of a desk is left alone.
        for round in 0..=12 {
            let launcher = ["threads", "processes"][(sweeps + round) % 2];
            let mut sweep = start(&desk, launcher);
            let moment = whole.mul_f64(f64::from(chance(1000)) / 1000.0 * 0.8);
            let begun = Instant::now();
            let mut done = None;
            while done.is_none() && (round == 12 || begun.elapsed() < moment) {
                std::thread::sleep(Duration::from_millis(1));
                done = sweep.try_wait().expect("a process");
            }
            let status = done.unwrap_or_else(|| kill(&mut sweep));
            let now = ended(&desk);
            for (cell, records) in &before {
                assert_eq!(now.get(cell), Some(records), "{cell} had ended, and was run again");
            }
            before = now;
            if status.success() {
                break;
            }
            let log = fs::read_to_string(desk.path("log")).expect("a log");
            assert_eq!(status.signal(), Some(9), "{status}: {log}");
            kills += 1;
            let phase = match (before.len(), desk.path("cache/activations").exists()) {
                (6, _) => "report",
                (0, false) => "decoding",
                (0, true) => "extraction and first cells",
                _ => "cells",
            };
            *phases.entry(phase).or_insert(0) += 1;
            for (kind, count) in left_behind(&desk) {
                *found.entry(kind).or_insert(0) += count;
            }
        }
        sweeps += 1;
        desk.is_as_undisturbed(6);
    }
    eprintln!(
        "torture: {kills} kills in {sweeps} sweeps survived, of those in {phases:?}; left behind and tidied up: {found:?}"
    );
}

/// How many bytes of the first extraction are noted as written, and in which file.
fn noted(desk: &Desk) -> Option<(u64, String)> {
    let mut notes = files(&desk.path("cache/begun")).into_iter();
    let note = notes.find(|note| note.extension().is_some_and(|extension| extension == "json"))?;
    let note: serde_json::Value = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    Some((note["bytes"].as_u64()?, note["file"].as_str()?.to_owned()))
}

/// A sweep is killed within an extraction, and then stopped within it; each time the next one goes on from
/// what was written.
#[test]
fn an_extraction_that_is_killed_or_stopped_goes_on_from_what_it_had_written() {
    let desk = Desk::new();
    let regimes = EXPERIMENT.find("[matrix.regime]").expect("the regimes");
    let experiment = EXPERIMENT[..regimes].replace("epochs = 2", "epochs = 200")
        + "augmentation = \"keras-2.0.8\"\n[matrix.regime]\ncached_variants = { cache = \"variants\" }\n";
    fs::write(desk.path("tiny.toml"), experiment.replace("[0, 1]", "[0]")).expect("written");
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    let artifacts = files(&desk.path("cache/activations"));
    let sizes = artifacts.iter().map(|artifact| artifact.metadata().expect("a file").len());
    let whole = sizes.max().expect("artifacts");
    fs::remove_dir_all(desk.path("cache")).expect("a cache");
    let wait = |sweep: &mut Child, is_met: &dyn Fn(u64, &str) -> bool| loop {
        if let Some((bytes, file)) = noted(&desk).filter(|(bytes, file)| is_met(*bytes, file)) {
            return (bytes, file);
        }
        let log = || fs::read_to_string(desk.path("log"));
        assert_eq!(sweep.try_wait().expect("a process"), None, "{:?}", log());
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut killed = start(&desk, "threads");
    wait(&mut killed, &|bytes, _| bytes > whole / 4);
    assert_eq!(kill(&mut killed).signal(), Some(9));
    let (first, file) = noted(&desk).expect("a note");
    assert!(desk.path("cache/activations").join(&file).exists());
    let mut stopped = start(&desk, "threads");
    let (second, _) = wait(&mut stopped, &|_, other| other != file);
    assert!(second >= first, "it began again: {second} instead of {first} bytes");
    wait(&mut stopped, &|bytes, _| bytes > whole / 2);
    assert!(!desk.path("cache/activations").join(&file).exists(), "the first file is left behind");
    let sent = Command::new("kill").args(["-TERM", &stopped.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(stopped.wait().expect("it ends").code(), Some(143));
    let (third, file) = noted(&desk).expect("a note");
    assert!(third > whole / 2 && desk.path("cache/activations").join(file).exists());
    let ended = desk.sweep(&["--quiet"]);
    assert_code(&ended, 0);
    assert!(!text(&ended.stderr).contains("damaged"), "{}", text(&ended.stderr));
    desk.is_as_undisturbed(1);
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("within"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("made");
        fs::copy(&file, target).expect("copied");
    }
}

/// The library that makes faults, where it can be compiled.
fn faults(desk: &Desk) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/torture/faults.c");
    let library = desk.path("faults.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .args([source, "-ldl"])
        .status();
    let is_there = cfg!(target_os = "linux") && compiled.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("skipped: no faults can be injected, which needs Linux and a C compiler");
    }
    is_there.then_some(library)
}

/// A sweep with a fault; its status, what it said, and how many calls there were where it could tell.
fn faulty(desk: &Desk, library: &Path, kind: &str, at: usize) -> (ExitStatus, String, usize) {
    let count = desk.root.path().with_extension("count");
    let _ = fs::remove_file(&count);
    let output = process_in(desk.root.path())
        .args(["sweep", "tiny.toml", "--quiet", "--cache", "cache", "--threads", "1"])
        .args(["--checkpoint-every", "1ms", "--jobs", "1"])
        .args(INPUTS)
        .env("LD_PRELOAD", library)
        .env("FAULTS_UNDER", desk.root.path())
        .env("FAULTS_AT", at.to_string())
        .env("FAULTS_KIND", kind)
        .env("FAULTS_COUNT", &count)
        .output()
        .expect("it runs");
    let calls = fs::read_to_string(&count).ok().and_then(|text| text.trim().parse().ok());
    let _ = fs::remove_file(&count);
    (output.status, text(&output.stderr), calls.unwrap_or(0))
}

/// A desk whose sweep is short: two cells, one of which moves its base.
fn short_desk() -> Desk {
    let desk = Desk::of_torture(2);
    let one_seed = fs::read_to_string(desk.path("tiny.toml")).expect("the experiment");
    let shorter =
        one_seed.replace("seeds = [0, 1]", "seeds = [0]").replace("end_to_end = {}\n", "");
    fs::write(desk.path("tiny.toml"), shorter).expect("written");
    desk
}

#[test]
fn a_fault_at_any_file_operation_is_said_and_loses_nothing() {
    let alone = short_desk();
    let Some(library) = faults(&alone) else { return };
    assert_code(&alone.sweep(&["--quiet", "--results", "alone"]), 0);
    let stride = number("THAW_TORTURE_STRIDE", 23).max(1);
    // Codes that say what happened: what cannot be read, what cannot be written, a failed cell. What is
    // read wrongly may be damaged.
    let said_so = BTreeSet::from([66, 70, 73]);
    for kind in ["kill", "ENOSPC", "sticky-ENOSPC", "EIO", "EACCES", "EXDEV", "read"] {
        let fresh = short_desk();
        let (status, said, calls) = faulty(&fresh, &library, kind, 0);
        assert!(status.success() && calls > 20, "{status}, {calls} calls: {said}");
        let (mut injected, mut codes) = (0, BTreeMap::new());
        for at in (1..=calls).filter(|at| (at + kind.len()) % stride == 0) {
            let desk = short_desk();
            copy(&alone.path("alone"), &desk.path("alone"));
            let (status, said, _) = faulty(&desk, &library, kind, at);
            injected += 1;
            let place = format!("{kind} at call {at}: {status}: {said}");
            assert!(!said.contains("panicked"), "{place}");
            match (kind, status.code()) {
                ("kill", None) => assert_eq!(status.signal(), Some(9), "{place}"),
                // Some things may fail without harm, such as the beat of a claim.
                (_, Some(0)) => {}
                (_, Some(code)) => {
                    let is_known = said_so.contains(&code) || code == 65 && kind == "read";
                    assert!(is_known && said.contains("thaw: "), "{place}");
                }
                _ => panic!("{place}"),
            }
            *codes.entry(status.code()).or_insert(0) += 1;
            let again = desk.sweep(&["--quiet"]);
            let place = format!("{place}\nand then: {}", text(&again.stderr));
            assert_eq!(again.status.code(), Some(0), "{place}");
            desk.is_as_undisturbed(2);
        }
        let struck = |code: &Option<i32>| match kind {
            "kill" => code.is_none(),
            _ => *code != Some(0),
        };
        // A process that is alone on its files copies nothing, so EXDEV and EACCES may harm none.
        let may_harm_none = ["EXDEV", "EACCES", "read"].contains(&kind) || injected == 0;
        assert!(may_harm_none || codes.keys().any(struck), "{kind}: no fault struck: {codes:?}");
        eprintln!(
            "faults: {kind}: {injected} of {calls} calls, with the exit codes {codes:?}; nothing lost"
        );
    }
}

/// Two sweeps on the same results and the same cache, and reports drawn of whatever is there.
#[test]
fn two_sweeps_and_reports_on_one_folder_run_each_cell_once() {
    let desk = Desk::of_torture(8);
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    fs::remove_dir_all(desk.path("cache")).expect("a cache");
    // What a sweep says of a cell that the other one has trained.
    const KEPT: &str = "kept from before";
    let log = |number: usize| desk.path(&format!("sweep-{number}.log"));
    let sweep = |number: usize| {
        let launcher = ["threads", "processes"][number];
        process_in(desk.root.path())
            .args(["sweep", "tiny.toml", "--cache", "cache", "--threads", "1"])
            .args(["--checkpoint-every", "1ms", "--log-format", "json", "--launcher", launcher])
            .args(INPUTS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(log(number)).expect("a log"))
            .spawn()
            .expect("a sweep")
    };
    fs::create_dir_all(desk.path("runs")).expect("a folder");
    let mut sweeps = [sweep(0), sweep(1)];
    let (mut drawn, mut too_early, mut of_some) = (0, 0, 0);
    loop {
        let lives = sweeps.each_mut().map(|sweep| sweep.try_wait().expect("a process").is_none());
        let report = desk.thaw(&["report", "tiny.toml", "--results", "runs"]);
        let complaint = text(&report.stderr);
        match report.status.code() {
            Some(0) => drawn += 1,
            Some(64) => {
                too_early += 1;
                assert!(
                    complaint.contains("no cell of `tiny` has run")
                        && complaint.lines().count() == 1,
                    "{complaint}"
                );
            }
            _ => panic!("{}: {complaint}", report.status),
        }
        of_some += usize::from((1..6).contains(&ended(&desk).len()));
        if lives == [false; 2] {
            break;
        }
    }
    let mut ran = BTreeMap::new();
    for (number, mut sweep) in sweeps.into_iter().enumerate() {
        let status = sweep.wait().expect("it has ended");
        let log = fs::read_to_string(log(number)).expect("a log");
        assert!(status.success(), "sweep {number}: {status}: {log}");
        for line in log.lines().filter(|line| line.contains("\"event\":\"step_finished\"")) {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if let (Some(cell), true) = (event["cell"].as_str(), event["result"] != KEPT) {
                *ran.entry(cell.to_owned()).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(ran.values().copied().collect::<Vec<_>>(), [1; 6], "each cell ran once: {ran:?}");
    assert!(drawn > 0);
    desk.is_as_undisturbed(6);
    eprintln!("two sweeps: {drawn} reports drawn, {of_some} of some cells, {too_early} too early");
}

#[test]
fn short_writes_and_a_clock_that_runs_backwards_change_nothing() {
    let alone = short_desk();
    let Some(library) = faults(&alone) else { return };
    assert_code(&alone.sweep(&["--quiet", "--results", "alone"]), 0);
    for kind in ["short", "backwards"] {
        let desk = short_desk();
        copy(&alone.path("alone"), &desk.path("alone"));
        let (status, said, _) = faulty(&desk, &library, kind, 0);
        assert!(status.success(), "{kind}: {status}: {said}");
        desk.is_as_undisturbed(2);
    }
}

#[test]
fn a_clock_that_is_ahead_does_not_make_the_files_of_other_machines_old() {
    let desk = short_desk();
    let Some(library) = faults(&desk) else { return };
    let begun = desk.path("cache/activations/.thaw-1-2-elsewhere-abcdef");
    fs::create_dir_all(desk.path("cache/activations")).expect("a folder");
    fs::write(&begun, b"half").expect("written");
    let (status, said, _) = faulty(&desk, &library, "ahead", 0);
    assert!(status.success(), "{status}: {said}");
    assert!(begun.exists(), "the file of a living worker was removed");
}

#[test]
fn a_limit_on_the_size_of_files_is_said() {
    let desk = short_desk();
    let limited = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(process_in(desk.root.path()).get_program())
        .args(["sweep", "tiny.toml", "--quiet", "--cache", "cache", "--results", "runs"])
        .args(INPUTS)
        .current_dir(desk.root.path())
        .output()
        .expect("it runs");
    assert_code(&limited, 73);
    let said = text(&limited.stderr);
    assert!(said.contains("pixels") && said.contains("File too large"), "{said}");
}

#[test]
fn damaged_caches_are_found_said_and_made_again() {
    let alone = short_desk();
    assert_code(&alone.sweep(&["--quiet", "--results", "alone"]), 0);
    for damage in ["a flipped bit", "a cut", "emptied", "another file", "another artifact"] {
        let desk = short_desk();
        copy(&alone.path("alone"), &desk.path("alone"));
        copy(&alone.path("cache"), &desk.path("cache"));
        let artifacts: Vec<PathBuf> = files(&desk.path("cache"))
            .into_iter()
            .filter(|file| file.iter().any(|part| part == "pixels" || part == "activations"))
            .collect();
        assert!(artifacts.len() >= 4, "{artifacts:?}");
        let whole: Vec<Vec<u8>> =
            artifacts.iter().map(|artifact| fs::read(artifact).expect("an artifact")).collect();
        let others = whole.iter().cycle().skip(1);
        let mut damaged = 0;
        for ((artifact, bytes), other) in artifacts.iter().zip(&whole).zip(others) {
            let mut bytes = bytes.clone();
            let place = bytes.len() * 2 / 3;
            match damage {
                "a flipped bit" => bytes[place] ^= 4,
                "a cut" => bytes.truncate(place),
                "emptied" => bytes.clear(),
                "another artifact" => bytes.clone_from(other),
                _ => bytes = b"<!doctype html>".to_vec(),
            }
            fs::write(artifact, bytes).expect("damaged");
            damaged += 1;
        }
        let doctor = desk.thaw(&["doctor", "tiny.toml", "--cache", "cache"]);
        assert_code(&doctor, 65);
        assert!(text(&doctor.stdout).contains(&format!("{damaged} damaged")), "{doctor:?}");
        let swept = desk.sweep(&["--quiet"]);
        assert_code(&swept, 0);
        let said = text(&swept.stderr);
        assert_eq!(said.matches("so it is made again").count(), damaged, "{damage}: {said}");
        desk.is_as_undisturbed(2);
    }
}

#[test]
fn what_was_set_aside_before_stays_there() {
    let desk = short_desk();
    let mut set_aside = Vec::new();
    for damage in [&b"the first"[..], b"the second", b"the third"] {
        assert_code(&desk.sweep(&["--quiet"]), 0);
        let pixels = files(&desk.path("cache/pixels"));
        let artifact = pixels.iter().min().expect("an artifact");
        fs::write(artifact, damage).expect("damaged");
        let doctor = desk.thaw(&["doctor", "tiny.toml", "--cache", "cache", "--set-aside"]);
        assert_code(&doctor, 0);
        assert!(!artifact.exists());
        // The cells would not need it any more.
        fs::remove_dir_all(desk.path("runs")).expect("results");
        set_aside.push(damage.to_vec());
        let mut found: Vec<Vec<u8>> = files(&desk.path("cache/set-aside"))
            .iter()
            .map(|file| fs::read(file).expect("a file"))
            .collect();
        found.sort();
        let mut expected = set_aside.clone();
        expected.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_damaged_checkpoint_is_said_and_its_cell_starts_over() {
    let alone = short_desk();
    let Some(library) = faults(&alone) else { return };
    assert_code(&alone.sweep(&["--quiet", "--results", "alone"]), 0);
    let desk = short_desk();
    copy(&alone.path("alone"), &desk.path("alone"));
    let checkpoint = || {
        let found = files(&desk.path("cache/checkpoints")).into_iter();
        found.into_iter().find(|file| file.extension().is_some_and(|end| end == "safetensors"))
    };
    // Killed at one call after the other, until a checkpoint lies there.
    let mut at = 20;
    while checkpoint().is_none() {
        at += 1;
        let (status, said, _) = faulty(&desk, &library, "kill", at);
        assert!(!status.success() && at < 400, "{said}");
    }
    let path = checkpoint().expect("a checkpoint");
    let mut bytes = fs::read(&path).expect("readable");
    let place = bytes.len() - 5;
    bytes[place] ^= 1;
    fs::write(&path, bytes).expect("damaged");
    let swept = desk.sweep(&["--quiet"]);
    assert_code(&swept, 0);
    let said = text(&swept.stderr);
    assert!(said.contains("checkpoint cannot be used") && said.contains("starts over"), "{said}");
    desk.is_as_undisturbed(2);
}

#[test]
fn damaged_records_are_named_and_the_rest_is_reported() {
    let desk = Desk::of_torture(2);
    assert_code(&desk.sweep(&["--quiet"]), 0);
    copy(&desk.path("runs"), &desk.path("alone"));
    let doctor = |more: &[&str]| {
        desk.thaw(
            &[&["doctor", "tiny.toml", "--results", "runs", "--cache", "cache"], more].concat(),
        )
    };
    assert_code(&doctor(&[]), 0);
    let mut cells: Vec<PathBuf> = fs::read_dir(desk.path("runs/tiny/cells"))
        .expect("cells")
        .map(|cell| cell.expect("a cell").path())
        .collect();
    cells.sort();
    // A number in a Parquet file, the middle of another, a cut manifest, an outcome of nothing.
    let change = |file: PathBuf, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&file).expect("a record");
        change(&mut bytes);
        fs::write(&file, bytes).expect("damaged");
        file
    };
    let damaged = [
        change(cells[0].join("epochs.parquet"), &|bytes| bytes[40] ^= 16),
        change(cells[1].join("predictions.parquet"), &|bytes| bytes.truncate(100)),
        change(cells[2].join("cell.json"), &|bytes| bytes.truncate(100)),
        change(cells[3].join("outcome.json"), &Vec::clear),
    ];
    let names_all = |said: &str| {
        damaged.iter().all(|file| {
            let file = file.strip_prefix(desk.root.path()).expect("within");
            said.contains(&file.display().to_string())
        })
    };
    let report = desk.thaw(&["report", "tiny.toml", "--results", "runs"]);
    assert_code(&report, 65);
    assert!(names_all(&text(&report.stderr)), "{}", text(&report.stderr));
    assert!(text(&report.stdout).contains("the report: "), "the rest is reported");
    let check = desk.thaw(&["check", "tiny.toml", "--results", "runs"]);
    assert_code(&check, 65);
    assert!(text(&check.stdout).contains("missing"), "the verdicts are said");
    let status = desk.thaw(&["status", "tiny.toml", "--results", "runs"]);
    assert_code(&status, 0);
    // A sweep leaves alone what nobody has looked after.
    assert_code(&desk.sweep(&["--quiet"]), 65);
    let examined = doctor(&[]);
    assert_code(&examined, 65);
    assert!(names_all(&text(&examined.stdout)), "{}", text(&examined.stdout));
    assert!(text(&examined.stdout).contains("2 complete cells are sound"), "{examined:?}");
    assert_code(&doctor(&["--set-aside"]), 0);
    assert_eq!(fs::read_dir(desk.path("runs/tiny/set-aside")).expect("a folder").count(), 4);
    assert_code(&doctor(&[]), 0);
    assert_code(&desk.sweep(&["--quiet"]), 0);
    desk.is_as_undisturbed(6);
}

#[test]
fn finished_cells_are_run_again_and_compared_to_the_last_bit() {
    let desk = short_desk();
    let swept = desk.sweep(&["--quiet", "--verify", "2"]);
    assert_code(&swept, 0);
    assert!(text(&swept.stdout).contains("2 of 2 cells are the same to the last bit"), "{swept:?}");
    let verify = |more: &[&str]| {
        let all = ["verify", "runs/tiny", "--experiment", "tiny.toml", "--quiet"];
        desk.thaw(&[&all[..], &INPUTS[..], more].concat())
    };
    let verified = verify(&["--sample", "5"]);
    assert_code(&verified, 0);
    assert!(text(&verified.stdout).contains("2 of 2 cells are the same to the last bit"));
    // An accuracy that was made up: the files of one cell stand in the folder of the other.
    let results = ResultsFolder::new(desk.path("runs/tiny"));
    let (manifests, _) = results.manifests().expect("cells");
    let cell = |manifest: &thaw_spec::CellManifest| {
        desk.path("runs/tiny/cells").join(manifest.id.as_str())
    };
    let of_cached = manifests.iter().find(|manifest| manifest.cell.levels[0].1 == "cached");
    let of_thawed = manifests.iter().find(|manifest| manifest.cell.levels[0].1 == "thawed");
    let (cached, thawed) = (of_cached.expect("it ran"), of_thawed.expect("it ran"));
    fs::copy(cell(thawed).join("predictions.parquet"), cell(cached).join("predictions.parquet"))
        .expect("copied");
    let verified = verify(&["--only", "regime=cached"]);
    assert_code(&verified, 1);
    let said = text(&verified.stdout);
    assert!(said.contains("predictions.parquet: cell, split validation, image 0: "), "{said}");
    assert!(said.contains("0 of 1 cells are the same"), "{said}");
    // Other images.
    fs::remove_file(desk.path("images/train/cats/0.png")).expect("an image");
    let verified = verify(&[]);
    assert_code(&verified, 64);
    assert!(text(&verified.stderr).contains("were run on other images"), "{verified:?}");
}

#[test]
fn what_cannot_fit_into_memory_is_refused_before_it_begins() {
    let desk = short_desk();
    let refused = desk.sweep(&["--quiet", "--memory", "10MB"]);
    assert_code(&refused, 64);
    let said = text(&refused.stderr);
    assert!(said.contains("MiB of memory, and 10 MiB may be used"), "{said}");
    assert!(said.contains("thaw: `extract ") || said.contains("thaw: `train regime="), "{said}");
    assert!(!desk.path("runs/tiny/cells").exists(), "nothing was begun");
    assert_code(&desk.on_inputs("plan", &["--cache", "cache", "--memory", "10MB"]), 64);
    assert_code(&desk.sweep(&["--quiet", "--memory", "1GB"]), 0);
    assert_code(&desk.sweep(&["--quiet", "--memory", "much"]), 64);
    // No machine has terabytes, and nobody has to say so.
    let head = fs::read_to_string(desk.path("tiny.toml")).expect("the experiment");
    let head = head
        .replace("image_size = 64", "image_size = 320")
        .replace("hidden_units = 8", "hidden_units = 1000000");
    fs::write(desk.path("huge.toml"), head).expect("written");
    for command in ["plan", "sweep"] {
        let refused =
            desk.thaw(&[&[command, "huge.toml", "--cache", "cache", "-q"], &INPUTS[..]].concat());
        assert_code(&refused, 64);
        let said = text(&refused.stderr);
        assert!(said.contains("thaw: `train regime=") && said.contains("(hidden_units)"), "{said}");
    }
}
