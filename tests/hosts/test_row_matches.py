"""`row_matches(docs, filter)`: OR and NOT over declared columns, inside the search where SQLite shows it, a function elsewhere."""

import json

import pytest

import model

ROWS = 300


@pytest.fixture
def docs(db, rng):
    db.rows(
        "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body FULLTEXT, lang TEXT, year INTEGER, price REAL, "
        "free BOOLEAN, meta JSON, embedding VECTOR(4) METRIC l2)"
    )
    db.rows("CREATE TABLE plain(rowid INTEGER PRIMARY KEY, id TEXT, lang TEXT, year INTEGER, price REAL, free BOOLEAN, meta TEXT)")
    for rowid in range(1, ROWS + 1):
        values = [
            f"k{rowid}#{rowid % 5}",
            [None, "en", "de", "fr"][int(rng.integers(4))],
            None if rowid % 7 == 0 else int(rng.integers(1990, 2025)),
            None if rowid % 11 == 0 else float(rng.integers(100)) / 4,
            [None, 0, 1][int(rng.integers(3))],
            None if rowid % 13 == 0 else json.dumps({"n": int(rng.integers(20)), "tags": [f"t{tag}" for tag in rng.integers(0, 8, 2)]}),
        ]
        db.rows("INSERT INTO plain VALUES(?, ?, ?, ?, ?, ?, ?)", rowid, *values)
        db.rows(
            "INSERT INTO docs(rowid, id, lang, year, price, free, meta, body, embedding) VALUES(?, ?, ?, ?, ?, ?, ?, 'all', ?)",
            rowid,
            *values,
            model.blob(rng.standard_normal(4).astype("f4")),
        )
        if rowid in (100, 200):
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    for table in ("docs", "plain"):
        db.rows(f"DELETE FROM {table} WHERE rowid = 8")
        db.rows(f"UPDATE {table} SET year = 2020 WHERE rowid IN (9, 250)")
    return db


FILTERS = [
    ({"$or": [{"year": 2020}, {"lang": "en"}]}, "year = 2020 OR lang = 'en'"),
    ({"$not": {"year": {"$gt": 2000}}}, "(year > 2000) IS NOT TRUE"),
    ({"$or": [{"free": True, "price": {"$lt": 10}}, {"meta.n": {"$gte": 15}}]}, "(free AND price < 10) OR meta ->> 'n' >= 15"),
    ({"lang": {"$nin": ["en", None]}}, "lang NOT IN ('en')"),
    ({"lang": {"$ne": "en"}}, "lang IS NOT 'en'"),
    ({"$or": [{"id": {"$like": "%#3"}}, {"rowid": {"$lte": 20}}]}, "id LIKE '%#3' OR rowid <= 20"),
    ({"$or": [{"id": {"$gte": "k9"}}, {"id": "k1#1"}, {"meta.tags": {"$contains": "t1"}}]}, "id >= 'k9' OR id = 'k1#1' OR instr(meta, '\"t1\"')"),
    ({"meta": {"$exists": False}}, "meta IS NULL"),
    ({"meta.n": None, "$not": {"year": None}}, "meta IS NULL AND year IS NOT NULL"),
    ({"year": "2020"}, "0"),
    ({"free": 1}, "0"),
    ({"$or": []}, "0"),
    ({}, "1"),
]


@pytest.mark.parametrize("asked, plain", FILTERS)
def test_a_filter_means_the_same_everywhere(docs, asked, plain):
    right = docs.column(f"SELECT rowid FROM plain WHERE {plain} ORDER BY rowid")
    for sql in (
        "SELECT rowid FROM docs WHERE embedding MATCH :v AND row_matches(docs, :f)",
        "SELECT rowid FROM docs AS n WHERE :v IS NOT NULL AND n.docs MATCH 'all' AND row_matches(n.docs, :f)",
        "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('all', :v) AND row_matches(docs, :f) AND rowid >= 0",
        "SELECT rowid FROM docs WHERE embedding MATCH :v AND row_matches(docs, :f) = 1",
        "SELECT rowid FROM docs WHERE embedding MATCH :v AND NOT (row_matches(docs, :f) = 0)",
        "SELECT rowid FROM docs WHERE embedding MATCH :v AND (rowid < 0 OR row_matches(docs, :f))",
        "SELECT rowid FROM docs WHERE :v IS NOT NULL AND row_matches(docs, :f)",
        "SELECT rowid FROM (SELECT rowid, row_matches(docs, :f) AS passes FROM docs WHERE embedding MATCH :v LIMIT 1000) WHERE passes",
        "SELECT d.rowid FROM (SELECT :f AS f) LEFT JOIN docs AS d ON d.embedding MATCH :v AND row_matches(d.docs, f) WHERE d.rowid > 0",
        "SELECT d.rowid FROM docs AS d WHERE d.embedding MATCH :v AND row_matches(d.docs, (SELECT :f)) AND d.k = 1000",
    ):
        sql = sql.replace(":v", "?1").replace(":f", "?2")
        assert sorted(docs.column(sql, model.blob([0, 0, 0, 0]), json.dumps(asked))) == right, sql
    inside = docs.column("SELECT count(*) FROM docs WHERE docs MATCH 'all' AND row_matches(docs, ?)", json.dumps(asked))
    assert inside == [len(right)]


