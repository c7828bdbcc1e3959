#!/usr/bin/env python3
"""Writes the JSON of peers.py as Markdown, to standard output or between the marks of a page.

    scripts/bench/tables.py FILE.json [--clock wall|cpu] [--plots plots] [--into docs/benchmarks.md]

The marks are the lines `<!-- engine: begin -->` and `<!-- engine: end -->`.
"""

import argparse
import json
import pathlib

from figures import NAMES, SETS, TARGETS, build_seconds, by_speed, bytes_a_vector, is_ours, points_of, size_of, speed_at
from marks import between

YARDSTICK = "hnswlib"
WORDS = {
    "wall": "Queries a second and seconds of building are by the clock on the wall.",
    "cpu": "Queries a second and seconds of building are of processor time, which other work on the machine disturbs less than "
    "the clock on the wall; building is the sum over its threads.",
}


def cell(speed, sign=""):
    return "-" if speed is None else f"{sign}{speed:,.0f}"


def ratio(mine, theirs):
    (speed, sign), (yardstick, other) = mine, theirs
    # A bound over a bound says nothing of their ratio.
    if not speed or not yardstick or (sign and other):
        return "-"
    return f"{'<=' if other else sign}{speed / yardstick:.2f}"


def table(about, clock):
    heads = ["library", *(f"@{recall:.2f}" for recall in TARGETS)]
    heads += [f"{YARDSTICK} = 1 @{recall:.2f}" for recall in TARGETS[1:]]
    heads += ["build s", f"{YARDSTICK} = 1", "bytes a vector", f"{YARDSTICK} = 1"]
    out = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    yardstick = about["results"].get(YARDSTICK, {"points": []})

    def share(measure, result):
        both = [measure(one) for one in (result, yardstick)]
        return f"{both[0] / both[1]:.2f}" if all(both) else "-"

    for peer, result in by_speed(about, clock):
        points, theirs = points_of(result, clock), points_of(yardstick, clock)
        build, size = build_seconds(result, clock), bytes_a_vector(result)
        name = NAMES.get(peer, peer)
        cells = [f"**{name}**" if is_ours(peer) else name]
        cells += [cell(*speed_at(points, recall)) for recall in TARGETS]
        cells += [ratio(speed_at(points, recall), speed_at(theirs, recall)) for recall in TARGETS[1:]]
        cells += [f"{build:.1f}" if build else "-", share(lambda one: build_seconds(one, clock), result)]
        cells += [f"{size:,.0f}" if size else "-", share(bytes_a_vector, result)]
        out.append(f"| {' | '.join(cells)} |")
    failed = [f"{NAMES.get(peer, peer)} ({result['failed']})" for peer, result in about["results"].items() if result.get("failed")]
    return out + ([f"\nCut short: {', '.join(failed)}."] if failed else [])


def breadths(document, peer="nearlite"):
    """Recall of the engine by the breadth of its search, on every data set."""
    found = {}
    for name, about in document["sets"].items():
        for point in about["results"].get(peer, {"points": []})["points"]:
            found.setdefault(point["param"].removeprefix("ef="), {})[name] = f"{point['recall']:.4f}"
    if not found:
        return []
    names = list(document["sets"])
    out = ["", "### Recall by breadth", f"nearlite, recall@{document['k']}.", ""]
    out += [f"| `ef` | {' | '.join(names)} |", "|--:|" + "--:|" * len(names)]
    return out + [f"| {ef} | {' | '.join(cells.get(name, '-') for name in names)} |" for ef, cells in found.items()]


def settings(document):
    seen = {}
    for about in document["sets"].values():
        for peer, result in about["results"].items():
            if "config" in result:
                seen.setdefault(peer, []).append((result.get("version") or "-", result["config"]))
    out = ["| library | version | settings |", "|---|---|---|"]
    for peer, found in sorted(seen.items(), key=lambda item: (not is_ours(item[0]), item[0])):
        configs = list(dict.fromkeys(config for _, config in found))
        out.append(f"| {NAMES.get(peer, peer)} | {found[0][0]} | {'; '.join(configs)} |")
    return out


def page(document, clock, plots):
    rounds = document["rounds"]
    best = f", the best of {rounds} rounds in which the libraries took turns" if rounds > 1 else ""
    out = [f"{document['machine']}, {document['month']}; one run{best}. {WORDS[clock]} Searching takes one thread, building "
           f"{document['threads_build']}. The columns \"{YARDSTICK} = 1\" are ratios: more is better for queries, less for the others."]
    if document.get("quick"):
        out = ["**Figures of a trial of the machinery, with few breadths and one pass: not a measurement.**", "", *out]
    for name, about in document["sets"].items():
        title = SETS.get(name, name)
        out += ["", f"### {title}", f"{size_of(about)}, {about['queries']:,} queries, recall@{document['k']}.", ""]
        out += table(about, clock)
        if plots:
            for kind, words in (("recall", "Speed against recall"), ("memory", "Speed against memory")):
                out += ["", f"![{words}, {title}]({plots}/{name}-{kind}.svg)"]
    return "\n".join([*out, *breadths(document), "", "### Settings", *settings(document)])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("json")
    options.add_argument("--clock", choices=WORDS, default="wall")
    options.add_argument("--plots", help="where the plots lie, as seen from the page")
    options.add_argument("--into", help="a page to change in place")
    got = options.parse_args()
    text = page(json.loads(pathlib.Path(got.json).read_text()), got.clock, got.plots)
    if not got.into:
        print(text)
        return
    between(pathlib.Path(got.into), "engine", text)


if __name__ == "__main__":
    main()
