//! Every reader of checkpoints, as `thaw audit` uses them: each tensor is listed with its numbers or with
//! the reason. And as the weights of a base.

#![no_main]

use std::path::Path;

use thaw_model::{ComparisonOptions, Weights, list_bytes};
use thaw_spec::Architecture;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(listing) = list_bytes(Path::new("fuzzed"), bytes, &ComparisonOptions::default()) {
        for tensor in listing.tensors {
            assert!(tensor.number_type.is_ok() || tensor.bytes == 0);
        }
    }
    let _ = Weights::from_bytes(Path::new("fuzzed"), bytes, Architecture::MiniVgg);
});
