#!/usr/bin/env python3
"""Recall and time of default searches beside those of breadth 128, through SQL, on data sets of raw floats.

    scripts/bench/breadth.py EXTENSION DIR NAME:DIM:METRIC...

DIR holds `NAME.base.f32` and `NAME.query.f32` (`rawset.py`). The two take turns, query by query. Prints a Markdown table.
"""

import argparse
import sqlite3
import time

import numpy as np

import rawset

K = 10
USUAL = 128


def load(extension, base, metric):
    """A table of these rows in memory, and how long that took."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.enable_load_extension(True)
    conn.load_extension(extension)
    conn.execute(f"CREATE VIRTUAL TABLE t USING nearlite(e VECTOR({base.shape[1]}) METRIC {metric})")
    begun = time.perf_counter()
    conn.execute("BEGIN")
    conn.executemany("INSERT INTO t(rowid, e) VALUES(?, ?)", ((at, row.tobytes()) for at, row in enumerate(base)))
    conn.execute("COMMIT")
    conn.execute("INSERT INTO t(t) VALUES('optimize')")
    return conn, time.perf_counter() - begun


def measure(conn, base, queries, metric):
    """Recall and median milliseconds of each way."""
    truth = rawset.exact(base, queries, K, metric)
    ways = {"usual": f"AND ef_search = {USUAL}", "own": ""}
    found, times = {way: 0 for way in ways}, {way: [] for way in ways}
    for at, (query, right) in enumerate(zip(queries, truth)):
        query, right = query.tobytes(), set(right.tolist())
        # Whoever comes second finds the rows in the processor's cache.
        for way in sorted(ways, reverse=at % 2 == 1):
            sql = f"SELECT rowid FROM t WHERE e MATCH ? {ways[way]} ORDER BY distance LIMIT {K}"
            begun = time.perf_counter()
            rows = conn.execute(sql, (query,)).fetchall()
            times[way].append(time.perf_counter() - begun)
            found[way] += len(right & {rowid for (rowid,) in rows})
    return {way: (found[way] / K / len(queries), float(np.median(times[way])) * 1e3) for way in ways}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("extension")
    options.add_argument("folder")
    options.add_argument("sets", nargs="+")
    options.add_argument("--queries", type=int, default=1000)
    got = options.parse_args()
    print(f"| data | load s | recall, `ef_search` {USUAL} | ms | breadth chosen | recall by default | ms | times |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for one in got.sets:
        name, dim, metric = one.split(":")
        read = lambda part: np.fromfile(f"{got.folder}/{name}.{part}.f32", "<f4").reshape(-1, int(dim))
        base, queries = read("base"), read("query")[: got.queries]
        conn, seconds = load(got.extension, base, metric)
        (usual, usual_ms), (own, own_ms) = measure(conn, base, queries, metric).values()
        breadth = conn.execute("SELECT ef_search FROM nearlite_info('t') WHERE kind = 'vector'").fetchone()[0]
        plan = conn.execute("SELECT explain FROM t WHERE e MATCH ? ORDER BY distance LIMIT 10", (queries[0].tobytes(),)).fetchone()[0]
        chosen = "scan" if '"plan":"scan"' in plan else breadth
        print(f"| {name} | {seconds:.1f} | {usual:.4f} | {usual_ms:.3f} | {chosen} | {own:.4f} | {own_ms:.3f} | {own_ms / usual_ms:.2f} |", flush=True)


if __name__ == "__main__":
    main()
