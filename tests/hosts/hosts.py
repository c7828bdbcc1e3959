"""The programs that nearlite is loaded into, behind one small interface.

`Stdlib` is Python's own `sqlite3` (on Debian 12: SQLite 3.40.1, which shows a virtual table neither LIMIT nor OFFSET),
`Apsw` carries the newest SQLite, and `shell` runs the `sqlite3` program. Each host of this process loads a copy of
the library of its own, because the routine table an extension calls is one per loaded library, whoever loads it.
"""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import apsw

HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_EXTENSION = HERE.parent.parent / "sqlite-ext" / "dist" / "nearlite"
SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def extension_file():
    """The library under test, with its suffix."""
    path = pathlib.Path(os.environ.get("NEARLITE_EXTENSION") or DEFAULT_EXTENSION).resolve()
    return path if path.suffix else path.with_suffix(SUFFIX)


_copies = tempfile.TemporaryDirectory(prefix="nearlite-hosts-")


def own_copy(host_name):
    """Path, without suffix, of the copy that `host_name` loads."""
    folder = pathlib.Path(_copies.name) / host_name
    if not folder.exists():
        folder.mkdir()
        shutil.copyfile(extension_file(), folder / ("nearlite" + SUFFIX))
    return str(folder / "nearlite")


class Failure:
    """An error that a statement raised: its text and SQLite's extended code."""

    def __init__(self, message, code):
        self.message = message
        self.code = code

    def says(self, *words):
        """True where every word occurs in the message, whatever its case."""
        return all(word.lower() in self.message.lower() for word in words)

    def __repr__(self):
        return f"Failure({self.code}: {self.message!r})"


class Db:
    """A connection in autocommit mode. Subclasses know the host's spelling of things."""

    def rows(self, sql, *params):
        """All rows as a list of tuples."""
        raise NotImplementedError

    def many(self, sql, rows):
        raise NotImplementedError

    def cursor(self, sql, *params):
        """An open cursor that is stepped by iterating."""
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def many_in_transaction(self, sql, rows):
        self.rows("BEGIN")
        self.many(sql, rows)
        self.rows("COMMIT")

    def column(self, sql, *params):
        """The first column of all rows."""
        return [row[0] for row in self.rows(sql, *params)]

    def one(self, sql, *params):
        """The only value of the only row."""
        rows = self.rows(sql, *params)
        assert len(rows) == 1 and len(rows[0]) == 1, f"expected one value from {sql}: {rows!r}"
        return rows[0][0]

    def failure(self, sql, *params):
        """The error that the statement must raise."""
        try:
            rows = self.rows(sql, *params)
        except self.errors as error:
            return Failure(str(error), self.code_of(error))
        raise AssertionError(f"no error from {sql} with {params!r}; it returned {rows[:5]!r}")

    def plan(self, sql, *params):
        """EXPLAIN QUERY PLAN as one text."""
        return "\n".join(row[3] for row in self.rows("EXPLAIN QUERY PLAN " + sql, *params))


class StdlibDb(Db):
    errors = (sqlite3.Error,)

    def __init__(self, path, extension, timeout=5.0):
        self.connection = sqlite3.connect(path, isolation_level=None, uri=str(path).startswith("file:"), timeout=timeout)
        if extension:
            self.connection.enable_load_extension(True)
            self.connection.load_extension(extension)
            self.connection.enable_load_extension(False)

    @staticmethod
    def code_of(error):
        return getattr(error, "sqlite_errorcode", None)

    def rows(self, sql, *params):
        return self.connection.execute(sql, params).fetchall()

    def many(self, sql, rows):
        self.connection.executemany(sql, rows)

    def cursor(self, sql, *params):
        return iter(self.connection.execute(sql, params))

    def close(self):
        self.connection.close()


class ApswDb(Db):
    errors = (apsw.Error,)

    def __init__(self, path, extension, timeout=5.0):
        self.connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI)
        self.connection.set_busy_timeout(int(timeout * 1000))
        if extension:
            self.connection.enable_load_extension(True)
            self.connection.load_extension(extension)
            self.connection.enable_load_extension(False)

    @staticmethod
    def code_of(error):
        return getattr(error, "extendedresult", None)

    def rows(self, sql, *params):
        return list(self.connection.execute(sql, params))

    def many(self, sql, rows):
        self.connection.executemany(sql, rows)

    def cursor(self, sql, *params):
        return iter(self.connection.execute(sql, params))

    def close(self):
        self.connection.close()


class Host:
    """One host: how it is called and how it opens a database."""

    def __init__(self, name, db_class, version):
        self.name = name
        self.db_class = db_class
        self.version = tuple(int(part) for part in version.split("."))

    def open(self, path=":memory:", extension=True, **options):
        return self.db_class(str(path), own_copy(self.name) if extension else None, **options)

    def __repr__(self):
        return self.name


HOSTS = [
    Host("stdlib", StdlibDb, sqlite3.sqlite_version),
    Host("apsw", ApswDb, apsw.sqlite_lib_version()),
]


class ShellResult:
    def __init__(self, completed):
        self.status = completed.returncode
        self.lines = completed.stdout.splitlines()
        self.errors = completed.stderr.strip()

    def __repr__(self):
        return f"ShellResult({self.status}, {self.lines[:10]!r}, {self.errors!r})"


def shell(script, path=":memory:", load=True, options=()):
    """Runs `script` in the `sqlite3` program; every dot command and statement stands on its own line."""
    commands = f".load {own_copy('shell')}\n{script}\n" if load else script + "\n"
    command = ["sqlite3", "-batch", *options, str(path)]
    return ShellResult(subprocess.run(command, input=commands, capture_output=True, text=True, timeout=120))


def has_shell():
    return shutil.which("sqlite3") is not None
