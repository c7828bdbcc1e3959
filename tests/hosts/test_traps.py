"""Statements that break other vector searches in SQLite: silently short, silently different, or refused for no reason."""

import pytest

import model


def ids(pairs):
    return [rowid for rowid, _ in pairs]


@pytest.fixture(scope="session")
def asked(corpus):
    """`queries(id, vec)`: three vectors, and one NULL."""
    import numpy as np

    vectors = model.random_vectors(np.random.default_rng(99), 3)
    corpus.db.rows("CREATE TABLE IF NOT EXISTS queries(id INTEGER PRIMARY KEY, vec BLOB)")
    corpus.db.rows("DELETE FROM queries")
    corpus.db.many_in_transaction("INSERT INTO queries VALUES(?, ?)", [(i, model.blob(v)) for i, v in enumerate(vectors, 1)] + [(4, None)])
    return dict(enumerate(vectors, 1))


# ---- how many rows ----


def test_a_limit_given_as_a_parameter_or_an_expression_counts(corpus, query):
    expected = ids(corpus.expected(query))
    for limit, params in (("?", (6,)), ("3 + 3", ()), ("(SELECT 6)", ()), ("CAST(? AS INTEGER)", ("6",))):
        assert corpus.db.column(f"SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT {limit}", model.blob(query), *params) == expected[:6]


def test_limit_zero_gives_nothing_and_a_negative_limit_everything(corpus, query):
    sql = "SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT ?"
    assert corpus.db.column(sql, model.blob(query), 0) == []
    assert corpus.db.column(sql, model.blob(query), -1) == ids(corpus.expected(query))


def test_without_a_limit_every_row_comes_in_order(corpus, query):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance", model.blob(query))
    model.same_ranking(got, corpus.expected(query))


def test_without_limit_and_order_every_row_comes(corpus, query):
    assert sorted(corpus.db.column("SELECT rowid FROM docs WHERE embedding MATCH ?", model.blob(query))) == sorted(ids(corpus.expected(query)))


def test_a_limit_without_order_by_gives_that_many_rows(corpus, query):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? LIMIT 8", model.blob(query))
    truth = dict(corpus.expected(query))
    assert len(got) == 8 and all(abs(truth[rowid] - distance) < 2e-5 for rowid, distance in got)


def test_limit_and_offset_under_a_filter_that_only_sqlite_knows(corpus, query):
    corpus.check_nearest(query, "length(title) % 3 = 1", limit=12, offset=30)


# ---- ORDER BY ----


@pytest.mark.parametrize(
    "order, key",
    [
        ("distance DESC", lambda row: (-row[1], row[0])),
        ("distance, rowid", lambda row: (row[1], row[0])),
        ("distance ASC NULLS LAST", lambda row: (row[1], row[0])),
        ("-distance DESC", lambda row: (row[1], row[0])),
        ("rowid", lambda row: row[0]),
        ("rowid DESC", lambda row: -row[0]),
        ("year, distance", lambda row: (row[2], row[1], row[0])),
        ("year DESC, rank, rowid", lambda row: (-row[2], row[1], row[0])),
        ("rank DESC, rowid", lambda row: (-row[1], row[0])),
        ("round(distance, 1), rowid", lambda row: (round(row[1], 1), row[0])),
    ],
)
def test_no_order_by_is_refused_and_each_sorts_the_whole_answer(corpus, query, order, key):
    everything = corpus.db.rows("SELECT rowid, distance, year FROM docs WHERE embedding MATCH ?", model.blob(query))
    got = corpus.db.rows(f"SELECT rowid, distance, year FROM docs WHERE embedding MATCH ? ORDER BY {order} LIMIT 20", model.blob(query))
    assert ids([row[:2] for row in got]) == ids([row[:2] for row in sorted(everything, key=key)[:20]])


def test_order_by_another_column_sorts_the_k_nearest(corpus, query):
    nearest = ids(corpus.expected(query)[:15])
    got = corpus.db.column("SELECT rowid FROM docs WHERE embedding MATCH ? AND k = 15 ORDER BY year, rowid", model.blob(query))
    assert got == sorted(nearest, key=lambda rowid: (corpus.data[rowid][4], rowid))


def test_the_outer_order_by_of_a_subquery_does_not_disturb_the_inner_one(corpus, query):
    nearest = ids(corpus.expected(query)[:15])
    for inner in ("SELECT rowid AS id, year FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 15", "SELECT rowid AS id, year FROM docs WHERE embedding MATCH ? AND k = 15"):
        assert corpus.db.column(f"SELECT id FROM ({inner}) ORDER BY year, id", model.blob(query)) == sorted(nearest, key=lambda rowid: (corpus.data[rowid][4], rowid))


