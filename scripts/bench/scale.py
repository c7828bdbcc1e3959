#!/usr/bin/env python3
"""How cost grows with rows: nearlite through SQL beside other products, on the same rows, in one run.

    scripts/bench/scale.py --vectors base.npy --extension nearlite.so --out scale.jsonl [--rows 10000 100000 300000 1000000]
        [--ways bulk grown] [--products nearlite hnswlib sqlite-vec lancedb] [--python INTERPRETER]
    scripts/bench/scale_page.py scale.jsonl --into docs/benchmarks.md --plots docs/plots

--vectors  real embeddings, one a row (a NumPy file); the rows measured are mixtures of them (`scale_rows.py`)
--python   an interpreter with numpy and the packages of the other products

Each product runs in a process of its own, for each number of rows and each way to write them: `bulk` is one transaction, `grown` is
commits of 1 to 20,000 rows with one update and one deletion for every ten rows. Two more processes open the file afterwards, whose pages
were dropped from the page cache: the first makes one search, the second many, so its resident memory is that of searching. Seconds of
processor time are those of the whole process. Recall counts the 10 nearest living rows.
"""

import argparse
import importlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

import scale_rows

K = 10
SINGLE = 100
# Tags below these: 1 and 10 rows in a hundred.
FILTERS = {"1%": 10, "10%": 100}


