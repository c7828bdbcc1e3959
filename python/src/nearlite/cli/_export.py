"""``nearlite export``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import Collection, Row
from .._schema import Schema, quote
from . import _open
from ._failure import Failure
from ._progress import Progress

_BATCH = 2000


def run(given: Any) -> None:
    """Writes the rows of a collection to a file or to standard output."""
    docs = _open.collection(given.db, given.table)
    ending = os.path.splitext(given.output)[1].lstrip(".")
    kind = given.format or {"parquet": "parquet", "npy": "npy"}.get(ending, "jsonl")
    where = _open.where(given.where)
    total = docs.count(where)
    progress = Progress(total)
    with _output(given.output) as file:
        if kind == "jsonl":
            taken = {docs.schema.id.name, *(column.name for column in docs.schema.columns if column.name not in docs.schema.keyed)}
            for rows in docs.batches(_BATCH, where=where, include_vectors=not given.no_vectors):
                for row in rows:
                    file.write(_line(row.id, _object(row, docs.schema, taken)))
        elif kind == "parquet":
            _parquet(docs, given, where, file)
        else:
            _npy(docs, where, file)
    progress.end(total, f"{total:,} rows of {docs.name}")


def _object(row: Row, schema: Schema, taken: set[str]) -> dict[str, Any]:
    """The row as an object. Keys of the metadata stand beside the columns, as import takes them, unless they are called like one.

    Those, and keys whose value is null, stand in the JSON column. A table without one has no such keys.
    """
    columns = {schema.id.name: row.id, **row.texts, **row.vectors}
    found = {name: value for name, value in columns.items() if value is not None}
    inside = {key: value for key, value in row.metadata.items() if key in taken or value is None}
    found.update({key: value for key, value in row.metadata.items() if key not in inside})
    if inside and schema.json is not None:
        found[schema.json.name] = inside
    return found


def _line(id: Any, row: dict[str, Any]) -> bytes:
    try:
        return (json.dumps(row, ensure_ascii=False) + "\n").encode()
    except TypeError:
        raise Failure(f"the row {id!r} has bytes in it, which JSON cannot hold: export it with --format parquet") from None


@contextmanager
def _output(path: str) -> Iterator[Any]:
    """Standard output, or a file that has its name only when it is whole."""
    if path == "-":
        yield sys.stdout.buffer
        return
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.remove(part)
        raise


def _parquet(docs: Collection, given: Any, where: Any, file: Any) -> None:
    try:
        import pyarrow.parquet
    except ImportError:
        raise Failure("Parquet files need pyarrow: pip install pyarrow") from None
    schema = docs.get(limit=0, include_vectors=not given.no_vectors).to_arrow().schema
    for at, name in enumerate(schema.names):
        if pyarrow.types.is_null(schema.field(at).type):
            schema = schema.set(at, pyarrow.field(name, _type(docs, name)))
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for rows in docs.batches(_BATCH * 10, where=where, include_vectors=not given.no_vectors):
            try:
                writer.write_table(rows.to_arrow().cast(schema))
            except pyarrow.ArrowInvalid as error:
                raise Failure(f"{error}: export it as JSON lines, which keep each value as it is") from None


def _type(docs: Collection, name: str) -> Any:
    """The Arrow type of a column that may hold anything; Failure where its values have no type in common."""
    import pyarrow

    named = quote(name)
    found = {row[0] for row in docs.connection.execute(f"SELECT DISTINCT typeof({named}) FROM {docs.schema.target} WHERE {named} IS NOT NULL")}
    for kinds, made in (
        ({"text"}, pyarrow.string()),
        ({"integer"}, pyarrow.int64()),
        ({"integer", "real"}, pyarrow.float64()),
        ({"blob"}, pyarrow.binary()),
    ):
        if found <= kinds:
            return made
    raise Failure(f"the column {name!r} holds {' and '.join(sorted(found))} values, and one of Parquet holds one kind: export it as JSON lines")


def _npy(docs: Collection, where: Any, file: Any) -> None:
    try:
        import numpy
    except ImportError:
        raise Failure("npy files need numpy: pip install numpy") from None
    column = docs.schema.vector()
    blobs = []
    for rows in docs.batches(_BATCH, where=where, columns=[column.name]):
        for row in rows:
            if row.blob is None:
                raise Failure(f"the row {row.id!r} has no vector: leave such rows out with --where '{column.name} IS NOT NULL'")
            blobs.append(row.blob)
    numpy.save(file, numpy.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), column.dim))
