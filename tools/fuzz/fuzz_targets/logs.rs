//! Every reader of logs, told apart by the bytes as in the program: no bytes may make one panic, hang or
//! take memory for what they merely declare; and what is read can be summed up.

#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(logs) = thaw_exchange::read_log_bytes(Path::new("fuzzed"), bytes) {
        for training in logs.trainings {
            let summary = training.summary();
            assert!(training.log.epochs() > 0 && !summary.is_empty());
        }
    }
});
