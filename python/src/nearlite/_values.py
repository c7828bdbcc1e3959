"""The values of columns and of keys of the metadata with the number of their rows, and the terms of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import _metadata, _query
from ._errors import InputError, SchemaError
from ._numbers import whole
from ._schema import Schema
from ._session import Session

# Rows that are taken from SQLite at once.
_STEP = 1000


class Facet(NamedTuple):
    """A value, and how many rows have it."""

    value: Any
    rows: int


class Token(NamedTuple):
    """A part of a text as the index has it."""

    text: str
    #: Its place among the words, from 0. Several tokens may stand at one place.
    position: int
    #: Where it begins and ends in the text, in bytes of UTF-8.
    start: int
    end: int


class Term(NamedTuple):
    """A term of a text column, and how many rows have it."""

    term: str
    rows: int


def facets(session: Session, schema: Schema, name: str, where: Mapping[str, Any] | str | None, params: Sequence[Any]) -> list[Facet]:
    """The values of a column or of a key of the metadata with the number of rows, ascending."""
    column = schema.find(name)
    condition, values = _query.condition(schema, where, params)
    source = f"FROM {schema.target} WHERE {condition or 1}"
    if column is not None:
        if column.kind not in ("metadata", "stored", "key"):
            raise InputError(f"{schema.table}: values of the {column.kind} column {column.name!r} cannot be counted; name a declared column or a key")
        rows = session.rows(f"SELECT {column.quoted}, count(*) {source} GROUP BY 1 ORDER BY 1", values)
        boolean = column.type == "BOOLEAN"
        return [Facet(bool(value) if boolean and value is not None else value, count) for value, count in rows]
    if schema.json is None:
        raise SchemaError(f"{schema.table} has no column {name!r} and no JSON column that could hold it")
    path = name.split(".")
    counts: dict[Any, int] = {}
    found: dict[Any, Any] = {}
    # Held to the end: the table could not be altered between two steps.
    with session.lock:
        for (text,) in session.stream(f"SELECT {schema.json.quoted} {source}", values, _STEP):
            value = _metadata.at_path(_metadata.decode(text), name, path)
            several = value if isinstance(value, list) and value else [None if isinstance(value, list) else value]
            for key, one in {_sorted_by(one): one for one in several}.items():
                counts[key] = counts.get(key, 0) + 1
                found.setdefault(key, one)
    return [Facet(found[key], counts[key]) for key in sorted(counts)]


def _sorted_by(value: Any) -> tuple[int, Any]:
    """Equal for equal values and in their order: None, truth, numbers, texts, others."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, (int, float)):
        return (2, value)
    return (3, value) if isinstance(value, str) else (4, json.dumps(value, sort_keys=True))


def tokens(session: Session, schema: Schema, column: str, text: str) -> list[Token]:
    """What a text becomes in a text column."""
    given = [schema.target, schema.column(column, "text").name, text]
    return [Token(*row) for row in session.rows('SELECT token, position, "start", "end" FROM nearlite_tokens(?, ?, ?)', given)]


def terms(session: Session, schema: Schema, column: str, prefix: str | None, limit: int | None) -> list[Term]:
    """The terms of a text column in order of their bytes."""
    given: list[Any] = [schema.target, schema.column(column, "text").name]
    if prefix:
        given.append(prefix)
    bound = "" if limit is None else f" LIMIT {whole('limit', limit, 0)}"
    sql = f'SELECT term, "rows" FROM nearlite_terms({", ".join("?" * len(given))}) ORDER BY term{bound}'
    return [Term(*row) for row in session.rows(sql, given)]
