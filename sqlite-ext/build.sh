#!/bin/sh
# Builds the loadable extension and puts it into sqlite-ext/dist/ under the name SQLite's `.load ./nearlite` finds.
set -eu
cd "$(dirname "$0")"
cargo build --release --locked "$@"
case "$(uname -s)" in
    Darwin) built=libnearlite.dylib; name=nearlite.dylib ;;
    MINGW* | MSYS* | CYGWIN*) built=nearlite.dll; name=nearlite.dll ;;
    *) built=libnearlite.so; name=nearlite.so ;;
esac
mkdir -p dist
cp "${CARGO_TARGET_DIR:-../target}/release/$built" "dist/$name.new"
# Renamed into place, so that a process that has the old file loaded keeps it.
mv "dist/$name.new" "dist/$name"
echo "sqlite-ext/dist/$name"
