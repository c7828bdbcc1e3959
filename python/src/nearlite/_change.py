"""Changes of rows that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._batch import Batch
from ._schema import Schema, quote
from ._session import Session


def update(session: Session, schema: Schema, batch: Batch, metadatas: Any) -> int:
    """Sets the columns of the batch in the rows of its ids; metadata is merged. Returns how many rows were there."""
    json_name = schema.json.name if schema.json is not None and metadatas is not None else None
    whole = [name for name in batch.columns if name != json_name and name not in schema.declared_by_name]
    plain = [iter(batch.columns[name]) for name in whole]
    listed = list(metadatas) if metadatas is not None else [None] * batch.count
    # Statements by the columns that they set: rows of one batch may have different keys.
    statements: dict[tuple[str, ...], str] = {}
    changed = 0
    assert batch.ids is not None
    here = f"{schema.key_sql} = ?"
    for at, (key, *values) in enumerate(zip(batch.ids, *plain)):
        metadata = listed[at]
        declared = [name for name in metadata if name in schema.declared_by_name] if metadata else []
        for name in declared:
            values.append(batch.columns[name][at])
        merges = json_name is not None and batch.columns[json_name][at] != "{}"
        names = (*whole, *declared, *([""] if merges else []))
        if not names:
            changed += session.value(f"SELECT count(*) FROM {schema.target} WHERE {here}", [key])
            continue
        if merges:
            values.append(batch.columns[json_name][at])  # type: ignore[index]
        sql = statements.get(names)
        if sql is None:
            sql = statements[names] = _statement(schema, names, here)
        changed += session.many(sql, [(*values, key)])
    return changed


def update_where(session: Session, schema: Schema, batch: Batch, where: str, params: Sequence[Any]) -> int:
    """Sets the one row of the batch in every row that passes a condition; metadata is merged. Returns how many passed."""
    json_name = schema.json.name if schema.json is not None else None
    values = {name: next(iter(column)) for name, column in batch.columns.items() if name != json_name}
    names, given = list(values), list(values.values())
    if json_name in batch.columns and batch.columns[json_name][0] != "{}":
        names.append("")
        given.append(batch.columns[json_name][0])
    if not names:
        return int(session.value(f"SELECT count(*) FROM {schema.target} WHERE {where}", params))
    return session.many(_statement(schema, tuple(names), where), [(*given, *params)])


def _statement(schema: Schema, names: tuple[str, ...], where: str) -> str:
    sets: list[str] = [f"{quote(name)} = ?" for name in names if name]
    if "" in names:
        assert schema.json is not None
        # A key that is null in the change is removed (RFC 7396).
        sets.append(f"{schema.json.quoted} = json_patch(coalesce({schema.json.quoted}, '{{}}'), ?)")
    return f"UPDATE {schema.target} SET {', '.join(sets)} WHERE {where}"
