//! What the packages hold, so that they build without the repository around them.

use crate::markdown::repository;
use crate::thaw::thaw_in;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_program_holds_the_miniature_as_the_repository_has_it() {
    for name in ["miniature.toml", "miniature.expected.toml"] {
        let (here, there) =
            (format!("experiments/{name}"), format!("crates/cli/src/miniature/{name}"));
        assert_eq!(read(&here), read(&there), "after a change: cp {here} {there}");
    }
}

#[test]
fn the_recorded_version_of_candle_is_the_one_that_is_compiled() {
    let version = thaw_model::CANDLE_VERSION;
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    for name in ["candle-core", "candle-nn"] {
        let demanded = manifest["workspace"]["dependencies"][name].as_str();
        assert_eq!(demanded, Some(format!("={version}").as_str()), "{name} in Cargo.toml");
        let locked: Vec<_> = packages
            .iter()
            .filter(|package| package["name"].as_str() == Some(name))
            .filter_map(|package| package["version"].as_str())
            .collect();
        assert_eq!(locked, [version], "{name} in Cargo.lock");
    }
}

#[test]
fn the_program_names_its_version_and_commit() {
    let output = thaw_in(&repository()).arg("--version").output().expect("output");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let rest = text.strip_prefix(concat!("thaw ", env!("CARGO_PKG_VERSION"), " (")).expect(&text);
    let commit = rest.strip_suffix(")\n").expect(&text).trim_end_matches('+');
    let hash = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(hash || commit == "unknown", "{text}");
}
