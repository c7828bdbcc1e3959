"""Rows that were read and hits that were found: light objects over the tuples that SQLite returned."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Union, overload

from . import _blobs, _metadata
from ._schema import Column, Schema

if TYPE_CHECKING:
    import pandas
    import pyarrow

Id = Union[str, int]

#: What a search adds to the columns of a row.
MEASURES = ("distance", "bm25", "score", "vector_rank", "text_rank")


class Shape:
    """Where the columns of a result are in its tuples: the id first, then ``columns``, then the measures of a search."""

    def __init__(self, schema: Schema, columns: Sequence[Column], measured: bool, snippet: bool = False) -> None:
        self.schema, self.columns, self.measured = schema, tuple(columns), measured
        self.at = {column.name: at for at, column in enumerate(columns, 1)}
        self.texts = [column.name for column in columns if column.kind == "text"]
        self.text = self.at[self.texts[0]] if self.texts else 0
        self.vectors = [column.name for column in columns if column.kind == "vector"]
        self.declared = [(column.name, self.at[column.name], column.type == "BOOLEAN") for column in columns if column in schema.declared]
        self.json = next((self.at[column.name] for column in columns if column is schema.json), 0)
        self.json_values = [(column.name, self.at[column.name]) for column in columns if column in schema.json_values]
        self.measures = len(columns) + 1 if measured else 0
        self.snippet = self.measures + len(MEASURES) if snippet else 0
        taken = {schema.id.name, *(column.name for column in schema.columns if column.kind in ("text", "vector"))}
        #: What ``to_dict`` calls that which is no column: no column is called so.
        self.keys = {name: self._free(name, taken) for name in ("metadata", *MEASURES, "snippet")}

    def metadata(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The JSON metadata of a tuple together with the columns of single keys that are not NULL."""
        found = _metadata.decode(values[self.json]) if self.json else {}
        for name, at, boolean in self.declared:
            if values[at] is not None:
                found[name] = bool(values[at]) if boolean else values[at]
        for name, at in self.json_values:
            value = _metadata.json_value(values[at])
            if value is not None:
                found[name] = value
        return found

    def _free(self, name: str, taken: Container[str]) -> str:
        """The name, with a prefix in front where a column is called so."""
        while name in taken:
            name = (self.schema.hidden_prefix or "_") + name
        return name

    def names(self) -> list[str]:
        """Names of the result's columns."""
        more = [*(MEASURES if self.measured else ()), *(["snippet"] if self.snippet else ())]
        # All columns count, also those that were not read: the names of a table's results are always the same.
        taken = {self.schema.id.name, *(column.name for column in self.schema.columns)}
        return [self.schema.id.name, *self.at, *(self._free(name, taken) for name in more)]


class Row:
    """A row of a collection."""

    __slots__ = ("_shape", "_values", "_read")

    def __init__(self, shape: Shape, values: tuple[Any, ...]) -> None:
        self._shape, self._values = shape, values
        self._read: dict[str, Any] | None = None

    @property
    def id(self) -> Any:
        """The key: ``str`` or ``int`` as the collection was declared; the rowid in a table without a key."""
        return self._values[0]

    @property
    def text(self) -> str | None:
        """The first text column."""
        at = self._shape.text
        return self._values[at] if at else None

    @property
    def texts(self) -> dict[str, str | None]:
        """All text columns by name."""
        return {name: self._values[self._shape.at[name]] for name in self._shape.texts}

    @property
    def metadata(self) -> dict[str, Any]:
        """The JSON metadata together with the declared and JSON columns that are not NULL."""
        if self._read is None:
            self._read = self._shape.metadata(self._values)
        return self._read

    @property
    def blob(self) -> bytes | None:
        """The first vector that was read, as the BLOB that is stored: little-endian 32-bit floats."""
        vectors = self._shape.vectors
        return self._values[self._shape.at[vectors[0]]] if vectors else None

    @property
    def vector(self) -> list[float] | None:
        """The first vector that was read; None where the row has none. Reading takes ``include_vectors=True``."""
        blob = self.blob
        return None if blob is None else _blobs.floats(blob)

    @property
    def vectors(self) -> dict[str, list[float] | None]:
        """All vectors that were read, by column."""
        found = {name: self._values[self._shape.at[name]] for name in self._shape.vectors}
        return {name: None if blob is None else _blobs.floats(blob) for name, blob in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """The row as a dictionary: id, the text columns, metadata, and the vectors that were read.

        Where a text or vector column or the key is called ``metadata``, the metadata is under that name with the hidden prefix of the table
        in front, or ``_`` where the table has none.
        """
        return {self._shape.schema.id.name: self.id, **self.texts, self._shape.keys["metadata"]: self.metadata, **self.vectors}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Row) and self._values == other._values and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self._values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, text={self.text!r:.60}, metadata={self.metadata!r:.200})"