# ---- GROUP BY, DISTINCT, aggregates ----


@pytest.mark.parametrize("cut", ["ORDER BY distance LIMIT 40", "AND k = 40", "AND k = 40 ORDER BY distance"])
def test_group_by_over_a_subquery(corpus, query, cut):
    expected = {}
    for rowid, distance in corpus.expected(query)[:40]:
        expected.setdefault(corpus.data[rowid][3], []).append(distance)
    got = corpus.db.rows(f"SELECT lang, count(*), min(distance) FROM (SELECT lang, distance FROM docs WHERE embedding MATCH ? {cut}) GROUP BY lang ORDER BY min(distance)", model.blob(query))
    assert {lang: count for lang, count, _ in got} == {lang: len(d) for lang, d in expected.items()}
    assert all(abs(least - min(expected[lang])) < 2e-5 for lang, _, least in got)


def test_group_by_in_the_query_itself_sees_all_rows(corpus, query):
    expected = {}
    for rowid, distance in corpus.expected(query):
        expected.setdefault(corpus.data[rowid][3], []).append(distance)
    got = corpus.db.rows("SELECT lang, count(*), min(distance) FROM docs WHERE embedding MATCH ? GROUP BY lang ORDER BY 3 LIMIT 3", model.blob(query))
    best = sorted(expected, key=lambda lang: min(expected[lang]))[:3]
    assert [(lang, count) for lang, count, _ in got] == [(lang, len(expected[lang])) for lang in best]


def test_distinct_counts_values_over_the_whole_answer(corpus, query):
    assert set(corpus.db.column("SELECT DISTINCT lang FROM docs WHERE embedding MATCH ? LIMIT 100", model.blob(query))) == {corpus.data[rowid][3] for rowid in ids(corpus.expected(query))}


def test_aggregates_run_over_the_whole_answer(corpus, query):
    truth = corpus.expected(query, "lang = 'en'")
    count, low, high = corpus.db.rows("SELECT count(*), min(distance), max(distance) FROM docs WHERE embedding MATCH ? AND lang = 'en'", model.blob(query))[0]
    assert count == len(truth) and abs(low - truth[0][1]) < 2e-5 and abs(high - truth[-1][1]) < 2e-5
    assert corpus.db.one("SELECT count(*) FROM docs WHERE embedding MATCH ? LIMIT 1", model.blob(query)) == len(corpus.expected(query))


def test_window_functions_number_the_answer(corpus, query):
    got = corpus.db.rows("SELECT rowid, row_number() OVER (ORDER BY distance) AS n FROM docs WHERE embedding MATCH ? ORDER BY n LIMIT 5", model.blob(query))
    assert got == list(zip(ids(corpus.expected(query)), range(1, 6)))


# ---- joins ----


def test_a_join_that_filters_still_gives_k_rows(corpus, query):
    expected = corpus.expected(query, "free = 1 AND year > 2002")[:7]
    for join in ("FROM docs d JOIN plain p ON p.rowid = d.rowid", "FROM plain p JOIN docs d ON p.rowid = d.rowid", "FROM docs d, plain p"):
        got = corpus.db.rows(f"SELECT d.rowid, d.distance {join} WHERE d.embedding MATCH ? AND p.rowid = d.rowid AND p.free = 1 AND p.year > 2002 ORDER BY d.distance LIMIT 7", model.blob(query))
        model.same_ranking(got, expected)


def test_a_left_join_to_the_right_keeps_the_k_nearest(corpus, query):
    got = corpus.db.rows("SELECT d.rowid, d.distance, p.year FROM docs d LEFT JOIN plain p ON p.rowid = d.rowid AND p.year > 2005 WHERE d.embedding MATCH ? ORDER BY d.distance LIMIT 12", model.blob(query))
    model.same_ranking([row[:2] for row in got], corpus.expected(query)[:12])
    assert all((year is None) == (corpus.data[rowid][4] <= 2005) for rowid, _, year in got)


def test_match_in_the_on_clause_of_a_left_join(corpus, asked):
    got = corpus.db.rows("SELECT q.id, d.rowid, d.distance FROM queries q LEFT JOIN docs d ON d.embedding MATCH q.vec AND d.k = 5 ORDER BY q.id, d.distance")
    for number, vector in asked.items():
        model.same_ranking([row[1:] for row in got if row[0] == number], corpus.expected(vector)[:5])
    assert [row for row in got if row[0] == 4] == [(4, None, None)]


