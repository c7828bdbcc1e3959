#!/usr/bin/env python3
"""Time and bytes of many small tables, nearlite and FTS5 in turns in one process.

    scripts/bench/small_tables.py EXTENSION [--tables 800] [--rows 10] [--rounds 5]

For each kind of table: `--tables` CREATEs in one transaction, then `--rows` rows into each, all in one transaction, then the
file is opened again, one row of each table is read, and each table is searched once. A round makes new files. FTS5 has the same columns, those that it does
not index UNINDEXED, and no vector. Times are processor time of the process and the system, the median over the rounds. Bytes
are the pages of the file by the number of tables. The result is a Markdown table.
"""

import argparse
import os
import pathlib
import statistics
import struct
import tempfile
import time

import apsw

# Name, columns for nearlite, columns for FTS5 and the values of a row, in one order.
KINDS = [
    ("text", "body TEXT FULLTEXT, year INTEGER", "body, year UNINDEXED", 0),
    ("text and a vector of 4", "body TEXT FULLTEXT, year INTEGER, e VECTOR(4)", "body, year UNINDEXED, e UNINDEXED", 4),
    ("INTEGER key, text, a vector of 4", "id INTEGER PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, e VECTOR(4)", "body, year UNINDEXED, e UNINDEXED", 4),
    ("TEXT key, text, a vector of 4", "id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, e VECTOR(4)", "id UNINDEXED, body, year UNINDEXED, e UNINDEXED", 4),
]


def processor(work):
    """Milliseconds that `work` takes of the processor."""
    begin = os.times()
    work()
    end = os.times()
    return (end.user - begin.user + end.system - begin.system) * 1e3


def open_file(path, extension):
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    if extension:
        db.enable_load_extension(True)
        db.load_extension(extension)
    return db


def measure(path, extension, kind, tables, rows):
    """Milliseconds to create, to fill, to open and to search; bytes of a table when it is new and when it has its rows."""
    _, ours, theirs, dim = kind
    module, columns = ("nearlite", ours) if extension else ("fts5", theirs)
    db = open_file(path, extension)
    rng = range(tables)

    def create():
        db.execute("BEGIN")
        for table in rng:
            db.execute(f"CREATE VIRTUAL TABLE t{table} USING {module}({columns})")
        db.execute("COMMIT")

    def fill():
        key = "id, " if "id TEXT" in ours else ""
        names, values = f"{key}body, year{', e' * (dim > 0)}", []
        for row in range(rows):
            vector = [struct.pack(f"<{dim}f", *(float(row + at) for at in range(dim)))] if dim else []
            values.append([f"k{row}"] * bool(key) + [f"some words about row {row}", 2000 + row] + vector)
        marks = ", ".join("?" * len(values[0]))
        db.execute("BEGIN")
        for table in rng:
            db.executemany(f"INSERT INTO t{table}({names}) VALUES({marks})", values)
        db.execute("COMMIT")

    def size():
        return db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0] / tables

    def read():
        for table in rng:
            assert len(db.execute(f"SELECT rowid FROM t{table} LIMIT 1").fetchall()) == min(1, rows)

    def search():
        for table in rng:
            found = db.execute(f"SELECT rowid FROM t{table} WHERE t{table} MATCH 'words' LIMIT 3").fetchall()
            assert len(found) == min(3, rows)

    created, empty = processor(create), size()
    filled, full = processor(fill), size()
    db.close()
    db = open_file(path, extension)
    opened, searched = processor(read), processor(search)
    db.close()
    return created, filled, opened, searched, empty, full


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extension")
    parser.add_argument("--tables", type=int, default=800)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(arguments)
    print(f"{args.tables} tables, {args.rows} rows each; SQLite {apsw.sqlite_lib_version()}\n")
    print("| table | | CREATE, ms | FTS5 = 1 | rows, ms | open, ms | first search, ms | kB, new | kB, with rows |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for kind in KINDS:
        figures = {"nearlite": [], "FTS5": []}
        with tempfile.TemporaryDirectory() as folder:
            for at in range(args.rounds):
                for name, extension in (("nearlite", args.extension), ("FTS5", None)):
                    path = pathlib.Path(folder) / f"{name}{at}.db"
                    figures[name].append(measure(path, extension, kind, args.tables, args.rows))
                    path.unlink()
        medians = {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in figures.items()}
        for name, (created, filled, opened, searched, empty, full) in medians.items():
            ratio = created / medians["FTS5"][0] if medians["FTS5"][0] else 0
            print(f"| {kind[0]} | {name} | {created:.0f} | {ratio:.2f} | {filled:.0f} | {opened:.0f} | {searched:.0f} | {empty / 1e3:.1f} | {full / 1e3:.1f} |")


if __name__ == "__main__":
    main()
