"""Functions of a result row where SQLite has stored the row before it calls them: right marks, NULL or an error, never wrong marks."""

import pytest

H = "highlight(docs, 'body', '[', ']')"
S = "snippet(docs, 'body', '[', ']', '…', 9)"


@pytest.fixture(params=["delta", "mixed"])
def docs(db, request):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, year INTEGER, lang TEXT)")
    for rowid in range(1, 13):
        db.rows("INSERT INTO docs(rowid, title, body, year, lang) VALUES(?, ?, ?, ?, ?)", rowid, f"t{rowid % 3}", f"word number w{rowid} here", 2000 + rowid % 4, f"l{rowid % 2}")
        if request.param == "mixed" and rowid in (4, 9):
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    return db


def right(rowid):
    return f"[word] number w{rowid} here"


# A row number and what a function gives for that row.
KEPT = [
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' ORDER BY title, rowid LIMIT 4",
    f"SELECT rowid, {S} FROM docs WHERE docs MATCH 'word' ORDER BY year DESC, lang",
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' ORDER BY {H} DESC LIMIT 4",
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' ORDER BY rowid % 5, rowid",
    f"SELECT rowid, {H} FROM docs WHERE title MATCH 'body:word' OR docs MATCH 'word' ORDER BY title, rowid",
    f"WITH c AS MATERIALIZED (SELECT rowid AS r, {H} AS h FROM docs WHERE docs MATCH 'word') SELECT r, h FROM c ORDER BY r DESC",
    f"SELECT r, h FROM (SELECT rowid AS r, {H} AS h, title FROM docs WHERE docs MATCH 'word') GROUP BY title HAVING r = min(r)",
    f"SELECT r, h FROM (SELECT rowid AS r, {H} AS h, row_number() OVER (ORDER BY rowid DESC) FROM (SELECT rowid, docs, * FROM docs WHERE docs MATCH 'word'))",
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' AND rowid = 1 UNION ALL SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' AND rowid = 2 ORDER BY 1",
    f"SELECT d.rowid, {H} FROM (SELECT 1 AS one) x JOIN docs d ON 1 WHERE d.docs MATCH 'word' ORDER BY x.one, d.year".replace("docs, 'body'", "d.docs, 'body'"),
]
LOST = [
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' GROUP BY title",
    f"SELECT min(rowid), {H} FROM docs WHERE docs MATCH 'word' GROUP BY title",
    f"SELECT max(rowid), {S} FROM docs WHERE docs MATCH 'word'",
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' GROUP BY rowid",
    f"SELECT rowid, {H} FROM docs WHERE docs MATCH 'word' GROUP BY docs, rowid",
    f"SELECT rowid, {H}, row_number() OVER (ORDER BY rowid DESC) FROM docs WHERE docs MATCH 'word'",
    f"SELECT first_value(rowid) OVER w, first_value({H}) OVER w FROM docs WHERE docs MATCH 'word' WINDOW w AS (PARTITION BY title ORDER BY rowid)",
    f"SELECT lag(rowid) OVER w, lag({S}) OVER w FROM docs WHERE docs MATCH 'word' WINDOW w AS (ORDER BY rowid)",
    "WITH c AS MATERIALIZED (SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word') SELECT r, highlight(d, 'body', '[', ']') FROM c",
    "WITH c AS NOT MATERIALIZED (SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word') SELECT r, highlight(d, 'body', '[', ']') FROM c ORDER BY r",
    "WITH c AS MATERIALIZED (SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word') SELECT a.r, highlight(a.d, 'body', '[', ']') FROM c a JOIN c b ON a.r = b.r + 1",
    "SELECT r, highlight(d, 'body', '[', ']') FROM (SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word' ORDER BY title LIMIT 5)",
    "SELECT r, highlight(d, 'body', '[', ']') FROM (SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word' LIMIT 5) ORDER BY r DESC",
    "SELECT r, snippet(d, 'body', '[', ']') FROM (SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word' UNION ALL SELECT rowid, docs FROM docs WHERE docs MATCH 'w1') GROUP BY r",
    "SELECT DISTINCT rowid, highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'word' ORDER BY 2 LIMIT 3",
]


@pytest.mark.parametrize("sql", KEPT)
def test_marks_are_right_where_rows_are_sorted_behind_the_search(docs, sql):
    try:
        rows = docs.rows(sql)
    except docs.errors as error:
        assert "in the requested context" in str(error) or "not known here" in str(error), error
        return
    assert rows and all(row[1] == right(row[0]) for row in rows), rows


@pytest.mark.parametrize("sql", LOST)
def test_a_function_whose_row_is_lost_never_marks_another_row(docs, sql):
    try:
        rows = docs.rows(sql)
    except docs.errors as error:
        assert "unable to use function" in str(error), error
        return
    assert rows
    for rowid, text, *_ in rows:
        assert text is None or text == right(rowid), rows


def test_a_temporary_table_keeps_no_row(docs):
    docs.rows("CREATE TEMP TABLE kept AS SELECT rowid AS r, docs AS d FROM docs WHERE docs MATCH 'word'")
    assert set(docs.column("SELECT d FROM kept")) == {None}
    assert docs.failure("SELECT highlight(d, 'body', '[', ']') FROM kept").says("unable to use function highlight")
