#!/usr/bin/env python3
"""What one-row commits cost a table that grows by them, and what searches cost meanwhile.

    scripts/bench/small_commits.py EXTENSION [--rows 20000] [--rate 0] [--mode auto] [--vectors VECTORS.npy] [--dim 384] [--folder /tmp]

Begins with an empty table (a vector column, a BM25 column, an integer), WAL, `synchronous` NORMAL. One thread commits rows one by
one, as fast as it can or `--rate` a second; another one, on a connection of its own, searches. Reported are: the commits
(milliseconds of the committing thread's processor time and of the clock), the longest log, the most segments, the search
during the run, after it, after `maintain` and after `optimize`, as ratios to the last; the processor time of the whole run
against a bulk load with `optimize`; the clock of the same commits into an ordinary table with the same blobs; and what a foreign
process meets that has no patience (timeout 0), and one whose transactions read before they write, both with `maintenance` as
given and with `manual`. Times of searches are processor time of the searching thread. The result is a Markdown table.
"""

import argparse
import json
import os
import pathlib
import random
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

WORDS = ["sqlite", "vector", "graph", "kernel", "music", "debug", "server", "python", "data", "files", "library", "image"]


class Data:
    """Vectors and texts by number, the same in each run."""

    def __init__(self, args):
        self.dim = args.dim
        self.rows = None
        if args.vectors:
            import numpy

            self.rows = numpy.load(args.vectors, mmap_mode="r")
            self.dim = self.rows.shape[1]
            if len(self.rows) < args.rows:
                # Rows with equal vectors share a node in one segment, but not across segments: a bulk load would cost too little.
                raise SystemExit(f"{args.vectors} has {len(self.rows)} vectors, {args.rows} different ones are needed")
        draw = random.Random(7)
        self.centres = [[draw.gauss(0, 1) for _ in range(self.dim)] for _ in range(64)]

    def vector(self, at):
        if self.rows is not None:
            return self.rows[at % len(self.rows)].astype("float32").tobytes()
        draw = random.Random(at)
        centre = self.centres[draw.randrange(64)]
        return struct.pack(f"{self.dim}f", *(c + draw.gauss(0, 0.7) for c in centre))

    def text(self, at):
        draw = random.Random(at)
        return " ".join(draw.choice(WORDS) + str(draw.randrange(400)) for _ in range(30))


def opened(extension, path, timeout=60):
    db = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(str(pathlib.Path(extension).resolve().with_suffix("")))
    db.execute("PRAGMA synchronous = normal")
    return db


def created(args, path, dim, mode):
    db = opened(args.extension, path)
    db.execute("PRAGMA journal_mode = wal")
    db.execute(f"CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR({dim}))")
    db.execute("INSERT INTO docs(docs, rank) VALUES('maintenance', ?)", (mode,))
    return db


INSERT = "INSERT INTO docs(rowid, body, n, v) VALUES(?, ?, ?, ?)"
SEARCHES = {
    "vector": ("SELECT rowid FROM docs WHERE v MATCH ? ORDER BY distance LIMIT 10", lambda data, at: (data.vector(-at - 1),)),
    "text": ("SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank LIMIT 10", lambda data, at: (f"music{at % 400} OR data{at % 399}",)),
}


def search(db, data, kind, at):
    """Milliseconds of processor time."""
    sql, params = SEARCHES[kind]
    params = params(data, at)
    begin = time.thread_time()
    db.execute(sql, params).fetchall()
    return (time.thread_time() - begin) * 1000


