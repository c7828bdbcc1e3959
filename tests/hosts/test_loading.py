"""The extension loads into every host, more than once, and leaves the file an ordinary SQLite file."""

import shutil
import subprocess

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
