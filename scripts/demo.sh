#!/usr/bin/env bash
# The main job, end to end: builds nearlite and its extension, then searches 5,000 real packages by meaning, text and filter.
set -euo pipefail
cd "$(dirname "$0")/.."

sqlite-ext/build.sh
cargo run --release --locked --package nearlite-demo -- "$@"
