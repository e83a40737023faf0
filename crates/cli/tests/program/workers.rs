//! Many workers on one experiment: sweeps beside each other, processes of one sweep, single steps of a
//! plan. Some are killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use thaw_analysis::ResultsFolder;
use thaw_spec::CellId;
use thaw_store::{Claimed, FolderStore, Store as _};

use crate::desk::{Desk, EXPERIMENT, INPUTS};
use crate::thaw::{assert_code, process_in, refuses, succeeds, text, thaw_in};

/// Three workers share one experiment; two of them are killed, at moments that a clock chooses, and
/// replaced.
#[test]
fn workers_share_an_experiment_and_the_cells_of_killed_ones_are_taken_over() {
    let desk = Desk::with_long_cells();
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    let worker = |number: usize| {
        let log = fs::File::create(desk.path(&format!("worker-{number}.log"))).expect("a log");
        process_in(desk.root.path())
            .args(["sweep", "tiny.toml", "--log-format", "json", "--threads", "1"])
            .args(INPUTS)
            .args(["--cache", "shared-cache", "--results", "shared"])
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("a worker")
    };
    let mut workers: Vec<_> = (0..3).map(worker).collect();
    for number in 0..2 {
        std::thread::sleep(Duration::from_millis(u64::from(200 + chance(600))));
        // SIGKILL: nothing is tidied up.
        let _ = workers[number].kill();
        let _ = workers[number].wait();
        workers.push(worker(3 + number));
    }
    for (number, mut worker) in workers.into_iter().enumerate().skip(2) {
        let status = worker.wait().expect("it ends");
        let log = fs::read_to_string(desk.path(&format!("worker-{number}.log")));
        assert!(status.success(), "worker {number}: {status}\n{}", log.expect("a log"));
    }
    assert_eq!(desk.curves("alone"), desk.curves("shared"));
    let mut trained = BTreeMap::new();
    for number in 0..5 {
        let log = fs::read_to_string(desk.path(&format!("worker-{number}.log"))).expect("a log");
        for line in log.lines().filter(|line| line.contains("\"event\":\"step_finished\"")) {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let ended = event["result"] == "completed"
                || event["result"] == "THAWED: the base was declared frozen and moved";
            if let (Some(cell), true) = (event["cell"].as_str(), ended) {
                *trained.entry(cell.to_owned()).or_insert(0) += 1;
            }
        }
    }
    // The ends of two may be missing: their workers were killed before they could tell.
    assert!((4..=6).contains(&trained.len()), "{trained:?}");
    assert!(trained.values().all(|times| *times == 1), "nothing runs twice: {trained:?}");
    // That of a worker that was killed behind its last cell may lie there still.
    let folder = ResultsFolder::new(desk.path("shared/tiny"));
    for cell in folder.manifests().expect("cells").0 {
        assert_eq!(folder.claimed_by(&cell.id).expect("claims"), None);
    }
}

impl Desk {
    /// A desk with longer cells, so that workers are killed within them.
    fn with_long_cells() -> Self {
        let desk = Self::new();
        let longer = EXPERIMENT.replace("epochs = 2", "epochs = 12");
        fs::write(desk.path("tiny.toml"), longer).expect("written");
        desk
    }

    /// Writes `plan.json`, with cache and results of its own.
    fn plan(&self) {
        let places = ["--cache", "planned-cache", "--results", "planned"];
        let planned = self.on_inputs("plan", &[&places[..], &["--output", "plan.json"]].concat());
        assert!(succeeds(&planned).contains("steps to plan.json"), "{}", text(&planned.stdout));
    }

    /// The value that `plan.json` says when a part of it is another.
    fn change_plan(&self, change: impl Fn(&mut serde_json::Value)) {
        let path = self.path("plan.json");
        let mut plan = serde_json::from_slice(&fs::read(&path).expect("a plan")).expect("JSON");
        change(&mut plan);
        fs::write(path, plan.to_string()).expect("written");
    }

    fn worker(&self, more: &[&str]) -> std::process::Output {
        self.thaw(&[&["worker", "plan.json", "--quiet"], more].concat())
    }

