"""Statements of every shape: the k nearest rows come back, in order, without a sorter, wherever the MATCH stands."""

import json

import pytest

import model

PAGES = [(7, 0), (7, 5), (40, 33), (5, 1000), (-1, 3)]
FILTER = "free = 1 AND year > 2002"

# A search for :v of the rows that pass FILTER, which is told in different ways; {order} is `distance` or `rank`.
SHAPES = {
    "the table": f"SELECT d.rowid, distance FROM docs d WHERE embedding MATCH :v AND {FILTER} ORDER BY {{order}}",
    "a filter that SQLite evaluates": "SELECT rowid, distance FROM docs WHERE embedding MATCH :v AND +free = 1 AND abs(year) > 2002 ORDER BY {order}",
    "a filter by JSON and LIKE": "SELECT rowid, distance FROM docs WHERE embedding MATCH :v AND json_object('x', free) ->> 'x' = 1 AND 'y' || year > 'y2002' AND payload LIKE '%a%' ORDER BY {order}",
    "a view": f"SELECT id, distance FROM view_of_docs WHERE embedding MATCH :v AND {FILTER} ORDER BY {{order}}",
    "a filtering view": "SELECT id, distance FROM free_docs WHERE embedding MATCH :v AND year > 2002 ORDER BY {order}",
    "a subquery": f"SELECT id, distance FROM (SELECT rowid AS id, * , distance, rank FROM docs WHERE embedding MATCH :v) WHERE {FILTER} ORDER BY {{order}}",
    "an ordered subquery": f"SELECT id, distance FROM (SELECT rowid AS id, distance FROM docs WHERE embedding MATCH :v AND {FILTER} ORDER BY {{order}})",
    "a CTE": f"WITH near AS (SELECT rowid AS id, distance, rank, free, year FROM docs WHERE embedding MATCH :v) SELECT id, distance FROM near WHERE {FILTER} ORDER BY {{order}}",
    "a join": "SELECT d.rowid, d.distance FROM docs d JOIN plain p ON p.rowid = d.rowid WHERE d.embedding MATCH :v AND p.free = 1 AND p.year > 2002 ORDER BY d.{order}",
    "a join the other way round": "SELECT d.rowid, d.distance FROM plain p JOIN docs d ON p.rowid = d.rowid WHERE d.embedding MATCH :v AND p.free = 1 AND p.year > 2002 ORDER BY d.{order}",
    "a left join": f"SELECT d.rowid, d.distance FROM docs d LEFT JOIN plain p ON p.rowid = d.rowid AND p.year > 2005 WHERE d.embedding MATCH :v AND d.free = 1 AND d.year > 2002 ORDER BY d.{{order}}",
    "a left join that filters": "SELECT d.rowid, d.distance FROM docs d LEFT JOIN plain p ON p.rowid = d.rowid AND p.free = 1 AND p.year > 2002 WHERE d.embedding MATCH :v AND p.rowid IS NOT NULL ORDER BY d.{order}",
    "a join of three": "SELECT d.rowid, d.distance FROM docs d JOIN plain p ON p.rowid = d.rowid JOIN plain o ON o.rowid = p.rowid WHERE d.embedding MATCH :v AND p.free = 1 AND o.year > 2002 ORDER BY d.{order}",
    "an IN subquery": f"SELECT rowid, distance FROM docs WHERE embedding MATCH :v AND rowid IN (SELECT rowid FROM plain WHERE {FILTER}) ORDER BY {{order}}",
    "a correlated EXISTS": f"SELECT rowid, distance FROM docs WHERE embedding MATCH :v AND EXISTS (SELECT 1 FROM plain p WHERE p.rowid = docs.rowid AND {FILTER.replace('free', 'p.free').replace('year', 'p.year')}) ORDER BY {{order}}",
    "an OR": "SELECT rowid, distance FROM docs WHERE embedding MATCH :v AND ((free = 1 AND year > 2002) OR (year > 2002 AND free = 1 AND lang = 'en')) ORDER BY {order}",
    "a vector from a CTE": f"WITH q(v) AS (SELECT :v) SELECT d.rowid, d.distance FROM q JOIN docs d ON d.embedding MATCH q.v WHERE d.free = 1 AND d.year > 2002 ORDER BY d.{{order}}",
}
# There SQLite cannot know that the outer loop has one row, and sorts. (It may flatten the CTE, and then does not.)
MAY_SORT = {"a vector from a CTE"}


