#!/usr/bin/env bash
# Installs a wheel into a fresh virtual environment, away from the repository, and runs the miniature with it.
set -euo pipefail
wheel="$(realpath "$1")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

seconds() { date +%s; }
echo "== installation of $(basename "$wheel") ($(($(wc -c < "$wheel") / 1000000)) MB)"
begin="$(seconds)"
"$(command -v python3 || command -v python)" -m venv environment
# Scripts lie in another folder on Windows.
programs=environment/bin
[ -d "$programs" ] || programs=environment/Scripts
"$programs/python" -m pip install --quiet --no-index "$wheel"
echo "$(($(seconds) - begin)) s"
"$programs/thaw" --version

echo "== the miniature"
begin="$(seconds)"
"$programs/thaw" sweep --quiet --results results --cache cache
"$programs/thaw" check --results results > /dev/null
echo "$(($(seconds) - begin)) s from the start of the sweep to its checked answer"
