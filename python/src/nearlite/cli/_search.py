"""``nearlite search``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from .. import Collection, Hit
from . import _open, _print, _read
from ._failure import Failure

# Headings of what a search adds to a row.
_OWN = ("id", "distance", "bm25", "score", "v", "t")


def run(given: Any) -> None:
    """Searches and prints what was found."""
    docs = _open.collection(given.db, given.table)
    if given.embed is not None:
        if given.text is None:
            raise Failure("--embed is for --text", 2)
        docs = Collection(docs.connection, docs.name, embed=_open.embedding(given.embed, given.model or docs.schema.model))
    options: dict[str, Any] = {"where": _open.where(given.where), "k": given.k, "offset": given.offset}
    options.update({name: getattr(given, name) for name in ("alpha", "mmr", "group_by") if getattr(given, name) is not None})
    if given.like is not None:
        options["like"], options["like_by"] = _id(docs, given.like), given.like_by
    elif given.like_by is not None:
        raise Failure("--like-by is for --like", 2)
    vector: Any = _vector(given.vector) if given.vector is not None else given.text if given.embed is not None else None
    if given.text is not None:
        options["words"] = given.text
    if given.explain:
        shown = docs.explain(vector, given.query, **options)
        print(f"{shown.sql}\n{json.dumps(shown.plan, indent=2)}", file=sys.stderr)
        hits = shown.hits
    else:
        hits = docs.search(vector, given.query, **options)
    if given.json:
        for hit in hits:
            _print.as_json(hit.to_dict())
    elif not hits:
        print("nothing was found", file=sys.stderr)
    else:
        _table(docs, list(hits))


def _table(docs: Collection, hits: list[Hit]) -> None:
    rows = []
    texts = [column.name for column in docs.schema.texts]
    for hit in hits:
        measures = {name: value for name, value in (("distance", hit.distance), ("bm25", hit.bm25)) if value is not None}
        ranks = {"score": hit.score, "v": hit.vector_rank, "t": hit.text_rank} if hit.vector_rank or hit.text_rank else {}
        row = {"id": hit.id, **measures, **ranks, **{_beside(name, _OWN): text for name, text in hit.texts.items()}}
        rows.append({**row, **{_beside(name, (*_OWN, *texts)): value for name, value in hit.metadata.items()}})
    names = dict.fromkeys(["id", *(name for row in rows for name in row if name in _OWN)])
    names.update(dict.fromkeys(_beside(name, _OWN) for name in texts))
    names.update(dict.fromkeys(name for row in rows for name in row))
    _print.table(rows, list(names))


def _beside(name: str, taken: Sequence[str]) -> str:
    """The heading of a column or a key: its name, with ``_`` in front where another column of the output has that."""
    while name in taken:
        name = f"_{name}"
    return name


def _vector(given: str) -> Any:
    """A query: an array in JSON, or a file with one or in npy format."""
    if given.lstrip().startswith("["):
        return _parsed(given, "--vector")
    if not os.path.exists(given):
        raise Failure(f"--vector: there is no file {given}")
    if given.endswith(".npy"):
        import_error = "npy files need numpy: pip install numpy"
        try:
            import numpy
        except ImportError:
            raise Failure(import_error) from None
        try:
            array = numpy.load(given)
        except ValueError as error:
            raise Failure(f"{given} is not a .npy file of numbers: {error}") from None
        return array if array.ndim == 1 else _read.load_npy(given)[0]
    with open(given, encoding="utf-8") as file:
        return _parsed(file.read(), given)


def _parsed(text: str, place: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Failure(f"{place}: it is not a JSON array: {error}") from None
    if isinstance(found, dict) and len(found) == 1:
        found = next(iter(found.values()))
    return found


def _id(docs: Collection, given: str) -> Any:
    if docs.schema.key_type is str:
        return given
    try:
        return int(given)
    except ValueError:
        raise Failure(f"--like: the ids of {docs.name} are whole numbers, got {given!r}") from None
