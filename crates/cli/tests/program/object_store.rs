//! An experiment whose records and artifacts lie in an object store, and the sentences where it cannot
//! be reached.

use std::path::Path;

use thaw_analysis::ResultsFolder;

use crate::desk::Desk;
use crate::thaw::{assert_code, refuses, succeeds, text};

/// A bucket that the environment leads to.
fn bucket() -> Option<String> {
    let bucket = std::env::var("THAW_TEST_OBJECT_STORE").ok().filter(|bucket| !bucket.is_empty());
    if bucket.is_none() {
        eprintln!("skipped: no object server (THAW_TEST_OBJECT_STORE)");
    }
    bucket
}

#[test]
fn an_experiment_in_a_bucket_gives_the_same_bits_from_sweeps_and_workers() {
    let Some(bucket) = bucket() else { return };
    let desk = Desk::new();
    assert_code(&desk.sweep(&["--quiet", "--results", "alone"]), 0);
    let name = desk.root.path().file_name().expect("a name").to_string_lossy().replace('.', "");
    let place = |what: &str| format!("{bucket}/{name}/{what}");
    let (results, cache) = (place("runs"), place("cache"));

    // One worker after the other, each with copies of its own.
    let places = ["--cache", &cache, "--results", &results];
    let planned = desk.on_inputs("plan", &[&places[..], &["--output", "plan.json"]].concat());
    succeeds(&planned);
    let listed = succeeds(&desk.thaw(&["worker", "plan.json"]));
    for number in 0..listed.lines().count() - 1 {
        let (number, local) = (number.to_string(), format!("copies-{}", number % 2));
        let step = ["worker", "plan.json", "--quiet", "--local-cache", &local, "--step", &number];
        assert_code(&desk.thaw(&step), 0);
    }
    // A sweep does what is left, and draws.
    let swept = desk.on_inputs("sweep", &[&places[..], &["--local-cache", "copies-0"]].concat());
    assert!(succeeds(&swept).contains(&format!("{results}/tiny/report.html")));
    let again = desk.on_inputs("sweep", &places);
    assert!(text(&again.stderr).contains("every cell has run before"), "{}", text(&again.stderr));
    let status = succeeds(&desk.thaw(&["status", "tiny.toml", "--results", &results]));
    assert!(status.starts_with("tiny: 6 cells: 6 done"), "{status}");
    let folder = ResultsFolder::open(Path::new(&results).join("tiny").as_path()).expect("a bucket");
    assert_eq!(desk.curves("alone"), desk.curves_in(&folder));
    let exported = desk.thaw(&["export", "tiny.toml", "--format", "csv", "--results", &results]);
    refuses(&exported, 64, &["--output"]);
}

#[test]
fn a_place_that_is_no_store_is_refused_in_a_sentence() {
    let desk = Desk::new();
    let status = |place: &str| desk.thaw(&["status", "tiny.toml", "--results", place]);
    refuses(&status("ftp://host/runs"), 69, &["s3://, gs://, az:// or file://"]);
    refuses(&status("file://host/runs"), 69, &["absolute path"]);
    if let Some(bucket) = bucket() {
        let absent = status(&format!("{bucket}-absent/runs"));
        refuses(&absent, 69, &["the server says NoSuchBucket"]);
    }
}
