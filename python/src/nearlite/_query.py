"""A search as one SQL statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _blobs, filters
from ._errors import FilterError, InputError, SchemaError
from ._hits import MEASURES, Shape
from ._numbers import options, real, unboxed, whole
from ._schema import Column, Schema, quote

if TYPE_CHECKING:
    from typing_extensions import TypedDict

    class SearchOptions(TypedDict, total=False):
        """What ``Collection.search`` takes beside the query; see there."""

        words: str | None
        like: Any
        like_by: str | None
        where: Mapping[str, Any] | str | None
        params: Sequence[Any]
        k: int
        offset: int
        column: str | None
        text_column: str | None
        text_options: Mapping[str, Any] | None
        matching: str | None
        fusion: str | Mapping[str, Any] | None
        alpha: float | None
        weights: Sequence[float] | None
        depth: int | None
        within: float | None
        min_score: float | None
        ef_search: int | None
        exact: bool
        mmr: float | None
        candidates: int | None
        group_by: str | None
        per_group: int
        columns: Sequence[str] | None
        include_vectors: bool
        snippet: tuple[str, str] | None
        order_by: str | Sequence[str] | None
        model: str | None


#: Depth of each leg of a hybrid search, and the greatest one, as the engine has them.
DEPTH = 100
DEEPEST = 10000


@dataclass
class Request:
    """The arguments of a search."""

    vector: Any = None
    text: str | None = None
    words: str | None = None
    like: Any = None
    like_by: str | None = None
    where: Mapping[str, Any] | str | None = None
    params: Sequence[Any] = ()
    k: int = 10
    offset: int = 0
    column: str | None = None
    text_column: str | None = None
    text_options: Mapping[str, Any] | None = None
    matching: str | None = None
    fusion: str | Mapping[str, Any] | None = None
    alpha: float | None = None
    weights: Sequence[float] | None = None
    depth: int | None = None
    within: float | None = None
    min_score: float | None = None
    ef_search: int | None = None
    exact: bool = False
    mmr: float | None = None
    candidates: int | None = None
    group_by: str | None = None
    per_group: int = 1
    columns: Sequence[str] | None = None
    include_vectors: bool = False
    snippet: tuple[str, str] | None = None
    order_by: str | Sequence[str] | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        self.k = whole("k", self.k, 0)
        self.offset = whole("offset", self.offset, 0)
        if self.text is not None and self.words is not None:
            raise InputError("give text= (the query language) or words= (plain words), not both")
        if self.text_options is not None and not isinstance(self.text_options, Mapping):
            raise InputError(f"text_options: expected a dictionary such as {{'operator': 'and'}}, got {type(self.text_options).__name__}")
        if self.mmr is not None:
            given, wanted = self.mmr, "a number from 0 (diverse) to 1 (relevant)"
            self.mmr = real("mmr", given, wanted)
            if not 0 <= self.mmr <= 1:
                raise InputError(f"mmr: expected {wanted}, got {given!r}")
            if self.vector is None and (self.like is None or self.like_by == "text"):
                raise InputError("mmr compares vectors: give vector= or like=")
        if self.like_by is not None and (self.like is None or self.like_by not in ("vector", "text", "both")):
            raise InputError(f"like_by: expected 'vector', 'text' or 'both' beside like=, got {self.like_by!r}")
        if self.candidates is not None:
            self.candidates = whole("candidates", self.candidates, 1)
        self.per_group = whole("per_group", self.per_group, 1)
        if self.depth is not None:
            self.depth = whole("depth", self.depth, 1)
        if self.alpha is not None:
            self.alpha = real("alpha", self.alpha)
        if self.within is not None:
            self.within = real("within", self.within)
        if self.min_score is not None:
            self.min_score = real("min_score", self.min_score)
        if self.weights is not None:
            if isinstance(self.weights, (str, Mapping)) or not hasattr(self.weights, "__iter__"):
                raise InputError(f"weights: expected a list of numbers, the vector's and the text's, got {self.weights!r}")
            self.weights = [real("weights", weight) for weight in self.weights]
        if self.snippet is not None and not (isinstance(self.snippet, (tuple, list)) and len(self.snippet) == 2):
            raise InputError(f"snippet: expected the marks before and after a word, ('[', ']'), got {self.snippet!r}")

    def by_vector(self, schema: Schema) -> bool:
        """Whether rows are ranked by a vector, given or that of a row."""
        alike = self.like is not None and (self.like_by in ("vector", "both") or (self.like_by is None and bool(schema.vectors)))
        return self.vector is not None or alike

    def by_text(self, schema: Schema) -> bool:
        """Whether rows are ranked by a text, given or that of a row."""
        alike = self.like is not None and (self.like_by in ("text", "both") or (self.like_by is None and not schema.vectors))
        return self.text is not None or self.words is not None or alike

    def legs(self) -> int:
        """How many legs the search has: more than one are fused by their ranks or scores."""
        vectors = len(self.vector) if isinstance(self.vector, Mapping) else int(self.vector is not None)
        texts = int(self.text is not None or self.words is not None)
        return vectors + texts + (0 if self.like is None else 2 if self.like_by == "both" else 1)


def returned(schema: Schema, columns: Sequence[str] | None, include_vectors: bool) -> list[Column]:
    """The columns that are read: those named, else all but the vectors."""
    if columns is None:
        return [column for column in schema.columns if column.kind != "key" and (include_vectors or column.kind != "vector")]
    found = []
    for name in columns:
        column = schema.by_name.get(name.lower()) or schema.find(name.lower())
        if column is None:
            raise SchemaError(f"{schema.table} has no column {name!r}")
        if column.kind != "key":
            found.append(column)
    if include_vectors:
        found += [column for column in schema.vectors if column not in found]
    return found


def compared(schema: Schema, request: Request) -> Column:
    """The vector column by which ``mmr`` compares rows: that of the query, of several the first."""
    if isinstance(request.vector, Mapping):
        return schema.vector(next(iter(request.vector), None))
    return schema.vector(request.column)


def condition(schema: Schema, where: Mapping[str, Any] | str | None, params: Sequence[Any], search: bool = False) -> filters.Sql:
    """The SQL of ``where``, "" for None, and its parameters; of a ``search``, where more is evaluated inside."""
    if where is None:
        return "", []
    if isinstance(where, str):
        if isinstance(params, (str, Mapping)) or not hasattr(params, "__iter__"):
            raise FilterError("params: expected a list of values, one for each ? of where")
        # The newline ends a comment that the condition may end with.
        return f"({where}\n)" if where.strip() else "", [unboxed(value) for value in params]
    return filters.to_sql(where, schema, search)


def order(schema: Schema, order_by: str | Sequence[str] | None) -> filters.Sql:
    """ORDER BY the values of columns or keys of the metadata, a ``-`` in front for the largest first, and then by rowid; its parameters."""
    if order_by is None:
        return " ORDER BY rowid", []
    names = [order_by] if isinstance(order_by, str) else list(order_by)
    terms, params = [], []
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"order_by: expected the name of a column or a key of the metadata, got {name!r}")
        descending = name.startswith("-") and schema.find(name) is None
        sql, more = filters.value_of(name[descending:], schema)
        terms.append(sql + " DESC" * descending)
        params += more
    return " ORDER BY " + ", ".join([*terms, "rowid"]), params


def statement(schema: Schema, request: Request, limit: int | None, deep: int = 0, explain: bool = False) -> tuple[str, list[Any], Shape]:
    """The statement, its parameters and the shape of its rows.

    ``limit`` None is for those who take rows as long as they like; ``deep`` is then how many rows each leg of a hybrid search ranks
    at least.
    """
    selected, shape = _selection(schema, request)
    terms, params = _match(schema, request, deep if limit is None else limit)
    searches = bool(terms)
    skipped = request.offset if request.mmr is None and request.group_by is None else 0
    if request.matching is not None:
        terms.append(f"{quote(schema.table)} MATCH ?")
        params.append(request.matching)
    bounds, more = _bounds(schema, request)
    filtered, values = condition(schema, request.where, request.params, searches or request.matching is not None)
    if filtered:
        terms.append(filtered)
    terms += bounds
    params += [*values, *more]
    if searches or request.matching is not None:
        if request.ef_search is not None:
            terms.append(f"{schema.hidden('ef_search')} = ?")
            params.append(whole("ef_search", request.ef_search, 1))
        if request.exact:
            terms.append(f"{schema.hidden('exact')} = 1")
        alone = len(terms) == 1 and (request.vector is not None or request.like is not None)
        if limit is not None and alone and not skipped:
            # Versions of SQLite before 3.41 do not show LIMIT to the table. A k that counts the rows of earlier pages would make each
            # page one of another search, and pages would not fit together.
            terms.append(f"{schema.hidden('k')} = {limit}")
    if request.snippet is not None:
        params[:0] = request.snippet
    if explain:
        selected += f", explain_row({quote(schema.table)})" if searches else ", NULL"
        selected += f', "{schema.hidden("explain")}"'
    sql = f"SELECT {selected} FROM {schema.target}"
    if terms:
        sql += f" WHERE {' AND '.join(terms)}"
    if request.order_by is not None:
        if searches:
            raise InputError(
                "order_by is for rows that are not ranked: leave out vector=, text=, words= and like=; matching= restricts them by words"
            )
        ordered, more = order(schema, request.order_by)
        sql += ordered
        params += more
    else:
        sql += f" ORDER BY {schema.hidden('rank')}" if searches or request.matching is not None else " ORDER BY rowid"
    if limit is not None:
        sql += f" LIMIT {limit}"
        if skipped:
            sql += f" OFFSET {skipped}"
    return sql, params, shape


def _selection(schema: Schema, request: Request) -> tuple[str, Shape]:
    """What a search selects, and the shape of its rows."""
    plain = request.columns is None and request.mmr is None and request.group_by is None
    kind = (request.include_vectors, request.snippet is not None)
    if plain and kind in schema.selections:
        known: tuple[str, Shape] = schema.selections[kind]
        return known
    columns = returned(schema, request.columns, request.include_vectors)
    if request.mmr is not None:
        of_query = compared(schema, request)
        if of_query not in columns:
            columns.append(of_query)
    if request.group_by is not None:
        of_group = schema.find(request.group_by) or schema.json
        if of_group is None:
            raise SchemaError(f"{schema.table} has no column {request.group_by!r} to group by")
        if of_group not in columns and of_group.kind != "key":
            columns.append(of_group)
    selected = [schema.key_sql, *(column.quoted for column in columns), *map(schema.hidden, MEASURES)]
    if request.snippet is not None:
        selected.append(f"snippet({quote(schema.table)}, NULL, ?, ?, '…', 16)")
    selection = ", ".join(selected), Shape(schema, columns, True, request.snippet is not None)
    if plain:
        schema.selections[kind] = selection
    return selection


def _match(schema: Schema, request: Request, deep: int) -> tuple[list[str], list[Any]]:
    """The MATCH that ranks: none, of a vector, of a text, of a row, of several. The legs of several rank ``deep`` rows at least."""
    text = request.text if request.words is None else request.words
    if text is not None and not isinstance(text, str):
        raise InputError(f"text: expected a text, got {type(text).__name__}")
    query = "?" if request.words is None else "words(?)"
    given: list[Any] = [text]
    if text is not None:
        schema.text()
        if request.text_options is not None:
            query = f"text_query({query}, ?)"
            given.append(options("text_options", dict(request.text_options)))
    if request.like is not None:
        if request.vector is None and text is None and request.like_by != "both":
            return [f"{quote(schema.table)} MATCH like_row(?, ?)"], [request.like, options("like", _like(schema, request))]
        return _legs(schema, request, text, deep)
    if request.vector is None:
        if text is None:
            return [], []
        left = quote(schema.table if request.text_column is None else schema.text(request.text_column).name)
        return [f"{left} MATCH {query}"], given
    if isinstance(request.vector, Mapping) or (text is not None and request.text_column is not None):
        return _legs(schema, request, text, deep)
    column = schema.vector(request.column)
    blob = _blobs.one(request.vector, column, schema.table)
    if text is None and request.matching is None:
        return [f"{column.quoted} MATCH ?"], [blob]
    if text is None:
        # A text MATCH beside a vector MATCH would be a leg of a hybrid search; beside the legs of a hybrid_query it only restricts.
        return [f"{quote(schema.table)} MATCH hybrid_query(near(?, ?))"], [column.name, blob]
    fused = _hybrid(request, deep)
    if request.column is not None:
        fused["column"] = column.name
    return [f"{quote(schema.table)} MATCH hybrid_query({query}, ?, ?)"], [*given, blob, options("fusion", fused)]


def _legs(schema: Schema, request: Request, text: str | None, deep: int) -> tuple[list[str], list[Any]]:
    """A hybrid query of any number of legs: a vector for each column of a dictionary, a text of one column or of all, a row."""
    legs: list[str] = []
    params: list[Any] = []
    if text is not None:
        meant: dict[str, Any] = dict(request.text_options or {})
        if request.words is not None:
            meant["syntax"] = "words"
        if request.text_column is not None:
            meant["column"] = schema.text(request.text_column).name
        legs.append("text_query(?, ?)")
        params += [text, options("text_options", meant)]
    if request.like is not None:
        legs.append("like_row(?, ?)")
        params += [request.like, options("like", _like(schema, request))]
    vectors = request.vector if isinstance(request.vector, Mapping) else {request.column: request.vector}
    if request.vector is None:
        vectors = {}
    elif not vectors:
        raise InputError("vector: a dictionary of columns and their vectors is empty")
    for name, vector in vectors.items():
        column = schema.vector(name)
        legs.append("near(?, ?)")
        params += [column.name, _blobs.one(vector, column, schema.table)]
    return [f"{quote(schema.table)} MATCH hybrid_query({', '.join(legs)}, ?)"], [*params, options("fusion", _hybrid(request, deep))]


def _like(schema: Schema, request: Request) -> dict[str, Any]:
    """The options of like_row."""
    found: dict[str, Any] = {} if request.like_by is None else {"by": request.like_by}
    if request.column is not None:
        found["column"] = schema.vector(request.column).name
    if request.text_column is not None:
        found["text_column"] = schema.text(request.text_column).name
    return found


def _hybrid(request: Request, deep: int) -> dict[str, Any]:
    """The options of hybrid_query, whose legs rank ``deep`` rows at least.

    The depth is always given: a table does not see the LIMIT of every statement, and no page may depend on where it begins.
    """
    found: dict[str, Any] = {}
    if isinstance(request.fusion, Mapping):
        found.update(request.fusion)
    elif request.fusion is not None:
        found["fusion"] = request.fusion
    if request.alpha is not None:
        found.setdefault("fusion", "convex")
        found["alpha"] = request.alpha
    if request.weights is not None:
        found["weights"] = list(request.weights)
    depth = unboxed(found.get("depth", DEPTH if request.depth is None else request.depth))
    found["depth"] = max(depth, min(deep, DEEPEST)) if type(depth) is int and depth > 0 else depth
    return found


def _bounds(schema: Schema, request: Request) -> tuple[list[str], list[Any]]:
    terms, params = [], []
    vectors, texts = request.by_vector(schema), request.by_text(schema)
    if request.within is not None:
        if not vectors:
            raise InputError("within is a distance: give vector=")
        terms.append(f"{schema.hidden('distance')} <= ?")
        params.append(request.within)
    if request.min_score is not None:
        if vectors and texts:
            terms.append(f"{schema.hidden('score')} >= ?")
            params.append(request.min_score)
        elif texts:
            terms.append(f"{schema.hidden('bm25')} >= ?")
            params.append(request.min_score)
        elif vectors:
            terms.append(f"{schema.hidden('distance')} <= ?")
            params.append(-request.min_score)
        else:
            raise InputError("min_score is for searches that rank: give vector=, text=, words= or like=")
    return terms, params
