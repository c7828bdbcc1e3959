"""Nearest-neighbour queries against brute force: rows, order, distances, knobs."""

import json
import math

import numpy as np
import pytest

import model

METRICS = ["cosine", "l2", "ip"]


@pytest.mark.parametrize("limit", [1, 2, 10, 100, 400, 5000])
def test_the_k_nearest_rows_are_those_of_brute_force(corpus, query, limit):
    corpus.check_nearest(query, limit=limit)


@pytest.mark.parametrize("order", ["distance", "rank", "distance ASC", "rank ASC"])
def test_rank_and_distance_order_alike(corpus, query, order):
    corpus.check_nearest(query, limit=25, order=order)


@pytest.mark.parametrize("offset", [0, 1, 10, 95, 379, 380, 1000])
def test_offset_continues_where_the_page_before_ended(corpus, query, offset):
    corpus.check_nearest(query, limit=10, offset=offset)


def test_pages_put_together_are_the_whole_list(corpus, query):
    pages = [row for at in range(0, 450, 45) for row in corpus.db.rows(
        "SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 45 OFFSET ?", model.blob(query), at)]
    model.same_ranking(pages, corpus.expected(query))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("codes", ["int8", "none"])
@pytest.mark.parametrize("state", ["delta", "optimized"])
def test_distances_are_exact_in_every_metric(db, rng, metric, codes, state):
    vectors = {i + 1: v * (1 + 3 * rng.random()) for i, v in enumerate(model.random_vectors(rng, 200, 12))}
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(12) METRIC {metric} CODES {codes})")
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", [(i, model.blob(v)) for i, v in vectors.items()])
    stored = {i: model.floats(model.blob(v)) for i, v in vectors.items()}
    if state == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    for query in model.random_vectors(rng, 10, 12):
        got = db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 20", model.blob(query))
        model.same_ranking(got, model.nearest(stored, query, metric)[:20])


def test_halves_are_the_stored_vector_where_the_column_says_f16(db, rng):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(8) METRIC l2 STORE f16)")
    vectors = model.random_vectors(rng, 100)
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", [(i + 1, model.blob(v)) for i, v in enumerate(vectors)])
    stored = {i + 1: v.astype(np.float16).astype(np.float64) for i, v in enumerate(vectors)}
    query = model.random_vectors(rng, 1)[0]
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        got = db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 10", model.blob(query))
        model.same_ranking(got, model.nearest(stored, query, "l2")[:10], tolerance=1e-4)


def test_a_json_array_is_as_good_as_a_blob(corpus, query):
    as_blob = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 20", model.blob(query))
    as_json = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 20", json.dumps([float(x) for x in query]))
    assert [row[0] for row in as_json] == [row[0] for row in as_blob]


def test_a_vector_written_as_json_reads_back_as_its_blob(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(3))")
    db.rows("INSERT INTO docs(embedding) VALUES(' [1, -2.5e0,\n3] ')")
    assert db.column("SELECT embedding FROM docs") == [model.blob([1, -2.5, 3])]


def test_vectors_read_back_bit_for_bit(corpus):
    for rowid, data in corpus.db.rows("SELECT rowid, embedding FROM docs"):
        assert data == corpus.data[rowid][8]


def test_every_stored_vector_finds_itself(corpus):
    for rowid, vector in corpus.vectors.items():
        if vector is not None:
            got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 1", model.blob(vector))
            assert got and got[0][0] == rowid and abs(got[0][1]) < 1e-5, f"row {rowid}: {got}"


def test_rows_without_a_vector_are_never_found(corpus, query):
    without = {rowid for rowid, vector in corpus.vectors.items() if vector is None}
    assert without
    found = set(corpus.db.column("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 10000", model.blob(query)))
    assert found == set(corpus.data) - without


def test_equal_distances_come_in_rowid_order(db, state):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(4) METRIC l2)")
    order = [7, 3, 90, 14, 1, 55, 22, 41]
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, '[1,1,1,1]')", [(i,) for i in order[:5]])
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, '[1,1,1,1]')", [(i,) for i in order[5:]])
    if state == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    for limit in (1, 3, 8, 100):
        got = db.column("SELECT rowid FROM docs WHERE embedding MATCH '[0,0,0,0]' ORDER BY distance LIMIT ?", limit)
        assert got == sorted(order)[:limit]


