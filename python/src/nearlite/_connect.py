"""Connections with nearlite in them."""

from __future__ import annotations

import importlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any, overload

from . import _auto, _files, _library
from ._errors import LoadError

if TYPE_CHECKING:
    from typing import Literal

#: The modules that ``connect(..., using=...)`` knows.
HOSTS = ("sqlite3", "pysqlite3", "sqlean", "apsw")


class Connection(sqlite3.Connection):
    """What ``connect()`` returns where no factory is given: a ``sqlite3.Connection``, to which weak references exist."""


@overload
def connect(database: str | bytes | os.PathLike[str], *, using: Literal["sqlite3"] = "sqlite3", **arguments: Any) -> sqlite3.Connection: ...
@overload
def connect(database: str | bytes | os.PathLike[str], *, using: str, **arguments: Any) -> Any: ...


def connect(database: str | bytes | os.PathLike[str], *, using: str = "sqlite3", **arguments: Any) -> Any:
    """Opens a database and loads nearlite into the connection.

    The arguments are those of ``sqlite3.connect()``, with ``check_same_thread=False`` unless it is given. It works in Pythons that
    were built without extension loading too.

    ``using`` names another module to connect with: "pysqlite3", "sqlean" or "apsw" (whose arguments are those of
    ``apsw.Connection()``). Each brings an SQLite library of its own, which is why none is ever taken unasked. While a file
    is open under one library it cannot be opened here under another one.

    Raises LoadError where nearlite cannot be loaded, and whatever the module raises where the file cannot be opened.
    """
    if using not in HOSTS:
        raise ValueError(f"using={using!r} is not known; there are {', '.join(HOSTS)}")
    try:
        module = importlib.import_module(using)
    except ImportError as error:
        raise LoadError(f"{using} is not installed: {error}") from error
    path = _path_of(database, bool(arguments.get("uri")) or using == "apsw")
    if path is not None:
        _files.refuse_second_library(path, using)
    if using == "apsw":
        connection = module.Connection(os.fspath(database), **arguments)
    else:
        # A collection lets threads take turns, and its async methods run in worker threads.
        arguments.setdefault("check_same_thread", False)
        if using == "sqlite3":
            arguments.setdefault("factory", Connection)
        elif "factory" not in arguments:
            arguments["factory"] = type("Connection", (module.Connection,), {})
        connection = _open(module, database, arguments)
    try:
        if not (using == "sqlite3" and not hasattr(connection, "enable_load_extension")):
            load(connection)
        if path is not None:
            try:
                _files.remember(path, using, connection, _is_closed)
            except TypeError:
                # A factory of the caller's own whose objects cannot be referred to weakly.
                pass
    except BaseException:
        connection.close()
        raise
    return connection


def _open(module: Any, database: Any, arguments: Any) -> Any:
    if module is not sqlite3 or hasattr(sqlite3.Connection, "enable_load_extension"):
        return module.connect(database, **arguments)
    connection = _auto.open_with(lambda: sqlite3.connect(database, **arguments))
    if not has_nearlite(connection):
        connection.close()
        raise LoadError(
            "nearlite was registered with another SQLite library than the one this Python's sqlite3 calls; "
            'install apsw or pysqlite3 and call nearlite.connect(..., using="apsw")'
        )
    return connection


def load(connection: Any) -> None:
    """Loads nearlite into an open connection of sqlite3, pysqlite3, sqlean or apsw.

    Extension loading is switched on for the call and off after it. Where the connection has nearlite already, nothing
    happens.

    Raises LoadError where the connection's module was built without extension loading: only ``connect()`` works there.
    """
    known = any(_top(base) in HOSTS for base in type(connection).__mro__)
    if known and has_nearlite(connection):
        return
    if not known or not hasattr(connection, "enable_load_extension"):
        if known:
            raise LoadError(
                "this Python's sqlite3 was built without extension loading: open the connection with nearlite.connect(), which works here"
            )
        raise TypeError(f"expected a connection of sqlite3, pysqlite3, sqlean or apsw, got {type(connection).__name__}")
    host = _host_of(connection)
    for name in _files_of(connection):
        _files.refuse_second_library(name, host)
    connection.enable_load_extension(True)
    try:
        _load_file(connection, host)
    finally:
        connection.enable_load_extension(False)


def _load_file(connection: Any, host: str) -> None:
    path = _library.loadable_path()
    if not os.path.exists(path):
        raise LoadError(f"{path} is missing: this installation of nearlite is incomplete")
    try:
        connection.load_extension(path)
        return
    except Exception as error:
        if "another copy of SQLite" not in str(error):
            raise LoadError(f"nearlite could not be loaded: {error}") from error
    try:
        connection.load_extension(_library.copy_for(host))
    except Exception as error:
        raise LoadError(f"nearlite could not be loaded: {error}") from error


def has_nearlite(connection: Any) -> bool:
    """Whether nearlite is loaded in the connection.

    Asked by a pragma that does not read the schema: SQLite looks for shadow tables when it reads it, so nearlite has to be there
    by then.
    """
    return any(row[0] in ("nearlite", b"nearlite") for row in _rows(connection, "PRAGMA module_list"))


def _rows(connection: Any, sql: str) -> list[Any]:
    """The rows as tuples, whatever a subclass overrides and whichever row factory is set."""
    owner: Any = next((base for base in type(connection).__mro__ if _top(base) in HOSTS), type(connection))
    cursor = owner.cursor(connection)
    setattr(cursor, "row_factory" if hasattr(cursor, "row_factory") else "row_trace", None)
    cursor.execute(sql)
    try:
        return list(cursor)
    finally:
        cursor.close()


def _top(base: type) -> str:
    """The package that a class comes from; ``_sqlite3`` and ``sqlite3`` are one."""
    return base.__module__.partition(".")[0].lstrip("_")


def _host_of(connection: Any) -> str:
    """The module of HOSTS that the connection belongs to, or the module of its class."""
    return next((_top(base) for base in type(connection).__mro__ if _top(base) in HOSTS), type(connection).__module__)


def _files_of(connection: Any) -> list[str]:
    """The files of an open connection."""
    return [os.fsdecode(row[2]) for row in _rows(connection, "PRAGMA database_list") if row[2]]


def _path_of(database: Any, uri: bool) -> str | None:
    """The path of the file, or None for a database in memory."""
    path = os.fsdecode(database)
    if uri and path.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(path)
        if "mode=memory" in parts.query.split("&"):
            return None
        path = unquote(parts.path)
    return None if path in ("", ":memory:") else path


def _is_closed(connection: Any) -> bool:
    """Whether the connection was closed, without running a statement."""
    try:
        if hasattr(connection, "total_changes") and not callable(connection.total_changes):
            _ = connection.total_changes
        else:
            connection.total_changes()
    except Exception:
        return True
    return False
