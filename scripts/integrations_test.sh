#!/usr/bin/env bash
# Installs the wheels of a folder into a fresh environment and runs the tests of integrations/ there.
#
#     scripts/integrations_test.sh [FOLDER [PYTHON]]      # default: dist and the python3 of this machine
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(realpath "${1:-dist}")
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"${2:-python3}" -m venv "$environment"
pip=("$environment/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" "$folder"/*.whl
for package in integrations/*/; do
  "${pip[@]}" -r "$package/tests/requirements.txt"
  (cd "$environment" && bin/python -m pytest -q -p no:cacheprovider "$OLDPWD/$package/tests")
done
