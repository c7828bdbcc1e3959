"""Filters as dictionaries, and the SQL that they become.

    {"year": {"$gte": 2004}, "tags": {"$contains": "a"}, "$or": [{"lang": "en"}, {"lang": {"$exists": False}}]}

A key is that of a declared column or a path into the metadata; a value stands for equality. Conditions on declared columns become
plain SQL, everything else one call of ``json_matches``, and both are evaluated inside the search.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ._errors import FilterError
from ._schema import Column, Schema, quote

Sql = tuple[str, list[Any]]

COMPARISONS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
LISTS = ("$in", "$nin", "$contains_any", "$contains_all", "$between")
#: Operators on the value of a key.
OPERATORS = (*COMPARISONS, *LISTS, "$exists", "$contains", "$like", "$substring", "$isubstring", "$not")
# Operators that json_matches does not have: a text that contains another one, with the case of letters and without that of ASCII letters.
SUBSTRINGS = {"$substring": "instr({}, {}) > 0", "$isubstring": "instr(lower({}), lower({})) > 0"}
#: Operators between filters.
CONDITIONS = ("$and", "$or", "$not")


def check(where: Any, place: str = "where") -> None:
    """Raises FilterError, with the place of the mistake, unless ``where`` is a filter."""
    if not isinstance(where, Mapping):
        raise FilterError(f"{place}: a filter is a dictionary, got {type(where).__name__}")
    for key, value in where.items():
        if not isinstance(key, str):
            raise FilterError(f"{place}: a key is a text, got {key!r}")
        if key in ("$and", "$or"):
            if not isinstance(value, (list, tuple)) or not value:
                raise FilterError(f"{place}.{key}: expected a list of filters that is not empty, got {value!r}")
            for at, inner in enumerate(value):
                check(inner, f"{place}.{key}[{at}]")
        elif key == "$not":
            check(value, f"{place}.$not")
        elif key.startswith("$"):
            raise FilterError(f"{place}: {key} is not an operator between filters; there are {', '.join(CONDITIONS)}")
        else:
            _check_value(value, f"{place}.{key}")


def _check_value(value: Any, place: str) -> None:
    if not _is_operators(value):
        _check_json(value, place)
        return
    for operator, operand in value.items():
        if operator not in OPERATORS:
            raise FilterError(f"{place}: {operator!r} is not an operator; there are {', '.join(OPERATORS)}")
        inside = f"{place}.{operator}"
        if operator in LISTS:
            if not isinstance(operand, (list, tuple, set, frozenset)):
                raise FilterError(f"{inside}: expected a list, got {operand!r}")
            if operator == "$between" and len(operand) != 2:
                raise FilterError(f"{inside}: expected a list of two values, the lower and the upper one, got {operand!r}")
            _check_json(_plain(operand), inside)
        elif operator == "$exists":
            if not isinstance(operand, bool):
                raise FilterError(f"{inside}: expected True or False, got {operand!r}")
        elif operator == "$like" or operator in SUBSTRINGS:
            if not isinstance(operand, str):
                raise FilterError(f"{inside}: expected a text, got {operand!r}")
        elif operator == "$not":
            if not _is_operators(operand):
                raise FilterError(f"{inside}: expected operators, such as {{'$gt': 3}}, got {operand!r}")
            _check_value(operand, inside)
        else:
            if operator in ("$gt", "$gte", "$lt", "$lte") and (isinstance(operand, bool) or not isinstance(operand, (int, float, str))):
                raise FilterError(f"{inside}: expected a number or a text to compare with, got {operand!r}")
            _check_json(operand, inside)


def _is_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(key, str) and key.startswith("$") for key in value)


def _check_json(value: Any, place: str) -> None:
    if value is None or isinstance(value, (bool, int, str)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise FilterError(f"{place}: {value} cannot be compared with")
        return
    if isinstance(value, (list, tuple)):
        for at, inner in enumerate(value):
            _check_json(inner, f"{place}[{at}]")
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise FilterError(f"{place}: a key is a text, got {key!r}")
            _check_json(inner, f"{place}.{key}")
        return
    raise FilterError(f"{place}: expected a text, a number, True, False or None, got {type(value).__name__}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (set, frozenset, tuple)) else value


def to_sql(where: Mapping[str, Any], schema: Schema) -> Sql:
    """The condition that a filter is, and its parameters. Raises FilterError."""
    check(where)
    terms, params = _terms(where, schema)
    return (" AND ".join(terms) or "1", params)


def _terms(where: Mapping[str, Any], schema: Schema) -> tuple[list[str], list[Any]]:
    """Conditions that are joined by AND."""
    terms: list[str] = []
    params: list[Any] = []
    undeclared = {}
    for key, value in where.items():
        if not _needs_sql(key, value, schema):
            undeclared[key] = value
            continue
        if key == "$and":
            sql, more = _joined(value, schema, " AND ")
        elif key == "$or":
            sql, more = _joined(value, schema, " OR ")
        elif key == "$not":
            inner, more = _terms(value, schema)
            sql = f"({' AND '.join(inner) or '1'}) IS NOT TRUE"
        else:
            column = _declared(key, schema)
            sql, more = _on_column(column, value) if column is not None else _substrings(key, value, schema)
        terms.append(sql)
        params += more
    if undeclared:
        if schema.json is None:
            raise FilterError(f"where: {schema.table} has no column {_first_key(undeclared)!r} and no JSON column that could hold it")
        terms.append(f"json_matches({schema.json.quoted}, ?)")
        params.append(json.dumps(undeclared, default=list, ensure_ascii=False, allow_nan=False))
    return terms, params


def _joined(filters: Sequence[Mapping[str, Any]], schema: Schema, word: str) -> Sql:
    parts, params = [], []
    for inner in filters:
        terms, more = _terms(inner, schema)
        parts.append(" AND ".join(terms) or "1")
        params += more
    return "(" + word.join(f"({part})" for part in parts) + ")", params


def _needs_sql(key: str, value: Any, schema: Schema) -> bool:
    """Whether the condition reads a declared column, or an operator that ``json_matches`` does not have."""
    if key in ("$and", "$or"):
        return any(_needs_sql(name, inner, schema) for each in value for name, inner in each.items())
    if key == "$not":
        return any(_needs_sql(name, inner, schema) for name, inner in value.items())
    return _declared(key, schema) is not None or _has_substring(value)


def _has_substring(value: Any) -> bool:
    return _is_operators(value) and (not SUBSTRINGS.keys().isdisjoint(value) or _has_substring(value.get("$not")))


def _declared(key: str, schema: Schema) -> Any:
    column = schema.by_name.get(key.lower())
    return column if column is not None and column.name == key and column.kind in ("metadata", "stored", "key", "text") else None


def _first_key(where: Mapping[str, Any]) -> str:
    for key, value in where.items():
        if not key.startswith("$"):
            return key
        for inner in [value] if isinstance(value, Mapping) else value:
            return _first_key(inner)
    return ""


def _substrings(key: str, value: Mapping[str, Any], schema: Schema) -> Sql:
    """A condition with a substring of a path of the metadata: LIKE inside the search, what it cannot say checked by row."""
    terms, params = [], []
    for operator, operand in value.items():
        if operator in SUBSTRINGS:
            inner, more = _terms({key: {"$like": f"%{operand}%"}}, schema)
            assert schema.json is not None
            terms += [*inner, SUBSTRINGS[operator].format(f"json_extract({schema.json.quoted}, ?)", "?")]
            params += [*more, "$." + ".".join(json.dumps(part, ensure_ascii=False) for part in key.split(".")), operand]
        elif operator == "$not":
            inner_sql, more = _substrings(key, operand, schema) if _has_substring(operand) else _both(_terms({key: operand}, schema))
            terms.append(f"({inner_sql}) IS NOT TRUE")
            params += more
        else:
            inner, more = _terms({key: {operator: operand}}, schema)
            terms += inner
            params += more
    return " AND ".join(terms), params


def _both(terms: tuple[list[str], list[Any]]) -> Sql:
    return " AND ".join(terms[0]) or "1", terms[1]


def _on_column(column: Column, value: Any) -> Sql:
    """A condition on a declared column, with the meaning that it has on a path of the metadata; a NULL is a missing key."""
    name = quote(column.name)
    parts, params = [], []
    for operator, operand in (value if _is_operators(value) else {"$eq": value}).items():
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
        return (f"{name} LIKE ?", [operand]) if column.type in ("TEXT", "") else ("0", [])
    if operator in SUBSTRINGS:
        return (SUBSTRINGS[operator].format(name, "?"), [operand]) if column.type in ("TEXT", "") else ("0", [])
    if operator == "$contains_all":
        # A value of a column is a list of one.
        values = list(operand)
        return _joined_terms([_operator(column, name, "$eq", value) for value in values], " AND ") if values else (f"{name} IS NOT NULL", [])
    if operator in ("$contains", "$eq"):
        if operand is None:
            return f"{name} IS NULL", []
        return (f"{name} = ?", [_value(operand)]) if _fits(column, operand) else ("0", [])
    if operator == "$ne":
        if operand is None:
            return f"{name} IS NOT NULL", []
        return (f"({name} IS NULL OR {name} <> ?)", [_value(operand)]) if _fits(column, operand) else ("1", [])
    if operator in ("$in", "$contains_any", "$nin"):
        values = list(operand)
        fitting = [_value(value) for value in values if value is not None and _fits(column, value)]
        listed = f"{name} IN ({', '.join('?' * len(fitting))})" if len(fitting) <= 100 else f"{name} IN (SELECT value FROM json_each(?))"
        bound = fitting if len(fitting) <= 100 else [json.dumps(fitting, ensure_ascii=False)]
        sql = f"({listed} OR {name} IS NULL)" if None in values else listed
        return (f"({sql}) IS NOT TRUE" if operator == "$nin" else sql), bound
    if operator == "$between":
        low, high = operand
        return (f"{name} BETWEEN ? AND ?", [_value(low), _value(high)]) if _fits(column, low) and _fits(column, high) else ("0", [])
    return (f"{name} {COMPARISONS[operator]} ?", [_value(operand)]) if _fits(column, operand) else ("0", [])


def _joined_terms(parts: Sequence[Sql], word: str) -> Sql:
    return "(" + word.join(sql for sql, _ in parts) + ")", [param for _, more in parts for param in more]


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
    """What is bound: numbers beyond 64 bits as floats."""
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def from_langchain(where: Mapping[str, Any]) -> dict[str, Any]:
    """A filter of langchain-postgres as one of nearlite: ``$ilike`` is ``$like``, and ``$not`` may have a list, none of which passes."""
    if not isinstance(where, Mapping):
        raise FilterError(f"where: a filter is a dictionary, got {type(where).__name__}")
    out: dict[str, Any] = {}
    for key, value in where.items():
        if key in ("$and", "$or") and isinstance(value, (list, tuple)):
            out[key] = [from_langchain(inner) for inner in value]
        elif key == "$not" and isinstance(value, (list, tuple)):
            out[key] = {"$or": [from_langchain(inner) for inner in value]}
        elif key == "$not" and isinstance(value, Mapping):
            out[key] = from_langchain(value)
        elif isinstance(value, Mapping) and "$ilike" in value:
            if "$like" in value:
                raise FilterError(f"where.{key}: $like and $ilike are one operator, give one of them")
            out[key] = {("$like" if operator == "$ilike" else operator): operand for operator, operand in value.items()}
        else:
            out[key] = value
    return out


_LLAMA_INDEX = {"==": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte", "in": "$in", "nin": "$nin"}
_LLAMA_INDEX.update({"any": "$contains_any", "all": "$contains_all", "contains": "$contains", "text_match": "$substring"})
_LLAMA_INDEX["text_match_insensitive"] = "$isubstring"


def from_llama_index(given: Any) -> dict[str, Any]:
    """``MetadataFilters`` of LlamaIndex as a filter of nearlite."""
    parts = [_from_llama_index(inner) for inner in given.filters]
    if not parts:
        return {}
    condition = getattr(given.condition, "value", given.condition) or "and"
    if condition == "not":
        return {"$not": {"$or": parts}}
    return parts[0] if len(parts) == 1 else {f"${condition}": parts}


def _from_llama_index(given: Any) -> dict[str, Any]:
    if hasattr(given, "filters"):
        return from_llama_index(given)
    operator = getattr(given.operator, "value", given.operator)
    if operator == "is_empty":
        return {"$or": [{given.key: None}, {given.key: {"$eq": []}}, {given.key: ""}]}
    known = _LLAMA_INDEX.get(operator)
    if known is None:
        raise FilterError(f"where.{given.key}: the operator {operator!r} is not known; there are {', '.join(_LLAMA_INDEX)}, is_empty")
    return {given.key: {known: given.value}}
