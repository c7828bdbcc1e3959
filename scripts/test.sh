#!/usr/bin/env bash
# The tests: the engine's own, those of the measuring scripts, then the extension loaded into Python (two SQLite versions), the
# sqlite3 shell and Node.js. That extension is one of the dev profile, with checks for overflow; it shares its compiled dependencies
# with the engine's tests. NEARLITE_EXTENSION names another one. The tests beside other libraries are in .ci/run, for what they compile.
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