@pytest.fixture(scope="session")
def shaped(corpus):
    """The corpus with views, and with query vectors: 1, 2, 3, and 4 without a vector; `n` is how many rows each wants."""
    import numpy as np

    db = corpus.db
    db.rows("CREATE VIEW IF NOT EXISTS view_of_docs AS SELECT rowid AS id, free, year, embedding, distance, rank, k, explain FROM docs")
    db.rows("CREATE VIEW IF NOT EXISTS free_docs AS SELECT rowid AS id, year, embedding, distance, rank FROM docs WHERE free = 1")
    db.rows("CREATE TABLE IF NOT EXISTS asked(id INTEGER PRIMARY KEY, vec BLOB, n INTEGER)")
    db.rows("DELETE FROM asked")
    corpus.asked = dict(enumerate(model.random_vectors(np.random.default_rng(77), 3), 1))
    db.many_in_transaction("INSERT INTO asked VALUES(?, ?, ?)", [(i, model.blob(v), i + 1) for i, v in corpus.asked.items()] + [(4, None, 2)])
    return corpus


def by_name(db, sql, vector):
    """Runs SQL whose only parameter is :v."""
    return db.rows(sql.replace(":v", "?1"), vector)


def top(corpus, number, count, where="1"):
    return [rowid for rowid, _ in corpus.expected(corpus.asked[number], where)[:count]]


@pytest.mark.parametrize("order", ["distance", "rank"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_each_page_of_the_nearest_rows(shaped, query, shape, order):
    where = FILTER + (" AND payload LIKE '%a%'" if "LIKE" in shape else "")
    expected = shaped.expected(query, where)
    for limit, offset in PAGES:
        got = by_name(shaped.db, f"{SHAPES[shape].format(order=order)} LIMIT {limit} OFFSET {offset}", model.blob(query))
        model.same_ranking(got, expected[offset : offset + limit if limit >= 0 else None])


@pytest.mark.parametrize("order", ["distance", "rank"])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in MAY_SORT])
def test_no_shape_needs_a_sorter(shaped, query, shape, order):
    plan = shaped.db.plan((SHAPES[shape].format(order=order) + " LIMIT 5 OFFSET 2").replace(":v", "?1"), model.blob(query))
    assert "TEMP B-TREE" not in plan.upper(), plan
    assert "nearest embedding" in plan, plan


@pytest.mark.parametrize("shape", SHAPES)
def test_a_range_in_each_shape_gives_all_rows_within(shaped, query, shape):
    where = FILTER + (" AND payload LIKE '%a%'" if "LIKE" in shape else "")
    expected = [pair for pair in shaped.expected(query, where) if pair[1] < 0.8]
    sql = SHAPES[shape].format(order="distance").replace("MATCH :v", "MATCH :v AND distance < 0.8").replace("q.v WHERE", "q.v WHERE d.distance < 0.8 AND")
    assert "0.8" in sql
    for limit in (-1, 3):
        got = by_name(shaped.db, f"{sql} LIMIT {limit}", model.blob(query))
        model.same_ranking(got, expected[: limit if limit >= 0 else None])


