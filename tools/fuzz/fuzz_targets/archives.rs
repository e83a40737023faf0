//! The downloaded archive of photographs: whatever its bytes, nothing is written beside the folder that is
//! asked for, and a folder stands there whole or not at all.

#![no_main]

use std::fs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir().expect("a folder");
    let archive = place.path().join("archive.zip");
    fs::write(&archive, bytes).expect("written");
    let target = place.path().join("within/photographs");
    let done = thaw_fetch::split_cats_and_dogs(&archive, &target);
    assert_eq!(done.is_ok(), target.exists());
    let beside = fs::read_dir(place.path()).expect("listed").count();
    assert!(beside <= 2, "an entry was written beside the folder");
});
