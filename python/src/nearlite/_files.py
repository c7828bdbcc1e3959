"""Which file is open under which SQLite of this process.

POSIX locks belong to a process, not to a library: two SQLite libraries that have one file open do not see each other's
locks, and closing the file in one releases the locks of the other. Files that ``connect()`` opened are known here, and a
second library is refused while they are open.
"""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import Any, Callable

from ._errors import LoadError

_Identity = tuple[int, int]
_lock = threading.Lock()
# For each file: the SQLite, its connections, and how to see that one of them is closed.
_open: dict[_Identity, list[tuple[str, weakref.ref[Any], Callable[[Any], bool]]]] = {}


def identity(path: str) -> _Identity | None:
    """What tells a file from others, whatever it is called. None where there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def refuse_second_library(path: str, host: str) -> None:
    """Raises where the file is open under another SQLite than that of ``host``."""
    others = _others(path, host)
    if others:
        # A connection that was dropped may wait for the collector: it refers to itself in some versions of Python.
        gc.collect()
        others = _others(path, host)
    if others:
        raise LoadError(
            f"{path} is open in this process through {', '.join(others)}, which is another SQLite library than that of {host}: "
            "the two would not see each other's locks and could damage the file; use one of them for this file"
        )


def _others(path: str, host: str) -> list[str]:
    """The other modules through which the file is open. Forgets connections that are closed."""
    name = identity(path)
    with _lock:
        if name is None or name not in _open:
            return []
        held = []
        for entry in _open[name]:
            connection = entry[1]()
            if connection is not None and not entry[2](connection):
                held.append(entry)
        if held:
            _open[name] = held
        else:
            del _open[name]
        return sorted({entry[0] for entry in held if entry[0] != host})


def remember(path: str, host: str, connection: Any, is_closed: Callable[[Any], bool]) -> None:
    """Notes that the connection has the file open."""
    name = identity(path)
    if name is not None:
        with _lock:
            _open.setdefault(name, []).append((host, weakref.ref(connection), is_closed))
