"""Commands and counters of a table."""

from __future__ import annotations

from typing import Any

from ._schema import Schema, quote
from ._session import Session

_COUNTERS = ("rows", "delta", "segments", "dead", "disk_bytes", "memory_bytes", "analyzer")


def command(session: Session, schema: Schema, name: str) -> None:
    """Runs a command in a transaction of its own, or in the one that is open."""
    sql = f"INSERT INTO {schema.target}({quote(schema.table)}) VALUES(?)"
    with session.write():
        session.rows(sql, [name])


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