class Hit(Row):
    """A row that a search found, best first."""

    __slots__ = ()

    @property
    def distance(self) -> float | None:
        """Exact distance to the query vector; None for a search without one and for rows without a vector. Smaller is nearer."""
        return self._values[self._shape.measures]  # type: ignore[no-any-return]

    @property
    def bm25(self) -> float | None:
        """BM25 score where the row matches the text, larger is better."""
        return self._values[self._shape.measures + 1]  # type: ignore[no-any-return]

    @property
    def score(self) -> float:
        """Larger is better: the fused score of a hybrid search, BM25 of a text search, the negated distance of a vector search, 0 without either."""
        distance, bm25, score = self._values[self._shape.measures : self._shape.measures + 3]
        if score is not None:
            return float(score)
        return float(bm25) if bm25 is not None else -float(distance) if distance is not None else 0.0

    @property
    def vector_rank(self) -> int | None:
        """Rank in the vector leg of a hybrid search, from 1."""
        return self._values[self._shape.measures + 3]  # type: ignore[no-any-return]

    @property
    def text_rank(self) -> int | None:
        """Rank in the text leg of a hybrid search, from 1."""
        return self._values[self._shape.measures + 4]  # type: ignore[no-any-return]

    @property
    def snippet(self) -> str | None:
        """The best passage of the text with its words marked, in a search with ``snippet=(before, after)``."""
        return self._values[self._shape.snippet] if self._shape.snippet else None

    def to_dict(self) -> dict[str, Any]:
        """The row with distance, score and, where they are known, bm25, the ranks of both legs and the snippet.

        Their names have the same prefix where a column is called so.
        """
        keys = self._shape.keys
        known = {keys[name]: getattr(self, name) for name in ("bm25", "vector_rank", "text_rank", "snippet") if getattr(self, name) is not None}
        return {**super().to_dict(), keys["distance"]: self.distance, keys["score"]: self.score, **known}

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, distance={self.distance}, score={self.score})"


_R = TypeVar("_R", bound=Row)
_Self = TypeVar("_Self", bound="_Result[Any]")
_Tuples = list[tuple[Any, ...]]


class _Result(Sequence[_R]):
    """Rows that were read. Objects are made as they are taken."""

    _kind: type[Row] = Row

    def __init__(self, shape: Shape, rows: _Tuples) -> None:
        self._shape, self._rows = shape, rows

    @overload
    def __getitem__(self: _Self, at: int) -> _R: ...
    @overload
    def __getitem__(self: _Self, at: slice) -> _Self: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return type(self)(self._shape, self._rows[at])
        return self._kind(self._shape, self._rows[at])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[_R]:
        kind: Any = self._kind
        shape = self._shape
        return (kind(shape, row) for row in self._rows)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Result) and self._rows == other._rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"

    @property
    def ids(self) -> list[Any]:
        """The ids in the order of the rows."""
        return [row[0] for row in self._rows]

    @property
    def texts(self) -> list[str | None]:
        """The first text column in the order of the rows."""
        at = self._shape.text
        return [row[at] if at else None for row in self._rows]

    @property
    def metadatas(self) -> list[dict[str, Any]]:
        """The metadata in the order of the rows; new dictionaries each time."""
        return [self._shape.metadata(row) for row in self._rows]

    def only(self: _Self, positions: Sequence[int]) -> _Self:
        """The rows at these positions, in their order."""
        return type(self)(self._shape, [self._rows[at] for at in positions])

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each row as a dictionary."""
        return [row.to_dict() for row in self]

    def to_arrow(self) -> pyarrow.Table:
        """The rows as an Arrow table: the columns of the collection, vectors as lists of a fixed size, then the measures of a search."""
        from . import _arrow

        return _arrow.table(self._shape, self._rows)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame with the columns of ``to_arrow``; metadata is a column of dictionaries, a vector an array."""
        from . import _pandas

        return _pandas.frame(self._shape, self._rows)


class Rows(_Result[Row]):
    """Rows of a collection, as ``get`` returns them."""


class Hits(_Result[Hit]):
    """The hits of a search, best first."""

    _kind = Hit
