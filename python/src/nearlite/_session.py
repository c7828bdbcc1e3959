"""One connection as a collection uses it: one thread at a time, in transactions that leave nothing half-written."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from . import _connect
from ._errors import ClosedError, Error, ExistsError, FilterError, InputError, LoadError, ThreadError

Row = tuple[Any, ...]

# The engine's errors begin with the table, the column or the function, or say of something that it is beyond a limit; SQLite's own do not.
_OF_ENGINE = re.compile(r"[^\s:]+(?: options)?: |.+ is \d+, the limit is \d+\Z", re.S)
_OF_FILTER = re.compile(r"(?:^|: )(?:json|row)_matches: ")


_NOT_NULL = re.compile(r"NOT NULL constraint failed: (.*)", re.S)


class _Turn:
    """The lock of a connection. All collections on the connection share it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


# By the identity of the connection, which is alive as long as a session refers to it and to its turn.
_turns: weakref.WeakValueDictionary[int, _Turn] = weakref.WeakValueDictionary()
_turns_lock = threading.Lock()


class Session:
    """Runs statements on a connection of sqlite3, apsw, pysqlite3 or sqlean, with the connection's own factories out of the way.

    Errors of the engine are known by the ``table`` that they begin with, if nothing else says whose they are.
    """

    def __init__(self, connection: Any, table: str = "") -> None:
        owner: Any = next((base for base in type(connection).__mro__ if _connect._top(base) in _connect.HOSTS), None)
        if owner is None:
            raise TypeError(f"expected a connection of sqlite3, pysqlite3, sqlean or apsw, got {type(connection).__name__}")
        self.connection = connection
        self.host = _connect._top(owner)
        self._new_cursor = owner.cursor
        self._of_table = (f"{table.lower()}: ", f"{table.lower()}.") if table else ()
        self._factory = "row_trace" if self.host == "apsw" else "row_factory"
        with _turns_lock:
            turn = _turns.get(id(connection))
            if turn is None:
                turn = _turns[id(connection)] = _Turn()
        self._turn = turn
        self.lock = turn.lock
        try:
            loaded = _connect.has_nearlite(connection)
        except Exception as error:
            raise self._told(error) from error
        if not loaded:
            raise LoadError("the connection has no nearlite: open it with nearlite.connect(), or call nearlite.load(connection) first")

    @contextmanager
    def _texts(self) -> Iterator[None]:
        """Texts are read as ``str``, whatever the connection makes of them. The caller holds the lock."""
        factory = getattr(self.connection, "text_factory", str)
        if factory is str:
            yield
            return
        self.connection.text_factory = str
        try:
            yield
        finally:
            self.connection.text_factory = factory

    def cursor(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """Starts a statement and returns the cursor that its rows come from. The caller holds the lock."""
        try:
            with self._texts():
                cursor = self._new_cursor(self.connection)
                setattr(cursor, self._factory, None)
                cursor.execute(sql, params)
            return cursor
        except Exception as error:
            raise self._told(error) from error

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a statement, as tuples."""
        with self.lock:
            try:
                with self._texts():
                    cursor = self._new_cursor(self.connection)
                    setattr(cursor, self._factory, None)
                    cursor.execute(sql, params)
                    return cursor.fetchall()  # type: ignore[no-any-return]
            except Exception as error:
                raise self._told(error) from error

    def value(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """The first value of the first row, None where there is none."""
        for row in self.rows(sql, params):
            return row[0]
        return None

    def take(self, cursor: Any, count: int) -> list[Row]:
        """The next rows of a cursor, at most ``count``."""
        with self.lock:
            try:
                if self.host != "apsw":
                    with self._texts():
                        return cursor.fetchmany(count)  # type: ignore[no-any-return]
                return [row for _, row in zip(range(count), cursor)]
            except Exception as error:
                raise self._told(error) from error

    def stream(self, sql: str, params: Sequence[Any], step: int) -> Iterator[Row]:
        """The rows of a statement as they are taken, ``step`` at once from SQLite."""
        with self.lock:
            cursor = self.cursor(sql, params)
        try:
            while True:
                rows = self.take(cursor, step)
                yield from rows
                if len(rows) < step:
                    return
        finally:
            cursor.close()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Runs the statement for each of the rows; returns how many rows of the table changed."""
        with self.lock:
            try:
                cursor = self._new_cursor(self.connection)
                if self.host != "apsw":
                    cursor.executemany(sql, rows)
                    return max(int(cursor.rowcount), 0)
                changed = 0
                for row in rows:
                    cursor.execute(sql, row)
                    changed += self.connection.changes()
                return changed
            except Exception as error:
                raise self._told(error) from error

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction; inside one that is open already, a savepoint. Whatever the block raises, nothing of it stays."""
        with self.lock:
            nested = self.in_transaction
            self.rows("SAVEPOINT nearlite_collection" if nested else "BEGIN IMMEDIATE")
            try:
                yield
                if not nested:
                    self.rows("COMMIT")
            except BaseException:
                # Some errors end the whole transaction by themselves.
                if self.in_transaction:
                    if nested:
                        self.rows("ROLLBACK TO nearlite_collection")
                        self.rows("RELEASE nearlite_collection")
                    else:
                        self.rows("ROLLBACK")
                raise
            if nested:
                self.rows("RELEASE nearlite_collection")

    @contextmanager
    def read(self) -> Iterator[None]:
        """Statements of the block see one state of the file."""
        with self.lock:
            if self.in_transaction:
                yield
                return
            self.rows("BEGIN")
            try:
                yield
            finally:
                if self.in_transaction:
                    self.rows("COMMIT")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        try:
            return bool(self.connection.in_transaction)
        except Exception as error:
            raise self._told(error) from error

    def file(self) -> str:
        """The path of the main database, for messages."""
        path: str | None = None
        for row in self.rows("PRAGMA database_list"):
            if row[1] == "main":
                path = row[2]
        return path or "the database in memory"

    def _told(self, error: Exception) -> Exception:
        """The error that is raised in place of one that the connection's module raised."""
        if isinstance(error, Error):
            return error
        message, name = str(error), type(error).__name__
        if "closed database" in message or name == "ConnectionClosedError":
            return ClosedError("the connection is closed; open it again with nearlite.connect()")
        if "created in a thread" in message or name == "ThreadingViolationError":
            return ThreadError(
                "the connection can be used by the thread alone that opened it; open it with nearlite.connect(), "
                "or with sqlite3.connect(..., check_same_thread=False)"
            )
        if name in ("IntegrityError", "ConstraintError") and ("UNIQUE" in message or "exists" in message):
            return ExistsError(message)
        missing = _NOT_NULL.search(message)
        if name in ("IntegrityError", "ConstraintError") and missing:
            return InputError(f"{missing[1]}: a row has no value for this column, which is NOT NULL")
        if isinstance(error, UnicodeEncodeError):
            return InputError("a text holds half of a surrogate pair, which is no character: it cannot be stored")
        if isinstance(error, OverflowError):
            return InputError("a whole number is beyond 64 bits, which SQLite cannot store")
        if name in ("OperationalError", "SQLError") and getattr(error, "sqlite_errorcode", 1) == 1 and self._is_of_engine(message):
            return FilterError(message) if _OF_FILTER.search(message) else InputError(message)
        return error

    def _is_of_engine(self, message: str) -> bool:
        return _OF_ENGINE.match(message) is not None or message.lower().startswith(self._of_table)
