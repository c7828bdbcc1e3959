#!/usr/bin/env bash
# Every test: the engine's own, those of the measuring scripts, then the extension loaded into Python (two SQLite versions), the
# sqlite3 shell and Node.js.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh

cargo test --workspace
.venv/bin/python -m unittest discover -s scripts/bench

sqlite-ext/build.sh
export NEARLITE_EXTENSION="${NEARLITE_EXTENSION:-$PWD/sqlite-ext/dist/nearlite}"

.venv/bin/python -m pytest tests/hosts

if command -v node >/dev/null; then
  (cd tests/hosts && node --test node/smoke.test.mjs)
else
  echo "node is not installed: the Node.js test was skipped"
fi
