"""The table of a collection: made, opened, kept up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from . import _declare, _schema, _upkeep
from ._errors import Error, InputError, ModelError, SchemaError
from ._numbers import whole
from ._session import Session
from ._twins import twin
from .embed import Embed, embed_texts

_Self = TypeVar("_Self", bound="Table")


class Table:
    """What ``Collection`` does with its table as a whole."""

    def __init__(self, connection: Any, name: str, *, embed: Embed | None = None, database: str = "main") -> None:
        self.name, self.database = name, database
        self._embed = embed
        self._session = Session(connection, name)
        self._known: _schema.Schema | None = None
        self._version: Any = None
        self._version_sql = f"PRAGMA {_schema.quote(database)}.schema_version"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def connection(self) -> Any:
        """The connection that the collection was made with."""
        return self._session.connection

    @property
    def schema(self) -> _schema.Schema:
        """The columns of the table. Raises SchemaError where there is no nearlite table of that name."""
        version = self._session.value(self._version_sql)
        if self._known is None or version != self._version:
            known = _schema.read(self._session, self.database, self.name)
            if self._session.in_transaction:
                # Not kept: after a rollback another change of the schema could get the same number.
                return known
            self._known, self._version = known, version
        return self._known

    def create(
        self: _Self,
        *,
        dim: int | Mapping[str, int] | None = None,
        text: str | Iterable[str] | Mapping[str, float] | None = ("text",),
        columns: Mapping[str, type | str] | None = None,
        key: str | None = "id",
        key_type: type = str,
        meta: str | None = "meta",
        vector: str = "embedding",
        metric: str = "cosine",
        index: str = "hnsw",
        m: int | None = None,
        ef_construction: int | None = None,
        codes: str | None = None,
        store: str | None = None,
        tokenizer: str | None = None,
        model: str | None = None,
        hidden_prefix: str | None = None,
        text_options: Mapping[str, Any] | None = None,
    ) -> _Self:
        """Makes the table and returns the collection.

        The columns are, in this order: ``key`` (``key_type`` is str or int; None: rows are known by their rowid), the ``text`` columns
        (a mapping gives weights; None: there are none), the declared ``columns`` (name to str, int, float, bool or words of SQL),
        ``meta`` with the rest of the metadata as JSON (None: only declared columns), those of ``columns`` that are JSON, each for the
        value of one key, and ``vector`` with ``dim`` numbers (a mapping of names to dimensions makes several). ``dim`` is asked of the
        embedding function where there is one. With a ``hidden_prefix`` such as ``"nl_"`` columns and keys of the metadata may be called
        ``score`` or ``rank``. ``text_options`` say how text queries are meant that do not say it,
        ``{"operator": "and", "stop_words": "en"}``. The other words are those of the SQL reference.

        Raises SchemaError where the name is taken, InputError for arguments that do not fit.
        """
        if self._embed is not None:
            if dim is None:
                dim = len(embed_texts(self._embed, ["dimension"], None)[0])
            named = getattr(self._embed, "model", None)
            if model is not None and named is not None and model != named:
                raise ModelError(f"{self.name}: model={model!r}, but the embedding function is of {named!r}")
            model = model or named
        sql = _declare.declaration(
            f"{_schema.quote(self.database)}.{_schema.quote(self.name)}",
            dim=dim,
            text=text,
            columns=columns or {},
            key=key,
            key_type=key_type,
            meta=meta,
            vector=vector,
            metric=metric,
            index=index,
            m=m,
            ef_construction=ef_construction,
            codes=codes,
            store=store,
            tokenizer=tokenizer,
            model=model,
            hidden_prefix=hidden_prefix,
            text_options=text_options,
        )
        with self._session.write():
            if self._taken():
                raise SchemaError(f"{self.name!r} is in {self._session.file()} already: open() uses it, drop() deletes it")
            self._change(sql)
        return self

    def _change(self, sql: str, params: Sequence[Any] = (), of_engine: type[Error] = InputError) -> None:
        """Runs a statement that makes or changes the table; raises SchemaError for what SQLite refuses, ``of_engine`` for what the engine does."""
        try:
            self._session.rows(sql, params)
        except InputError as error:
            raise of_engine(str(error)) from error
        except Exception as error:
            if type(error).__name__ in ("OperationalError", "SQLError") and getattr(error, "sqlite_errorcode", 1) == 1:
                raise SchemaError(str(error)) from error
            raise

    def create_if_missing(self: _Self, **arguments: Any) -> _Self:
        """``create`` where there is no such table, ``open`` where there is; an existing table is not compared with the arguments.

        Several connections and processes may call it at once: one makes the table, and the others open it.
        """
        if not self._taken():
            try:
                return self.create(**arguments)
            except SchemaError:
                # Another connection was quicker.
                if not self._taken():
                    raise
        return self.open()

    def open(self: _Self) -> _Self:
        """Returns the collection after a look at its table. Raises SchemaError where there is none, ModelError for another model."""
        self._check_model(self.schema)
        return self

    def drop(self) -> None:
        """Deletes the table with all its rows."""
        self._session.rows(f"DROP TABLE {self.schema.target}")

    def add_column(self, declaration: str) -> None:
        """Adds a column, declared as in SQL: ``"stars INTEGER"``, ``"lang TEXT NOT NULL DEFAULT 'en'"``, ``"raw JSON UNINDEXED"``.

        Metadata, JSON and UNINDEXED columns can be added. No row is written: those that are there have NULL, or the DEFAULT. A key of
        that name in the JSON metadata stays where it is, and rows that are written from now on have it in the column.

        Raises SchemaError for a column of another kind, a name that is taken, a NOT NULL without a DEFAULT, and while rows of the table
        are being read on this connection.
        """
        if not isinstance(declaration, str):
            raise InputError(f"add_column takes a declaration such as 'stars INTEGER', got {type(declaration).__name__}")
        self._alter(f"ADD COLUMN {declaration}")

    def drop_column(self, name: str) -> None:
        """Removes a metadata, JSON or UNINDEXED column with its values. Raises SchemaError for one that is not there or cannot be dropped."""
        self._alter(f"DROP COLUMN {_schema.quote(name)}")

    def rename_column(self, old: str, new: str) -> None:
        """Gives a column another name. Raises SchemaError for one that is not there, and for a name that it cannot have."""
        self._alter(f"RENAME COLUMN {_schema.quote(old)} TO {_schema.quote(new)}")

    def _alter(self, change: str) -> None:
        with self._session.write():
            self._change("SELECT nearlite_alter(?, ?)", [self.schema.target, change], SchemaError)

    def describe(self) -> list[dict[str, Any]]:
        """The columns and then the options of the table as they are now, one dictionary each: the rows of ``nearlite_schema``.

        The keys are column, kind, type, notnull, dimensions, metric, index, codes, store, model, weight, tokenizer, value and declaration.
        """
        return _schema.describe(self._session, self.schema)

    def check_model(self, model: str) -> None:
        """Raises ModelError where the table holds vectors of another embedding model; a table without a model takes any."""
        stored = self.schema.model
        if stored is not None and model != stored:
            raise ModelError(f"{self.name} holds vectors of the model {stored!r}, got one of {model!r}")

    def _taken(self) -> bool:
        sql = f"SELECT 1 FROM {_schema.quote(self.database)}.sqlite_master WHERE name = ? COLLATE NOCASE"
        return self._session.value(sql, [self.name]) is not None

    def _check_model(self, schema: _schema.Schema) -> None:
        named = getattr(self._embed, "model", None)
        if named is not None and schema.model is not None and named != schema.model:
            raise ModelError(
                f"{self.name} holds vectors of the model {schema.model!r}, and the embedding function is of {named!r}; "
                "use that model, or embed the texts again into a new collection"
            )

    def _embedded(self, texts: list[str], schema: _schema.Schema, column: str | None = None) -> Any:
        if self._embed is None:
            raise InputError("a text as vector needs an embedding function: Collection(db, name, embed=...)")
        self._check_model(schema)
        return embed_texts(self._embed, texts, schema.vector(column).dim)

    # Upkeep.

    def info(self) -> dict[str, Any]:
        """Counts and sizes: rows, delta (rows outside segments), segments, dead, disk_bytes, memory_bytes; ``columns`` has those of each index.

        dead_bytes is what maintain() would turn into free pages, free_bytes what VACUUM would give back, and maintenance why the last
        seal or merge gave up (None if it did not).
        """
        return _upkeep.info(self._session, self.schema)

    def recall(self, sample: int = 100, k: int = 10, *, column: str | None = None) -> float | None:
        """Mean recall@k of default searches for ``sample`` stored vectors against exact search; None without vectors."""
        schema = self.schema
        params = [schema.target, schema.vector(column).name, whole("sample", sample, 1), whole("k", k, 1)]
        found = self._session.value("SELECT nearlite_recall(?, ?, ?, ?)", params)
        return None if found is None else float(found)

    def set(self, setting: str, value: float | str | Sequence[str]) -> None:
        """Changes a setting of the table. Raises InputError for an unknown one and for a value that is out of its range.

        ef_search, automerge, delta_rows, cache_mb, resident_vectors, threads; maintenance ("auto", "commit", "manual", "background"); and
        how text queries are meant that do not say it: operator, minimum_match, prefix_last, fuzzy, stop_words (a list, too), syntax.
        """
        schema = self.schema
        sql = f"INSERT INTO {schema.target}({_schema.quote(schema.table)}, {schema.hidden('rank')}) VALUES(?, ?)"
        with self._session.write():
            self._session.rows(sql, [setting, _declare.setting_value(value)])

    def setting(self, setting: str) -> int | float | str | None:
        """The value of a setting, see ``set``. None where nothing was said of an option of texts. Raises InputError for an unknown one."""
        value: int | float | str | None = _upkeep.setting(self._session, self.schema, setting)
        return value

    def maintain(self, budget: float | None = None, progress: _upkeep.Progress | None = None) -> dict[str, Any]:
        """Seals and merges what is due, in slices that are a transaction each, so that others write in between.

        Goes on until nothing is due, for ``budget`` seconds, or until ``progress`` returns False, which is called about ten times a
        second with ``slices`` (done so far), ``segments`` and ``finished``. Returns the last of these reports. Inside a transaction that is
        open it does one slice.
        """
        return _upkeep.maintain(self._session, self.schema, budget, progress)

    def optimize(self, progress: _upkeep.Progress | None = None) -> dict[str, Any]:
        """Merges everything into one segment without dead rows: the fastest state to search.

        It is one transaction, in which nobody else can write. With ``progress`` it seals and merges in slices first, as ``maintain`` does:
        others write in between, ``progress`` is called with ``slices`` (done so far), ``segments`` and ``finished``, and returning False
        stops it. The transaction at the end reports when it is over. Returns the last report.
        """
        return _upkeep.optimize(self._session, self.schema, progress)

    def release(self) -> int:
        """Gives back what the process keeps in memory of all collections in the file; searches load it again. Returns the bytes."""
        return int(self._session.value("SELECT nearlite_release(?)", [self.database]))

    def flush(self) -> None:
        """Turns the rows of the log into a segment."""
        _upkeep.command(self._session, self.schema, "flush")

    def rebuild(self) -> None:
        """Makes all indexes from the rows; repairs damaged ones."""
        _upkeep.command(self._session, self.schema, "rebuild")

    def verify(self) -> None:
        """Compares every index with every row. Raises what the engine reports, with a list of what is damaged."""
        _upkeep.command(self._session, self.schema, "integrity-check")

    acreate, acreate_if_missing, aopen, adrop = twin(create), twin(create_if_missing), twin(open), twin(drop)
    ainfo, arecall, aset = twin(info), twin(recall), twin(set)
    aoptimize, aflush, arebuild, averify = twin(optimize), twin(flush), twin(rebuild), twin(verify)
    amaintain, arelease, asetting = twin(maintain), twin(release), twin(setting)
    aadd_column, adrop_column, arename_column = twin(add_column), twin(drop_column), twin(rename_column)
    adescribe, acheck_model = twin(describe), twin(check_model)


def collections(connection: Any, database: str = "main") -> list[str]:
    """Names of the nearlite tables of a database."""
    sql = f"SELECT name FROM {_schema.quote(database)}.sqlite_master WHERE type = 'table' AND rootpage = 0 AND sql LIKE '%USING%nearlite%'"
    session, found = Session(connection), []
    names = sorted(row[0] for row in session.rows(sql))
    for name in names:
        try:
            found.append(_schema.read(session, database, name).table)
        except SchemaError:
            continue
    return found
