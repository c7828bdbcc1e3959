"""``nearlite recall``: how complete searches are, by their breadth."""

from __future__ import annotations

import time
from typing import Any

from . import _open, _print
from ._failure import Failure

_WIDTH = 50


def run(given: Any) -> None:
    """Compares searches of each breadth with exact ones, for stored rows as queries."""
    docs = _open.collection(given.db, given.table)
    column = docs.schema.vector(given.column)
    try:
        breadths = [int(part) for part in given.ef.split(",")]
    except ValueError:
        raise Failure(f"--ef: expected whole numbers with commas, got {given.ef!r}", 2) from None
    if given.sample < 1 or given.k < 1 or min(breadths) < 1:
        raise Failure("--sample, -k and --ef are 1 or more", 2)
    rows = docs.connection.execute(
        f"SELECT {column.quoted} FROM {docs.schema.target} WHERE {column.quoted} IS NOT NULL ORDER BY random() LIMIT ?", [given.sample]
    ).fetchall()
    if not rows:
        raise Failure(f"{docs.name} has no vectors")
    queries = [row[0] for row in rows]
    options: dict[str, Any] = {"column": column.name, "columns": (), "k": given.k}
    exact, spent = [], time.perf_counter()
    for query in queries:
        exact.append({hit.distance for hit in docs.search(query, exact=True, **options)})
    results = [{"ef": None, "recall": 1.0, "ms": (time.perf_counter() - spent) / len(queries) * 1000}]
    for breadth in breadths:
        found, wanted, start = 0, 0, time.perf_counter()
        answers = [docs.search(query, ef_search=breadth, **options) for query in queries]
        spent = time.perf_counter() - start
        for answer, right in zip(answers, exact):
            # By distance, so that rows at equal distances count for each other.
            found += sum(hit.distance in right for hit in answer)
            wanted += min(given.k, max(len(answer), len(right)))
        results.append({"ef": breadth, "recall": found / wanted if wanted else 1.0, "ms": spent / len(queries) * 1000})
    if given.json:
        for result in results:
            _print.as_json(result)
        return
    print(f"recall@{given.k} of {docs.name}.{column.name}, {len(queries)} stored rows as queries")
    for result in [*results[1:], results[0]]:
        share = result["recall"] or 0.0
        bar = "█" * round(share * _WIDTH)
        print(f"ef {result['ef'] or 'exact':>6}  {bar:<{_WIDTH}}  {share:.4f}  {result['ms']:7.2f} ms")
