"""Texts that people and models wrote: no character is an operator, and what a query could not mean is told."""

import json
import unicodedata

import pytest

TABLE = "CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, v VECTOR(2) METRIC l2)"
ROWS = [
    "ERROR: NOT NULL constraint failed: users.id",
    "git push --force overwrites",
    "a plain row of null and void",
    "monitor 24\" 4k 27\"",
]


@pytest.fixture
def docs(db):
    db.rows(TABLE)
    for at, body in enumerate(ROWS, 1):
        db.rows("INSERT INTO docs(rowid, body, v) VALUES(?, ?, ?)", at, body, f"[{at}, 0]")
    return db


@pytest.mark.parametrize(
    "where",
    [
        "docs MATCH words(?)",
        "docs MATCH text_query(?, '{\"syntax\":\"words\"}')",
        "docs MATCH text_query(words(?), '{\"syntax\":\"query\"}')",
        "body MATCH words(?)",
        "docs MATCH hybrid_query(words(?), NULL)",
        "docs MATCH hybrid_query(?, NULL, '{\"syntax\":\"words\"}')",
        "docs MATCH hybrid_query(text_query(?, '{\"syntax\":\"words\"}'), NULL)",
    ],
)
def test_words_find_the_row_that_says_them_wherever_a_text_query_may_stand(docs, where):
    for text, first in [("NOT NULL constraint failed", 1), ("git push --force", 2), ("monitor 24\" 27\"", 4), ("-monitor", 4)]:
        assert docs.column(f"SELECT rowid FROM docs WHERE {where} ORDER BY rank", text)[0] == first, text


def test_words_beside_a_vector_rank_in_both_legs(docs):
    query = "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(words(?), ?) AND text_rank IS NOT NULL"
    assert set(docs.column(query, "push --force", "[9, 0]")) == {2}
    assert docs.column(query.replace("words(?)", "?"), "push --force", "[9, 0]") == []


@pytest.mark.parametrize("where", ["docs MATCH words(?) OR rowid = 3", "body MATCH words(?) OR rowid = 3", "CASE WHEN docs MATCH words(?) THEN 1 ELSE rowid = 3 END"])
def test_words_work_where_match_is_a_function(docs, where):
    assert sorted(docs.column(f"SELECT rowid FROM docs WHERE {where}", "push --force")) == [2, 3]


def test_words_of_null_find_nothing_and_wrong_values_are_errors(docs):
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH words(NULL)") == []
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH words('')") == []
    for sql, message in [
        ("docs MATCH words(5)", "words: the text must be TEXT, got INTEGER"),
        ("docs MATCH text_query('x', '{\"syntax\":\"sql\"}')", "\"syntax\" must be \"query\" or \"words\""),
        ("docs MATCH text_query('x', '{\"k\":1}')", "unknown word \"k\""),
        ("docs MATCH hybrid_query('x', NULL, '{\"syntax\":1}')", "\"syntax\" must be \"query\" or \"words\""),
        ("v MATCH words('x')", "a text query is for docs or a FULLTEXT column"),
    ]:
        with pytest.raises(Exception, match=".") as caught:
            docs.rows(f"SELECT rowid FROM docs WHERE {sql}")
        assert message in str(caught.value), sql


def warnings(db, query, *args):
    return json.loads(db.column(f"SELECT nearlite_warnings('docs', {query})", *args)[0])


def test_warnings_explain_an_empty_answer_without_a_search(docs):
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH ?", "“no such && thing”") == []
    for text in ["a && b", "a || b", "!b", "f*bar", "colo?r", "/re/", "[a TO b]", "NEAR(a b, 5)", "“a b”", "(a", "hospital OR"]:
        told = warnings(docs, "?", text)
        assert told and all(isinstance(line, str) for line in told), text
        assert warnings(docs, "words(?)", text) == []
        assert warnings(docs, "hybrid_query(?, '[1,0]')", text) == told
    assert warnings(docs, "?", "push AND (git OR \"force it\"~2) -x y*") == []
    assert warnings(docs, "NULL") == []
    with pytest.raises(Exception, match="there is no nearlite table 'nowhere'"):
        docs.rows("SELECT nearlite_warnings('nowhere', 'x')")


def test_functions_of_the_null_row_of_an_outer_join_are_null(docs):
    docs.rows("CREATE TABLE b(id)")
    docs.rows("INSERT INTO b VALUES(2), (77)")
    sql = "SELECT b.id, highlight(docs, 'body', '[', ']'), snippet(docs, 'body', '[', ']'), bm25(docs) IS NULL FROM b LEFT JOIN docs ON docs.rowid = b.id AND docs MATCH 'push' ORDER BY b.id"
    assert docs.rows(sql) == [(2, "git [push] --force overwrites", "git [push] --force overwrites", 0), (77, None, None, 1)]


def test_highlight_marks_what_was_typed(db):
    db.rows("CREATE VIRTUAL TABLE grams USING nearlite(body TEXT FULLTEXT, tokenizer = 'trigram')")
    db.rows("INSERT INTO grams VALUES('abcd efgh')")
    assert db.column("SELECT highlight(grams, 0, '[', ']') FROM grams WHERE grams MATCH 'cd'") == ["ab[cd] efgh"]
    db.rows(TABLE)
    db.rows("INSERT INTO docs(body) VALUES('東京都の天気'), ('cats and dogs')")
    marked = "SELECT highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH ?"
    assert db.column(marked, "天") == ["東京都の[天]気"]
    assert db.column(marked, "cats OR (dogs AND birds)") == ["[cats] and dogs"]


@pytest.mark.parametrize("tokenizer", ["default", "pt_stem", "trigram", "whitespace", "raw"])
def test_a_word_is_found_in_either_normal_form_and_marked_as_it_is_stored(db, tokenizer):
    db.rows(f"CREATE VIRTUAL TABLE f USING nearlite(body TEXT FULLTEXT, tokenizer = '{tokenizer}')")
    forms = [unicodedata.normalize(form, "informação") for form in ("NFC", "NFD")]
    for state in ("delta", "segment"):
        if state == "segment":
            db.rows("INSERT INTO f(f) VALUES('flush')")
        else:
            for form in forms:
                db.rows("INSERT INTO f VALUES(?)", form)
        for form in forms:
            found = db.column("SELECT highlight(f, 0, '[', ']') FROM f WHERE f MATCH ? ORDER BY rowid", form)
            assert found == [f"[{stored}]" for stored in forms], (tokenizer, state)
    assert db.column("SELECT analyzer FROM nearlite_info('f') WHERE kind = 'full text'") == [2]
    assert db.rows("INSERT INTO f(f) VALUES('integrity-check')") == []
