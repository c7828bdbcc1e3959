"""nearlite in Pythons whose ``sqlite3`` was built without extension loading.

SQLite calls the entry points that are registered with ``sqlite3_auto_extension()`` for each connection that opens. That
function has to be the one of the very library that ``_sqlite3`` calls, so it is looked up through ``_sqlite3`` itself: a
symbol of the handle of a library is looked for in the library and in what it was linked with.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from . import _library
from ._errors import LoadError

_Routines = tuple[Any, Any, Any]

# Held from the registration of the entry point to its cancelling. A factory may connect inside a connect.
_lock = threading.RLock()
_depth = 0
_routines: _Routines | None = None
_for_good = False


def _in_child() -> None:
    """After a fork: the thread that held the lock does not exist here, and what it had registered goes."""
    global _lock, _depth
    _lock = threading.RLock()
    if _depth and _routines is not None and not _for_good:
        _routines[1](_routines[2])
    _depth = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def _find(path: str) -> _Routines:
    """``sqlite3_auto_extension``, ``sqlite3_cancel_auto_extension`` and the entry point of the library at ``path``."""
    import _sqlite3

    # Without a file the module is part of the program itself.
    sqlite = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        register, cancel = sqlite.sqlite3_auto_extension, sqlite.sqlite3_cancel_auto_extension
    except AttributeError:
        raise LoadError(
            "this Python's sqlite3 can neither load extensions nor be reached from outside; "
            'install apsw or pysqlite3 and call nearlite.connect(..., using="apsw")'
        ) from None
    register.argtypes = cancel.argtypes = [ctypes.c_void_p]
    register.restype = cancel.restype = ctypes.c_int
    return register, cancel, ctypes.cast(ctypes.CDLL(path).sqlite3_nearlite_init, ctypes.c_void_p)


@contextmanager
def _registered(routines: _Routines) -> Iterator[None]:
    """Connections that the block opens have nearlite. So have those that other threads open meanwhile, which is harmless."""
    global _depth
    register, cancel, entry = routines
    if register(entry) != 0:
        raise LoadError("SQLite did not take nearlite as an automatic extension")
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth and not _for_good:
            cancel(entry)


def open_with(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """Returns the connection that ``connect`` opens, with nearlite in it."""
    global _routines
    with _lock:
        if _routines is None:
            _routines = _find(_library.loadable_path())
        try:
            with _registered(_routines):
                return connect()
        except sqlite3.OperationalError as error:
            if "automatic extension loading failed" not in str(error):
                raise
            if "another copy of SQLite" not in str(error):
                raise LoadError(f"nearlite could not be loaded: {error}") from error
        # The file serves another SQLite of this process, apsw's for example.
        _routines = _find(_library.copy_for("sqlite3"))
        with _registered(_routines):
            return connect()


def register_for_good() -> None:
    """Every later connection of this process has nearlite, whoever opens it. For plugins, which open none themselves."""
    global _for_good
    with _lock:
        # Opened and closed to find out which copy of the library serves.
        open_with(lambda: sqlite3.connect(":memory:")).close()
        assert _routines is not None
        if _routines[0](_routines[2]) != 0:
            raise LoadError("SQLite did not take nearlite as an automatic extension")
        _for_good = True
