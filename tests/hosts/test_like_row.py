"""`like_row(row)`: rows that are like a stored one, by its vector, by its words, or by both."""

import json

import numpy as np
import pytest

import model

ROWS = 200
DIM = 8


@pytest.fixture
def docs(db, rng):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, title FULLTEXT, body FULLTEXT, lang TEXT, a VECTOR({DIM}) METRIC l2, b VECTOR({DIM}) STORE f16)")
    common = ["the", "of", "and", "a"]
    rare = [f"word{number}" for number in range(60)]
    db.vectors = rng.standard_normal((ROWS + 1, DIM)).astype("f4")
    for rowid in range(1, ROWS + 1):
        words = [*rng.choice(common, 8), *rng.choice(rare, 3)]
        vector = None if rowid == 50 else model.blob(db.vectors[rowid])
        body = None if rowid == 60 else " ".join(words)
        db.rows("INSERT INTO docs(rowid, id, title, body, lang, a, b) VALUES(?, ?, ?, ?, ?, ?, ?)", rowid, f"k{rowid}", f"title {rowid % 10}", body, ["en", "de"][rowid % 2], vector, vector)
        if rowid in (80, 150):
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    return db


def nearest(docs, rowid, count):
    distances = {other: float(np.linalg.norm(docs.vectors[other] - docs.vectors[rowid])) for other in range(1, ROWS + 1) if other not in (rowid, 50)}
    return sorted(distances, key=distances.get)[:count]


def test_by_vector_it_is_the_search_for_the_vector_without_the_row(docs):
    want = nearest(docs, 7, 10)
    for sql in (
        "SELECT rowid FROM docs WHERE docs MATCH like_row(7) ORDER BY rank LIMIT 10",
        "SELECT rowid FROM docs WHERE docs MATCH like_row('k7') ORDER BY distance LIMIT 10",
        "SELECT rowid FROM docs WHERE a MATCH like_row(7) ORDER BY distance LIMIT 10",
        "SELECT rowid FROM docs WHERE docs MATCH like_row(7.0, '{\"by\":\"vector\",\"column\":\"A\"}') AND k = 10",
        "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(like_row(7)) ORDER BY rank LIMIT 10",
        "SELECT d.rowid FROM (SELECT 'k7' AS id) AS q JOIN docs AS d ON d.docs MATCH like_row(q.id) AND d.k = 10",
        "SELECT d.rowid FROM docs AS q, docs AS d WHERE q.id = 'k7' AND d.docs MATCH like_row(q.rowid) AND d.k = 10",
        "WITH q AS MATERIALIZED (SELECT like_row(7) AS row) SELECT rowid FROM docs WHERE docs MATCH (SELECT row FROM q) ORDER BY rank LIMIT 10",
    ):
        assert docs.column(sql) == want, sql
    other = docs.column("SELECT rowid FROM docs WHERE b MATCH ? AND rowid <> 7 ORDER BY distance LIMIT 10", model.blob(docs.vectors[7]))
    assert docs.column("SELECT rowid FROM docs WHERE b MATCH like_row(7) ORDER BY distance LIMIT 10") == other
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(7, '{\"column\":\"b\"}') ORDER BY rank LIMIT 10") == other
    german = docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(7) AND lang = 'en' ORDER BY rank LIMIT 5")
    assert german == [row for row in nearest(docs, 7, ROWS) if row % 2 == 0][:5]
    everything = docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(7)")
    assert sorted(everything) == [row for row in range(1, ROWS + 1) if row not in (7, 50)]


def test_by_text_it_searches_for_the_words_that_are_rare_elsewhere(docs):
    def rare(rowid):
        return {word for word in docs.one("SELECT body FROM docs WHERE rowid = ?", rowid).split() if word.startswith("word")}

    sql = "SELECT rowid, highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH like_row(7, ?) ORDER BY rank LIMIT 5"
    words = rare(7)
    for options in ({"by": "text"}, {"by": "text", "terms": 2, "text_column": "body"}):
        found = docs.rows(sql, json.dumps(options))
        assert 7 not in [rowid for rowid, _ in found] and words & rare(found[0][0]), (options, found)
        if options.get("terms"):
            assert all(set(text.split("[")[at].split("]")[0] for at in range(1, text.count("[") + 1)) <= words for _, text in found), found
    best = docs.column("SELECT rowid FROM docs WHERE body MATCH like_row('k7') ORDER BY rank LIMIT 5")
    assert best == docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(7, '{\"by\":\"text\",\"text_column\":\"body\"}') ORDER BY bm25 DESC LIMIT 5")
    # It is ranked although nobody reads a rank.
    assert docs.column("SELECT rowid FROM docs WHERE body MATCH like_row('k7') LIMIT 5") == best
    assert docs.column("SELECT title FROM docs WHERE docs MATCH like_row(7, '{\"by\":\"text\"}') AND docs MATCH 'title AND 3' LIMIT 5") == ["title 3"] * 5


def test_by_both_and_as_a_leg(docs):
    both = docs.rows("SELECT rowid, distance, bm25, explain_row(docs) FROM docs WHERE docs MATCH like_row(7, '{\"by\":\"both\"}') ORDER BY rank LIMIT 20")
    assert len(both) == 20 and 7 not in [row[0] for row in both]
    assert [leg["kind"] for leg in json.loads(both[0][3])["legs"] if leg] and len(json.loads(both[0][3])["legs"]) == 2
    legs = docs.column("SELECT rowid FROM docs WHERE docs MATCH hybrid_query(like_row(7), like_row(7, '{\"by\":\"text\"}')) ORDER BY rank LIMIT 20")
    assert legs == [row[0] for row in both]
    three = docs.rows("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('title', near('a', ?), like_row(7, '{\"weight\":2,\"depth\":5}'), like_row('k9')) ORDER BY rank LIMIT 200", model.blob(docs.vectors[3]))
    assert {7, 9} & {row[0] for row in three} == set() and len(three) >= 190


