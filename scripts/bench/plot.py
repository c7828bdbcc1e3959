#!/usr/bin/env python3
"""Draws the JSON of peers.py: for each data set speed against recall, and speed against memory.

    scripts/bench/plot.py FILE.json --out docs/plots [--clock wall|cpu]
"""

import argparse
import json
import pathlib

from figures import NAMES, SETS, bytes_a_vector, by_speed, frontier, is_ours, points_of, size_of, speed_at
from svg import COLOURS, OURS, Axis, Series, line_chart

LOWEST, HIGHEST = 0.8, 0.9995
SPEED = {"wall": "queries a second, one thread", "cpu": "queries a second of processor time, one thread"}


def series_of(peer, points, colours):
    # One library has one colour in every plot.
    colour = OURS if is_ours(peer) else colours[peer]
    return Series(NAMES.get(peer, peer), points, emphasis=is_ours(peer), dashed=peer != "nearlite" and is_ours(peer), colour=colour)


def recall_chart(title, about, document, clock, colours):
    subtitle = f"{size_of(about)}, recall@{document['k']}; up and to the right is better"
    lines = [series_of(peer, frontier(points_of(result, clock)), colours) for peer, result in by_speed(about, clock)]
    recall = Axis(f"recall@{document['k']}", "nines", LOWEST, HIGHEST)
    return line_chart(title, recall, Axis(SPEED[clock], "log"), lines, subtitle)


def memory_chart(title, about, document, clock, colours, recall=0.95):
    subtitle = f"{size_of(about)}, at recall@{document['k']} of {recall}; up and to the left is better"
    marks = []
    for peer, result in by_speed(about, clock, recall):
        speed, size = speed_at(points_of(result, clock), recall)[0], bytes_a_vector(result)
        if speed and size:
            marks.append(series_of(peer, [(size, speed)], colours))
    return line_chart(title, Axis("resident bytes a vector", low=0), Axis(SPEED[clock], "log"), marks, subtitle)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("json")
    options.add_argument("--out", required=True)
    options.add_argument("--clock", choices=SPEED, default="wall")
    got = options.parse_args()
    document = json.loads(pathlib.Path(got.json).read_text())
    others = sorted({peer for about in document["sets"].values() for peer in about["results"] if not is_ours(peer)})
    colours = {peer: COLOURS[at % len(COLOURS)] for at, peer in enumerate(others)}
    out = pathlib.Path(got.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, about in document["sets"].items():
        title = SETS.get(name, name)
        (out / f"{name}-recall.svg").write_text(recall_chart(title, about, document, got.clock, colours))
        (out / f"{name}-memory.svg").write_text(memory_chart(title, about, document, got.clock, colours))


if __name__ == "__main__":
    main()
