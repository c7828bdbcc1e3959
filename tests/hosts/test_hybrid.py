"""Hybrid queries: both legs, their ranks and scores, and the fusion of them."""

import json

import numpy as np
import pytest

import conftest
import hosts
import model

COLUMNS = "rowid, score, distance, bm25, vector_rank, text_rank, rank"


def hybrid(db, text, vector, options=None, where="1", limit=1000, offset=0):
    arguments = "?, ?" if options is None else "?, ?, ?"
    params = [text, vector if vector is None or isinstance(vector, (bytes, str)) else model.blob(vector)]
    params += [] if options is None else [json.dumps(options)]
    condition = "" if where == "1" else f"AND ({where})"
    rows = db.rows(f"SELECT {COLUMNS} FROM docs WHERE docs MATCH hybrid_query({arguments}) {condition} ORDER BY rank LIMIT ? OFFSET ?", *params, limit, offset)
    return [dict(zip(COLUMNS.split(", "), row)) for row in rows]


class Leg(list):
    """Rowids, best first. Equals share a rank: one more than the number of rows that are better."""

    def __init__(self, rows):
        super().__init__(rowid for rowid, _ in rows)
        first, self.ranks = {}, {}
        for place, (rowid, raw) in enumerate(rows, 1):
            self.ranks[rowid] = first.setdefault(raw, place)

    def within(self, depth):
        """The rows whose whole group of equals is within the depth."""
        beyond = {self.ranks[rowid] for rowid in self[depth:]}
        return [rowid for rowid in self[:depth] if self.ranks[rowid] not in beyond]


def legs(corpus, text, vector, where="1"):
    """The two ranked lists that pure queries give."""
    condition = "" if where == "1" else f"AND ({where})"
    vector_leg = corpus.db.rows(f"SELECT rowid, distance FROM docs WHERE embedding MATCH ? {condition} ORDER BY distance", model.blob(vector))
    text_leg = corpus.db.rows(f"SELECT rowid, bm25 FROM docs WHERE docs MATCH ? {condition} ORDER BY rank", text)
    return Leg(vector_leg), Leg(text_leg)


def fused(vector_leg, text_leg, k=60, weights=(1, 1), depth=None):
    """Reciprocal ranks; of legs that are cut at `depth` a whole group of equals counts as soon as one of it is within."""
    scores = {}
    for leg, weight in ((vector_leg, weights[0]), (text_leg, weights[1])):
        last = max((leg.ranks[rowid] for rowid in leg[:depth]), default=0)
        for rowid in leg:
            if leg.ranks[rowid] <= last:
                scores[rowid] = scores.get(rowid, 0.0) + weight / (k + leg.ranks[rowid])
    if depth is not None:
        listed = set(vector_leg.within(depth)) | set(text_leg.within(depth))
        scores = {rowid: score for rowid, score in scores.items() if rowid in listed}
    return scores


# Deep enough for every row of the corpus, so that both legs are whole.
ALL = {"depth": 1000, "fusion": "rrf"}


@pytest.mark.parametrize("where", ["1", "lang = 'en'", "year > 2004 AND free = 0", "rowid IN (1, 2, 3, 4, 5, 6, 7, 8)", "length(title) % 2 = 0"])
def test_scores_are_reciprocal_ranks_of_the_two_legs(corpus, query, where):
    vector_leg, text_leg = legs(corpus, "falcon OR onyx", query, where)
    got = hybrid(corpus.db, "falcon OR onyx", query, ALL, where)
    if "length" in where:
        # SQLite itself applies this one, after the ranks were given.
        whole_vector, whole_text = legs(corpus, "falcon OR onyx", query)
        expected = {rowid: score for rowid, score in fused(whole_vector, whole_text).items() if rowid in vector_leg or rowid in text_leg}
    else:
        expected = fused(vector_leg, text_leg)
    assert {row["rowid"]: row["score"] for row in got} == pytest.approx(expected, rel=1e-5)
    model.same_ranking([(row["rowid"], row["rank"]) for row in got], sorted(((r, -s) for r, s in expected.items()), key=lambda item: item[1]), tolerance=1e-6)