def test_the_number_of_passing_rows_is_known_before_the_search(docs):
    sql = 'SELECT "explain" FROM docs WHERE embedding MATCH ? AND row_matches(docs, ?) ORDER BY distance LIMIT 1'
    asked = '{"$or": [{"year": 2020}, {"lang": "en", "$not": {"meta.n": 3}}]}'
    right = docs.column("SELECT count(*) FROM plain WHERE year = 2020 OR (lang = 'en' AND (meta ->> 'n' = 3) IS NOT TRUE)")
    assert [json.loads(text)["passing"] for text in docs.column(sql, model.blob([0, 0, 0, 0]), asked)] == right
    (plan,) = docs.rows(f"EXPLAIN QUERY PLAN SELECT rowid FROM docs WHERE docs MATCH 'all' AND row_matches(docs, '{asked}')")
    assert "row_matches(?)" in plan[-1]


def test_rows_change_by_a_filter(docs):
    asked = '{"$or": [{"year": 2020}, {"lang": "en"}]}'
    wanted = docs.column("SELECT count(*) FROM plain WHERE year = 2020 OR lang = 'en'")
    docs.rows("UPDATE docs SET lang = 'chosen', year = NULL WHERE row_matches(docs, ?)", asked)
    assert docs.column("SELECT count(*) FROM docs WHERE lang = 'chosen'") == wanted
    docs.rows("DELETE FROM docs WHERE row_matches(docs, ?)", '{"$not": {"lang": {"$ne": "chosen"}}}')
    assert docs.column("SELECT count(*) FROM docs WHERE lang = 'chosen'") == [0]
    docs.rows("BEGIN")
    (some,) = docs.column("SELECT max(rowid) FROM docs")
    docs.rows("UPDATE docs SET year = 7 WHERE rowid = ?", some)
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH 'all' AND row_matches(docs, ?)", '{"$or": [{"year": 7}]}') == [some]
    docs.rows("ROLLBACK")
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH 'all' AND row_matches(docs, ?)", '{"$or": [{"year": 7}]}') == []


def test_null_and_outer_joins(docs):
    assert docs.column("SELECT row_matches(docs, NULL) FROM docs LIMIT 1") == [None]
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH 'all' AND row_matches(docs, NULL)") == []
    assert docs.column("SELECT row_matches(d.docs, '{}') FROM (SELECT -1 AS r) LEFT JOIN docs AS d ON d.rowid = r") == [None]


def test_where_there_is_no_row_it_says_so(docs):
    for sql in (
        "SELECT row_matches(NULL, '{}')",
        "SELECT row_matches(meta, '{}') FROM plain",
        "SELECT lang FROM docs GROUP BY lang HAVING row_matches(docs, '{}')",
        "WITH found AS MATERIALIZED (SELECT docs AS d FROM docs) SELECT row_matches(d, '{}') FROM found",
    ):
        assert docs.failure(sql).says("row_matches(docs, filter) needs the row of a nearlite table"), sql
    vector = model.blob([0, 0, 0, 0])
    for asked, message in [
        ('{"yaer": 1}', "docs has no column yaer; columns that can be filtered: id, lang, year, price, free, meta"),
        ('{"body": "x"}', "docs.body cannot be filtered: it is a FULLTEXT column"),
        ('{"year.x": 1}', "docs.year holds no objects"),
        ("[1]", "docs: row_matches: the filter must be a JSON object"),
        (7, "docs: row_matches: the filter is a JSON object as TEXT"),
    ]:
        for sql in ("SELECT 1 FROM docs WHERE embedding MATCH ? AND row_matches(docs, ?)", "SELECT row_matches(docs, ?2) FROM docs WHERE ?1 > 0"):
            assert docs.failure(sql, vector, asked).says(message), (sql, asked)
    assert docs.failure("SELECT json_matches(docs, '{}') FROM docs").says("to filter by all columns write row_matches(docs, filter)")
    assert docs.failure("SELECT row_matches(id, '{}') FROM docs").says("the table itself")
