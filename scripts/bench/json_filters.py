#!/usr/bin/env python3
"""Times filters on a JSON column beside the same filters on declared columns, in one process.

    scripts/bench/json_filters.py EXTENSION [--rows 20000] [--dim 128] [--rounds 40]

Two tables have the same rows and vectors: one declares ten metadata columns, the other has them as keys of an object, with a
list of tags besides. A search takes k = 10 and reads the rowid. Each filter is asked with another constant in each round,
the two tables in turns, then again with the same constant. Figures are processor time in microseconds, the median over the
rounds. The size is that of the columns of one segment. The result is a Markdown table.
"""

import argparse
import json
import random
import sqlite3
import statistics
import time

import numpy as np

COLUMNS = "section TEXT, priority TEXT, lang TEXT, author TEXT, year INTEGER, kb INTEGER, votes INTEGER, price REAL, score_ REAL, free BOOLEAN"
NAMES = [column.split()[0] for column in COLUMNS.split(", ")]


def rows_of(count, rng):
    for _ in range(count):
        yield {
            "section": f"section {min(int(rng.expovariate(0.08)), 59)}",
            "priority": rng.choice(["optional", "optional", "optional", "extra", "required"]),
            "lang": rng.choice(["en", "en", "en", "de", "fr", "ja"]),
            "author": f"author {rng.randrange(5000)}",
            "year": rng.randrange(1990, 2025),
            "kb": int(rng.lognormvariate(6, 2)),
            "votes": rng.randrange(100),
            "price": round(rng.random() * 100, 2),
            "score_": rng.random(),
            "free": rng.random() < 0.3,
            "tags": [f"tag {int(rng.expovariate(0.1)) % 200}" for _ in range(rng.randrange(6))],
        }


def filters(rng):
    """Name, SQL on declared columns with its values, filter on the object."""
    section, author, year, kb = f"section {rng.randrange(60)}", f"author {rng.randrange(5000)}", rng.randrange(2000, 2024), rng.randrange(50, 20000)
    sections = [f"section {rng.randrange(60)}" for _ in range(3)]
    equal = ("section = ?", [section])
    either = {"$or": [{"author": author}, {"kb": {"$gte": 40000}}]}
    return [
        ("equal to a text", *equal, {"section": section}),
        ("equal to a rare text", "author = ?", [author], {"author": author}),
        ("a number in a range", "kb >= ?", [kb], {"kb": {"$gte": kb}}),
        ("both", "section = ? AND year >= ?", [section, year], {"section": section, "year": {"$gte": year}}),
        ("one of three texts", "section IN (?, ?, ?)", sections, {"section": {"$in": sections}}),
        ("a boolean and a number", "free = 1 AND votes < ?", [kb % 100], {"free": True, "votes": {"$lt": kb % 100}}),
        ("a list that has a text, beside equal to a text", *equal, {"tags": {"$contains": f"tag {rng.randrange(60)}"}}),
        ("a rare text or a number, by row_matches", "row_matches(declared, ?)", [json.dumps(either)], either),
        ("the same, by OR of SQL", "(author = ? OR kb >= 40000)", [author], either),
        ("nothing passes", "section = ?", ["none"], {"section": f"none {kb}"}),
    ]


def micros(db, sql, params):
    begin = time.process_time()
    db.execute(sql, params).fetchall()
    return (time.process_time() - begin) * 1e6


def column_bytes(db, table, columns, source):
    """Bytes of the columns of one segment, without any other index."""
    db.execute(f"CREATE VIRTUAL TABLE {table} USING nearlite({columns})")
    db.execute(f"INSERT INTO {table} SELECT {source}")
    db.execute(f"INSERT INTO {table}({table}) VALUES('optimize')")
    return db.execute(f"SELECT sum(length(data)) FROM {table}_chunks").fetchone()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extension")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng, numbers = random.Random(args.seed), np.random.default_rng(args.seed)
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(args.extension)
    centres = numbers.standard_normal((100, args.dim))
    vectors = (centres[numbers.integers(0, 100, args.rows)] + 0.8 * numbers.standard_normal((args.rows, args.dim))).astype("f4")
    db.execute(f"CREATE VIRTUAL TABLE declared USING nearlite({COLUMNS}, e VECTOR({args.dim}))")
    db.execute(f"CREATE VIRTUAL TABLE free USING nearlite(meta JSON, e VECTOR({args.dim}))")
    took = {"declared": 0.0, "free": 0.0}
    rows = list(rows_of(args.rows, rng))
    marks = ", ".join("?" for _ in NAMES)
    for table in took:
        begin = time.process_time()
        db.execute("BEGIN")
        for row, vector in zip(rows, vectors):
            if table == "declared":
                db.execute(f"INSERT INTO declared({', '.join(NAMES)}, e) VALUES({marks}, ?)", [row[name] for name in NAMES] + [vector])
            else:
                db.execute("INSERT INTO free(meta, e) VALUES(?, ?)", [json.dumps(row), vector])
        db.execute("COMMIT")
        db.execute(f"INSERT INTO {table}({table}) VALUES('optimize')")
        took[table] = time.process_time() - begin
    result = {}
    for _ in range(args.rounds):
        query = vectors[rng.randrange(args.rows)]
        for name, where, values, asked in filters(rng):
            statements = [
                (f"SELECT rowid FROM declared WHERE e MATCH ? AND {where} ORDER BY distance LIMIT 10", [query, *values]),
                ("SELECT rowid FROM free WHERE e MATCH ? AND json_matches(meta, ?) ORDER BY distance LIMIT 10", [query, json.dumps(asked)]),
            ]
            cell = result.setdefault(name, [[], [], [], []])
            for repeated in (0, 2):
                for at, (sql, params) in rng.sample(list(enumerate(statements)), 2):
                    cell[at + repeated].append(micros(db, sql, params))
            if "list" not in name:
                assert db.execute(*statements[0]).fetchall() == db.execute(*statements[1]).fetchall(), (name, asked)
    print(f"{args.rows:,} rows x {args.dim}; inserting and `optimize`: declared {took['declared']:.1f} s, JSON {took['free']:.1f} s\n")
    print("| filter | declared, new | JSON, new | ratio | declared, again | JSON, again | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, cell in result.items():
        new, free, again, free_again = (statistics.median(times) for times in cell)
        print(f"| {name} | {new:.0f} | {free:.0f} | {free / new:.2f} | {again:.0f} | {free_again:.0f} | {free_again / again:.2f} |")
    keys = ", ".join(f"'{name}', {name}" for name in NAMES)
    declared = column_bytes(db, "columns_only", COLUMNS, f"{', '.join(NAMES)} FROM declared")
    objects = column_bytes(db, "objects_only", "meta JSON", f"json_object({keys}) FROM declared")
    tagged = column_bytes(db, "tags_only", "meta JSON", "meta FROM free")
    print(f"\nBytes of the columns of a segment: declared {declared:,}, the same as JSON {objects:,} ({objects / declared:.2f}), with the lists {tagged:,}.")


if __name__ == "__main__":
    main()
