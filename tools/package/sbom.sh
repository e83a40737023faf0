#!/usr/bin/env bash
# Writes what the program is made of, as CycloneDX: sbom.sh FOLDER writes FOLDER/thaw-VERSION.cdx.json.
# Needs cargo-cyclonedx.
set -euo pipefail
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
cd "$(dirname "$0")/../.."
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
# It writes beside every manifest of the workspace; the program's names all the others.
trap 'rm -f crates/*/thaw.cdx.json' EXIT
cargo cyclonedx --quiet --format json --spec-version 1.5 --override-filename thaw.cdx
mv crates/cli/thaw.cdx.json "$folder/thaw-$version.cdx.json"
echo "$folder/thaw-$version.cdx.json"
