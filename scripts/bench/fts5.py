#!/usr/bin/env python3
"""Times text and hybrid queries of nearlite beside FTS5 on the same rows, in one process.

    scripts/bench/fts5.py ROWS.jsonl EXTENSION [EXTENSION ...] [--vectors VECTORS.npy --queries QUERIES.npy]

ROWS.jsonl has a `title` and a `text` a line, of which 500 characters are taken; VECTORS.npy a vector for each of the first
lines. Each extension is measured in a process of its own, in turns. Figures are processor time, the best of five runs of a
query; a word a query, from rare to common. The result is a Markdown table.
"""

import argparse
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time

WORDS = ["sqlite", "vector", "graph", "compression", "kernel", "music", "debug", "server", "python", "data", "files", "library"]

BESIDE = [
    ("count(*)", "SELECT count(*) FROM {t} WHERE {t} MATCH ?"),
    ("EXISTS", "SELECT EXISTS(SELECT 1 FROM {t} WHERE {t} MATCH ?)"),
    ("rowid ORDER BY rowid LIMIT 10", "SELECT rowid FROM {t} WHERE {t} MATCH ? ORDER BY rowid LIMIT 10"),
    ("title ORDER BY rowid LIMIT 10", "SELECT title FROM {t} WHERE {t} MATCH ? ORDER BY rowid LIMIT 10"),
    ("title ORDER BY rowid DESC LIMIT 10", "SELECT title FROM {t} WHERE {t} MATCH ? ORDER BY rowid DESC LIMIT 10"),
    ("rowid of all", "SELECT rowid FROM {t} WHERE {t} MATCH ?"),
    ("title ORDER BY title LIMIT 10", "SELECT title FROM {t} WHERE {t} MATCH ? ORDER BY title LIMIT 10"),
    ("title ORDER BY rank LIMIT 10", "SELECT title FROM {t} WHERE {t} MATCH ? ORDER BY rank LIMIT 10"),
]

TEXT = "n MATCH 'image viewer'"
HYBRID = "n MATCH hybrid_query('image viewer', :v)"
NEAR = "v MATCH :v"
ALONE = [
    ("hybrid ORDER BY rank", f"SELECT rowid FROM n WHERE {HYBRID} ORDER BY rank LIMIT 10"),
    ("hybrid ORDER BY score DESC", f"SELECT rowid FROM n WHERE {HYBRID} ORDER BY score DESC LIMIT 10"),
    ("hybrid score > x", f"SELECT rowid FROM n WHERE {HYBRID} AND score > :score ORDER BY rank LIMIT 10"),
    ("hybrid rank < x", f"SELECT rowid FROM n WHERE {HYBRID} AND rank < -:score ORDER BY rank LIMIT 10"),
    ("text ORDER BY rank", f"SELECT rowid FROM n WHERE {TEXT} ORDER BY rank LIMIT 10"),
    ("text ORDER BY bm25 DESC", f"SELECT rowid FROM n WHERE {TEXT} ORDER BY bm25 DESC LIMIT 10"),
    ("text bm25 > x", f"SELECT rowid FROM n WHERE {TEXT} AND bm25 > :bm25 ORDER BY rank LIMIT 10"),
    ("vector ORDER BY rank", f"SELECT rowid FROM n WHERE {NEAR} ORDER BY rank LIMIT 10"),
    ("vector distance < x", f"SELECT rowid FROM n WHERE {NEAR} AND distance < :distance ORDER BY rank LIMIT 10"),
    ("vector rank < x", f"SELECT rowid FROM n WHERE {NEAR} AND rank < :distance ORDER BY rank LIMIT 10"),
]


def milliseconds(db, sql, params):
    db.execute(sql, params).fetchall()
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        db.execute(sql, params).fetchall()
        best = min(best, time.process_time() - begin)
    return best * 1000


def opened(extension):
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(str(pathlib.Path(extension).resolve().with_suffix("")))
    return db


def measured(options):
    """One extension: the figures by name, of nearlite and of FTS5."""
    db = opened(options.extensions[0])
    vectors, queries = [], []
    if options.vectors:
        import numpy

        vectors = numpy.load(options.vectors, mmap_mode="r")
        queries = numpy.load(options.queries)
    column = f", v VECTOR({vectors.shape[1]})" if options.vectors else ""
    db.execute(f"CREATE VIRTUAL TABLE n USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT{column})")
    db.execute("CREATE VIRTUAL TABLE f USING fts5(title, body)")
    db.execute("BEGIN")
    with open(options.rows, encoding="utf-8") as lines:
        for rowid, line in enumerate(lines, 1):
            row = json.loads(line)
            values = [rowid, row["title"], row["text"][:500]]
            db.execute("INSERT INTO f(rowid, title, body) VALUES(?, ?, ?)", values)
            if options.vectors:
                known = rowid <= min(len(vectors), options.vector_rows)
                values.append(vectors[rowid - 1].astype("<f4").tobytes() if known else None)
            db.execute(f"INSERT INTO n(rowid, title, body{', v' if column else ''}) VALUES({', '.join('?' * len(values))})", values)
    db.execute("COMMIT")
    found = {}
    for name, sql in BESIDE:
        ours, theirs = ([milliseconds(db, sql.format(t=t), (word,)) for word in WORDS] for t in "nf")
        found[name] = [sorted(ours)[len(ours) // 2], max(ours), sorted(theirs)[len(theirs) // 2], max(theirs)]
    if options.vectors:
        given = {"v": queries[0].astype("<f4").tobytes()}
        for name, condition in (("score", HYBRID), ("bm25", TEXT), ("distance", NEAR)):
            # Half of a page is within the bound, so that it and not LIMIT ends the search.
            given[name] = db.execute(f"SELECT {name} FROM n WHERE {condition} ORDER BY rank LIMIT 1 OFFSET 5", given).fetchone()[0]
        for name, sql in ALONE:
            found[name] = [milliseconds(db, sql, given)]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows")
    parser.add_argument("extensions", nargs="+")
    parser.add_argument("--vectors")
    parser.add_argument("--queries")
    parser.add_argument("--vector-rows", type=int, default=20_000, help="rows that get a vector, at most")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options)))
        return
    runs = []
    for extension in options.extensions:
        command = [sys.executable, __file__, options.rows, extension, "--one", "--vector-rows", str(options.vector_rows)]
        if options.vectors:
            command += ["--vectors", options.vectors, "--queries", options.queries]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout))
    heads = [pathlib.Path(extension).parent.name or extension for extension in options.extensions]
    print("| query | " + " | ".join(heads) + " | FTS5 |")
    print("|---|" + "--:|" * (len(heads) + 1))
    for name in runs[0]:
        cells = ["{:.3f} / {:.3f}".format(*run[name][:2]) if len(run[name]) > 1 else "{:.3f}".format(*run[name]) for run in runs]
        beside = "{:.3f} / {:.3f}".format(*runs[0][name][2:]) if len(runs[0][name]) > 1 else ""
        print(f"| {name} | " + " | ".join(cells) + f" | {beside} |")


if __name__ == "__main__":
    main()
