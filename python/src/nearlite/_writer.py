"""Rows that are written to a collection."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

from . import _batch, _blobs, _change, _query, _schema
from ._absent import ABSENT
from ._batch import Batch
from ._errors import InputError
from ._table import Table
from ._twins import twin
from .embed import embed_texts

Where = Union[Mapping[str, Any], str, None]
Id = Union[str, int]


def _check_says_which(where: Where, otherwise: str) -> None:
    """Raises InputError where a filter is missing. A blank condition is one that a program failed to build, not one that all rows pass."""
    if where is None or isinstance(where, str) and not where.strip():
        raise InputError(otherwise if where is None else f"where: the condition is empty; {otherwise}")


class Writer(Table):
    """What ``Collection`` does to its rows."""

    def add(
        self,
        rows: Any = None,
        *,
        ids: Sequence[Id] | None = None,
        texts: Any = None,
        vectors: Any = None,
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
        model: str | None = None,
    ) -> list[Any]:
        """Inserts rows and returns their ids.

        Either ``rows``: an Arrow table, a DataFrame or a list of dictionaries with columns by name (keys without a column are metadata);
        or lists of one length: ``ids`` (made up where they are left out), ``texts`` (of the first text column; a dictionary of lists
        for several), ``vectors`` (an array of shape ``(n, dim)`` or a list of vectors; a dictionary for several columns), ``metadatas``.
        ``model`` names the model that made the vectors.

        Raises ExistsError for an id that is there, InputError for a value that does not fit, ModelError where the table holds vectors of
        another model; then no row is written.
        """
        return self._insert("INSERT", rows, ids, texts, vectors, metadatas, model)

    def upsert(
        self,
        rows: Any = None,
        *,
        ids: Sequence[Id] | None = None,
        texts: Any = None,
        vectors: Any = None,
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
        model: str | None = None,
    ) -> list[Any]:
        """``add`` that replaces rows whose id is there, all their columns. Raises InputError and ModelError as ``add`` does."""
        return self._insert("INSERT OR REPLACE", rows, ids, texts, vectors, metadatas, model)

    def _insert(self, verb: str, rows: Any, ids: Any, texts: Any, vectors: Any, metadatas: Any, model: str | None) -> list[Any]:
        schema = self.schema
        if model is not None:
            self.check_model(model)
        rows = _batch.held(rows)
        if rows is not None and hasattr(rows, "__len__") and len(rows) == 0 and not isinstance(rows, (str, Mapping)):
            return []
        batch = self._batch(schema, *self._given(schema, rows, ids, texts, vectors, metadatas), changes=False)
        if schema.json is not None and schema.json.name not in batch.columns:
            # Filters are of objects: a row without metadata has an empty one.
            batch.columns[schema.json.name] = ["{}"] * batch.count
        if batch.ids is None and schema.key is not None and schema.key_type is str:
            batch.ids = [uuid.uuid4().hex for _ in range(batch.count)]
        if batch.ids is None and not batch.columns:
            # A statement has to name a column; NULL lets SQLite count.
            batch.columns[schema.id.name] = [None] * batch.count
        names = [_schema.quote(name) for name in batch.columns]
        if batch.ids is not None:
            names.insert(0, schema.key_sql)
        sql = f"{verb} INTO {schema.target}({', '.join(names)}) VALUES({', '.join('?' * len(names))})"
        with self._session.write():
            if batch.ids is not None:
                self._session.many(sql, batch.rows("id"))
                return batch.ids
            made = []
            for row in batch.rows(None):
                self._session.rows(sql, row)
                made.append(self._session.value("SELECT last_insert_rowid()"))
            return made

    def update(
        self,
        rows: Any = None,
        *,
        ids: Sequence[Id] | None = None,
        texts: Any = None,
        vectors: Any = None,
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
        model: str | None = None,
    ) -> int:
        """Changes what is given of rows that are there, and returns how many were: ids that are not are left out.

        A dictionary of ``rows`` changes the columns and keys that it has, and the row keeps the others; None empties a column. An Arrow table
        and a DataFrame give each of their columns to every row. The keys of the metadata are changed one by one: a value replaces the one
        that was there as a whole, and None removes the key. Raises InputError and ModelError as ``add`` does.
        """
        schema = self.schema
        if model is not None:
            self.check_model(model)
        batch = self._batch(schema, *self._given(schema, rows, ids, texts, vectors, metadatas, changes=True), changes=True)
        if batch.ids is None:
            raise InputError("update needs ids")
        with self._session.write():
            return _change.update(self._session, schema, batch)

    def update_where(self, where: Where, values: Mapping[str, Any], *, params: Sequence[Any] = ()) -> int:
        """Changes every row that passes the filter (``where={}``: all), and returns how many did.

        ``values`` has what changes by name: text and vector columns (None empties one), and keys of the metadata as in ``update``: each is
        changed by itself, and None removes it. Raises InputError for the id, and as ``add`` does; then no row is changed.
        """
        schema = self.schema
        _check_says_which(where, "update_where takes a filter; {} changes every row")
        if not isinstance(values, Mapping):
            raise InputError(f"update_where: the values are a dictionary of what changes, got {type(values).__name__}")
        given = self._given(schema, [values], None, None, None, None, changes=True)
        if given[0] is not None:
            raise InputError("update_where: an id is that of one row, it cannot be set for those of a filter")
        batch = self._batch(schema, *given, changes=True)
        condition, bound = _query.condition(schema, where, params)
        with self._session.write():
            return _change.update_where(self._session, schema, batch, condition or "1", bound)

    def delete(self, ids: Id | Iterable[Id] | None = None, *, where: Where = None, params: Sequence[Any] = ()) -> int:
        """Deletes the rows of the ids, or those that pass the filter (``where={}``: all), and returns how many there were."""
        schema = self.schema
        if (ids is None) == (where is None):
            raise InputError("delete takes ids or where; where={} deletes every row")
        if ids is None:
            _check_says_which(where, "delete takes ids or where; where={} deletes every row")
        with self._session.write():
            if ids is not None:
                sql = f"DELETE FROM {schema.target} WHERE {schema.key_sql} = ?"
                return self._session.many(sql, [(key,) for key in _batch.listed(ids, schema)])
            condition, values = _query.condition(schema, where, params)
            return self._session.many(f"DELETE FROM {schema.target} WHERE {condition or 1}", [values])

    def _given(
        self, schema: _schema.Schema, rows: Any, ids: Any, texts: Any, vectors: Any, metadatas: Any, changes: bool = False
    ) -> tuple[Any, Any, Any, Any]:
        """The arguments column by column, those of ``rows`` too."""
        if rows is None:
            return ids, _batch.held(texts), vectors, _batch.held(metadatas)
        if not (ids is None and texts is None and vectors is None and metadatas is None):
            raise InputError("give rows, or ids, texts, vectors and metadatas, not both")
        from . import _frames

        return _frames.split(rows, schema, ABSENT if changes else None)

    def _batch(self, schema: _schema.Schema, ids: Any, texts: Any, vectors: Any, metadatas: Any, changes: bool) -> Batch:
        if self._embed is not None:
            self._check_model(schema)
        batch = _batch.batch(schema, ids, texts, vectors, metadatas, changes)
        if self._embed is not None and schema.vectors and schema.texts:
            self._embed_into(batch, schema.text().name, schema.vector(), ABSENT if changes else None)
        return batch

    def _embed_into(self, batch: Batch, text: str, column: _schema.Column, missing: Any) -> None:
        """Gives a vector to each row of the batch that has a text and whose vector is ``missing``, as the text is in the other rows.

        This is done before the transaction: an endpoint may take long, and nobody else could write meanwhile.
        """
        assert self._embed is not None
        texts, blobs = batch.columns.get(text), batch.columns.get(column.name)
        if texts is None or blobs is not None and not isinstance(blobs, list):
            # An array has a vector for each row.
            return
        blobs = [missing] * batch.count if blobs is None else blobs
        wanted = [at for at, blob in enumerate(blobs) if blob is missing and texts[at] is not missing]
        if not wanted:
            return
        made = embed_texts(self._embed, [texts[at] for at in wanted], column.dim)
        for at, blob in zip(wanted, _blobs.blobs(made, column, self.name)):
            blobs[at] = blob
        batch.columns[column.name] = blobs

    aadd, aupsert, aupdate, adelete = twin(add), twin(upsert), twin(update), twin(delete)
    aupdate_where = twin(update_where)
