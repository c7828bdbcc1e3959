"""Rows that come as a table: Arrow, DataFrame, list of dictionaries; split into ids, texts, vectors and metadata by column names."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any, Optional

from . import _arrow
from ._absent import ABSENT
from ._errors import InputError
from ._schema import Schema

Split = tuple[Any, Any, Any, Optional[list[dict[str, Any]]]]


def split(rows: Any, schema: Schema, absent: Any = None) -> Split:
    """The arguments ``ids, texts, vectors, metadatas`` that the table stands for. Raises InputError where it is no table.

    ``absent`` is the text or vector of a dictionary that has none, where another one of the list has.
    """
    if _arrow.is_arrow(rows):
        table = _arrow.as_table(rows)
        columns = {name: table.column(name) for name in table.column_names}
        return _columns({**columns, **_parsed_json(columns, schema)}, table.num_rows, schema)
    if type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns"):
        return _columns({str(name): rows[name] for name in rows.columns}, len(rows), schema)
    if isinstance(rows, (Mapping, str, bytes)) or not hasattr(rows, "__iter__"):
        raise InputError(f"rows: expected an Arrow table, a DataFrame or a list of dictionaries, got {type(rows).__name__}")
    listed = list(rows)
    names: dict[str, None] = {}
    for at, row in enumerate(listed):
        if not isinstance(row, Mapping):
            raise InputError(f"rows[{at}]: expected a dictionary, got {type(row).__name__}")
        names.update(dict.fromkeys(row))
    own = {schema.id.name, *(column.name for column in schema.columns if column.kind in ("text", "vector"))}
    own |= {schema.json.name} if schema.json is not None else set()
    left_out = {column.name: absent for column in (*schema.texts, *schema.vectors)}
    columns = {name: [row.get(name, left_out.get(name)) for row in listed] for name in names if name in own}
    ids, texts, vectors, metadatas = _columns(columns, len(listed), schema)
    for at, row in enumerate(listed):
        rest = {key: value for key, value in row.items() if key not in own}
        if rest:
            metadatas = metadatas if metadatas is not None else [{} for _ in listed]
            metadatas[at].update(rest)
    return ids, texts, vectors, metadatas


def _columns(columns: Mapping[str, Any], count: int, schema: Schema) -> Split:
    key = schema.id.name
    ids = _listed(columns[key]) if key in columns else None
    texts = {column.name: _texts(columns[column.name], column.name) for column in schema.texts if column.name in columns}
    vectors = {
        column.name: _vectors(columns[column.name], f"vectors of {schema.table}.{column.name}") for column in schema.vectors if column.name in columns
    }
    taken = {key, *texts, *vectors}
    metadatas: list[dict[str, Any]] | None = None
    for name, values in columns.items():
        if name in taken:
            continue
        if metadatas is None:
            metadatas = [{} for _ in range(count)]
        whole = schema.json is not None and name == schema.json.name
        for metadata, value in zip(metadatas, _listed(values)):
            if value is None:
                if name in schema.keyed:
                    metadata[name] = None
                continue
            if whole:
                metadata.update(_object(value, name))
            else:
                metadata[name] = value
    return ids, texts or None, vectors or None, metadatas


def _listed(values: Any) -> list[Any]:
    """The values of a column as Python's: None for what is missing, texts in ISO form for dates and times."""
    listed: list[Any] = values.to_pylist() if hasattr(values, "to_pylist") else values.tolist() if hasattr(values, "tolist") else list(values)
    for at, value in enumerate(listed):
        if value is None or type(value) in (str, int, bool):
            continue
        if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
            listed[at] = None if type(value).__name__ == "NaTType" else value.isoformat()
        elif type(value).__name__ in ("NAType", "NaTType") or isinstance(value, float) and value != value:
            listed[at] = None
    return listed


def _vectors(values: Any, where: str) -> Any:
    """A column of vectors: Arrow's as it is, pandas' as a list in which missing ones are None; texts are the JSON of vectors."""
    if hasattr(values, "to_pylist"):
        return values
    listed = list(values.tolist() if hasattr(values, "tolist") else values)
    for at, value in enumerate(listed):
        if isinstance(value, float) and value != value:
            listed[at] = None
        elif isinstance(value, str):
            try:
                listed[at] = json.loads(value)
            except ValueError:
                raise InputError(f"{where}, row {at}: a text as vector is an array in JSON, got {value!r:.80}") from None
    return listed


def _texts(values: Any, name: str) -> list[Any]:
    """The texts of a column; what is no text and no bytes as the text that Python makes of it."""
    listed = _listed(values)
    for at, value in enumerate(listed):
        if value is None or value is ABSENT or isinstance(value, str):
            continue
        if isinstance(value, (bytes, bytearray, memoryview)):
            raise InputError(f"texts ({name})[{at}]: expected a text or None, got bytes; decode them first")
        listed[at] = str(value)
    return listed


def _parsed_json(columns: Mapping[str, Any], schema: Schema) -> dict[str, list[Any]]:
    """The columns of an Arrow table that go into JSON columns of their own: texts in them are JSON, as ``to_arrow`` writes it."""
    return {
        column.name: [_loaded(value, column.name) if isinstance(value, str) else value for value in columns[column.name].to_pylist()]
        for column in schema.json_values
        if column.name in columns
    }


def _object(value: Any, name: str) -> Mapping[str, Any]:
    found = _loaded(value, name) if isinstance(value, (str, bytes)) else value
    if not isinstance(found, Mapping):
        raise InputError(f"{name}: expected a JSON object, got {found!r:.80}")
    return found


def _loaded(text: str | bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{name}: it is not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{name}: it is nested too deep to be stored") from None
