"""How the words of a text query are meant, beside FTS5 and a look at every row, in every SQLite there is."""

import json

import pytest

WORDS = ["ash", "birch", "cedar", "elm", "fir", "larch", "maple", "oak"]


@pytest.fixture
def both(db, rng):
    """A nearlite table and an FTS5 table with the same texts, some in segments, some in the log, some deleted."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, lang TEXT, v VECTOR(2) METRIC l2)")
    db.rows("CREATE VIRTUAL TABLE fts USING fts5(title, body)")

    def text():
        return " ".join(WORDS[int(at)] for at in rng.integers(0, len(WORDS), int(rng.integers(0, 5))))

    for at in range(1, 201):
        title, body = text(), text()
        db.rows("INSERT INTO docs(rowid, title, body, lang, v) VALUES(?, ?, ?, ?, ?)", at, title, body, "en", f"[{at}, 0]")
        db.rows("INSERT INTO fts(rowid, title, body) VALUES(?, ?, ?)", at, title, body)
        if at in (60, 120):
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    for table in ("docs", "fts"):
        db.rows(f"DELETE FROM {table} WHERE rowid % 7 = 0")
        db.rows(f"UPDATE {table} SET title = 'oak', body = 'elm fir' WHERE rowid % 11 = 0")
    return db


def found(db, words, **options):
    sql = "SELECT rowid FROM docs WHERE docs MATCH text_query(words(?), ?) ORDER BY rowid"
    return db.column(sql, words, json.dumps(options))


def test_and_prefix_and_terms_are_those_of_fts5(both, rng):
    for step in ("", "optimize"):
        if step:
            both.rows(f"INSERT INTO docs(docs) VALUES('{step}')")
        for _ in range(60):
            words = [WORDS[int(at)] for at in rng.integers(0, len(WORDS), int(rng.integers(1, 5)))]
            joined = " ".join(words)
            everywhere = both.column("SELECT rowid FROM fts WHERE fts MATCH ? ORDER BY rowid", joined)
            assert found(both, joined, operator="and") == everywhere, joined
            assert found(both, joined, minimum_match="100%") == everywhere, joined
            ranked = "SELECT rowid FROM docs WHERE docs MATCH text_query(?, '{\"operator\":\"and\"}') AND lang = 'en' ORDER BY rank LIMIT 5"
            assert set(both.column(ranked, joined)) <= set(everywhere)
            typed = " ".join([*words[:-1], words[-1][:2]])
            assert found(both, typed, operator="and", prefix_last=True) == both.column(
                "SELECT rowid FROM fts WHERE fts MATCH ? ORDER BY rowid", typed + "*"
            ), typed
        both.rows("DROP TABLE IF EXISTS vocab")
        both.rows("CREATE VIRTUAL TABLE vocab USING fts5vocab(fts, col)")
        for column in ("title", "body"):
            mine = both.rows("SELECT term, rows FROM nearlite_terms('docs', ?)", column)
            assert mine == both.rows("SELECT term, doc FROM vocab WHERE col = ? ORDER BY term", column)


def test_a_minimum_and_typing_errors_in_hybrid_queries_and_settings(both):
    texts = {row[0]: set(f"{row[1]} {row[2]}".split()) for row in both.rows("SELECT rowid, title, body FROM docs")}
    two = sorted(at for at, words in texts.items() if len(words & {"oak", "elm", "ash"}) > 1)
    assert found(both, "oak elm ash", minimum_match=2) == two
    query = "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(words('oak elm ash'), '[1,0]', ?) AND text_rank IS NOT NULL ORDER BY rowid"
    assert both.column(query, '{"minimum_match":2, "depth":1000}') == two
    near = sorted(at for at, words in texts.items() if words & {"maple", "birch"})
    assert found(both, "mapel brich", fuzzy="auto") == near
    assert found(both, "mapel brich", fuzzy=0) == []
    both.rows("INSERT INTO docs(docs, rank) VALUES('fuzzy', 'auto'), ('minimum_match', 0.5)")
    assert both.column("SELECT rowid FROM docs WHERE docs MATCH 'mapel brich' ORDER BY rowid") == near
    assert found(both, "mapel brich", operator="and") == sorted(at for at, words in texts.items() if {"maple", "birch"} <= words)


@pytest.mark.parametrize("place", ["docs MATCH words(?) OR rowid = 0", "CASE WHEN docs MATCH words(?) THEN 1 ELSE 0 END"])
def test_the_table_says_how_words_are_meant_where_match_is_a_function(both, place):
    both.rows("INSERT INTO docs(docs, rank) VALUES('operator', 'and')")
    assert sorted(both.column(f"SELECT rowid FROM docs WHERE {place}", "oak elm")) == found(both, "oak elm")


def test_code_has_marks_where_it_matched(db):
    db.rows("CREATE VIRTUAL TABLE files USING nearlite(path TEXT FULLTEXT TOKENIZER 'code', about TEXT FULLTEXT, stop_words = 'en', tokenizer = 'en_stem')")
    db.rows("INSERT INTO files VALUES('src/getUserById.rs', 'The one that asks for users'), ('C++/x.cpp', 'to be or not to be')")
    marked = "SELECT highlight(files, 'path', '[', ']'), snippet(files, 'about', '[', ']', '…', 8) FROM files WHERE files MATCH ?"
    assert db.rows(marked, "getuserbyid") == [("src/[getUserById].rs", "The one that asks for users")]
    assert db.rows(marked, "the user") == [("src/get[User]ById.rs", "The one that asks for [users]")]
    assert db.rows(marked, "c++") == [("[C++]/x.cpp", "to be or not to be")]
    assert db.rows(marked, "to be") == [("C++/x.cpp", "[to] [be] or not [to] [be]")]
    assert db.rows("SELECT nearlite_warnings('files', 'the user')") == [('["stop words are left out: the"]',)]
    assert db.rows("SELECT token, position, start, \"end\" FROM nearlite_tokens('files', 'path', 'aB')") == [("a", 0, 0, 1), ("ab", 0, 0, 2), ("b", 1, 1, 2)]


def test_views_and_defensive_connections_may_read_tokens_and_terms(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.rows("INSERT INTO docs VALUES('one two')")
    db.rows("CREATE VIEW seen AS SELECT term, rows FROM nearlite_terms('docs', 'body')")
    db.rows("PRAGMA trusted_schema = 0")
    assert db.rows("SELECT * FROM seen ORDER BY rows, term DESC LIMIT 1") == [("two", 1)]
    assert db.rows("SELECT term FROM nearlite_terms('docs', 'body') ORDER BY term DESC") == [("two",), ("one",)]
    plan = db.rows("EXPLAIN QUERY PLAN SELECT term FROM nearlite_terms('docs', 'body') ORDER BY term LIMIT 1")
    assert not any("B-TREE" in str(step) for step in plan), plan
    assert db.rows("SELECT t.token FROM docs, nearlite_tokens('docs', 'body', docs.body) t ORDER BY t.position") == [("one",), ("two",)]
