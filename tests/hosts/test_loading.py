"""The extension loads into every host, more than once, and leaves the file an ordinary SQLite file."""

import ctypes.util
import os
import shutil
import subprocess
import sys

import pytest

import hosts
import model


def test_loads_and_tells_its_version(db):
    assert db.one("SELECT nearlite_version()").count(".") >= 1


def test_loads_by_each_exported_entry_point(host, tmp_path):
    for entry in ("sqlite3_nearlite_init", "sqlite3_extension_init"):
        db = host.open(extension=False)
        db.connection.enable_load_extension(True)
        if host.name == "stdlib":
            # Python 3.11 has no entry point argument; SQL's load_extension() has.
            db.rows("SELECT load_extension(?, ?)", hosts.own_copy(host.name), entry)
        else:
            db.connection.load_extension(hosts.own_copy(host.name), entry)
        assert db.one("SELECT nearlite_version()")
        db.close()


def test_a_library_of_another_file_name_loads_by_the_generic_entry_point(host, tmp_path):
    renamed = tmp_path / ("vec_of_mine" + hosts.SUFFIX)
    shutil.copyfile(hosts.extension_file(), renamed)
    db = host.open(extension=False)
    db.connection.enable_load_extension(True)
    db.connection.load_extension(str(renamed.with_suffix("")))
    assert db.one("SELECT nearlite_version()")
    db.close()


def test_loading_twice_on_one_connection_is_fine(db, host):
    db.rows(model.CREATE)
    db.rows("INSERT INTO docs(rowid, embedding) VALUES(1, ?)", model.blob([1] * 8))
    db.connection.enable_load_extension(True)
    db.connection.load_extension(hosts.own_copy(host.name))
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 1", model.blob([1] * 8)) == [1]


def test_many_connections_load_it_at_the_same_time(host, path):
    many = [host.open(path) for _ in range(20)]
    many[0].rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2) METRIC l2)")
    many[1].rows("INSERT INTO docs(rowid, embedding) VALUES(5, '[3, 4]')")
    for db in many:
        assert db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[0, 0]' ORDER BY distance LIMIT 1") == [(5, 5.0)]
    for db in many:
        db.close()


def test_connections_that_open_later_find_the_table_after_others_closed(host, path):
    first = host.open(path)
    first.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2) METRIC l2)")
    first.rows("INSERT INTO docs(rowid, embedding) VALUES(5, '[3, 4]')")
    first.close()
    for _ in range(3):
        again = host.open(path)
        assert again.column("SELECT distance FROM docs WHERE embedding MATCH '[0, 0]' ORDER BY rank LIMIT 1") == [5.0]
        again.close()


def test_without_the_extension_the_other_tables_and_the_rows_stay_readable(host, path):
    db = host.open(path)
    db.rows("CREATE TABLE notes(x)")
    db.rows("INSERT INTO notes VALUES('kept')")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, year INTEGER, embedding VECTOR(2))")
    db.rows("INSERT INTO docs(rowid, title, year, embedding) VALUES(3, 'a title', 1999, '[1, 2]')")
    db.close()
    bare = host.open(path, extension=False)
    assert bare.column("SELECT x FROM notes") == ["kept"]
    assert [value for row in bare.rows("SELECT * FROM docs_rows") for value in row if value in (3, "a title", 1999)] == [3, "a title", 1999]
    assert bare.one("PRAGMA integrity_check") == "ok"
    assert bare.failure("SELECT * FROM docs").says("no such module", "nearlite")
    bare.close()


@pytest.mark.skipif(not hosts.has_shell(), reason="no sqlite3 program")
def test_the_shell_loads_it_with_dot_load():
    result = hosts.shell("SELECT nearlite_version() IS NOT NULL, vec_length('[1,2,3]');")
    assert result.lines == ["1|3"], result


@pytest.mark.skipif(not hosts.has_shell(), reason="no sqlite3 program")
def test_the_shell_makes_fills_and_searches_a_table(path):
    result = hosts.shell(
        """
        CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, embedding VECTOR(3));
        INSERT INTO docs(id, body, embedding) VALUES('a', 'red apples', '[1,0,0]'), ('b', 'green pears', '[0,1,0]');
        SELECT id, distance FROM docs WHERE embedding MATCH '[0,2,0]' ORDER BY distance LIMIT 2;
        SELECT id FROM docs WHERE docs MATCH 'apples' ORDER BY rank;
        """,
        path,
    )
    assert result.lines == ["b|0.0", "a|1.0", "a"], result
    again = hosts.shell("SELECT count(*) FROM docs;", path)
    assert again.lines == ["2"], again


