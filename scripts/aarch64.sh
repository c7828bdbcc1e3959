#!/usr/bin/env bash
# Lints the engine for 64-bit ARM and runs the tests of its vectors in an emulator: on a processor with `sdot` and on
# one without. Other tests by name: scripts/aarch64.sh hnsw:: ann::
# The first run compiles every dependency, which takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: $tool is missing (Debian: gcc-aarch64-linux-gnu, qemu-user)"
    exit 0
  fi
done
rustup target add "$target"

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc

cargo clippy --lib --target "$target" -- -D warnings
[ $# -gt 0 ] || set -- vector:: segment::stored
for processor in max cortex-a53; do
  echo "== $processor"
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $processor -L /usr/aarch64-linux-gnu" \
    cargo test --lib --target "$target" -- "$@"
done