# Text and hybrid searches have no model for their order here. A filter inside the search changes the ranks of the legs, and so the
# order of a hybrid search, but never which rows come.
@pytest.mark.parametrize("match", ["docs MATCH 'falcon OR onyx'", "docs MATCH hybrid_query('falcon', :v, '{\"depth\": 1000}')"], ids=["text", "hybrid"])
@pytest.mark.parametrize(
    "shape",
    [
        f"SELECT rowid FROM docs WHERE {{match}} AND +free = 1 AND year > 2002 ORDER BY rank",
        "SELECT d.rowid FROM docs d JOIN plain p ON p.rowid = d.rowid WHERE {match} AND p.free = 1 AND p.year > 2002 ORDER BY d.rank",
        f"SELECT id FROM (SELECT rowid AS id, free, year, rank FROM docs WHERE {{match}}) WHERE {FILTER} ORDER BY rank",
        "SELECT d.rowid FROM docs d LEFT JOIN plain p ON p.rowid = d.rowid WHERE {match} AND p.free = 1 AND p.year > 2002 ORDER BY d.rank",
    ],
)
def test_text_and_hybrid_searches_page_through_each_shape(shaped, query, match, shape):
    vector = model.blob(query)
    ask = lambda sql: [row[0] for row in (by_name(shaped.db, sql, vector) if ":v" in sql else shaped.db.rows(sql))]
    kept = shaped.kept_by(FILTER)
    unfiltered = [rowid for rowid in ask(f"SELECT rowid FROM docs WHERE {match} ORDER BY rank") if rowid in kept]
    assert len(unfiltered) > 20
    sql = shape.format(match=match.replace("docs MATCH", "d.docs MATCH") if "docs d" in shape else match)
    whole = ask(f"{sql} LIMIT -1")
    assert sorted(whole) == sorted(unfiltered) and (whole == unfiltered or "hybrid" in match)
    for limit, offset in PAGES:
        assert ask(f"{sql} LIMIT {limit} OFFSET {offset}") == whole[offset : offset + limit if limit >= 0 else None]
    plan = shaped.db.plan((sql + " LIMIT 5").replace(":v", "?1"), *([vector] if ":v" in sql else []))
    assert "TEMP B-TREE" not in plan.upper(), plan


# ---- the query vector comes from a table ----


def test_k_may_come_from_the_row_that_brings_the_vector(shaped):
    got = shaped.db.rows("SELECT q.id, d.rowid FROM asked q JOIN docs d ON d.embedding MATCH q.vec AND d.k = q.n ORDER BY q.id, d.distance")
    assert got == [(number, rowid) for number in (1, 2, 3) for rowid in top(shaped, number, number + 1)]


def test_a_left_join_keeps_the_queries_that_find_nothing(shaped):
    got = shaped.db.rows("SELECT q.id, d.rowid FROM asked q LEFT JOIN docs d ON d.embedding MATCH q.vec AND d.k = 2 AND d.lang = 'ja' ORDER BY q.id, d.distance")
    assert got == [(number, rowid) for number in (1, 2, 3) for rowid in top(shaped, number, 2, "lang = 'ja'")] + [(4, None)]


def test_a_range_of_each_query(shaped):
    got = shaped.db.rows("SELECT q.id, d.rowid FROM asked q JOIN docs d ON d.embedding MATCH q.vec AND d.distance < 0.5 ORDER BY q.id, d.distance")
    assert got == [(number, rowid) for number, vector in shaped.asked.items() for rowid, distance in shaped.expected(vector) if distance < 0.5]


def test_a_limit_in_a_correlated_subquery_counts_for_each_query(shaped):
    got = shaped.db.rows(
        "SELECT q.id, (SELECT json_group_array(id) FROM (SELECT d.rowid AS id FROM docs d WHERE d.embedding MATCH q.vec AND abs(d.year) > 2002 ORDER BY d.distance LIMIT 3 OFFSET 2)) FROM asked q ORDER BY q.id"
    )
    assert [(number, json.loads(found)) for number, found in got] == [(number, top(shaped, number, 5, "year > 2002")[2:]) for number in (1, 2, 3)] + [(4, [])]


def test_a_search_for_each_row_that_a_search_found(shaped, query):
    got = shaped.db.rows("SELECT a.rowid, b.rowid FROM docs a JOIN docs b ON b.embedding MATCH a.embedding AND b.k = 3 WHERE a.embedding MATCH ? AND a.k = 4 ORDER BY a.distance, b.distance", model.blob(query))
    first = [rowid for rowid, _ in shaped.expected(query)[:4]]
    assert got == [(rowid, other) for rowid in first for other, _ in shaped.expected(shaped.vectors[rowid])[:3]]


def test_a_recursive_walk_from_neighbour_to_neighbour(shaped, query):
    start = shaped.expected(query)[0][0]
    got = shaped.db.column(
        "WITH RECURSIVE hop(id, depth) AS (SELECT ?, 0 UNION SELECT d.rowid, depth + 1 FROM hop JOIN plain p ON p.rowid = hop.id JOIN docs d ON d.embedding MATCH p.embedding AND d.k = 3 WHERE depth < 2) SELECT DISTINCT id FROM hop ORDER BY id",
        start,
    )
    seen = reached = {start}
    for _ in range(2):
        reached = {other for rowid in reached for other, _ in shaped.expected(shaped.vectors[rowid])[:3]}
        seen = seen | reached
    assert got == sorted(seen)