def searches(db, data, count=200):
    """The mean of each kind, warm."""
    means = {}
    for kind in SEARCHES:
        for at in range(20):
            search(db, data, kind, at)
        means[kind] = sum(search(db, data, kind, at) for at in range(count)) / count
    return means


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def run(args, data, folder, mode):
    path = os.path.join(folder, f"{mode}.db")
    db = created(args, path, data.dim, mode)
    reader = opened(args.extension, path)
    wall, cpu, during, most, over = [], [], {kind: [] for kind in SEARCHES}, [0, 0], threading.Event()
    began_cpu, reading = time.process_time(), [0.0]

    def read():
        at = 0
        begin = time.thread_time()
        while not over.wait(0.02):
            for kind in SEARCHES:
                during[kind].append(search(reader, data, kind, at))
            delta, segments = reader.execute("SELECT delta, segments FROM nearlite_info('docs') LIMIT 1").fetchone()
            most[0], most[1] = max(most[0], delta), max(most[1], segments)
            at += 1
        reading[0] = time.thread_time() - begin

    thread = threading.Thread(target=read)
    thread.start()
    prepared = 0.0
    began = time.perf_counter()
    for at in range(args.rows):
        begin = time.thread_time()
        row = (at, data.text(at), at % 100, data.vector(at))
        prepared += time.thread_time() - begin
        if args.rate:
            time.sleep(max(0, began + at / args.rate - time.perf_counter()))
        first, second = time.perf_counter(), time.thread_time()
        db.execute(INSERT, row)
        wall.append((time.perf_counter() - first) * 1000)
        cpu.append((time.thread_time() - second) * 1000)
    seconds = time.perf_counter() - began
    over.set()
    thread.join()
    total = time.process_time() - began_cpu - reading[0] - prepared
    # The last half: while the table is small any search is fast.
    during = {kind: sum(values[len(values) // 2:]) / max(1, len(values) - len(values) // 2) for kind, values in during.items()}
    after = searches(reader, data)
    db.execute("SELECT nearlite_maintain('docs')").fetchone()
    maintained = searches(reader, data)
    db.execute("INSERT INTO docs(docs) VALUES('optimize')")
    optimized = searches(reader, data)
    db.close()
    reader.close()
    return dict(wall=wall, cpu=cpu, seconds=seconds, total=total, log=most[0], segments=most[1],
                during=during, after=after, maintained=maintained, optimized=optimized)


def bulk(args, data, folder):
    """Processor time of one transaction and `optimize`."""
    db = created(args, os.path.join(folder, "bulk.db"), data.dim, "auto")
    rows = [(at, data.text(at), at % 100, data.vector(at)) for at in range(args.rows)]
    begin = time.process_time()
    db.execute("BEGIN")
    db.executemany(INSERT, rows)
    db.execute("COMMIT")
    db.execute("INSERT INTO docs(docs) VALUES('optimize')")
    total = time.process_time() - begin
    db.close()
    return total


def ordinary(args, data, folder):
    """Milliseconds of the clock of the same commits into an ordinary table."""
    db = opened(args.extension, os.path.join(folder, "ordinary.db"))
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TABLE docs(id INTEGER PRIMARY KEY, body TEXT, n INTEGER, v BLOB)")
    wall, began = [], time.perf_counter()
    for at in range(args.rows):
        row = (at, data.text(at), at % 100, data.vector(at))
        if args.rate:
            time.sleep(max(0, began + at / args.rate - time.perf_counter()))
        first = time.perf_counter()
        db.execute("INSERT INTO docs VALUES(?, ?, ?, ?)", row)
        wall.append((time.perf_counter() - first) * 1000)
    db.close()
    return wall


FOREIGN = """
import json, sqlite3, sys, time
path, extension, until = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
db = sqlite3.connect(path, timeout=0, isolation_level=None)
db.enable_load_extension(True)
db.load_extension(extension)
db.execute("PRAGMA synchronous = normal")
tried, met, at = 0, {}, 0
while time.monotonic() < until:
    at += 1
    tried += 1
    try:
        if at % 2:
            db.execute("INSERT INTO mine VALUES(?)", (at,))
        else:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM docs WHERE n = 5").fetchone()
            time.sleep(0.001)
            db.execute("INSERT INTO mine VALUES(?)", (at,))
            db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        met[str(error)] = met.get(str(error), 0) + 1
        if db.in_transaction:
            db.execute("ROLLBACK")
    time.sleep(0.002)
print(json.dumps([tried, met]))
"""


def foreign(args, data, folder, mode):
    """What another process meets, in turns with a writer of this one that leaves it the time."""
    path = os.path.join(folder, f"foreign_{mode}.db")
    db = created(args, path, data.dim, mode)
    db.execute("CREATE TABLE mine(x)")
    extension = str(pathlib.Path(args.extension).resolve().with_suffix(""))
    rows = [(at, data.text(at), at % 100, data.vector(at)) for at in range(3000)]
    db.execute("BEGIN")
    db.executemany(INSERT, rows)
    db.execute("COMMIT")
    # Nobody but maintenance writes to the table while the foreign process is at work.
    for at in range(3000, 4100):
        db.execute(INSERT, (at, data.text(at), 5, data.vector(at)))
    child = subprocess.run([sys.executable, "-c", FOREIGN, path, extension, "5"], capture_output=True, text=True, check=True)
    db.close()
    return json.loads(child.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extension")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--mode", default="auto", choices=["auto", "commit", "background"])
    parser.add_argument("--vectors")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--folder")
    args = parser.parse_args()
    data = Data(args)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        got = run(args, data, folder, args.mode)
        plain = ordinary(args, data, folder)
        loaded = bulk(args, data, folder)
        met = {mode: foreign(args, data, folder, mode) for mode in (args.mode, "manual")}
    rate = f"{args.rate} a second" if args.rate else "unthrottled"
    print(f"{args.rows} one-row commits, {rate}, `maintenance` = {args.mode}, {data.dim} dimensions\n")
    print("| what | figure |\n|---|--:|")
    print(f"| commits a second | {args.rows / got['seconds']:.0f} |")
    for name, values in (("processor", got["cpu"]), ("clock", got["wall"])):
        shown = ", ".join(f"{percentile(values, share):.2f}" for share in (0.5, 0.99, 0.999))
        print(f"| commit, ms of {name}: median, p99, p99.9, most | {shown}, {max(values):.1f} |")
    print(f"| the same commits into an ordinary table, ms of clock: p99.9, most | {percentile(plain, 0.999):.2f}, {max(plain):.1f} |")
    print(f"| longest log, most segments | {got['log']}, {got['segments']} |")
    print(f"| processor time of all, against bulk load and optimize | {got['total'] / loaded:.2f} |")
    for kind, best in got["optimized"].items():
        ratios = ", ".join(f"{got[when][kind] / best:.2f}" for when in ("during", "after", "maintained"))
        print(f"| {kind} search against optimized ({best:.2f} ms): during, after, maintained | {ratios} |")
    for mode, (tried, errors) in met.items():
        print(f"| errors of a foreign process, `{mode}` | {sum(errors.values())} of {tried} {errors or ''} |")


if __name__ == "__main__":
    main()