def test_the_ranks_and_raw_scores_of_both_legs_are_shown(corpus, query):
    vector_leg, text_leg = legs(corpus, "falcon", query)
    bm25 = dict(corpus.db.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'falcon'"))
    truth = dict(corpus.expected(query))
    for row in hybrid(corpus.db, "falcon", query, ALL):
        rowid = row["rowid"]
        assert row["vector_rank"] == vector_leg.ranks.get(rowid)
        assert row["text_rank"] == text_leg.ranks.get(rowid)
        assert row["distance"] == (pytest.approx(truth[rowid], abs=2e-5) if rowid in truth else None)
        assert row["bm25"] == (pytest.approx(bm25[rowid]) if rowid in bm25 else None)
        assert row["rank"] == pytest.approx(-row["score"])


def test_a_row_found_by_one_leg_alone_is_in_the_answer(db, state):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, embedding VECTOR(2) METRIC l2)")
    db.rows("INSERT INTO docs(rowid, body, embedding) VALUES(1, 'falcon', '[1,1]'), (2, 'other', '[0,0]'), (3, 'falcon', NULL), (4, NULL, '[0,1]')")
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    rows = {row["rowid"]: row for row in hybrid(db, "falcon", "[0,0]")}
    assert set(rows) == {1, 2, 3, 4}
    assert (rows[3]["distance"], rows[3]["vector_rank"]) == (None, None) and rows[3]["text_rank"] in (1, 2)
    assert (rows[2]["bm25"], rows[2]["text_rank"], rows[2]["vector_rank"]) == (None, None, 1)


