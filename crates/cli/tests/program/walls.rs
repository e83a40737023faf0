//! The direction of dependencies between the crates, and which crate may use which library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The libraries that only some crates may use.
const KEPT: [&str; 6] = ["candle-core", "candle-nn", "polars", "polars-io", "plotters", "clap"];

/// What each crate may use of ours and of [`KEPT`].
const ALLOWED: [(&str, &[&str]); 12] = [
    ("spec", &[]),
    ("store", &[]),
    ("data", &["thaw-spec", "thaw-store"]),
    ("conv", &["candle-core"]),
    ("model", &["thaw-spec", "thaw-conv", "candle-core", "candle-nn"]),
    ("train", &["thaw-spec", "thaw-store", "thaw-data", "thaw-model", "candle-core", "candle-nn"]),
    ("analysis", &["thaw-spec", "thaw-store", "polars", "polars-io"]),
    (
        "run",
        &[
            "thaw-spec",
            "thaw-store",
            "thaw-data",
            "thaw-model",
            "thaw-train",
            "thaw-analysis",
            "candle-core",
        ],
    ),
    ("report", &["thaw-spec", "thaw-analysis", "plotters"]),
    ("fetch", &["thaw-store"]),
    ("exchange", &["thaw-spec", "thaw-store"]),
    (
        "cli",
        &[
            "thaw-spec",
            "thaw-store",
            "thaw-data",
            "thaw-model",
            "thaw-train",
            "thaw-analysis",
            "thaw-run",
            "thaw-report",
            "thaw-fetch",
            "thaw-exchange",
            "candle-core",
            "clap",
        ],
    ),
];

#[test]
fn every_crate_uses_only_what_lies_below_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of crates");
    let found: BTreeSet<String> = std::fs::read_dir(crates)
        .expect("crates")
        .map(|entry| entry.expect("a crate").file_name().to_string_lossy().into_owned())
        .collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    assert_eq!(
        found,
        allowed.keys().map(|name| (*name).to_owned()).collect(),
        "a new crate needs a line here"
    );
    for (name, allowed) in allowed {
        let manifest =
            std::fs::read_to_string(crates.join(name).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let dependencies = manifest["dependencies"].as_table().expect("dependencies");
        for used in dependencies
            .keys()
            .filter(|used| used.starts_with("thaw-") || KEPT.contains(&used.as_str()))
        {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}
