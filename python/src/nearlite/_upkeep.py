"""Commands and counters of a table."""

from __future__ import annotations

import json
import time
from typing import Any, Callable

from ._schema import Schema, quote
from ._session import Session

#: Called with slices, segments and finished; False stops the work.
Progress = Callable[[dict[str, Any]], object]

# Seconds between two reports.
_STEP = 0.1

_COUNTERS = ("rows", "delta", "segments", "dead", "disk_bytes", "memory_bytes", "analyzer", "ef_search")


def command(session: Session, schema: Schema, name: str) -> None:
    """Runs a command in a transaction of its own, or in the one that is open."""
    sql = f"INSERT INTO {schema.target}({quote(schema.table)}) VALUES(?)"
    with session.write():
        session.rows(sql, [name])


def maintain(session: Session, schema: Schema, budget: float | None, progress: Progress | None) -> dict[str, Any]:
    """Seals and merges what is due, slice by slice; see ``Collection.maintain``."""
    begun, slices = time.monotonic(), 0
    while True:
        left = None if budget is None else budget - (time.monotonic() - begun)
        step = _STEP if left is None else max(0.0, min(_STEP, left))
        done: dict[str, Any] = json.loads(session.value("SELECT nearlite_maintain(?, ?)", [schema.target, int(step * 1000)]))
        slices += done["slices"]
        done["slices"] = slices
        stopped = progress is not None and progress(done) is False
        if stopped or done["finished"] or session.in_transaction or (left is not None and left <= step):
            return done


def info(session: Session, schema: Schema) -> dict[str, Any]:
    """The counters of the table, and the sizes of each of its indexes."""
    rows = session.rows(f'SELECT "column", kind, {", ".join(quote(name) for name in _COUNTERS)} FROM nearlite_info(?)', [schema.target])
    table: dict[str, Any] = {"name": schema.table}
    parts = []
    for column, kind, *counters in rows:
        values = dict(zip(_COUNTERS, counters))
        if kind == "table":
            table.update({name: values[name] for name in _COUNTERS[:4]})
        else:
            parts.append({"column": column, "kind": kind, **{name: values[name] for name in _COUNTERS[4:] if values[name] is not None}})
    table["disk_bytes"] = sum(row[6] or 0 for row in rows)
    table["memory_bytes"] = sum(row[7] or 0 for row in rows)
    table["model"] = schema.model
    table["columns"] = parts
    return table
