"""Metadata dictionaries as they are stored: declared columns for the keys that have one, a JSON object for the others."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ._absent import ABSENT
from ._errors import InputError
from ._numbers import unboxed
from ._schema import Column, Schema

_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
# json.loads() does this and looks at the type of the text, its first bytes and the spaces around it, which takes as long again.
_scan = json.JSONDecoder().raw_decode


def columns_of(metadatas: Sequence[Mapping[str, Any] | None], schema: Schema, changes: bool) -> tuple[dict[str, list[Any]], list[str]]:
    """The values of the columns whose keys any of the dictionaries has, and the JSON of the rest of each.

    A key that a dictionary does not have is None, in ``changes`` ABSENT. The JSON of ``changes`` also removes keys whose column becomes
    NULL: a row may have one from before there was the column.

    Raises InputError for what JSON cannot say, and for keys without a column where the table has no JSON column.
    """
    declared: dict[str, list[Any]] = {}
    texts: list[str] = []
    by_name, missing = schema.keyed, ABSENT if changes else None
    for at, metadata in enumerate(metadatas):
        if metadata is None:
            texts.append("{}")
            continue
        if not isinstance(metadata, Mapping):
            raise InputError(f"metadatas[{at}]: expected a dictionary, got {type(metadata).__name__}")
        rest: Any = metadata if isinstance(metadata, dict) else dict(metadata)
        if by_name and not by_name.keys().isdisjoint(metadata):
            rest = {}
            for key, value in metadata.items():
                column = by_name.get(key)
                if column is None:
                    rest[key] = value
                    continue
                values = declared.setdefault(key, [missing] * len(metadatas))
                values[at] = None if value is None else _bound(value, column, at)
                if value is None and changes and schema.json is not None:
                    rest[key] = None
        if rest and schema.json is None:
            raise InputError(f"metadatas[{at}]: {schema.table} has no column {next(iter(rest))!r} and no JSON column that could hold it")
        texts.append(encode(rest, f"metadatas[{at}]"))
    return declared, texts


def encode(value: Any, place: str) -> str:
    """A value as JSON; raises InputError with its place where JSON cannot say it."""
    try:
        found = _dump(value)
        _check_keys(value, place)
        return found
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{place}: it is nested too deep to be stored") from None
    except (TypeError, ValueError) as error:
        if hasattr(value, "items"):
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise InputError(f"{place}: a key of metadata is a text, got {key!r}") from None
                plain = unboxed(inner)
                if plain is not inner:
                    return encode({key: unboxed(inner) for key, inner in value.items()}, place)
                try:
                    _dump(inner)
                except RecursionError:
                    raise InputError(f"{place}: the value of {key!r} is nested too deep to be stored") from None
                except (TypeError, ValueError):
                    raise InputError(f"{place}: the value of {key!r} is not JSON: {_shown(inner)}") from None
        raise InputError(f"{place}: it is not JSON: {error}") from None


def _shown(value: Any) -> str:
    try:
        return f"{value!r:.80}"
    except RecursionError:
        return type(value).__name__


def _check_keys(value: Any, place: str) -> None:
    """Raises InputError for a key that is no text, at any depth: JSON would make one of it, and 1, "1" and True could meet."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InputError(f"{place}: a key of metadata is a text, got {key!r}")
            if isinstance(inner, (dict, list, tuple)):
                _check_keys(inner, place)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            if isinstance(inner, (dict, list, tuple)):
                _check_keys(inner, place)


def _bound(value: Any, column: Column, at: int) -> Any:
    """A value for the column of its key, as SQLite binds it."""
    return encode(unboxed(value), f"{column.name}, row {at}") if column.kind == "json" else scalar(value, column, at)


def scalar(value: Any, column: Column, at: int) -> Any:
    """A value for a declared column, as SQLite binds it."""
    value = unboxed(value)
    if isinstance(value, float) and math.isnan(value):
        raise InputError(f"{column.name}, row {at}: NaN cannot be stored, SQLite would make NULL of it; None is no value")
    if isinstance(value, (str, int, float)) or column.kind == "stored" and isinstance(value, bytes):
        return value
    if column.kind == "stored":
        return encode(value, f"{column.name}, row {at}")
    what = f"the column holds {column.type}" if column.type else "the column holds texts, numbers, True and False"
    raise InputError(f"{column.name}, row {at}: {what}, got {type(value).__name__}")


def decode(text: Any) -> dict[str, Any]:
    """The JSON object of a row, {} for NULL."""
    if not text:
        return {}
    end = -1
    if text[0] == "{":
        found, end = _scan(text)
    if end != len(text):
        found = json.loads(text)
    return found if isinstance(found, dict) else {"": found}


def json_value(stored: Any) -> Any:
    """The value that a JSON column beside that of the metadata holds; what is no JSON, as an UNINDEXED column may hold it, as it is."""
    if not isinstance(stored, str):
        return stored
    try:
        return json.loads(stored)
    except (ValueError, RecursionError):
        return stored


def merged(stored: Any, change: str, place: str) -> str:
    """The JSON of a row's metadata after a change: each key of the change replaces that of the row as a whole, and null removes it."""
    try:
        found = decode(stored)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: its metadata cannot be changed key by key, because it is not JSON: {error}; upsert replaces all of it") from None
    for key, value in decode(change).items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return encode(found, place)


def at_path(metadata: Any, name: str, path: list[str]) -> Any:
    """The value of a key: of the one with dots in its name, if there is one, else of the nested one; None where it is missing."""
    if name in metadata:
        return metadata[name]
    found = metadata
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found
