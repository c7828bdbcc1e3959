"""Changes of rows that are there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from . import _metadata
from ._absent import ABSENT
from ._batch import Batch
from ._schema import Schema, quote
from ._session import Session

# How many rows are changed in one step, with their metadata in memory.
_STEP = 500


def update(session: Session, schema: Schema, batch: Batch) -> int:
    """Sets what each row of the batch gives in the row of its id, key by key in the metadata. Returns how many rows were there.

    The caller holds a transaction: the metadata is read, changed and written.
    """
    names, rows, changed = list(batch.columns), batch.rows("id"), 0
    while True:
        part = list(itertools.islice(rows, _STEP))
        if not part:
            return changed
        changed += _update_part(session, schema, names, part)


def _update_part(session: Session, schema: Schema, names: list[str], part: list[tuple[Any, ...]]) -> int:
    json_name = schema.json.name if schema.json is not None else ""
    stored: dict[Any, Any] = {}
    if json_name in names:
        at = 1 + names.index(json_name)
        stored = _stored(session, schema, schema.key_sql, [row[0] for row in part if row[at] != "{}"])
    # Rows by the columns that they set: each kind is one statement.
    kinds: dict[tuple[str, ...], list[list[Any]]] = {}
    for key, *values in part:
        given = {name: value for name, value in zip(names, values) if value is not ABSENT}
        change = given.pop(json_name, "{}")
        if change != "{}":
            if key not in stored:
                continue
            given[json_name] = _metadata.merged(stored[key], change, f"the row {key!r}")
        kinds.setdefault(tuple(given), []).append([*given.values(), key])
    changed = 0
    for given_names, rows in kinds.items():
        if given_names:
            changed += session.many(_statement(schema, given_names, f"{schema.key_sql} = ?"), rows)
        else:
            changed += _count(session, schema, [row[0] for row in rows])
    return changed


def update_where(session: Session, schema: Schema, batch: Batch, where: str, params: Sequence[Any]) -> int:
    """Sets the one row of the batch in every row that passes a condition, key by key in the metadata. Returns how many passed.

    The caller holds a transaction.
    """
    values = {name: next(iter(column)) for name, column in batch.columns.items()}
    change = values.pop(schema.json.name, "{}") if schema.json is not None else "{}"
    names, given = tuple(values), list(values.values())
    if change == "{}":
        if not names:
            return int(session.value(f"SELECT count(*) FROM {schema.target} WHERE {where}", params))
        return session.many(_statement(schema, names, where), [(*given, *params)])
    assert schema.json is not None
    passing = [row[0] for row in session.rows(f"SELECT rowid FROM {schema.target} WHERE {where}", params)]
    sql = _statement(schema, (*names, schema.json.name), "rowid = ?")
    for at in range(0, len(passing), _STEP):
        stored = _stored(session, schema, "rowid", passing[at : at + _STEP])
        session.many(sql, [(*given, _metadata.merged(text, change, f"the row with rowid {row}"), row) for row, text in stored.items()])
    return len(passing)


def _stored(session: Session, schema: Schema, key_sql: str, keys: list[Any]) -> dict[Any, Any]:
    """The JSON of the metadata by key, of the rows that are there."""
    if not keys:
        return {}
    assert schema.json is not None
    sql = f"SELECT {key_sql}, {schema.json.quoted} FROM {schema.target} WHERE {key_sql} IN ({', '.join('?' * len(keys))})"
    return {row[0]: row[1] for row in session.rows(sql, keys)}


def _count(session: Session, schema: Schema, keys: list[Any]) -> int:
    sql = f"SELECT count(*) FROM {schema.target} WHERE {schema.key_sql} IN ({', '.join('?' * len(keys))})"
    return int(session.value(sql, keys))


def _statement(schema: Schema, names: tuple[str, ...], where: str) -> str:
    return f"UPDATE {schema.target} SET {', '.join(f'{quote(name)} = ?' for name in names)} WHERE {where}"
