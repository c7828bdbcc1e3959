"""Filters as dictionaries, and the SQL that they become.

    {"year": {"$gte": 2004}, "tags": {"$contains": "a"}, "$or": [{"lang": "en"}, {"lang": {"$exists": False}}]}

A key is that of a declared column or a path into the metadata; a value stands for equality. Conditions on declared columns become
plain SQL, those on the metadata one call of ``json_matches``, and what joins both by OR or NOT a call of ``row_matches``: all are
evaluated inside the search.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from . import _paths
from ._errors import FilterError, SchemaError
from ._numbers import unboxed
from ._paths import SUBSTRINGS, joined
from ._paths import Sql as Sql
from ._row_filter import BY_ROW, Scope, has_row_operator, is_plain, of_row
from ._row_filter import OfMetadata as OfMetadata
from ._schema import Column, Schema, quote

# Sets stand for lists.
_encode = json.JSONEncoder(default=list, ensure_ascii=False, allow_nan=False).encode

COMPARISONS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
LISTS = ("$in", "$nin", "$contains_any", "$contains_all", "$between")
#: Operators on the value of a key.
OPERATORS = (*COMPARISONS, *LISTS, "$exists", "$contains", "$like", *BY_ROW, "$not")
# Values of $in that are bound one by one.
_LISTED = 100

#: Operators between filters.
CONDITIONS = ("$and", "$or", "$not")


def check(where: Any, place: str = "where") -> None:
    """Raises FilterError, with the place of the mistake, unless ``where`` is a filter."""
    _check(_plain(where), place)


def _plain(where: Any) -> Any:
    """A filter with the numbers, texts and arrays of numpy as Python's own numbers, texts and lists."""
    if isinstance(where, Mapping):
        inside = {key: _plain(value) for key, value in where.items()}
        return OfMetadata(inside) if isinstance(where, OfMetadata) else inside
    if isinstance(where, (list, tuple)):
        return [_plain(value) for value in where]
    if isinstance(where, (set, frozenset)):
        return {_plain(value) for value in where}
    where = unboxed(where)
    return where.tolist() if type(where).__module__ == "numpy" and hasattr(where, "tolist") else where


def _check(where: Any, place: str) -> None:
    if not isinstance(where, Mapping):
        raise FilterError(f"{place}: a filter is a dictionary, got {type(where).__name__}")
    for key, value in where.items():
        if not isinstance(key, str):
            raise FilterError(f"{place}: a key is a text, got {key!r}")
        if key in ("$and", "$or"):
            if not isinstance(value, (list, tuple)) or not value:
                raise FilterError(f"{place}.{key}: expected a list of filters that is not empty, got {value!r}")
            for at, inner in enumerate(value):
                _check(inner, f"{place}.{key}[{at}]")
        elif key == "$not":
            _check(value, f"{place}.$not")
        elif key.startswith("$"):
            raise FilterError(f"{place}: {key} is not an operator between filters; there are {', '.join(CONDITIONS)}")
        else:
            _check_value(value, f"{place}.{key}")


def _check_value(value: Any, place: str) -> None:
    if not isinstance(value, Mapping):
        _check_scalar(value, place)
        return
    if not value:
        raise FilterError(f"{place}: {{}} has no operator; there are {', '.join(OPERATORS)}")
    for operator, operand in value.items():
        if operator not in OPERATORS:
            hint = f"; for a key inside write {place.partition('.')[2]}.{operator}" if not str(operator).startswith("$") else ""
            raise FilterError(f"{place}: {operator!r} is not an operator; there are {', '.join(OPERATORS)}{hint}")
        inside = f"{place}.{operator}"
        if operator in LISTS:
            if not isinstance(operand, (list, tuple, set, frozenset)):
                raise FilterError(f"{inside}: expected a list, got {operand!r}")
            if operator == "$between" and len(operand) != 2:
                raise FilterError(f"{inside}: expected a list of two values, the lower and the upper one, got {operand!r}")
            for at, inner in enumerate(operand):
                (_check_ordered if operator == "$between" else _check_scalar)(inner, f"{inside}[{at}]")
        elif operator in ("$exists", "$empty"):
            if not isinstance(operand, bool):
                raise FilterError(f"{inside}: expected True or False, got {operand!r}")
        elif operator == "$like" or operator in SUBSTRINGS:
            if not isinstance(operand, str):
                raise FilterError(f"{inside}: expected a text, got {operand!r}")
        elif operator == "$not":
            if not isinstance(operand, Mapping):
                raise FilterError(f"{inside}: expected operators, such as {{'$gt': 3}}, got {operand!r}")
            _check_value(operand, inside)
        elif operator in ("$gt", "$gte", "$lt", "$lte"):
            _check_ordered(operand, inside)
        else:
            _check_scalar(operand, inside)


