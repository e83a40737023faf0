//! What every store has to do, on a folder and on a real object server.
//!
//! `THAW_TEST_OBJECT_STORE` names a bucket, such as `s3://thaw`, that the variables of the environment
//! lead to; `tools/store/test.sh` starts a server and sets them.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thaw_store::{Claimed, Store, open};

/// A folder of the test's own, and a place in the bucket.
struct Desk {
    folder: tempfile::TempDir,
    stores: Vec<Arc<dyn Store>>,
}

fn desk(test: &str) -> Desk {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stores = vec![open(&folder.path().join("store")).expect("a folder")];
    match std::env::var("THAW_TEST_OBJECT_STORE") {
        Ok(bucket) if !bucket.is_empty() => {
            let token =
                folder.path().file_name().expect("a name").to_string_lossy().replace('.', "");
            let url = format!("{bucket}/{test}-{token}");
            stores.push(open(&PathBuf::from(url)).expect("a bucket"));
        }
        _ => eprintln!("skipped: no object server (THAW_TEST_OBJECT_STORE)"),
    }
    Desk { folder, stores }
}

#[test]
fn what_is_put_is_there_whole_and_listed_by_its_next_part() {
    for store in desk("keys").stores {
        store.prepare().expect("it can be written to");
        assert_eq!(store.get("a/b").expect("readable"), None);
        assert!(store.list("a").expect("readable").is_empty());
        assert!(!store.has("a/b").expect("told"));
        store.put("a/b", b"1").expect("written");
        store.put("a/c/d", b"2").expect("written");
        store.put("a/c/e", b"2").expect("written");
        store.put("a/b", b"3").expect("replaced");
        store.put("ab", b"4").expect("written");
        assert_eq!(store.get("a/b").expect("readable"), Some(b"3".to_vec()));
        assert_eq!(store.list("a").expect("readable"), ["b", "c"]);
        assert!(store.has("a/c/d").expect("told") && !store.has("a/c").expect("told"));
        assert_eq!(store.get("ab/c").expect("nothing lies in a file"), None);
        store.remove("a/b").expect("removed");
        store.remove("a/b").expect("it is gone already");
        assert_eq!(store.list("a").expect("readable"), ["c"]);
        assert!(!store.list("").expect("readable").iter().any(|name| name.starts_with('.')));
        assert!(store.place("a/b").to_string_lossy().ends_with("/a/b"));
    }
}

/// Longer than one part of an upload.
const LONG: usize = 40 << 20;

#[test]
fn files_go_there_and_come_back_the_same() {
    let desk = desk("files");
    for (number, store) in desk.stores.iter().enumerate() {
        for length in [0, 1, LONG] {
            let bytes: Vec<u8> = (0..length).map(|place| (place * 31 % 251) as u8).collect();
            let [from, to] = ["from", "to/the/file"].map(|name| desk.folder.path().join(name));
            std::fs::write(&from, &bytes).expect("written");
            store.upload(&from, "files/one").expect("uploaded");
            assert!(store.download("files/one", &to).expect("downloaded"));
            assert!(std::fs::read(&to).expect("a file") == bytes, "store {number}, {length} bytes");
        }
        let absent = desk.folder.path().join("absent");
        assert!(!store.download("files/two", &absent).expect("told"));
        assert!(!absent.exists());
        assert!(store.upload(&absent, "files/two").is_err());
    }
}

#[test]
fn a_claim_is_granted_once_at_a_time() {
    for store in desk("claims").stores {
        let granted = AtomicUsize::new(0);
        let times = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        if let Claimed::Ours(claim) = store.claim("cell").expect("claims") {
                            assert_eq!(granted.fetch_add(1, Ordering::SeqCst), 0);
                            times.fetch_add(1, Ordering::SeqCst);
                            assert!(!claim.is_lost());
                            std::thread::yield_now();
                            granted.fetch_sub(1, Ordering::SeqCst);
                            drop(claim);
                        }
                    }
                });
            }
        });
        assert!(times.into_inner() > 0);
        assert_eq!(store.claimed_by("cell").expect("claims"), None);
        assert!(store.list("claims").expect("readable").is_empty());
    }
}

/// A claim as another machine wrote it.
fn elsewhere(store: &dyn Store, beat_unix_seconds: u64) {
    let Claimed::Ours(claim) = store.claim("cell").expect("claims") else { panic!("free") };
    let bytes = store.get("claims/cell.json").expect("readable").expect("a claim");
    drop(claim);
    let mut owner: serde_json::Value = serde_json::from_slice(&bytes).expect("an owner");
    owner["host"] = "another".into();
    owner["space"] = "elsewhere".into();
    owner["beat_unix_seconds"] = beat_unix_seconds.into();
    store.put("claims/cell.json", owner.to_string().as_bytes()).expect("written");
}

#[test]
fn clocks_that_differ_do_not_make_a_living_worker_dead() {
    for store in desk("clocks").stores {
        // It beat just now, as the store knows, whatever its own clock said.
        for clock in [0, 4_000_000_000] {
            elsewhere(store.as_ref(), clock);
            let Claimed::Theirs(owner) = store.claim("cell").expect("claims") else {
                panic!("it lives")
            };
            assert_eq!(owner.host, "another");
            assert_eq!(store.claimed_by("cell").expect("claims"), Some(owner));
            store.remove("claims/cell.json").expect("removed");
        }
    }
}

#[test]
fn what_is_no_claim_is_nobodys() {
    for store in desk("torn").stores {
        store.put("claims/cell.json", b"torn").expect("written");
        assert_eq!(store.claimed_by("cell").expect("claims"), None);
        assert!(matches!(store.claim("cell").expect("claims"), Claimed::Ours(_)));
    }
}

#[test]
fn two_that_tidy_the_same_folder_are_not_in_each_others_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let cell = folder.path().join("cells/a");
    std::fs::create_dir_all(&cell).expect("a folder");
    for number in 0..2000 {
        std::fs::write(cell.join(format!(".thaw-{number}")), b"torn").expect("written");
    }
    let store = open(folder.path()).expect("a folder");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| store.tidy("cells/a").expect("tidied"));
        }
    });
    assert_eq!(std::fs::read_dir(&cell).expect("a folder").count(), 0);
    std::fs::write(folder.path().join("cells/notes.txt"), b"mine").expect("written");
    store.tidy("cells/notes.txt").expect("nothing lies in a file");
}
