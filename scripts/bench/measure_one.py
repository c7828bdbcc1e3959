"""Measures one library on one data set, in this process; prints one JSON line for the build and one for each point.

Started by `peers.py`, which says what the figures mean.
"""

import argparse
import ctypes
import gc
import importlib
import importlib.metadata
import json
import os
import time

import numpy as np

from libraries import LIBRARIES

# A sweep ends where more effort finds nothing more, or takes too long.
ENOUGH_RECALL = 0.9991
SLOWEST_PASS = 4.0


def memory_mb(field):
    """Resident memory ("VmRSS") or its peak ("VmHWM")."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))


def give_back():
    """Freed memory to the system, so that what stays resident is the index."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def keep_to_one_core():
    """Every thread of this process to one core: no library searches on two."""
    core = max(os.sched_getaffinity(0))
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), {core})


class Recall:
    """Share of the k answers that are as near as the k-th true neighbour; a row counts once."""

    def __init__(self, base, queries, truth, k):
        self.base, self.queries, self.k = base, queries, k
        self.floor = np.einsum("ij,ij->i", base[truth[:, k - 1]].astype("f8"), queries) - 1e-6

    def __call__(self, answers):
        right = 0
        for query, floor, rows in zip(self.queries, self.floor, answers):
            rows = np.unique(np.asarray(rows, "i8")[: self.k])
            rows = rows[(rows >= 0) & (rows < len(self.base))]
            right += int(np.count_nonzero(self.base[rows].astype("f8") @ query >= floor))
        return right / (self.k * len(self.queries))


def passes(run, count):
    """(wall seconds, processor seconds) of the best pass, and an answer. As many passes for a fast library as for a slow one: the
    best of more passes is better by luck alone."""
    wall, cpu, answer = float("inf"), float("inf"), None
    for _ in range(count):
        clock, spent = time.perf_counter(), time.process_time()
        answer = run()
        wall, cpu = min(wall, time.perf_counter() - clock), min(cpu, time.process_time() - spent)
    return wall, cpu, answer


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("--data", "--set", "--library"):
        options.add_argument(name, required=True)
    for name, otherwise in (("--dim", None), ("--k", 10), ("--threads-build", 2), ("--passes", 3), ("--every", 1)):
        options.add_argument(name, type=int, required=otherwise is None, default=otherwise)
    got = options.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(got.threads_build)

    path = os.path.join(got.data, got.set)
    base, queries = (np.fromfile(f"{path}.{part}.f32", "<f4").reshape(-1, got.dim) for part in ("base", "query"))
    truth = np.fromfile(f"{path}.gt.i32", "<i4").reshape(len(queries), -1)
    recall_of = Recall(base, queries, truth, got.k)
    library = LIBRARIES[got.library]()
    library.lib = importlib.import_module(library.module)

    give_back()
    before = memory_mb("VmRSS")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    clock, spent = time.perf_counter(), time.process_time()
    library.build(base, got.k, got.threads_build)
    about = {"build_s": time.perf_counter() - clock, "build_cpu_s": time.process_time() - spent}
    about["peak_mb"] = memory_mb("VmHWM") - before
    give_back()
    about["rss_mb"] = memory_mb("VmRSS") - before
    about |= {"version": importlib.metadata.version(library.package), "config": library.config, "rows": len(base)}
    print(json.dumps(about), flush=True)

    keep_to_one_core()
    shaped = library.shape(queries)
    rows_of = getattr(library, "rows_of", lambda answer: answer)
    for param in library.sweep[:: got.every]:
        best = slowest = 0.0
        ways = [("single", library.one)] + ([("batch", library.many)] if library.many else [])
        for mode, way in ways:
            search = way(param)
            once = (lambda: [search(query) for query in shaped]) if mode == "single" else (lambda: search(queries))
            wall, cpu, answer = passes(once, got.passes)
            recall = recall_of([rows_of(one) for one in answer] if mode == "single" else answer)
            best, slowest = max(best, recall), max(slowest, wall)
            point = {"mode": mode, "param": library.label(param), "recall": recall, "qps": len(queries) / wall}
            print(json.dumps(point | {"cpu_qps": len(queries) / cpu}), flush=True)
        if library.rising and (best >= ENOUGH_RECALL or slowest > SLOWEST_PASS):
            break
    # Some libraries crash as they are taken down; everything is printed by now.
    os._exit(0)


if __name__ == "__main__":
    main()
