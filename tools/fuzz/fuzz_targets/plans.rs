//! `plan.json`: refused, or a plan that is written as it was read.

#![no_main]

use thaw_run::PlanFile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    if let Ok(plan) = PlanFile::read(file.path()) {
        std::fs::write(file.path(), plan.text()).expect("written");
        let again = PlanFile::read(file.path()).expect("what was written");
        assert_eq!(again.text(), plan.text());
        for step in &plan.steps {
            assert!(plan.step(&step.id).is_ok());
        }
    }
});
