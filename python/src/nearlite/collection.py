"""A collection: a nearlite table with the calls that a Python program makes of it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _batch, _blobs, _query, _search, _values
from ._errors import InputError
from ._hits import Hit, Hits, Row, Rows, Shape
from ._numbers import whole
from ._search import Explain
from ._twins import in_thread, twin
from ._values import Facet, Term, Token
from ._writer import Id, Where, Writer

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from typing_extensions import Unpack

    from ._query import SearchOptions

# Ids that are looked up by one statement.
_LOOKUP = 500


class Collection(Writer):
    """The rows of one nearlite table: texts, vectors and metadata under an id.

        db = nearlite.connect("x.db")
        docs = nearlite.Collection(db, "docs").create(dim=384, text=["body"])
        docs.upsert(ids=["a"], texts=["an owl"], vectors=array, metadatas=[{"year": 2004}])
        hits = docs.search(vector=v, words="owls", where={"year": {"$gte": 2000}}, k=5)

    ``connection`` is one of ``nearlite.connect()``, or any of sqlite3, apsw, pysqlite3 and sqlean that ``nearlite.load()`` was called
    with. Calls from several threads take turns. Each write is one transaction; inside a transaction that is open already it is a
    part of that. Every method that runs statements has an async twin with the prefix ``a``: ``await docs.asearch(...)``.

    ``embed`` turns texts into vectors where none are given: a function from a list of texts to an array of shape ``(n, dim)``, or a
    ``nearlite.Endpoint``. A model that it names is stored by ``create`` and compared by later calls.

    Errors are those of ``nearlite.Error``: InputError for values, SchemaError for tables and columns, ClosedError, ThreadError, and what
    SQLite itself raises, for example when the disk is full. Nothing of a call that failed is written.
    """

    def get(
        self,
        ids: Id | Iterable[Id] | None = None,
        *,
        where: Where = None,
        params: Sequence[Any] = (),
        limit: int | None = None,
        offset: int = 0,
        columns: Sequence[str] | None = None,
        include_vectors: bool = False,
        order_by: str | Sequence[str] | None = None,
    ) -> Rows:
        """The rows of the ids, in that order and without those that are missing; or those that pass a filter, by rowid.

        ``order_by``: the name of a column or of a key of the metadata, or several; ``-`` in front of it puts the largest first. None is the
        smallest, and rows with equal values come by rowid.
        """
        schema = self.schema
        read = _query.returned(schema, columns, include_vectors)
        shape = Shape(schema, read, False)
        selected = f"SELECT {', '.join([schema.key_sql, *(column.quoted for column in read)])} FROM {schema.target}"
        condition, values = _query.condition(schema, where, params)
        limit, offset = None if limit is None else whole("limit", limit, 0), whole("offset", offset, 0)
        if ids is None:
            ordered, more = _query.order(schema, order_by)
            bounds = f" LIMIT {-1 if limit is None else limit} OFFSET {offset}"
            return Rows(shape, self._session.rows(f"{selected} WHERE {condition or 1}{ordered}{bounds}", [*values, *more]))
        if order_by is not None:
            raise InputError("order_by is for rows by a filter; rows by ids come in the order of the ids")
        listed = _batch.listed(ids, schema)
        found: dict[Any, tuple[Any, ...]] = {}
        with self._session.read():
            for at in range(0, len(listed), _LOOKUP):
                part = listed[at : at + _LOOKUP]
                sql = f"{selected} WHERE {schema.key_sql} IN ({', '.join('?' * len(part))})" + (f" AND {condition}" if condition else "")
                found.update((row[0], row) for row in self._session.rows(sql, [*part, *values]))
        rows = [found[key] for key in listed if key in found]
        return Rows(shape, rows[offset:] if limit is None else rows[offset : offset + limit])

    def get_one(self, id: Id, *, columns: Sequence[str] | None = None, include_vectors: bool = False) -> Row | None:
        """The row of an id, None where there is none."""
        found = self.get([id], columns=columns, include_vectors=include_vectors)
        return found[0] if found else None

    def exists(self, id: Id) -> bool:
        """Whether there is a row of that id."""
        return len(self.get([id], columns=())) > 0

    def count(self, where: Where = None, params: Sequence[Any] = ()) -> int:
        """How many rows there are, or pass a filter."""
        schema = self.schema
        condition, values = _query.condition(schema, where, params)
        return int(self._session.value(f"SELECT count(*) FROM {schema.target} WHERE {condition or 1}", values))

    def batches(
        self,
        size: int = 1000,
        *,
        where: Where = None,
        params: Sequence[Any] = (),
        columns: Sequence[str] | None = None,
        include_vectors: bool = True,
        order_by: str | Sequence[str] | None = None,
    ) -> Iterator[Rows]:
        """All rows, or those that pass a filter, ``size`` at a time and by rowid or ``order_by`` as in ``get``, from one state of the file."""
        schema, size = self.schema, whole("size", size, 1)
        read = _query.returned(schema, columns, include_vectors)
        condition, values = _query.condition(schema, where, params)
        ordered, more = _query.order(schema, order_by)
        selected = ", ".join([schema.key_sql, *(column.quoted for column in read)])
        with self._session.lock:
            cursor = self._session.cursor(f"SELECT {selected} FROM {schema.target} WHERE {condition or 1}{ordered}", [*values, *more])
        shape = Shape(schema, read, False)
        try:
            while True:
                rows = self._session.take(cursor, size)
                if rows:
                    yield Rows(shape, rows)
                if len(rows) < size:
                    return
        finally:
            cursor.close()

    def facets(self, column: str, *, where: Where = None, params: Sequence[Any] = (), k: int | None = None) -> list[Facet]:
        """How many rows, of all or of those that pass a filter, have each value: a list of ``(value, rows)``, the ``k`` most frequent first.

        ``column`` is a declared column, the id, or a key of the metadata (``"author.name"`` for a nested one), of which each row is read; of a
        list each element counts. Rows without a value are counted under None, equally frequent values are in ascending order. Raises
        InputError for a text or vector column, SchemaError where the column is not there.
        """
        found = _values.facets(self._session, self.schema, column, where, params)
        found.sort(key=lambda facet: -facet.rows)
        return found if k is None else found[: whole("k", k, 0)]

    def distinct(self, column: str, *, where: Where = None, params: Sequence[Any] = ()) -> list[Any]:
        """The different values of ``facets``, ascending; None, the smallest, where a row has none."""
        return [facet.value for facet in _values.facets(self._session, self.schema, column, where, params)]

    def tokens(self, column: str, text: str) -> list[Token]:
        """What a text becomes in a text column: ``(text, position, start, end)`` of each token, the ends in bytes of UTF-8. Raises SchemaError."""
        return _values.tokens(self._session, self.schema, column, text)

    def terms(self, column: str, prefix: str | None = None, limit: int | None = None) -> list[Term]:
        """The terms of a text column, all or those that begin as ``prefix`` does: ``(term, rows)``, in order of their bytes. Raises SchemaError."""
        return _values.terms(self._session, self.schema, column, prefix, limit)

    def to_arrow(self, *, where: Where = None, params: Sequence[Any] = (), columns: Sequence[str] | None = None) -> pyarrow.Table:
        """All rows, or those that pass a filter, as an Arrow table, vectors included."""
        return self.get(where=where, params=params, columns=columns, include_vectors=columns is None).to_arrow()

    def to_pandas(self, *, where: Where = None, params: Sequence[Any] = (), columns: Sequence[str] | None = None) -> pandas.DataFrame:
        """All rows, or those that pass a filter, as a DataFrame, vectors included."""
        return self.get(where=where, params=params, columns=columns, include_vectors=columns is None).to_pandas()

    def search(self, vector: Any = None, text: str | None = None, **options: Unpack[SearchOptions]) -> Hits:
        """The best rows: by distance with ``vector``, by BM25 with a text, by their fused score with both; without any by rowid.

        ``vector``: ``dim`` numbers (a list, an array of shape ``(dim,)``, a BLOB of 32-bit floats), or a text where there is an embedding
        function, or a dictionary of columns and vectors, each of which is a leg of the search. ``text`` is read as the text query language
        (``+must -not "a phrase" pre*``), ``words=`` as plain words, which is right for what a person typed. Options:

        - ``where``: a filter as a dictionary (see ``nearlite.filters``), or SQL with ``params`` for its question marks.
        - ``like``: the id of a row that others are compared with, itself left out; ``like_by``: by its "vector" (if there is one in the table),
          by the words of its "text" that are rare elsewhere, or by "both". Beside a vector or a text it is one leg more.
        - ``k`` (10), ``offset``; ``within``, the greatest distance; ``min_score``, the least score.
        - ``column``, ``text_column``: which vector and which text column; ``matching``: a text query that rows must match besides.
        - ``text_options``: how the words are meant, ``{"operator": "and", "minimum_match": "75%", "prefix_last": True, "fuzzy": "auto",
          "weights": {"title": 3}}``.
        - ``fusion`` ("rrf", "convex", "dbsf" or a dictionary of options), ``alpha``, ``weights`` (vector, text), ``depth`` of a hybrid search.
        - ``mmr``: 0 (diverse) to 1 (relevant) picks rows unlike each other among ``candidates`` (4 for each row).
        - ``group_by``: at most ``per_group`` (1) rows for each value of a column or of a key of the metadata.
        - ``ef_search``, ``exact``: breadth of the search, no graph.
        - ``snippet``: marks before and after a word, ``("[", "]")``; ``hit.snippet`` is the best passage.
        - ``order_by``: as in ``get``, of rows that nothing ranks (``matching`` and ``where`` only restrict).
        - ``model``: the name of the model that made the vector; another one than that of the table is a ModelError.
        - ``columns``: names of the columns to read, all but vectors by default; ``include_vectors``.

        Raises InputError (FilterError for the filter), SchemaError for columns that are not there.
        """
        return _search.run(self._session, self.schema, self._request(vector, text, options))

    def similar(self, id: Id, **options: Unpack[SearchOptions]) -> Hits:
        """The rows nearest to a row, itself left out: ``search`` with ``like=id``."""
        options["like"] = id
        return self.search(**options)

    def search_many(self, vectors: Any, **options: Unpack[SearchOptions]) -> list[Hits]:
        """``search`` for each row of an array of shape ``(n, dim)`` or of a list of vectors, all in one state of the file."""
        schema = self.schema
        if self._embed is not None and isinstance(vectors, (list, tuple)) and all(isinstance(text, str) for text in vectors):
            vectors = self._embedded(list(vectors), schema)
        column = schema.vector(options.get("column"))
        queries = list(_blobs.blobs(vectors, column, self.name))
        if None in queries:
            raise InputError(f"search_many: query {queries.index(None)} is None, and a query is a vector")
        with self._session.read():
            return [_search.run(self._session, schema, self._request(query, None, options)) for query in queries]

    def iterate(self, vector: Any = None, text: str | None = None, **options: Unpack[SearchOptions]) -> Iterator[Hit]:
        """The hits of a search one by one, for as long as they are taken; ``k`` does not count. The options are those of ``search``."""
        for shape, row in _search.iterate(self._session, self.schema, self._request(vector, text, options)):
            yield Hit(shape, row)

    async def aiterate(self, vector: Any = None, text: str | None = None, **options: Unpack[SearchOptions]) -> AsyncIterator[Hit]:
        """``iterate`` for ``async for``."""
        hits = self.iterate(vector, text, **options)
        while taken := await in_thread(lambda: list(itertools.islice(hits, 64))):
            for hit in taken:
                yield hit

    def explain(self, vector: Any = None, text: str | None = None, **options: Unpack[SearchOptions]) -> Explain:
        """What a search does: ``plan``, ``sql``, ``params``, its ``hits``, and in ``legs`` what each leg gave to each of them."""
        return _search.explain(self._session, self.schema, self._request(vector, text, options))

    def _request(self, vector: Any, text: str | None, options: Any) -> _query.Request:
        if isinstance(vector, str):
            vector = self._embedded([vector], self.schema, options.get("column"))[0]
        request = _query.Request(vector, text, **options)
        if request.model is not None:
            self.check_model(request.model)
        if request.like is not None:
            self._check_like(request)
        return request

    def _check_like(self, request: _query.Request) -> None:
        """Raises InputError where there is no row to compare with, or where it has no vector to compare by."""
        schema = self.schema
        alone = schema.vectors and request.like_by in (None, "vector")
        columns = [schema.vector(request.column).name] if alone else []
        (request.like,) = _batch.listed([request.like], schema)
        row = self.get_one(request.like, columns=columns)
        if row is None or (alone and row.blob is None):
            what = f"there is no row {request.like!r}" if row is None else f"the row {request.like!r} has no vector"
            raise InputError(f"{self.name}: {what}")

    aget, aget_one, aexists, acount = twin(get), twin(get_one), twin(exists), twin(count)
    asearch, asearch_many, aexplain, asimilar = twin(search), twin(search_many), twin(explain), twin(similar)
    afacets, adistinct, atokens, aterms = twin(facets), twin(distinct), twin(tokens), twin(terms)
    ato_arrow, ato_pandas = twin(to_arrow), twin(to_pandas)
