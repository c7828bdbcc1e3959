"""``nearlite export``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import Collection
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
    json_name = docs.schema.json.name if docs.schema.json is not None else "meta"
    names = {json_name, docs.schema.id.name, *(column.name for column in docs.schema.columns if column.kind in ("key", "text", "vector"))}
    with _output(given.output) as file:
        if kind == "jsonl":
            for rows in docs.batches(_BATCH, where=where, include_vectors=not given.no_vectors):
                for row in rows:
                    made = row.to_dict()
                    metadata = made.pop("metadata")
                    # Keys of the metadata stand beside the columns, as import takes them, unless they would be taken for something else there.
                    inside = {key: value for key, value in metadata.items() if key in names or value is None}
                    made.update({key: value for key, value in metadata.items() if key not in inside})
                    made = {key: value for key, value in made.items() if value is not None}
                    file.write(_line(row.id, {**made, json_name: inside} if inside else made))
        elif kind == "parquet":
            _parquet(docs, given, where, file)
        else:
            _npy(docs, where, file)
    progress.end(total, f"{total:,} rows of {docs.name}")


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
    writer = None
    for rows in docs.batches(_BATCH * 10, where=where, include_vectors=not given.no_vectors):
        table = rows.to_arrow()
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(file, table.schema)
        writer.write_table(table.cast(writer.schema))
    if writer is None:
        writer = pyarrow.parquet.ParquetWriter(file, docs.get(limit=0, include_vectors=not given.no_vectors).to_arrow().schema)
    writer.close()


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
