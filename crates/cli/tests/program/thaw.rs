//! The program, and what it answers.

use std::path::Path;
use std::process::{self, Output};

use assert_cmd::Command;

/// The program in a folder. What is set for other experiments does not disturb it.
pub(crate) fn thaw_in(folder: &Path) -> Command {
    Command::from_std(process_in(folder))
}

/// The same, to be started and watched.
pub(crate) fn process_in(folder: &Path) -> process::Command {
    let mut command = process::Command::new(assert_cmd::cargo::cargo_bin("thaw"));
    for variable in [
        "THAW_CACHE",
        "THAW_DATA",
        "THAW_LAUNCHER_SETTINGS",
        "THAW_LOCAL_CACHE",
        "THAW_RESULTS",
        "THAW_WEIGHTS",
    ] {
        command.env_remove(variable);
    }
    command.current_dir(folder);
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub(crate) fn assert_code(output: &Output, code: i32) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
}

/// What the program printed; it ended well.
#[track_caller]
pub(crate) fn succeeds(output: &Output) -> String {
    assert_code(output, 0);
    text(&output.stdout)
}

/// The program ended with a code and with one sentence that has all these words.
#[track_caller]
pub(crate) fn refuses(output: &Output, code: i32, words: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert_eq!(message.trim().lines().count(), 1, "one sentence: {message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}
