"""What PRAGMA table_info tells of a table, and that SQLite draws no wrong conclusion from it."""

import pathlib
import shutil

import pytest

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
TABLE = """CREATE VIRTUAL TABLE d USING nearlite(id INTEGER PRIMARY KEY, m TEXT NOT NULL, n INTEGER, body FULLTEXT NOT NULL,
  u UNINDEXED NOT NULL, v VECTOR(2) NOT NULL)"""


def columns(db, table):
    """Name, NOT NULL and place in the key of each column that is not hidden."""
    return [(row[1], row[3], row[5]) for row in db.rows(f"PRAGMA table_info({table})")]


@pytest.fixture
def filled(db):
    db.rows(TABLE)
    db.rows("INSERT INTO d VALUES(1, 'a', 10, 'one word', 'x', '[1,0]'), (2, 'b', NULL, 'two words', 'y', '[0,1]')")
    db.rows("CREATE TABLE o(id)")
    db.rows("INSERT INTO o VALUES(1), (2), (3)")
    return db


def test_table_info_tells_not_null_and_an_integer_key(db):
    db.rows(TABLE)
    assert columns(db, "d") == [("id", 0, 1), ("m", 1, 0), ("n", 0, 0), ("body", 1, 0), ("u", 1, 0), ("v", 1, 0)]
    db.rows("CREATE VIRTUAL TABLE e USING nearlite(\"a b\" INTEGER NOT NULL PRIMARY KEY, v VECTOR(2))")
    assert columns(db, "e") == [("a b", 1, 1), ("v", 0, 0)]


def test_a_text_key_is_not_null_and_no_primary_key(db):
    """PRIMARY KEY would make SQLite believe in an index that a virtual table does not have."""
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id TEXT PRIMARY KEY, m TEXT)")
    assert columns(db, "d") == [("id", 1, 0), ("m", 0, 0)]
    assert db.rows("PRAGMA index_list(d)") == []


@pytest.mark.parametrize("key", ["INTEGER", "TEXT"])
def test_integrity_check_and_foreign_keys_work_beside_a_table_with_a_key(db, key):
    db.rows("PRAGMA foreign_keys = 1")
    db.rows(f"CREATE VIRTUAL TABLE d USING nearlite(id {key} PRIMARY KEY, m TEXT NOT NULL, v VECTOR(2))")
    db.rows("CREATE TABLE parent(id INTEGER PRIMARY KEY)")
    db.rows("CREATE TABLE child(p REFERENCES parent(id))")
    db.rows("INSERT INTO parent VALUES(1)")
    db.rows("INSERT INTO child VALUES(1)")
    db.rows("INSERT INTO d VALUES('1', 'a', '[1,2]')")
    for check in ("PRAGMA integrity_check", "PRAGMA quick_check", "PRAGMA integrity_check(d)"):
        assert db.column(check) == ["ok"], check
    assert db.rows("PRAGMA foreign_key_check") == []
    db.rows("DELETE FROM d WHERE id = '1'")
    db.rows("INSERT INTO d VALUES('2', 'b', NULL)")
    assert db.column("PRAGMA integrity_check") == ["ok"]
    # SQLite lets no foreign key lead to a virtual table, and says so without damage.
    db.rows("CREATE TABLE stray(d REFERENCES d(id))")
    assert db.failure("INSERT INTO stray VALUES('2')").says("foreign key mismatch")
    assert db.column("PRAGMA integrity_check") == ["ok"]
    assert db.one("SELECT count(*) FROM d") == 1


def test_null_for_an_integer_key_lets_sqlite_choose(db):
    for declared in ("INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY NOT NULL"):
        db.rows(f"CREATE VIRTUAL TABLE d USING nearlite(id {declared}, m TEXT)")
        db.rows("INSERT INTO d VALUES(NULL, 'a')")
        db.rows("INSERT INTO d(m) VALUES('b')")
        db.rows("INSERT INTO d VALUES(7, 'c'), (NULL, 'd')")
        assert db.rows("SELECT id, m FROM d ORDER BY id") == [(1, "a"), (2, "b"), (7, "c"), (8, "d")]
        db.rows("DROP TABLE d")