def test_what_is_not_there_finds_nothing(docs):
    for row in ("NULL", "9999", "'nobody'", "7.5", "-1", "'7'"):
        for options in ("", ", '{\"by\":\"both\"}'", ", '{\"by\":\"text\"}'"):
            assert docs.column(f"SELECT rowid FROM docs WHERE docs MATCH like_row({row}{options})") == [], (row, options)
        assert docs.column(f"SELECT rowid FROM docs WHERE docs MATCH like_row({row}) AND title MATCH 'title'") == []
        left = docs.column(f"SELECT rowid FROM docs WHERE docs MATCH hybrid_query(like_row({row}), text_query('title AND 3')) ORDER BY rank LIMIT 50")
        assert left == docs.column("SELECT rowid FROM docs WHERE docs MATCH 'title AND 3' ORDER BY rank LIMIT 50")
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(50)") == []
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(60, '{\"by\":\"text\",\"text_column\":\"body\"}')") == []
    # The half that is there is compared.
    assert docs.one("SELECT count(*) FROM docs WHERE docs MATCH like_row(50, '{\"by\":\"both\"}')") > 0
    docs.rows("BEGIN")
    docs.rows("UPDATE docs SET a = ? WHERE rowid = 50", model.blob(docs.vectors[7]))
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(50) ORDER BY rank LIMIT 1") == [7]
    docs.rows("DELETE FROM docs WHERE rowid = 7")
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(7)") == []
    docs.rows("ROLLBACK")
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH like_row(50)") == []


def test_keys_of_other_tables(db):
    db.rows("CREATE VIRTUAL TABLE n USING nearlite(id INTEGER PRIMARY KEY, body FULLTEXT)")
    db.rows("INSERT INTO n VALUES(1, 'owls hunt'), (2, 'owls sleep'), (3, 'pikes wait')")
    for row in ("1", "'1'", "1.0", "' 1 '"):
        assert db.column(f"SELECT id FROM n WHERE n MATCH like_row({row})") == [2], row
    assert db.failure("SELECT id FROM n WHERE n MATCH like_row(1, '{\"by\":\"vector\"}')").says("n has no VECTOR column to compare rows by")
    db.rows("CREATE VIRTUAL TABLE v USING nearlite(e VECTOR(1))")
    db.rows("INSERT INTO v(rowid, e) VALUES(1, '[1]'), (2, '[2]')")
    assert db.failure("SELECT rowid FROM v WHERE v MATCH like_row(1, '{\"by\":\"both\"}')").says("v has no FULLTEXT column to compare rows by")
    db.rows("CREATE VIRTUAL TABLE r USING nearlite(name FULLTEXT, tag FULLTEXT, tokenizer = 'raw')")
    db.rows("INSERT INTO r(rowid, name, tag) VALUES(1, 'two words', 'x y'), (2, 'two', 'words'), (3, 'two words', 'z'), (4, 'q', 'x y')")
    assert sorted(db.column("SELECT rowid FROM r WHERE r MATCH like_row(1)")) == [3, 4]
    db.rows("CREATE VIRTUAL TABLE t USING nearlite(name FULLTEXT, tokenizer = 'trigram')")
    db.rows("INSERT INTO t(rowid, name) VALUES(1, 'say \"hello\" AND go'), (2, 'hello'), (3, 'nothing'), (4, '東京都'), (5, '東京都庁')")
    assert db.column("SELECT rowid FROM t WHERE t MATCH like_row(1) ORDER BY rank") == [2]
    assert db.column("SELECT rowid FROM t WHERE t MATCH like_row(4) ORDER BY rank") == [5]


def test_mistakes_are_named(docs):
    for call, words in [
        ("like_row(7, '{\"by\":\"words\"}')", ["\"by\" must be \"vector\", \"text\" or \"both\""]),
        ("like_row(7, '{\"terms\":0}')", ["\"terms\" must be a whole number from 1 to 1000"]),
        ("like_row(7, '{\"what\":1}')", ["unknown word \"what\"", "by, column, text_column, terms, weight, depth"]),
        ("like_row(7, '{\"column\":\"zz\"}')", ["docs: there is no VECTOR column 'zz'"]),
        ("like_row(7, '{\"by\":\"text\",\"text_column\":\"a\"}')", ["docs: there is no FULLTEXT column 'a'"]),
        ("like_row(7, '[1]')", ["like_row options: expected a JSON object"]),
        ("like_row(7, 5)", ["the options must be TEXT, got INTEGER"]),
        ("like_row(x'00')", ["the row is a rowid or a TEXT key, got BLOB"]),
        ("like_row(7) AND docs MATCH hybrid_query('x', NULL)", ["leg of it"]),
    ]:
        assert docs.failure(f"SELECT rowid FROM docs WHERE docs MATCH {call}").says(*words), call
    assert docs.failure("SELECT rowid FROM docs WHERE a MATCH like_row(7, '{\"by\":\"text\"}')").says("docs.a MATCH like_row(...) compares rows by the vector of that column")
    assert docs.failure("SELECT rowid FROM docs WHERE title MATCH like_row(7, '{\"by\":\"both\"}')").says("by the text of that column")
    for under in ("body = 'x' OR docs MATCH like_row(7)", "body = 'x' OR a MATCH like_row(7)", "NOT (title MATCH like_row(7))"):
        assert docs.failure(f"SELECT rowid FROM docs WHERE {under}").says("like_row(...) works as one of the first 16 terms"), under
