#!/usr/bin/env bash
# Puts an extension that is built already into a Python wheel: scripts/wheel.sh LIBRARY PLATFORM [FOLDER]
#
#     scripts/wheel.sh sqlite-ext/dist/nearlite.so linux_x86_64        # into dist/
#
# PLATFORM is the last part of the wheel's name, for example manylinux_2_17_x86_64. scripts/release.sh makes a wheel to give away.
set -euo pipefail
cd "$(dirname "$0")/.."

library=${1:?the extension} platform=${2:?the platform tag} folder=${3:-dist}
tools=target/wheel-tools
[ -x "$tools/bin/python" ] || python3 -m venv "$tools"
"$tools/bin/python" -c 'import build, setuptools.command.bdist_wheel' 2>/dev/null ||
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check 'build>=1.2' 'setuptools>=70.1'

cargo_version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
python_version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' python/src/nearlite/__init__.py)
if [ "$cargo_version" != "$python_version" ]; then
  echo "Cargo.toml says version $cargo_version, python/src/nearlite/__init__.py says $python_version" >&2
  exit 1
fi

# Built in a copy, so that nothing of an earlier build gets in.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
cp -R python/. "$stage/"
rm -rf "$stage/build" "$stage"/src/*.egg-info "$stage"/src/nearlite/nearlite.*
cp "$library" "$stage/src/nearlite/nearlite.${library##*.}"
cp LICENSE-MIT LICENSE-APACHE "$stage/"
# The same files give the same wheel.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)
export SOURCE_DATE_EPOCH NEARLITE_PLATFORM="$platform"
mkdir -p "$folder"
"$tools/bin/python" -m build --wheel --no-isolation --outdir "$folder" "$stage" >"$stage/log" 2>&1 || { cat "$stage/log" >&2; exit 1; }
echo "$folder/nearlite-$python_version-py3-none-$platform.whl"
