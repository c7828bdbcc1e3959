#!/usr/bin/env python3
"""Processor time of text queries that are as dear as 16 KB allow, beside the same form over the ten most frequent words.

    scripts/bench/text_queries.py TEXTS EXTENSION [EXTENSION]

TEXTS is a file of JSON objects, one a line, with `title` and `text`; the first 60,000 are indexed. Given two extensions
(before, after), each searches a file of its own. Each query runs three times in a process of its own, which is ended after
SECONDS of processor time; the table shows the middle time in milliseconds, and how many times the ten words it takes.
"""

import collections
import json
import os
import pathlib
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = 60_000
BYTES = 16_384
SECONDS = int(os.environ.get("SECONDS_EACH", "20"))
RUNS = int(os.environ.get("RUNS", "3"))
SQL = {
    "LIMIT 10": "SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank LIMIT 10",
    "count(*)": "SELECT count(*) FROM docs WHERE docs MATCH ?",
    "hybrid": "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(?, '[1, 0, 0, 0]') ORDER BY rank LIMIT 10",
}


def fill(pieces, joint=" "):
    """As many pieces as fit."""
    text = ""
    for piece in pieces:
        if len((text + joint + piece).encode()) > BYTES:
            break
        text += joint * bool(text) + piece
    return text


def pairs(words):
    return ((a, b) for distance in range(1, len(words)) for a, b in zip(words, words[distance:]))


def kinds(words):
    """Name, query, and the same form over the ten most frequent words (or the five pairs of them)."""
    ten = words[:10]
    two = list(zip(ten[::2], ten[1::2]))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    short = [a + b for a in letters for b in letters]
    common = words[:60]
    spread = list(dict.fromkeys(word for word in words[:6000] if len(word) > 3))
    yield "one word, repeated", fill([words[0]] * BYTES), " ".join(ten)
    yield "one word with `^2`, repeated", fill(["game^2"] * BYTES), " ".join(f"{word}^2" for word in ten)
    yield "`the-the-the...`", fill(["the"] * BYTES, "-"), "-".join(ten)
    yield "common words", fill(words[:4000]), " ".join(ten)
    yield "common words, AND", fill(words[:4000], " AND "), " AND ".join(ten)
    yield "prefixes of one letter, repeated", fill((f"{letter}*" for letter in letters * 29), " ")[:3070], " ".join(f"{word[0]}*" for word in ten)
    yield "prefixes of two letters", " ".join(f"{piece}*" for piece in short[:1024]), " ".join(f"{word[:2]}*" for word in ten)
    yield "`word~2`", fill(f"{word}~2" for word in spread[:1024]), " ".join(f"{word}~2" for word in ten)
    yield '`"the a"*`', fill(f'"{word} {letter}"*' for word in common for letter in letters), " ".join(f'"{a} {b[0]}"*' for a, b in two)
    yield 'phrases of two', fill(f'"{a} {b}"' for a, b in pairs(common)), " ".join(f'"{a} {b}"' for a, b in two)
    yield 'phrases of two with `~50`', fill(f'"{a} {b}"~50' for a, b in pairs(common)), " ".join(f'"{a} {b}"~50' for a, b in two)
    yield "`(a AND b)`", fill(f"({a} AND {b})" for a, b in pairs(common)), " ".join(f"({a} AND {b})" for a, b in two)
    yield "`(a OR b)`, AND", fill((f"({a} OR {b})" for a, b in pairs(common)), " AND "), " AND ".join(f"({a} OR {b})" for a, b in two)
    groups, nested = [], ""
    for at, word in enumerate(words[:1100]):
        nested = f"({nested} {'AND' if at % 2 else 'OR'} {word})" if nested else word
        if at % 30 == 29:
            groups.append(nested)
            nested = ""
    yield "nested groups", fill(groups), " ".join(ten)
    mixed = [form.format(a, b, a[0]) for a, b in pairs(common) for form in ("{0}", "{2}*", "{0}~1", '"{0} {1}"', '"{0} {2}"*', "-zz{1}", "({0} AND {1})")]
    opens = 0
    kept = []
    for piece in mixed:
        opens += piece.endswith(("*", "~1")) and not piece.startswith('"')
        if opens <= 1000 or piece.startswith(('"', "(", "-")):
            kept.append(piece)
    yield "all of these", fill(kept), " ".join(form.format(a, b, a[0]) for a, b in two for form in ("{0}", "{2}*", "{0}~1", '"{0} {1}"', '"{0} {2}"*'))


def connect(path, extension):
    db = sqlite3.connect(path, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(str(pathlib.Path(extension).with_suffix("")))
    return db


def make(texts, path, extension):
    """The table, and its words, most frequent first."""
    db = connect(path, extension)
    db.execute("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(4) INDEX flat)")
    rows = []
    counts = collections.Counter()
    with open(texts, encoding="utf-8") as lines:
        for number, line in zip(range(1, ROWS + 1), lines):
            entry = json.loads(line)
            body = f"{entry['title']} {entry['text']}"
            counts.update(set(re.findall(r"[a-z0-9]+", body.lower())))
            rows.append((number, body, json.dumps([number % 97 + 1, number % 89, number % 83, number % 79])))
    db.execute("BEGIN")
    db.executemany("INSERT INTO docs(rowid, body, v) VALUES(?, ?, ?)", rows)
    db.execute("COMMIT")
    db.execute("INSERT INTO docs(docs) VALUES('optimize')")
    db.close()
    return [word for word, _ in counts.most_common()]


def child(path, extension, sql, query):
    db = connect(path, extension)
    db.execute("SELECT rowid FROM docs WHERE docs MATCH 'warm' LIMIT 1").fetchall()
    start = time.process_time()
    runs = 0
    # The clock of processor time may be coarse.
    while runs == 0 or (time.process_time() - start < 0.2 and runs < 100):
        runs += 1
        try:
            db.execute(sql, (query,)).fetchall()
        except sqlite3.Error as error:
            print("refused:", error, file=sys.stderr)
            break
    print((time.process_time() - start) / runs)


def seconds(path, extension, sql, query):
    """The middle of three times; None where the query had to be ended."""
    times = []
    for _ in range(RUNS):
        run = subprocess.run(
            ["prlimit", f"--cpu={SECONDS}", sys.executable, __file__, "--child", path, extension, sql, query],
            capture_output=True, text=True, check=False)
        if run.stderr:
            print(run.stderr.strip(), file=sys.stderr)
        if run.returncode:
            return None
        times.append(float(run.stdout))
    return statistics.median(times)


def main():
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    texts, *extensions = sys.argv[1:]
    extensions = [os.path.abspath(extension) for extension in extensions]
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"texts{at}.db") for at in range(len(extensions))]
        for path, extension in zip(paths, extensions):
            words = make(texts, path, extension)
        show = lambda time: f"> {SECONDS * 1000:,}" if time is None else f"{time * 1000:,.1f}"
        print("| query | bytes | rows taken |" + " before ms |" * (len(extensions) - 1) + " ms | ten words ms | ratio |")
        print("|---|--:|---|" + "--:|" * (len(extensions) + 2), flush=True)
        for name, query, ten in kinds(words):
            for taken, sql in SQL.items():
                times = [seconds(path, extension, sql, query) for path, extension in zip(paths, extensions)]
                base = seconds(paths[-1], extensions[-1], sql, ten)
                ratio = "" if times[-1] is None or base is None else f"{times[-1] / max(base, 1e-5):.1f}"
                print(f"| {name} | {len(query.encode()):,} | {taken} | {' | '.join(map(show, times))} | {show(base)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
