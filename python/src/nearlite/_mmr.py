"""Maximal marginal relevance (Carbonell & Goldstein 1998): rows that are relevant and unlike each other."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from typing import Any

from . import _blobs


def pick(relevance: Sequence[float], vectors: Sequence[bytes | None], weight: float, count: int) -> list[int]:
    """Positions of at most ``count`` candidates in the order of picking; the first is the most relevant one.

    Every pick maximises ``weight * relevance - (1 - weight) * (greatest cosine similarity to a row picked before)``. A candidate
    without a vector resembles nothing. Of equals the earlier one is picked.
    """
    units = [_unit(blob) for blob in vectors]
    nearest: list[float | None] = [None] * len(relevance)
    left = list(range(len(relevance)))
    picked: list[int] = []
    while left and len(picked) < count:
        best = max(left, key=lambda at: (_worth(relevance[at], nearest[at], weight), -at))
        left.remove(best)
        picked.append(best)
        for at in left:
            likeness = _dot(units[at], units[best])
            known = nearest[at]
            nearest[at] = likeness if known is None else max(known, likeness)
    return picked


def _worth(relevance: float, nearest: float | None, weight: float) -> float:
    return relevance if nearest is None else weight * relevance - (1 - weight) * nearest


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
