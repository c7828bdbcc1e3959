#!/usr/bin/env bash
# Installs a wheel into a fresh environment of each Python and runs python/tests there, which see nothing but what was installed.
#
#     scripts/wheel_test.sh WHEEL [PYTHON ...]      # default: the python3 of this machine
#     scripts/wheel_test.sh --smoke WHEEL           # only: import, connect, one search
set -euo pipefail
cd "$(dirname "$0")/.."

smoke=
if [ "${1:-}" = --smoke ]; then smoke=yes; shift; fi
wheel=$(realpath "${1:?the wheel}")
shift
[ $# -gt 0 ] || set -- python3

for python in "$@"; do
  environment=$(mktemp -d)
  trap 'rm -rf "$environment"' EXIT
  "$python" -m venv "$environment"
  pip=("$environment/bin/python" -m pip install --quiet --disable-pip-version-check)
  "${pip[@]}" --no-index "$wheel"
  if [ -n "$smoke" ]; then
    (cd "$environment" && bin/python "$OLDPWD/python/tests/smoke.py")
  else
    "${pip[@]}" -r python/tests/requirements.txt
    (cd "$environment" && bin/python -m pytest -q -p no:cacheprovider "$OLDPWD/python/tests")
  fi
  rm -rf "$environment"
done