def test_every_row_with_a_vector_has_its_distance_however_deep_the_legs_went(db, state):
    """The words are found best in the rows that are farthest away, so each leg returns what the other does not."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, embedding VECTOR(2) METRIC l2)")
    db.rows("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 400) INSERT INTO docs(rowid, body, embedding) SELECT n, 'falcon' || replace(hex(zeroblob(401 - n)), '00', ' w'), json_array(n, 0) FROM r")
    db.rows("INSERT INTO docs(rowid, body) VALUES(1000, 'falcon')")
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    both = "embedding MATCH '[0,0]' AND docs MATCH 'falcon'"
    asked = "docs MATCH hybrid_query('falcon', '[0,0]', '{\"depth\": 20}')"
    for condition in (both, asked):
        got = dict(db.rows(f"SELECT rowid, distance FROM docs WHERE {condition}"))
        assert got == {**{n: n for n in range(1, 401)}, 1000: None}
        assert db.column(f"SELECT rowid FROM docs WHERE {condition} AND distance IS NOT NULL ORDER BY distance LIMIT 3") == [1, 2, 3]
        near = db.column(f"SELECT rowid FROM docs WHERE {condition} AND distance <= 350")
        assert sorted(near) == list(range(1, 351))
        assert len(db.column(f"SELECT rowid FROM docs WHERE {condition} AND distance > 350 ORDER BY rank LIMIT 40")) == 40


def test_the_default_depth_is_enough_for_the_first_page(corpus, query):
    """The default depth is 100: the head of the fused list equals the fusion of the legs cut there."""
    vector_leg, text_leg = legs(corpus, "falcon OR onyx", query)
    expected = fused(vector_leg, text_leg, depth=100)
    got = hybrid(corpus.db, "falcon OR onyx", query, {"fusion": "rrf"}, limit=10)
    best = sorted(((r, -s) for r, s in expected.items()), key=lambda item: item[1])
    model.same_ranking([(row["rowid"], row["rank"]) for row in got], best[:10], tolerance=1e-6)


@pytest.mark.parametrize("options", [{"k": 10}, {"k": 1}, {"weights": [2, 1]}, {"weights": [1, 3]}, {"weights": [1, 0]}, {"fusion": "rrf", "k": 60}])
def test_rrf_takes_k_and_weights(corpus, query, options):
    """Of the two weights the first is that of the vector leg."""
    vector_leg, text_leg = legs(corpus, "falcon", query)
    vector_weight, text_weight = options.get("weights", [1, 1])
    expected = fused(vector_leg, text_leg, options.get("k", 60), (vector_weight, text_weight))
    got = {row["rowid"]: row["score"] for row in hybrid(corpus.db, "falcon", query, {**ALL, **options})}
    assert {r: s for r, s in got.items() if s > 0} == pytest.approx({r: s for r, s in expected.items() if s > 0}, rel=1e-5)


def convex(corpus, text, query, alpha=0.45, metric="cosine"):
    """Every row's score: each leg from its background, 0 or the mean similarity of all rows, to its best, cut to 0 and 1."""
    similarity = lambda distance: {"cosine": 1 - distance, "ip": -distance, "l2": -(distance**2)}[metric]
    table = corpus.db.rows("SELECT rowid, embedding FROM docs WHERE embedding IS NOT NULL")
    vectors = {rowid: similarity(model.distance(metric, model.floats(blob), query)) for rowid, blob in table}
    texts = dict(corpus.db.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH ?", text))
    background = sum(vectors.values()) / len(vectors)
    scale = lambda raws, low, rowid: min(max((raws[rowid] - low) / (max(raws.values()) - low), 0), 1) if rowid in raws else 0
    return {rowid: alpha * scale(vectors, background, rowid) + (1 - alpha) * scale(texts, 0, rowid) for rowid in {*vectors, *texts}}


@pytest.mark.parametrize("options", [{}, {"fusion": "convex"}, {"alpha": 0.2}, {"weights": [3, 1]}])
def test_the_default_scales_each_leg_from_its_background_to_its_best(corpus, query, options):
    alpha = options.get("alpha", 0.75 if "weights" in options else 0.45)
    expected = convex(corpus, "falcon OR onyx", query, alpha)
    for where in ["1", "lang = 'en'"]:
        got = hybrid(corpus.db, "falcon OR onyx", query, {"depth": 1000, **options}, where)
        if where == "1":
            assert {row["rowid"]: row["score"] for row in got} == pytest.approx(expected, abs=2e-5)
        assert all(0 <= row["score"] <= 1 for row in got)
    one = corpus.db.rows("SELECT rowid, score FROM docs WHERE docs MATCH 'falcon OR onyx' AND embedding MATCH ? ORDER BY rank LIMIT 5", model.blob(query))
    plain = hybrid(corpus.db, "falcon OR onyx", query, None, "docs MATCH 'falcon OR onyx'", limit=5)
    assert one == [(row["rowid"], row["score"]) for row in plain]


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("codes, dim", [("int8", 40), ("none", 40), ("bit", 320)])
def test_scores_do_not_depend_on_how_the_rows_came_to_be(host, metric, codes, dim, rng):
    """Inserted at once or in segments with updated and deleted rows: the background is that of the living rows."""
    rows = rng.standard_normal((700, dim)).astype(np.float32) + np.linspace(-1, 1, dim, dtype=np.float32)
    query = rng.standard_normal(dim).astype(np.float32) + rows[5]
    asked = "SELECT rowid, score FROM docs WHERE docs MATCH hybrid_query('word', ?) ORDER BY rank LIMIT 40"

    def table(changed):
        db = host.open()
        db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({dim}) METRIC {metric} CODES {codes})")
        insert = "INSERT OR REPLACE INTO docs(rowid, body, v) VALUES(?, ?, ?)"
        values = [(at + 1, "word" if at % 7 == 0 else "other", model.blob(row)) for at, row in enumerate(rows)]
        if changed:
            db.many_in_transaction(insert, [(rowid, body, model.blob(np.roll(rows[rowid - 1], 3) * 2)) for rowid, body, _ in values[:300]])
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
            db.many_in_transaction(insert, [(rowid + 5000, "other", blob) for rowid, _, blob in values[:200]])
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
            db.rows("DELETE FROM docs WHERE rowid > 5000")
            db.many_in_transaction(insert, values[150:])
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
            db.many_in_transaction(insert, values[:150])
        else:
            db.many_in_transaction(insert, values)
            db.rows("INSERT INTO docs(docs) VALUES('optimize')")
        return db

    plain, grown = (dict(table(changed).rows(asked, model.blob(query))) for changed in (False, True))
    assert grown == pytest.approx(plain, abs=5e-3 if codes == "bit" else 2e-4)
    if codes != "bit":
        assert list(grown) == list(plain)


