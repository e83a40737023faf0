//! Tells the program which commit it is built from.

use std::process::Command;

/// In a package, Cargo notes here the commit that the package was made from.
const PACKAGED: &str = ".cargo_vcs_info.json";

fn main() {
    // This line keeps Cargo from watching every file of the package.
    println!("cargo::rerun-if-changed=build.rs");
    let commit = packaged().or_else(checked_out).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=THAW_COMMIT={commit}");
}

/// The commit of a package.
fn packaged() -> Option<String> {
    let text = std::fs::read_to_string(PACKAGED).ok()?;
    println!("cargo::rerun-if-changed={PACKAGED}");
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    Some(marked(rest.get(..12)?, text.contains("\"dirty\": true")))
}

/// The commit of a checkout; nothing where another repository holds a copy of these sources.
fn checked_out() -> Option<String> {
    if git(&["ls-files", "--full-name", "build.rs"])? != "crates/run/build.rs" {
        return None;
    }
    let folder = git(&["rev-parse", "--git-dir"])?;
    println!("cargo::rerun-if-changed=..");
    println!("cargo::rerun-if-changed={folder}/HEAD");
    println!("cargo::rerun-if-changed={folder}/index");
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // Only tracked files count: results that a run adds do not change the program.
    let changes =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "..", "../../Cargo.lock"])?;
    Some(marked(&commit, !changes.is_empty()))
}

/// A commit, with a mark when files differ from it.
fn marked(commit: &str, changed: bool) -> String {
    format!("{commit}{}", if changed { "+" } else { "" })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
