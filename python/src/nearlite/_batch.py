"""Rows to be written, column by column, checked against the schema before a statement runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from . import _blobs, _metadata
from ._absent import ABSENT
from ._errors import InputError
from ._numbers import unboxed
from ._schema import Column, Schema

Ids = Optional[list[Any]]


class Batch:
    """``columns`` maps names of table columns to their values, one for each row. ``ids`` is None where none were given.

    In a batch of changes a value may be ABSENT.
    """

    def __init__(self, ids: Ids, columns: dict[str, Any], count: int) -> None:
        self.ids, self.columns, self.count = ids, columns, count

    def rows(self, key: str | None) -> Iterator[tuple[Any, ...]]:
        """Tuples of the columns' values, led by the id where ``key`` is given."""
        values = [iter(column) for column in self.columns.values()]
        if key is not None:
            assert self.ids is not None
            return zip(self.ids, *values)
        return zip(*values) if values else iter([()] * self.count)


def batch(schema: Schema, ids: Any, texts: Any, vectors: Any, metadatas: Any, changes: bool) -> Batch:
    """The rows that the arguments of ``add`` and ``upsert`` describe, or the ``changes`` that those of ``update`` do.

    Raises InputError where a value does not fit or the arguments have different lengths.
    """
    out: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    checked = check_ids(ids, schema)
    if checked is not None:
        lengths["ids"] = len(checked)
    for name, values in by_column(texts, "text", schema).items():
        out[name] = _texts(values, name)
        lengths[f"texts ({name})" if isinstance(texts, Mapping) else "texts"] = len(out[name])
    for name, values in by_column(vectors, "vector", schema).items():
        out[name] = _vectors(values, schema.vector(name), schema.table)
        lengths[f"vectors ({name})" if isinstance(vectors, Mapping) else "vectors"] = len(out[name])
    if metadatas is not None:
        if isinstance(metadatas, (str, Mapping)) or not hasattr(metadatas, "__len__"):
            raise InputError(f"metadatas: expected a list of dictionaries, one for each id, got {type(metadatas).__name__}")
        declared, rest = _metadata.columns_of(metadatas, schema, changes)
        out.update(declared)
        if schema.json is not None:
            out[schema.json.name] = rest
        lengths["metadatas"] = len(metadatas)
    if len(set(lengths.values())) > 1:
        raise InputError("the arguments differ in length: " + ", ".join(f"{name} {count}" for name, count in lengths.items()))
    if not lengths:
        raise InputError("nothing to write: give ids, texts, vectors or metadatas")
    return Batch(checked, out, next(iter(lengths.values())))


def check_ids(ids: Any, schema: Schema) -> Ids:
    """The ids as a list: texts for a TEXT key, whole numbers else, none twice. Raises InputError."""
    if ids is None:
        return None
    if isinstance(ids, (str, bytes, Mapping)) or not hasattr(ids, "__iter__"):
        raise InputError(f"ids: expected a list, got {type(ids).__name__}")
    found: list[Any] = ids.tolist() if hasattr(ids, "tolist") else ids.to_pylist() if hasattr(ids, "to_pylist") else list(ids)
    check_types(found, schema)
    if len(set(found)) != len(found):
        seen: dict[Any, int] = {}
        for at, value in enumerate(found):
            if value in seen:
                raise InputError(f"ids[{at}]: {value!r} is in this batch twice, at {seen[value]} too")
            seen[value] = at
    return found


def listed(ids: Any, schema: Schema) -> list[Any]:
    """Ids to look up: one, or several of which some may repeat."""
    ids = unboxed(ids)
    if isinstance(ids, (bytes, bytearray, Mapping)) or not (isinstance(ids, str) or hasattr(ids, "__iter__") or hasattr(ids, "__index__")):
        raise InputError(f"ids: expected an id or a list of them, got {type(ids).__name__}")
    one = isinstance(ids, str) or not hasattr(ids, "__iter__")
    found: list[Any] = [ids] if one else ids.tolist() if hasattr(ids, "tolist") else list(ids)
    check_types(found, schema)
    return found


def check_types(ids: list[Any], schema: Schema) -> None:
    """Raises InputError for an id that is not of the key's type."""
    kind = schema.key_type
    for at, value in enumerate(ids):
        if type(value) is kind:
            continue
        plain = unboxed(value)
        if isinstance(plain, kind) and not isinstance(plain, bool):
            ids[at] = plain
            continue
        raise InputError(f"ids[{at}]: the ids of {schema.table} are {'texts' if kind is str else 'whole numbers'}, got {value!r}")


def by_column(values: Any, kind: str, schema: Schema) -> dict[str, Any]:
    """The values of each column by its name, for texts and vectors: those of a dictionary, or of the first column of the kind."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        return {(schema.text() if kind == "text" else schema.vector()).name: values}
    found: dict[str, Any] = {}
    for name, given in values.items():
        if not isinstance(name, str):
            raise InputError(f"{kind}s: the keys of a dictionary are names of columns, got {name!r}")
        column = schema.column(name, kind).name
        if column in found:
            raise InputError(f"{kind}s: the column {column!r} is there twice")
        found[column] = given
    return found


def held(values: Any) -> Any:
    """What can be read once only as a list, in each column of a dictionary too; anything else as it is."""
    if isinstance(values, Mapping):
        return {name: held(given) for name, given in values.items()}
    return list(values) if hasattr(values, "__iter__") and not hasattr(values, "__len__") else values


def _texts(values: Any, column: str) -> list[Any]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise InputError(f"texts ({column}): expected a list, got {type(values).__name__}")
    listed = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    for at, value in enumerate(listed):
        if not isinstance(value, str) and value is not None and value is not ABSENT:
            raise InputError(f"texts ({column})[{at}]: expected a text or None, got {value!r:.80}")
    return listed


def _vectors(values: Any, column: Column, table: str) -> Any:
    """The vectors as BLOBs; those that are ABSENT stay so."""
    if not isinstance(values, list) or all(value is not ABSENT for value in values):
        return _blobs.blobs(values, column, table)
    made = _blobs.blobs([None if value is ABSENT else value for value in values], column, table)
    return [ABSENT if value is ABSENT else blob for value, blob in zip(values, made)]
