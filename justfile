# Commands of thaw. `just` lists them.

export CARGO_TERM_COLOR := "auto"

# Arguments arrive as they were given, spaces included.
set shell := ["bash", "-euc"]
set positional-arguments

# List the commands
default:
    @just --list

# Run an experiment's cells that have not run yet, then draw: just sweep, or just sweep squeezenet --data … --weights …
sweep experiment="miniature" *arguments:
    cargo run --release -- sweep experiments/{{experiment}}.toml "${@:2}"

# Show an experiment's cells and what they cost
plan experiment="miniature" *arguments:
    cargo run --release -- plan experiments/{{experiment}}.toml "${@:2}"

# Draw and summarise what has run
report experiment="miniature" *arguments:
    cargo run --release -- report experiments/{{experiment}}.toml "${@:2}"

# Find the procedure behind a training log: just diagnose history.json --experiment experiments/squeezenet.toml
diagnose *arguments:
    cargo run --release -- diagnose "$@"

# Write what has run for other programs: just export squeezenet --format csv
export experiment="miniature" *arguments:
    cargo run --release -- export experiments/{{experiment}}.toml "${@:2}"

# Licences, sources, duplicates and advisories of all dependencies; needs cargo-deny and a network
deny:
    cargo deny check

# Format, lints, docs and tests, cheapest first
check:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items
    cargo test --release --workspace

# Compare an experiment's results with its expectations
verify experiment="miniature" *arguments:
    cargo run --release -- check experiments/{{experiment}}.toml "${@:2}"

# Run the tests
test:
    cargo test --release --workspace

# Run the benchmarks
bench:
    cargo bench --workspace

# Time every stage beside PyTorch, ONNX Runtime and OpenVINO and write docs/performance.md: just bench-vs-torch --images FOLDER
bench-vs-torch *arguments:
    python3 tools/bench/versus_pytorch.py "$@"

# Compare every stage's ratio to the others with the committed ones, or write them: just bench-check, or just bench-check --record
bench-check *arguments:
    python3 tools/bench/versus_pytorch.py --check "$@"

# Compare the kernels' instructions with the committed counts, or write them: just instructions, or just instructions record
instructions what="check":
    cargo build --release --workspace --example instructions
    "${CARGO_TARGET_DIR:-target}/release/examples/instructions" {{what}}

# Time the whole matrix against its cells alone and plain PyTorch: just matrix-vs-torch --images FOLDER --weights FILE
matrix-vs-torch *arguments:
    python3 tools/bench/matrix_versus_pytorch.py "$@"

# Time sweeps of growing size: just cost docs/cost.svg
cost *plots:
    cargo build --release --workspace
    python3 tools/bench/cost.py "${CARGO_TARGET_DIR:-target}/release/thaw" {{plots}}

# Compile for CUDA, without a GPU or a driver
check-cuda folder="target/cuda":
    #!/usr/bin/env bash
    set -euo pipefail
    settings="$(tools/cuda/fetch.sh {{folder}})"
    eval "$settings"
    cargo check --release --workspace --features cuda

# Build the program from the crates' packages, outside the repository, and run it
package-check:
    tools/package/check.sh

