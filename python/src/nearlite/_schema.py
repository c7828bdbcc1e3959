"""What a nearlite table is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ._errors import LoadError, SchemaError
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


_ROWID = Column("rowid", "key", "INTEGER")


class Schema:
    """The columns of a table, by what they are for."""

    def __init__(self, database: str, table: str, columns: Sequence[Column], options: dict[str, str]) -> None:
        self.database, self.table = database, table
        self.columns = tuple(columns)
        self.by_name = {column.name.lower(): column for column in columns}
        self.key = next((column for column in columns if column.kind == "key"), None)
        self._by_exact_name = {self.id.name: self.id, **{column.name: column for column in columns}}
        self.texts = tuple(column for column in columns if column.kind == "text")
        self.vectors = tuple(column for column in columns if column.kind == "vector")
        #: The column of the metadata that has no column of its own: the first JSON column.
        self.json = next((column for column in columns if column.kind == "json"), None)
        #: Columns whose values are keys of a row's metadata.
        self.declared = tuple(column for column in columns if column.kind in ("metadata", "stored"))
        #: Columns that a filter's keys may name.
        self.filterable = {column.name: column for column in columns if column.kind in ("metadata", "stored", "key", "text")}
        if self.key is None:
            self.filterable[_ROWID.name] = _ROWID
        self.declared_by_name = {column.name: column for column in self.declared}
        #: JSON columns beside that of the metadata: each holds the value of one key, whatever JSON it is.
        self.json_values = tuple(column for column in columns if column.kind == "json" and column is not self.json)
        #: Columns that hold the value of one key of a row's metadata.
        self.keyed = {column.name: column for column in (*self.declared, *self.json_values)}
        self.options = options
        self.model: str | None = options.get("model")
        self.tokenizer: str | None = options.get("tokenizer")
        #: What the names of the hidden columns begin with.
        self.hidden_prefix = options.get("hidden_prefix") or ""
        self.target = f"{quote(database)}.{quote(table)}"
        #: What searches of this table select, by what they ask for: kept here, because it ends with the schema.
        self.selections: dict[Any, Any] = {}

    @property
    def id(self) -> Column:
        """The column of the ids: the key, or the rowid in a table without one."""
        return self.key if self.key is not None else _ROWID

    @property
    def key_type(self) -> type:
        """``str`` for a TEXT key, ``int`` for an INTEGER key and for tables without a key, whose ids are rowids."""
        return str if self.key is not None and self.key.type == "TEXT" else int

    def hidden(self, name: str) -> str:
        """The name that a hidden column has in this table."""
        return self.hidden_prefix + name

    @property
    def key_sql(self) -> str:
        return self.id.quoted

    def find(self, name: str) -> Column | None:
        """The column whose values a name stands for, that of the ids included; None for a key of the metadata, which has regard to case."""
        return self._by_exact_name.get(name)

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


#: Kinds of the engine, as they are called here.
_KINDS = {"full text": "text", "unindexed": "stored"}


def read(session: Session, database: str, table: str) -> Schema:
    """The schema of a table; raises SchemaError where there is no nearlite table of that name."""
    found = session.rows(
        f"SELECT name, sql FROM {quote(database)}.sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')", [table]
    )
    if not found:
        raise SchemaError(f"there is no collection {table!r} in {session.file()}: create(...) makes it")
    name, sql = found[0]
    if not re.match(r"(?is)\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+nearlite\s*\(", sql or ""):
        raise SchemaError(f"{name!r} in {session.file()} is not a nearlite table; choose another name")
    try:
        rows = session.rows(
            'SELECT "column", kind, type, dimensions, metric, "notnull", value FROM nearlite_schema(?)', [f"{quote(database)}.{quote(name)}"]
        )
    except Exception as error:
        if "no such table: nearlite_schema" in str(error):
            raise LoadError("the connection has an older nearlite than this package: load this one with nearlite.load(connection)") from error
        raise
    columns = [_column(sql, *row[:6]) for row in rows if row[1] != "option"]
    return Schema(database, name, columns, {row[0]: row[6] for row in rows if row[1] == "option"})


_DESCRIBED = (
    *("column", "kind", "type", "notnull", "dimensions", "metric", "index"),
    *("codes", "store", "model", "weight", "tokenizer", "value", "declaration"),
)


def describe(session: Session, schema: Schema) -> list[dict[str, Any]]:
    """The rows of ``nearlite_schema``, by the names of their columns."""
    rows = session.rows(f"SELECT {', '.join(map(quote, _DESCRIBED))} FROM nearlite_schema(?)", [schema.target])
    return [dict(zip(_DESCRIBED, row)) for row in rows]


def _column(sql: str, name: str, kind: str, declared: str | None, dim: int | None, metric: str | None, not_null: int) -> Column:
    stored = kind == "unindexed"
    kind, type = _KINDS.get(kind, kind), (declared or "").upper()
    # Tables of the first versions do not remember the type in front of UNINDEXED.
    if stored and not type and re.search(rf"(?i)[\s(,\"`\[]{re.escape(name)}[\"`\]]?\s+JSON\s+UNINDEXED\b", sql):
        type = "JSON"
    if kind == "vector":
        return Column(name, kind, "VECTOR", dim or 0, metric or "cosine", bool(not_null))
    if type == "JSON" and kind in ("metadata", "stored"):
        kind = "json"
    return Column(name, kind, type, not_null=bool(not_null), stored=stored)