def test_match_in_where_over_the_right_side_of_a_left_join_is_not_refused(corpus, query):
    got = corpus.db.column("SELECT d.rowid FROM plain p LEFT JOIN docs d ON d.rowid = p.rowid WHERE d.embedding MATCH ? ORDER BY p.rowid", model.blob(query))
    assert got == sorted(ids(corpus.expected(query)))


def test_many_queries_at_once_by_a_join(corpus, asked):
    for sql in (
        "SELECT q.id, d.rowid, d.distance FROM queries q JOIN docs d ON d.embedding MATCH q.vec AND d.k = 5 ORDER BY q.id, d.distance",
        "SELECT q.id, d.rowid, d.distance FROM docs d JOIN queries q ON d.embedding MATCH q.vec WHERE d.k = 5 ORDER BY q.id, d.rank",
        "SELECT q.id, d.rowid, d.distance FROM queries q, docs d WHERE d.embedding MATCH q.vec AND k = 5 ORDER BY q.id, distance",
    ):
        got = corpus.db.rows(sql)
        assert len(got) == 15
        for number, vector in asked.items():
            model.same_ranking([row[1:] for row in got if row[0] == number], corpus.expected(vector)[:5])


def test_a_join_of_several_queries_ordered_by_distance_is_ordered_over_all(corpus, asked):
    got = corpus.db.column("SELECT d.distance FROM queries q JOIN docs d ON d.embedding MATCH q.vec AND d.k = 5 ORDER BY d.distance")
    expected = sorted(distance for vector in asked.values() for _, distance in corpus.expected(vector)[:5])
    assert got == sorted(got) and got == pytest.approx(expected, abs=2e-5)


def test_a_join_of_several_queries_takes_a_filter_and_k_per_query(corpus, asked):
    got = corpus.db.rows("SELECT q.id, d.rowid, d.distance FROM queries q JOIN docs d ON d.embedding MATCH q.vec AND d.k = 4 AND d.lang = 'de' ORDER BY 1, 3")
    for number, vector in asked.items():
        model.same_ranking([row[1:] for row in got if row[0] == number], corpus.expected(vector, "lang = 'de'")[:4])


def test_a_join_without_k_pairs_each_query_with_every_row(corpus, asked):
    assert corpus.db.one("SELECT count(*) FROM queries q JOIN docs d ON d.embedding MATCH q.vec") == sum(len(corpus.expected(v)) for v in asked.values())


def test_a_table_joined_with_itself_finds_the_neighbours_of_its_rows(corpus):
    got = corpus.db.rows("SELECT a.rowid, b.rowid, b.distance FROM docs a JOIN docs b ON b.embedding MATCH a.embedding AND b.k = 3 WHERE a.rowid IN (5, 6, 7) ORDER BY a.rowid, b.distance")
    for rowid in (5, 6, 7):
        vector = corpus.vectors[rowid]
        expected = corpus.expected(vector)[:3] if vector is not None else []
        model.same_ranking([row[1:] for row in got if row[0] == rowid], expected)


def test_the_query_vector_may_come_from_a_scalar_subquery(corpus):
    rowid, vector = next((rowid, vector) for rowid, vector in corpus.vectors.items() if vector is not None)
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH (SELECT embedding FROM plain WHERE rowid = ?) AND rowid <> ? ORDER BY distance LIMIT 5", rowid, rowid)
    model.same_ranking(got, corpus.expected(vector, "rowid <> ?", (rowid,))[:5])


# ---- subqueries, views, CTEs, compounds ----


def test_a_correlated_subquery_finds_the_nearest_of_each(corpus, asked):
    got = corpus.db.rows("SELECT q.id, (SELECT d.rowid FROM docs d WHERE d.embedding MATCH q.vec ORDER BY d.distance LIMIT 1) FROM queries q ORDER BY q.id")
    assert got == [(number, corpus.expected(vector)[0][0]) for number, vector in asked.items()] + [(4, None)]


def test_a_correlated_in_subquery_with_a_limit(corpus, asked):
    got = corpus.db.rows("SELECT q.id, p.rowid FROM queries q JOIN plain p ON p.rowid IN (SELECT d.rowid FROM docs d WHERE d.embedding MATCH q.vec ORDER BY d.distance LIMIT 3) ORDER BY 1, 2")
    assert got == [(number, rowid) for number, vector in asked.items() for rowid in sorted(ids(corpus.expected(vector)[:3]))]