def test_the_base_table_is_looked_up_and_the_search_runs_once(shaped, query):
    """The search is the outer loop of a join with an ordinary table, whatever the order of FROM and with statistics, too."""
    for analyzed in (False, True):
        if analyzed:
            shaped.db.rows("ANALYZE plain")
        for tables in ("docs d JOIN plain p ON p.rowid = d.rowid", "plain p JOIN docs d ON p.rowid = d.rowid"):
            steps = shaped.db.plan(f"SELECT p.title FROM {tables} WHERE d.embedding MATCH ? ORDER BY d.distance LIMIT 3", model.blob(query)).splitlines()
            assert "SCAN d" in steps[0] and "nearest" in steps[0] and "SEARCH p" in steps[1], steps


def test_the_table_of_query_vectors_is_the_outer_loop(shaped):
    for tables in ("asked q JOIN docs d ON d.embedding MATCH q.vec", "docs d JOIN asked q ON d.embedding MATCH q.vec"):
        steps = shaped.db.plan(f"SELECT d.rowid FROM {tables} AND d.k = 3").splitlines()
        assert "q" in steps[0].split() and "nearest" in steps[1], steps


# ---- compounds ----


def test_union_removes_what_both_found(shaped):
    near = "SELECT rowid FROM docs WHERE embedding MATCH (SELECT vec FROM asked WHERE id = {}) AND k = 150"
    one, two = set(top(shaped, 1, 150)), set(top(shaped, 2, 150))
    for word, expected in (("UNION", one | two), ("INTERSECT", one & two), ("EXCEPT", one - two)):
        assert shaped.db.column(f"{near.format(1)} {word} {near.format(2)} ORDER BY 1") == sorted(expected), word


def test_the_order_and_limit_of_a_compound_hold_over_all_its_parts(shaped):
    part = "SELECT rowid, distance FROM docs WHERE embedding MATCH (SELECT vec FROM asked WHERE id = {})"
    for cut in ("", " AND k = 20"):
        got = shaped.db.rows(" UNION ALL ".join(part.format(i) + cut for i in (1, 2, 3)) + " ORDER BY distance LIMIT 12 OFFSET 3")
        expected = sorted((distance, rowid) for vector in shaped.asked.values() for rowid, distance in shaped.expected(vector))[3:15]
        assert [row[1] for row in got] == pytest.approx([distance for distance, _ in expected], abs=2e-5)


def test_the_best_documents_of_many_chunks(shaped, query):
    """lang stands for the document: the three documents whose best chunk is nearest, and that chunk."""
    best = {}
    for rowid, distance in shaped.expected(query):
        best.setdefault(shaped.data[rowid][3], (rowid, distance))
    expected = list(best.values())[:3]
    grouped = "SELECT rowid, min(distance) AS best FROM docs WHERE embedding MATCH ? GROUP BY lang ORDER BY best LIMIT 3"
    numbered = "SELECT id, distance FROM (SELECT rowid AS id, distance, row_number() OVER (PARTITION BY lang ORDER BY distance) AS n FROM docs WHERE embedding MATCH ?) WHERE n = 1 ORDER BY distance LIMIT 3"
    for sql in (grouped, numbered):
        model.same_ranking(shaped.db.rows(sql, model.blob(query)), expected)


# ---- the knobs and what they read back ----


def test_knobs_read_back_through_a_join_a_view_and_a_cte(shaped, query):
    vector = model.blob(query)
    for sql in (
        "SELECT k, ef_search, exact FROM docs WHERE embedding MATCH ? AND k = 3 AND ef_search = 90 AND exact = 1",
        "SELECT d.k, d.ef_search, d.exact FROM docs d JOIN plain p ON p.rowid = d.rowid WHERE d.embedding MATCH ? AND d.k = 3 AND d.ef_search = 90 AND d.exact = 1",
        "WITH near AS (SELECT * , k, ef_search, exact FROM docs WHERE embedding MATCH ? AND ef_search = 90 AND exact = 1) SELECT k, ef_search, exact FROM near WHERE k = 3",
    ):
        assert shaped.db.rows(sql, vector) == [(3, 90, 1)] * 3
    assert shaped.db.rows("SELECT id, k FROM view_of_docs WHERE embedding MATCH ? AND k = 2 ORDER BY distance", vector) == [(rowid, 2) for rowid, _ in shaped.expected(query)[:2]]
    assert shaped.db.rows("SELECT count(*), max(k) FROM (SELECT k FROM docs WHERE embedding MATCH ? AND k = 5) WHERE k > 4", vector) == [(5, 5)]