@pytest.mark.parametrize("fusion", ["convex", "dbsf"])
def test_score_fusions_order_by_their_score_and_keep_all_rows(corpus, query, fusion):
    vector_leg, text_leg = legs(corpus, "falcon", query)
    got = hybrid(corpus.db, "falcon", query, {**ALL, "fusion": fusion})
    assert {row["rowid"] for row in got} == set(vector_leg) | set(text_leg)
    assert [row["score"] for row in got] == sorted((row["score"] for row in got), reverse=True)


def test_the_ends_of_alpha_are_the_legs_themselves(corpus, query):
    vector_leg, text_leg = legs(corpus, "falcon OR onyx", query)
    orders = []
    for alpha in (0.0, 1.0):
        got = hybrid(corpus.db, "falcon OR onyx", query, {**ALL, "fusion": "convex", "alpha": alpha}, limit=10)
        orders.append([row["rowid"] for row in got])
    assert vector_leg[:10] in orders
    by_text = next(order for order in orders if order != vector_leg[:10])
    assert set(by_text) <= set(text_leg)


@pytest.mark.parametrize("limit, offset", [(1, 0), (10, 0), (10, 10), (10, 90), (1000, 0), (5, 100_000)])
def test_pages_of_a_hybrid_query_fit_together(corpus, query, limit, offset):
    whole = [row["rowid"] for row in hybrid(corpus.db, "falcon OR onyx", query, ALL)]
    assert [row["rowid"] for row in hybrid(corpus.db, "falcon OR onyx", query, ALL, limit=limit, offset=offset)] == whole[offset : offset + limit]


@pytest.mark.parametrize("where", ["lang = 'en'", "year % 2 = 0", "lang LIKE 'd%'", "free", "rowid > 200"])
def test_k_rows_come_back_under_a_filter(corpus, query, where):
    passing = corpus.kept_by(where)
    with_vector = {rowid for rowid in passing if corpus.vectors[rowid] is not None}
    got = hybrid(corpus.db, "falcon", query, where=where, limit=12)
    assert len(got) == min(12, len(with_vector)) and {row["rowid"] for row in got} <= passing


@pytest.mark.parametrize("text", ["", "   ", "zzzznothing", None])
def test_an_empty_text_leg_degrades_to_the_vector_alone(corpus, query, text):
    got = hybrid(corpus.db, text, query, limit=10)
    model.same_ranking([(row["rowid"], row["distance"]) for row in got], corpus.expected(query)[:10])
    assert all(row["bm25"] is None and row["text_rank"] is None for row in got)


def test_a_missing_vector_degrades_to_the_text_alone_or_says_what_is_missing(corpus):
    try:
        got = hybrid(corpus.db, "falcon", None, limit=10)
    except corpus.db.errors as error:
        assert "vector" in str(error).lower()
    else:
        assert [row["rowid"] for row in got] == corpus.db.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon' ORDER BY rank LIMIT 10")


def test_text_and_vector_match_in_one_where_keep_the_rows_that_match_the_text(corpus, query):
    text_leg = corpus.db.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon'")
    rows = corpus.db.rows("SELECT rowid, score, bm25 FROM docs WHERE docs MATCH 'falcon' AND embedding MATCH ? ORDER BY rank", model.blob(query))
    assert sorted(row[0] for row in rows) == sorted(text_leg)
    assert all(row[2] is not None for row in rows)
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)


