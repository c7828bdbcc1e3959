#!/usr/bin/env python3
"""Writes the JSON lines of scale.py as Markdown, to standard output or between the marks of a page, and draws them.

    scripts/bench/scale_page.py FILE.jsonl [--into docs/benchmarks.md] [--plots docs/plots]

The marks are the lines `<!-- scale: begin -->` and `<!-- scale: end -->`. Of several lines of one product, number of rows and way the last
one counts.
"""

import argparse
import json
import pathlib

from figures import speed_at
from marks import between
from svg import COLOURS, OURS, Axis, Series, line_chart

AT = (0.95, 0.98)
WAYS = {"bulk": "one transaction", "grown": "commits of 1 to 20,000 rows, with updates and deletes"}


def read(text):
    known = {}
    for line in text.splitlines():
        one = json.loads(line)
        known[one["rows"], one["way"], one["product"]] = one
    return list(known.values())


def number(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}" if value < 100 else f"{value:,.0f}"


def ms_at(one, recall):
    """Milliseconds of a search at a recall, interpolated as a speed."""
    speed, sign = speed_at([(point["recall"], 1e3 / point["ms"]) for point in one["search"]], recall)
    return "-" if speed is None else {">=": "<= "}.get(sign, "") + number(1e3 / speed)


def default_of(points):
    """What a search without a breadth gives; None where a product has none."""
    return next((point for point in points if point["breadth"] is None), None)


def pair(point):
    return "-" if not point else f"{number(point['ms'])}, {point['recall']:.3f}"


COLUMNS = {
    "load + finish s": lambda one: number(one["load_s"] + one["finish_s"], 1),
    "processor s": lambda one: number(one["load_cpu_s"] + one["finish_cpu_s"], 1),
    "peak MB": lambda one: number(one["load_peak_mb"], 0),
    "file, raw vectors = 1": lambda one: number(one["finished_mb"] / one["raw_mb"]),
    "search ms, recall@10": lambda one: pair(default_of(one["search"])),
    **{f"ms @{at}": lambda one, at=at: ms_at(one, at) for at in AT},
    "1 % pass: ms, recall": lambda one: pair(one["filtered"].get("1%")),
    "10 % pass: ms, recall": lambda one: pair(one["filtered"].get("10%")),
    "two words ms": lambda one: number((one["words"] or {}).get("ms")),
    "one row: ms (processor)": lambda one: f"{number(one['single_ms'])} ({number(one['single_cpu_ms'])})",
    "cold open + search ms": lambda one: number(one.get("cold_ms"), 0),
    "MB of searching": lambda one: number(one.get("search_mb"), 0),
}
GROWN = {
    "segments": lambda one: "-" if one["segments"] is None else str(one["segments"]),
    "slowest commit s": lambda one: number(one["slowest_commit_s"]),
    "search ms, recall before maintenance": lambda one: pair(default_of(one["as_grown"]["search"])),
    "file before it": lambda one: number(one["loaded_mb"] / one["raw_mb"]),
}


def tables(lines):
    out = []
    for rows, way in sorted({(one["rows"], one["way"]) for one in lines}):
        group = [one for one in lines if (one["rows"], one["way"]) == (rows, way)]
        columns = COLUMNS | (GROWN if way == "grown" else {})
        out += [f"### {rows:,} x {group[0]['dim']}, {WAYS[way]}", "", f"| product | {' | '.join(columns)} |"]
        out.append("|---|" + "--:|" * len(columns))
        for one in group:
            name = f"**{one['product']}**" if one["product"] == "nearlite" else one["product"]
            if "failed" in one:
                out.append(f"| {name} | failed: {one['failed']} |" + " |" * (len(columns) - 1))
            else:
                out.append(f"| {name} | {' | '.join(cell(one) for cell in columns.values())} |")
        out.append("")
    return "\n".join(out).rstrip()


CHARTS = {
    "search": ("Search at recall@10 of .95 by rows", "milliseconds", lambda one: _plain(ms_at(one, 0.95))),
    "load": ("Load by rows", "seconds of processor time", lambda one: one["load_cpu_s"] + one["finish_cpu_s"]),
    "file": ("File by rows, raw vectors = 1", "times the raw vectors", lambda one: one["finished_mb"] / one["raw_mb"]),
    "single": ("Commit of one row by rows", "milliseconds", lambda one: one["single_ms"]),
}


def _plain(cell):
    return None if cell == "-" else float(cell.removeprefix("<= ").replace(",", ""))


def charts(lines, way="bulk"):
    """Name and SVG of each chart."""
    lines = [one for one in lines if one["way"] == way and "failed" not in one]
    products = sorted({one["product"] for one in lines})
    for name, (title, label, value) in CHARTS.items():
        series = []
        for at, product in enumerate(products):
            points = [(one["rows"], value(one)) for one in lines if one["product"] == product]
            ours = product == "nearlite"
            points = sorted((rows, y) for rows, y in points if y)
            series.append(Series(product, points, emphasis=ours, colour=OURS if ours else COLOURS[at]))
        axis = Axis(label, "linear" if name == "file" else "log", low=0 if name == "file" else None)
        yield f"scale-{name}.svg", line_chart(title, Axis("rows", "log"), axis, series, WAYS[way])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("jsonl")
    options.add_argument("--into", type=pathlib.Path)
    options.add_argument("--plots", type=pathlib.Path)
    got = options.parse_args()
    lines = read(pathlib.Path(got.jsonl).read_text(encoding="utf-8"))
    if got.plots:
        for name, text in charts(lines):
            (got.plots / name).write_text(text)
    if got.into:
        between(got.into, "scale", tables(lines))
    else:
        print(tables(lines))


if __name__ == "__main__":
    main()
