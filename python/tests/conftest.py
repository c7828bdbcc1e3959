"""The tests import the installed package and run outside the repository, as a user's program does."""

import io
import json
import pathlib
import sys

import pytest

import nearlite
import nearlite.cli

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import cli_rows  # noqa: E402


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


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Runs the command in an empty folder; returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        try:
            code = nearlite.cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def jsonl(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in cli_rows.ROWS))
    return path
