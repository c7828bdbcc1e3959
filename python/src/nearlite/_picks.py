"""Maximal marginal relevance (Carbonell & Goldstein 1998): rows that are relevant and unlike each other.

Rows are picked out of a pool of candidates. A caller who takes more rows than a pool was made for gets them out of a wider one; the
rows picked before stay, so a page does not depend on the pages that are asked for, and pages of one size fit together.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

from . import _blobs

#: Rows that rank for each row that is picked.
CANDIDATES = 4
# How much wider the next pool is, as in the engine.
_WIDER = 4


class Pool(NamedTuple):
    """How many rows are picked, those before counted, until the next pool; and how many of the best rows are its candidates."""

    rows: int
    candidates: int


def pools(page: int, end: int, candidates: int | None) -> list[Pool]:
    """The pools for pages of ``page`` rows, the last of which ends with row ``end``.

    Only the last depends on the offset. Where the caller says how many ``candidates`` there are, all are picked before more are taken.
    """
    page = max(page, 1)
    ranked = max(candidates or CANDIDATES * page, page)
    found = [Pool(page if candidates is None else ranked, ranked)]
    while found[-1].rows < end:
        found.append(Pool(found[-1].rows * _WIDER, found[-1].candidates * _WIDER))
    return found


def pick(steps: Sequence[Pool], relevance: Callable[[int], list[float]], vectors: Sequence[bytes | None], weight: float, end: int) -> list[int]:
    """Positions of at most ``end`` rows in the order of picking; the first is the most relevant one.

    Every pick maximises ``weight * relevance - (1 - weight) * (greatest cosine similarity to a row picked before)``. A candidate
    without a vector resembles nothing. Of equals the earlier one is picked. ``relevance(count)`` returns
    the relevance of each of the first ``count`` rows.
    """
    units: list[Any] = []
    nearest: list[float | None] = []
    left: list[int] = []
    picked: list[int] = []
    for step in steps:
        for blob in vectors[len(units) : step.candidates]:
            unit = _unit(blob)
            nearest.append(max((_dot(unit, units[at]) for at in picked), default=None))
            left.append(len(units))
            units.append(unit)
        relevant = relevance(len(units))
        while left and len(picked) < min(step.rows, end):
            best = _best(left, relevant, nearest, weight)
            left.remove(best)
            picked.append(best)
            for at in left:
                likeness = _dot(units[at], units[best])
                known = nearest[at]
                nearest[at] = likeness if known is None else max(known, likeness)
    return picked


def _best(left: Sequence[int], relevance: Sequence[float], nearest: Sequence[float | None], weight: float) -> int:
    def worth(at: int) -> tuple[float, int]:
        likeness = nearest[at]
        return (relevance[at] if likeness is None else weight * relevance[at] - (1 - weight) * likeness), -at

    return max(left, key=worth)


_HAS_NUMPY = importlib.util.find_spec("numpy") is not None


def _unit(blob: bytes | None) -> Any:
    """The vector at length 1; None for none and for a zero vector."""
    if blob is None:
        return None
    if _HAS_NUMPY:
        import numpy

        array = numpy.frombuffer(blob, "<f4").astype("f8")
        length = float(numpy.sqrt(array @ array))
        return array / length if length > 0 else None
    numbers = _blobs.floats(blob)
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers] if length > 0 else None


def _dot(a: Any, b: Any) -> float:
    if a is None or b is None:
        return 0.0
    return float(a @ b) if _HAS_NUMPY else sum(x * y for x, y in zip(a, b))


def scaled(scores: Sequence[float]) -> list[float]:
    """Scores from 0, the worst, to 1, the best."""
    best, worst = max(scores, default=0.0), min(scores, default=0.0)
    span = best - worst if best > worst else 1.0
    return [(score - worst) / span for score in scores]
