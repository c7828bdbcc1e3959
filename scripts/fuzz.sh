#!/usr/bin/env bash
# Looks for inputs that a fuzz target fails on: scripts/fuzz.sh TARGET SECONDS [options of libFuzzer]
# Needs a nightly compiler and cargo-fuzz. What it learns stays in fuzz/grown, a failing input goes to fuzz/artifacts; git
# ignores both.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1 seconds=$2
shift 2
mkdir -p "fuzz/grown/$target"
exec cargo +nightly fuzz run "$target" "fuzz/grown/$target" "fuzz/corpus/$target" -- \
  -max_total_time="$seconds" -max_len=512 -timeout=20 -malloc_limit_mb=512 "$@"
