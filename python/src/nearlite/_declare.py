"""The CREATE VIRTUAL TABLE of a new collection."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ._errors import InputError
from ._numbers import real, unboxed, whole
from ._schema import quote

#: The type of the column that holds a row's metadata.
METADATA = "JSON"

#: How text queries are meant that do not say it: options and settings of a table.
TEXT_OPTIONS = ("operator", "minimum_match", "prefix_last", "fuzzy", "stop_words", "syntax")

_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL", bool: "BOOLEAN"}
_TEXT_TYPE = re.compile(r"[A-Za-z]+( [A-Za-z]+)*\Z")


def declaration(
    target: str,
    *,
    dim: int | Mapping[str, int] | None,
    text: str | Iterable[str] | Mapping[str, float] | None,
    columns: Mapping[str, type | str],
    key: str | None,
    key_type: type,
    meta: str | None,
    vector: str,
    metric: str,
    index: str,
    m: int | None,
    ef_construction: int | None,
    codes: str | None,
    store: str | None,
    tokenizer: str | None,
    model: str | None,
    hidden_prefix: str | None,
    text_options: Mapping[str, Any] | None,
) -> str:
    """The statement. Raises InputError for what cannot be said in it; the engine checks the rest."""
    parts: list[str] = []
    if key is not None:
        if key_type not in (str, int):
            raise InputError(f"key_type is str or int, got {key_type!r}")
        parts.append(f"{quote(key)} {_TYPES[key_type]} PRIMARY KEY")
    for name, weight in _texts(text).items():
        parts.append(f"{quote(name)} TEXT FULLTEXT" + ("" if weight is None else f" WEIGHT {_number(name, weight)}"))
    types = {name: _type(name, kind) for name, kind in columns.items()}
    # The first JSON column is that of the metadata.
    values = [name for name in types if types[name].upper().split()[0] == METADATA]
    parts += [f"{quote(name)} {types[name]}" for name in types if name not in values]
    if meta is not None:
        parts.append(f"{quote(meta)} {METADATA}")
    parts += [f"{quote(name)} {types[name]}" for name in values]
    settings = [f"{word}={whole(word, value, 0)}" for word, value in (("m", m), ("ef_construction", ef_construction)) if value is not None]
    if settings and index != "hnsw":
        raise InputError("m and ef_construction are settings of index='hnsw'")
    for name, size in _vectors(dim, vector).items():
        words = [f"{quote(name)} VECTOR({size})", "METRIC", _word("metric", metric), "INDEX", _word("index", index)]
        if settings:
            words[-1] += f"({', '.join(settings)})"
        if codes is not None:
            words += ["CODES", _word("codes", codes)]
        if store is not None:
            words += ["STORE", _word("store", store)]
        parts.append(" ".join(words))
    if tokenizer is not None:
        parts.append(f"tokenizer = {_text(tokenizer)}")
    if model is not None:
        parts.append(f"model = {_text(model)}")
    if hidden_prefix is not None:
        parts.append(f"hidden_prefix = {_text(hidden_prefix)}")
    for name, value in (text_options or {}).items():
        if name not in TEXT_OPTIONS:
            raise InputError(f"text_options: {name!r} is not an option of a table; there are {', '.join(TEXT_OPTIONS)}")
        parts.append(f"{name} = {_text(setting_value(value))}")
    if not parts:
        raise InputError("a collection needs a column: give dim=, text=, columns= or key=")
    return f"CREATE VIRTUAL TABLE {target} USING nearlite({', '.join(parts)})"


def setting_value(value: Any) -> Any:
    """The value of a setting as the engine takes it: a list of words as a text, truth as a number."""
    if isinstance(value, (list, tuple)):
        # The comma at the end makes a list of one word, too.
        return "".join(f"{word}," for word in value)
    value = unboxed(value)
    return int(value) if isinstance(value, bool) else value


def _texts(text: str | Iterable[str] | Mapping[str, float] | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    if isinstance(text, Mapping):
        return text
    names = [text] if isinstance(text, str) or not isinstance(text, Iterable) else list(text)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"text is the name of a text column or several names, got {text!r}")
    return dict.fromkeys(names)


def _vectors(dim: int | Mapping[str, int] | None, vector: str) -> Mapping[str, int]:
    if dim is None:
        return {}
    sizes = dim if isinstance(dim, Mapping) else {vector: dim}
    for name, size in sizes.items():
        if isinstance(size, bool) or not hasattr(size, "__index__") or not 1 <= size <= 16384:
            raise InputError(f"the dimension of {name!r} is a whole number from 1 to 16384, got {size!r}")
    return {name: operator.index(size) for name, size in sizes.items()}


def _type(name: str, kind: type | str) -> str:
    if isinstance(kind, str):
        if not _TEXT_TYPE.match(kind):
            raise InputError(f"the type of column {name!r} is str, int, float, bool or words of SQL such as 'TEXT NOT NULL', got {kind!r}")
        return kind
    if kind not in _TYPES:
        raise InputError(f"the type of column {name!r} is str, int, float, bool or words of SQL such as 'TEXT NOT NULL', got {kind!r}")
    return _TYPES[kind]


def _word(what: str, value: str) -> str:
    if not isinstance(value, str) or not value.isalnum():
        raise InputError(f"{what} is one word, got {value!r}")
    return value


def _number(name: str, value: Any) -> str:
    return repr(real(f"the weight of text column {name!r}", value))


def _text(value: str) -> str:
    return "'" + str(value).replace("'", "''") + "'"
