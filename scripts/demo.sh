#!/usr/bin/env bash
# The main job, end to end: builds nearlite, then searches 5,000 real packages by meaning, text and filter. sqlite-ext/build.sh
# makes the extension; what it has in common with the demo is compiled by then.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo run --release --locked --package nearlite-demo -- "$@"
