#!/usr/bin/env bash
# nearlite beside the other crates that bring SQLite: resolves one Cargo.toml for each, then builds and runs small programs with
# tokio-rusqlite, diesel and sqlx (scripts/interop/). Some minutes, most of it compiling.
#
#     scripts/interop.sh              # all of it
#     scripts/interop.sh resolve      # only what resolves, with which versions: seconds
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

# The folder of a package with these dependencies beside nearlite. Nothing is optimised, because compiling is all the work here.
package() {
  local name=$1 folder=$root/target/interop/$1
  shift
  mkdir -p "$folder/src"
  {
    printf '[package]\nname = "interop-%s"\nversion = "0.0.0"\nedition = "2024"\npublish = false\n\n[workspace]\n\n' "$name"
    printf '[dependencies]\nnearlite = { path = "%s" }\nserde = { version = "1", features = ["derive"] }\n' "$root"
    printf '%s\n' "$@"
    printf '\n[profile.dev]\ndebug = false\n'
  } >"$folder/Cargo.toml"
  if [ -e "$root/scripts/interop/${name//-/_}.rs" ]; then
    cp "$root/scripts/interop/${name//-/_}.rs" "$folder/src/main.rs"
  else
    printf 'fn main() {}\n' >"$folder/src/main.rs"
  fi
  printf '%s\n' "$folder"
}

version_of() { sed -n "/^name = \"$2\"\$/{n;s/version = \"\(.*\)\"/\1/p}" "$1/Cargo.lock" | head -1; }

failed=0
# As in a new program: the newest versions that all of it allows.
resolve() {
  local name=$1 folder
  folder=$(package "$@")
  if (cd "$folder" && cargo generate-lockfile --quiet); then
    printf '%-16s %-8s with rusqlite %s, libsqlite3-sys %s\n' "$name" "$(version_of "$folder" "$name")" \
      "$(version_of "$folder" rusqlite)" "$(version_of "$folder" libsqlite3-sys)"
  else
    printf '%-16s does not resolve\n' "$name"
    failed=1
  fi
}

run() {
  local folder
  folder=$(package "$@")
  (cd "$folder" && cargo run --quiet)
}

tokio='tokio = { version = "1", features = ["macros", "rt"] }'
tokio_rusqlite='tokio-rusqlite = "0.8"'
diesel='diesel = { version = "2.3", features = ["sqlite"] }'
sqlx='sqlx = { version = "0.9", default-features = false, features = ["runtime-tokio", "sqlite", "sqlite-load-extension"] }'

resolve sqlx "$sqlx"
resolve sea-orm 'sea-orm = { version = "2", features = ["sqlx-sqlite", "runtime-tokio"] }'
resolve diesel "$diesel"
resolve tokio-rusqlite "$tokio_rusqlite"
resolve deadpool-sqlite 'deadpool-sqlite = "0.14"'
resolve r2d2_sqlite 'r2d2_sqlite = "0.35"'
resolve refinery 'refinery = { version = "0.10", features = ["rusqlite"] }'
resolve hiqlite 'hiqlite = "0.15"'
[ "${1:-}" = resolve ] && exit "$failed"

run tokio-rusqlite "$tokio_rusqlite" "$tokio"
run diesel "$diesel"
run sqlx "$sqlx" "$tokio"
exit "$failed"
