#!/usr/bin/env bash
# Builds the wheels of the packages in integrations/, which are Python alone: scripts/integrations.sh [FOLDER], by default dist/
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-dist}
tools=target/wheel-tools
[ -x "$tools/bin/python" ] || python3 -m venv "$tools"
"$tools/bin/python" -c 'import build, setuptools.command.bdist_wheel' 2>/dev/null ||
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check 'build>=1.2' 'setuptools>=70.1'

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)
export SOURCE_DATE_EPOCH
mkdir -p "$folder"
for package in integrations/*/; do
  if ! grep -q "^version = \"$version\"" "$package/pyproject.toml" || ! grep -q "\"nearlite==$version\"" "$package/pyproject.toml"; then
    echo "$package/pyproject.toml does not say version $version, or not nearlite==$version" >&2
    exit 1
  fi
  # Built in a copy, so that nothing of an earlier build gets in.
  stage=$(mktemp -d)
  cp -R "$package." LICENSE-MIT LICENSE-APACHE "$stage/"
  rm -rf "$stage/build" "$stage"/src/*.egg-info
  "$tools/bin/python" -m build --wheel --no-isolation --outdir "$folder" "$stage" >"$stage/log" 2>&1 || { cat "$stage/log" >&2; exit 1; }
  sed -n 's/^Successfully built /built /p' "$stage/log"
  rm -rf "$stage"
done