def test_thousands_of_identical_rows_are_all_returned(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(4) METRIC l2)")
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", [(i, model.blob([1, 2, 3, 4] if i != 1234 else [5, 5, 5, 5])) for i in range(1, 3001)])
    for command in ("flush", "optimize"):
        db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        got = db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,2,3,4]' ORDER BY distance LIMIT 5000")
        assert got == [i for i in range(1, 3001) if i != 1234] + [1234]
        assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[5,5,5,5]' ORDER BY distance LIMIT 2") == [1234, 1]


def test_the_same_query_gives_the_same_rows_every_time(corpus, query):
    sql = "SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND lang = 'en' ORDER BY distance LIMIT 15"
    first = corpus.db.rows(sql, model.blob(query))
    assert all(corpus.db.rows(sql, model.blob(query)) == first for _ in range(5))


@pytest.mark.parametrize("metric, far", [("cosine", 1.0), ("l2", None), ("ip", 0.0)])
def test_a_zero_vector_has_a_finite_distance_to_everything(db, metric, far):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2) METRIC {metric})")
    db.rows("INSERT INTO docs(rowid, embedding) VALUES(1, '[0,0]'), (2, '[3,4]'), (3, '[-3,-4]')")
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        asked_with_zero = dict(db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[0,0]' ORDER BY distance LIMIT 3"))
        expected = {1: 0.0, 2: 5.0, 3: 5.0} if metric == "l2" else {1: far, 2: far, 3: far}
        assert asked_with_zero == pytest.approx(expected)
        asked = dict(db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[3,4]' ORDER BY distance LIMIT 3"))
        assert asked[1] == pytest.approx(model.distance(metric, [0, 0], [3, 4]))


@pytest.mark.parametrize("metric", METRICS)
def test_huge_and_tiny_components_keep_their_order(db, metric):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(3) METRIC {metric})")
    vectors = {1: [1e18, 0, 0], 2: [1e-18, 0, 0], 3: [0, 1e18, 0], 4: [0, 1, 1e-20], 5: [1, 1, 1]}
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", [(i, model.blob(v)) for i, v in vectors.items()])
    stored = {i: model.floats(model.blob(v)) for i, v in vectors.items()}
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        got = db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[1,0.5,0]' ORDER BY distance LIMIT 9")
        model.same_ranking(got, model.nearest(stored, [1, 0.5, 0], metric))
        assert all(math.isfinite(row[1]) for row in got)


def test_k_cuts_like_limit(corpus, query):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND k = 7", model.blob(query))
    model.same_ranking(sorted(got, key=lambda row: row[1]), corpus.expected(query)[:7])
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND k = 7 AND lang = 'de' ORDER BY distance", model.blob(query))
    model.same_ranking(got, corpus.expected(query, "lang = 'de'")[:7])


def test_the_smaller_of_k_and_limit_cuts(corpus, query):
    sql = "SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND k = {} ORDER BY distance LIMIT {}"
    model.same_ranking(corpus.db.rows(sql.format(5, 50), model.blob(query)), corpus.expected(query)[:5])
    model.same_ranking(corpus.db.rows(sql.format(50, 5), model.blob(query)), corpus.expected(query)[:5])


def test_k_zero_gives_nothing_and_a_huge_k_everything(corpus, query):
    count = "SELECT count(*) FROM docs WHERE embedding MATCH ? AND k = ?"
    assert corpus.db.one(count, model.blob(query), 0) == 0
    assert corpus.db.one(count, model.blob(query), 10**9) == len(corpus.expected(query))
    assert corpus.db.one(count, model.blob(query), 2**63 - 1) == len(corpus.expected(query))


def test_a_negative_k_is_an_error(corpus, query):
    assert corpus.db.failure("SELECT count(*) FROM docs WHERE embedding MATCH ? AND k = -1", model.blob(query)).says("k", "0 or more")


@pytest.mark.parametrize("bound", ["distance < 0.5", "distance <= 0.5", "distance < 0.5 AND distance > 0.2", "distance BETWEEN 0.1 AND 0.6", "distance < 0", "distance <= 3", "0.5 > distance"])
def test_a_range_search_returns_every_row_within(corpus, query, bound):
    got = corpus.db.rows(f"SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND {bound} ORDER BY distance", model.blob(query))
    python = bound.replace("AND distance >", "and distance >").replace("distance BETWEEN 0.1 AND 0.6", "0.1 <= distance <= 0.6")
    model.same_ranking(got, [pair for pair in corpus.expected(query) if eval(python, {"distance": pair[1]})])


def test_a_range_search_takes_a_limit_and_a_filter(corpus, query):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND distance < 0.9 AND year > 2003 ORDER BY distance LIMIT 12", model.blob(query))
    model.same_ranking(got, [pair for pair in corpus.expected(query, "year > 2003") if pair[1] < 0.9][:12])


def test_exact_one_is_brute_force_itself(corpus, query):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND exact = 1 ORDER BY distance LIMIT 30", model.blob(query))
    model.same_ranking(got, corpus.expected(query)[:30])


@pytest.mark.parametrize("ef", [1, 10, 200, 100_000])
def test_ef_search_never_costs_rows(corpus, query, ef):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND ef_search = ? ORDER BY distance LIMIT 50", model.blob(query), ef)
    assert len(got) == 50
    truth = dict(corpus.expected(query))
    assert all(abs(truth[rowid] - distance) < 2e-5 for rowid, distance in got)
    assert [row[1] for row in got] == sorted(row[1] for row in got)


def test_explain_is_json_that_names_the_plan(corpus, query):
    text = corpus.db.column("SELECT explain FROM docs WHERE embedding MATCH ? AND lang = 'en' ORDER BY distance LIMIT 1", model.blob(query))[0]
    assert isinstance(json.loads(text), dict)


def test_columns_that_a_vector_query_does_not_fill_are_null(corpus, query):
    row = corpus.db.rows("SELECT bm25, text_rank, distance IS NULL, rank = distance FROM docs WHERE embedding MATCH ? ORDER BY rank LIMIT 1", model.blob(query))[0]
    assert row == (None, None, 0, 1)


def test_a_scan_has_no_distance(corpus):
    assert corpus.db.rows("SELECT DISTINCT distance, bm25, score, vector_rank, text_rank FROM docs") == [(None,) * 5]


def test_an_empty_table_answers_with_no_rows(db):
    db.rows(model.CREATE)
    for command in (None, "flush", "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        assert db.rows("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 5", model.blob([1] * 8)) == []
        assert db.rows("SELECT rowid FROM docs WHERE docs MATCH 'amber' ORDER BY rank LIMIT 5") == []
        assert db.one("SELECT count(*) FROM docs") == 0


def test_a_table_whose_rows_were_all_deleted_answers_with_no_rows(docs, query):
    docs.db.rows("DELETE FROM docs")
    assert docs.db.rows("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 5", model.blob(query)) == []
    docs.db.rows("INSERT INTO docs(rowid, embedding) VALUES(77, ?)", model.blob(query))
    assert docs.db.column("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 5", model.blob(query)) == [77]


def test_a_null_query_finds_nothing(corpus):
    assert corpus.db.rows("SELECT rowid FROM docs WHERE embedding MATCH NULL ORDER BY distance LIMIT 5") == []


def test_row_by_row_deletion_never_shows_a_deleted_row(docs, query, rng):
    order = rng.permutation(list(docs.data))
    for start in range(0, 300, 60):
        for rowid in order[start : start + 60]:
            docs.db.rows("DELETE FROM docs WHERE rowid = ?", int(rowid))
            docs.db.rows("DELETE FROM plain WHERE rowid = ?", int(rowid))
            del docs.data[int(rowid)]
        docs.check_nearest(query, limit=40)
        docs.check_nearest(query, "lang = 'en'", limit=40)


def test_the_plan_needs_no_sorter_for_rank_or_distance(corpus, query):
    for order in ("rank", "distance"):
        plan = corpus.db.plan(f"SELECT rowid FROM docs WHERE embedding MATCH ? AND lang = ? AND year >= ? ORDER BY {order} LIMIT 5", model.blob(query), "en", 2000)
        assert "TEMP B-TREE" not in plan.upper(), plan
        assert "nearest" in plan and "embedding" in plan and "lang" in plan and "year" in plan, plan
