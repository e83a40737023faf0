//! A published curve: one run of a file, by its name. The first line is the name.

#![no_main]

use std::path::Path;

use thaw_spec::Metric;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (name, text) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let name = String::from_utf8_lossy(name);
    let Ok(logs) = thaw_exchange::read_log_bytes(Path::new("fuzzed"), text) else { return };
    if let Ok(log) = logs.take(Path::new("fuzzed"), &name) {
        assert!(log.name == name);
        for metric in Metric::ALL {
            let curve = log.log.curve(metric);
            assert!(curve.is_empty() || curve.len() == log.log.epochs_of(metric).len());
        }
    }
});
