"""``nearlite import --from-vec0``: a table of sqlite-vec, read from its shadow tables, so that sqlite-vec need not be there.

NAME_rowids(rowid, id, chunk_id, chunk_offset)            where each row is
NAME_chunks(chunk_id, size, ..., partition00, ...)         chunks of rows, and the values of their partition keys
NAME_vector_chunks00(rowid, vectors)                       vectors of a chunk, side by side; one table for each vector column
NAME_metadatachunks00(rowid, data)                         values of a chunk: int64, double, bits, or length and first 12 bytes of a text
NAME_metadatatext00(rowid, data)                           texts of more than 12 bytes, whole
NAME_auxiliary(rowid, value00, ...)                        columns that are stored only
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import Collection, collections
from .._schema import quote
from . import _open
from ._failure import Failure
from ._progress import Progress

_KINDS = {"text": str, "integer": int, "int": int, "float": float, "double": float, "boolean": bool, "bool": bool}


class Column(NamedTuple):
    """A column of a vec0 table; ``at`` is its number among those of its kind."""

    name: str
    #: "key", "vector", "partition", "metadata" or "auxiliary".
    kind: str
    type: str
    at: int = 0
    dim: int = 0
    metric: str = "l2"


def run(given: Any, path: str, name: str) -> None:
    """Copies the table ``name`` of the database ``path`` into a collection."""
    source = _open.database(path)
    found = source.execute("SELECT name, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type = 'table'", [name]).fetchone()
    if found is None:
        raise Failure(f"there is no table {name!r} in {path}")
    declared = re.match(r"(?is)\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+vec0\s*\((.*)\)\s*;?\s*$", found[1] or "")
    if declared is None:
        raise Failure(f"{name!r} in {path} is not a vec0 table of sqlite-vec")
    name, columns = found[0], parse(declared[1])
    total = source.execute(f"SELECT count(*) FROM {quote(name + '_rowids')}").fetchone()[0]
    target = _target(given, given.table or name, columns)
    key = target.schema.id
    progress, written, skipped = Progress(total), 0, 0
    batch: list[dict[str, Any]] = []

    def write() -> None:
        nonlocal written, skipped, batch
        there: set[Any] = set(target.get([row[key.name] for row in batch], columns=()).ids) if given.resume else set()
        new = [row for row in batch if row[key.name] not in there]
        if new:
            target.upsert(new)
        written, skipped, batch = written + len(new), skipped + len(there), []
        progress.update(written, written + skipped)

    for row in rows(source, name, columns, key.name):
        batch.append(row)
        if len(batch) == given.batch:
            write()
    if batch:
        write()
    also = f" ({skipped:,} were there)" if skipped else ""
    progress.end(written, f"{written:,} rows from {name} in {path} into {target.name}{also}")


def parse(text: str) -> list[Column]:
    """The columns of a vec0 declaration."""
    columns: list[Column] = []
    for part in text.split(","):
        words = part.strip()
        counts = {kind: sum(column.kind == kind for column in columns) for kind in ("vector", "partition", "metadata", "auxiliary")}
        vector = re.match(r"""["'`\[]?(\w+)["'`\]]?\s+(float|f32|int8|i8|bit)\s*\[\s*(\d+)\s*\](.*)""", words, re.I | re.S)
        if vector:
            metric = re.search(r"distance_metric\s*=\s*(\w+)", vector[4], re.I)
            kind = {"f32": "float", "i8": "int8"}.get(vector[2].lower(), vector[2].lower())
            columns.append(Column(vector[1], "vector", kind, counts["vector"], int(vector[3]), metric[1].lower() if metric else "l2"))
            continue
        plain = re.match(r"""(\+?)\s*["'`\[]?(\w+)["'`\]]?\s+(\w+)\s*(.*)""", words, re.S)
        if plain is None or "=" in words:
            continue
        rest = plain[4].lower()
        kind = "auxiliary" if plain[1] else "key" if "primary" in rest else "partition" if "partition" in rest else "metadata"
        columns.append(Column(plain[2], kind, plain[3].lower(), counts.get(kind, 0)))
    return columns


def _target(given: Any, table: str, columns: list[Column]) -> Collection:
    connection = _open.database(given.db, make=True)
    target = Collection(connection, table)
    if table.lower() in [name.lower() for name in collections(connection)]:
        return target.open()
    vectors = {column.name: column.dim for column in columns if column.kind == "vector"}
    bits = [column.name for column in columns if column.type == "bit"]
    if bits:
        raise Failure(f"the column {bits[0]!r} holds bits, from which vectors cannot be made: import the vectors that they were made of")
    metrics = {column.metric for column in columns if column.kind == "vector"}
    if len(metrics) > 1 or not metrics <= {"l2", "cosine"}:
        raise Failure(f"vectors with the metrics {', '.join(sorted(metrics))} cannot go into one collection: l2 or cosine can")
    declared: dict[str, Any] = {c.name: _KINDS[c.type] for c in columns if c.kind in ("metadata", "partition") and c.type in _KINDS}
    declared.update({column.name: "TEXT UNINDEXED" for column in columns if column.kind == "auxiliary"})
    key = next((column for column in columns if column.kind == "key"), None)
    target.create(
        dim=vectors,
        text=[],
        columns=declared,
        key=key.name if key else "id",
        key_type=str if key and key.type == "text" else int,
        metric=given.metric or metrics.pop(),
        model=given.model,
    )
    return target


def rows(source: Any, name: str, columns: list[Column], key: str) -> Iterator[dict[str, Any]]:
    """The rows of the table in order of rowid within each chunk."""
    partitions = [column for column in columns if column.kind == "partition"]
    auxiliary = [column for column in columns if column.kind == "auxiliary"]
    selected = ", ".join(["chunk_id", *(f"partition{column.at:02}" for column in partitions)])
    stored = f"SELECT rowid, {', '.join(f'value{column.at:02}' for column in auxiliary)} FROM {quote(name + '_auxiliary')} WHERE rowid = ?"
    texts = {column.name: quote(f"{name}_metadatatext{column.at:02}") for column in columns if column.kind == "metadata" and column.type == "text"}
    for chunk, *parts in source.execute(f"SELECT {selected} FROM {quote(name + '_chunks')} ORDER BY chunk_id").fetchall():
        blocks = {}
        for column in columns:
            table = {"vector": "vector_chunks", "metadata": "metadatachunks"}.get(column.kind)
            if table is not None:
                field = "vectors" if column.kind == "vector" else "data"
                sql = f"SELECT {field} FROM {quote(f'{name}_{table}{column.at:02}')} WHERE rowid = ?"
                blocks[column.name] = source.execute(sql, [chunk]).fetchone()[0]
        sql = f"SELECT rowid, id, chunk_offset FROM {quote(name + '_rowids')} WHERE chunk_id = ? ORDER BY chunk_offset"
        for rowid, text_id, offset in source.execute(sql, [chunk]).fetchall():
            row: dict[str, Any] = {key: rowid if text_id is None else text_id}
            row.update(zip((column.name for column in partitions), parts))
            for column in columns:
                if column.kind == "vector":
                    row[column.name] = _vector(blocks[column.name], column, offset)
                elif column.kind == "metadata":
                    row[column.name] = _value(blocks[column.name], column, offset)
                    if column.name in texts and row[column.name] is None:
                        row[column.name] = source.execute(f"SELECT data FROM {texts[column.name]} WHERE rowid = ?", [rowid]).fetchone()[0]
            if auxiliary:
                kept = source.execute(stored, [rowid]).fetchone()
                row.update(zip((column.name for column in auxiliary), kept[1:] if kept else ()))
            yield {name: value for name, value in row.items() if value is not None}


def _vector(block: bytes, column: Column, offset: int) -> Any:
    if column.type == "float":
        return block[4 * column.dim * offset : 4 * column.dim * (offset + 1)]
    return [float(number) for number in struct.unpack_from(f"{column.dim}b", block, column.dim * offset)]


def _value(block: bytes, column: Column, offset: int) -> Any:
    """A value of metadata; None for a text that is too long to stand in the chunk."""
    if column.type in ("boolean", "bool"):
        return bool(block[offset // 8] >> (offset % 8) & 1)
    if column.type == "text":
        length = struct.unpack_from("<i", block, 16 * offset)[0]
        return block[16 * offset + 4 : 16 * offset + 4 + length].decode("utf-8", "replace") if length <= 12 else None
    return struct.unpack_from("<q" if column.type in ("integer", "int") else "<d", block, 8 * offset)[0]