    /// A sweep whose steps are processes.
    fn processes(&self, more: &[&str]) -> Child {
        let log = fs::File::create(self.path("processes.log")).expect("a log");
        process_in(self.root.path())
            .args(["sweep", "tiny.toml"])
            .args(INPUTS)
            .args(["--launcher", "processes", "--threads", "2", "--log-format", "json"])
            .args(["--cache", "process-cache", "--results", "processes"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a sweep")
    }

    /// Waits until a sweep with processes has begun a cell, which then has a manifest.
    fn wait_for_the_first_cell(&self, sweep: &mut Child) {
        let cells = ResultsFolder::new(self.path("processes/tiny"));
        while cells.manifests().expect("cells").0.is_empty() {
            assert!(
                sweep.try_wait().expect("a process").is_none(),
                "it ended before its first cell"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether the system tells the children of a process, as Linux does.
fn tells_children() -> bool {
    let tells = Path::new("/proc/self/task").exists();
    if !tells {
        eprintln!("skipped: the system does not tell the children of a process");
    }
    tells
}

/// The worker processes that a sweep has started and that live now.
fn children(parent: &Child) -> Vec<u32> {
    let folder = format!("/proc/{0}/task", parent.id());
    let threads = fs::read_dir(folder).into_iter().flatten().flatten();
    let children =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let all: Vec<String> = children.collect();
    all.iter().flat_map(|text| text.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}

fn kill(pid: u32) {
    let pid = pid.to_string();
    // It may have ended in the meantime.
    let _ = std::process::Command::new("kill").args(["-9", &pid]).stderr(Stdio::null()).status();
}

/// A number that a clock chooses.
pub(crate) fn chance(below: u32) -> u32 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").subsec_micros() % below
}

#[test]
fn killed_processes_are_tried_again_and_record_the_same_bits() {
    if !tells_children() {
        return;
    }
    let desk = Desk::with_long_cells();
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    let mut sweep = desk.processes(&["--retries", "100"]);
    let mut killed = 0;
    while sweep.try_wait().expect("a process").is_none() {
        std::thread::sleep(Duration::from_millis(u64::from(20 + chance(300))));
        if let (Some(pid), true) = (children(&sweep).first(), killed < 12) {
            kill(*pid);
            killed += 1;
        }
    }
    let log = fs::read_to_string(desk.path("processes.log")).expect("a log");
    assert!(sweep.wait().expect("it ended").success(), "{killed} killed\n{log}");
    assert!(killed > 0, "a sweep takes longer than the first pause");
    assert_eq!(desk.curves("alone"), desk.curves("processes"));
}

#[test]
fn a_process_that_is_killed_fails_its_cell_alone() {
    if !tells_children() {
        return;
    }
    let desk = Desk::with_long_cells();
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    let mut sweep = desk.processes(&["--jobs", "1"]);
    desk.wait_for_the_first_cell(&mut sweep);
    children(&sweep).into_iter().for_each(kill);
    let status = sweep.wait().expect("it ends");
    let log = fs::read_to_string(desk.path("processes.log")).expect("a log");
    assert_eq!(status.code(), Some(70), "{log}");
    assert!(log.contains("its process was killed (signal 9)"), "{log}");
    let told = desk.thaw(&["status", "tiny.toml", "--results", "processes"]);
    let told = succeeds(&told);
    assert!(told.contains("5 done, 1 failed") && told.contains("signal 9"), "{told}");
    assert!(desk.processes(&[]).wait().expect("it ends").success());
    assert_eq!(desk.curves("alone"), desk.curves("processes"));
}

#[test]
fn processes_end_with_the_sweep_that_started_them() {
    if !tells_children() {
        return;
    }
    let desk = Desk::new();
    let endless = EXPERIMENT.replace("epochs = 2", "epochs = 100000");
    fs::write(desk.path("tiny.toml"), endless).expect("written");
    let mut sweep = desk.processes(&["--only", "regime=thawed"]);
    desk.wait_for_the_first_cell(&mut sweep);
    let workers = children(&sweep);
    assert!(!workers.is_empty());
    sweep.kill().expect("killed");
    sweep.wait().expect("it ends");
    let lives = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        text.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    for _ in 0..1000 {
        if !workers.iter().any(lives) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("they work on for nobody");
}

#[test]
fn the_steps_of_a_plan_give_the_bits_of_a_sweep() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    desk.plan();
    let listed = succeeds(&desk.thaw(&["worker", "plan.json"]));
    let names: Vec<&str> =
        listed.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("fit-")).count(), 6, "{listed}");
    for (number, name) in names.iter().enumerate() {
        // By its name or by its number.
        let number = number.to_string();
        let step = if name.starts_with("fit-") { name } else { number.as_str() };
        assert_eq!(succeeds(&desk.worker(&["--step", step])), "");
    }
    assert_eq!(desk.curves("alone"), desk.curves("planned"));
    // What is there is not made again.
    let cells = || fs::read_dir(desk.path("planned/tiny/cells")).expect("cells");
    let records = || -> BTreeMap<_, _> {
        let file = |cell: fs::DirEntry| cell.path().join("cell.json");
        let files = cells().map(|cell| file(cell.expect("a cell")));
        files.map(|file| (file.clone(), fs::read(file).expect("a manifest"))).collect()
    };
    let before = records();
    names.iter().for_each(|name| drop(succeeds(&desk.worker(&["--step", name]))));
    assert_eq!(records(), before);
}

#[test]
fn a_worker_refuses_what_its_plan_was_not_made_for() {
    let desk = Desk::new();
    desk.plan();
    let fit = succeeds(&desk.thaw(&["worker", "plan.json"]));
    let fit = fit
        .lines()
        .find_map(|line| line.split_whitespace().nth(1).filter(|id| id.starts_with("fit-")));
    let fit = fit.expect("a cell");
    refuses(&desk.worker(&["--step", "fit-0"]), 64, &["no step `fit-0`", "numbered from 0"]);
    refuses(&desk.worker(&["--step", "99"]), 64, &["no step `99`"]);
    refuses(&desk.thaw(&["worker", "nowhere.json"]), 66, &["nowhere.json", "cannot read"]);
    refuses(&desk.thaw(&["worker", "tiny.toml"]), 65, &["tiny.toml", "is not a plan"]);

    // Other images: a file more, a file of another size.
    fs::rename(desk.path("images/train/cats/4.png"), desk.path("4.png")).expect("renamed");
    refuses(&desk.worker(&["--step", "0"]), 65, &["images", "not what the plan was made for"]);
    fs::rename(desk.path("4.png"), desk.path("images/train/cats/4.png")).expect("renamed");
    // The same images elsewhere.
    fs::rename(desk.path("images"), desk.path("moved")).expect("renamed");
    refuses(&desk.worker(&["--step", "0"]), 66, &["images", "no such folder"]);
    assert_code(&desk.worker(&["--step", "0", "--data", "moved"]), 0);
    fs::rename(desk.path("moved"), desk.path("images")).expect("renamed");
    // Other weights.
    let mut weights = fs::read(desk.path("weights.safetensors")).expect("weights");
    *weights.last_mut().expect("a byte") ^= 1;
    fs::write(desk.path("other.safetensors"), weights).expect("written");
    let other = desk.worker(&["--step", fit, "--weights", "other.safetensors"]);
    refuses(&other, 65, &["other.safetensors", "not what the plan was made for"]);

    // What it needs has not been made; that is no failure of the cell.
    refuses(&desk.worker(&["--step", fit]), 66, &[fit, "has to be run first"]);
    let listed = succeeds(&desk.thaw(&["worker", "plan.json"]));
    for line in listed.lines().filter(|line| !line.contains("fit-")) {
        let id = line.split_whitespace().nth(1).expect("a name");
        assert_code(&desk.worker(&["--step", id]), 0);
    }

    // A claim of a living worker.
    let folder = ResultsFolder::new(desk.path("planned/tiny"));
    let id: CellId =
        serde_json::from_value(fit.trim_start_matches("fit-").into()).expect("an identifier");
    let Claimed::Ours(claim) = folder.claim(&id).expect("claims") else { panic!("it is free") };
    refuses(&desk.worker(&["--step", fit]), 75, &[fit, "works on it", "--wait"]);
    drop(claim);

    // Steps that are not what their names say.
    let written = fs::read(desk.path("plan.json")).expect("a plan");
    for (part, value) in [
        ("/steps/0/number", serde_json::json!(7)),
        ("/steps/0/needs", serde_json::json!([3])),
        ("/steps/0/step/decode/cell/procedure/image_size", serde_json::json!(1_u64 << 40)),
        ("/steps/0/step/decode/cell/inputs/weights", serde_json::json!("0".repeat(64))),
        ("/steps/1/step/extract/blocks", serde_json::json!(99)),
    ] {
        desk.change_plan(|plan| *plan.pointer_mut(part).expect(part) = value.clone());
        refuses(&desk.worker(&["--step", "0"]), 65, &["is not what its name says"]);
        fs::write(desk.path("plan.json"), &written).expect("written");
    }

    // Plans of other versions.
    desk.change_plan(|plan| plan["format"] = 2.into());
    refuses(&desk.worker(&["--step", "0"]), 65, &["plan.json", "format 2", "thaw plan --output"]);
    desk.change_plan(|plan| plan["format"] = 1.into());
    desk.change_plan(|plan| plan["thaw"] = "0.0.1 (0a1b2c3)".into());
    refuses(&desk.worker(&["--step", "0"]), 65, &["plan of thaw 0.0.1"]);
    assert!(!desk.path("planned/tiny/cells").exists(), "nothing was written");
}

/// The names of the steps of `plan.json`.
fn steps(desk: &Desk) -> Vec<String> {
    let listed = succeeds(&desk.thaw(&["worker", "plan.json"]));
    let name = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    listed.lines().filter_map(name).collect()
}

#[test]
fn a_worker_finds_its_results_where_a_sweep_does_and_says_which_step_mends_its_cache() {
    let desk = Desk::new();
    let cell = ["--only", "regime=cached", "--seeds", "0"];
    let places = ["--cache", "planned-cache", "--results", "planned", "--output", "plan.json"];
    succeeds(&desk.on_inputs("plan", &[&cell[..], &places].concat()));
    let steps = steps(&desk);
    for step in &steps {
        assert_code(&desk.worker(&["--step", step, "--results", "moved"]), 0);
    }
    let status = [&["status", "tiny.toml", "--results", "moved"], &cell[..]].concat();
    assert!(succeeds(&desk.thaw(&status)).contains("1 done"));
    for file in fs::read_dir(desk.path("planned-cache/pixels")).expect("pixels") {
        let file = file.expect("a file").path();
        let mut bytes = fs::read(&file).expect("pixels");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&file, bytes).expect("damaged");
    }
    let fit = steps.last().expect("a step");
    let words = ["was damaged", "run the step that makes it again, and then this one"];
    refuses(&desk.worker(&["--step", fit]), 65, &words);
}

#[test]
fn a_worker_that_waits_for_another_begins_its_step_once() {
    let desk = Desk::new();
    desk.plan();
    let steps = steps(&desk);
    let decode = steps.iter().find(|step| step.starts_with("decode-")).expect("a step");
    let cache = FolderStore::new(desk.path("planned-cache"));
    let claim = cache.claim(decode.trim_start_matches("decode-")).expect("claims");
    assert!(matches!(claim, Claimed::Ours(_)));
    let waits = ["--wait", "3s", "--log-format", "json"];
    let waited = desk.thaw(&[&["worker", "plan.json", "--step", decode], &waits[..]].concat());
    assert_code(&waited, 75);
    let said = text(&waited.stderr);
    assert_eq!(said.matches("\"step_started\"").count(), 1, "{said}");
}

#[test]
#[cfg(unix)]
fn a_repetition_that_is_stopped_says_what_it_leaves_as_it_was() {
    let desk = Desk::new();
    let endless = EXPERIMENT.replace("epochs = 2", "epochs = 100000");
    fs::write(desk.path("tiny.toml"), endless).expect("written");
    let mut sweep = desk.processes(&["--only", "regime=thawed", "--jobs", "1", "--force"]);
    desk.wait_for_the_first_cell(&mut sweep);
    signal(&sweep, "-TERM");
    assert_eq!(sweep.wait().expect("it ends").code(), Some(143));
    let log = fs::read_to_string(desk.path("processes.log")).expect("a log");
    let words = "without --force goes on from here, but 1 cell(s) were not begun";
    assert!(log.contains(words), "{log}");
}

#[test]
fn the_checkpoint_of_a_cell_with_damaged_records_stays_and_the_damage_is_said() {
    let desk = Desk::new();
    let one = ["--quiet", "--only", "regime=cached", "--seeds", "0"];
    assert_code(&desk.sweep(&one), 0);
    let cells = ResultsFolder::new(desk.path("runs/tiny")).manifests().expect("cells").0;
    let id = &cells[0].id;
    let checkpoint = desk.path(&format!("cache/checkpoints/{id}.safetensors"));
    fs::create_dir_all(desk.path("cache/checkpoints")).expect("a folder");
    fs::write(&checkpoint, b"of an interrupted run").expect("written");
    fs::write(desk.path(&format!("runs/tiny/cells/{id}/cell.json")), b"{}").expect("damaged");
    // A file among the cells is in nobody's way.
    fs::write(desk.path("runs/tiny/cells/notes.txt"), b"mine").expect("written");
    let swept = desk.sweep(&one);
    assert_code(&swept, 65);
    assert!(text(&swept.stderr).contains("cell.json"), "{}", text(&swept.stderr));
    assert!(checkpoint.exists());
}

#[test]
fn a_watch_without_a_terminal_tells_in_lines_what_changes_and_ends_with_the_sweep() {
    let desk = Desk::new();
    let mut watch = process_in(desk.root.path())
        .args(["watch", "tiny.toml", "--results", "runs", "--every", "20ms"])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("a watch");
    // Its first look comes before the sweep's first claim.
    let mut said = BufReader::new(watch.stdout.take().expect("its output"));
    let mut told = String::new();
    said.read_line(&mut told).expect("a line");
    assert_code(&desk.sweep(&["--quiet"]), 0);
    said.read_to_string(&mut told).expect("lines");
    watch.wait().expect("it ends");
    let ended = told.lines().filter(|line| line.starts_with("done ")).count();
    assert_eq!(ended, 6, "{told}");
    assert!(told.starts_with("tiny: 6 cells: 6 waiting; no cell is being trained"), "{told}");
    let last = told.lines().last().expect("a line");
    assert!(last.starts_with("tiny: 6 cells: 6 done"), "{told}");
    let thawed = "regime=thawed seed 1 · epoch 2 of 2, validation accuracy";
    let thawed = told.lines().find(|line| line.starts_with("done") && line.contains(thawed));
    assert!(thawed.is_some_and(|line| line.contains("THAWED")), "{told}");
    refuses(&desk.thaw(&["watch", "nowhere.toml"]), 66, &["nowhere.toml"]);
}

#[test]
fn images_that_are_left_out_are_recorded_whoever_works() {
    let desk = Desk::new();
    fs::write(desk.path("images/train/cats/3.png"), b"no image").expect("written");
    fs::rename(desk.path("images/train/cats/3.png"), desk.path("images/train/cats/3.jpg"))
        .expect("renamed");
    let options =
        ["--skip-unreadable-images", "--quiet", "--only", "regime=cached", "--seeds", "0"];
    let skipped = |results: &str| {
        let cells =
            ResultsFolder::new(desk.path(results).join("tiny")).manifests().map(|found| found.0);
        let cells = cells.expect("cells");
        let [cell] = &cells[..] else { panic!("one cell") };
        (cell.images, cell.skipped_images.clone())
    };
    assert_code(&desk.sweep(&[&options[..], &["--results", "alone"]].concat()), 0);
    let by_processes = ["--results", "processes", "--launcher", "processes"];
    assert_code(&desk.sweep(&[&options[..], &by_processes].concat()), 0);
    assert_eq!(skipped("alone"), ([9, 6, 4], vec!["train/cats/3.jpg".to_owned()]));
    assert_eq!(skipped("processes"), skipped("alone"));
    let refused = desk.sweep(&["--quiet", "--retries", "1"]);
    refuses(&refused, 64, &["--retries needs --launcher processes"]);
}

#[test]
fn a_plan_of_batches_of_one_image_or_of_more_than_there_are_is_foretold() {
    let desk = Desk::new();
    for batch in ["1", "100000"] {
        let experiment = EXPERIMENT.replace("batch_size = 4", &format!("batch_size = {batch}"));
        fs::write(desk.path("tiny.toml"), experiment).expect("written");
        desk.plan();
        let plan = fs::read(desk.path("plan.json")).expect("a plan");
        let plan: serde_json::Value = serde_json::from_slice(&plan).expect("JSON");
        let steps = plan["steps"].as_array().expect("steps");
        assert!(steps.iter().all(|step| step["seconds"].as_f64().is_some_and(|time| time > 0.0)));
    }
}

#[test]
fn what_is_damaged_is_said_of_its_cell_alone() {
    let desk = Desk::new();
    assert_code(&desk.sweep(&["--quiet"]), 0);
    let cells = ResultsFolder::new(desk.path("runs/tiny")).manifests().expect("cells").0;
    let damaged = desk.path("runs/tiny/cells").join(cells[0].id.as_str()).join("epochs.parquet");
    fs::write(&damaged, b"PAR1").expect("written");
    let told = succeeds(&desk.thaw(&["status", "tiny.toml"]));
    assert!(told.contains("5 done, 1 unreadable") && told.contains("epochs.parquet"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_plan_cannot_hold_a_name_that_is_not_unicode() {
    use std::os::unix::ffi::OsStrExt as _;
    let desk = Desk::new();
    let planned = thaw_in(desk.root.path())
        .args(["plan", "tiny.toml"])
        .args(INPUTS)
        .args(["--output", "plan.json", "--cache"])
        .arg(std::ffi::OsStr::from_bytes(b"bad\xff"))
        .output()
        .expect("it runs");
    assert_code(&planned, 65);
    let said = text(&planned.stderr);
    assert!(said.contains("a plan cannot hold this name, which is not UTF-8"), "{said}");
    assert!(!desk.path("plan.json").exists());
}

/// Sends a signal to a process.
#[cfg(unix)]
fn signal(process: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &process.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// A signal ends the batch, not the cell: whatever is done stands in a checkpoint, also within an
/// epoch.
#[test]
#[cfg(unix)]
fn a_sweep_that_is_stopped_says_how_to_go_on_and_goes_on_to_the_same_bits() {
    let desk = Desk::with_long_cells();
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    for (launcher, name, code) in [("threads", "-INT", 130), ("processes", "-TERM", 143)] {
        let places = ["--cache", "stopped-cache", "--results", launcher, "--launcher", launcher];
        let begin = || {
            let log = fs::File::create(desk.path("stopped.log")).expect("a log");
            process_in(desk.root.path())
                .args(["sweep", "tiny.toml", "--threads", "2"])
                .args(INPUTS)
                .args(places)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("a sweep")
        };
        let mut stopped = 0;
        loop {
            let mut sweep = begin();
            std::thread::sleep(Duration::from_millis(u64::from(300 + chance(700))));
            if sweep.try_wait().expect("a process").is_none() {
                signal(&sweep, name);
            }
            let status = sweep.wait().expect("it ends");
            let log = fs::read_to_string(desk.path("stopped.log")).expect("a log");
            if status.success() {
                break;
            }
            assert_eq!(status.code(), Some(code), "{log}");
            assert!(log.contains("the same command goes on from here"), "{log}");
            stopped += 1;
        }
        assert!(stopped > 0, "it took longer than the first pause");
        assert_eq!(
            desk.curves("alone"),
            desk.curves(launcher),
            "{launcher}, stopped {stopped} times"
        );
        fs::remove_dir_all(desk.path("stopped-cache")).expect("a cache");
    }
}

#[test]
fn what_slurm_cannot_do_is_said_before_anything_is_submitted() {
    let desk = Desk::new();
    let slurm = |more: &[&str]| {
        let launched = ["--launcher", "slurm", "--cache", "cache", "--results", "slurm"];
        // A path on which there is nothing.
        let mut command = thaw_in(desk.root.path());
        command.env("PATH", desk.path("nothing")).args(["sweep", "tiny.toml"]).args(INPUTS);
        command.args(launched).args(more).output().expect("it runs")
    };
    let site = "[launcher.slurm]\ntime = \"1:00:00\"\n";
    fs::write(desk.path("site.toml"), site).expect("written");
    let of_site = slurm(&["--launcher-settings", "site.toml"]);
    refuses(&of_site, 69, &["this is no machine of a Slurm cluster"]);
    fs::write(desk.path("site.toml"), site.replace("time", "tiem")).expect("written");
    refuses(&slurm(&["--launcher-settings", "site.toml"]), 78, &["site.toml:2:", "tiem"]);
    refuses(&slurm(&["--precision", "1.0"]), 64, &["does not wait"]);
}

#[test]
fn a_watch_ends_when_nobody_reads_what_it_says() {
    let desk = Desk::new();
    let mut watch = process_in(desk.root.path())
        .args(["watch", "tiny.toml", "--every", "1ms"])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("a watch");
    let mut said = BufReader::new(watch.stdout.take().expect("its output"));
    let mut first = String::new();
    said.read_line(&mut first).expect("a line");
    drop(said);
    let mut ended = None;
    for _ in 0..3000 {
        ended = watch.try_wait().expect("a process");
        if ended.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // It is gone already, unless it watches on for nobody.
    let _ = watch.kill();
    watch.wait().expect("it ends");
    assert!(first.starts_with("tiny: 6 cells: 6 waiting"), "{first}");
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
}