def test_k_and_exact_hold_for_text_and_hybrid_searches_too(shaped, query):
    assert len(shaped.db.rows("SELECT rowid FROM docs WHERE docs MATCH 'falcon' AND k = 4")) == 4
    exact = shaped.db.rows("SELECT rowid, k, exact FROM docs WHERE docs MATCH hybrid_query('falcon', ?) AND k = 4 AND exact = 1 AND ef_search = 10 ORDER BY rank", model.blob(query))
    assert [row[1:] for row in exact] == [(4, 1)] * 4


def test_explain_tells_plan_and_counts_in_every_shape(shaped, query):
    for sql in (
        "SELECT explain FROM docs WHERE embedding MATCH ? AND lang = 'en' ORDER BY distance LIMIT 3",
        "SELECT d.explain FROM docs d JOIN plain p ON p.rowid = d.rowid WHERE d.embedding MATCH ? AND d.lang = 'en' ORDER BY d.distance LIMIT 3",
        "SELECT explain FROM (SELECT explain FROM docs WHERE embedding MATCH ? AND lang = 'en' AND k = 3)",
    ):
        told = [json.loads(text) for text in shaped.db.column(sql, model.blob(query))]
        assert len(told) == 3
        for one in told:
            # Rows without a vector pass the filter as well.
            assert one["kind"] == "nearest" and one["passing"] == len(shaped.kept_by("lang = 'en'"))
            assert {part["plan"] for part in one["parts"]} <= {"nothing", "delta", "scan", "graph", "filtered_graph"}
            assert sum(part["passing"] for part in one["parts"]) == one["passing"]


# ---- writing with a search inside ----


def test_update_from_a_search_and_its_twin(docs, query):
    docs.db.rows("UPDATE docs SET lang = p.lang || '!' FROM plain p WHERE p.rowid = docs.rowid AND docs.embedding MATCH ? AND docs.k = 5", model.blob(query))
    nearest = [rowid for rowid, _ in docs.expected(query)[:5]]
    changed = docs.db.rows("SELECT rowid, lang FROM docs WHERE lang LIKE '%!' ORDER BY rowid")
    assert changed == sorted((rowid, docs.data[rowid][3] + "!") for rowid in nearest if docs.data[rowid][3] is not None)
    docs.check_nearest(query, limit=30)


def test_rows_whose_base_row_is_gone_are_cleaned_up_by_a_correlated_delete(docs, query):
    docs.db.rows("DELETE FROM plain WHERE year > 2003")
    docs.db.rows("DELETE FROM docs WHERE NOT EXISTS (SELECT 1 FROM plain WHERE plain.rowid = docs.rowid)")
    docs.data = {rowid: row for rowid, row in docs.data.items() if rowid in docs.kept_by("1")}
    assert set(docs.db.column("SELECT rowid FROM docs")) == set(docs.data)
    docs.check_nearest(query, limit=1000)


def test_a_search_fills_another_table(docs, query):
    docs.db.rows("CREATE TABLE found AS SELECT rowid AS id, distance FROM docs WHERE embedding MATCH ? AND length(title) > 0 ORDER BY distance LIMIT 9", model.blob(query))
    model.same_ranking(docs.db.rows("SELECT id, distance FROM found ORDER BY distance, id"), docs.expected(query, "length(title) > 0")[:9])


def test_pages_by_the_last_distance_reach_every_row_once(shaped, query):
    """The idiom of systems without OFFSET; the rowid decides among equal distances."""
    seen, last = [], (-1.0, 0)
    while True:
        page = shaped.db.rows(
            "SELECT rowid, distance FROM docs WHERE embedding MATCH ?1 AND distance >= ?2 AND (distance > ?2 OR rowid > ?3) ORDER BY distance LIMIT 37", model.blob(query), *last
        )
        if not page:
            break
        seen += page
        last = (page[-1][1], page[-1][0])
    model.same_ranking(seen, shaped.expected(query))
