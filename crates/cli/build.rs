//! Tells the program which commit it is built from.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // Only tracked files count: results that a run adds do not change the program.
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "..", "../../Cargo.lock"])
            .is_some_and(|changes| !changes.is_empty());
    println!("cargo::rustc-env=THAW_COMMIT={commit}{}", if changed { "+" } else { "" });
    println!("cargo::rerun-if-changed=..");
    if let Some(folder) = git(&["rev-parse", "--git-dir"]) {
        println!("cargo::rerun-if-changed={folder}/HEAD");
        println!("cargo::rerun-if-changed={folder}/index");
    }
}
