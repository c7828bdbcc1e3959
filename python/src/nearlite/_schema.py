"""What a nearlite table is made of, read from its declaration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ._errors import SchemaError
from ._session import Session


class Column(NamedTuple):
    """One declared column."""

    name: str
    #: "key", "text", "vector", "metadata", "json" or "stored".
    kind: str
    #: The declared type: TEXT, INTEGER, REAL, BOOLEAN, JSON; "" where none was given.
    type: str = ""
    dim: int = 0
    metric: str = "cosine"
    not_null: bool = False
    #: Whether it is UNINDEXED: returned, and not filtered inside a search.
    stored: bool = False

    @property
    def quoted(self) -> str:
        return quote(self.name)


class Schema:
    """The columns of a table, by what they are for."""

    def __init__(self, database: str, table: str, columns: Sequence[Column], options: dict[str, str]) -> None:
        self.database, self.table = database, table
        self.columns = tuple(columns)
        self.by_name = {column.name.lower(): column for column in columns}
        self.key = next((column for column in columns if column.kind == "key"), None)
        self.texts = tuple(column for column in columns if column.kind == "text")
        self.vectors = tuple(column for column in columns if column.kind == "vector")
        self.json = next((column for column in columns if column.kind == "json"), None)
        #: Columns whose values are keys of a row's metadata.
        self.declared = tuple(column for column in columns if column.kind in ("metadata", "stored"))
        #: Columns that a filter's keys may name.
        self.filterable = {column.name: column for column in columns if column.kind in ("metadata", "stored", "key", "text")}
        self.declared_by_name = {column.name: column for column in self.declared}
        self.model: str | None = options.get("model")
        self.tokenizer: str | None = options.get("tokenizer")
        self.target = f"{quote(database)}.{quote(table)}"
        #: What searches of this table select, by what they ask for: kept here, because it ends with the schema.
        self.selections: dict[Any, Any] = {}

    @property
    def key_type(self) -> type:
        """``str`` for a TEXT key, ``int`` for an INTEGER key and for tables without a key, whose ids are rowids."""
        return str if self.key is not None and self.key.type == "TEXT" else int

    @property
    def key_sql(self) -> str:
        return self.key.quoted if self.key is not None else "rowid"

    def column(self, name: str, kind: str) -> Column:
        """The column of that name and kind; raises SchemaError where there is none."""
        found = self.by_name.get(name.lower())
        if found is None or found.kind != kind:
            names = ", ".join(column.name for column in self.columns if column.kind == kind) or "none"
            raise SchemaError(f"{self.table} has no {kind} column {name!r}; its {kind} columns: {names}")
        return found

    def vector(self, name: str | None = None) -> Column:
        """A vector column: the one of that name, or the first."""
        if name is not None:
            return self.column(name, "vector")
        if not self.vectors:
            raise SchemaError(f"{self.table} has no vector column: create it with dim=...")
        return self.vectors[0]

    def text(self, name: str | None = None) -> Column:
        """A text column: the one of that name, or the first."""
        if name is not None:
            return self.column(name, "text")
        if not self.texts:
            raise SchemaError(f"{self.table} has no text column: create it with text=[...]")
        return self.texts[0]


def quote(name: str) -> str:
    """A name as SQL reads it."""
    return '"' + name.replace('"', '""') + '"'


def read(session: Session, database: str, table: str) -> Schema:
    """The schema of a table; raises SchemaError where there is no nearlite table of that name."""
    found = session.rows(
        f"SELECT name, type, sql FROM {quote(database)}.sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')", [table]
    )
    if not found:
        raise SchemaError(f"there is no collection {table!r} in {session.file()}: create(...) makes it")
    name, _, sql = found[0]
    arguments = re.match(r"(?is)\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+nearlite\s*\((.*)\)\s*;?\s*$", sql or "")
    if arguments is None:
        raise SchemaError(f"{name!r} in {session.file()} is not a nearlite table; choose another name")
    return parse(database, name, arguments[1])


# The arguments of CREATE VIRTUAL TABLE: names in four kinds of quotes, words, punctuation.
_TOKEN = re.compile(
    r"""(?sx) (?:--[^\n]*(?:\n|$) | /\*.*?(?:\*/|$) | \s+)
    | ( "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | '(?:[^']|'')*' | [(),=] | [^\s"`\['(),=]+ )"""
)


def parse(database: str, table: str, text: str) -> Schema:
    """The schema that the arguments of a declaration describe. SQLite has checked them."""
    arguments: list[list[str]] = [[]]
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[1]
        if token is None:
            continue
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            arguments.append([])
        else:
            arguments[-1].append(token)
    columns, options = [], {}
    for argument in arguments:
        if len(argument) > 2 and argument[1] == "=":
            options[argument[0].lower()] = _unquoted(argument[2])
        elif argument:
            columns.append(_column(argument))
    return Schema(database, table, columns, options)


def _column(tokens: Sequence[str]) -> Column:
    name, words = _unquoted(tokens[0]), [token.upper() for token in tokens[1:]]
    not_null = any(words[at : at + 2] == ["NOT", "NULL"] for at in range(len(words)))
    first = words[0] if words else ""
    if "FULLTEXT" in words:
        return Column(name, "text", "TEXT", not_null=not_null)
    if "UNINDEXED" in words:
        return Column(name, "json" if first == "JSON" else "stored", first if first != "UNINDEXED" else "", not_null=not_null, stored=True)
    if first in ("VECTOR", "FLOAT") and len(words) > 1 and words[1][0] in "([":
        dim = int(words[1][1:-1] if words[1] != "(" else words[2])
        metric = words[words.index("METRIC") + 1].lower() if "METRIC" in words else "cosine"
        return Column(name, "vector", first, dim, metric, not_null)
    if first == "JSON":
        return Column(name, "json", "JSON", not_null=not_null)
    kind = {"INT": "INTEGER", "DOUBLE": "REAL", "FLOAT": "REAL", "BOOL": "BOOLEAN"}.get(first, first)
    return Column(name, "key" if "PRIMARY" in words else "metadata", kind, not_null=not_null)


def _unquoted(token: str) -> str:
    ends = {'"': '"', "`": "`", "'": "'", "[": "]"}
    end = ends.get(token[:1])
    if end is None or token[-1:] != end or len(token) < 2:
        return token
    inner: Any = token[1:-1]
    return str(inner if end == "]" else inner.replace(end * 2, end))