def test_the_column_of_several_vectors_is_named_in_the_options(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, a VECTOR(2) METRIC l2, b VECTOR(2) METRIC l2)")
    db.rows("INSERT INTO docs(rowid, body, a, b) VALUES(1, 'x', '[0,0]', '[9,9]'), (2, 'x', '[9,9]', '[0,0]')")
    assert hybrid(db, "nothing", "[0,0]", {"column": "a"})[0]["rowid"] == 1
    assert hybrid(db, "nothing", "[0,0]", {"column": "b"})[0]["rowid"] == 2
    assert "nocolumn" in db.failure("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('x', '[0,0]', '{\"column\":\"nocolumn\"}')").message


@pytest.mark.parametrize("options, word", [('{"fusion":"borda"}', "borda"), ('{"fusoin":"rrf"}', "fusoin"), ("{", "JSON"), ("[]", ""), ('{"k":-5}', "k"), ('{"alpha":7}', "alpha"), ('{"weights":[1]}', "weights"), ('{"k":9,"alpha":0.3}', "alpha"), ('{"depth":"deep"}', "depth")])
def test_a_wrong_option_is_named(corpus, query, options, word):
    failure = corpus.db.failure("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('falcon', ?, ?) ORDER BY rank LIMIT 5", model.blob(query), options)
    assert failure.says(word), failure


def test_a_vector_of_the_wrong_length_is_refused_in_a_hybrid_query_too(corpus):
    assert corpus.db.failure("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('falcon', '[1,2,3]')").says("embedding", "8", "3")


def test_a_join_feeds_several_hybrid_queries(corpus, rng):
    vectors = model.random_vectors(rng, 3)
    corpus.db.rows("DROP TABLE IF EXISTS asked_both")
    corpus.db.rows("CREATE TABLE asked_both(id INTEGER PRIMARY KEY, text, vec)")
    corpus.db.many_in_transaction("INSERT INTO asked_both VALUES(?, ?, ?)", [(i, word, model.blob(v)) for i, (word, v) in enumerate(zip(["falcon", "onyx", "amber"], vectors))])
    got = corpus.db.rows("SELECT q.id, d.rowid FROM asked_both q JOIN docs d ON d.docs MATCH hybrid_query(q.text, q.vec) AND d.k = 4 ORDER BY q.id, d.rank")
    for i, (word, vector) in enumerate(zip(["falcon", "onyx", "amber"], vectors)):
        assert [rowid for number, rowid in got if number == i] == [row["rowid"] for row in hybrid(corpus.db, word, vector, limit=4)]


def test_the_plan_needs_no_sorter_for_rank(corpus, query):
    plan = corpus.db.plan("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('falcon', ?) AND lang = 'en' ORDER BY rank LIMIT 5", model.blob(query))
    assert "TEMP B-TREE" not in plan.upper() and "nearlite" in plan, plan


def test_a_snippet_is_available_in_a_hybrid_query(corpus, query):
    got = corpus.db.rows("SELECT bm25, highlight(docs, 'title', '[', ']') || highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH hybrid_query('falcon', ?) ORDER BY rank LIMIT 20", model.blob(query))
    assert any(score is not None for score, _ in got)
    assert all("[falcon]" in text for score, text in got if score is not None)


# SQLite shows a limit from 3.41 on; up to the depth of 100 rows nothing depends on that.
@pytest.mark.parametrize("limit", [1, 10, 25, 60, 100])
def test_every_host_gives_the_same_answer_whether_or_not_it_shows_the_limit(limit):
    rows = model.random_rows(np.random.default_rng(conftest.SEED), 900)
    query = model.random_vectors(np.random.default_rng(conftest.SEED + 1), 1)[0]
    answers = []
    for host in hosts.HOSTS:
        db = host.open()
        db.rows(model.CREATE)
        db.many_in_transaction(model.INSERT, rows)
        answers.append([row["rowid"] for row in hybrid(db, "falcon", query, limit=limit)])
        db.close()
    assert all(answer == answers[0] for answer in answers)
