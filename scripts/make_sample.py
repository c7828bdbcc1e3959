#!/usr/bin/env python3
"""Makes the sample data of `examples/data` from a larger folder of Debian package descriptions.

    scripts/make_sample.py SOURCE [DESTINATION]

SOURCE holds `packages.jsonl` with `base.f16.npy` beside it (row i of one is line i of the other), `queries.jsonl` with
`query.f16.npy`, and `truth_cosine_top100.i32.npy` (the nearest base rows of each query). Only Python's standard library
is needed, and the same source always gives the same bytes. The format written is described in `examples/data/README.md`.
"""

import json
import math
import pathlib
import random
import re
import struct
import sys

SEED = 20260101
ROWS = 5000
DIM = 384
NPY_HEADER = 128
TEXT_CHARS = 230
# Nearest base rows of each query that are always kept, so that an example finds what a reader expects.
NEIGHBOURS = 12

QUERIES = [
    "antimony", "ample", "astrometry.net", "containerd", "csound", "dvdauthor", "firefox-esr", "gitolite3", "gnome-sudoku",
    "gnugo", "golang-go", "hexedit", "hunspell-it", "influxdb", "jython", "kde-spectacle", "kreversi", "libreoffice-calc",
    "mariadb-server", "pandoc", "pwget", "spamassassin", "sylpheed", "virtualjaguar",
]


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Halves:
    """Rows of a NumPy file of little-endian half floats, read one at a time."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def row(self, index):
        self.file.seek(NPY_HEADER + index * DIM * 2)
        return struct.unpack(f"<{DIM}e", self.file.read(DIM * 2))


def signed_bytes(vector):
    """The vector scaled so that its largest component is 127, rounded: direction is all that cosine needs."""
    largest = max(abs(x) for x in vector)
    return struct.pack(f"{DIM}b", *(round(x * 127 / largest) for x in vector))


def cut(text):
    """One line of at most TEXT_CHARS characters that ends with a sentence where possible, else with a word."""
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= TEXT_CHARS:
        return text
    head = text[:TEXT_CHARS]
    sentence = max(head.rfind(". "), head.rfind("! "), head.rfind("? "))
    if sentence >= TEXT_CHARS // 2:
        return head[: sentence + 1]
    return head[: head.rfind(" ")].rstrip(" ,;:-(") + " …"


def choose(packages, kept):
    """ROWS line numbers: `kept`, and from each section a share that grows with the square root of its size."""
    random_source = random.Random(SEED)
    sections = {}
    for index, package in enumerate(packages):
        if package["area"] == "main" and index not in kept:
            sections.setdefault(package["section"], []).append(index)
    names = sorted(sections)
    for name in names:
        random_source.shuffle(sections[name])
    chosen = set(kept)
    taken = dict.fromkeys(names, 0)
    while len(chosen) < ROWS:
        # The section that is furthest behind its share gives the next row.
        open_names = [name for name in names if taken[name] < len(sections[name])]
        name = min(open_names, key=lambda n: (taken[n] + 1) / math.sqrt(len(sections[n])))
        chosen.add(sections[name][taken[name]])
        taken[name] += 1
    return sorted(chosen)


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent.parent / "examples" / "data"
    destination = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here
    destination.mkdir(parents=True, exist_ok=True)

    packages = read_lines(source / "packages.jsonl")
    queries = read_lines(source / "queries.jsonl")
    line_of = {query["package"]: line for line, query in enumerate(queries)}
    query_lines = [line_of[name] for name in QUERIES]

    truth = (source / "truth_cosine_top100.i32.npy").read_bytes()[NPY_HEADER:]
    kept = set()
    for line in query_lines:
        nearest = struct.unpack_from(f"<{NEIGHBOURS}i", truth, line * 100 * 4)
        kept.update(index for index in nearest if packages[index]["area"] == "main")

    # The few packages of a rare priority make that column worth filtering by.
    kept.update(i for i, p in enumerate(packages) if p["area"] == "main" and p["priority"] != "optional")

    base = Halves(source / "base.f16.npy")
    chosen = choose(packages, kept)
    with open(destination / "packages.jsonl", "w", encoding="utf-8", newline="\n") as text, open(
        destination / "packages.i8", "wb"
    ) as vectors:
        for index in chosen:
            package = packages[index]
            record = {
                "package": package["package"],
                "section": package["section"],
                "priority": package["priority"],
                "installed_kb": package["installed_kb"],
                "n_depends": package["n_depends"],
                "title": package["title"],
                "text": cut(package["text"]),
            }
            text.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            vectors.write(signed_bytes(base.row(index)))

    asked = Halves(source / "query.f16.npy")
    with open(destination / "queries.jsonl", "w", encoding="utf-8", newline="\n") as text, open(
        destination / "queries.i8", "wb"
    ) as vectors:
        for line in query_lines:
            record = {key: queries[line][key] for key in ("package", "section", "title")}
            text.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            vectors.write(signed_bytes(asked.row(line)))


if __name__ == "__main__":
    main()
