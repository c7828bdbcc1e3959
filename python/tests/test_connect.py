"""connect(): an ordinary connection with nearlite in it, whatever the Python was built with."""

import os
import sqlite3
import subprocess
import sys
import threading

import pytest

import nearlite

CAN_LOAD = hasattr(sqlite3.Connection, "enable_load_extension")


def rows(connection, sql, *params):
    return [tuple(row) for row in connection.execute(sql, params)]


def fill(connection):
    connection.execute("CREATE VIRTUAL TABLE t USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, e VECTOR(2))")
    for name, vector in [("owl", [1.0, 0.1]), ("wolf", [0.1, 1.0]), ("falcon", [0.9, 0.3])]:
        connection.execute("INSERT INTO t VALUES(?, ?, ?)", (name, f"a {name} hunts", nearlite.serialize_float32(vector)))


def nearest(connection):
    return [row[0] for row in rows(connection, "SELECT id FROM t WHERE e MATCH '[1, 0]' ORDER BY distance LIMIT 2")]


def in_a_process(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_connection_is_sqlite3s_own_and_searches(path):
    connection = nearlite.connect(path)
    assert isinstance(connection, sqlite3.Connection)
    fill(connection)
    connection.commit()
    assert nearest(connection) == ["owl", "falcon"]
    connection.close()
    again = nearlite.connect(path)
    assert nearest(again) == ["owl", "falcon"]
    again.close()


def test_the_version_of_the_package_is_that_of_the_library(db):
    assert rows(db, "SELECT nearlite_version()") == [("v" + nearlite.__version__,)]


def test_the_sqlite_is_the_one_that_the_sqlite3_module_calls(db):
    plain = sqlite3.connect(":memory:")
    assert rows(db, "SELECT sqlite_source_id()") == rows(plain, "SELECT sqlite_source_id()")


def test_arguments_mean_what_they_mean_to_sqlite3(path):
    class Mine(sqlite3.Connection):
        def execute(self, *arguments):
            raise AssertionError("connect() must not use what a factory overrides")

    mine = nearlite.connect(path, factory=Mine, isolation_level=None, timeout=0.25, cached_statements=7)
    assert type(mine) is Mine and mine.isolation_level is None
    mine.close()
    uri = nearlite.connect("file:" + path + "?mode=rw", uri=True)
    fill(uri)
    uri.commit()
    uri.close()
    read_only = nearlite.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
    assert nearest(read_only) == ["owl", "falcon"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        read_only.execute("DELETE FROM t")
    read_only.close()


def test_a_path_may_be_a_path_object_or_bytes(tmp_path):
    for name in (tmp_path / "a.db", os.fsencode(str(tmp_path / "b.db"))):
        connection = nearlite.connect(name)
        fill(connection)
        connection.close()


def test_what_sqlite3_raises_comes_through(tmp_path):
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        nearlite.connect(str(tmp_path / "missing" / "x.db"))
    with pytest.raises(TypeError):
        nearlite.connect(":memory:", no_such_argument=1)
    # And nothing of the failed connects stays registered.
    assert_plain(sqlite3.connect(":memory:"))


def assert_plain(connection):
    with pytest.raises(sqlite3.OperationalError, match="no such function"):
        connection.execute("SELECT nearlite_version()")


def test_connections_that_are_opened_otherwise_do_not_have_nearlite(db):
    assert_plain(sqlite3.connect(":memory:"))


def test_extension_loading_is_off_afterwards(db):
    with pytest.raises(sqlite3.OperationalError, match="not authorized|no such function"):
        db.execute("SELECT load_extension(?)", (nearlite.loadable_path(),))


def test_many_threads_connect_at_once(path):
    first = nearlite.connect(path)
    fill(first)
    first.commit()
    failures, found = [], []

    def work():
        try:
            for _ in range(20):
                connection = nearlite.connect(path)
                found.append(nearest(connection))
                connection.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert found == [["owl", "falcon"]] * 160
    assert_plain(sqlite3.connect(":memory:"))
    first.close()


def test_a_factory_may_connect_inside_a_connect():
    class Nested(sqlite3.Connection):
        def __init__(self, *arguments, **more):
            inner = nearlite.connect(":memory:")
            inner.close()
            super().__init__(*arguments, **more)

    connection = nearlite.connect(":memory:", factory=Nested)
    assert sqlite3.Connection.execute(connection, "SELECT nearlite_version()").fetchone()
    connection.close()
    assert_plain(sqlite3.connect(":memory:"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_forks_while_another_thread_connects_can_connect():
    code = """
import os, sqlite3, sys, threading, time
import nearlite
inside, go = threading.Event(), threading.Event()
class Slow(sqlite3.Connection):
    def __init__(self, *arguments, **more):
        inside.set(); go.wait()
        super().__init__(*arguments, **more)
thread = threading.Thread(target=lambda: nearlite.connect(":memory:", factory=Slow, check_same_thread=False))
thread.start(); inside.wait()
child = os.fork()
if child == 0:
    nearlite.connect(":memory:").execute("SELECT nearlite_version()")
    try:
        sqlite3.connect(":memory:").execute("SELECT nearlite_version()")
    except sqlite3.OperationalError:
        os._exit(0)
    os._exit(3)
status = os.waitpid(child, 0)[1]
go.set(); thread.join()
print(status)
"""
    assert in_a_process(code) == "0"


def test_load_works_or_names_connect(path):
    plain = sqlite3.connect(path)
    if CAN_LOAD:
        nearlite.load(plain)
        nearlite.load(plain)
        fill(plain)
        assert nearest(plain) == ["owl", "falcon"]
    else:
        with pytest.raises(nearlite.LoadError, match=r"nearlite\.connect\(\)"):
            nearlite.load(plain)
    plain.close()


def test_load_leaves_a_connection_that_has_nearlite_alone(db):
    db.row_factory = lambda cursor, row: {"x": row[0]}
    nearlite.load(db)


def test_what_is_no_connection_is_refused():
    with pytest.raises(TypeError, match="expected a connection"):
        nearlite.load(object())


def test_an_unknown_module_is_refused():
    with pytest.raises(ValueError, match="sqlite3, pysqlite3, sqlean, apsw"):
        nearlite.connect(":memory:", using="sqlite4")


def test_a_module_that_is_not_installed_is_named():
    code = """
import sys
sys.modules["pysqlite3"] = None
import nearlite
try:
    nearlite.connect(":memory:", using="pysqlite3")
except nearlite.LoadError as error:
    print(error)
"""
    assert "pysqlite3 is not installed" in in_a_process(code)


def test_no_other_module_is_imported_unasked():
    code = """
import sys, nearlite
nearlite.connect(":memory:")
print(sorted(set(sys.modules) & {"apsw", "pysqlite3", "sqlean", "numpy"}))
"""
    assert in_a_process(code) == "[]"


def test_the_loadable_path_is_a_file_that_stands_alone():
    assert os.path.isfile(nearlite.loadable_path())
