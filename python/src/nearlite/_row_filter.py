"""What the keys of a filter mean, and a filter as the function ``row_matches`` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ._paths import SUBSTRINGS, is_pattern
from ._schema import Column

# Operators that the engine does not have. A search narrows by what it has, and the rest is checked row by row.
BY_ROW = (*SUBSTRINGS, "$empty")
#: Conditions on one declared column that a search evaluates inside as plain SQL.
PLAIN = frozenset(("$eq", "$gt", "$gte", "$lt", "$lte", "$between", "$in", "$exists"))


class OfMetadata(dict[str, Any]):
    """A filter whose keys are of the metadata alone, also where the id or a text column has the same name."""


class Scope(NamedTuple):
    """What the keys of a filter mean."""

    table: str
    columns: Mapping[str, Column]
    declared: Mapping[str, Column]
    json: Column | None
    #: All columns of the table, by their names in lower case.
    names: Mapping[str, Column]

    def inside(self, where: Mapping[str, Any]) -> Scope:
        """What keys mean inside a filter."""
        return self._replace(columns=self.declared) if isinstance(where, OfMetadata) else self


def has_row_operator(value: Any) -> bool:
    """Whether a condition uses an operator that the engine does not have."""
    return isinstance(value, Mapping) and (not value.keys().isdisjoint(BY_ROW) or has_row_operator(value.get("$not")))


def is_plain(column: Column | None, value: Any) -> bool:
    """Whether a condition on a column is evaluated inside the search as plain SQL."""
    if column is None or column.kind not in ("metadata", "key"):
        return False
    return not isinstance(value, Mapping) or (value.keys() <= PLAIN and None not in value.get("$in", ()))


def of_row(key: str, value: Any, scope: Scope) -> dict[str, Any] | None:
    """A condition with the keys of ``row_matches``: columns, and paths into the JSON column. None where it has to be SQL."""
    if key in ("$and", "$or", "$not"):
        parts = [_filter(inner, scope.inside(inner)) for inner in ([value] if key == "$not" else value)]
        if any(part is None for part in parts):
            return None
        return {key: parts[0] if key == "$not" else parts}
    if has_row_operator(value):
        return None
    column = scope.columns.get(key)
    if column is not None:
        return {column.name: value} if _is_inside(column, value) else None
    if scope.json is None or scope.json.stored:
        return None
    start = scope.json.name + "."
    # A column goes before a path into another one.
    return None if any(name.startswith(start.lower()) for name in scope.names) else {start + key: value}


def _filter(where: Mapping[str, Any], scope: Scope) -> dict[str, Any] | None:
    parts = [of_row(key, value, scope) for key, value in where.items()]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    return found[0] if len(found) == 1 else {"$and": found}


def _is_inside(column: Column, value: Any) -> bool:
    """Whether ``row_matches`` evaluates a condition on a column inside the search, at no more cost than its rows have."""
    if column.kind not in ("metadata", "key"):
        return False
    for name, operand in value.items() if isinstance(value, Mapping) else ():
        if column.kind == "key" and column.type == "TEXT" and name not in ("$eq", "$ne", "$in", "$nin", "$exists"):
            # Other tests look at every key of the table.
            return False
        if name == "$between" and isinstance(operand[0], str) != isinstance(operand[1], str):
            return False
        if name == "$like" and not is_pattern(operand):
            return False
        if name == "$not" and not _is_inside(column, operand):
            return False
    return True
