#!/usr/bin/env bash
# Installs what the host tests need, once: system packages where apt is at hand, a Python environment in .venv, and
# better-sqlite3 for Node.js. Running it again costs a second.
set -euo pipefail
cd "$(dirname "$0")/.."

note() { printf 'setup: %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# A Python that can load extensions: the system's can, those built by version managers often cannot.
find_python() {
  local candidate
  for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' >/dev/null 2>&1; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

install_system_packages() {
  local missing=()
  command -v sqlite3 >/dev/null || missing+=(sqlite3)
  command -v cc >/dev/null || missing+=(build-essential)
  { python=$(find_python) && "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; } || missing+=(python3 python3-venv)
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null; then
    note "please install these yourself (no apt-get here): ${missing[*]}"
    return 0
  fi
  note "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

make_python_environment() {
  local python
  python=$(find_python) || { note "no Python that can load SQLite extensions was found"; return 1; }
  if ! .venv/bin/python -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' >/dev/null 2>&1; then
    rm -rf .venv
    "$python" -m venv .venv
  fi
  if ! .venv/bin/python -c 'import apsw, numpy, pytest' >/dev/null 2>&1; then
    note "installing the packages of tests/hosts/requirements.txt"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/hosts/requirements.txt
  fi
}

# Node is optional: without it (or without a compiler for its native module) the Node test is skipped, and says so.
make_node_modules() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    note "no node and npm: the Node.js test will be skipped"
    return 0
  fi
  if (cd tests/hosts && node -e 'new (require("better-sqlite3"))(":memory:").close()') >/dev/null 2>&1; then
    return 0
  fi
  note "installing better-sqlite3 (compiles it where no prebuilt binary is to be had: two minutes)"
  if ! (cd tests/hosts && npm ci --no-audit --no-fund --loglevel=error); then
    note "better-sqlite3 could not be installed: the Node.js test will try node:sqlite instead"
  fi
}

install_system_packages
make_python_environment
make_node_modules
