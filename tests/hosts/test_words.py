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
    assert db.column("SELECT analyzer FROM nearlite_info('f') WHERE kind = 'full text'") == [3 if tokenizer == "pt_stem" else 2]
    assert db.rows("INSERT INTO f(f) VALUES('integrity-check')") == []


def carried(db, query):
    """The same query on every way that a value can take to MATCH."""
    db.rows("DROP TABLE IF EXISTS temp.kept")
    db.rows(f"CREATE TEMP TABLE kept AS SELECT {query} AS q")
    db.rows("DROP TABLE IF EXISTS typed")
    db.rows("CREATE TABLE typed(q TEXT, i INTEGER)")
    db.rows(f"INSERT INTO typed VALUES({query}, 1)")
    stored = db.column("SELECT q FROM kept")[0]
    for sql, params in [
        (f"WITH c(q) AS MATERIALIZED (SELECT {query}) SELECT d.rowid FROM c, docs d WHERE d.docs MATCH c.q ORDER BY d.rank", []),
        (f"WITH c(q) AS MATERIALIZED (SELECT {query} UNION SELECT {query}) SELECT d.rowid FROM c, docs d WHERE d.docs MATCH c.q ORDER BY d.rank", []),
        (f"SELECT rowid FROM docs WHERE docs MATCH (SELECT {query}) ORDER BY rank", []),
        (f"SELECT rowid FROM docs WHERE docs MATCH (SELECT q FROM (SELECT {query} AS q, 1 AS i UNION ALL SELECT NULL, 2 ORDER BY i) LIMIT 1) ORDER BY rank", []),
        ("SELECT rowid FROM docs WHERE docs MATCH (SELECT q FROM kept) ORDER BY rank", []),
        ("SELECT d.rowid FROM kept, docs d WHERE d.docs MATCH kept.q ORDER BY d.rank", []),
        ("SELECT d.rowid FROM typed, docs d WHERE d.docs MATCH typed.q AND typed.i = 1 ORDER BY d.rank", []),
        (f"SELECT rowid FROM docs WHERE docs MATCH (SELECT max(q) FROM (SELECT {query} AS q)) ORDER BY rank", []),
        ("SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank", [stored]),
    ]:
        yield sql, db.column(sql, *params)


def test_a_query_keeps_its_meaning_wherever_sqlite_stores_it(docs):
    """As a pointer value it was NULL there, and MATCH NULL silently finds nothing."""
    for query, expected in [
        ("words('git push --force')", [2]),
        ("words('NOT NULL constraint failed')", [1, 3]),
        ("text_query('git push -force')", []),
        ("text_query('null -constraint')", [3]),
        ("text_query('git \"push force\" --force', '{\"syntax\":\"words\"}')", [2]),
        ("hybrid_query(words('push --force'), NULL)", [2]),
        ("hybrid_query('null', '[1, 0]', '{\"depth\":3}')", None),
        ("hybrid_query(words('--null'), vec_f32('[3, 0]'))", None),
    ]:
        direct = docs.column(f"SELECT rowid FROM docs WHERE docs MATCH {query} ORDER BY rank")
        assert direct == expected or expected is None and len(direct) == 4, query
        for sql, got in carried(docs, query):
            assert got == direct, sql


def test_a_stored_query_works_where_match_is_a_function_and_in_warnings(docs):
    docs.rows("CREATE TEMP TABLE kept AS SELECT words('push --force') AS w, hybrid_query('a &&', '[1,0]') AS h")
    assert sorted(docs.column("SELECT docs.rowid FROM docs, kept WHERE docs MATCH kept.w OR docs.rowid = 3")) == [2, 3]
    assert sorted(docs.column("SELECT docs.rowid FROM docs, kept WHERE body MATCH kept.w OR docs.rowid = 3")) == [2, 3]
    assert json.loads(docs.one("SELECT nearlite_warnings('docs', w) FROM kept")) == []
    assert json.loads(docs.one("SELECT nearlite_warnings('docs', h) FROM kept")) != []
    assert docs.column("SELECT typeof(w) FROM kept") == ["blob"]


