"""Commands and counters of a table."""

from __future__ import annotations

import json
import time
from typing import Any, Callable

from ._declare import TEXT_OPTIONS
from ._errors import InputError
from ._numbers import real
from ._schema import Schema, quote
from ._session import Session

#: Called with slices, segments and finished; False stops the work.
Progress = Callable[[dict[str, Any]], object]

# Seconds between two reports.
_STEP = 0.1

# Seconds between two attempts where something is in the way.
_NAP = 0.01

# What is not stored has these values.
_DEFAULTS = {"ef_search": 0, "automerge": 3, "delta_rows": 1024, "cache_mb": 2048, "resident_vectors": 0, "maintenance": 0, "threads": 0}
_MAINTENANCE = dict(enumerate(("auto", "commit", "manual", "background")))
# Options of texts that exclude each other.
_PAIR = ("operator", "minimum_match")

# Those of the table, then those of an index.
_TOTALS = ("rows", "delta", "segments", "dead", "dead_bytes", "free_bytes", "maintenance")
_SIZES = ("disk_bytes", "memory_bytes", "analyzer", "ef_search")


def command(session: Session, schema: Schema, name: str) -> None:
    """Runs a command in a transaction of its own, or in the one that is open."""
    sql = f"INSERT INTO {schema.target}({quote(schema.table)}) VALUES(?)"
    with session.write():
        session.rows(sql, [name])


def maintain(session: Session, schema: Schema, budget: float | None, progress: Progress | None) -> dict[str, Any]:
    """Seals and merges what is due, slice by slice; see ``Collection.maintain``."""
    budget = None if budget is None else real("budget", budget)
    begun, slices = time.monotonic(), 0
    worked, patience = begun, session.value("PRAGMA busy_timeout") / 1000
    while True:
        left = None if budget is None else budget - (time.monotonic() - begun)
        step = _STEP if left is None else max(0.0, min(_STEP, left))
        done: dict[str, Any] = json.loads(session.value("SELECT nearlite_maintain(?, ?)", [schema.target, int(step * 1000)]))
        new = done["slices"]
        slices += new
        done["slices"] = slices
        stopped = progress is not None and progress(done) is False
        if stopped or done["finished"] or session.in_transaction or (left is not None and left <= step):
            return done
        if new or "stopped" not in done:
            worked = time.monotonic()
        elif time.monotonic() - worked >= patience:
            return done
        else:
            time.sleep(_NAP)


def optimize(session: Session, schema: Schema, progress: Progress | None) -> dict[str, Any]:
    """Merges everything into one segment; with ``progress`` as much of it as possible in slices. See ``Collection.optimize``."""
    done: dict[str, Any] = {"slices": 0}
    if progress is not None:
        stopped = False

        def reported(slices: dict[str, Any]) -> bool:
            nonlocal stopped
            # The command is still to come.
            stopped = progress({**slices, "finished": False}) is False
            return not stopped

        done = maintain(session, schema, None, reported)
        if stopped:
            return {**done, "finished": False}
    command(session, schema, "optimize")
    done["segments"] = int(session.value("SELECT segments FROM nearlite_info(?) LIMIT 1", [schema.target]))
    done["finished"] = True
    if progress is not None:
        progress(dict(done))
    return done


def setting(session: Session, schema: Schema, name: str) -> Any:
    """The value of a setting: the one that was set, else the one that the table declares, else the default."""
    name = name.lower()
    if name not in _DEFAULTS and name not in TEXT_OPTIONS:
        raise InputError(f"{schema.table}: unknown setting {name!r}; settings are {', '.join((*_DEFAULTS, *TEXT_OPTIONS))}")
    stored: dict[str, Any] = dict(session.rows(f"SELECT name, value FROM {quote(schema.database)}.{quote(schema.table + '_config')}"))
    if name in _DEFAULTS:
        number = stored.get(name)
        number = number if isinstance(number, int) else _DEFAULTS[name]
        return number if name != "maintenance" else _MAINTENANCE.get(number)
    # Who says one of the pair says both.
    pair = _PAIR if name in _PAIR else (name,)
    if any(other in stored for other in pair):
        return stored.get(name)
    return schema.options.get(name)


def info(session: Session, schema: Schema) -> dict[str, Any]:
    """The counters of the table, and the sizes of each of its indexes."""
    names = ("column", "kind", *_TOTALS, *_SIZES)
    found = session.rows(f"SELECT {', '.join(map(quote, names))} FROM nearlite_info(?)", [schema.target])
    rows = [dict(zip(names, row)) for row in found]
    table: dict[str, Any] = {"name": schema.table}
    parts = []
    for row in rows:
        if row["kind"] == "table":
            table.update({name: row[name] for name in _TOTALS})
        else:
            sizes = {name: row[name] for name in _SIZES if row[name] is not None}
            parts.append({"column": row["column"], "kind": row["kind"], **sizes})
    for name in ("disk_bytes", "memory_bytes"):
        table[name] = sum(row[name] or 0 for row in rows)
    table["model"] = schema.model
    table["columns"] = parts
    return table