def test_exists_over_a_range_search(corpus, asked):
    got = corpus.db.column("SELECT q.id FROM queries q WHERE EXISTS (SELECT 1 FROM docs d WHERE d.embedding MATCH q.vec AND d.distance < 0.3) ORDER BY 1")
    assert got == [number for number, vector in asked.items() if corpus.expected(vector)[0][1] < 0.3]


def test_a_search_as_the_list_of_an_in(corpus, query):
    got = corpus.db.column("SELECT rowid FROM plain WHERE rowid IN (SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 9) ORDER BY rowid", model.blob(query))
    assert got == sorted(ids(corpus.expected(query)[:9]))


def test_a_view_is_searched_like_the_table(docs, query):
    docs.db.rows("CREATE VIEW seen AS SELECT rowid AS id, lang, distance, rank, embedding FROM docs WHERE year > 2002")
    got = docs.db.rows("SELECT id, distance FROM seen WHERE embedding MATCH ? AND lang = 'en' ORDER BY distance LIMIT 6", model.blob(query))
    model.same_ranking(got, docs.expected(query, "year > 2002 AND lang = 'en'")[:6])


def test_a_view_that_holds_the_match(docs):
    vector = next(v for v in docs.vectors.values() if v is not None)
    literal = model.blob(vector).hex()
    docs.db.rows(f"CREATE VIEW best AS SELECT rowid AS id, distance, lang FROM docs WHERE embedding MATCH x'{literal}' ORDER BY distance LIMIT 20")
    top = ids(docs.expected(vector)[:20])
    assert docs.db.column("SELECT id FROM best") == top
    assert docs.db.column("SELECT id FROM best WHERE lang = 'en'") == [rowid for rowid in top if docs.data[rowid][3] == "en"]


@pytest.mark.parametrize("kind", ["", "MATERIALIZED", "NOT MATERIALIZED"])
def test_a_cte_keeps_its_limit(corpus, query, kind):
    sql = f"WITH near AS {kind} (SELECT rowid AS id, distance, year FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 10) SELECT id FROM near WHERE year > 2002 ORDER BY year, id"
    nearest = ids(corpus.expected(query)[:10])
    assert corpus.db.column(sql, model.blob(query)) == sorted((r for r in nearest if corpus.data[r][4] > 2002), key=lambda r: (corpus.data[r][4], r))


def test_union_all_of_two_searches(corpus, asked):
    one, two = asked[1], asked[2]
    got = corpus.db.column(
        "SELECT * FROM (SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 4) UNION ALL SELECT * FROM (SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 3)",
        model.blob(one), model.blob(two),
    )
    assert sorted(got) == sorted(ids(corpus.expected(one)[:4]) + ids(corpus.expected(two)[:3]))


def test_intersect_of_a_text_and_a_vector_search(corpus, query):
    got = corpus.db.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon' INTERSECT SELECT rowid FROM docs WHERE embedding MATCH ? AND k = 100", model.blob(query))
    assert sorted(got) == sorted(corpus.kept_by("' ' || title || ' ' || body || ' ' LIKE '% falcon %'") & set(ids(corpus.expected(query)[:100])))


def test_two_searches_of_one_table_run_in_one_statement(corpus, asked):
    near = "(SELECT rowid AS id FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 60)"
    got = corpus.db.column(f"SELECT id FROM {near} JOIN {near} USING(id)", model.blob(asked[1]), model.blob(asked[2]))
    assert set(got) == set(ids(corpus.expected(asked[1])[:60])) & set(ids(corpus.expected(asked[2])[:60]))


# ---- OR ----


def test_or_of_two_vector_matches_is_not_refused(corpus, asked):
    got = corpus.db.column("SELECT rowid FROM docs WHERE embedding MATCH ? OR embedding MATCH ?", model.blob(asked[1]), model.blob(asked[2]))
    assert sorted(got) == sorted(ids(corpus.expected(asked[1])))


def test_or_of_two_text_matches_is_their_union(corpus):
    got = corpus.db.column("SELECT rowid FROM docs WHERE title MATCH 'falcon' OR title MATCH 'onyx' ORDER BY rowid")
    assert got == sorted(corpus.kept_by("' ' || title || ' ' LIKE '% falcon %' OR ' ' || title || ' ' LIKE '% onyx %'"))


def test_or_of_a_text_match_and_a_filter_is_their_union(corpus):
    got = corpus.db.column("SELECT rowid FROM docs WHERE title MATCH 'falcon' OR year = 2003 ORDER BY rowid")
    assert got == sorted(corpus.kept_by("' ' || title || ' ' LIKE '% falcon %' OR year = 2003"))