@pytest.mark.parametrize("change", ["INSERT INTO d VALUES(3, NULL, 1, 'x', 'x', '[1,1]')", "INSERT INTO d VALUES(3, 'a', 1, NULL, 'x', '[1,1]')",
                                    "INSERT INTO d VALUES(3, 'a', 1, 'x', NULL, '[1,1]')", "INSERT INTO d VALUES(3, 'a', 1, 'x', 'x', NULL)", "INSERT INTO d(id) VALUES(3)",
                                    "UPDATE d SET m = NULL", "UPDATE d SET body = NULL", "UPDATE d SET u = NULL", "UPDATE d SET v = NULL"])
def test_null_in_a_not_null_column_keeps_its_error(filled, change):
    failure = filled.failure(change)
    assert failure.says("NOT NULL constraint failed: d.")
    assert failure.code in (None, 1299), "SQLITE_CONSTRAINT_NOTNULL"
    filled.rows(change.replace("INSERT", "INSERT OR IGNORE").replace("UPDATE", "UPDATE OR IGNORE"))
    assert filled.rows("SELECT id, m, body, u FROM d") == [(1, "a", "one word", "x"), (2, "b", "two words", "y")]


CONDITIONS = ["m IS NULL", "m IS NOT NULL", "v IS NULL", "v IS NOT NULL", "id IS NULL", "id IS NOT NULL", "NOT (m IS NULL)", "m IS NULL OR n = 10", "n IS NULL", "m NOT NULL AND n IS NULL"]


@pytest.mark.parametrize("where", CONDITIONS)
@pytest.mark.parametrize("search", ["", "v MATCH '[1,0]' AND ", "d MATCH 'word OR words' AND "])
def test_null_conditions_find_what_they_find_in_an_ordinary_table(filled, where, search):
    filled.rows("CREATE TABLE plain AS SELECT id, m, n, body, u, v FROM d")
    expected = filled.column(f"SELECT id FROM plain WHERE {where} ORDER BY id")
    assert sorted(filled.column(f"SELECT id FROM d WHERE {search}({where})")) == expected


@pytest.mark.parametrize("condition", ["", "WHERE d.m IS NULL", "WHERE d.v IS NULL", "WHERE d.id IS NULL", "WHERE d.m IS NOT NULL", "WHERE coalesce(d.m, 'none') = 'none'", "WHERE ifnull(d.id, -1) = -1"])
@pytest.mark.parametrize("join", ["d.id = o.id", "d.id = o.id AND d.v MATCH '[1,0]'", "d.rowid = o.id AND d.body MATCH 'word OR words'"])
def test_the_null_row_of_an_outer_join_has_null_in_not_null_columns(filled, join, condition):
    filled.rows("CREATE TABLE plain AS SELECT id, m, n, body, u, v FROM d")
    shown = "o.id, d.id, d.m, d.m IS NULL, d.v IS NULL, count(*), count(d.m)"
    expected = filled.rows(f"SELECT {shown} FROM o LEFT JOIN plain d ON d.id = o.id {condition} GROUP BY o.id ORDER BY o.id")
    assert filled.rows(f"SELECT {shown} FROM o LEFT JOIN d ON {join} {condition} GROUP BY o.id ORDER BY o.id") == expected
    if condition == "":
        assert expected[2][:5] == (3, None, None, 1, 1)


def test_aggregates_and_subqueries_over_not_null_columns_count_every_row(filled):
    assert filled.rows("SELECT count(m), count(n), count(v), min(m), max(id) FROM d") == [(2, 1, 2, "a", 2)]
    assert filled.rows("SELECT 'c' NOT IN (SELECT m FROM d), NULL IN (SELECT m FROM d), 'a' IN (SELECT m FROM d)") == [(1, None, 1)]
    assert filled.rows("SELECT count(m), max(m) FROM d WHERE id > 5") == [(0, None)]
    assert filled.rows("SELECT (SELECT m FROM d WHERE id = 9) IS NULL") == [(1,)]
    assert filled.rows("SELECT DISTINCT id, m FROM d ORDER BY id DESC") == [(2, "b"), (1, "a")]


@pytest.mark.parametrize("file, third", [("format1.db", "year"), ("format2.db", "n")])
def test_a_file_of_an_older_format_tells_its_columns_too(host, path, file, third):
    shutil.copy(FIXTURES / file, path)
    db = host.open(path)
    assert columns(db, "docs") == [("id", 1, 0), ("body", 0, 0), (third, 0, 0), ("e", 0, 0)]
    assert db.column("PRAGMA integrity_check") == ["ok"]
    key = db.column("SELECT id FROM docs ORDER BY id LIMIT 1")
    assert db.column("SELECT id FROM docs WHERE id = ? AND id IS NOT NULL", *key) == key
    db.close()
