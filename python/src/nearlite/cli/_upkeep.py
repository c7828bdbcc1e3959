"""``nearlite maintain``, ``check`` and ``rebuild``."""

from __future__ import annotations

import functools
from typing import Any

from .. import Collection, collections
from . import _open
from ._failure import Failure
from ._progress import Progress

COMMANDS = {
    "maintain": "seals and merges what is due, in slices beside other writers",
    "optimize": "merges each collection into one segment without dead rows, the fastest to search",
    "check": "compares every index with every row",
    "rebuild": "makes all indexes from the rows, which repairs damaged ones",
}


def run(given: Any) -> None:
    """Runs the command for one collection or for all of the file."""
    connection = _open.database(given.db)
    names = [_open.collection(given.db, given.table).name] if given.table else collections(connection)
    if not names:
        raise Failure(f"there is no collection in {given.db}")
    for name in names:
        docs, progress = Collection(connection, name), Progress(0)
        shown = functools.partial(_shown, progress, name)
        if given.command == "maintain":
            docs.maintain(progress=shown)
        elif given.command == "optimize":
            docs.optimize(progress=shown)
        elif given.command == "rebuild":
            docs.rebuild()
        else:
            docs.verify()
        info = docs.info()
        done = {"maintain": "in order", "optimize": "merged", "check": "checked, no damage", "rebuild": "rebuilt"}[given.command]
        progress.end(0, f"{name}: {done}, {info['rows']:,} rows in {info['segments']} segment{'s' * (info['segments'] != 1)}")


def _shown(progress: Progress, name: str, done: dict[str, Any]) -> None:
    progress.note(f"{name}: {done['slices']} slices, {done['segments']} segment{'s' * (done['segments'] != 1)}")
