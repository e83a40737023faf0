#!/usr/bin/env bash
# Makes the Python environment of the object server, unless it is there: tools/store/environment.sh FOLDER
set -euo pipefail
if [ ! -x "$1/bin/moto_server" ]; then
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet 'moto[server]>=5.1' boto3 numpy polars
fi
