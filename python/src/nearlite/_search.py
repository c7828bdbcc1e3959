"""Searches that are run: to their end, row by row, grouped, diversified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from . import _metadata, _picks
from ._errors import InputError
from ._hits import Hits, Shape
from ._query import Request, compared, statement
from ._schema import Schema
from ._session import Session

# Rows that are taken from SQLite at once by those who iterate.
_STEP = 64


class Explain(NamedTuple):
    """How a search was run."""

    #: What the engine did, as the column ``explain`` reports it; empty where nothing was found.
    plan: dict[str, Any]
    #: The statement and its parameters.
    sql: str
    params: list[Any]
    hits: Hits
    #: For each hit what each leg of the search gave to it.
    legs: list[dict[str, Any]]


def run(session: Session, schema: Schema, request: Request) -> Hits:
    """The hits of a search."""
    if request.mmr is None and request.group_by is None:
        sql, params, shape = statement(schema, request, request.k)
        return Hits(shape, session.rows(sql, params))
    end = request.k + request.offset
    pools = [] if request.mmr is None else _picks.pools(request.k, end, request.candidates)
    count = pools[-1].candidates if pools else end
    # A LIMIT counts towards the depth of a hybrid search, so that of a later page's pools must not be shown.
    taken = request.group_by is not None or (request.offset > 0 and request.legs() > 1)
    sql, params, shape = statement(schema, request, None if taken else count, pools[0].candidates if pools else request.k)
    rows = _first(session, shape, request, sql, params, count if request.k else 0) if taken else session.rows(sql, params)
    if pools:
        rows = _diverse(rows, shape, request, pools, end)
    return Hits(shape, rows[request.offset : end])


def explain(session: Session, schema: Schema, request: Request) -> Explain:
    """The hits, and how they were found."""
    if request.mmr is not None or request.group_by is not None:
        raise InputError("explain shows one statement: leave out mmr and group_by, which choose among its rows")
    sql, params, shape = statement(schema, request, request.k, explain=True)
    rows = session.rows(sql, params)
    plan = json.loads(rows[-1][-1]) if rows and rows[-1][-1] else {}
    legs = [json.loads(row[-2]) if row[-2] else {} for row in rows]
    return Explain(plan, sql, params, Hits(shape, [row[:-2] for row in rows]), legs)


def iterate(session: Session, schema: Schema, request: Request) -> Iterator[tuple[Shape, tuple[Any, ...]]]:
    """The rows of a search without a limit, as they are taken."""
    if request.mmr is not None:
        raise InputError("mmr chooses among a number of rows: use search(k=...)")
    sql, params, shape = statement(schema, request, None)
    keep = _group_filter(shape, request) if request.group_by is not None else None
    skip = request.offset
    for row in session.stream(sql, params, _STEP):
        if keep is not None and not keep(row):
            continue
        if skip:
            skip -= 1
            continue
        yield shape, row


def _first(session: Session, shape: Shape, request: Request, sql: str, params: list[Any], count: int) -> list[tuple[Any, ...]]:
    """The first ``count`` rows; beside ``group_by`` those of which each group has ``per_group`` at most."""
    keep, rows = _group_filter(shape, request) if request.group_by is not None else None, []
    with session.lock:
        stream = session.stream(sql, params, _STEP)
        for row in stream if count else ():
            if keep is None or keep(row):
                rows.append(row)
                if len(rows) == count:
                    break
        stream.close()  # type: ignore[attr-defined]
    return rows


def _group_filter(shape: Shape, request: Request) -> Callable[[tuple[Any, ...]], bool]:
    """A function that says of each row whether its group has room for it. Rows without a value are one group, as in SQL."""
    assert request.group_by is not None
    name = request.group_by
    column = shape.schema.find(name)
    at = None if column is None else 0 if column.kind == "key" else shape.at[column.name]
    path = name.split(".")
    counts: dict[Any, int] = {}

    def keep(row: tuple[Any, ...]) -> bool:
        value = row[at] if at is not None else _at_path(_metadata.decode(row[shape.json]), name, path)
        counted = counts.get(value, 0)
        counts[value] = counted + 1
        return counted < request.per_group

    return keep


def _at_path(metadata: Any, name: str, path: list[str]) -> Any:
    """The value of a key that may be a dotted path, as something that can be a key of a dictionary."""
    found = _metadata.at_path(metadata, name, path)
    return (type(found).__name__, json.dumps(found)) if isinstance(found, (dict, list, bool)) else found


def _diverse(rows: list[tuple[Any, ...]], shape: Shape, request: Request, pools: list[_picks.Pool], end: int) -> list[tuple[Any, ...]]:
    """At most ``end`` rows, picked out of the best ones so that they are unlike each other."""
    assert request.mmr is not None
    column = compared(shape.schema, request)
    at, measure = shape.at[column.name], shape.measures
    one = not request.by_text(shape.schema) and not isinstance(request.vector, dict) and (request.vector is None or request.like is None)
    if one and column.metric == "cosine":
        # The paper's own measure: both terms of the sum are cosines.
        cosines = [1.0 - (row[measure] if row[measure] is not None else 1.0) for row in rows]

        def relevance(count: int) -> list[float]:
            return cosines[:count]
    else:
        scores = [row[measure + 2] if row[measure + 2] is not None else -row[measure] for row in rows]

        def relevance(count: int) -> list[float]:
            return _picks.scaled(scores[:count])

    return [rows[picked] for picked in _picks.pick(pools, relevance, [row[at] for row in rows], request.mmr, end)]
