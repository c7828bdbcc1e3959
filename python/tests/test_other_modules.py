"""apsw, pysqlite3 and sqlean: loading, and two SQLite libraries in one process. Each test has a process of its own."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest

OTHERS = [name for name in ("apsw", "pysqlite3", "sqlean") if importlib.util.find_spec(name)]
PRELUDE = """
import sys, sqlite3, nearlite
path = sys.argv[1]
SEARCH = "SELECT id FROM t WHERE e MATCH '[1, 0]' ORDER BY distance LIMIT 2"
def fill(db):
    db.execute("CREATE VIRTUAL TABLE t USING nearlite(id TEXT PRIMARY KEY, e VECTOR(2))")
    for row in [("owl", "[1, 0]"), ("wolf", "[0, 1]"), ("falcon", "[0.9, 0.3]")]:
        db.execute("INSERT INTO t VALUES(?, ?)", row)
    if hasattr(db, "commit"):
        db.commit()
def found(db):
    return [row[0] for row in db.execute(SEARCH)]
def refusal(call):
    try:
        call()
    except nearlite.LoadError as error:
        return str(error)
    raise AssertionError("not refused")
"""


def run(path, code):
    script = PRELUDE + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=OTHERS)
def other(request):
    return request.param


def test_connect_uses_the_module_that_is_asked_for(path, other):
    run(
        path,
        f"""
        import {other}
        db = nearlite.connect(path, using="{other}")
        assert isinstance(db, {other}.Connection)
        fill(db)
        assert found(db) == ["owl", "falcon"]
    """,
    )


def test_load_takes_a_connection_of_the_module(path, other):
    run(
        path,
        f"""
        import {other}
        db = {other}.Connection(path) if "{other}" == "apsw" else {other}.connect(path)
        nearlite.load(db)
        nearlite.load(db)
        fill(db)
        assert found(db) == ["owl", "falcon"]
        try:
            db.execute("SELECT load_extension('x')")
        except Exception as error:
            assert "not authorized" in str(error)
        else:
            raise AssertionError("extension loading was left on")
    """,
    )


@pytest.mark.parametrize("first", [True, False])
def test_two_libraries_work_side_by_side_on_different_files(path, other, first):
    order = ["sqlite3", other] if first else [other, "sqlite3"]
    run(
        path,
        f"""
        pair = [nearlite.connect(path + name, using=name) for name in {order!r}]
        for db in pair:
            fill(db)
        for db in pair:
            assert found(db) == ["owl", "falcon"]
        third = nearlite.connect(path + "again", using="{other}")
        fill(third)
        assert found(third) == ["owl", "falcon"]
    """,
    )


def test_a_file_that_is_open_under_one_library_is_refused_to_another(path, other):
    run(
        path,
        f"""
        import os
        db = nearlite.connect(path)
        fill(db)
        os.symlink(path, path + ".link")
        for name in (path, path + ".link", os.path.relpath(path)):
            message = refusal(lambda: nearlite.connect(name, using="{other}"))
            assert "sqlite3" in message and "{other}" in message and "locks" in message, message
        # Through the same library it can be opened again.
        assert found(nearlite.connect(path)) == ["owl", "falcon"]
    """,
    )


def test_load_refuses_a_file_that_another_library_has_open(path, other):
    run(
        path,
        f"""
        import {other}
        db = nearlite.connect(path)
        fill(db)
        plain = {other}.Connection(path) if "{other}" == "apsw" else {other}.connect(path)
        assert "another SQLite library" in refusal(lambda: nearlite.load(plain))
    """,
    )


@pytest.mark.parametrize("how", ["db.close()", "del db"])
def test_a_file_is_free_for_another_library_once_it_is_closed(path, other, how):
    run(
        path,
        f"""
        db = nearlite.connect(path)
        fill(db)
        {how}
        db = nearlite.connect(path, using="{other}")
        assert found(db) == ["owl", "falcon"]
        db.close()
        assert found(nearlite.connect(path)) == ["owl", "falcon"]
    """,
    )


def test_memory_is_never_a_file_that_two_share(path, other):
    run(
        path,
        f"""
        one, two = nearlite.connect(":memory:"), nearlite.connect(":memory:", using="{other}")
        fill(one), fill(two)
    """,
    )
