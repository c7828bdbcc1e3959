#!/usr/bin/env bash
# What is given away, built for this machine's platform into dist/: the extension, a Python wheel of it, the wheels of integrations/,
# and their checksums.
#
#     scripts/release.sh --host
#
# The library is linked for glibc 2.17, which every Linux since 2013 has, by cargo-zigbuild and zig; both come as Python packages and
# are kept in target/. Ends with tests of what is in dist/, by this machine's python3: the wheel alone, without a network, and all three
# wheels together with LangChain and LlamaIndex.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != --host ]; then
  echo "usage: scripts/release.sh --host" >&2
  exit 2
fi
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) target=x86_64-unknown-linux-gnu platform=manylinux_2_17_x86_64 ;;
  Linux-aarch64) target=aarch64-unknown-linux-gnu platform=manylinux_2_17_aarch64 ;;
  *) echo "release.sh builds for Linux on x86_64 and aarch64 only" >&2; exit 1 ;;
esac

tools=target/release-tools
if [ ! -x "$tools/bin/cargo-zigbuild" ]; then
  python3 -m venv "$tools"
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check 'cargo-zigbuild==0.24.*' 'ziglang==0.17.*'
fi

# The wrapper of the linker looks for zig by way of this environment's Python.
tools_bin=$PWD/$tools/bin
(cd sqlite-ext && PATH="$tools_bin:$PATH" cargo zigbuild --release --locked --target "$target.2.17")
library=target/$target/release/libnearlite.so

newest=$(objdump -T "$library" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
if [ "$(printf '%s\nGLIBC_2.17\n' "$newest" | sort -V | tail -1)" != GLIBC_2.17 ]; then
  echo "the library asks for $newest, and the wheel promises 2.17" >&2
  exit 1
fi

rm -rf dist
mkdir -p dist
cp "$library" dist/nearlite.so
wheel=$(scripts/wheel.sh dist/nearlite.so "$platform" dist)
version=$(basename "$wheel" | cut -d- -f2)
scripts/integrations.sh dist
mv dist/nearlite.so "dist/nearlite-$version-linux-$(uname -m).so"
for name in nearlite langchain_nearlite llama_index_vector_stores_nearlite; do
  # The pattern as it is, where no file has the name.
  found=("dist/$name-$version-"*.whl)
  if [ ${#found[@]} != 1 ] || [ ! -f "${found[0]}" ]; then
    echo "dist/ should have one wheel of $name $version, and has: ${found[*]}" >&2
    exit 1
  fi
done
(cd dist && sha256sum -- * >SHA256SUMS && sha256sum --quiet --check SHA256SUMS)

scripts/wheel_test.sh --smoke "$wheel"
scripts/integrations_test.sh dist
echo "newest symbol of glibc: $newest"
ls -l dist | awk 'NR > 1 { print $5, $9 }'
cat dist/SHA256SUMS
