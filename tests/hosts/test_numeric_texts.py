"""Texts that are numbers, which every CSV importer binds: stored as an ordinary table with affinity stores them."""

import csv

import pytest

import hosts
import model

COLUMNS = {"n": "INTEGER", "x": "REAL", "b": "BOOLEAN"}
TEXTS = ["2017", " 12 ", "\t-7\n", "+5", "1e3", "12.0", "0", "1", "1.0", "0.0", " 1 ", ".5", "5.", "-0.25", "1e-3", "007", "9223372036854775807", "-9223372036854775808",
         "9007199254740993", "2017.5", "9223372036854775808", "1e300", "2", "-1", "abc", "12abc", "1 2", "0x10", "1e", "e5", ".", "+", "-", "1_000", "1,5", "inf", "nan",
         "true", "\u00a012", "\u0661", "12\u00a0", "1.2.3", "--1", ""]


@pytest.fixture
def tables(db):
    """A nearlite table and an ordinary one with the same columns."""
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id INTEGER PRIMARY KEY, n INTEGER, x REAL, b BOOLEAN, v VECTOR(2))")
    db.rows("CREATE TABLE plain(id INTEGER PRIMARY KEY, n INTEGER, x REAL, b NUMERIC)")
    return db


def fits(column, value):
    """Whether what the ordinary table made of the text is a value of the column's type."""
    return {"n": isinstance(value, int), "x": isinstance(value, float), "b": value in (0, 1) and not isinstance(value, str)}[column]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_a_text_is_taken_as_by_affinity_or_refused(tables, column, text):
    db = tables
    db.rows(f"INSERT INTO plain(id, {column}) VALUES(1, ?)", text)
    expected = db.one(f"SELECT {column} FROM plain")
    db.rows("INSERT INTO d(id, v) VALUES(2, '[1,2]')")
    insert, update = f"INSERT INTO d(id, {column}, v) VALUES(1, ?, '[1,0]')", f"UPDATE d SET {column} = ? WHERE id = 2"
    if fits(column, expected):
        db.rows(insert, text)
        db.rows(update, text)
        stored = db.rows(f"SELECT id, {column}, typeof({column}) FROM d ORDER BY id")
        kind = "real" if column == "x" else "integer"
        assert stored == [(1, expected, kind), (2, expected, kind)]
        assert db.column(f"SELECT id FROM d WHERE v MATCH '[1,0]' AND {column} = ? ORDER BY rank LIMIT 5", expected) == [1, 2]
        db.rows("INSERT INTO d(d) VALUES('integrity-check')")
        return
    for statement in (insert, update):
        failure = db.failure(statement, text)
        assert failure.says(f"d.{column}", f"expected {COLUMNS[column]}", "got TEXT"), failure
        assert ("NULLIF" in failure.message) == (text.strip() == ""), failure
    assert db.rows(f"SELECT id, {column} FROM d") == [(2, None)]


def test_a_key_may_be_given_as_a_text(tables):
    db = tables
    db.rows("INSERT INTO d(id, n) VALUES(?, '1')", "12")
    db.rows("INSERT OR REPLACE INTO d(id, n) VALUES(?, '2')", " 12.0 ")
    assert db.failure("INSERT INTO d(id) VALUES('12')").says("d.id", "12", "exists")
    assert db.rows("SELECT id, rowid, n, typeof(id) FROM d") == [(12, 12, 2, "integer")]
    db.rows("UPDATE d SET id = '13', n = '3' WHERE id = '12'")
    assert db.rows("SELECT id, rowid, n FROM d") == [(13, 13, 3)]
    for text in ("", "abc", "12.5"):
        failure = db.failure("INSERT INTO d(id) VALUES(?)", text)
        assert failure.says("d.id", "expected INTEGER") and ("NULLIF" in failure.message) == (text == ""), failure
    db.rows("INSERT INTO d(id) VALUES(NULLIF('', ''))")
    assert db.column("SELECT id FROM d") == [13, 14], "NULL still lets SQLite choose"


def test_texts_stay_texts_where_the_column_is_text_or_of_any_type(db):
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id TEXT PRIMARY KEY, t TEXT, f FULLTEXT, u UNINDEXED)")
    db.rows("INSERT INTO d VALUES('007', '1e3', '12', ' 5 ')")
    assert db.rows("SELECT id, t, f, u, typeof(u) FROM d") == [("007", "1e3", "12", " 5 ", "text")]
    assert db.failure("INSERT INTO d VALUES('1', 5, 'x', 1)").says("d.t", "expected TEXT", "INTEGER 5")


def test_rows_of_a_csv_file_are_inserted_as_python_reads_them(db, tmp_path):
    file = tmp_path / "films.csv"
    file.write_text("id,title,year,rating,seen\n1,Alien,1979,8.5,1\n2,Heat,1995,8,0\n")
    db.rows("CREATE VIRTUAL TABLE films USING nearlite(id INTEGER PRIMARY KEY, title FULLTEXT, year INTEGER, rating REAL, seen BOOLEAN)")
    with file.open() as lines:
        rows = list(csv.reader(lines))[1:]
    db.many_in_transaction("INSERT INTO films VALUES(?,?,?,?,?)", rows)
    assert db.rows("SELECT * FROM films") == [(1, "Alien", 1979, 8.5, 1), (2, "Heat", 1995, 8.0, 0)]


@pytest.mark.skipif(not hosts.has_shell(), reason="no sqlite3 shell")
def test_the_import_command_of_the_shell_fills_a_table(tmp_path):
    file = tmp_path / "films.csv"
    file.write_text("1,Alien,1979,8.5,1\n2,Heat,1995,8,0\n")
    result = hosts.shell(
        "CREATE VIRTUAL TABLE films USING nearlite(id INTEGER PRIMARY KEY, title FULLTEXT, year INTEGER, rating REAL, seen BOOLEAN);\n"
        f".import --csv {file} films\nSELECT id, title, year + 1, rating, seen FROM films WHERE films MATCH 'heat';"
    )
    assert result.lines[-1:] == ["2|Heat|1996|8.0|0"] and not result.errors, result
