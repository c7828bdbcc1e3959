#!/usr/bin/env bash
# Every test of what users get: the engine's own, those of the measuring scripts, then the extension loaded into Python (two SQLite
# versions), the sqlite3 shell and Node.js. The extension is one with checks for overflow, whose dependencies are those that the engine's
# tests were compiled with; NEARLITE_EXTENSION names another one.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh

cargo test --package nearlite
cargo test --manifest-path sqlite-ext/Cargo.toml --locked
.venv/bin/python -m unittest discover -s scripts/bench

if [ -z "${NEARLITE_EXTENSION:-}" ]; then
  sqlite-ext/build.sh --dev
  export NEARLITE_EXTENSION=$PWD/sqlite-ext/dist/dev/nearlite
fi

.venv/bin/python -m pytest tests/hosts

if command -v node >/dev/null; then
  (cd tests/hosts && node --test node/smoke.test.mjs)
else
  echo "node is not installed: the Node.js test was skipped"
fi