def test_a_query_that_was_changed_on_its_way_is_an_error_or_means_the_same(docs):
    found = "SELECT rowid FROM docs WHERE docs MATCH {q} ORDER BY rank"
    assert docs.column(found.format(q="CAST(words('push --force') AS TEXT)")) == [2]
    for changed in ["substr(hybrid_query('x', '[1,0]'), 1, 30)", "CAST(hybrid_query('x', '[1,0]') AS TEXT) || 'y'"]:
        assert docs.failure(found.format(q=changed)).says("changed on its way to MATCH"), changed
    for wrong, message in [
        ("v MATCH words('x')", "a text query is for docs"),
        ("v MATCH hybrid_query('x', NULL)", "write docs MATCH hybrid_query"),
        ("docs MATCH hybrid_query(hybrid_query('x', NULL), NULL)", "the query text must be TEXT"),
        ("CASE WHEN v MATCH words('x') THEN 1 END", "MATCH takes a text for a FULLTEXT column"),
        ("docs MATCH x'0102'", "a text query is TEXT, got BLOB"),
    ]:
        assert docs.failure(f"SELECT rowid FROM docs WHERE {wrong}").says(message), wrong
    # A value in the place of a text is refused instead of being lost.
    assert docs.failure("INSERT INTO docs(body) VALUES(words('x'))").says("body")


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 12, 30])
def test_with_trigrams_a_word_of_any_script_and_length_is_a_substring(db, length):
    db.rows("CREATE VIRTUAL TABLE grams USING nearlite(body TEXT FULLTEXT, tokenizer = 'trigram')")
    texts = ["東京都は日本の首都であり世界最大級の都市圏を形成している大都市である、とされる", "한국어는조사가붙는다데이터베이스를만든다그리고검색을한다빠르게", "ฐานข้อมูลเวกเตอร์ขนาดเล็กสำหรับทุกคน", "Donaudampfschifffahrtsgesellschaftskapitän", "🙂🙃🙂🙃😀😃😄😁😆😅😂🤣😊😇"]
    for text in texts:
        db.rows("INSERT INTO grams VALUES(?)", text)
    for state in ("delta", "segment"):
        for at, text in enumerate(texts, 1):
            for start in range(0, len(text) - length, 5):
                piece = text[start : start + length]
                for query in ("words(?)", "?") if piece.isalnum() else ("words(?)",):
                    expected = [rowid for rowid, other in enumerate(texts, 1) if piece.lower() in other.lower()]
                    assert db.column(f"SELECT rowid FROM grams WHERE grams MATCH {query} ORDER BY rowid", piece) == expected, (piece, state)
                # One letter more that is not there: nothing, however much of the rest is.
                assert db.column("SELECT rowid FROM grams WHERE grams MATCH words(?)", piece + "字字") == [], (piece, at)
        db.rows("INSERT INTO grams(grams) VALUES('flush')")


def test_words_typed_without_marks_are_found_by_the_stemmers_of_languages(db):
    db.rows("CREATE VIRTUAL TABLE f USING nearlite(body TEXT FULLTEXT, tokenizer = 'pt_stem')")
    for state in ("delta", "segment", "merged"):
        if state == "delta":
            db.many_in_transaction("INSERT INTO f(rowid, body) VALUES(?, ?)", [(1, "a informação pública"), (2, "as informações"), (3, "informacao publica")])
        else:
            db.rows(f"INSERT INTO f(f) VALUES('{'flush' if state == 'segment' else 'optimize'}')")
        for text, expected in [("informacao", [1, 3]), ("informação", [1, 2]), ("informações", [1, 2]), ("\"informacao publica\"", [1, 3])]:
            assert db.column("SELECT rowid FROM f WHERE f MATCH ? ORDER BY rowid", text) == expected, (text, state)
        assert db.one("SELECT highlight(f, 0, '[', ']') FROM f WHERE f MATCH 'informacao' AND rowid = 1") == "a [informação] pública"
    assert db.rows("INSERT INTO f(f) VALUES('integrity-check')") == []
