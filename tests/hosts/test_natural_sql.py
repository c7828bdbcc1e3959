"""Bounds and orders as people spell them: the rows of `ORDER BY rank`, at its cost; and searches that need no ranks."""

import json

import numpy as np
import pytest

import conftest
import hosts
import model

ROWS = 600
WORDS = ["cat", "dog", "owl", "elk", "yak", "bee"]


@pytest.fixture(scope="module", params=hosts.HOSTS, ids=str)
def host(request):
    return request.param


@pytest.fixture(scope="module", params=conftest.STATES)
def table(host, request):
    """Rows whose rowids do not ascend in the order in which they were written."""
    print(f"NEARLITE_SEED={conftest.SEED}")
    rng = np.random.default_rng(conftest.SEED)
    db = host.open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(name TEXT FULLTEXT, body TEXT FULLTEXT, year INTEGER, v VECTOR(4) METRIC l2)")
    rows = []
    for rowid in rng.permutation(np.arange(1, ROWS + 1)):
        words = " ".join(rng.choice(WORDS, size=rng.integers(1, 9)))
        vector = None if rowid % 11 == 0 else model.blob(rng.normal(size=4).astype("f4"))
        rows.append((int(rowid), str(rng.choice(WORDS)), words, int(rng.integers(2000, 2010)), vector))
    insert = "INSERT OR REPLACE INTO docs(rowid, name, body, year, v) VALUES(?, ?, ?, ?, ?)"
    if request.param == "mixed":
        db.many_in_transaction(insert, [(rowid, "cat", "cat", 1, None) for rowid, *_ in rows[:50]])
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        db.many_in_transaction(insert, rows[: ROWS // 2])
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        db.many_in_transaction(insert, rows[ROWS // 2 :])
    else:
        db.many_in_transaction(insert, rows)
        if request.param == "optimized":
            db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    db.rows("CREATE TABLE plain(id INTEGER PRIMARY KEY, name, body, year)")
    db.many_in_transaction("INSERT INTO plain VALUES(?, ?, ?, ?)", [row[:4] for row in rows])
    yield db
    db.close()


QUERY = model.blob(np.array([0.1, -0.2, 0.3, 0.0], dtype="f4"))
SEARCHES = {
    "text": ("docs MATCH ?", ["cat OR owl"]),
    "column": ("body MATCH ?", ["cat OR owl"]),
    "vector": ("v MATCH ?", [QUERY]),
    "hybrid": ("docs MATCH hybrid_query(?, ?)", ["cat", QUERY]),
    "convex": ("docs MATCH hybrid_query(?, ?, '{\"fusion\":\"convex\"}')", ["cat -bee", QUERY]),
    "both": ("docs MATCH ? AND v MATCH ?", ["cat", QUERY]),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("bound", ["score > ?", "score >= ?", "bm25 > ?", "bm25 >= ?", "rank < ?", "rank <= ?", "score < ?", "bm25 <= ?", "rank > ?", "rank BETWEEN ? AND 1000"])
def test_a_bound_gives_the_rows_that_sqlite_would_keep(table, search, bound):
    condition, params = SEARCHES[search]
    column = bound.split()[0]
    whole = table.rows(f"SELECT rowid, {column} FROM docs WHERE {condition} ORDER BY rank", *params)
    numbers = sorted({value for _, value in whole if value is not None}) or [0.5]
    table.rows("CREATE TABLE IF NOT EXISTS found(id, x REAL)")
    table.rows("DELETE FROM found")
    table.many_in_transaction("INSERT INTO found VALUES(?, ?)", whole)
    middle = numbers[len(numbers) // 2]
    for edge in (numbers[0], middle, middle + 1e-9, numbers[-1], str(middle), None, "words", -1e300, 2**62):
        kept = set(table.column("SELECT id FROM found WHERE " + bound.replace(column, "x", 1), edge))
        expected = [rowid for rowid, _ in whole if rowid in kept]
        got = table.column(f"SELECT rowid FROM docs WHERE {condition} AND {bound} ORDER BY rank", *params, edge)
        assert got == expected, (search, bound, edge)
        assert table.column(f"SELECT rowid FROM docs WHERE {condition} AND {bound} ORDER BY rank LIMIT 7", *params, edge) == expected[:7]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("order", ["score DESC", "bm25 DESC", "score DESC, rowid", "score", "bm25", "rank DESC"])
def test_an_order_by_score_gives_the_rows_in_that_order(table, search, order):
    condition, params = SEARCHES[search]
    column = order.split()[0]
    whole = table.rows(f"SELECT rowid, {column} FROM docs WHERE {condition} ORDER BY {order}", *params)
    assert sorted(row[0] for row in whole) == sorted(table.column(f"SELECT rowid FROM docs WHERE {condition} ORDER BY rank", *params))
    values = [row[1] for row in whole]
    known = [value for value in values if value is not None]
    descending = "DESC" in order
    assert known == sorted(known, reverse=descending)
    # NULL is the smallest value.
    assert values == (known + [None] * (len(values) - len(known)) if descending else [None] * (len(values) - len(known)) + known)
    page = table.rows(f"SELECT rowid, {column} FROM docs WHERE {condition} ORDER BY {order} LIMIT 20 OFFSET 5", *params)
    assert [row[1] for row in page] == values[5:25]
    if (search, order) in {("hybrid", "score DESC"), ("convex", "score DESC"), ("both", "score DESC"), ("text", "bm25 DESC"), ("column", "bm25 DESC")}:
        ranked = f"SELECT rowid FROM docs WHERE {condition} ORDER BY rank"
        assert [row[0] for row in whole] == table.column(ranked, *params)
        assert [row[0] for row in page] == table.column(f"{ranked} LIMIT 20 OFFSET 5", *params)
        plan = table.plan(f"SELECT rowid, {column} FROM docs WHERE {condition} ORDER BY {order} LIMIT 20", *params)
        assert "TEMP B-TREE" not in plan.upper()


@pytest.mark.parametrize("search, bound, order", [("text", "bm25 > ?", "bm25 DESC"), ("text", "rank < ?", "rank"), ("hybrid", "score > ?", "score DESC"), ("hybrid", "rank < ?", "rank"), ("vector", "rank < ?", "rank")])
def test_a_bound_or_an_order_by_score_reads_no_more_than_rank_does(table, search, bound, order):
    """Each once read the whole table."""
    condition, params = SEARCHES[search]
    column = bound.split()[0]
    best = table.rows(f"SELECT rowid, {column}, explain FROM docs WHERE {condition} ORDER BY rank LIMIT 10", *params)
    told = json.loads(best[-1][-1])
    for sql, more in [
        (f"SELECT rowid, {column}, explain FROM docs WHERE {condition} ORDER BY {order} LIMIT 10", []),
        (f"SELECT rowid, {column}, explain FROM docs WHERE {condition} AND {bound} ORDER BY {order}", [best[-1][1]]),
    ]:
        rows = table.rows(sql, *params, *more)
        assert 1 <= len(rows) <= 10 and [row[0] for row in rows] == [row[0] for row in best[: len(rows)]]
        done = json.loads(rows[-1][-1])
        if search != "vector" or more == []:
            assert done["text_hits"] <= 2 * told["text_hits"] + 16, (sql, done)
            assert done["reranked"] <= 2 * told["reranked"] + 16, (sql, done)


UNRANKED = [
    "SELECT count(*) FROM {t} WHERE {m}",
    "SELECT count(*) FROM {t} WHERE {m} AND year > 2004",
    "SELECT EXISTS(SELECT 1 FROM {t} WHERE {m})",
    "SELECT rowid FROM {t} WHERE {m} ORDER BY rowid",
    "SELECT rowid, body FROM {t} WHERE {m} ORDER BY rowid LIMIT 10 OFFSET 3",
    "SELECT rowid FROM {t} WHERE {m} ORDER BY rowid DESC LIMIT 10",
    "SELECT rowid, year FROM {t} WHERE {m} ORDER BY year, rowid LIMIT 10",
    "SELECT year, count(*) FROM {t} WHERE {m} GROUP BY year ORDER BY year",
    "SELECT DISTINCT year FROM {t} WHERE {m} ORDER BY year",
    "SELECT DISTINCT name FROM {t} WHERE {m} AND year = 2003 ORDER BY name",
    "SELECT rowid FROM {t} WHERE {m} AND rowid > 400 ORDER BY rowid LIMIT 5",
    "SELECT rowid FROM {t} WHERE {m} AND rowid IN (1, 2, 3, 4, 5, 6, 7, 8, 9) ORDER BY rowid DESC",
    "SELECT sum(year) FROM {t} WHERE {m}",
    "SELECT max(rowid), min(rowid) FROM {t} WHERE {m}",
    "SELECT count(*) FROM {t} WHERE {m} AND rowid IN (SELECT id FROM plain WHERE id % 3 = 0)",
]


@pytest.mark.parametrize("sql", UNRANKED)
@pytest.mark.parametrize("match, like", [("docs MATCH 'cat'", "(' ' || name || ' ' || body || ' ') LIKE '% cat %'"), ("body MATCH 'cat AND owl'", "(' ' || body || ' ') LIKE '% cat %' AND (' ' || body || ' ') LIKE '% owl %'"), ("docs MATCH '-cat'", "(' ' || name || ' ' || body || ' ') NOT LIKE '% cat %'"), ("docs MATCH 'cat' AND body MATCH 'owl'", "(' ' || name || ' ' || body || ' ') LIKE '% cat %' AND (' ' || body || ' ') LIKE '% owl %'"), ("docs MATCH ''", "0")])
def test_a_search_that_is_counted_or_ordered_otherwise_has_the_rows_of_an_ordinary_table(table, sql, match, like):
    got = table.rows(sql.format(t="docs", m=match))
    assert got == table.rows(sql.format(t="plain", m=f"({like})").replace("rowid", "id"))


def told(db, sql, *params):
    return [json.loads(row[0]) for row in db.rows(sql, *params)]


@pytest.mark.parametrize("order", ["ORDER BY rowid LIMIT 3", "ORDER BY year LIMIT 3", "LIMIT 3"])
def test_explain_says_that_rows_were_not_ranked(table, order):
    assert all(one["unranked"] for one in told(table, f"SELECT explain FROM docs WHERE docs MATCH 'cat' {order}"))
    assert "unranked" in table.plan(f"SELECT rowid FROM docs WHERE docs MATCH 'cat' {order}")


@pytest.mark.parametrize(
    "rest",
    [
        "explain FROM docs WHERE docs MATCH 'cat' ORDER BY rank LIMIT 3",
        "explain, rank FROM docs WHERE docs MATCH 'cat' ORDER BY rowid LIMIT 3",
        "explain, bm25(docs) FROM docs WHERE docs MATCH 'cat' ORDER BY rowid LIMIT 3",
        "explain, name FROM docs WHERE docs MATCH 'cat' LIMIT 3",
        "explain, highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'cat' LIMIT 3",
        "explain FROM docs WHERE docs MATCH 'cat' AND k = 3",
        "explain FROM docs WHERE docs MATCH 'cat' AND k = 3 ORDER BY rowid",
        "explain FROM docs WHERE docs MATCH 'cat' AND bm25 > 0 LIMIT 3",
        "explain FROM docs WHERE docs MATCH 'cat' AND rank < 0 ORDER BY rowid",
        f"explain FROM docs WHERE docs MATCH hybrid_query('cat', x'{QUERY.hex()}') LIMIT 3",
        f"explain FROM docs WHERE docs MATCH hybrid_query('cat', x'{QUERY.hex()}') ORDER BY rowid LIMIT 3",
        f"explain FROM docs WHERE v MATCH x'{QUERY.hex()}' ORDER BY rowid LIMIT 3",
    ],
)
def test_a_search_whose_ranks_are_read_is_ranked(table, rest):
    assert not any("unranked" in one for one in told(table, f"SELECT {rest}"))


def test_a_bound_that_a_text_brings_with_it_holds_where_nobody_reads_scores(table):
    scores = dict(table.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'cat OR owl' ORDER BY rank"))
    edge = sorted(scores.values())[len(scores) // 2]
    kept = sorted(rowid for rowid, score in scores.items() if score >= edge)
    assert 0 < len(kept) < len(scores)
    query = f"text_query('cat OR owl', '{{\"min_bm25\":{edge!r}}}')"
    assert table.one(f"SELECT count(*) FROM docs WHERE docs MATCH {query}") == len(kept)
    assert table.one(f"SELECT count(*) FROM docs WHERE docs MATCH {query} AND year > 0") == len(kept)
    for order in ("rowid", "rowid DESC", "year, rowid"):
        got = table.column(f"SELECT rowid FROM docs WHERE docs MATCH {query} ORDER BY {order}")
        assert sorted(got) == kept and (order == "rowid") <= (got == kept), order


def test_scores_are_read_by_functions_in_any_order(table):
    scores = dict(table.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'cat' ORDER BY rank"))
    got = table.rows("SELECT rowid, -bm25(docs) FROM docs WHERE docs MATCH 'cat' ORDER BY rowid")
    assert got == [(rowid, pytest.approx(scores[rowid])) for rowid in sorted(scores)]
    marked = table.rows("SELECT rowid, highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'body:cat' ORDER BY rowid DESC")
    assert [row[0] for row in marked] == sorted((row[0] for row in marked), reverse=True)
    assert all("[cat]" in text for _, text in marked)
    best = table.column("SELECT highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'cat' LIMIT 10")
    assert best == table.column("SELECT highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'cat' ORDER BY rank LIMIT 10")
    names = table.column("SELECT name || body FROM docs WHERE docs MATCH 'cat' LIMIT 10")
    assert names == table.column("SELECT name || body FROM docs WHERE docs MATCH 'cat' ORDER BY rank LIMIT 10")


def test_statements_that_were_compiled_together_keep_their_own_needs(table):
    """A statement that reads scores, and one that does not, both open at once."""
    scores = dict(table.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'owl' ORDER BY rank"))
    one = table.cursor("SELECT rowid, bm25(docs) FROM docs WHERE docs MATCH 'owl' ORDER BY rowid")
    two = table.cursor("SELECT rowid FROM docs WHERE docs MATCH 'owl' ORDER BY rowid")
    for rowid in sorted(scores)[:50]:
        assert next(one) == (rowid, pytest.approx(-scores[rowid]))
        assert next(two) == (rowid,)


@pytest.mark.parametrize("column", ["docs", "rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain"])
@pytest.mark.parametrize("search", ["text", "vector", "hybrid"])
def test_hidden_columns_are_asked_whether_they_are_null_as_any_column(table, search, column):
    """`k IS NOT NULL` was an error; tools that suggest facets ask it of every column."""
    condition, params = SEARCHES[search]
    whole = table.rows(f"SELECT rowid, {column} IS NULL FROM docs WHERE {condition} ORDER BY rank", *params)
    null = table.column(f"SELECT rowid FROM docs WHERE {condition} AND {column} IS NULL ORDER BY rank", *params)
    known = table.column(f"SELECT rowid FROM docs WHERE {condition} AND {column} IS NOT NULL ORDER BY rank", *params)
    assert null == [rowid for rowid, is_null in whole if is_null]
    assert known == [rowid for rowid, is_null in whole if not is_null]
    facets = f"SELECT {column} AS value, count(*) FROM (SELECT rowid, * FROM docs WHERE {condition}) WHERE value IS NOT NULL GROUP BY value LIMIT 31"
    if column != "docs":
        try:
            table.rows(facets.replace("rowid, *", f"rowid, {column}"), *params)
        except table.errors as error:
            pytest.fail(f"{facets}: {error}")
    if column == "k":
        assert known == [] and table.column(f"SELECT k FROM docs WHERE {condition} AND k = 3 AND k IS NOT NULL", *params) == [3, 3, 3]


@pytest.mark.parametrize("page", [7, 10, 25, 100])
@pytest.mark.parametrize("options", ["{}", '{"fusion":"convex"}', '{"fusion":"dbsf"}', '{"depth":30}'])
def test_pages_of_a_hybrid_query_fit_together_by_default(table, page, options):
    """The depth grew with LIMIT + OFFSET where SQLite shows them: of a hundred rows ten came twice and ten never."""
    sql = "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('cat OR owl', ?, ?) ORDER BY rank"
    pages = [table.column(f"{sql} LIMIT {page} OFFSET {offset}", QUERY, options) for offset in range(0, 300, page)]
    rows = [rowid for one in pages for rowid in one]
    assert len(set(rows)) == len(rows)
    if page <= 30:
        # As deep as the depth says, so these are the pages of any other size, and the rows of a search without LIMIT.
        assert rows[:300] == table.column(sql, QUERY, options)[: len(rows)][:300]


def test_a_k_above_the_depth_makes_the_legs_as_deep_for_every_page(table):
    sql = "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('cat OR owl', ?) AND k = 400 ORDER BY rank"
    whole = table.column(sql, QUERY)
    deep = table.column("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('cat OR owl', ?, '{\"depth\":400}') ORDER BY rank", QUERY)
    assert whole == deep[:400]
    pages = [table.column(f"{sql} LIMIT 30 OFFSET {offset}", QUERY) for offset in range(0, 400, 30)]
    assert [rowid for page in pages for rowid in page] == whole
