#!/usr/bin/env python3
"""Makes a data set of vectors that are already there, as NumPy arrays of any numeric type.

    scripts/bench/npy_set.py --base FILE --queries FILE --name NAME --out DIR [--metric cosine|l2]

With l2 the numbers stay as they are (fmraw784: the bytes of the pixels); otherwise every vector gets unit length.
"""

import argparse

import numpy as np

import rawset


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--base", required=True)
    options.add_argument("--queries", required=True)
    options.add_argument("--name", required=True)
    options.add_argument("--out", required=True)
    options.add_argument("--metric", choices=["cosine", "l2"], default="cosine")
    got = options.parse_args()
    rawset.write(got.out, got.name, np.load(got.base), np.load(got.queries), got.metric)


if __name__ == "__main__":
    main()