@pytest.mark.skipif(not hosts.has_shell(), reason="no sqlite3 program")
def test_a_file_written_by_one_host_is_read_by_the_others(path):
    writer = hosts.HOSTS[1].open(path)
    writer.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2) METRIC l2)")
    writer.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", [(i, model.blob([i, 0])) for i in range(1, 50)])
    writer.rows("INSERT INTO docs(docs) VALUES('optimize')")
    writer.close()
    reader = hosts.HOSTS[0].open(path)
    assert reader.column("SELECT rowid FROM docs WHERE embedding MATCH '[20.2, 0]' ORDER BY distance LIMIT 3") == [20, 21, 19]
    reader.close()
    assert hosts.shell("SELECT rowid FROM docs WHERE embedding MATCH '[20.2, 0]' ORDER BY distance LIMIT 3;", path).lines == ["20", "21", "19"]


def test_the_library_exports_its_entry_points_and_needs_no_sqlite_library():
    if not shutil.which("nm") or hosts.SUFFIX != ".so":
        pytest.skip("no nm for shared objects")
    names = subprocess.run(["nm", "-D", str(hosts.extension_file())], capture_output=True, text=True, check=True).stdout
    defined = {line.split()[-1] for line in names.splitlines() if " T " in line}
    wanted = {line.split()[-1] for line in names.splitlines() if " U " in line}
    assert {"sqlite3_nearlite_init", "sqlite3_extension_init"} <= defined
    assert not [name for name in wanted if name.startswith("sqlite3_")], "SQLite must be called through the host's table"


def test_it_loads_by_auto_extension_into_hosts_with_extended_codes_and_lets_later_ones_run(tmp_path):
    sqlite = ctypes.util.find_library("sqlite3")
    if sqlite is None:
        pytest.skip("no SQLite library of the system")
    host = os.path.join(os.path.dirname(os.path.abspath(__file__)), "auto_extension.py")
    done = subprocess.run([sys.executable, host, hosts.extension_file(), sqlite], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "fine\n", done


def test_functions_that_the_application_replaced_are_not_called(host):
    """Replicating databases forbid what differs from node to node: random numbers and the time."""
    if host.name != "apsw":
        pytest.skip("apsw replaces built-in functions")
    import apsw

    def forbidden(*_):
        raise RuntimeError("a function of the application was called")

    db = host.open()
    scalars = ("random randomblob date time datetime julianday unixepoch strftime timediff current_timestamp abs hex quote"
               " length typeof lower upper coalesce ifnull nullif instr substr replace round trim printf format char unicode"
               " zeroblob min max last_insert_rowid changes total_changes sqlite_version likely unlikely").split()
    for name in scalars:
        db.connection.create_scalar_function(name, forbidden, -1)
        for count in (0, 1, 2, 3):
            db.connection.create_scalar_function(name, forbidden, count)
    for name in ("min", "max", "sum", "total", "avg", "group_concat"):
        db.connection.create_aggregate_function(name, forbidden, 1)
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, n INTEGER, v VECTOR(64))")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 40)")
    vector = lambda at: model.blob([(at * 7 + i) % 13 for i in range(64)])
    for at in range(120):
        db.rows("INSERT INTO docs VALUES(?, ?, ?, ?)", f"k{at}", f"all w{at % 5}", at, vector(at))
    db.rows("UPDATE docs SET v = ?, body = 'all new' WHERE n % 10 = 3", vector(500))
    db.rows("DELETE FROM docs WHERE n % 10 = 4")
    for command in ("flush", "merge", "optimize", "integrity-check", "rebuild", "integrity-check"):
        db.rows("INSERT INTO docs(docs) VALUES(?)", command)
    assert len(db.rows("SELECT id FROM docs WHERE v MATCH ? AND n < 50 LIMIT 7", vector(1))) == 7
    assert len(db.rows("SELECT id FROM docs WHERE docs MATCH 'all'")) == 108
    assert len(db.rows("SELECT id FROM docs WHERE docs MATCH hybrid_query('w2', ?) LIMIT 5", vector(1))) == 5
    assert db.rows("SELECT rows FROM nearlite_info('docs') LIMIT 1") == [(108,)]
    db.rows("ALTER TABLE docs RENAME TO papers")
    db.rows("DROP TABLE papers")
    db.close()
