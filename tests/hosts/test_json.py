"""A filter on a JSON column is inside the search where SQLite shows it to the table, and a function everywhere else."""

import json

import pytest

import model

ROWS = 300


def objects(rng):
    for number in range(ROWS):
        row = {"year": int(rng.integers(1990, 2025)), "section": f"s{rng.integers(5)}", "tags": [f"t{tag}" for tag in rng.integers(0, 8, rng.integers(4))]}
        if number % 4 == 0:
            row["author"] = {"name": f"n{number % 3}", "born": None if number % 8 else 1970.5}
        yield row


@pytest.fixture
def notes(db, rng):
    db.rows("CREATE VIRTUAL TABLE notes USING nearlite(body FULLTEXT, meta JSON, embedding VECTOR(4) METRIC l2)")
    db.rows("CREATE TABLE plain(rowid INTEGER PRIMARY KEY, meta TEXT)")
    for rowid, row in enumerate(objects(rng)):
        # Written as nobody's serializer would.
        text = json.dumps(row, indent=rowid % 3 or None)
        db.rows("INSERT INTO notes(rowid, body, meta, embedding) VALUES(?, 'all', ?, ?)", rowid, text, model.blob(rng.standard_normal(4).astype("f4")))
        db.rows("INSERT INTO plain VALUES(?, ?)", rowid, text)
        if rowid in (100, 200):
            db.rows("INSERT INTO notes(notes) VALUES('flush')")
    db.rows("DELETE FROM notes WHERE rowid = 7")
    db.rows("DELETE FROM plain WHERE rowid = 7")
    return db


FILTERS = [
    ('{"section": "s1"}', "meta ->> 'section' = 's1'"),
    ('{"year": {"$gte": 2010}, "section": "s2"}', "meta ->> 'year' >= 2010 AND meta ->> 'section' = 's2'"),
    ('{"tags": {"$contains": "t3"}}', "EXISTS (SELECT 1 FROM json_each(plain.meta, '$.tags') WHERE value = 't3')"),
    ('{"author.name": {"$in": ["n0", "n2"]}}', "meta ->> '$.author.name' IN ('n0', 'n2')"),
    ('{"author": {"$exists": false}}', "json_type(meta, '$.author') IS NULL"),
    ('{"author.born": 1970.5}', "meta ->> '$.author.born' = 1970.5"),
    ('{"author.born": {"$ne": null}}', "meta ->> '$.author.born' IS NOT NULL"),
    ('{"$or": [{"year": 1999}, {"$not": {"section": {"$like": "S_"}}}]}', "meta ->> 'year' = 1999"),
    ("{}", "1"),
]


@pytest.mark.parametrize("asked, plain", FILTERS)
def test_filters_mean_what_json_functions_say(notes, asked, plain):
    right = notes.column(f"SELECT rowid FROM plain WHERE {plain} ORDER BY rowid")
    vector = model.blob([0, 0, 0, 0])
    for sql in (
        "SELECT rowid FROM notes WHERE embedding MATCH :v AND json_matches(meta, :f)",
        "SELECT rowid FROM notes AS n WHERE :v IS NOT NULL AND n.notes MATCH 'all' AND json_matches(n.meta, :f)",
        "SELECT rowid FROM notes WHERE notes MATCH hybrid_query('all', :v) AND json_matches(meta, :f) AND rowid >= 0",
        "SELECT rowid FROM notes WHERE embedding MATCH :v AND json_matches(meta, :f) = 1",
        "SELECT rowid FROM notes WHERE embedding MATCH :v AND NOT (json_matches(meta, :f) = 0)",
        "SELECT rowid FROM notes WHERE :v IS NOT NULL AND json_matches(meta, :f)",
        "SELECT rowid FROM plain WHERE :v IS NOT NULL AND json_matches(meta, :f)",
        "SELECT n.rowid FROM (SELECT :f AS f) AS asked JOIN notes n ON n.embedding MATCH :v AND json_matches(n.meta, asked.f)",
    ):
        sql = sql.replace(":v", "?1").replace(":f", "?2")
        assert sorted(notes.column(sql, vector, asked)) == right, sql
    ten = notes.rows("SELECT rowid FROM notes WHERE embedding MATCH ? AND json_matches(meta, ?) ORDER BY distance LIMIT 10", vector, asked)
    assert len(ten) == min(10, len(right))


def test_plans_show_where_the_filter_is(notes):
    vector = model.blob([0, 0, 0, 0])
    inside = "SELECT rowid FROM notes WHERE embedding MATCH ? AND json_matches(meta, ?) ORDER BY distance LIMIT 3"
    assert "filter json_matches(meta, ?)" in notes.plan(inside, vector, "{}")
    assert "json_matches" not in notes.plan(inside.replace("json_matches(meta, ?)", "json_matches(meta, ?) = 1"), vector, "{}")
    joined = "SELECT q.f, n.rowid FROM (SELECT '{\"year\": 1}' AS f) q LEFT JOIN notes n ON n.embedding MATCH ?1 AND json_matches(n.meta, q.f) AND n.k = 2"
    assert "json_matches(meta, ?)" in notes.plan(joined, vector)
    assert [row[1] for row in notes.rows(joined, vector)] == [None]
    outer = "SELECT count(*) FROM (SELECT 1) q LEFT JOIN notes n ON n.embedding MATCH ? AND n.k = 5 WHERE json_matches(n.meta, '{\"year\": {\"$gt\": 0}}')"
    assert notes.one(outer, vector) == 5
    explained = json.loads(notes.one("SELECT explain FROM notes WHERE embedding MATCH ? AND json_matches(meta, '{\"section\": \"s1\"}') ORDER BY distance LIMIT 1", vector))
    assert explained["passing"] == notes.one("SELECT count(*) FROM plain WHERE meta ->> 'section' = 's1'")
    assert "checked_by_row" not in explained


def test_texts_read_back_byte_for_byte_and_bad_ones_are_refused(notes):
    assert notes.rows("SELECT rowid, meta FROM notes ORDER BY rowid") == notes.rows("SELECT rowid, meta FROM plain ORDER BY rowid")
    for text, words in (('{"a": NaN}', ("notes.meta", "NaN", "byte 6")), ("[]", ("notes.meta", "JSON object", "list")), ("", ("byte 0",))):
        assert notes.failure("INSERT INTO notes(meta) VALUES(?)", text).says(*words)
    assert notes.failure("UPDATE notes SET meta = 5 WHERE rowid = 1").says("notes.meta", "INTEGER")
    assert notes.failure("SELECT rowid FROM notes WHERE embedding MATCH '[0,0,0,0]' AND json_matches(meta, '{\"k\": {\"$near\": 1}}')").says("$near", "$contains_any")
    assert notes.rows("SELECT rowid, meta FROM notes ORDER BY rowid") == notes.rows("SELECT rowid, meta FROM plain ORDER BY rowid")


def test_a_view_searches_by_a_filter_under_untrusted_schema(notes):
    notes.rows("PRAGMA trusted_schema = 0")
    notes.rows("CREATE VIEW recent AS SELECT rowid AS id, distance FROM notes WHERE embedding MATCH '[0,0,0,0]' AND json_matches(meta, '{\"year\": {\"$gte\": 2000}}')")
    right = notes.one("SELECT count(*) FROM plain WHERE meta ->> 'year' >= 2000")
    assert notes.one("SELECT count(*) FROM recent") == right
    assert len(notes.rows("SELECT id FROM recent ORDER BY distance LIMIT 4")) == 4
