#!/usr/bin/env bash
# Runs the tests of the stores on a real object server: tools/store/test.sh ENVIRONMENT
# ENVIRONMENT is a folder for the server's Python; without a Python that makes environments, the tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! tools/store/environment.sh "$1" > /dev/null 2>&1; then
    echo "skipped: no Python environment for the object server can be made"
    exit
fi
port=5057
counts="$(mktemp)"
"$1/bin/python" tools/store/server.py "$port" "$counts" > /dev/null &
server=$!
trap 'kill "$server"; rm -f "$counts"' EXIT
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test THAW_TEST_OBJECT_STORE=s3://thaw
sleep 1
kill -0 "$server" || { echo "the object server does not come up; is port $port taken?" >&2; exit 1; }
"$1/bin/python" - "$AWS_ENDPOINT_URL" << 'END'
import sys, time
import boto3
from botocore.exceptions import EndpointConnectionError

for _ in range(100):
    try:
        boto3.client("s3", endpoint_url=sys.argv[1]).create_bucket(Bucket="thaw")
        break
    except EndpointConnectionError:
        time.sleep(0.2)
else:
    sys.exit("the object server does not come up")
END
cargo test --release --workspace --test stores
cargo test --release --workspace --test program -- object_store::
