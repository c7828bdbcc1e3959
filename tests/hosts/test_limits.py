"""SQLite's limits for untrusted SQL, and its pragmas, through the whole life of a table."""

import json
import sqlite3

import apsw
import numpy as np
import pytest

import model

# What sqlite.org advises for connections that run untrusted SQL.
ADVICE = {
    "LENGTH": 1_000_000,
    "SQL_LENGTH": 100_000,
    "COLUMN": 100,
    "EXPR_DEPTH": 10,
    "COMPOUND_SELECT": 3,
    "VDBE_OP": 25_000,
    "FUNCTION_ARG": 8,
    "ATTACHED": 0,
    "LIKE_PATTERN_LENGTH": 50,
    "VARIABLE_NUMBER": 10,
    "TRIGGER_DEPTH": 10,
}


def limit(db, **limits):
    for name, value in limits.items():
        if hasattr(db.connection, "setlimit"):
            db.connection.setlimit(getattr(sqlite3, f"SQLITE_LIMIT_{name}"), value)
        else:
            db.connection.limit(getattr(apsw, f"SQLITE_LIMIT_{name}"), value)


def get_limit(db, name):
    if hasattr(db.connection, "getlimit"):
        return db.connection.getlimit(getattr(sqlite3, f"SQLITE_LIMIT_{name}"))
    return db.connection.limit(getattr(apsw, f"SQLITE_LIMIT_{name}"))


def quiet(db, sql, *params):
    """Runs a statement that may return its count of changes."""
    rows = db.rows(sql, *params)
    assert all(len(row) == 1 and isinstance(row[0], int) for row in rows), (sql, rows)