# Build a Python wheel that carries the program, install it into a fresh environment and run it
wheel:
    rm -rf target/wheels
    python3 -m venv target/maturin
    target/maturin/bin/pip install --quiet 'maturin>=1.9,<2'
    target/maturin/bin/maturin build --release --out target/wheels
    tools/package/check_wheel.sh target/wheels/*.whl

# Check with the oldest compiler that Cargo.toml promises
check-oldest-rust:
    cargo "+$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)" check --locked --workspace --all-targets

# Everything that continuous integration runs
ci:
    bash .ci/run

# Format
fmt:
    cargo fmt --all

# Fuzz every reader, beginning with the files of the tests and hostile ones: just fuzz 600 (seconds for each of eleven corpora)
fuzz seconds="300":
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-fuzz > /dev/null || cargo install cargo-fuzz --locked
    # A plan holds hashes, so that only the program itself can write one that it reads.
    for regime in cached fine_tuned; do
        cargo run --release -- plan --quiet --epochs 1 --seeds 0 --only "regime=$regime" --only augmentation=none --only preprocessing=caffe \
            --only dropout=0.0 --results target/fuzz/results --cache target/fuzz/cache --output "target/fuzz/$regime.json"
    done
    python3 tools/fuzz/seeds.py target/fuzz/corpus target/fuzz/*.json
    # Folders that are written and read thousands of times belong into memory.
    [ ! -d /dev/shm ] || export TMPDIR=/dev/shm
    failed=""
    for folder in target/fuzz/corpus/*; do
        corpus="$(basename "$folder")"
        case "$corpus" in hdf5 | pytorch | safetensors) target=checkpoints ;; *) target="$corpus" ;; esac
        cargo fuzz run -O --fuzz-dir tools/fuzz --sanitizer none "$target" "$folder" -- \
            -max_total_time={{seconds}} -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || failed="$failed $corpus"
    done
    [ -z "$failed" ] || { echo "failed:$failed; the inputs lie in tools/fuzz/artifacts" >&2; exit 1; }

# Change a crate's code in one small way after the other, and list what its tests do not notice: just mutants thaw-spec
mutants crate="thaw-spec" *arguments:
    command -v cargo-mutants > /dev/null || cargo install cargo-mutants --locked
    mkdir -p target/mutants
    CARGO_TARGET_DIR="$PWD/target/mutants" cargo mutants --package "$1" --output target/mutants --timeout 120 "${@:2}"

# Time what thaw does around cells that compute nothing: just scale 1000 10000
scale *cells:
    cargo build --release --workspace --examples
    "${CARGO_TARGET_DIR:-target}/release/examples/scale" "$@"

# Time workers that share a folder or a bucket and compute nothing: just scale-workers target/shared 1000 1 2 4 8
scale-workers place cells *workers:
    cargo build --release --workspace --examples
    "${CARGO_TARGET_DIR:-target}/release/examples/workers" "$@"

# Test the stores on a real object server
test-store:
    tools/store/test.sh target/test-cluster

# Run 24 cells through a real Slurm into a real object server while workers are killed; needs Debian's slurm-wlm and munge
test-slurm *arguments:
    cargo build --release
    tools/store/environment.sh target/test-cluster
    target/test-cluster/bin/python tools/slurm/test.py "${CARGO_TARGET_DIR:-target}/release/thaw" "$@"

# Kill sweeps at random moments, let every file operation fail in turn, fill real file systems (root only): just torture 200, about 45 minutes
torture kills="200" stride="1":
    THAW_TORTURE_KILLS={{kills}} THAW_TORTURE_STRIDE={{stride}} cargo test --release --workspace --test program torture:: -- --nocapture --test-threads 1
    cargo build --release
    tools/torture/mounts.sh "${CARGO_TARGET_DIR:-target}/release/thaw"

# Time many images through decoding, extraction and a cached fit: just scale-images 10000 100000
scale-images *counts:
    cargo build --release --workspace --examples
    "${CARGO_TARGET_DIR:-target}/release/examples/images" "$@"

# Compare what a plan foretells with what its sweep takes: just plan-vs-truth experiments/miniature.toml --seeds 0
plan-vs-truth *arguments:
    cargo build --release
    python3 tools/bench/plan_versus_truth.py "${CARGO_TARGET_DIR:-target}/release/thaw" "$@"

# Show images: just preview miniature --augmentation keras-2.0.8
preview experiment="miniature" *arguments:
    cargo run --release -- preview experiments/{{experiment}}.toml "${@:2}"

# Make the shipped weights again
pretrain *arguments:
    cargo run --release -- pretrain experiments/pretrain.toml --output crates/model/weights/mini_vgg.safetensors "$@"
    cargo run --release -- pretrain experiments/pretrain-resnet.toml --output crates/model/weights/mini_resnet.safetensors "$@"

# Download weights or photographs: just fetch, or just fetch vgg16-keras
fetch *arguments:
    cargo run --release -- fetch "$@"
