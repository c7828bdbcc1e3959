"""The tests import the installed package and run outside the repository, as a user's program does."""

import pathlib
import sys

import pytest

import nearlite

sys.path.insert(0, str(pathlib.Path(__file__).parent))


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