def memory_mb(field):
    """Resident memory ("VmRSS") or its peak ("VmHWM")."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))


class Clock:
    """Seconds on the wall and of processor time since it was made: the whole process's time, or another clock's."""

    def __init__(self, cpu=time.process_time):
        self.read_cpu = cpu
        self.wall, self.cpu = time.perf_counter(), cpu()

    def read(self):
        return time.perf_counter() - self.wall, self.read_cpu() - self.cpu


def files_of(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]


def timed(search, queries, truth=None, cpu=time.process_time):
    """Median and 99th percentile of the milliseconds of a search, processor milliseconds, and recall."""
    for query in queries[: min(20, len(queries))]:
        search(query)
    times, found, clock = [], 0, Clock(cpu)
    for at, query in enumerate(queries):
        begun = time.perf_counter()
        rows = search(query)
        times.append(time.perf_counter() - begun)
        if truth is not None:
            found += len(set(rows) & set(truth[at].tolist()))
    out = {"ms": float(np.median(times)) * 1e3, "p99_ms": float(np.percentile(times, 99)) * 1e3}
    out["cpu_ms"] = clock.read()[1] / len(queries) * 1e3
    return out if truth is None else out | {"recall": found / truth.size}


def write(product, vectors, commits, queries=()):
    """Applies the commits; how long they took, without the making of vectors, the slowest, and what was seen meanwhile.

    Seen are rows, segments and the milliseconds of a default search (clock, processor) after each twentieth of the rows.
    """
    wall, cpu, slowest, written, seen = 0.0, 0.0, 0.0, 0, []
    each = sum(len(new) for new, *_ in commits) / 20
    for new, changed, gone in commits:
        # A product may ask for the rows of a large commit one by one: so they are made block by block, on its clock's pause. Of processor
        # time only this thread's is paused, since the product's own threads go on.
        pause = [0.0, 0.0]

        def made(pairs):
            for start in range(0, len(pairs), scale_rows.BLOCK):
                part, clock = pairs[start : start + scale_rows.BLOCK], Clock(time.thread_time)
                block = vectors[[of for _, of in part]]
                rows = [(n, scale_rows.tag(n), scale_rows.text(n), v) for (n, _), v in zip(part, block)]
                pause[:] = [sum(both) for both in zip(pause, clock.read())]
                yield from rows

        clock = Clock()
        product.commit(made([(n, n) for n in new]), [(n, v) for n, _, _, v in made(changed)], gone)
        spent = [one - other for one, other in zip(clock.read(), pause)]
        wall, cpu, slowest = wall + spent[0], cpu + spent[1], max(slowest, spent[0])
        written += len(new)
        if len(queries) and written > each * (len(seen) + 1):
            found = timed(lambda query: product.search(query, K), queries[:20], cpu=time.thread_time)
            seen.append((written, product.segments(), found["ms"], found["cpu_ms"]))
    return wall, cpu, slowest, seen


def searches(product, found):
    """Everything that is asked of a loaded product. `found`: queries and their true neighbours."""
    queries, out = found["queries"], []
    for breadth in product.breadths:
        out.append({"breadth": breadth} | timed(lambda q: product.search(q, K, breadth), queries, found["all"]))
    filtered, words = {}, None
    if product.has_filter:
        for name, passes in FILTERS.items():
            filtered[name] = timed(lambda q: product.search(q, K, None, passes), queries, found[name])
    if product.has_text:
        texts = iter([f"w{at % 40 + 2} w{at * 37 % 4000 + 100}" for at in range(2 * len(queries))])
        words = timed(lambda _: product.words(next(texts), K), queries)
    return {"search": out, "filtered": filtered, "words": words}


def measure(task):
    """Loads, changes and searches a product in this process."""
    from scale_products import PRODUCTS

    vectors = scale_rows.Vectors(np.load(task["vectors"], mmap_mode="r"))
    commits = getattr(scale_rows, task["way"])(task["rows"])
    found = np.load(task["found"])
    before = memory_mb("VmRSS")
    product = PRODUCTS[task["product"]](task["folder"], vectors.dim, task["rows"], task["extension"])
    grown = task["way"] == "grown"
    wall, cpu, slowest, seen = write(product, vectors, commits, found["queries"] if grown and product.segments() is not None else ())
    out = {"load_s": wall, "load_cpu_s": cpu, "slowest_commit_s": slowest, "load_peak_mb": memory_mb("VmHWM") - before}
    out["segments"] = product.segments()
    if grown:
        out["as_grown"] = searches(product, found)
        out["seen"] = seen
        clock = Clock()
        if product.maintain():
            spent = clock.read()
            idle = timed(lambda query: product.search(query, K), found["queries"], found["all"])
            out["idle"] = {"s": spent[0], "cpu_s": spent[1], "segments": product.segments(), "search": idle}
    product.checkpoint()
    size = sum(path.stat().st_size for path in files_of(task["folder"]))
    clock = Clock()
    product.finish()
    product.checkpoint()
    out |= dict(zip(("finish_s", "finish_cpu_s"), clock.read()))
    after = sum(path.stat().st_size for path in files_of(task["folder"]))
    out |= searches(product, found)
    # Single rows come last: they are not among the true neighbours.
    first, fresh = task["rows"], vectors[np.arange(SINGLE) + task["rows"] * 2]
    times, clock = [], Clock()
    for at, vector in enumerate(fresh):
        begun = time.perf_counter()
        product.commit(iter([(first + at, at % scale_rows.TAGS, scale_rows.text(at), vector)]), [], [])
        times.append((time.perf_counter() - begun) * 1e3)
    cpu = clock.read()[1]
    product.checkpoint()
    raw = len(scale_rows.final(commits)[0]) * vectors.dim * 4
    out |= {"single_ms": float(np.median(times)), "single_max_ms": max(times), "single_cpu_ms": cpu / SINGLE * 1e3}
    return out | {"raw_mb": raw / 1e6, "loaded_mb": size / 1e6, "finished_mb": after / 1e6}


def reopen(task):
    """Opens a file that another process wrote: the first search, or memory after many."""
    from scale_products import PRODUCTS

    queries = np.load(task["found"])["queries"]
    for module in PRODUCTS[task["product"]].modules:
        importlib.import_module(module)
    before, clock = memory_mb("VmRSS"), Clock()
    product = PRODUCTS[task["product"]].__new__(PRODUCTS[task["product"]])
    product.folder, product.dim, product.rows, product.extension = task["folder"], queries.shape[1], task["rows"], task["extension"]
    product.open()
    product.search(queries[0], K)
    if task["step"] == "first":
        return {"cold_ms": clock.read()[0] * 1e3}
    for query in queries:
        product.search(query, K)
    return {"search_mb": memory_mb("VmRSS") - before, "search_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before}


def drop_pages(folder):
    """The files out of the page cache, as far as the system does it."""
    for path in files_of(folder):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def run(python, task):
    done = subprocess.run([python, __file__, "--task", json.dumps(task)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or ["no word"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def find(vectors, way, rows, path, count=200):
    """The queries of a workload and what they should find, into a file."""
    state = scale_rows.final(getattr(scale_rows, way)(rows))
    queries = vectors[np.arange(count) + rows * 3]
    best = {name: scale_rows.truth(vectors, state, queries, K, passes) for name, passes in FILTERS.items()}
    np.savez(path, queries=queries, all=scale_rows.truth(vectors, state, queries, K), **best)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--task", help=argparse.SUPPRESS)
    options.add_argument("--vectors")
    options.add_argument("--extension")
    options.add_argument("--out")
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 300_000, 1_000_000])
    options.add_argument("--ways", nargs="+", default=["bulk", "grown"], choices=["bulk", "grown"])
    options.add_argument("--products", nargs="+", default=["nearlite", "hnswlib", "sqlite-vec"])
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--queries", type=int, default=200)
    options.add_argument("--tmp", help="where the files are made")
    got = options.parse_args()
    if got.task:
        task = json.loads(got.task)
        print(json.dumps((measure if task["step"] == "measure" else reopen)(task)))
        return
    if not (got.vectors and got.out and got.extension):
        options.error("--vectors, --extension and --out are needed")
    vectors = scale_rows.Vectors(np.load(got.vectors, mmap_mode="r"))
    with open(got.out, "a", encoding="utf-8") as out, tempfile.TemporaryDirectory(dir=got.tmp) as place:
        for rows in got.rows:
            for way in got.ways:
                found = f"{place}/found.npz"
                find(vectors, way, rows, found, got.queries)
                for product in got.products:
                    with tempfile.TemporaryDirectory(dir=got.tmp) as folder:
                        task = {"product": product, "rows": rows, "way": way, "dim": vectors.dim}
                        work = task | {"vectors": got.vectors, "found": found, "folder": folder, "extension": got.extension}
                        result = run(got.python, work | {"step": "measure"})
                        for step in ("first", "many"):
                            if "failed" not in result:
                                drop_pages(folder)
                                result |= run(got.python, work | {"step": step})
                        line = json.dumps(task | result)
                        print(line[:200], flush=True)
                        out.write(line + "\n")
                        out.flush()


if __name__ == "__main__":
    main()
