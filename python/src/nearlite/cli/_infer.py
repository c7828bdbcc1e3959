"""What columns a file has: guessed from its first rows, or as the arguments say."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from .._schema import Schema
from ._failure import Failure

_KEYS = ("id", "_id", "key", "uuid")
# Names of the key of a new table whose rows have none: the first that no column of the file has.
_MADE_KEYS = ("id", "row_id", "import_id", "nearlite_id")
_TYPES = {"text": str, "str": str, "int": int, "integer": int, "real": float, "float": float, "bool": bool, "boolean": bool}


class Plan(NamedTuple):
    """The columns of a file: the key, or None where it has none; the key of a new table; the vector; texts; declared columns."""

    key: str | None
    #: None for a table without a key, whose ids are rowids.
    table_key: str | None
    key_type: type
    vector: str | None
    dim: int
    texts: list[str]
    columns: dict[str, type]
    #: Columns of texts that all stand for numbers or truth, as in CSV.
    typed: frozenset[str]
    #: JSON columns of the table, where the file has nothing but texts.
    parsed: frozenset[str] = frozenset()


def plan(rows: Sequence[dict[str, Any]], given: Any, untyped: bool, schema: Schema | None = None) -> Plan:
    """The plan for a file, from its first rows, the arguments of the command, and the columns of the table if it is there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    values = {name: [row[name] for row in rows if name in row and row[name] is not None] for name in names}
    for wanted in [given.id, given.vector, *(given.text.split(",") if given.text else [])]:
        if wanted and wanted not in values:
            raise Failure(f"the file has no column {wanted!r} in its first {len(rows)} rows; it has {', '.join(names) or 'none'}")
    key = given.id or _key(values, len(rows), untyped, schema)
    vector = given.vector or _vector({name: values[name] for name in names if name != key}, schema)
    dim = _dim(values[vector]) if vector else 0
    if vector and not dim:
        raise Failure(f"the column {vector!r} does not hold vectors of one length")
    rest = [name for name in names if name not in (key, vector)]
    texts = given.text.split(",") if given.text else [name for name in rest if _is_text(values[name])]
    if given.columns is not None:
        columns = _declared(given.columns)
    else:
        kinds = {name: _kind(values[name], untyped) for name in rest if name not in texts}
        columns = {name: kind for name, kind in kinds.items() if kind is not None and name.replace("_", "").isalnum() and name not in _RESERVED}
    key_type = int if key and _kind(values[key], untyped) is int else str
    taken = {name.lower() for name in names}
    table_key = key or next((name for name in _MADE_KEYS if name not in taken), _MADE_KEYS[-1])
    # Of one column all values stand for something or none does: half of them converted could not be compared with the others.
    stands = {name for name in names if untyped and name not in texts and all(not isinstance(scalar(value), str) for value in values[name])}
    typed = frozenset(stands if given.columns is None else stands.union(columns))
    parsed = frozenset(column.name for column in schema.json_values) if untyped and schema is not None else frozenset()
    return Plan(key, None if key == "rowid" else table_key, key_type, vector, dim, texts, columns, typed, parsed)


def _key(values: dict[str, list[Any]], count: int, untyped: bool, schema: Schema | None) -> str | None:
    """The column that is the key: that of the table, else one whose name says it and whose values differ."""
    if schema is not None and schema.id.name in values:
        return schema.id.name
    # What export writes of a table without a key.
    if schema is None and "rowid" in values and _is_key(values["rowid"], count) and _kind(values["rowid"], untyped) is int:
        return "rowid"
    taken = schema.by_name if schema is not None else ()
    return next((name for name in _KEYS if name in values and name not in taken and _is_key(values[name], count)), None)


def _vector(values: dict[str, list[Any]], schema: Schema | None) -> str | None:
    """The column that holds vectors: that of the table, else the first whose values could be some of its vectors."""
    own = {} if schema is None else {column.name: column.dim for column in schema.vectors}
    for name in own:
        if name in values and _dim(values[name]):
            return name
    for name, given in values.items():
        size = _dim(given)
        # A list of another length is a value of the metadata; an array is meant as a vector.
        if size and (schema is None or size in own.values() or hasattr(given[0], "dtype")) and not (schema is not None and name in schema.keyed):
            return name
    return None


# Names of hidden columns: such keys stay in the JSON metadata.
_RESERVED = {"rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain", "rowid", "oid", "_rowid_", "meta"}


def _declared(given: str) -> dict[str, type]:
    columns = {}
    for part in filter(None, given.split(",")):
        name, _, kind = part.partition(":")
        if kind.lower() not in _TYPES:
            raise Failure(f"--columns {part!r}: expected NAME:TYPE with a type of text, int, real, bool", 2)
        columns[name] = _TYPES[kind.lower()]
    return columns


def _is_key(values: Sequence[Any], count: int) -> bool:
    return (
        len(values) == count and all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in values) and len(set(values)) == count
    )


def _is_text(values: Sequence[Any]) -> bool:
    """Several words in most of the values."""
    wordy = [value for value in values if isinstance(value, str) and len(value.split()) >= 3]
    return len(wordy) * 2 > len(values) > 0 and all(isinstance(value, str) for value in values)


def _kind(values: Sequence[Any], untyped: bool) -> type | None:
    """The type that all values have, None for several, lists and objects."""
    kinds = {type(scalar(value)) if untyped else type(value) for value in values}
    if kinds == {int, float}:
        return float
    if untyped and str in kinds:
        return str
    found = kinds.pop() if len(kinds) == 1 else None
    if found is int and any(abs(int(value)) >= 2**63 for value in values):
        return None
    return found if found in (str, int, float, bool) else None


def _dim(values: Sequence[Any]) -> int:
    """The length of the vectors, 0 where the values are none. One number or two are no vector unless they are arrays."""
    lengths = set()
    for value in values:
        vector = numbers(value)
        if vector is None:
            return 0
        lengths.add(len(vector))
    return lengths.pop() if len(lengths) == 1 and lengths != {0} else 0


def numbers(value: Any) -> Any:
    """A vector: a list of floats, an array, or the JSON of one; None for anything else."""
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if hasattr(value, "dtype") and getattr(value, "ndim", 0) == 1:
        return value
    if isinstance(value, list) and all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in value):
        # A list of whole numbers may be anything; one with fractions is a vector.
        return value if any(isinstance(number, float) for number in value) or len(value) > 16 else None
    return None


def parsed(text: Any) -> Any:
    """The value that a text stands for as JSON; a text that is no JSON stands for itself."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def scalar(text: Any) -> Any:
    """What a field of a CSV file stands for: a number where that comes back as it was written, so neither 007 nor 1.10, 1_000 or +49; truth."""
    if not isinstance(text, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        if repr(found) == text and math.isfinite(found):
            return found
    return text
