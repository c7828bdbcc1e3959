#!/bin/sh
# Builds the loadable extension and puts it into sqlite-ext/dist/ under the name SQLite's `.load ./nearlite` finds.
#
#     sqlite-ext/build.sh          # sqlite-ext/dist/nearlite.so, what is given away
#     sqlite-ext/build.sh --dev    # sqlite-ext/dist/dev/nearlite.so, for tests: checks for overflow, and assertions
#
# Further arguments are cargo's.
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" = --dev ]; then
    shift
    # With --tests come the tests' dependencies, and with them the features of what `cargo test` has compiled for the library.
    cargo build --lib --tests --locked "$@"
    profile=debug dist=dist/dev
else
    cargo build --release --locked "$@"
    profile=release dist=dist
fi
case "$(uname -s)" in
    Darwin) built=libnearlite.dylib; name=nearlite.dylib ;;
    MINGW* | MSYS* | CYGWIN*) built=nearlite.dll; name=nearlite.dll ;;
    *) built=libnearlite.so; name=nearlite.so ;;
esac
mkdir -p "$dist"
cp "${CARGO_TARGET_DIR:-../target}/$profile/$built" "$dist/$name.new"
# Renamed into place, so that a process that has the old file loaded keeps it.
mv "$dist/$name.new" "$dist/$name"
echo "sqlite-ext/$dist/$name"
