"""``nearlite import``: files into a collection, batch by batch, each batch one transaction."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from typing import Any

from .. import Collection, collections
from .._errors import Error
from .._schema import Schema
from . import _infer, _open, _read, _vec0
from ._failure import Failure
from ._progress import Progress

# Rows that a schema is guessed from.
_SAMPLE = 1000


def run(given: Any) -> None:
    """Imports what the arguments name."""
    if given.batch < 1:
        raise Failure(f"--batch is 1 or more, got {given.batch}", 2)
    if given.from_vec0:
        if len(given.files) != 2:
            raise Failure("--from-vec0 takes a database and the name of a table in it", 2)
        _vec0.run(given, *given.files)
        return
    if given.vectors and given.embed:
        raise Failure("give --vectors or --embed, not both", 2)
    embed = _open.embedding(given.embed, given.model)
    for path in given.files:
        if path != "-" and not os.path.exists(path):
            raise Failure(f"there is no file {path}")
        kind = _read.format_of(path, given.format)
        _file(given, path, kind, embed)


def _file(given: Any, path: str, kind: str, embed: Any) -> None:
    stem = "stdin" if path == "-" else os.path.basename(path).split(".")[0]
    table = given.table or ("docs" if path == "-" else stem)
    batches = _read.batches(path, kind, given.batch)
    sample = []
    for batch in batches:
        sample.append(batch)
        if sum(len(each.rows) for each in sample) >= _SAMPLE:
            break
    rows = [row for batch in sample for row in batch.rows]
    if not rows:
        raise Failure(f"{path} has no rows")
    plan = _infer.plan(rows[:_SAMPLE], given, kind == "csv", _there(given.db, table))
    aside = _read.load_npy(given.vectors) if given.vectors else None
    if aside is not None:
        plan = plan._replace(vector=plan.vector or "embedding", dim=aside.shape[1])
    if given.dry_run:
        _shown(table, plan, "would be")
        return
    target = _target(given, table, plan, embed)
    made = _made_ids(path, stem, target.schema.key_type)
    counted = plan.key is None and made is None
    name = "standard input" if path == "-" else path
    if counted and given.resume:
        raise Failure(f"--resume knows rows by their ids, and those of {name} have none: name the column that is the key with --id")
    if counted:
        print(f"the rows of {name} have no key: they are added as new ones, again with each import (--id names a key)", file=sys.stderr)
    progress = Progress(_read.total(path, kind))
    written = skipped = 0
    try:
        for batch in itertools.chain(sample, batches):
            new, old = _write(given, target, batch, plan, made, aside)
            written, skipped = written + new, skipped + old
            progress.update(written, batch.done)
        if aside is not None and len(aside) > written + skipped:
            raise Failure(f"{given.vectors} has {len(aside)} vectors for {written + skipped} rows, which were written")
    except BaseException as error:
        progress.end(0, f"stopped: {written:,} rows written")
        if (isinstance(error, KeyboardInterrupt) or written) and not counted:
            print("the same command with --resume goes on from here", file=sys.stderr)
        raise
    also = f" ({skipped:,} were there)" if skipped else ""
    progress.end(written, f"{written:,} rows from {path} into {table}{also}")


def _there(path: str, table: str) -> Schema | None:
    """The columns of the table, if it is there."""
    if not os.path.exists(path):
        return None
    connection = _open.database(path)
    try:
        return Collection(connection, table).schema if table.lower() in map(str.lower, collections(connection)) else None
    finally:
        connection.close()


def _made_ids(path: str, stem: str, kind: type) -> str | None:
    """What made-up ids begin with: the same for the same file and another for each other one. None where the table makes the ids."""
    if path == "-" or kind is int:
        return None
    return f"{stem}-{hashlib.sha256(os.path.realpath(path).encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _target(given: Any, table: str, plan: _infer.Plan, embed: Any) -> Collection:
    """The collection: the one that is there, or one with the columns of the plan."""
    connection = _open.database(given.db, make=True)
    target = Collection(connection, table, embed=embed)
    if table.lower() in [name.lower() for name in collections(connection)]:
        return target.open()
    _shown(table, plan, "is")
    if embed is not None and not plan.texts:
        raise Failure("--embed needs a text column: name it with --text")
    target.create(
        dim=plan.dim or None,
        text=plan.texts,
        columns=plan.columns,
        key=plan.table_key,
        key_type=plan.key_type,
        vector=plan.vector or "embedding",
        metric=given.metric or "cosine",
        tokenizer=given.tokenizer,
        model=given.model,
    )
    return target


def _shown(table: str, plan: _infer.Plan, verb: str) -> None:
    names = {str: "text", int: "int", float: "real", bool: "bool"}
    parts = [f"{plan.table_key or 'rowid'} ({names[plan.key_type]} key{'' if plan.key else ', made up'})"]
    parts += [f"{name} (full text)" for name in plan.texts]
    parts += [f"{name} ({names[kind]})" for name, kind in plan.columns.items()]
    parts.append("meta (JSON: every other key)")
    if plan.dim:
        parts.append(f"{plan.vector} (vector of {plan.dim})")
    print(f"the schema of {table} {verb}: {', '.join(parts)}", file=sys.stderr)


def _write(given: Any, target: Collection, batch: _read.Batch, plan: _infer.Plan, prefix: str | None, aside: Any) -> tuple[int, int]:
    """Writes a batch; how many rows were written, and how many were skipped because they are there.

    Rows without a key have ids that begin with ``prefix``; without that too they are new rows.
    """
    schema = target.schema
    key = schema.id.name
    counted = plan.key is None and prefix is None
    texts = {column.name for column in schema.texts}
    vector = schema.vectors[0].name if schema.vectors else None
    rows = []
    for at, row in enumerate(batch.rows):
        number = batch.first + at
        made = _row(row, plan, texts, {column.name for column in schema.vectors})
        if plan.key is not None:
            made[key] = _key(made.pop(plan.key, None), plan.key, schema.key_type, number)
        elif not counted:
            made[key] = f"{prefix}:{number}"
        if plan.vector and vector and plan.vector != vector and plan.vector in made:
            made[vector] = made.pop(plan.vector)
        if aside is not None and vector:
            if number > len(aside):
                raise Failure(f"{given.vectors} has {len(aside)} vectors, and there is a row {number}")
            made[vector] = aside[number - 1]
        rows.append(made)
    there: set[Any] = set()
    if not counted:
        # Of an id that comes twice the last one stays, as it would across batches.
        rows = list({row[key]: row for row in rows}.values())
        there = set(target.get([row[key] for row in rows], columns=()).ids) if given.resume else there
        rows = [row for row in rows if row[key] not in there]
    if rows:
        try:
            (target.add if counted else target.upsert)(rows)
        except Error as error:
            where = f"rows {batch.first} to {batch.first + len(batch.rows) - 1}"
            declared = any(str(error).startswith(f"{schema.table}.{column.name}: ") for column in schema.keyed.values())
            hint = "; a key that is not among --columns is metadata, which takes any type" if declared else ""
            raise Failure(f"{where}: {error}{hint}") from None
    return len(rows), len(there)


def _row(row: dict[str, Any], plan: _infer.Plan, texts: set[str], vectors: set[str]) -> dict[str, Any]:
    out = {}
    for name, value in row.items():
        if name == plan.vector or name in vectors:
            found = _infer.numbers(value)
            value = value if found is None else found
        elif name in plan.parsed:
            value = _infer.parsed(value)
        elif name in plan.typed and name != plan.key and name not in texts and plan.columns.get(name) is not str:
            value = _infer.scalar(value)
        out[name] = value
    return out


def _key(value: Any, name: str, kind: type, number: int) -> Any:
    if value is None:
        raise Failure(f"row {number} has no {name!r}, which is the key")
    if kind is int and isinstance(value, str):
        found = _infer.scalar(value)
        return found if isinstance(found, int) else value
    return str(value) if kind is str and isinstance(value, int) and not isinstance(value, bool) else value