def test_not_of_a_text_match_is_its_complement(corpus):
    got = corpus.db.column("SELECT rowid FROM docs WHERE NOT (title MATCH 'falcon') ORDER BY rowid")
    assert got == sorted(corpus.kept_by("NOT ' ' || title || ' ' LIKE '% falcon %'"))


# ---- ids ----


def test_in_over_partitions_gives_one_list_of_k_rows_not_one_per_value(corpus, query):
    got = corpus.db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND lang IN ('de', 'en', 'fr') AND k = 6 ORDER BY distance", model.blob(query))
    model.same_ranking(got, corpus.expected(query, "lang IN ('de', 'en', 'fr')")[:6])


def test_several_in_lists_and_ranges_at_once(corpus, query):
    corpus.check_nearest(query, "lang IN ('de', 'en') AND year IN (2000, 2001, 2004) AND rowid IN (SELECT rowid FROM plain WHERE rowid % 2) AND rowid > 20 AND free IN (0, 1)", limit=50)


def test_a_million_ids_in_a_list(corpus, query):
    """Half of the numbers to two million pass, most of which are no rows at all."""
    got = corpus.db.rows(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 2 FROM n WHERE i < 2000000) SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND rowid IN (SELECT i FROM n) ORDER BY distance LIMIT 10",
        model.blob(query),
    )
    model.same_ranking(got, corpus.expected(query, "rowid % 2 = 0")[:10])


def test_thousands_of_text_values_in_a_list(corpus, query):
    got = corpus.db.rows(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND lang IN (SELECT 'x' || i FROM n UNION ALL SELECT 'en') ORDER BY distance LIMIT 10",
        model.blob(query),
    )
    model.same_ranking(got, corpus.expected(query, "lang = 'en'")[:10])


# ---- writing by a search, and reading while writing ----


def test_delete_by_a_search(docs, query):
    nearest = ids(docs.expected(query)[:10])
    docs.db.rows("DELETE FROM docs WHERE rowid IN (SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 10)", model.blob(query))
    assert docs.db.column("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 1000", model.blob(query)) == ids(docs.expected(query)[10:])
    assert docs.db.one("SELECT count(*) FROM docs") == len(docs.data) - 10
    assert not set(nearest) & set(docs.db.column("SELECT rowid FROM docs"))


def test_delete_within_a_distance(docs, query):
    docs.db.rows("DELETE FROM docs WHERE embedding MATCH ? AND distance < 0.5", model.blob(query))
    assert set(docs.db.column("SELECT rowid FROM docs")) == set(docs.data) - {rowid for rowid, distance in docs.expected(query) if distance < 0.5}


def test_update_by_a_text_search(docs):
    hits = docs.kept_by("' ' || title || ' ' LIKE '% falcon %'")
    docs.db.rows("UPDATE docs SET lang = 'hit', title = 'changed' WHERE title MATCH 'falcon'")
    assert set(docs.db.column("SELECT rowid FROM docs WHERE lang = 'hit'")) == hits
    assert docs.db.column("SELECT rowid FROM docs WHERE title MATCH 'falcon'") == []
    assert set(docs.db.column("SELECT rowid FROM docs WHERE title MATCH 'changed'")) == hits


def test_an_open_cursor_is_not_disturbed_by_writes_of_its_own_connection(docs, query):
    cursor = docs.db.cursor("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance", model.blob(query))
    seen = [next(cursor) for _ in range(5)]
    docs.db.rows("DELETE FROM docs WHERE rowid = ?", seen[0][0])
    docs.db.rows("INSERT INTO docs(rowid, embedding) VALUES(9999, ?)", model.blob(query))
    docs.db.rows("INSERT INTO docs(docs) VALUES('flush')")
    rows = [row for row in seen + list(cursor) if row[0] != 9999]
    model.same_ranking(rows, docs.expected(query))


def test_insert_select_from_the_same_table(docs):
    before = len(docs.data)
    docs.db.rows("INSERT INTO docs(rowid, title, lang, embedding) SELECT rowid + 5000, title, 'copy', embedding FROM docs WHERE lang = 'en'")
    copied = len(docs.kept_by("lang = 'en'"))
    assert docs.db.one("SELECT count(*) FROM docs") == before + copied
    assert docs.db.one("SELECT count(*) FROM docs WHERE lang = 'copy'") == copied
