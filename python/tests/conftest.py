"""The tests import the installed package and run outside the repository, as a user's program does."""

import pathlib
import sys

import pytest

import nearlite

sys.path.insert(0, str(pathlib.Path(__file__).parent))

_probe = nearlite.connect(":memory:")
if not _probe.execute("SELECT 1 FROM pragma_function_list WHERE name = 'json_matches'").fetchall():
    import json_matches

    _connect = nearlite.connect

    def _with_stand_in(*arguments, **options):
        connection = _connect(*arguments, **options)
        if hasattr(connection, "create_function"):
            connection.create_function("json_matches", 2, json_matches.function, deterministic=True)
        else:
            connection.create_scalar_function("json_matches", json_matches.function, 2)
        return connection

    nearlite.connect = _with_stand_in
_probe.close()


def pytest_report_header():
    import sqlite3

    loading = "with" if hasattr(sqlite3.Connection, "enable_load_extension") else "without"
    return [f"nearlite from {pathlib.Path(nearlite.__file__).parent}", f"SQLite {sqlite3.sqlite_version}, {loading} extension loading"]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "test.db")


@pytest.fixture
def db():
    connection = nearlite.connect(":memory:")
    yield connection
    connection.close()
