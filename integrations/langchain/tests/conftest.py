"""Shared fixtures."""

import pathlib
import sys

import nearlite
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "python" / "tests"))

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


@pytest.fixture(params=["file", "memory"])
def where(request, tmp_path):
    """Where a store keeps its documents."""
    return str(tmp_path / "store.db") if request.param == "file" else ":memory:"