def life(db, dim, count, rng):
    """All that can happen to a table, each step checked."""
    vectors = rng.normal(size=(2 * count, dim)).astype("float32")
    quiet(db, f"CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, a TEXT FULLTEXT, n INTEGER, note UNINDEXED, b TEXT, c REAL, d BOOLEAN, v VECTOR({dim}))")
    alive = set()

    def check():
        name = alive_name[0]
        assert db.one(f"SELECT count(*) FROM {name}") == len(alive)
        some = sorted(alive)[:: max(1, len(alive) // 7)]
        for number in some:
            found = db.column(f"SELECT rowid FROM {name} WHERE v MATCH ? AND n >= 0 ORDER BY distance LIMIT 1", vectors[number].tobytes())
            assert found == [number]
        assert set(db.column(f"SELECT rowid FROM {name} WHERE {name} MATCH 'all'")) == alive
        quiet(db, f"INSERT INTO {name}({name}) VALUES('integrity-check')")

    def insert(numbers):
        for number in numbers:
            # Few variables may be bound: the values come as one.
            values = json.dumps([number, f"k{number}", f"all word{number % 50}", number])
            quiet(
                db,
                "INSERT INTO docs(rowid, id, a, n, note, b, c, d, v) SELECT e->>0, e->>1, e->>2, e->>3, 'note', 'b', 1.5, 1, ?2 FROM (SELECT ?1 AS e)",
                values,
                vectors[number].tobytes(),
            )
            alive.add(number)

    alive_name = ["docs"]
    # One row a commit, then many in one.
    insert(range(50))
    db.rows("BEGIN")
    insert(range(50, count))
    db.rows("COMMIT")
    check()
    quiet(db, "INSERT INTO docs(docs, rank) VALUES('delta_rows', 64)")
    for start in range(count, 2 * count, count // 8):
        db.rows("BEGIN")
        insert(range(start, min(start + count // 8, 2 * count)))
        db.rows("COMMIT")
    check()
    quiet(db, "UPDATE docs SET n = n + 1 WHERE rowid % 5 = 0")
    quiet(db, "UPDATE docs SET note = 'other' WHERE rowid % 5 = 1")
    quiet(db, "UPDATE docs SET v = v WHERE rowid % 50 = 2")
    quiet(db, "UPDATE docs SET a = a || ' more' WHERE rowid % 50 = 3")
    quiet(db, "REPLACE INTO docs(rowid, id, a, n, v) SELECT rowid, id, a, n, v FROM docs WHERE rowid % 50 = 4")
    check()
    quiet(db, "DELETE FROM docs WHERE rowid % 3 = 0")
    alive -= {number for number in alive if number % 3 == 0}
    check()
    for command in ("flush", "merge", "optimize", "rebuild"):
        quiet(db, f"INSERT INTO docs(docs) VALUES('{command}')")
        check()
    db.rows("ALTER TABLE docs RENAME TO notes")
    alive_name[0] = "notes"
    check()
    quiet(db, "DELETE FROM notes WHERE rowid % 3 <> 1")
    alive -= {number for number in alive if number % 3 != 1}
    check()
    db.rows("DROP TABLE notes")
    assert db.column("SELECT name FROM sqlite_schema") == []


LIMITS = {
    "the advice": ADVICE,
    "three variables": {"LENGTH": 1_000_000, "VARIABLE_NUMBER": 3},
    "100,000 bytes": {"LENGTH": 100_000},
    "20,000 bytes": {"LENGTH": 20_000, "VARIABLE_NUMBER": 3},
}


@pytest.mark.parametrize("dim", [384, 1536])
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_table_lives_under_the_limits_for_untrusted_sql(db, limits, dim, rng):
    """From its 4,096th row on a table took no write any more, and the 256th insert of a transaction failed."""
    limit(db, **limits)
    life(db, dim, 1200 if dim == 384 else 400, rng)
    assert {name: get_limit(db, name) for name in limits} == limits


def test_pieces_of_tiles_that_the_limit_forbids_stay_away(db, rng):
    limit(db, LENGTH=4000, VARIABLE_NUMBER=3)
    life(db, 384, 300, rng)


def test_sixty_thousand_short_texts_under_the_limits(db, rng):
    limit(db, LENGTH=1_000_000, VARIABLE_NUMBER=10)
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    words = [f"word{number}" for number in range(20_000)]
    texts = [" ".join(words[at] for at in rng.integers(0, len(words), 6)) for _ in range(60_000)]
    for start in range(0, 60_000, 20_000):
        db.many_in_transaction("INSERT INTO docs(body) VALUES(?)", [(text,) for text in texts[start : start + 20_000]])
    for command in ("optimize", "integrity-check"):
        db.rows(f"INSERT INTO docs(docs) VALUES('{command}')")
    assert db.one("SELECT max(length(data)) FROM docs_chunks") < 1_000_000
    assert db.one("SELECT count(*) FROM docs WHERE docs MATCH 'word7'") == sum("word7" in text.split() for text in texts)


def test_chunks_written_under_one_limit_are_read_under_every_other(db, rng):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR(64))")
    vectors = rng.normal(size=(3000, 64)).astype("float32")
    for lengths in (20_000, 1_000_000_000, 5000):
        limit(db, LENGTH=lengths)
        db.many_in_transaction("INSERT INTO docs(v) VALUES(?)", [(vector.tobytes(),) for vector in vectors[:1000]])
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        assert db.one("SELECT max(length(data)) FROM docs_chunks WHERE id > 0") <= 256 * 1024
    for lengths in (5000, 1_000_000_000):
        limit(db, LENGTH=lengths)
        db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
        assert db.one("SELECT count(*) FROM docs WHERE v MATCH ?", vectors[5].tobytes()) == 3000
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")


PRAGMAS = ["count_changes = 1", "recursive_triggers = 1", "reverse_unordered_selects = 1", "secure_delete = 1", "defer_foreign_keys = 1", "foreign_keys = 1", "cell_size_check = 1", "trusted_schema = 0", "temp_store = 2", "empty_result_callbacks = 1", "full_column_names = 1", "short_column_names = 0", "case_sensitive_like = 1", "cache_size = 5", "cache_spill = 10", "automatic_index = 0", "legacy_alter_table = 1", "auto_vacuum = 1", "encoding = 'UTF-16'", "page_size = 512"]


@pytest.mark.parametrize("pragma", PRAGMAS)
def test_a_table_lives_under_every_pragma(db, pragma, rng):
    """Under count_changes every write failed with the words of a Rust library."""
    db.rows(f"PRAGMA {pragma}")
    life(db, 70, 300, rng)


def test_count_changes_counts_the_rows_of_the_statement(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(n INTEGER)")
    db.rows("PRAGMA count_changes = 1")
    assert db.rows("INSERT INTO docs(n) VALUES(1), (2), (3)") == [(3,)]
    # SQLite does not count the rows of an UPDATE of a virtual table.
    assert db.rows("UPDATE docs SET n = n + 1 WHERE n > 1") in ([], [(2,)])
    assert db.rows("DELETE FROM docs") == [(3,)]


def test_settings_are_set_under_count_changes(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.rows("PRAGMA count_changes = 1")
    for name, value in [("operator", "and"), ("minimum_match", 2), ("stop_words", "en"), ("maintenance", "commit"), ("delta_rows", 300)]:
        db.rows("INSERT INTO docs(docs, rank) VALUES(?, ?)", name, value)
