#!/usr/bin/env bash
# Tests the library with the oldest rusqlite that Cargo.toml allows: scripts/oldest.sh [VERSION]
#
# Works in a copy of the manifest whose lock file names that version; everything else is what the workspace has compiled.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-$(sed -n 's/^rusqlite = .*">=\([0-9.]*\),.*/\1.0/p' Cargo.toml | head -1)}
root=$PWD copy=target/oldest
rm -rf "$copy"
mkdir -p "$copy"
sed -e 's/^members = .*/members = ["."]/' -e '/^default-members/d' Cargo.toml >"$copy/Cargo.toml"
cp Cargo.lock clippy.toml "$copy/"
for part in src tests examples fuzz docs README.md; do ln -s "$root/$part" "$copy/$part"; done
cd "$copy"

cargo update --quiet --package rusqlite --precise "$version"
echo "rusqlite $version"
cargo test --quiet --test api --test cursor --test format --test sql_basics
