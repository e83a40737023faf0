#!/usr/bin/env bash
# Packs the program of a wheel with its manual page, completions, README and licences:
# archive.sh WHEEL TARGET FOLDER writes FOLDER/thaw-VERSION-TARGET.tar.gz, or .zip for Windows.
set -euo pipefail
repository="$(cd "$(dirname "$0")/../.." && pwd)"
wheel="$(realpath "$1")"
target="$2"
mkdir -p "$3"
folder="$(cd "$3" && pwd)"
python="$(command -v python3 || command -v python)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

"$python" -m zipfile --extract "$wheel" wheel
version="$(sed -n 's/^Version: //p' wheel/*.dist-info/METADATA | tr -d '\r')"
name="thaw-$version-$target"
mkdir -p "$name/completions"
cp wheel/*.data/scripts/thaw* "$name"
program="$name/thaw"
[ -f "$program" ] || program="$name/thaw.exe"
chmod 755 "$program"
cp "$repository"/README.md "$repository"/CHANGELOG.md "$repository"/LICENSE-* "$name"
"$program" man > "$name/thaw.1"
"$program" completions bash > "$name/completions/thaw.bash"
"$program" completions zsh > "$name/completions/_thaw"
"$program" completions fish > "$name/completions/thaw.fish"
"$program" completions powershell > "$name/completions/_thaw.ps1"

case "$target" in
    *windows*) "$python" -m zipfile --create "$folder/$name.zip" "$name" && echo "$folder/$name.zip" ;;
    *) tar --create --gzip --file "$folder/$name.tar.gz" "$name" && echo "$folder/$name.tar.gz" ;;
esac
