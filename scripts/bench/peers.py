#!/usr/bin/env python3
"""Runs the engine and other libraries over data sets, in one run on one machine, and leaves one JSON file.

    scripts/bench/peers.py --data DIR --set NAME:DIM [--set ...] --json FILE \\
        --ours 'target/release/examples/ann --vectors both' [--libraries hnswlib,symqg] [--python INTERPRETER] [--rounds 2]

DIR holds NAME.base.f32, NAME.query.f32 and NAME.gt.i32 (see rawset.py). The interpreter must have NumPy and the packages of the
libraries asked for (`pip install hnswlib rabitqlib scalable-vs pyvsag faiss-cpu usearch scann zvec`); this script needs none.

Each library has its own process and time limit, and they take turns; a crash loses only its own points. Every round measures
all of them again, builds included, and the best of a library's points counts: other work on the machine comes and goes.

* Build: two threads (--threads-build). Seconds by the clock on the wall and of processor time.
* Search: one thread, one query a call, and apart from that the library's own call for many queries, on one core. Speed by the
  clock on the wall and by processor time; the best of three passes over all queries.
* Memory: growth of resident memory from before the build, data loaded, to after it, freed memory given back. It includes the
  library's own copy of the vectors where it keeps one.
* Recall@k counts ties: an answer as near as the k-th true neighbour is right.

--quick takes every fourth breadth, once: a trial of the machinery, not a measurement. It still asks all queries, because what few
queries touch stays in the processor's cache and makes compact indexes look faster than they are.
"""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LIBRARIES = "hnswlib,symqg,svs,vsag,faiss,usearch,scann,zvec"
QUICK = {"passes": 1, "every": 4, "efs": "10,24,64,200"}
ZEN = {"23": "Zen or Zen 2", "25": "Zen 3 or 4", "26": "Zen 5"}


def machine():
    """The machine in words: cores, kind of processor, its wide instructions, memory."""
    about = {}
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            about.setdefault(name.strip(), value.strip())
    flags = (about.get("flags") or about.get("Features", "")).split()
    model = about.get("model name", "unknown processor").split("@")[0].strip()
    zen = ZEN.get(about.get("cpu family", "")) if "AMD" in model else None
    if zen == "Zen 3 or 4":
        zen = "Zen 4" if "avx512f" in flags else "Zen 3"
    simd = " and ".join(filter(None, [
        next((word for flag, word in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")) if flag in flags), ""),
        next((word for flag, word in (("avx512_vnni", "VNNI"), ("asimddp", "dot product")) if flag in flags), ""),
    ]))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    virtual = "virtual " if "hypervisor" in flags else ""
    inside = ", ".join(filter(None, [zen, simd]))
    return f"{os.cpu_count()} {virtual}cores of {model} ({inside}), {memory:.0f} GiB"


def lines_of(command, limit):
    """(JSON lines that the command printed, what went wrong or "")."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = process.communicate(timeout=limit)
        wrong = ""
        if process.returncode:
            wrong = (err.strip().splitlines() or [f"exit {process.returncode}"])[-1][:300]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        wrong = f"stopped after {limit:.0f} s"
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")], wrong


def library(options, name, dim, peer):
    """{library: result} of one library in a process of its own."""
    command = [options.python, str(HERE / "measure_one.py"), "--data", options.data, "--set", name, "--dim", str(dim)]
    command += ["--library", peer, "--k", str(options.k), "--threads-build", str(options.threads_build)]
    if options.quick:
        command += [word for key in ("passes", "every") for word in (f"--{key}", str(QUICK[key]))]
    lines, wrong = lines_of(command, options.time_limit)
    result = {"points": [line for line in lines if "param" in line]}
    for line in lines:
        if "param" not in line:
            result |= line
    return {peer: result | ({"failed": wrong} if wrong else {})}


def ours(options, name, dim, command):
    """{library: result} of the engine and what else its command measures beside it: a line for each point names its library."""
    command = shlex.split(command) + ["--data", options.data, "--set", name, "--dim", str(dim), "--k", str(options.k)]
    command += ["--threads-build", str(options.threads_build)]
    if options.quick:
        command += ["--passes", str(QUICK["passes"]), "--efs", QUICK["efs"]]
    lines, wrong = lines_of(command, options.time_limit)
    found = {}
    for line in lines:
        result = found.setdefault(line.pop("peer"), {"points": []})
        point = {key: line.pop(key) for key in ("param", "recall", "qps", "cpu_qps")}
        line.pop("ids", None)
        result["points"].append({"mode": "single"} | point)
        result |= line
    if wrong:
        found.setdefault("nearlite", {"points": []})["failed"] = wrong
    return found


def better(old, new):
    """Two rounds of one library: the best of each point and of the builds, the memory of the first."""
    if not old or not old["points"]:
        return new
    points = {(point["mode"], point["param"]): point for point in old["points"]}
    for point in new["points"]:
        known = points.setdefault((point["mode"], point["param"]), point)
        for field in ("qps", "cpu_qps"):
            known[field] = max(known[field] or 0, point[field] or 0)
        # Builds on two threads differ a little from each other.
        known["recall"] = min(known["recall"], point["recall"])
    merged = old | {"points": list(points.values())}
    for field in ("build_s", "build_cpu_s"):
        merged[field] = min((result[field] for result in (old, new) if field in result), default=None)
    return merged


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True)
    options.add_argument("--set", action="append", required=True, metavar="NAME:DIM")
    options.add_argument("--ours", action="append", default=[], metavar="COMMAND")
    options.add_argument("--libraries", default=LIBRARIES)
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--json", required=True, help="what it already holds of other sets and libraries is kept")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--threads-build", type=int, default=2)
    options.add_argument("--k", type=int, default=10)
    options.add_argument("--time-limit", type=float, default=600, help="seconds for one library on one set")
    options.add_argument("--quick", action="store_true")
    options = options.parse_args()

    path = pathlib.Path(options.json)
    document = json.loads(path.read_text()) if path.exists() else {"sets": {}}
    document |= {"machine": machine(), "month": datetime.date.today().strftime("%B %Y"), "quick": options.quick}
    document |= {"threads_build": options.threads_build, "k": options.k, "rounds": options.rounds}
    jobs = [(ours, command) for command in options.ours]
    jobs += [(library, peer) for peer in options.libraries.split(",") if peer]
    sets = [(name, int(dim)) for name, _, dim in (word.partition(":") for word in options.set)]
    fresh = set()
    for number in range(options.rounds):
        for name, dim in sets:
            folder = pathlib.Path(options.data)
            about = document["sets"].setdefault(name, {"results": {}})
            about["rows"] = (folder / f"{name}.base.f32").stat().st_size // (4 * dim)
            about["queries"] = (folder / f"{name}.query.f32").stat().st_size // (4 * dim)
            about["dim"] = dim
            for measure, what in jobs:
                clock = time.monotonic()
                for peer, result in measure(options, name, dim, what).items():
                    old = about["results"].get(peer) if (name, peer) in fresh else None
                    fresh.add((name, peer))
                    about["results"][peer] = better(old, result)
                    took, wrong = time.monotonic() - clock, result.get("failed", "")
                    print(f"round {number + 1}, {name}, {peer}: {took:.0f} s {wrong}", file=sys.stderr, flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
