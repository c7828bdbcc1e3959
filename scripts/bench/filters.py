#!/usr/bin/env python3
"""Draws and tabulates what `examples/filters` measured, a data set a file.

    scripts/bench/filters.py FILE.json [FILE.json ...] --out docs/plots [--plots plots] [--into docs/benchmarks.md]

The marks of the page are the lines `<!-- filters: begin -->` and `<!-- filters: end -->`.
"""

import argparse
import json
import pathlib

from figures import SETS
from marks import between
from svg import COLOURS, OURS, Axis, Series, line_chart

GRAPHS = 3


def better(ways):
    """Microseconds of the better of three unfiltered searches and the scan of the passing rows."""
    return min(GRAPHS * ways["unfiltered"]["us"], ways["scan"]["us"])


def chart(document):
    points = document["points"]
    correlations = sorted({point["correlation"] for point in points})

    def line(name, correlation, measure, colour, **style):
        found = [(point["rate"], measure(point["ways"])) for point in points if point["correlation"] == correlation]
        return Series(name, found, colour=colour, **style)

    lines = [
        line(f"correlation {correlation:g}", correlation, lambda ways: ways["default"]["us"], OURS if correlation == 0 else colour,
             emphasis=correlation == 0)
        for correlation, colour in zip(correlations, COLOURS)
    ]
    lines.append(line("scan of the passing rows, correlation 0", 0, lambda ways: ways["scan"]["us"], "#555555", dashed=True))
    lines.append(line("three unfiltered searches", 0, lambda ways: GRAPHS * ways["unfiltered"]["us"], "#9aa5ad", dashed=True))
    title = f"Filtered search, {SETS.get(document['set'], document['set'])}"
    subtitle = f"{document['rows']:,} x {document['dim']}, k {document['k']}, one thread, default settings; down is better"
    return line_chart(title, Axis("rows that pass, %", "log"), Axis("microseconds, median", "log"), lines, subtitle)


def table(document):
    points = {(point["rate"], point["correlation"]): point["ways"] for point in document["points"]}
    correlations = sorted({correlation for _, correlation in points})
    out = [f"| pass | {' | '.join(f'{one:+g}' if one else '0' for one in correlations)} |", "|--:|" + "--:|" * len(correlations)]
    for rate in sorted({rate for rate, _ in points}, reverse=True):
        cells = []
        for correlation in correlations:
            ways = points.get((rate, correlation))
            if ways is None:
                cells.append("")
                continue
            found = ways["default"]
            wrong = found["short"] + found["wrong"]
            cells.append(f"{found['us']:.0f}, {found['recall']:.3f}, {found['us'] / better(ways):.2f}" + (f" **{wrong} wrong**" if wrong else ""))
        out.append(f"| {rate:g} % | {' | '.join(cells)} |")
    return out


def doors(document):
    if not document.get("doors"):
        return []
    out = ["", "| filter | through Rust | through SQL | of Rust's: filter | of Rust's: search | search by a scan |", "|---|--:|--:|--:|--:|--:|"]
    for case in document["doors"]:
        figures = (case[name] for name in ("rust_us", "sql_us", "filter_us", "search_us", "scan_us"))
        out.append(f"| {case['case']} | {' | '.join(f'{figure:.0f}' for figure in figures)} |")
    return out


def page(documents, plots):
    out = []
    for document in documents:
        out += [f"### Filters on {SETS.get(document['set'], document['set'])}", f"{document['rows']:,} x {document['dim']}, {document['queries']} queries.", ""]
        out += table(document)
        if plots:
            out += ["", f"![Time against pass rate, {document['set']}]({plots}/{document['set']}-filters.svg)"]
        out += doors(document) + [""]
    return "\n".join(out).rstrip()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("json", nargs="+")
    options.add_argument("--out", help="the folder of the plots")
    options.add_argument("--plots", help="where the plots lie, as seen from the page")
    options.add_argument("--into", help="a page to change in place")
    got = options.parse_args()
    documents = [json.loads(pathlib.Path(file).read_text()) for file in got.json]
    if got.out:
        out = pathlib.Path(got.out)
        out.mkdir(parents=True, exist_ok=True)
        for document in documents:
            (out / f"{document['set']}-filters.svg").write_text(chart(document))
    text = page(documents, got.plots)
    if got.into:
        between(pathlib.Path(got.into), "filters", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
