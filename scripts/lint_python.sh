#!/usr/bin/env bash
# Lints and types of the Python packages: ruff, and mypy as strict as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/lint-tools
if [ ! -x "$tools/bin/mypy" ]; then
  python3 -m venv "$tools"
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check 'mypy>=1.11' 'ruff>=0.6' numpy pandas pandas-stubs pyarrow datasette langchain-core llama-index-core
fi
bin=$PWD/$tools/bin
"$bin/ruff" check python integrations
"$bin/ruff" format --check python integrations
(cd python && "$bin/mypy" src)
(cd integrations/langchain && MYPYPATH=../../python/src "$bin/mypy" --follow-imports=silent src)
# Its folder is a part of the llama_index namespace, which mypy has to see as one with the installed one.
(cd integrations/llama-index && MYPYPATH=../../python/src "$bin/mypy" --follow-imports=silent --explicit-package-bases src/llama_index/vector_stores/nearlite)
