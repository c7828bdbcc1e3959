#!/usr/bin/env bash
# The engine beside the other libraries, from the build to the page: runs them all, draws docs/plots, fills docs/benchmarks.md.
#
#     scripts/bench/peers.sh DATA PYTHON [options of peers.py, as --rounds 1 or --quick]
#
# DATA holds the data sets as raw floats (docs/benchmarks.md says which and from where); those that are missing are left out. PYTHON
# is the interpreter that has the libraries. JSON (default target/bench/engine.json) and CLOCK (default wall, else cpu) are taken
# from the environment. Let the machine be idle: an hour and a half on two cores.
set -euo pipefail
cd "$(dirname "$0")/../.."

data=${1:?the folder of the data sets} python=${2:?the interpreter with the libraries}
shift 2
json=${JSON:-target/bench/engine.json} clock=${CLOCK:-wall}

sets=()
for set in debian384:384 fm784:784 wordnet384:384 glove100:100; do
  [[ -e $data/${set%:*}.gt.i32 ]] && sets+=(--set "$set")
done

cargo build --release --example ann
scripts/bench/peers.py --data "$data" "${sets[@]}" --python "$python" --json "$json" --rounds 2 --time-limit 1500 \
  --ours 'target/release/examples/ann --vectors both --with-hnsw-rs' "$@"
scripts/bench/plot.py "$json" --clock "$clock" --out docs/plots
scripts/bench/tables.py "$json" --clock "$clock" --plots plots --into docs/benchmarks.md
