"""Metadata dictionaries as they are stored: declared columns for the keys that have one, a JSON object for the others."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ._errors import InputError
from ._numbers import unboxed
from ._schema import Column, Schema

_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
# json.loads() does this and looks at the type of the text, its first bytes and the spaces around it, which takes as long again.
_scan = json.JSONDecoder().raw_decode


def columns_of(metadatas: Sequence[Mapping[str, Any] | None], schema: Schema, changes: bool) -> tuple[dict[str, list[Any]], list[str]]:
    """The values of the declared columns that any of the dictionaries has, None among them, and the JSON of the rest of each.

    The JSON of ``changes`` also removes keys whose column becomes NULL: a row may have one from before there was the column.

    Raises InputError for what JSON cannot say, and for keys without a column where the table has no JSON column.
    """
    declared: dict[str, list[Any]] = {}
    texts: list[str] = []
    by_name = {column.name: column for column in schema.declared}
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
                values = declared.setdefault(key, [None] * len(metadatas))
                if value is not None:
                    values[at] = scalar(value, column, at)
                elif changes and schema.json is not None:
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
    except (TypeError, ValueError, RecursionError) as error:
        if hasattr(value, "items"):
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise InputError(f"{place}: a key of metadata is a text, got {key!r}") from None
                plain = unboxed(inner)
                if plain is not inner:
                    return encode({key: unboxed(inner) for key, inner in value.items()}, place)
                try:
                    _dump(inner)
                except (TypeError, ValueError, RecursionError):
                    raise InputError(f"{place}: the value of {key!r} is not JSON: {inner!r:.80}") from None
        raise InputError(f"{place}: it is not JSON: {error}") from None


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


def at_path(metadata: Any, name: str, path: list[str]) -> Any:
    """The value of a key: of the one with dots in its name, if there is one, else of the nested one; None where it is missing."""
    if name in metadata:
        return metadata[name]
    found = metadata
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found