def _check_scalar(value: Any, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise FilterError(f"{place}: {value} cannot be compared with")
    if isinstance(value, (list, tuple)):
        raise FilterError(f"{place}: equality with a list is not possible; $in takes one of them, $contains_all finds lists that have all of them")
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise FilterError(f"{place}: expected a text, a number, True, False or None, got {type(value).__name__}")


def _check_ordered(value: Any, place: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise FilterError(f"{place}: expected a number or a text to compare with, got {value!r}")
    _check_scalar(value, place)


def to_sql(where: Mapping[str, Any], schema: Schema, search: bool = False) -> Sql:
    """The condition that a filter is, and its parameters; of a ``search``, which can evaluate OR and NOT. Raises FilterError."""
    where = _plain(where)
    _check(where, "where")
    return _both(_terms(where, _scope(schema), search))


def value_of(key: str, schema: Schema) -> Sql:
    """The value of a declared column, the id, or a key of the metadata, and its parameters. Raises SchemaError where there is no such column."""
    column = schema.find(key)
    if column is not None and column.kind in ("key", "metadata", "stored", "text"):
        return column.quoted, []
    if column is not None or schema.json is None:
        what = f"its {column.kind} column {key!r} has no order" if column is not None else f"it has no column {key!r} and no JSON column"
        raise SchemaError(f"{schema.table}: {what}")
    return _paths.value(schema.json.quoted, key)


def _scope(schema: Schema) -> Scope:
    return Scope(schema.table, schema.filterable, schema.declared_by_name, schema.json, schema.by_name)


def _terms(where: Mapping[str, Any], scope: Scope, search: bool = False) -> tuple[list[str], list[Any]]:
    """Conditions that are joined by AND."""
    scope = scope.inside(where)
    terms: list[str] = []
    params: list[Any] = []
    undeclared = {}
    for key, value in where.items():
        if not _needs_sql(key, value, scope):
            undeclared[key] = value
            continue
        if search and key == "$and":
            for inner in value:
                inside, more = _terms(inner, scope, search)
                terms += inside
                params += more
            continue
        asked = of_row(key, value, scope) if search and not is_plain(scope.columns.get(key), value) else None
        if asked is not None:
            sql, more = f"row_matches({quote(scope.table)}, ?)", [_encode(asked)]
        elif key == "$and":
            sql, more = _joined(value, scope, "AND")
        elif key == "$or":
            sql, more = _joined(value, scope, "OR")
        elif key == "$not":
            sql, more = _both(_terms(value, scope))
            sql = f"({sql}) IS NOT TRUE"
        else:
            column = scope.columns.get(key)
            sql, more = _on_column(column, value) if column is not None else _by_row(key, value, scope)
        terms.append(sql)
        params += more
    if undeclared:
        terms.append(f"json_matches({_metadata_of(scope, undeclared).quoted}, ?)")
        params.append(_encode(undeclared))
    return terms, params


def _joined(filters: Sequence[Mapping[str, Any]], scope: Scope, word: str) -> Sql:
    parts, params = [], []
    for inner in filters:
        part, more = _both(_terms(inner, scope))
        parts.append(f"({part})")
        params += more
    return f"({joined(parts, word)})", params


def _needs_sql(key: str, value: Any, scope: Scope) -> bool:
    """Whether the condition reads a declared column, or an operator that ``json_matches`` does not have."""
    if key in ("$and", "$or", "$not"):
        filters = [value] if key == "$not" else value
        return any(_needs_sql(name, inner, scope.inside(each)) for each in filters for name, inner in each.items())
    return key in scope.columns or has_row_operator(value)


def _metadata_of(scope: Scope, where: Mapping[str, Any]) -> Column:
    """The column that holds keys which have none; raises FilterError where there is no such column."""
    if scope.json is None:
        raise FilterError(f"where: {scope.table} has no column {_first_key(where)!r} and no JSON column that could hold it")
    return scope.json


def _first_key(where: Mapping[str, Any]) -> str:
    for key, value in where.items():
        if not key.startswith("$"):
            return key
        for inner in [value] if isinstance(value, Mapping) else value:
            return _first_key(inner)
    return ""


def _by_row(key: str, value: Mapping[str, Any], scope: Scope) -> Sql:
    """A condition on a path of the metadata with an operator of BY_ROW: what json_matches can say of it inside the search, the rest by row."""
    column = _metadata_of(scope, {key: value}).quoted
    terms, params = [], []
    for operator, operand in value.items():
        if operator == "$not" and has_row_operator(operand):
            sql, more = _by_row(key, operand, scope)
            sql = f"({sql}) IS NOT TRUE"
        elif operator == "$empty":
            sql, more = _paths.empty(column, key)
            sql = sql if operand else f"{sql} IS NOT TRUE"
        elif operator in SUBSTRINGS:
            sql, more = _paths.contained(column, key, operator, operand)
        else:
            sql, more = _both(_terms({key: {operator: operand}}, scope))
        terms.append(sql)
        params += more
    return " AND ".join(terms), params


def _both(terms: tuple[list[str], list[Any]]) -> Sql:
    return joined(terms[0], "AND") or "1", terms[1]


def _on_column(column: Column, value: Any) -> Sql:
    """A condition on a declared column, with the meaning that it has on a path of the metadata; a NULL is a missing key."""
    name = quote(column.name)
    parts, params = [], []
    for operator, operand in (value if isinstance(value, Mapping) else {"$eq": value}).items():
        sql, more = _operator(column, name, operator, operand)
        parts.append(sql)
        params += more
    return " AND ".join(parts), params


def _operator(column: Column, name: str, operator: str, operand: Any) -> Sql:
    if operator == "$exists":
        return f"{name} IS {'NOT ' if operand else ''}NULL", []
    if operator == "$not":
        inner, more = _on_column(column, operand)
        return f"({inner}) IS NOT TRUE", more
    if operator == "$like":
        return _paths.like(name, operand) if column.type in ("TEXT", "") else ("0", [])
    if operator in SUBSTRINGS:
        return (SUBSTRINGS[operator].format(name, "?"), [operand]) if column.type in ("TEXT", "") else ("0", [])
    if operator == "$empty":
        sql = f"({name} IS NULL OR {name} = '')" if column.type in ("TEXT", "") else f"{name} IS NULL"
        return (sql if operand else f"({sql}) IS NOT TRUE"), []
    if operator in ("$contains", "$contains_any", "$contains_all"):
        # A column holds no lists.
        return "0", []
    if operator == "$eq":
        if operand is None:
            return f"{name} IS NULL", []
        return (f"{name} = ?", [_value(operand)]) if _fits(column, operand) else ("0", [])
    if operator == "$ne":
        if operand is None:
            return f"{name} IS NOT NULL", []
        return (f"({name} IS NULL OR {name} <> ?)", [_value(operand)]) if _fits(column, operand) else ("1", [])
    if operator in ("$in", "$nin"):
        values = list(operand)
        fitting = [_value(value) for value in values if value is not None and _fits(column, value)]
        # No number is equal to one beyond all floats.
        fitting = [value for value in fitting if not (isinstance(value, float) and math.isinf(value))]
        members, bound = _members(fitting)
        sql = f"({name} IN ({members}) OR {name} IS NULL)" if None in values else f"{name} IN ({members})"
        return (f"({sql}) IS NOT TRUE" if operator == "$nin" else sql), bound
    if operator == "$between":
        low, high = operand
        return (f"{name} BETWEEN ? AND ?", [_value(low), _value(high)]) if _fits(column, low) and _fits(column, high) else ("0", [])
    return (f"{name} {COMPARISONS[operator]} ?", [_value(operand)]) if _fits(column, operand) else ("0", [])


def _members(values: list[Any]) -> Sql:
    """What stands inside IN for a list: each value by itself, or all of a long one as JSON."""
    if len(values) <= _LISTED:
        return ", ".join("?" * len(values)), values
    texts = [value for value in values if isinstance(value, str)]
    if not any("\0" in text for text in texts):
        return "SELECT value FROM json_each(?)", [json.dumps(values, ensure_ascii=False)]
    # Some versions of SQLite, 3.40 among them, end a text of JSON at its NUL, so a mark that no text has stands for it there.
    number = 0
    while any(f"\1{number}\2" in text for text in texts):
        number += 1
    mark = f"\1{number}\2"
    marked = [value.replace("\0", mark) if isinstance(value, str) else value for value in values]
    whole = "CASE type WHEN 'text' THEN replace(value, ?, char(0)) ELSE value END"
    return f"SELECT {whole} FROM json_each(?)", [mark, json.dumps(marked, ensure_ascii=False)]


def _fits(column: Column, value: Any) -> bool:
    """Whether a value of the column can be equal to the operand: a number is never equal to a text."""
    if column.type == "TEXT":
        return isinstance(value, str)
    if column.type == "BOOLEAN":
        return isinstance(value, bool)
    if column.type in ("INTEGER", "REAL"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, (str, int, float))


def _value(value: Any) -> Any:
    """What is bound: numbers beyond 64 bits as floats, those beyond all floats as an infinity."""
    if not isinstance(value, int) or abs(value) < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def from_langchain(where: Mapping[str, Any]) -> OfMetadata:
    """A filter of langchain-postgres as one of nearlite: ``$ilike`` is ``$like``, and ``$not`` may have a list, none of which passes."""
    if not isinstance(where, Mapping):
        raise FilterError(f"where: a filter is a dictionary, got {type(where).__name__}")
    out = OfMetadata()
    for key, value in where.items():
        if key in ("$and", "$or") and isinstance(value, (list, tuple)):
            out[key] = [from_langchain(inner) for inner in value]
        elif key == "$not" and isinstance(value, (list, tuple)):
            out[key] = {"$or": [from_langchain(inner) for inner in value]}
        elif key == "$not" and isinstance(value, Mapping):
            out[key] = from_langchain(value)
        else:
            out[key] = _operators_of_langchain(value, f"where.{key}")
    return out


def _operators_of_langchain(value: Any, place: str) -> Any:
    """The condition on a key, with the operators inside ``$not`` too."""
    if not isinstance(value, Mapping):
        return value
    if "$ilike" in value and "$like" in value:
        raise FilterError(f"{place}: $like and $ilike are one operator, give one of them")
    return {
        "$like" if operator == "$ilike" else operator: _operators_of_langchain(operand, f"{place}.$not") if operator == "$not" else operand
        for operator, operand in value.items()
    }


_LLAMA_INDEX = {"==": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte", "in": "$in", "nin": "$nin"}
_LLAMA_INDEX.update({"any": "$contains_any", "all": "$contains_all", "contains": "$contains", "text_match": "$substring"})
_LLAMA_INDEX["text_match_insensitive"] = "$isubstring"


def from_llama_index(given: Any) -> OfMetadata:
    """``MetadataFilters`` of LlamaIndex as a filter of nearlite."""
    parts = [_from_llama_index(inner) for inner in given.filters]
    if not parts:
        return OfMetadata()
    condition = getattr(given.condition, "value", given.condition) or "and"
    if condition == "not":
        return OfMetadata({"$not": {"$or": parts}})
    return OfMetadata(parts[0] if len(parts) == 1 else {f"${condition}": parts})


def _from_llama_index(given: Any) -> dict[str, Any]:
    if hasattr(given, "filters"):
        return from_llama_index(given)
    operator = getattr(given.operator, "value", given.operator)
    if operator == "is_empty":
        return {given.key: {"$empty": True}}
    known = _LLAMA_INDEX.get(operator)
    if known is None:
        raise FilterError(f"where.{given.key}: the operator {operator!r} is not known; there are {', '.join(_LLAMA_INDEX)}, is_empty")
    return {given.key: {known: given.value}}
