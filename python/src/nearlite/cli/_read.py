"""Files as batches of dictionaries: JSONL, CSV, Parquet, npy."""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._arrow import JSON_MARK
from ._failure import Failure


class Batch(NamedTuple):
    """Rows, the number of the first of them in the file (from 1), and how much of the file has been read."""

    rows: list[dict[str, Any]]
    first: int
    done: int


def format_of(path: str, given: str | None) -> str:
    """The format: what was said, or what the name of the file says."""
    if given is not None:
        return given
    name = path[:-3] if path.endswith(".gz") else path
    ending = os.path.splitext(name)[1].lower().lstrip(".")
    found = {"jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "csv": "csv", "parquet": "parquet", "pq": "parquet", "npy": "npy"}.get(ending)
    if found is None:
        raise Failure(f"the name of {path!r} does not say its format: give --format jsonl, csv, parquet or npy", 2)
    return found


def total(path: str, kind: str) -> int:
    """What ``Batch.done`` is at the end of the file; 0 where it is not known."""
    if path == "-" or path.endswith(".gz"):
        return 0
    if kind == "parquet":
        return int(_parquet(path).metadata.num_rows)
    return len(load_npy(path)) if kind == "npy" else os.path.getsize(path)


def batches(path: str, kind: str, size: int) -> Iterator[Batch]:
    """The rows of a file, ``size`` at a time. Failure names the line of what cannot be read."""
    if kind == "parquet":
        first = 1
        for batch in _parquet(path).iter_batches(batch_size=size):
            yield Batch(_listed(batch), first, first - 1 + batch.num_rows)
            first += batch.num_rows
        return
    if kind == "npy":
        array = load_npy(path)
        for at in range(0, len(array), size):
            part = array[at : at + size]
            yield Batch([{"embedding": row} for row in part], at + 1, at + len(part))
        return
    rows: list[dict[str, Any]] = []
    first, done = 1, 0
    for row, done in _lines(path, kind):
        rows.append(row)
        if len(rows) == size:
            yield Batch(rows, first, done)
            first += len(rows)
            rows = []
    if rows:
        yield Batch(rows, first, done)


def _lines(path: str, kind: str) -> Iterator[tuple[dict[str, Any], int]]:
    name = "standard input" if path == "-" else path
    source: Any = sys.stdin.buffer if path == "-" else gzip.open(path) if path.endswith(".gz") else open(path, "rb")  # noqa: SIM115
    read = 0

    def decoded() -> Iterator[str]:
        nonlocal read
        for number, line in enumerate(source, 1):
            read += len(line)
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise Failure(f"{name}, line {number}: it is not UTF-8: {error.reason} at byte {error.start}") from None

    with source:
        reader = _jsonl(decoded(), name) if kind == "jsonl" else _csv(decoded(), name)
        for row in reader:
            yield row, read


def _jsonl(lines: Iterator[str], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            hint = "; it looks like one JSON array, write one object a line" if number == 1 and line.lstrip().startswith("[") else ""
            raise Failure(f"{name}, line {number}: it is not JSON: {error}{hint}") from None
        if not isinstance(row, dict):
            raise Failure(f"{name}, line {number}: expected a JSON object, got {type(row).__name__}")
        yield row


def _csv(lines: Iterator[str], name: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines)
    try:
        header = next(reader, None)
        if header is None:
            raise Failure(f"{name} is empty: a CSV file begins with the names of its columns")
        twice = [column for at, column in enumerate(header) if column in header[:at]]
        if twice:
            raise Failure(f"{name}, line 1: the column {twice[0]!r} is there twice")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise Failure(f"{name}, line {reader.line_num}: {len(fields)} fields, and the header has {len(header)}")
            yield {column: field for column, field in zip(header, fields) if field != ""}
    except csv.Error as error:
        raise Failure(f"{name}, line {reader.line_num}: {error}") from None


def load_npy(path: str) -> Any:
    """The array of a .npy file, mapped where it is a file; two dimensions."""
    try:
        import numpy
    except ImportError:
        raise Failure("npy files need numpy: pip install numpy") from None
    try:
        if path == "-":
            import io

            array = numpy.load(io.BytesIO(sys.stdin.buffer.read()))
        else:
            array = numpy.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise Failure(f"{path} is not a .npy file of numbers: {error}") from None
    if getattr(array, "ndim", 0) != 2:
        raise Failure(f"{path}: expected an array of two dimensions, got the shape {getattr(array, 'shape', '?')}")
    return array


def _parquet(path: str) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Failure("Parquet files need pyarrow: pip install pyarrow") from None
    try:
        if path == "-":
            return pyarrow.parquet.ParquetFile(pyarrow.BufferReader(sys.stdin.buffer.read()))
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise Failure(f"{path} is not a Parquet file: {error}") from None


def _listed(batch: Any) -> list[dict[str, Any]]:
    """Rows of a record batch; lists of numbers stay arrays."""
    import pyarrow

    columns = {}
    for name in batch.schema.names:
        column = batch.column(name)
        kind = column.type
        lists = pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind)
        if lists and pyarrow.types.is_floating(kind.value_type):
            columns[name] = [item.values.to_numpy(zero_copy_only=False) if item.is_valid else None for item in column]
        elif batch.schema.field(name).metadata == JSON_MARK:
            columns[name] = [None if text is None else json.loads(text) for text in column.to_pylist()]
        else:
            columns[name] = column.to_pylist()
    return [{name: value for name, value in zip(columns, values) if value is not None} for values in zip(*columns.values())]
