#!/usr/bin/env bash
# Recall and speed of every kind of codes on every data set at hand: scripts/bench/codes.sh DATA
# (docs/benchmarks.md says which sets and from where; fmraw784 has the pixels as they are, compared by l2)
set -euo pipefail
cd "$(dirname "$0")/../.."

data=${1:?the folder of the data sets}
cargo build --release --example ann
for set in debian384:384:cosine wordnet384:384:cosine fm784:784:cosine fmraw784:784:l2 glove100:100:cosine; do
  IFS=: read -r name dim metric <<<"$set"
  [[ -e $data/$name.gt.i32 ]] || continue
  for codes in int8 none bit; do
    target/release/examples/ann --data "$data" --set "$name" --dim "$dim" --metric "$metric" --codes "$codes" --efs 40,80,200,800
  done
done
