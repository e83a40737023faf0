#!/usr/bin/env bash
# Packages all crates, builds the program from the packages outside the repository, and runs it.
# Nothing is published. Takes as long as a first build; with CARGO_TARGET_DIR it uses what is compiled there.
set -euo pipefail
repository="$(cd "$(dirname "$0")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
version="$(sed -n 's/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml" | head -1)"

# The libraries are in no registry, so Cargo is told where to find them; $1 gives a folder for a crate's name.
patch() {
    echo "[patch.crates-io]"
    for folder in "$repository"/crates/*/; do
        name="$(basename "$folder")"
        [ "$name" = cli ] || echo "thaw-$name = { path = \"$("$1" "$name")\" }"
    done
}
in_repository() { echo "$repository/crates/$1"; }
in_package() { echo "$work/packages/thaw-$1-$version"; }

echo "== packages"
patch in_repository > "$work/repository.toml"
# The patches that a crate has no use for are warned of; so are tests, which packages leave out.
CARGO_TARGET_DIR="$work/target" cargo package --quiet --manifest-path "$repository/Cargo.toml" --workspace --no-verify --allow-dirty \
    --config "$work/repository.toml" 2> "$work/warnings" || { cat "$work/warnings"; exit 1; }
mkdir "$work/packages" "$work/elsewhere"
for package in "$work"/target/package/*.crate; do
    tar --extract --gzip --file "$package" --directory "$work/packages"
done
ls "$work/packages"

echo "== installation from the packages"
patch in_package > "$work/packages.toml"
# Packages carry no profiles; with the repository's, dependencies that are compiled already need not be compiled again.
sed -n '/^\[profile/,$p' "$repository/Cargo.toml" >> "$work/packages.toml"
cd "$work/elsewhere"
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$work/target}" cargo install --quiet --locked --path "$work/packages/thaw-ml-$version" --root "$work/installed" \
    --config "$work/packages.toml"

echo "== the installed program"
thaw="$work/installed/bin/thaw"
said="$("$thaw" --version)"
echo "$said"
commit="$(git -C "$repository" rev-parse --short=12 HEAD)"
case "$said" in
    "thaw $version ($commit)" | "thaw $version ($commit+)") ;;
    *) echo "it should name the version $version and the commit $commit" >&2; exit 1 ;;
esac
"$thaw" sweep --quiet --epochs 1 --seeds 0 --results results --cache cache > /dev/null
test -s results/miniature/epochs-1_seeds-0/report.html
candle="$(sed -n '/^name = "candle-core"$/{n;s/^version = "\(.*\)"$/\1/p}' "$repository/Cargo.lock")"
for cell in results/miniature/cells/*/cell.json; do
    grep --quiet "\"candle\": \"$candle\"" "$cell"
    grep --quiet "\"commit\": \"$commit+\\?\"" "$cell"
done
echo "== done"
