//! Experiments, expectations and the settings of a launcher: refused with a sentence that names the file,
//! or understood as far as the ids of all cells.

#![no_main]

use thaw_spec::{ContentHash, Expectations, Experiment, Inputs, LauncherSettings};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Experiment::parse("fuzzed.toml", text) {
        Ok(experiment) => {
            let inputs = Inputs {
                dataset: ContentHash::from_digest(b"images"),
                weights: ContentHash::from_digest(b"weights"),
                classes: vec!["cats".to_owned(), "dogs".to_owned()],
            };
            let cells = experiment.cells(&inputs);
            for cell in cells.iter().take(100) {
                assert_eq!(cell.id(), cell.clone().id());
            }
        }
        Err(error) => assert!(error.to_string().contains("fuzzed.toml"), "{error}"),
    }
    if let Ok(expectations) = Expectations::parse("fuzzed.toml", text) {
        let _ = expectations.check_selectors(&[("regime".to_owned(), vec!["cached".to_owned()])]);
    }
    let _ = LauncherSettings::parse("fuzzed.toml", text);
});
