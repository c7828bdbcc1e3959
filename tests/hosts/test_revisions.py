"""Changes of metadata alone, in the SQLite that the system's Python has and in the newest."""

import random

import pytest

import model

COLUMNS = "rowid, body, year, lang, flag, meta, e"
FILTERS = (
    "year = 2003",
    "year >= 2005 AND lang = 'de'",
    "flag = 1",
    "lang IS NULL",
    "lang LIKE 'e%'",
    "year IN (2001, 2004, 2008)",
    "json_matches(meta, '{\"k\": 3}')",
    "json_matches(meta, '{\"tags\": {\"$contains\": \"b\"}, \"k\": {\"$lt\": 5}}')",
)


def row(rng, rowid):
    body = f"all w{rng.randrange(9)}"
    return (rowid, body, *(change(rng, column) for column in ("year", "lang", "flag", "meta")), model.blob([rng.random() for _ in range(4)]))


def change(rng, column):
    if rng.random() < 0.1:
        return None
    tags = rng.choice(['"a"', '"b"', '"a", "b"'])
    return {
        "year": rng.randrange(2000, 2012),
        "lang": rng.choice(["de", "en", "es"]),
        "flag": rng.randrange(2),
        "meta": f'{{"k": {rng.randrange(7)}, "tags": [{tags}]}}',
    }[column]


@pytest.fixture
def pair(db):
    """A table and an ordinary one with the same rows."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, year INTEGER, lang TEXT, flag BOOLEAN, meta JSON, e VECTOR(4) METRIC l2)")
    db.rows("CREATE TABLE plain(rowid INTEGER PRIMARY KEY, body, year, lang, flag, meta, e)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 40)")
    rng = random.Random(5)
    for table in ("docs", "plain"):
        rng.seed(5)
        db.many(f"INSERT INTO {table}({COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?)", [row(rng, n) for n in range(1, 201)])
    return db


def both(db, sql, *params):
    for table in ("docs", "plain"):
        db.rows(sql.format(table), *params)


def check(db):
    for condition in FILTERS:
        for searched, plain in (
            (f"e MATCH '[0.5,0.5,0.5,0.5]' AND {condition}", condition),
            (f"docs MATCH 'w3' AND {condition}", f"body = 'all w3' AND {condition}"),
        ):
            found = db.rows(f"SELECT rowid, year, lang, flag, meta FROM docs WHERE {searched} ORDER BY rowid")
            assert found == db.rows(f"SELECT rowid, year, lang, flag, meta FROM plain WHERE {plain} ORDER BY rowid"), searched
        counted = db.rows(f"SELECT lang, count(*) FROM docs WHERE e MATCH '[0,0,0,0]' AND {condition} GROUP BY lang ORDER BY lang")
        assert counted == db.rows(f"SELECT lang, count(*) FROM plain WHERE {condition} GROUP BY lang ORDER BY lang"), condition
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    assert db.rows("PRAGMA integrity_check") == [("ok",)]


def test_changed_metadata_is_found_in_every_search(pair):
    rng = random.Random(17)
    for step in range(240):
        column, rowid = rng.choice(["year", "lang", "flag", "meta"]), rng.randrange(1, 201)
        both(pair, f"UPDATE {{}} SET {column} = ? WHERE rowid = ?", change(rng, column), rowid)
        if step % 30 == 29:
            check(pair)
    for command in ("flush", "optimize"):
        pair.rows("INSERT INTO docs(docs) VALUES(?)", command)
        check(pair)


def test_changed_metadata_leaves_no_dead_row_and_a_changed_text_does(pair):
    pair.rows("INSERT INTO docs(docs) VALUES('optimize')")
    counters = "SELECT rows, delta, dead FROM nearlite_info('docs') LIMIT 1"
    both(pair, "UPDATE {} SET year = coalesce(year, 0) + 1, flag = 0")
    assert pair.rows(counters) == [(200, 0, 0)]
    both(pair, "UPDATE {} SET body = 'all w3', year = 2003 WHERE rowid = 7")
    assert pair.rows(counters) == [(200, 1, 1)]
    check(pair)


def test_a_row_replaced_by_one_with_other_metadata_keeps_its_rowid_and_its_index(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, e VECTOR(2))")
    insert = "INSERT OR REPLACE INTO docs(id, body, year, e) VALUES(?, 'all', ?, '[1,2]')"
    for key in ("a", "b", "c"):
        db.rows(insert, key, 1)
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    db.rows(insert, "b", 2)
    assert db.rows("SELECT rowid, id, year FROM docs WHERE docs MATCH 'all' AND year = 2") == [(2, "b", 2)]
    assert db.rows("SELECT dead, delta FROM nearlite_info('docs') LIMIT 1") == [(0, 0)]


def test_a_rollback_to_a_savepoint_takes_changed_metadata_back(pair):
    pair.rows("INSERT INTO docs(docs) VALUES('optimize')")
    pair.rows("BEGIN")
    both(pair, "UPDATE {} SET year = 2003 WHERE rowid < 50")
    pair.rows("SAVEPOINT one")
    both(pair, "UPDATE {} SET year = 2004, lang = 'de' WHERE rowid < 100")
    check(pair)
    pair.rows("DELETE FROM docs WHERE rowid = 60")
    pair.rows("DELETE FROM plain WHERE rowid = 60")
    check(pair)
    pair.rows("ROLLBACK TO one")
    check(pair)
    both(pair, "UPDATE {} SET flag = 1 - flag WHERE rowid BETWEEN 20 AND 70")
    check(pair)
    pair.rows("ROLLBACK")
    check(pair)
