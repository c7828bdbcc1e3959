"""SQL that reads the values at a path of the metadata, for what ``json_matches`` cannot say.

Paths mean what they mean there: keys are compared after their escapes are read, and of a key that is given twice the last value counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Sql = tuple[str, list[Any]]

#: Tests of a text, or None, for another text.
SUBSTRINGS = {"$substring": "instr({}, {}) > 0", "$isubstring": "instr(lower({}), lower({})) > 0"}
#: Longest pattern of the engine, in bytes.
LONGEST_PATTERN = 1024

# Keys of a path: SQLite joins 64 tables at most.
_DEEPEST = 60
# Terms that AND or OR joins in a row. SQLite takes expressions that are nested 1,000 deep, and each term is a level.
_IN_A_ROW = 50

# Some versions of SQLite, 3.40 among them, end a text of JSON at its NUL, so a mark stands for it there. A document of JSON holds no
# control character as it stands, so char(1) can stand for an escaped backslash meanwhile.
_PROTECTED = r"replace(document, '\\', char(1))"
_HAS_NUL = rf"instr(document, '\u0000') AND instr({_PROTECTED}, '\u0000')"
_MARKED = rf"replace(replace({_PROTECTED}, '\u0000', '\u0001\ufffe\u0002'), char(1), '\\')"
_MARK = "char(1, 65534, 2)"
_DOCUMENT = f"CASE WHEN {_HAS_NUL} THEN {_MARKED} ELSE document END"
_TEXT = f"CASE WHEN instr(t.atom, {_MARK}) AND {_HAS_NUL} THEN replace(t.atom, {_MARK}, char(0)) ELSE t.atom END"

# Half of a surrogate pair, which JSON can write and no filter can hold. LIKE reads it as U+FFFD, which stands in a text by itself, too.
_IS_BROKEN = "t.atom LIKE '%' || char(65533) || '%' AND hex(t.atom) GLOB '*ED[AB]*'"


def joined(terms: Sequence[str], word: str) -> str:
    """Terms joined by AND or OR, "" for none; of many a tree in brackets that is not deep."""
    while len(terms) > _IN_A_ROW:
        terms = [f"({f' {word} '.join(terms[at : at + _IN_A_ROW])})" for at in range(0, len(terms), _IN_A_ROW)]
    return f" {word} ".join(terms)


def is_pattern(text: str) -> bool:
    """Whether a pattern is not too long for the engine."""
    return len(text.encode("utf-8", "replace")) <= LONGEST_PATTERN


def like(name: str, pattern: str) -> Sql:
    """Whether the text of a column is like a pattern. LIKE ends texts and patterns at a NUL, the engine does not."""
    plain = f"{name} LIKE ?"
    if not is_pattern(pattern):
        return plain, [pattern]
    exact = f"json_matches(json_object('t', {name}), ?)"
    asked = json.dumps({"t": {"$like": pattern}})
    if "\0" in pattern:
        return f"CASE WHEN typeof({name}) = 'text' THEN {exact} WHEN {name} IS NOT NULL THEN 0 END", [asked]
    return f"CASE WHEN typeof({name}) = 'text' AND instr({name}, char(0)) THEN {exact} ELSE {plain} END", [asked, pattern]


def contained(column: str, key: str, operator: str, operand: str) -> Sql:
    """Whether a text at a path, or one of a list there, contains another one.

    The texts of the row that contain it are found anywhere, and the engine is asked whether one of them is at the path. Where its
    pattern is not too long, a search looks at those rows only that may pass. A text with half of a surrogate pair cannot be asked
    for: it counts wherever it is, among the rows whose path has a text like the pattern.
    """
    found = SUBSTRINGS[operator].format(_TEXT, "?")
    there = f"CASE WHEN {_IS_BROKEN} THEN 1 ELSE json_matches(document, json_object(?, {_TEXT})) END"
    asked = f"CASE WHEN t.type = 'text' AND {found} THEN {there} ELSE 0 END"
    sql = f"EXISTS (SELECT 1 FROM (SELECT {column} AS document), json_tree({_DOCUMENT}) AS t WHERE {asked})"
    pattern = f"%{operand}%"
    if not is_pattern(pattern):
        return sql, [operand, key]
    return f"json_matches({column}, ?) AND {sql}", [json.dumps({key: {"$like": pattern}}), operand, key]


def empty(column: str, key: str) -> Sql:
    """Whether a path leads to nothing, null, an empty text or an empty list."""
    anything = [{key: {"$gte": ""}}, {key: {"$lt": 0}}, {key: {"$gte": 0}}, {key: {"$in": [True, False]}}, {key: {"$contains": None}}]
    is_list: dict[str, Any] = {"$contains_all": []}
    asked = {"$or": [{key: {"$in": [None, ""], "$not": is_list}}, {key: is_list, "$not": {"$or": anything}}]}
    # What is left are lists, empty or of lists and objects.
    size, keys = value(column, key, "CASE t.type WHEN 'array' THEN json_array_length(t.value) ELSE 0 END")
    return f"(json_matches({column}, ?) AND coalesce({size}, 0) = 0)", [json.dumps(asked), *keys]


def value(column: str, key: str, read: str = "t.value") -> Sql:
    """The value of a key with dots, if there is one, else of the nested key, as SQL has it; NULL where there is none."""
    paths = [[key]] if not 0 < key.count(".") < _DEEPEST else [[key], key.split(".")]
    calls = [_at(column, len(path), read) for path in paths]
    sql = calls[0] if len(calls) == 1 else f"coalesce({', '.join(calls)})"
    return sql, [part for path in paths for part in path]


def _at(column: str, depth: int, read: str) -> str:
    """The value of nested keys, which are parameters. The column is read in a subquery: its name may be one that json_each has."""
    names = [*(f"t{at}" for at in range(1, depth)), "t"]
    inside = "document"
    sources = [f"(SELECT {column} AS document)"]
    for name in names:
        sources.append(f"json_each({inside}) AS {name}")
        inside = f"CASE {name}.type WHEN 'object' THEN {name}.value END"
    keys = " AND ".join(f"{name}.key = ?" for name in names)
    last = ", ".join(f"{name}.id DESC" for name in names)
    return f"(SELECT {read} FROM {', '.join(sources)} WHERE {keys} ORDER BY {last} LIMIT 1)"
